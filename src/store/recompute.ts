import { withoutVersion } from '../fhir/canonical.ts';
import { sql } from 'kysely';
import { parseJson } from '../fhir/json.ts';
import type { Resource } from '../fhir/resource.ts';
import { mayProject, recordEntries } from '../outcomes/project.ts';
import { provenance } from '../outcomes/provenance.ts';
import { differences, StoredResource, type Difference } from '../outcomes/recompute.ts';
import { isNewlyRead, lateAlerts } from '../outcomes/late-alerts.ts';
import { patientRecord } from '../outcomes/record.ts';
import { kindsOf, type ReadEntry, type RecordEntry } from '../outcomes/record-entry.ts';
import type { Connection, Database, Lease } from './database.ts';
import { concernsRecord, type OutcomeRules } from './derived.ts';
import { lockKey, newId, RidBlocks } from './identity.ts';
import { instant, loadCareTeams, loadCurrent, lock, recordLine } from './load.ts';
import { literal, run } from './sql.ts';
import { Staging } from './staging.ts';
import type { Requester } from './unit.ts';
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
  /** Finds the form that a response answers, as it was found when the response came. */
  readonly questionnaire: (response: Resource) => Promise<Resource | undefined>;
  readonly requester: Requester;
  /** false: everything is computed and compared, and nothing written. */
  readonly apply: boolean;
  /** Only what is about this episode (`EpisodeOfCare/...`) is written and reported. */
  readonly episode?: string;
  /** Only goals are written and reported, and no lines of the record; or only what differs because of these responses (ids), and their lines. */
  readonly only?: 'Goal' | ReadonlySet<string>;
  /** What the Provenance says led to it; absent: that records are computed anew. */
  readonly activity?: string;
}

const sourceTypes = ['Patient', 'QuestionnaireResponse', 'Encounter', 'EpisodeOfCare', 'Goal', 'Task', 'Observation'];

/** What is stored of one Patient. */
interface Whole {
  rid: bigint;
  readonly stored: Map<string, StoredResource>;
  /** The lines of the record, as `recordLine` writes them. */
  readonly lines: Set<string>;
}

const wholes = `
  select 0 as at, ${instant('clock_timestamp()')} as text
  union all
  select k.at::int, p.rid::text from unnest($1::text[]) with ordinality as k(id, at) join resource p on p.type = 'Patient' and p.id = k.id and p.live
  union all
  select k.at::int, r.body
  from unnest($1::text[]) with ordinality as k(id, at) join resource p on p.type = 'Patient' and p.id = k.id and p.live
    join resource r on r.patient = p.rid and r.live and (r.type = 'Patient' or r.type = any($2))
  union all
  select k.at::int, ${recordLine}
  from unnest($1::text[]) with ordinality as k(id, at) join resource p on p.type = 'Patient' and p.id = k.id and p.live
    join record_entry e on e.patient = p.rid`;

const head = /^\{"resourceType":"([A-Za-z]+)","id":"([^"]+)"/;

/** @returns in the order of `patients` (logical ids) what is stored of each, all as it is at the moment `now`: one statement sees one state. undefined for one that is not there. */
async function readWholes(connection: Connection, patients: readonly string[]): Promise<{ now: string; records: (Whole | undefined)[] }> {
  const found = patients.map((): Whole => ({ rid: 0n, stored: new Map(), lines: new Set() }));
  let now = '';
  for (const { at, text } of await connection.query<{ at: number; text: string }>(wholes, [patients, sourceTypes])) {
    const one = found[at - 1];
    if (one === undefined) now = text;
    else if (text.startsWith('{')) {
      const [, type, id] = head.exec(text)!;
      one.stored.set(`${type}/${id}`, new StoredResource(text));
    } else if (text.startsWith('[')) one.lines.add(text);
    else one.rid = BigInt(text);
  }
  return { now, records: found.map((whole) => (whole.stored.size === 0 ? undefined : whole)) };
}

/** Records that are read together; while they are computed the next ones are on their way. */
const readTogether = 4;

/**
 * Computes the records of `patients` anew. Each is looked at as it is at one moment and without a lock: as a rule all are as they
 * should be, and nobody waits. Where something differs and shall be written, that record is looked at again under its lock.
 * @param patients logical ids; one that is not there is not in the answer.
 */
export async function recomputePatients(patients: readonly string[], options: RecomputeOptions): Promise<Recomputed[]> {
  const blocks = Array.from({ length: Math.ceil(patients.length / readTogether) }, (_, at) => patients.slice(at * readTogether, (at + 1) * readTogether));
  const found: Recomputed[] = [];
  const read = (at: number): ReturnType<typeof readWholes> => {
    const reading = readWholes(options.database, blocks[at] ?? []);
    reading.catch(() => {}); // it is heard where it is awaited, which is too late where a record before it fails
    return reading;
  };
  let reading = read(0);
  for (const [at, block] of blocks.entries()) {
    const { now, records } = await reading;
    if (at + 1 < blocks.length) reading = read(at + 1);
    const results = await Promise.all(records.map(async (whole, place) => {
      if (whole === undefined) return undefined;
      const computed = await compute(options.database, block[place]!, whole, now, options);
      return options.apply && differs(computed) ? recomputePatient(computed, whole, options) : told(computed);
    }));
    found.push(...results.filter((result) => result !== undefined));
  }
  return found;
}

