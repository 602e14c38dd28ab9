import { sql } from 'kysely';
import type { SearchParameter } from '../fhir/search-parameters.ts';
import type { ReferenceValue, Test, ValueTest } from '../fhir/search-plan.ts';
import { isCanonical, isReference } from '../fhir/search-values.ts';
import { beginsWith, compareDate, compareQuantity, oneOf, oneOfNumbers, tokenForms } from './search-compare.ts';
import { and, name, or, typeLiteral, type Fragment } from './sql.ts';

/** A test of one kind. */
export type Of<Kind extends Test['kind']> = Extract<Test, { kind: Kind }>;

/** The table whose rows hold the values that a test of this kind looks at. */
export const indexTable = {
  token: 'index_token', reference: 'index_reference', date: 'index_date', string: 'index_string', uri: 'index_uri', quantity: 'index_quantity',
} as const;

/** @returns the tables that hold the values of `parameter`. */
export function tablesOf(parameter: SearchParameter): string[] {
  switch (parameter.type) {
    case 'reference': return [...(isReference(parameter) ? [indexTable.reference] : []), ...(isCanonical(parameter) ? [indexTable.uri] : [])];
    case 'number': return [indexTable.quantity];
    case 'token': case 'date': case 'string': case 'uri': case 'quantity': return [indexTable[parameter.type]];
    default: return [];
  }
}

/** One condition for each form of token that occurs in `test`, on the columns of the row `x`. */
export function tokenConditions(test: Of<'token'>, x: string): Fragment[] {
  const { codes, coded, systems } = tokenForms(test.values);
  const code = name(`${x}.code`);
  const system = name(`${x}.system`);
  const conditions: Fragment[] = [];
  if (codes.length > 0) conditions.push(oneOf(code, codes));
  if (coded.length === 1) conditions.push(sql`(${code} = ${coded[0]!.code} and ${system} = ${coded[0]!.system}::bigint)`);
  // a value set is mostly of one system: its codes are then looked up as they are
  else if (coded.length > 0 && coded.every((value) => value.system === coded[0]!.system)) {
    conditions.push(sql`(${code} = any(${coded.map((value) => value.code)}::text[]) and ${system} = ${coded[0]!.system}::bigint)`);
  } else if (coded.length > 1) {
    const list = coded.map((value) => value.code);
    conditions.push(sql`(${code} = any(${list}::text[]) and (${code}, ${system}) in
      (select * from unnest(${list}::text[], ${coded.map((value) => value.system)}::bigint[])))`);
  }
  if (systems.length > 0) conditions.push(oneOfNumbers(system, systems));
  return conditions;
}

/** One condition for each form of reference among `values`, on the columns of the row `x`. */
export function referenceConditions(values: readonly ReferenceValue[], x: string): Fragment[] {
  const target = name(`${x}.target_id`);
  const type = name(`${x}.target_type`);
  const conditions: Fragment[] = [];
  const idsByType = new Map<string | null, string[]>();
  const urls: string[] = [];
  for (const value of values) {
    if (value.kind === 'url') urls.push(value.url);
    else {
      const ids = idsByType.get(value.type);
      if (ids === undefined) idsByType.set(value.type, [value.id]);
      else ids.push(value.id);
    }
  }
  for (const [of, ids] of idsByType) {
    conditions.push(of === null
      ? sql`(${oneOf(target, ids)} and ${type} is not null)`
      : sql`(${oneOf(target, ids)} and ${type} = ${typeLiteral(of)})`);
  }
  if (urls.length > 0) conditions.push(sql`(${oneOf(target, urls)} and ${type} is null)`);
  return conditions;
}

/** The condition of a string test on the columns of the row `x`. The values are folded, except for `exact`. */
export function stringCondition(test: Of<'string'>, x: string): Fragment {
  const value = name(`${x}.value`);
  switch (test.match) {
    case 'prefix': return beginsWith(value, test.values);
    case 'exact': return oneOf(name(`${x}.exact`), test.values);
    case 'same': return oneOf(value, test.values);
    case 'end': return or(test.values.map((text) => sql`right(${value}, length(${text}::text)) = ${text}`));
    case 'contains': return or(test.values.map((text) => sql`strpos(${value}, ${text}) > 0`));
  }
}

/** The condition of a uri test on the columns of the row `x`. */
export function uriCondition(test: Of<'uri'>, x: string): Fragment {
  const column = name(`${x}.value`);
  const version = name(`${x}.version`);
  const plain = test.values.filter((one) => one.version === null).map(({ value }) => value);
  const versioned = test.values.filter((one) => one.version !== null);
  const goesOn = (from: string): Fragment => (test.match === 'below' ? sql`(${version} = ${from} or ${beginsWith(version, [`${from}.`])})` : sql`${version} = ${from}`);
  return or([
    ...(plain.length === 0 ? [] : [test.match === 'below' ? beginsWith(column, plain) : oneOf(column, plain)]),
    ...versioned.map((one) => sql`(${column} = ${one.value} and ${goesOn(one.version!)})`),
  ]);
}

/** The unit 1 is written with any annotation too: every code that begins with a brace. */
const unitCondition = (column: Fragment, code: string): Fragment =>
  (code === '1' ? sql`(${column} = '1' or (${column} >= '{' and ${column} < '|'))` : sql`${column} = ${code}`);

/** The condition of a number or quantity test on the columns of the row `x`. */
export function quantityCondition(test: Of<'quantity'>, x: string): Fragment {
  return or(test.values.map((value) => and([
    ...(value.code === null ? [] : [unitCondition(name(`${x}.code`), value.code)]),
    ...(value.system === null ? [] : [sql`${name(`${x}.system`)} = ${value.system}::bigint`]),
    compareQuantity(name(`${x}.low`), name(`${x}.high`), value),
  ])));
}

/** The condition of a value test on the columns of the index row `x`; several forms of tokens or references are joined by `or`. */
export function rowCondition(test: ValueTest, x: string): Fragment {
  switch (test.kind) {
    case 'token': return or(tokenConditions(test, x));
    case 'reference': return or(referenceConditions(test.values, x));
    case 'date': return dateCondition(test, `${x}.low`, `${x}.high`);
    case 'string': return stringCondition(test, x);
    case 'uri': return uriCondition(test, x);
    case 'quantity': return quantityCondition(test, x);
  }
}

/** The condition of a date test on two columns. */
export const dateCondition = (test: Of<'date'>, low: string, high: string): Fragment =>
  or(test.values.map((value) => compareDate(name(low), name(high), value)));
