import { hotColumns } from '../fhir/extract.ts';
import type { Resource } from '../fhir/resource.ts';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { checkInKeys } from '../outcomes/check-in-week.ts';
import { recordEntries } from '../outcomes/project.ts';
import type { RecordEntry } from '../outcomes/record-entry.ts';
import { conditionLocks } from './condition-locks.ts';
import type { Lease } from './database.ts';
import type { Found } from './admission.ts';
import { responseIdentity } from './decide.ts';
import { concernsRecord, recordTypes, type OutcomeRules } from './derived.ts';
import { lockKey } from './identity.ts';
import * as load from './load.ts';
import { matching } from './search.ts';
import type { Loaded } from './staging.ts';
import type { Condition, Current, Unit, WriteRequest } from './unit.ts';
import { loadReachable } from './visible.ts';

/** The advisory locks under which a unit is decided. */
export function locksOf(unit: Unit, rules: OutcomeRules): bigint[] {
  const keys = new Set<bigint>();
  for (const write of unit.writes) {
    const patient = patientOf(write);
    if (patient !== null && (mayConcernRecord(write, rules) || write.type === 'Patient')) keys.add(lockKey('patient', patient));
    if (write.kind !== 'create') keys.add(lockKey('resource', write.type, write.id));
    const plan = planOf(write);
    // What was found is locked itself and looked at again: only where nothing was found must nobody else create meanwhile.
    const creates = write.kind === 'create' ? write.linked !== 'existing' : write.condition?.found.length === 0;
    if (plan !== undefined && creates && 'incoming' in write) for (const key of conditionLocks(write.type, plan, write.incoming.value)) keys.add(key);
  }
  if (unit.idempotency !== undefined) keys.add(lockKey('idempotency', unit.visibility.caller, unit.idempotency.key));
  return [...keys];
}

/** The search under which a write is asked for. */
const planOf = (write: WriteRequest): SearchPlan | undefined => (write.kind === 'create' ? write.ifNoneExist : write.condition?.plan);

function patientOf(write: WriteRequest): string | null {
  return write.kind === 'create' || write.kind === 'update'
    ? hotColumns(write.type === 'Patient' ? { ...write.incoming.value, id: write.id } : write.incoming.value).patient
    : write.patient;
}

/** What was read for a batch of units. */
export interface LoadedBatch {
  readonly base: Loaded;
  readonly found: readonly Found[];
  readonly entries: load.LoadedRecords['entries'];
  /** Keys of the scores that were read of every record; null: all. */
  readonly instruments: ReadonlySet<string> | null;
  readonly replays: Awaited<ReturnType<typeof load.loadIdempotency>>;
}

interface Needs {
  readonly patients: Set<string>;
  readonly current: Map<string, { type: string; id: string }>;
  readonly record: Set<string>;
  instruments: Set<string> | null;
  /** Since when a setback may have begun that the check-ins among the writes bear on, in milliseconds; Infinity: there are none. */
  setbacks: number;
  readonly identifiers: (load.ResponseIdentifier & { unit: number; at: number })[];
  readonly deletedPatients: Set<string>;
  readonly keys: { client: string; key: string }[];
}

/** What must be read to decide `units`. */
function needsOf(units: readonly Unit[], rules: OutcomeRules): Needs {
  const needs: Needs = { patients: new Set(), current: new Map(), record: new Set(), instruments: new Set(), setbacks: Infinity, identifiers: [], deletedPatients: new Set(), keys: [] };
  for (const [n, unit] of units.entries()) {
    const { reach } = unit.visibility;
    if (reach.kind === 'patient') needs.patients.add(reach.patient);
    if (unit.idempotency !== undefined) needs.keys.push({ client: unit.visibility.caller, key: unit.idempotency.key });
    for (const [at, write] of unit.writes.entries()) {
      const patient = patientOf(write);
      if (patient !== null) needs.patients.add(patient);
      if (write.kind !== 'create') needs.current.set(`${write.type}/${write.id}`, { type: write.type, id: write.id });
      if (write.kind === 'delete' && write.type === 'Patient') needs.deletedPatients.add(write.id);
      if ((write.kind === 'create' || write.kind === 'update') && write.type === 'Provenance') needTargets(needs, write.incoming.value);
      if (patient !== null && mayConcernRecord(write, rules)) needRecord(needs, write, patient, rules);
      const identity = write.kind === 'create' ? responseIdentity(write.incoming.value) : null;
      if (identity !== null) needs.identifiers.push({ ...identity, n: needs.identifiers.length, unit: n, at });
    }
  }
  return needs;
}

/** A new Observation tells by its code whether it is a total; of one that is there it is not known here what it was before. */
const mayConcernRecord = (write: WriteRequest, rules: OutcomeRules): boolean =>
  (write.type === 'Observation' && write.kind === 'create' ? concernsRecord(write.incoming.value, rules) : recordTypes.has(write.type));

function needTargets(needs: Needs, provenance: Resource): void {
  for (const { reference } of (provenance['target'] as { reference?: string }[] | undefined) ?? []) {
    const [type, id] = reference?.split('/') ?? [];
    if (type === 'Patient' && id !== undefined) needs.patients.add(id);
    else if (type !== undefined && id !== undefined) needs.current.set(`${type}/${id}`, { type, id });
  }
}