const differs = ({ differences: found, stale }: Computed): boolean => found.length + stale.length > 0;

/**
 * Writes what the record of one patient should be, in one transaction under the lock of that record: a write that comes meanwhile
 * waits, and one that came before is seen, which makes it be computed again. Done twice, the second time finds nothing.
 * @param before what was computed without the lock from `read`.
 * @returns undefined where the Patient is gone.
 */
async function recomputePatient(before: Computed, read: Whole, options: RecomputeOptions): Promise<Recomputed | undefined> {
  const { patient } = before;
  return options.database.transaction(async (connection) => {
    // The second statement begins, and sees what is there, when the first has got the lock.
    const [now, { records: [whole] }] = await Promise.all(connection.together(() => [lock(connection, [lockKey('patient', patient)]), readWholes(connection, [patient])] as const));
    if (whole === undefined) return undefined;
    const computed = isSame(whole, read) ? before : await compute(connection, patient, whole, now, options);
    if (differs(computed)) await write(connection, computed, whole, now, options);
    return told(computed);
  });
}

const isSame = (one: Whole, other: Whole): boolean =>
  one.stored.size === other.stored.size && one.lines.size === other.lines.size
  && [...one.stored].every(([key, { body }]) => other.stored.get(key)?.body === body) && one.lines.isSubsetOf(other.lines);

/** What computing one record gave. */
interface Computed {
  readonly patient: string;
  readonly rid: bigint;
  /** What the sources project to, by `Type/id`. */
  readonly projected: ReadonlyMap<string, readonly RecordEntry[]>;
  readonly differences: readonly Difference[];
  /** The sources whose lines are not what they project to. */
  readonly stale: readonly string[];
}

const told = ({ patient, rid, differences: found, stale }: Computed): Recomputed => ({ patient, rid, entries: stale.length, differences: found });

async function compute(connection: Connection, patient: string, { rid, stored, lines }: Whole, now: string, { rules, episode, only, questionnaire }: RecomputeOptions): Promise<Computed> {
  const projected = new Map<string, RecordEntry[]>();
  for (const [key, source] of stored) {
    const type = key.slice(0, key.indexOf('/'));
    if (source.isPlainlyDerived || !mayProject(type, source.body, rules.registry) || !concernsRecord(source.resource, rules)) continue;
    const { resource } = source;
    const form = resource.resourceType === 'QuestionnaireResponse' && !isOwnForm(resource, rules) ? await questionnaire(resource) : undefined;
    projected.set(key, recordEntries(resource, { registry: rules.registry, ...(form === undefined ? {} : { questionnaire: form }) }));
  }
  const context = {
    registry: rules.registry, reference: rules.reference?.current ?? null, now, device: rules.device, patient: `Patient/${patient}`,
    ...(rules.safety === undefined ? {} : { safety: rules.safety }), ...(rules.zone === undefined ? {} : { zone: rules.zone }), patientResource: stored.get(`Patient/${patient}`)?.resource,
  };
  const entries = [...projected.values()].flat();
  const known = typeof only === 'object' ? differencesWithout(only, projected, lines, (others) => differences(others, stored, context)) : undefined;
  const found = differences(entries, stored, context).filter((difference) => (episode === undefined || difference.episode === episode) && (only !== 'Goal' || difference.type === only) && known?.has(difference.id) !== true);
  const stale = only === 'Goal' ? [] : staleSources(projected, lines).filter((source) => only === undefined || only.has(source.replace('QuestionnaireResponse/', '')));
  const read = newlyRead(stale, projected, lines).map((source) => stored.get(source)!.resource);
  if (read.length > 0) {
    const team = (await loadCareTeams(connection, [patient])).get(patient);
    const people = { ...context, ...(team === undefined ? {} : { careTeam: JSON.parse(team) as Resource }) };
    found.push(...lateAlerts(read, patientRecord(entries, rules.zone), stored, people));
  }
  return { patient, rid, projected, differences: found, stale };
}

