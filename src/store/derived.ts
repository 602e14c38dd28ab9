import { parseJson } from '../fhir/json.ts';
import { audience } from '../fhir/labels.ts';
import { problem } from '../fhir/outcome.ts';
import type { Meta, Resource } from '../fhir/resource.ts';
import { derive, type Change, type DeriveContext, type DerivedWrite } from '../outcomes/derive.ts';
import { isImport } from '../outcomes/imported.ts';
import { instant } from '../outcomes/instant.ts';
import { recordEntries } from '../outcomes/project.ts';
import { provenance } from '../outcomes/provenance.ts';
import { patientRecord, withScales, withSource, type PatientRecord } from '../outcomes/record.ts';
import { kindsOf, type ReadEntry } from '../outcomes/record-entry.ts';
import type { Registry } from '../outcomes/registry.ts';
import { withAnswered } from '../outcomes/requests.ts';
import type { SafetySettings } from '../outcomes/safety-settings.ts';
import type { TrajectoryReference } from '../outcomes/trajectory-reference.ts';
import { unheard } from '../outcomes/unheard.ts';
import { newId } from './identity.ts';
import type { Changed, Staging } from './staging.ts';
import type { Current, Unit } from './unit.ts';

/** What deriving needs beside the record: the same for the whole process. */
export interface OutcomeRules {
  readonly registry: Registry;
  /** `Device/...` of this version of the service. */
  readonly device: string;
  /** Time zone of the deployment: where the days begin and end of a client who does not say where they live; absent: UTC. */
  readonly zone?: string;
  /** What the organisation decided about safety reviews; absent: the service's defaults. */
  readonly safety?: SafetySettings;
  /** What the course of closed episodes was; absent: there is no benchmark. */
  readonly reference?: ReferenceSource;
}

/** Who knows the newest version of the reference of the expected course. */
export interface ReferenceSource { readonly current: TrajectoryReference | null }

/** What deriving reads: the record by logical id of the Patient, and on demand more. */
export interface RecordSource {
  readonly entries: ReadonlyMap<string, readonly ReadEntry[]>;
  /** Keys of the scores that are in them; null: all. */
  readonly instruments: ReadonlySet<string> | null;
  /** Reads the scores of further scales in the record of a Patient. */
  readonly scores: (patientId: string, scales: readonly string[]) => Promise<readonly ReadEntry[]>;
  /** Reads the current versions of derived resources that may exist already. */
  readonly current: (keys: readonly { type: string; id: string }[]) => Promise<Map<string, Current>>;
  /** Reads the newest active CareTeam of a Patient as text. */
  readonly careTeam: (patientId: string) => Promise<string | undefined>;
}

/** Types whose writes change a patient's record, so that they are serialised by patient. */
export const recordTypes: ReadonlySet<string> = new Set(['Patient', 'QuestionnaireResponse', 'Encounter', 'EpisodeOfCare', 'Goal', 'Task', 'Observation']);

/** Whether a resource concerns the record: of Observations, the most written of all, only totals and answers to safety items that other systems sent do. */
export const concernsRecord = (resource: Resource, { registry }: OutcomeRules): boolean =>
  recordTypes.has(resource.resourceType) && (resource.resourceType !== 'Observation' || isImport(resource, registry));

type Label = NonNullable<Meta['security']>[number];

interface Pending { type: string; id: string; base: Extract<DerivedWrite, { kind: 'put' | 'once' }> | null; first: Resource | null; changes: Extract<DerivedWrite, { kind: 'change' }>['change'][]; mayExist: boolean; patientId: string; source: Resource }

function collect(pending: Map<string, Pending>, write: DerivedWrite, patientId: string, source: Resource): void {
  const type = write.kind === 'change' ? write.type : write.resource.resourceType;
  const id = write.kind === 'change' ? write.id : write.resource.id!;
  const key = `${type}/${id}`;
  const entry = pending.get(key) ?? { type, id, base: null, first: null, changes: [], mayExist: false, patientId, source };
  pending.set(key, entry);
  if (write.kind === 'change') {
    entry.changes.push(write.change);
    entry.mayExist = true;
  } else {
    // A later answer in the same unit replaces what an earlier one implied, unless it may be created only once.
    if (!(write.kind === 'once' && entry.base !== null)) entry.base = write;
    if (write.kind === 'put') {
      // What an earlier change of the unit made of it is of a record that has moved on: it was withdrawn, and is implied again.
      entry.changes.length = 0;
      entry.first ??= write.resource;
    }
    entry.mayExist ||= write.mayExist;
  }
}

/** Projects one change onto the record and @returns the record after it. */
function project(change: Changed, before: PatientRecord, staging: Staging, rules: OutcomeRules, questionnaire: Resource | undefined): PatientRecord {
  const { resource, deleted } = change;
  const kinds = kindsOf(resource.resourceType);
  const entries = deleted ? [] : recordEntries(resource, { registry: rules.registry, questionnaire });
  staging.entries(change.patientId!, resource.id!, kinds, entries, deleted || resource.meta?.versionId !== '1');
  return withSource(before, { type: resource.resourceType, id: resource.id! }, entries);
}

