import { sql } from 'kysely';
import type { DateValue, QuantityValue, TokenValue } from '../fhir/search-plan.ts';
import { or, type Fragment } from './sql.ts';

/**
 * A half-open date range of a row against a searched one, by the rules of R4 for each prefix
 * (http://hl7.org/fhir/R4/search.html#prefix): `eq` is containment, `ap` overlap widened by a tenth of the distance from now.
 * @param low,high the columns of the row.
 */
export function compareDate(low: Fragment, high: Fragment, value: DateValue): Fragment {
  const from = sql`${value.low}::timestamptz`;
  const until = sql`${value.high}::timestamptz`;
  switch (value.prefix) {
    case 'eq': return sql`(${low} >= ${from} and ${low} < ${until} and ${high} <= ${until})`;
    case 'ne': return sql`not (${low} >= ${from} and ${high} <= ${until})`;
    case 'gt': return sql`${high} > ${until}`;
    case 'lt': return sql`${low} < ${from}`;
    // the range above intersects, or the searched range contains: together these say no more than
    case 'ge': return sql`(${low} >= ${from} or ${high} > ${until})`;
    case 'le': return sql`(${low} < ${from} or ${high} <= ${until})`;
    case 'sa': return sql`${low} >= ${until}`;
    case 'eb': return sql`${high} <= ${from}`;
    case 'po': return sql`(${low} < ${until} and ${high} > ${from})`;
    case 'ap': {
      const margin = sql`(0.1 * greatest(now() - ${from}, ${from} - now()))`;
      return sql`(${low} < ${until} + ${margin} and ${high} > ${from} - ${margin})`;
    }
  }
}

/** As `compareDate`, for a column that is one instant. */
export function compareInstant(at: Fragment, value: DateValue): Fragment {
  const from = sql`${value.low}::timestamptz`;
  const until = sql`${value.high}::timestamptz`;
  switch (value.prefix) {
    case 'eq': case 'po': return sql`(${at} >= ${from} and ${at} < ${until})`;
    case 'ne': return sql`not (${at} >= ${from} and ${at} < ${until})`;
    case 'gt': case 'sa': return sql`${at} >= ${until}`;
    case 'lt': case 'eb': return sql`${at} < ${from}`;
    case 'ge': return sql`${at} >= ${from}`;
    case 'le': return sql`${at} < ${until}`;
    case 'ap': return compareDate(at, at, value);
  }
}

/**
 * A number or quantity of a row against a searched one. A row is one number, where `low` and `high` are the same, or the range
 * of a Range or of a comparator (`<5` is open below). `eq` and `ne` go by the precision of the searched number; with the other
 * prefixes it is exact (R4: "the implicit precision of the number is ignored").
 */
export function compareQuantity(low: Fragment, high: Fragment, value: QuantityValue): Fragment {
  const exact = sql`${value.value}::numeric`;
  const from = sql`${value.low}::numeric`;
  const until = sql`${value.high}::numeric`;
  switch (value.prefix) {
    case 'eq': return sql`(${low} >= ${from} and ${low} < ${until} and ${high} < ${until})`;
    case 'ne': return sql`not (${low} >= ${from} and ${high} < ${until})`;
    case 'gt': return sql`${high} > ${exact}`;
    case 'ge': return sql`${high} >= ${exact}`;
    case 'lt': return sql`${low} < ${exact}`;
    case 'le': return sql`${low} <= ${exact}`;
    case 'sa': return sql`${low} > ${exact}`;
    case 'eb': return sql`${high} < ${exact}`;
    case 'ap': return sql`(${low} <= ${exact} + 0.1 * abs(${exact}) and ${high} >= ${exact} - 0.1 * abs(${exact}))`;
  }
}

/** Values of the same form, so that each form is one condition whatever the number of values. */
export interface TokenForms {
  readonly codes: readonly string[];
  readonly coded: readonly { readonly code: string; readonly system: string }[];
  readonly systems: readonly string[];
}

/** Sorts token values by form: `code`, `system|code` (and `|code`), `system|`. */
export function tokenForms(values: readonly TokenValue[]): TokenForms {
  const codes: string[] = [];
  const coded: { code: string; system: string }[] = [];
  const systems: string[] = [];
  for (const { code, system } of values) {
    if (code === null) systems.push(system ?? '0');
    else if (system === null) codes.push(code);
    else coded.push({ code, system });
  }
  return { codes, coded, systems };
}

/** A list of text as one value: `= any($1)` keeps the statement the same for any length; one value alone is an equality. */
export const oneOf = (column: Fragment, values: readonly string[]): Fragment =>
  values.length === 1 ? sql`${column} = ${values[0]}` : sql`${column} = any(${values}::text[])`;

/** As `oneOf`, for 64-bit numbers as text. */
export const oneOfNumbers = (column: Fragment, values: readonly string[]): Fragment =>
  values.length === 1 ? sql`${column} = ${values[0]}::bigint` : sql`${column} = any(${values}::bigint[])`;

/** The smallest text above every text that begins with `prefix` in the order of code points; null when there is none. */
export function prefixEnd(prefix: string): string | null {
  const points = Array.from(prefix);
  while (points.length > 0) {
    const last = points.pop()!.codePointAt(0)!;
    if (last === 0x10ffff) continue;
    return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}

/** Rows of a text column that begin with one of `prefixes`; a range, because a bound LIKE never seeks. */
export function beginsWith(column: Fragment, prefixes: readonly string[]): Fragment {
  return or(prefixes.map((prefix) => {
    const end = prefixEnd(prefix);
    return end === null ? sql`${column} >= ${prefix}` : sql`(${column} >= ${prefix} and ${column} < ${end})`;
  }));
}
