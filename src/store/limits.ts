import { sql } from 'kysely';
import type { Criterion } from '../fhir/criteria.ts';
import type { Test } from '../fhir/search-plan.ts';
import { oneOf } from './search-compare.ts';
import { indexTable, rowCondition } from './search-rows.ts';
import { and, literal, name, or, type Fragment } from './sql.ts';

/**
 * The limits of granular scopes on live rows `alias` of `resource`, by their index rows: the same as `fulfils`
 * (fhir/criteria.ts) says of the content.
 * @param limits of each list one criterion must hold.
 */
export const limitSql = (limits: readonly (readonly Criterion[])[], alias: string): Fragment[] =>
  limits.map((alternatives) => sql`(${name(`${alias}.live`)} and ${or(alternatives.map((criterion) => sql`(${and(criterion.map((test) => condition(test, alias)))})`))})`);

function condition(test: Test, alias: string): Fragment {
  const column = (text: string): Fragment => name(`${alias}.${text}`);
  switch (test.kind) {
    case 'id': return oneOf(column('id'), test.ids);
    case 'any': return or(test.tests.map((inner) => condition(inner, alias)));
    case 'token': case 'reference': case 'string': case 'uri': break;
    default: return sql`false`;
  }
  const { parameter } = test;
  if (test.kind === 'token' && parameter.column === 'status') return oneOf(column('status'), test.values.flatMap(({ code }) => (code === null ? [] : [code])));
  const x = `limit_${alias}`;
  const rows = sql`exists (select from ${name(indexTable[test.kind])} ${name(x)} where ${name(x)}.param = ${literal(parameter.number)} and ${name(x)}.rid = ${column('rid')} and ${rowCondition(test, x)})`;
  if (test.kind !== 'reference' || parameter.column !== 'patient') return rows;
  const patients = test.values.flatMap((value) => (value.kind === 'local' && (value.type ?? 'Patient') === 'Patient' ? [value.id] : []));
  return or([sql`${column('patient')} in (select p.rid from resource p where p.type = 'Patient' and p.id = any(${patients}::text[]))`, rows]);
}