/**
 * Stages everything that follows from what `unit` changed: scores, classes, alerts, goal status, fulfilled requests,
 * and one Provenance for them (architecture section 6).
 */
export async function deriveUnit(unit: Unit, staging: Staging, source: RecordSource, rules: OutcomeRules): Promise<void> {
  for (const change of staging.changed) if (change.patientId === null && !change.deleted) refuseUnheard(unit, change.resource, rules);
  const changed = staging.changed.filter(({ resource, previous, patientId }) => patientId !== null && (concernsRecord(resource, rules) || (previous !== undefined && concernsRecord(previous, rules))));
  if (changed.length === 0) return;
  const records = new Map<string, PatientRecord>();
  const pending = new Map<string, Pending>();
  for (const change of inTimeOrder(changed)) {
    const patientId = change.patientId!;
    const questionnaire = questionnaireOf(unit, change.resource);
    const before = records.get(patientId) ?? patientRecord(source.entries.get(patientId) ?? [], rules.zone);
    const { resource, previous, deleted } = change;
    const step = { before, after: project(change, before, staging, rules, questionnaire), change: { resource, previous, deleted, questionnaire }, patientId };
    const { writes, after } = await derived(step, staging, source, rules);
    // What earlier changes of the unit made of a Goal is about what it was before this one.
    if (resource.resourceType === 'Goal') pending.delete(`Goal/${resource.id}`);
    records.set(patientId, withAnswered(after, writes));
    for (const write of writes) collect(pending, write, patientId, resource);
  }
  if (pending.size === 0) return;
  const unknown = [...pending.values()].filter(({ type, id, mayExist }) => mayExist && staging.current(type, id) === undefined);
  if (unknown.length > 0) staging.addLoaded(await source.current(unknown));
  const written = new Map<string, { patientId: string; targets: string[]; sources: Set<Resource>; security: Label[] }>();
  for (const entry of pending.values()) {
    if (!stagePending(entry, staging, rules)) continue;
    const target = staging.current(entry.type, entry.id)!;
    // What somebody does not see is not named where they see who computed what: it has a Provenance of its own.
    const apart = target.restricted && !audience(entry.source).restricted;
    const key = apart ? `${entry.patientId} ${String(target.private)}` : entry.patientId;
    const group = written.get(key) ?? { patientId: entry.patientId, targets: [], sources: new Set(), security: [] };
    written.set(key, group);
    group.targets.push(`${entry.type}/${entry.id}/_history/${target.version}`);
    group.sources.add(entry.source);
    if (apart) group.security.push(...((JSON.parse(target.body!) as Resource).meta?.security ?? []));
  }
  for (const { patientId, targets, sources, security } of written.values()) {
    const resource = provenance({ id: newId(), targets, sources: [...sources], security, now: staging.now, device: rules.device, registry: rules.registry, patient: `Patient/${patientId}` });
    staging.put('Provenance', resource.id!, { value: resource, stored: resource });
  }
}

/**
 * New responses in the order in which they were given: a history that comes newest first would move the baseline of all before it
 * with each, and call for looks at what is long over. A total or an item that comes together with the response that it is from is not looked at before it:
 * it is the same answer. All else stays in its order.
 */
function inTimeOrder(changed: readonly Changed[]): readonly Changed[] {
  const [observations, others] = [true, false].map((wanted) => changed.filter(({ resource }) => (resource.resourceType === 'Observation') === wanted)) as [Changed[], Changed[]];
  const isNew = ({ resource, previous, deleted }: Changed): boolean => resource.resourceType === 'QuestionnaireResponse' && previous === undefined && !deleted;
  const given = ({ resource }: Changed): number => instant(resource['authored'] as string | undefined) ?? Infinity;
  const responses = others.filter(isNew).sort((a, b) => (given(a) < given(b) ? -1 : given(a) > given(b) ? 1 : 0)).values();
  return [...others.map((each) => (isNew(each) ? responses.next().value! : each)), ...observations];
}

/** @throws Problem `invalid` for a response, or an answer that another system sent, in nobody's record that a person is to look at. */
function refuseUnheard(unit: Unit, response: Resource, { registry, safety }: OutcomeRules): void {
  const questionnaire = questionnaireOf(unit, response);
  const issue = unheard(response, { registry, ...(questionnaire === undefined ? {} : { questionnaire }) }, safety);
  if (issue === undefined) return;
  const position = unit.writes.findIndex(({ type, id }) => type === response.resourceType && id === response.id);
  throw Object.assign(problem('invalid', issue.code, issue.text, issue.expression), { position });
}

interface Step { readonly before: PatientRecord; readonly after: PatientRecord; readonly change: Change; readonly patientId: string }

/**
 * Derives, and only when the rules ask for more than the usual response needs reads that and derives again: who the patient is and
 * who looks after them (a safety alert), scores of another scale (check-ins in a setback). Deriving is pure.
 */