function needRecord(needs: Needs, write: WriteRequest, patient: string, rules: OutcomeRules): void {
  needs.record.add(patient);
  // A Patient that is created has no record yet.
  if (write.type === 'Task' || (write.type === 'Patient' && write.kind === 'create')) return;
  if (write.type !== 'QuestionnaireResponse' && write.type !== 'Observation') {
    needs.instruments = null; // a session, an episode, a goal or where the client lives touches the scores of every instrument
    return;
  }
  // A response that may leave an instrument (withdrawn, deleted, answered anew) changes what follows for the scores it leaves.
  if (write.kind !== 'create') needs.instruments = null;
  else if (needs.instruments !== null) {
    const entries = recordEntries({ ...write.incoming.value, id: write.id }, { registry: rules.registry, questionnaire: write.questionnaire });
    for (const entry of entries) {
      if (entry.kind === 'impression') needs.instruments = null; // it is compared with the safety items of every instrument
      else needs.instruments?.add(entry.key);
      if (checkInKeys.includes(entry.key)) needs.setbacks = Math.min(needs.setbacks, setbacksFor(entry));
    }
  }
}

/** A check-in bears on setbacks that began in the week before it, a day more for clocks of other zones, and on all later ones. */
const setbacksFor = ({ at }: RecordEntry): number => (at === null ? -Infinity : Date.parse(at) - 9 * 86_400_000);

const timestamp = (at: number): string => (at < Date.parse('0001-01-01') ? '-infinity' : new Date(at).toISOString());

/** Begins the transaction, takes the locks and reads everything that the units need, in one round trip. */
export async function loadFor(connection: Lease, units: readonly Unit[], keys: readonly bigint[], rules: OutcomeRules): Promise<LoadedBatch> {
  const needs = needsOf(units, rules);
  const record = [...needs.record];
  const patientIds = [...needs.patients];
  const identifierParam = searchParameter('QuestionnaireResponse', 'identifier')!.number;
  const sent = connection.together(() => [
    connection.query('begin'),
    load.lock(connection, keys),
    load.loadRecords(connection, patientIds, record, needs.instruments === null ? null : [...needs.instruments], needs.setbacks === Infinity ? null : timestamp(needs.setbacks)),
    load.loadCurrent(connection, [...needs.current.values()]),
    load.loadIdempotency(connection, needs.keys),
    load.loadIdentified(connection, needs.identifiers, identifierParam),
    // one more than all that the units could delete: then some is left
    load.loadLeft(connection, [...needs.deletedPatients], units.reduce((sum, unit) => sum + unit.writes.length, 1)),
    Promise.all(units.map((unit) => (unit.visibility.reach.kind === 'practitioner' && !unit.internal ? loadReachable(connection, unit.visibility, patientIds, [...needs.current.values()]) : Promise.resolve(null)))),
    Promise.all(units.map((unit) => loadMatches(connection, unit))),
  ] as const);
  const settled = await Promise.allSettled(sent);
  for (const result of settled) if (result.status === 'rejected') throw result.reason;
  const [, now, { patients, entries }, current, replays, identified, left, reachable, matches] = await Promise.all(sent);
  const found = units.map((unit, n): Found => ({
    reachable: reachableOf(unit, patients, reachable[n] ?? null),
    matches: matches[n]!,
    identified: new Map(needs.identifiers.filter((i) => i.unit === n && identified.has(i.n)).map((i) => [i.at, identified.get(i.n)!])),
    left,
  }));
  return { base: { now, patients, current }, found, entries, instruments: needs.instruments, replays };
}

function reachableOf(unit: Unit, patients: ReadonlyMap<string, bigint>, reachable: Set<bigint> | null): ReadonlySet<bigint> | null {
  const { reach } = unit.visibility;
  if (reach.kind === 'all') return null;
  if (reach.kind === 'practitioner') return reachable ?? new Set();
  const own = reach.kind === 'patient' ? patients.get(reach.patient) : undefined;
  return new Set(own === undefined ? [] : [own]);
}

/** What the conditions of a unit match now, by their plan; one more than was found tells that there are more. */
async function loadMatches(connection: Lease, unit: Unit): Promise<Map<SearchPlan, readonly Current[]>> {
  const limits = new Map<SearchPlan, number>();
  for (const write of unit.writes) {
    const plan = planOf(write);
    if (plan !== undefined) limits.set(plan, limitOf(write.kind === 'create' ? undefined : write.condition));
  }
  for (const condition of unit.references ?? []) limits.set(condition.plan, limitOf(condition));
  const found = new Map<SearchPlan, readonly Current[]>();
  await Promise.all([...limits].map(async ([plan, limit]) => {
    const rows = await matching(connection, plan, unit.visibility, limit);
    found.set(plan, rows.map((row) => ({ ...row, live: true, restricted: false, private: false })));
  }));
  return found;
}

const limitOf = (condition: Condition | undefined): number => Math.max(2, (condition?.found.length ?? 0) + 1);
