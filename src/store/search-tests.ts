import { sql } from 'kysely';
import { aspectNumber, searchParameter, type SearchParameter } from '../fhir/search-parameters.ts';
import type { ReferenceValue, Test, ValueTest } from '../fhir/search-plan.ts';
import { isCanonical, isReference } from '../fhir/search-values.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { compareInstant, oneOf } from './search-compare.ts';
import { dateCondition, indexTable, referenceConditions, rowCondition, tablesOf, tokenConditions, type Of } from './search-rows.ts';
import { and, literal, name, or, typeLiteral, type Fragment } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** The row of `resource` that a test is about. */
export interface Subject {
  readonly type: string;
  /** Nested queries lengthen it, so that no alias hides another. */
  readonly alias: string;
  readonly visibility: Visibility;
  /**
   * The search is confined to few rows (a Patient's record, some ids): each condition is a look-up of its own for each of
   * them. The planner must not turn it round: with a plan that is kept for all values it takes every code for rare, starts
   * from the code, and needs 280 ms instead of 1.
   */
  readonly confined: boolean;
  /** The rid of the one Patient whose record the search is confined to, where it is. */
  readonly record?: Fragment;
}

const column = (subject: Subject, text: string): Fragment => name(`${subject.alias}.${text}`);

/** Alias of the index rows of a subject. */
const rowsOf = (subject: Subject): string => `x${subject.alias}`;

/** Holds when `source` (tables and conditions) has a row. OFFSET 0 keeps the planner from making a join of it. */
const exists = (subject: Subject, source: Fragment): Fragment => sql`exists (select 1 from ${source}${subject.confined ? sql` offset 0` : sql``})`;

/** The subject has a row in the index `table` under `number` (alias `rowsOf(subject)`) for which `condition` holds. */
function indexed(subject: Subject, table: string, number: Fragment, condition: Fragment): Fragment {
  const x = name(rowsOf(subject));
  return exists(subject, sql`${name(table)} ${x} where ${x}.param = ${number} and ${x}.rid = ${column(subject, 'rid')} and ${condition}`);
}

/** As `indexed`, for the rows of the test's own parameter. */
const valued = (subject: Subject, test: ValueTest, condition: Fragment): Fragment =>
  indexed(subject, indexTable[test.kind], literal(test.parameter.number), condition);

/** The rid of a Patient by its id. A rid never changes and is the same in every version. */
export const patientRid = (id: string): Fragment =>
  sql`(select p.rid from resource p where p.id = ${id} and p.type = 'Patient' order by p.version limit 1)`;

function token(subject: Subject, test: Of<'token'>): Fragment {
  if (test.parameter.column === 'status') {
    // a `code` element carries no system; the parser has left only values that can be meant
    const codes = test.values.map(({ code }) => code).filter((code) => code !== null);
    const equal = oneOf(column(subject, 'status'), codes);
    return test.negated ? sql`(${equal}) is not true` : equal;
  }
  if (subject.record !== undefined && !test.negated && test.parameter.base === 'Observation' && test.parameter.code === 'code') {
    // index_token_observation_code holds the codes of a record together: the few with this code are found without the others
    const w = `w${subject.alias}`;
    return sql`${column(subject, 'rid')} = any(array(select ${name(w)}.rid from index_token ${name(w)}
      where ${name(w)}.param = ${literal(test.parameter.number)} and ${name(w)}.patient = ${subject.record} and ${or(tokenConditions(test, w))}))`;
  }
  const found = or(tokenConditions(test, rowsOf(subject)).map((condition) => valued(subject, test, condition)));
  return test.negated ? sql`not ${found}` : found;
}

function reference(subject: Subject, test: Of<'reference'>): Fragment {
  const alternatives: Fragment[] = [];
  let { values } = test;
  if (test.parameter.column === 'patient') {
    const patients: string[] = [];
    const others: ReferenceValue[] = [];
    for (const value of values) {
      if (value.kind === 'local' && value.type === 'Patient') patients.push(value.id);
      else if (value.kind === 'local' && value.type === null && test.parameter.targets.length > 1) alternatives.push(ofAnyType(subject, test, value.id));
      else others.push(value);
    }
    values = others;
    if (patients.length === 1) alternatives.push(sql`${column(subject, 'patient')} = ${patientRid(patients[0]!)}`);
    if (patients.length > 1) {
      alternatives.push(sql`${column(subject, 'patient')} = any(array(
        select p.rid from resource p where p.id = any(${patients}::text[]) and p.type = 'Patient'))`);
    }
  }
  for (const condition of referenceConditions(values, rowsOf(subject))) alternatives.push(valued(subject, test, condition));
  return or(alternatives);
}

/**
 * `subject=x` without a type: the Patient x, whom the column has, or what else has the id. Those few are listed first: an OR of
 * the column and of index rows could begin with neither.
 */
function ofAnyType(subject: Subject, { parameter }: Of<'reference'>, id: string): Fragment {
  return sql`${column(subject, 'rid')} = any(array(
    select o.rid from resource o where o.patient = ${patientRid(id)} and o.type = ${typeLiteral(subject.type)} and o.live
    union all select o.rid from index_reference o where o.param = ${literal(parameter.number)} and o.target_id = ${id} and o.target_type is not null))`;
}

function date(subject: Subject, test: Of<'date'>): Fragment {
  if (test.parameter.column === 'date') return dateCondition(test, `${subject.alias}.date_low`, `${subject.alias}.date_high`);
  return valued(subject, test, rowCondition(test, rowsOf(subject)));
}