async function derived({ before, after, change, patientId }: Step, staging: Staging, source: RecordSource, rules: OutcomeRules): Promise<{ writes: DerivedWrite[]; after: PatientRecord }> {
  let asked = false;
  const scales = new Set<string>();
  const ask = (): undefined => { asked = true; };
  const context: DeriveContext = {
    registry: rules.registry, reference: rules.reference?.current ?? null, now: staging.now, device: rules.device, patient: `Patient/${patientId}`, ...(rules.zone === undefined ? {} : { zone: rules.zone }), ...(rules.safety === undefined ? {} : { safety: rules.safety }),
    looksAt: (keys) => { for (const key of keys) if (source.instruments?.has(key) === false) scales.add(key); },
  };
  const writes = derive(before, after, change, { ...context, get careTeam() { return ask(); }, get patientResource() { return ask(); } });
  if (!asked && scales.size === 0) return { writes, after };
  // None of these scales is written in this unit: what a unit writes is read from the start.
  const more = scales.size === 0 ? [] : await source.scores(patientId, [...scales]);
  const whole = { before: withScales(before, more), after: withScales(after, more) };
  const people = asked ? await peopleOf(patientId, staging, source) : {};
  return { writes: derive(whole.before, whole.after, change, { ...context, ...people }), after: whole.after };
}

/** The Patient and the newest active CareTeam, as this unit leaves them: a team that comes together with an answer is told of it. */
async function peopleOf(patientId: string, staging: Staging, source: RecordSource): Promise<Pick<DeriveContext, 'careTeam' | 'patientResource'>> {
  const text = await source.careTeam(patientId);
  const patient = staging.current('Patient', patientId) ?? (await source.current([{ type: 'Patient', id: patientId }])).get(`Patient/${patientId}`);
  const parsed = (body: string | null | undefined): Resource | undefined => (body === null || body === undefined ? undefined : (JSON.parse(body) as Resource));
  const teams = staging.changed.filter((each) => each.patientId === patientId && each.resource.resourceType === 'CareTeam');
  const isActive = ({ resource, deleted }: Changed): boolean => !deleted && resource.status === 'active';
  const stored = parsed(text);
  const careTeam = teams.findLast(isActive)?.resource ?? (teams.some(({ resource }) => resource.id === stored?.id) ? undefined : stored);
  return { careTeam, patientResource: parsed(patient?.body) };
}

/** @returns whether a version was staged. */
function stagePending(entry: Pending, staging: Staging, rules: OutcomeRules): boolean {
  const { type, id } = entry;
  const current = staging.current(type, id);
  let next: Resource | null = null;
  // What came and went within the unit was never there: nobody needs to be told that it does not count.
  if (entry.base?.kind === 'put' && current === undefined && entry.base.resource.status === 'entered-in-error') return false;
  if (entry.base?.kind === 'once' && entry.base.when !== undefined) {
    const { when } = entry.base;
    const other = staging.current(when.type, when.id);
    if (other?.live !== true || !when.holds(JSON.parse(other.body!) as Resource)) return false;
  }
  if (entry.base !== null && !(entry.base.kind === 'once' && current !== undefined)) next = current === undefined ? asFirstSeen(entry.base.resource, entry.first) : entry.base.resource;
  else if (current?.live !== true) return false;
  let lossless = false;
  for (const change of entry.changes) {
    // Numbers of a client's resource keep their written form: the change is made on the lossless tree.
    lossless ||= next === null;
    const before = next ?? (parseJson(current!.body!).stored as Resource);
    next = change(before) ?? next;
  }
  if (next === null) return false;
  const value = lossless ? (JSON.parse(JSON.stringify(next)) as Resource) : next;
  // What is computed whole carries the labels that follow from the record now: those that were lifted from an answer go here too.
  const { outcome } = staging.put(type, id, { value, stored: next, ...(entry.base?.kind === 'put' ? { relabels: true } : {}) });
  if (outcome === 'unchanged') return false;
  // The Observations that are derived are no totals of other systems.
  if (type !== 'Observation' && kindsOf(type).length > 0) {
    const staged = staging.changed.at(-1)!;
    staging.entries(entry.patientId, id, kindsOf(type), recordEntries(staged.resource, { registry: rules.registry }), staged.previous !== undefined);
  }
  return true;
}

const revised: readonly unknown[] = ['amended', 'corrected'], complete: readonly unknown[] = ['final', ...revised];

/** Nobody saw what was computed on the way through the unit: what it comes to is no correction of that, and has the status that the first had. */
const asFirstSeen = (resource: Resource, first: Resource | null): Resource =>
  (revised.includes(resource.status) && complete.includes(first?.status) ? { ...resource, status: first!.status } : resource);

function questionnaireOf(unit: Unit, resource: Resource): Resource | undefined {
  if (resource.resourceType !== 'QuestionnaireResponse') return undefined;
  for (const write of unit.writes) if (write.kind !== 'delete' && write.id === resource.id) return write.questionnaire;
  return undefined;
}
