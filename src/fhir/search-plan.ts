import type { SearchParameter } from './search-parameters.ts';

/** Prefix of an ordered value (http://hl7.org/fhir/R4/search.html#prefix). */
export type Prefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap';

/** `system` is `hash64(uri)` as decimal text, `0` for `|code`, null for any; `code` null for `system|`. */
export interface TokenValue { readonly code: string | null; readonly system: string | null }

/** A reference to `type/id`; type null: any type. `url`: a reference to elsewhere, or a canonical. */
export type ReferenceValue =
  | { readonly kind: 'local'; readonly type: string | null; readonly id: string }
  | { readonly kind: 'url'; readonly url: string };

/** Half-open [low, high) that the written precision stands for. `po` of `_filter`: the ranges overlap. */
export interface DateValue { readonly prefix: Prefix | 'po'; readonly low: string; readonly high: string }

/** `value` is the number as written; [low, high) what its precision stands for. `code` null: any unit; `system` as in TokenValue. */
export interface QuantityValue {
  readonly prefix: Prefix;
  readonly value: string;
  readonly low: string;
  readonly high: string;
  readonly code: string | null;
  readonly system: string | null;
}

export interface UriValue { readonly value: string; readonly version: string | null }

/** What a resource must fulfil. Several values in one test: any of them. */
export type Test =
  | { readonly kind: 'id'; readonly ids: readonly string[]; readonly negated: boolean }
  | { readonly kind: 'updated'; readonly values: readonly DateValue[] }
  | { readonly kind: 'compartment'; readonly patient: string }
  | { readonly kind: 'token'; readonly parameter: SearchParameter; readonly values: readonly TokenValue[]; readonly negated: boolean }
  | { readonly kind: 'reference'; readonly parameter: SearchParameter; readonly values: readonly ReferenceValue[] }
  | { readonly kind: 'date'; readonly parameter: SearchParameter; readonly values: readonly DateValue[] }
  | { readonly kind: 'string'; readonly parameter: SearchParameter; readonly match: 'prefix' | 'exact' | 'contains' | 'same' | 'end'; readonly values: readonly string[] }
  | { readonly kind: 'uri'; readonly parameter: SearchParameter; readonly match: 'equal' | 'below' | 'above'; readonly values: readonly UriValue[] }
  /** `also`: rows with this number count too; in one condition, so that the planner can begin a search with it. */
  | { readonly kind: 'quantity'; readonly parameter: SearchParameter; readonly values: readonly QuantityValue[]; readonly also?: number }
  | { readonly kind: 'missing'; readonly parameter: SearchParameter; readonly missing: boolean }
  /** A composite: one element holds the token that `number` stands for and fulfils `value`. */
  | { readonly kind: 'tuple'; readonly number: number; readonly value: ValueTest }
  /** Holds for no resource: a value that is well-formed but that nothing here can have. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'not'; readonly test: Test }
  | ConceptTest
  | { readonly kind: 'all'; readonly tests: readonly Test[] }
  | { readonly kind: 'any'; readonly tests: readonly Test[] }
  /** The reference points to a resource of one of these types that fulfils its test. */
  | { readonly kind: 'chain'; readonly reference: SearchParameter; readonly targets: readonly { readonly type: string; readonly test: Test }[] }
  /** A resource of type `source` points here with `reference` and fulfils the test. */
  | { readonly kind: 'has'; readonly source: string; readonly reference: SearchParameter; readonly test: Test };

/**
 * What definitions decide: the codes of value sets (canonicals), those above or below others (`system|code`), those that are
 * called so (folded). It is replaced by the codes before the search is run; `name` is the parameter as it was written.
 */
export interface ConceptTest {
  readonly kind: 'concept';
  readonly relation: 'in' | 'not-in' | 'above' | 'below' | 'text';
  readonly parameter: SearchParameter;
  readonly name: string;
  readonly values: readonly string[];
}

/** A test of the values of one parameter, which index rows or a column hold. */
export type ValueTest = Extract<Test, { readonly kind: 'token' | 'reference' | 'date' | 'string' | 'uri' | 'quantity' }>;

/** A key of `_sort`. Missing values come last whatever the direction. */
export interface SortKey {
  readonly by: '_id' | '_lastUpdated' | SearchParameter;
  readonly descending: boolean;
}

/** One `_include` or `_revinclude`: follow `parameters` of `source`, in `target` only where it is given. */
export interface Include {
  readonly source: string;
  readonly parameters: readonly SearchParameter[];
  readonly target: string | null;
  readonly iterate: boolean;
}

/** What a search asks for, checked and normalised: data only, which JSON can write. */
export interface SearchPlan {
  readonly type: string;
  /** All must hold. */
  readonly tests: readonly Test[];
  /** Empty: newest created first. */
  readonly sort: readonly SortKey[];
  /** Matches on a page; 0: only the total. */
  readonly count: number;
  /** null: not asked for. */
  readonly total: 'none' | 'estimate' | 'accurate' | null;
  readonly summary: 'true' | 'text' | 'data' | 'false';
  /** Element names of `_elements`; empty: all. */
  readonly elements: readonly string[];
  readonly includes: readonly Include[];
  readonly revincludes: readonly Include[];
  /** Resources that are contained in others: not searched, instead of or after those that are not. */
  readonly contained: 'false' | 'true' | 'both';
  /** What is shown of a match that is contained. */
  readonly containedType: 'container' | 'contained';
  /** The opaque token of a `next` link, as it came. */
  readonly page: string | null;
  /** Names and values that are really applied, in their order: the self link. Without the page token. */
  readonly applied: readonly (readonly [string, string])[];
}
