import type { ConsentRule } from './consent.ts';
import { fulfils, type Criterion } from './criteria.ts';
import type { Resource } from './resource.ts';

/** The verbs of a SMART v2 scope: create, read (with vread and instance history), update (with patch), delete, search (with type history). */
export type Verb = 'c' | 'r' | 'u' | 'd' | 's';

/** Whose records a caller may reach. */
export type Reach =
  | { readonly kind: 'none' }
  | { readonly kind: 'all' }
  /** The access log and what is counted over many: nothing of any record. */
  | { readonly kind: 'auditor' }
  | { readonly kind: 'patient'; readonly patient: string }
  | { readonly kind: 'practitioner'; readonly reference: string }
  /** A RelatedPerson: what Consents open, and nothing by itself. */
  | { readonly kind: 'related'; readonly reference: string };

/** What granular scopes leave of the granted verbs of a type: of the criteria of a verb one must hold. A verb that is absent is not limited. */
export type Limits = ReadonlyMap<Verb, readonly Criterion[]>;

/**
 * What a caller may see and do: the only value in which authorization and storage meet.
 * It starts from nothing; every table reference of every query carries it.
 */
export interface Visibility {
  /** Binds paging tokens and idempotency keys to the one who got them. */
  readonly caller: string;
  readonly reach: Reach;
  /** Granted verbs by resource type; a type that is absent is not granted. */
  readonly grants: ReadonlyMap<string, ReadonlySet<Verb>>;
  /** By type; a type that is absent is not limited. */
  readonly limits?: ReadonlyMap<string, Limits>;
  /** Whether resources whose `meta.security` says restricted are visible. */
  readonly restricted: boolean;
  /** What Consents permit and deny the caller at the time of this request; absent: not looked up yet. */
  readonly consents?: readonly ConsentRule[];
}

/** @returns whether `visibility` grants `verb` on `type`; on which of them its limits say. */
export function grants(visibility: Visibility, type: string, verb: Verb): boolean {
  return visibility.grants.get(type)?.has(verb) === true;
}

/**
 * @param verb absent: the resource is shown by other than a read or a search, and must fulfil what limits either.
 * @returns lists of criteria; one of each list must hold. Empty: not limited.
 */
export function limitsOf({ limits }: Visibility, type: string, verb?: Verb): readonly (readonly Criterion[])[] {
  const ofType = limits?.get(type);
  if (ofType === undefined) return [];
  return (verb === undefined ? ['r', 's'] as const : [verb]).flatMap((each) => { const found = ofType.get(each); return found === undefined ? [] : [found]; });
}

/** @returns whether the limits of `verb` leave a resource with this content to the caller; whether the verb is granted at all is another question. */
export function within(visibility: Visibility, verb: Verb | undefined, resource: Resource): boolean {
  return limitsOf(visibility, resource.resourceType, verb).every((alternatives) => fulfils(resource, alternatives));
}

/** @returns whether the caller's scopes let it see a resource with this content in some way. */
export function sees(visibility: Visibility, resource: Resource): boolean {
  const { resourceType: type } = resource;
  return (grants(visibility, type, 'r') && within(visibility, 'r', resource)) || (grants(visibility, type, 's') && within(visibility, 's', resource));
}