function missing(subject: Subject, { parameter, missing: absent }: Of<'missing'>): Fragment {
  const alternatives: Fragment[] = [];
  if (parameter.column === 'id' || parameter.column === 'lastUpdated') return absent ? sql`false` : sql`true`;
  if (parameter.column !== undefined) alternatives.push(sql`${column(subject, parameter.column === 'date' ? 'date_low' : parameter.column)} is not null`);
  // a subject that is not a Patient is an index row beside the column
  if (parameter.column === undefined || parameter.column === 'patient') {
    for (const table of tablesOf(parameter)) alternatives.push(indexed(subject, table, literal(parameter.number), sql`true`));
    alternatives.push(indexed(subject, indexTable.token, literal(aspectNumber(parameter.number, 'present')), sql`true`));
  }
  const present = or(alternatives);
  return absent ? sql`not (${present})` : present;
}

/**
 * The tables through which a reference parameter leads from the row `from` of `resource` to the row `to` of type `type`,
 * and the conditions that tie them; a canonical leads to the resource that has the URL, and the version where it names one.
 */
export function links(reference: SearchParameter, from: string, to: string, type: string): { tables: Fragment; condition: Fragment }[] {
  const number = literal(reference.number);
  const [source, target, x, u, v] = [from, to, `x${from}${to}`, `u${from}${to}`, `v${from}${to}`].map(name) as [Fragment, Fragment, Fragment, Fragment, Fragment];
  const found: { tables: Fragment; condition: Fragment }[] = [];
  if (reference.column === 'patient' && type === 'Patient') return [{ tables: sql``, condition: sql`${target}.rid = ${source}.patient` }];
  if (isReference(reference)) {
    found.push({
      tables: sql`index_reference ${x}, `,
      condition: sql`${x}.param = ${number} and ${x}.rid = ${source}.rid and ${x}.target_type = ${typeLiteral(type)} and ${target}.id = ${x}.target_id`,
    });
  }
  const url = searchParameter(type, 'url');
  if (isCanonical(reference) && url !== undefined) {
    const version = searchParameter(type, 'version');
    const versioned = version === undefined ? sql`true` : sql`(${x}.version is null or exists (
      select 1 from index_token ${v} where ${v}.param = ${literal(version.number)} and ${v}.code = ${x}.version and ${v}.rid = ${target}.rid))`;
    found.push({
      tables: sql`index_uri ${x}, index_uri ${u}, `,
      condition: sql`${x}.param = ${number} and ${x}.rid = ${source}.rid and ${u}.param = ${literal(url.number)} and ${u}.value = ${x}.value
        and ${target}.rid = ${u}.rid and ${versioned}`,
    });
  }
  return found;
}

/** Another resource, confined to what the caller sees, is linked with the subject and fulfils `test`. */
function linked(subject: Subject, other: Subject, ties: readonly { tables: Fragment; condition: Fragment }[], test: Test): Fragment {
  return or(ties.map(({ tables, condition }) => exists(subject, sql`${tables}resource ${name(other.alias)} where ${and([
    condition, sql`${column(other, 'type')} = ${typeLiteral(other.type)}`, column(other, 'live'),
    visiblePredicate(subject.visibility, other.type, other.alias, undefined, 's'), testSql(other, test),
  ])}`)));
}

function chain(subject: Subject, test: Of<'chain'>): Fragment {
  return or(test.targets.map(({ type, test: inner }) => {
    const target: Subject = { ...subject, record: undefined, type, alias: `c${subject.alias}` };
    return linked(subject, target, links(test.reference, subject.alias, target.alias, type), inner);
  }));
}

function has(subject: Subject, { source: type, reference: by, test }: Of<'has'>): Fragment {
  const source: Subject = { ...subject, record: undefined, type, alias: `h${subject.alias}` };
  return linked(subject, source, links(by, source.alias, subject.alias, subject.type), test);
}

/**
 * @param subject a live row of `resource` of the type that `test` was parsed for.
 * @returns the condition of `test` on it. Every resource that it reaches is confined to what the caller sees.
 */
export function testSql(subject: Subject, test: Test): Fragment {
  const x = rowsOf(subject);
  switch (test.kind) {
    case 'id': {
      const equal = oneOf(column(subject, 'id'), test.ids);
      return test.negated ? sql`not (${equal})` : equal;
    }
    case 'updated': {
      const at = column(subject, 'last_updated');
      return or(test.values.map((value) => compareInstant(at, value)));
    }
    case 'compartment': return sql`${column(subject, 'patient')} = ${patientRid(test.patient)}`;
    case 'token': return token(subject, test);
    case 'reference': return reference(subject, test);
    case 'date': return date(subject, test);
    case 'string': case 'uri': return valued(subject, test, rowCondition(test, x));
    case 'quantity': {
      const number = literal(test.parameter.number);
      return indexed(subject, indexTable.quantity, test.also === undefined ? number : sql`any(array[${number}, ${literal(test.also)}])`, rowCondition(test, x));
    }
    case 'tuple': return indexed(subject, indexTable[test.value.kind], sql`${test.number}::integer`, rowCondition(test.value, x));
    case 'missing': return missing(subject, test);
    case 'nothing': return sql`false`;
    case 'concept': throw new Error(`${test.parameter.base}.${test.parameter.code}:${test.relation} is not decided yet`);
    // a column without a value fulfils no condition, so it fulfils the opposite
    case 'not': return sql`((${testSql(subject, test.test)}) is not true)`;
    case 'all': return and(test.tests.map((inner) => testSql(subject, inner)));
    case 'any': return or(test.tests.map((inner) => testSql(subject, inner)));
    case 'chain': return chain(subject, test);
    case 'has': return has(subject, test);
  }
}
