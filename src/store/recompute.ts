import { sql } from 'kysely';
import { parseJson } from '../fhir/json.ts';
import type { Resource } from '../fhir/resource.ts';
import { recordEntries } from '../outcomes/project.ts';
import { provenance } from '../outcomes/provenance.ts';
import { withoutVersion } from '../outcomes/recognise.ts';
import { differences, type Difference } from '../outcomes/recompute.ts';
import { kindsOf, type RecordEntry } from '../outcomes/record.ts';
import type { Connection, Database, Lease } from './database.ts';
import { concernsRecord, type OutcomeRules } from './derived.ts';
import { lockKey, newId, RidBlocks } from './identity.ts';
import { instant, lock } from './load.ts';
import { literal, name, run } from './sql.ts';
import { Staging } from './staging.ts';
import type { Current, Requester } from './unit.ts';
import { writeEffects } from './write.ts';

/** What was found when a record was computed anew. */
export interface Recomputed {
  readonly patient: string;
  readonly rid: bigint;
  /** Lines of the record that are not what their sources project to by the rules of today. */
  readonly entries: number;
  readonly differences: readonly Difference[];
}

export interface RecomputeOptions {
  readonly database: Database;
  readonly rules: OutcomeRules;
  /** Text of the Questionnaire with a canonical, where it is stored. */
  readonly questionnaire: (canonical: string) => Promise<Resource | undefined>;
  readonly requester: Requester;
  /** false: everything is computed and compared, and nothing written. */
  readonly apply: boolean;
  /** Only what is about this episode (`EpisodeOfCare/...`) is written and reported. */
  readonly episode?: string;
  /** Only resources of this type are written and reported, and no lines of the record. */
  readonly only?: 'Goal';
}

const sourceTypes = ['QuestionnaireResponse', 'Encounter', 'EpisodeOfCare', 'Goal', 'Task', 'Observation'];

interface Loaded { readonly now: string; readonly rows: readonly Current[]; readonly entries: readonly RecordEntry[] }

/**
 * Computes the record of one patient anew from its sources, in one transaction under the lock of that record: a write that
 * comes meanwhile waits, and one that came before is seen. Done twice, the second time finds nothing.
 * @param patient logical id of the Patient.
 * @returns undefined where there is no such Patient.
 */
export async function recomputePatient(patient: string, options: RecomputeOptions): Promise<Recomputed | undefined> {
  const connection = await options.database.lease();
  let broken: Error | undefined;
  try {
    await connection.query('begin');
    const now = await lock(connection, [lockKey('patient', patient)]);
    const loaded = await load(connection, patient, now);
    const result = loaded === undefined ? undefined : await recompute(connection, patient, loaded, options);
    if (result?.written !== true) await connection.query('rollback');
    return result?.found;
  } catch (error) {
    await connection.query('rollback').catch((failure: Error) => { broken = failure; });
    throw error;
  } finally {
    connection.release(broken);
  }
}

async function load(connection: Lease, patient: string, now: string): Promise<Loaded | undefined> {
  const rows = await run<Current>(connection, sql`
    select r.type, r.id, r.rid, r.version, r.live, r.patient, r.restricted, r.private, ${name(instant('r.last_updated'))} as "lastUpdated", r.body
    from resource p join resource r on r.patient = p.rid and r.live and (r.type = 'Patient' or r.type = any(${sourceTypes}::text[]))
    where p.type = 'Patient' and p.id = ${patient} and p.live`);
  const person = rows.find(({ type }) => type === 'Patient');
  if (person === undefined) return undefined;
  const entries = await run<RecordEntry>(connection, sql`
    select e.kind, e.key, e.id, ${name(instant('e.at'))} as at, e.value, e.data from record_entry e where e.patient = ${String(person.rid)}::bigint`);
  return { now, rows, entries };
}

