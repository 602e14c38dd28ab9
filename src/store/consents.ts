import { sql } from 'kysely';
import { concerns, consentRules, isExplicit, purposeOf, type ConsentRule, type Label, type Ruled } from '../fhir/consent.ts';
import type { Resource } from '../fhir/resource.ts';
import { hash64, searchParameter } from '../fhir/search-parameters.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { recorderOf } from '../resources/consent.ts';
import { concerned, everybody } from '../resources/stored-rows.ts';
import { careOf } from './care.ts';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { and, literal, name, or, run, typeLiteral, type Fragment } from './sql.ts';

const numberOf = (type: string, code: string): Fragment => literal(searchParameter(type, code)!.number);

/** Roles and organisations that stand for a practitioner, by live and active PractitionerRoles. */
const offices = (practitioner: string): Fragment => sql`
  select o.target_type as type, o.target_id as id from office join index_reference o on o.rid = office.rid and o.param = ${numberOf('PractitionerRole', 'organization')}
  union all select 'PractitionerRole', office.id from office
  union all select 'Practitioner', ${practitioner}`;

interface Stored { readonly patient: string; readonly body: string; readonly now: string; readonly persons: string }

/**
 * Looks up what Consents say of the caller at this moment. It is done once for each request and kept for nothing else, so that
 * what is withdrawn ends with the next request.
 *
 * @returns the visibility with it; as it is for access that does not depend on Consents
 */
export async function withConsents(connection: Connection, visibility: Visibility): Promise<Visibility> {
  const { reach } = visibility;
  if (visibility.consents !== undefined || (reach.kind !== 'practitioner' && reach.kind !== 'related')) return visibility;
  const rows = reach.kind === 'practitioner' ? await forPractitioner(connection, reach.reference) : await forRelated(connection, reach.reference);
  const consents = rows.flatMap(({ patient, body, now, persons }) => {
    const consent = JSON.parse(body) as Resource;
    const recorder = recorderOf(consent);
    const rules = consentRules(consent, { patient: BigInt(patient), persons: new Set(persons.split(' ')), now, mayWiden: recorder === 'patient' || recorder === 'system' || recorder === 'break-glass' });
    return recorder === 'break-glass' ? rules.map((rule) => ({ ...rule, emergency: purposeOf(consent) })) : rules;
  });
  return { ...visibility, consents };
}

/** @returns the purpose of the emergencies in which the caller sees records now, by the rid of the Patient. */
export const emergencies = ({ consents = [] }: Visibility): ReadonlyMap<bigint, string> =>
  new Map(consents.flatMap(({ patient, emergency }) => (emergency === undefined ? [] : [[patient, emergency]])));

const columns = name(`c.patient::text as patient, c.body, ${instant('clock_timestamp()')} as now`);

function forPractitioner(connection: Connection, reference: string): Promise<Stored[]> {
  const id = reference.slice(reference.indexOf('/') + 1);
  return run<Stored>(connection, sql`
    with office as materialized (
      select r.rid, r.id from index_reference x join resource r on r.rid = x.rid and r.type = 'PractitionerRole' and r.live
      where x.param = ${numberOf('PractitionerRole', 'practitioner')} and x.target_id = ${id} and x.target_type = 'Practitioner'
        and not exists (select from index_token a where a.rid = r.rid and a.param = ${numberOf('PractitionerRole', 'active')} and a.code = 'false')),
    person as materialized (${offices(id)})
    select ${columns}, (select string_agg(type || '/' || id, ' ') from person) as persons
    from resource c where c.type = 'Consent' and c.live and c.status = 'active' and c.patient is not null and c.rid in (
      select x.rid from person join index_reference x on x.param = ${literal(concerned)} and x.target_id = person.id and x.target_type = person.type
      union all
      select x.rid from index_reference x where x.param = ${literal(concerned)} and x.target_id = ${everybody} and x.target_type is null
        and x.patient = any(array(${careOf(reference)})))`);
}

/** Of a RelatedPerson only Consents of the patient whose relative the person is, as long as that is stated. */
function forRelated(connection: Connection, reference: string): Promise<Stored[]> {
  const id = reference.slice(reference.indexOf('/') + 1);
  return run<Stored>(connection, sql`
    select ${columns}, ${reference} as persons
    from resource p join resource c on c.type = 'Consent' and c.live and c.status = 'active' and c.patient = p.patient and c.rid in (
      select x.rid from index_reference x where x.param = ${literal(concerned)} and x.target_id in (${id}, ${everybody}) and coalesce(x.target_type, 'RelatedPerson') = 'RelatedPerson')
    where p.type = 'RelatedPerson' and p.id = ${id} and p.live
      and not exists (select from index_token a where a.rid = p.rid and a.param = ${numberOf('RelatedPerson', 'active')} and a.code = 'false')`);
}

/** One condition for all rules that differ only in whose record they are about: a clinic is named in many Consents. */
function grouped(rules: readonly ConsentRule[]): { readonly rule: ConsentRule; readonly patients: readonly string[] }[] {
  const groups = new Map<string, { rule: ConsentRule; patients: string[] }>();
  for (const rule of rules) {
    const { patient, types, instances, labels, except } = rule;
    const key = except.length > 0 ? `${groups.size}` : JSON.stringify([types, instances, labels]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { rule, patients: [String(patient)] });
    else group.patients.push(String(patient));
  }
  return [...groups.values()];
}