/** Responses and Observations among `stale` of which the record now says something that it did not: whoever knows what they are asks for a look where they call for one. */
function newlyRead(stale: readonly string[], projected: Computed['projected'], lines: ReadonlySet<string>): string[] {
  const sources = stale.filter((source) => /^(?:QuestionnaireResponse|Observation)\//.test(source) && projected.has(source));
  if (sources.length === 0) return [];
  const known = Map.groupBy([...lines].map(entryOf), sourceOf);
  return sources.filter((source) => isNewlyRead(known.get(source) ?? [], projected.get(source)!));
}

/** Our own forms are known without being read. */
function isOwnForm({ questionnaire }: Resource, { registry }: OutcomeRules): boolean {
  const canonical = typeof questionnaire === 'string' ? withoutVersion(questionnaire) : undefined;
  return canonical !== undefined && registry.byCanonical.get(canonical)?.canonical === canonical;
}

/** Ids of what differs anyhow, with the lines that the record has of these responses: not for their sake. */
function differencesWithout(responses: ReadonlySet<string>, projected: Computed['projected'], lines: ReadonlySet<string>, compared: (entries: readonly ReadEntry[]) => readonly Difference[]): ReadonlySet<string> {
  const others = [...projected].filter(([source]) => !responses.has(source.replace('QuestionnaireResponse/', ''))).flatMap(([, own]) => own);
  const own = [...lines].map(entryOf).filter((entry) => responses.has(entry.id) && sourceOf(entry).startsWith('QuestionnaireResponse/'));
  return new Set(compared([...others, ...own]).map(({ id }) => id));
}

async function write(connection: Lease, { patient, rid, projected, differences: found, stale }: Computed, { stored }: Whole, now: string, { rules, requester, activity = 'Computed anew from the record by the rules of today' }: RecomputeOptions): Promise<void> {
  const current = await loadCurrent(connection, found);
  const rids = new RidBlocks();
  await rids.reserve(connection, found.length + 2);
  const staging = new Staging({ now, patients: new Map([[patient, rid]]), current }, rids);
  for (const source of stale) {
    const [type, id] = source.split('/') as [string, string];
    staging.entries(patient, id, kindsOf(type), projected.get(source) ?? [], true);
  }
  const targets = found.flatMap((difference) => stageDifference(difference, staging, stored));
  if (targets.length > 0) {
    const resource = provenance({ id: newId(), targets, sources: [], now, device: rules.device, registry: rules.registry, patient: `Patient/${patient}`, activity });
    staging.put('Provenance', resource.id!, { value: resource, stored: resource });
  }
  staging.effects.audit.push({
    id: newId(), interaction: '$recompute', action: 'U', outcome: '0', client: requester.client, agent: requester.agent ?? null, patient: rid, entityType: 'Patient', entityId: patient,
    version: null, query: null, requestId: requester.requestId, address: requester.address ?? null,
  });
  await writeEffects(connection, staging.effects);
}

/** Sources, as `Type/id`, whose lines in the record are not what they project to; one that is not there any more has none. */
function staleSources(projected: ReadonlyMap<string, readonly RecordEntry[]>, lines: ReadonlySet<string>): string[] {
  const left = new Set(lines);
  const missing = [...projected].filter(([, entries]) => !entries.every((entry) => left.delete(lineOf(entry))));
  if (missing.length === 0 && left.size === 0) return [];
  // The same number can be written in two ways: what is left is compared once more, as it is read.
  const plain = (text: string): string => JSON.stringify(JSON.parse(text));
  const known = Map.groupBy([...lines].map(plain), (line) => sourceOf(entryOf(line)));
  const text = (list: readonly string[]): string => [...list].sort().join('\n');
  const keys = new Set([...projected.keys(), ...known.keys()]);
  return [...keys].filter((key) => text((projected.get(key) ?? []).map((entry) => plain(lineOf(entry)))) !== text(known.get(key) ?? []));
}

/** What `recordLine` gives for an entry. */
const lineOf = ({ kind, key, id, value, data }: RecordEntry): string => `["${kind}",${JSON.stringify(key)},"${id}",${value ?? 'null'},${data}]`;

/** The entry of which a line is. */
function entryOf(line: string): ReadEntry {
  const [kind, key, id, value, data] = JSON.parse(line) as [RecordEntry['kind'], string, string, number | null, object];
  return { kind, key, id, at: null, value, data };
}

function sourceOf({ kind, id }: ReadEntry): string {
  const type = sourceTypes.find((each) => kindsOf(each).includes(kind));
  if (type === undefined) throw new Error(`No type projects to ${kind}.`);
  return `${type}/${id}`;
}

/** @returns the version that was staged, as the target of a Provenance. */
function stageDifference({ kind, type, id, resource }: Difference, staging: Staging, stored: Whole['stored']): string[] {
  const before = staging.current(type, id);
  // What was raised for an answer is never written again: it may have been looked at.
  if (kind === 'missing' && type !== 'Observation' && before?.body != null) return [];
  // A resource of a client, and what is only withdrawn, keep the written form of their numbers.
  const written = before !== undefined && (type === 'Goal' || type === 'Task' || kind === 'not-implied') ? merged(parseJson(before.body!).stored as Resource, resource, stored.get(`${type}/${id}`)!.resource) : resource;
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