async function recompute(connection: Lease, patient: string, { now, rows, entries }: Loaded, options: RecomputeOptions): Promise<{ found: Recomputed; written: boolean }> {
  const { rules, apply, episode, only } = options;
  const stored = new Map(rows.map((row) => [`${row.type}/${row.id}`, JSON.parse(row.body!) as Resource]));
  const projected = new Map<string, RecordEntry[]>();
  for (const [key, resource] of stored) {
    if (!concernsRecord(resource, rules)) continue;
    const canonical = resource.resourceType === 'QuestionnaireResponse' && typeof resource['questionnaire'] === 'string' ? resource['questionnaire'] : undefined;
    const questionnaire = canonical === undefined || rules.registry.byCanonical.has(withoutVersion(canonical)) ? undefined : await options.questionnaire(canonical);
    projected.set(key, recordEntries(resource, { registry: rules.registry, ...(questionnaire === undefined ? {} : { questionnaire }) }));
  }
  const context = {
    registry: rules.registry, reference: rules.reference?.current ?? null, now, device: rules.device, patient: `Patient/${patient}`,
    ...(rules.safety === undefined ? {} : { safety: rules.safety }), patientResource: stored.get(`Patient/${patient}`),
  };
  const all = differences([...projected.values()].flat(), stored, context);
  const chosen = all.filter((difference) => (episode === undefined || difference.episode === episode) && (only === undefined || difference.type === only));
  const stale = only === undefined ? staleSources(projected, entries) : [];
  const rid = rows.find(({ type }) => type === 'Patient')!.rid;
  const found = { patient, rid, entries: stale.length, differences: chosen };
  if (!apply || (chosen.length === 0 && stale.length === 0)) return { found, written: false };
  const rids = new RidBlocks();
  await rids.reserve(connection, chosen.length + 2);
  const staging = new Staging({ now, patients: new Map([[patient, rid]]), current: new Map(rows.map((row) => [`${row.type}/${row.id}`, row])) }, rids);
  for (const source of stale) {
    const [type, id] = source.split('/') as [string, string];
    staging.entries(patient, id, kindsOf(type), projected.get(source) ?? [], true);
  }
  const targets = chosen.flatMap((difference) => stageDifference(difference, staging, stored));
  if (targets.length > 0) {
    const reason = 'Computed anew from the record by the rules of today';
    const resource = provenance({ id: newId(), targets, sources: [], now, device: rules.device, registry: rules.registry, patient: `Patient/${patient}`, activity: reason });
    staging.put('Provenance', resource.id!, { value: resource, stored: resource });
  }
  const { requester } = options;
  staging.effects.audit.push({
    id: newId(), interaction: '$recompute', action: 'U', outcome: '0', client: requester.client, agent: requester.agent ?? null, patient: rid, entityType: 'Patient', entityId: patient,
    version: null, query: null, requestId: requester.requestId, address: requester.address ?? null,
  });
  await writeEffects(connection, staging.effects, 'commit');
  return { found, written: true };
}

/** Sources, as `Type/id`, whose lines in the record are not what they project to; one that is not there any more has none. */
function staleSources(projected: ReadonlyMap<string, readonly RecordEntry[]>, entries: readonly RecordEntry[]): string[] {
  const text = (list: readonly RecordEntry[]): string => list.map(({ kind, key, value, data }) => JSON.stringify([kind, key, value === null ? null : Number(value), data])).sort().join('\n');
  const known = Map.groupBy(entries, ({ kind, id }) => sourceOf(kind, id));
  const keys = new Set([...projected.keys(), ...known.keys()]);
  return [...keys].filter((key) => text(projected.get(key) ?? []) !== text(known.get(key) ?? []));
}

const sourceOf = (kind: RecordEntry['kind'], id: string): string => {
  const type = sourceTypes.find((each) => kindsOf(each).includes(kind));
  if (type === undefined) throw new Error(`No type projects to ${kind}.`);
  return `${type}/${id}`;
};

/** @returns the version that was staged, as the target of a Provenance. */
function stageDifference({ kind, type, id, resource }: Difference, staging: Staging, stored: ReadonlyMap<string, Resource>): string[] {
  const before = staging.current(type, id);
  // A resource of a client, and what is only withdrawn, keep the written form of their numbers.
  const written = before !== undefined && (type === 'Goal' || kind === 'not-implied') ? merged(parseJson(before.body!).stored as Resource, resource, stored.get(`${type}/${id}`)!) : resource;
  const { outcome, version } = staging.put(type, id, { value: resource, stored: written, ...(type === 'Observation' && kind !== 'not-implied' ? { relabels: true as const } : {}) });
  return outcome === 'unchanged' ? [] : [`${type}/${id}/_history/${version}`];
}

/** The lossless text with the elements that the computation changed. */
function merged(lossless: Resource, next: Resource, before: Resource): Resource {
  const changed = Object.entries(next).filter(([key, value]) => value !== before[key]);
  return { ...lossless, ...Object.fromEntries(changed) };
}

/** @returns logical ids of up to `count` Patients after the one with the rid `after`, in the order in which they were created. */
export function patientsAfter(connection: Connection, after: string, count: number): Promise<{ id: string; rid: bigint }[]> {
  return run(connection, sql`select r.id, r.rid from resource r where r.type = 'Patient' and r.live and r.rid > ${after}::bigint order by r.rid limit ${literal(count)}`);
}

/** @returns the logical id of the Patient whose episode `id` is; undefined where there is none. */
export async function patientOfEpisode(connection: Connection, id: string): Promise<string | undefined> {
  const rows = await run<{ id: string }>(connection, sql`
    select p.id from resource e join resource p on p.rid = e.patient and p.type = 'Patient' and p.live where e.type = 'EpisodeOfCare' and e.id = ${id} and e.live`);
  return rows[0]?.id;
}

/** @returns logical ids of the Patients with a goal whose due day was over at `at`, and not longer ago than `since` (dates). */
export async function patientsWithOverdueGoals(connection: Connection, since: string, at: string): Promise<string[]> {
  const rows = await run<{ id: string }>(connection, sql`
    select distinct p.id from record_entry e join resource p on p.rid = e.patient and p.type = 'Patient' and p.live
    where e.kind = 'goal' and e.data::jsonb ->> 'due' < ${at} and e.data::jsonb ->> 'due' >= ${since}`);
  return rows.map(({ id }) => id);
}