/**
 * The rows `alias` of `resource`, of one of `types`, that a rule is about.
 * @param unknown what holds of a version that is not live: which labels it had the index rows do not say.
 */
function ruled(rules: readonly ConsentRule[], types: readonly string[], alias: string, unknown: boolean): Fragment {
  const column = (text: string): Fragment => name(`${alias}.${text}`);
  const one = types.length === 1 ? types[0]! : undefined;
  return or(grouped(rules).flatMap(({ rule, patients }) => {
    if (one === 'AuditEvent' && unknown) return [loggedRows(rule, patients, alias)];
    const only = rule.types?.filter((type) => types.includes(type));
    if (only?.length === 0 || (rule.labels !== undefined && one === 'AuditEvent')) return [];
    const conditions: Fragment[] = [sql`${column('patient')} = any(${patients}::bigint[])`];
    if (only !== undefined && one === undefined) conditions.push(sql`${column('type')} in (${sql.join(only.map(typeLiteral))})`);
    if (rule.instances !== undefined) {
      const ids = rule.instances.filter((key) => types.includes(key.split('/')[0]!));
      if (ids.length === 0) return [];
      conditions.push(sql`${column('type')} || '/' || ${column('id')} = any(${ids}::text[])`);
    }
    if (rule.labels !== undefined) {
      const has = labelled(rule.labels, only ?? types, alias);
      conditions.push(unknown ? sql`(not ${column('live')} or ${has})` : sql`(${column('live')} and ${has})`);
    }
    if (rule.except.length > 0) conditions.push(sql`not ${ruled(rule.except, types, alias, false)}`);
    return [sql`(${and(conditions)})`];
  }));
}

/** Events of the access log about what a deny hides: the log names resources. Which labels those have the log does not say. */
function loggedRows({ types, instances }: ConsentRule, patients: readonly string[], alias: string): Fragment {
  const [type, id] = [name(`${alias}.entity_type`), name(`${alias}.entity_id`)];
  return sql`(${and([
    sql`${name(`${alias}.patient`)} = any(${patients}::bigint[])`,
    ...(types === undefined ? [] : [sql`${type} = any(${types}::text[])`]),
    ...(instances === undefined ? [] : [sql`${type} || '/' || ${id} = any(${instances}::text[])`]),
  ])})`;
}

function labelled(labels: readonly Label[], types: readonly string[], alias: string): Fragment {
  const numbers = sql.join(types.map((type) => numberOf(type, '_security')));
  return sql`exists (select from index_token l where l.rid = ${name(`${alias}.rid`)} and l.param in (${numbers}) and ${or(labels.map(({ system, code }) =>
    (system === undefined ? sql`l.code = ${code}` : sql`(l.code = ${code} and l.system = ${String(hash64(system))}::bigint)`)))})`;
}

const of = ({ consents }: Visibility, kind: ConsentRule['kind']): readonly ConsentRule[] => consents?.filter((rule) => rule.kind === kind) ?? [];

/** What Consents let the caller see of the rows `alias`, which are of `types`; undefined: nothing. Restricted rows where a permit names them. */
export function permittedRows(visibility: Visibility, types: readonly string[], alias: string): Fragment | undefined {
  const permits = of(visibility, 'permit');
  if (permits.length === 0) return undefined;
  const opened = openedRows(visibility, types, alias);
  return or([sql`(not ${name(`${alias}.restricted`)} and ${ruled(permits, types, alias, false)})`, ...(opened === undefined ? [] : [opened])]);
}

/** The rows that a permit names, so that it opens them though they are restricted; undefined: none. */
export function openedRows(visibility: Visibility, types: readonly string[], alias: string): Fragment | undefined {
  const permits = of(visibility, 'permit').filter(isExplicit);
  return permits.length === 0 ? undefined : ruled(permits, types, alias, false);
}

/** The rows that a Consent hides from the caller, whatever else lets them be seen; undefined: none. */
export function deniedRows(visibility: Visibility, types: readonly string[], alias: string): Fragment | undefined {
  const denies = of(visibility, 'deny');
  return denies.length === 0 ? undefined : ruled(denies, types, alias, true);
}

/** What Consents say of one loaded resource: the same as the conditions above. Of what was deleted the labels are not known. */
export function byConsent(visibility: Visibility, resource: Ruled, { restricted, live }: { readonly restricted: boolean; readonly live: boolean }): { readonly permitted: boolean; readonly opened: boolean; readonly denied: boolean } {
  const about = (rules: readonly ConsentRule[]): boolean => rules.some((rule) => concerns(rule, resource));
  const permits = of(visibility, 'permit');
  const denies = of(visibility, 'deny').map((rule): ConsentRule => (live ? rule : { ...rule, labels: undefined }));
  const opened = about(permits.filter(isExplicit));
  return { permitted: opened || (!restricted && about(permits)), opened, denied: about(denies) };
}
