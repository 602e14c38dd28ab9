import { hotColumns } from '../fhir/extract.ts';
import { hash64 } from '../fhir/search-parameters.ts';
import { problem, type Issue, type Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { checkByPatient } from '../resources/by-patient.ts';
import { goalByClient } from '../resources/goal.ts';
import { decisionProvenance } from '../resources/provenance.ts';
import { checkDenial, checkEmergency, withRecorder } from '../resources/consent.ts';
import { checkMaker } from '../resources/maker.ts';
import { checkWrite } from '../resources/rules.ts';
import { checkClinician, flagByClient, reviewByClient } from '../resources/safety-review.ts';
import { withSharing } from '../resources/sharing.ts';
import { newId } from './identity.ts';
import { admitNew, checkLimits, checkTargets, reachesRow, standing, type Found } from './admission.ts';
import { isBeyond, overlooks } from './standing.ts';
import { movedSubject, type Staging } from './staging.ts';
import { ExistsElsewhere, type Condition, type Current, type Incoming, type Unit, type WriteRequest, type Written } from './unit.ts';

const gone = (type: string): never => {
  throw problem('not-found', 'not-found', `No such ${type}.`);
};

function checkVersion(type: string, current: Current | undefined, ifMatch: number | undefined): void {
  if (ifMatch === undefined) return;
  if (current === undefined || !current.live || current.version !== ifMatch) {
    throw problem('precondition-failed', 'conflict', `If-Match names version ${ifMatch}, which is not the current one. Read the ${type} and apply the change to what it is now.`);
  }
}

/** Refuses a write whose condition does not choose any more what it chose when the write was made. */
function checkCondition(condition: Condition | undefined, found: Found): void {
  if (condition === undefined) return;
  const matches = found.matches.get(condition.plan) ?? [];
  if (matches.length > 1 && condition.several !== true) throw severalMatches();
  if (matches.length !== condition.found.length || matches.some(({ id }) => !condition.found.includes(id))) throw new ExistsElsewhere(null);
}

/** The refusal of a condition that must choose one resource and chooses several. */
export const severalMatches = (): Problem => problem('precondition-failed', 'multiple-matches', 'The condition matches several resources; make it more specific.');

const existing = (current: Current): Written => ({
  outcome: 'existing', type: current.type, id: current.id, version: current.version, body: current.body, lastUpdated: current.lastUpdated, patient: current.patient,
});

/** The answer to a create of what is there already. */
function met(write: Create, current: Current): Written {
  if (write.linked !== undefined && current.id !== write.id) throw new ExistsElsewhere(current.id);
  return existing(current);
}

type Create = Extract<WriteRequest, { kind: 'create' }>;

function create(write: Create, at: number, unit: Unit, found: Found, staging: Staging): Written {
  const matches = (write.ifNoneExist === undefined ? undefined : found.matches.get(write.ifNoneExist)) ?? [];
  if (matches.length > 1) throw problem('precondition-failed', 'multiple-matches', 'If-None-Exist matches several resources; make the condition more specific.');
  if (matches.length === 1) return met(write, matches[0]!);
  const identity = responseIdentity(write.incoming.value);
  const twin = found.identified.get(at) ?? (identity === null ? undefined : staging.identified(identity));
  // A twin that the caller may not see is not there: what comes is decided as if it were the first.
  if (twin !== undefined && standing(unit, found, twin) !== 'unseen' && !isBeyond(unit.visibility, twin)) {
    if (staging.sameContent(twin, write.incoming)) return met(write, twin);
    throw problem('conflict', 'duplicate', `A QuestionnaireResponse with this identifier exists with other content. To amend it, PUT ${twin.type}/${twin.id}.`, 'QuestionnaireResponse.identifier');
  }
  if (write.linked === 'existing') throw new ExistsElsewhere(null);
  checkLimits(unit, 'c', { ...write.incoming.value, id: write.id });
  checkTargets(unit, found, staging, write.incoming.value);
  const written = stage(write.type, write.id, write.incoming, unit, staging, undefined, 'C', write.questionnaire);
  admitNew(unit, found, staging, write.type, written);
  if (identity !== null) staging.identify(identity, staging.current(write.type, write.id)!);
  return written;
}

/** The identity under which the same answers are the same response: one patient, one identifier. */
export function responseIdentity(resource: Resource): { patient: string; code: string; system: bigint } | null {
  if (resource.resourceType !== 'QuestionnaireResponse') return null;
  const identifier = resource['identifier'] as { system?: string; value?: string } | undefined;
  const subject = (resource['subject'] as { reference?: string } | undefined)?.reference;
  if (identifier?.value === undefined || subject === undefined || !subject.startsWith('Patient/')) return null;
  return { patient: subject.slice('Patient/'.length).split('/')[0]!, code: identifier.value, system: identifier.system === undefined ? 0n : hash64(identifier.system) };
}

function stage(type: string, id: string, incoming: Incoming, unit: Unit, staging: Staging, previous: Resource | undefined, creation: 'C' | 'P', questionnaire?: Resource): Written {
  if (unit.internal) return staging.put(type, id, incoming, creation);
  const issues = [...checkWrite(previous, incoming.value), ...checkPerson(unit, previous, incoming.value)];
  if (issues.some(({ severity }) => severity === 'error' || severity === 'fatal')) throw refused(issues);
  const { decision, ...kept } = byClient(previous, labelled(incoming, questionnaire, unit), staging.now, unit.requester.agent);
  const written = staging.put(type, id, kept, creation);
  if (decision !== undefined && written.outcome !== 'unchanged') {
    const { client, agent } = unit.requester;
    const provenance = decisionProvenance({ id: newId(), target: `${type}/${id}/_history/${written.version}`, now: staging.now, client, agent, activity: decision });
    staging.put('Provenance', provenance.id!, { value: provenance, stored: provenance });
  }
  return written;
}

/** The resource with the label of what its client shares of it; a Consent with who records it. */
function labelled(incoming: Incoming, questionnaire: Resource | undefined, { visibility: { reach }, requester }: Unit): Incoming {
  const recorder = requester.agent?.startsWith('Practitioner') === true || (reach.kind !== 'patient' && reach.kind !== 'all') ? 'practitioner' : reach.kind === 'patient' ? 'patient' : 'system';
  const value = withRecorder(withSharing(incoming.value, questionnaire, reach.kind === 'patient'), recorder);
  return value === incoming.value ? incoming : { ...incoming, value };
}

/** What the rules for a patient's own access, and the name of the service itself, forbid in this write. */
function checkPerson({ visibility: { reach }, requester: { agent } }: Unit, previous: Resource | undefined, next: Resource): Issue[] {
  const clinician = checkClinician(previous, next, agent);
  if (reach.kind === 'all') return clinician;
  if (reach.kind !== 'patient') return [...clinician, ...checkEmergency(previous), ...checkDenial(previous), ...checkMaker(previous, next)];
  const persons = new Set([`Patient/${reach.patient}`, ...(agent === undefined ? [] : [agent])]);
  return [...checkEmergency(previous), ...checkByPatient(previous, next, persons), ...checkMaker(previous, next)];
}

/** A client's resource as it is stored, and the decision in it that the record keeps a Provenance of. */
function byClient(previous: Resource | undefined, incoming: Incoming, now: string, agent: string | undefined): Incoming & { decision?: string } {
  const { value, stored } = incoming;
  if (value.resourceType === 'Flag') {
    const kept = { ...incoming, value: flagByClient(previous, value, now), stored: flagByClient(previous, stored as Resource, now) };
    const closed = previous !== undefined && previous['status'] !== value['status'];
    return closed ? { ...kept, decision: `Status of the flag changed from ${String(previous['status'])} to ${String(value['status'])}` } : kept;
  }
  if (value.resourceType === 'Goal') {
    const { goal, override } = goalByClient(previous, stored as Resource);
    return { ...incoming, value: goalByClient(previous, value).goal, stored: goal, ...(override ? { decision: 'Achievement status of the goal decided by a person' } : {}) };
  }
  const moved = value.resourceType === 'Task' && previous !== undefined && previous['status'] !== value['status'];
  const kept = value.resourceType === 'Task' ? { ...incoming, value: reviewByClient(previous, value, now, agent), stored: reviewByClient(previous, stored as Resource, now, agent) } : incoming;
  return moved ? { ...kept, decision: `Status of the task changed from ${String(previous['status'])} to ${String(value['status'])}` } : kept;
}

function refused(issues: ReturnType<typeof checkWrite>): Error {
  const first = issues.find(({ severity }) => severity === 'error' || severity === 'fatal')!;
  return first.code === 'forbidden' ? problem('forbidden', 'forbidden', first.text, first.expression) : problem('invalid', first.code, first.text, first.expression);
}

/**
 * A patch or deletion is locked by the record that its resource was in when it was looked up. Where that has changed since,
 * the record was not read, and what follows from the write would be computed from nothing.
 */
function checkRecord({ type, patient }: { type: string; patient: string | null }, current: Current): void {
  if (current.live && hotColumns(JSON.parse(current.body!) as Resource).patient !== patient) {
    throw problem('conflict', 'lock-error', `Others are writing the same ${type}. Try again.`, undefined, { 'retry-after': '1' });
  }
}

function update(write: Extract<WriteRequest, { kind: 'update' | 'patch' }>, unit: Unit, found: Found, staging: Staging): Written {
  const { type, id } = write;
  checkCondition(write.condition, found);
  const current = staging.current(type, id);
  if (current === undefined ? !unit.internal && overlooks(unit.visibility, type, id) : !reachesRow(unit, found, 'u', current)) return gone(type);
  // A system that goes on sending what it has must not bring the person back; one that means to says so.
  if (current?.erased === true && !(write.kind === 'update' && write.ifNoneMatch === '*')) throw problem('gone', 'deleted', 'This Patient was erased. Whoever begins a new record under the id says so with If-None-Match: *.');
  checkVersion(type, current, write.ifMatch);
  if (write.kind === 'update' && write.ifNoneMatch === '*' && current?.live === true) {
    throw problem('precondition-failed', 'conflict', `If-None-Match: * asks that there is no such ${type} yet, and there is.`);
  }
  if (write.condition?.found.length === 0 && current?.live === true) {
    throw problem('conflict', 'conflict', `The condition matches nothing, and the id in the body is that of another ${type}.`, `${type}.id`);
  }
  if (write.kind === 'patch') {
    if (current === undefined) return gone(type);
    if (!current.live) throw problem('gone', 'deleted', `This ${type} was deleted.`);
    checkRecord(write, current);
  }
  const incoming = write.kind === 'patch' ? write.change(current!.body!) : write.incoming;
  const previous = current?.live ? (JSON.parse(current.body!) as Resource) : undefined;
  checkLimits(unit, 'u', { ...incoming.value, id });
  checkTargets(unit, found, staging, incoming.value);
  const written = stage(type, id, incoming, unit, staging, previous, 'P', write.questionnaire);
  // what was deleted begins anew, and in no other record
  if (current?.live !== true) admitNew(unit, found, staging, type, written);
  if (current !== undefined && current.patient !== null && staging.current(type, id)!.patient !== current.patient && type !== 'Provenance') throw movedSubject(type);
  return written;
}

function remove(write: Extract<WriteRequest, { kind: 'delete' }>, unit: Unit, found: Found, staging: Staging): Written {
  const { type, id } = write;
  checkCondition(write.condition, found);
  const current = staging.current(type, id);
  const absent: Written = { outcome: 'absent', type, id, version: 0, body: null, lastUpdated: staging.now };
  if (current === undefined || !reachesRow(unit, found, 'd', current)) {
    checkVersion(type, undefined, write.ifMatch);
    return absent;
  }
  checkVersion(type, current, write.ifMatch);
  if (!current.live) return absent;
  checkRecord(write, current);
  const previous = JSON.parse(current.body!) as Resource;
  const issues = [...checkWrite(previous, null), ...byHand(unit.visibility.reach.kind, previous)];
  if (issues.length > 0 && !unit.internal) throw refused(issues);
  return staging.delete(type, id);
}

/** What of Consents people do not delete. */
const byHand = (reach: Unit['visibility']['reach']['kind'], previous: Resource): Issue[] =>
  (reach === 'all' ? [] : [...checkEmergency(previous), ...(reach === 'patient' ? [] : checkDenial(previous))]);

/**
 * A Patient is deleted with everything in the record or after it. What a unit deletes of the record it may name in any
 * order; what it only asks to delete (because the caller does not see it) is left, and so is what it adds.
 */
function checkEmptied({ writes }: Unit, found: Found, staging: Staging): void {
  for (const [at, write] of writes.entries()) {
    if (write.kind !== 'delete' || write.type !== 'Patient' || staging.current('Patient', write.id)?.live !== false) continue;
    const alive = (type: string, id: string): boolean => staging.current(type, id)?.live ?? true;
    const left = (found.left.get(write.id) ?? []).some((key) => alive(...(key.split('/') as [string, string])));
    const added = staging.changed.some(({ resource: { resourceType, id }, deleted, patientId }) => !deleted && patientId === write.id && alive(resourceType, id!));
    if (left || added) {
      const refusal = problem('conflict', 'conflict', 'This Patient has a record here; a Patient is deleted with everything in the record or after it.');
      throw Object.assign(refusal, { position: at });
    }
  }
}

/**
 * Decides the writes of a unit in their order on its staging.
 * @throws Problem with `position` of the write that is refused; nothing of the unit is then written.
 */
export function decideWrites(unit: Unit, loaded: Found, staging: Staging): Written[] {
  const reachable = loaded.reachable === null ? null : new Set(loaded.reachable);
  const found = { ...loaded, reachable };
  for (const reference of unit.references ?? []) checkCondition(reference, found);
  const written = unit.writes.map((write, at) => {
    try {
      if (write.kind === 'create') {
        const made = create(write, at, unit, found, staging);
        // Who takes a person in writes the record that begins with it, a CareTeam that names the own person among it.
        if (write.type === 'Patient' && made.outcome === 'created' && made.version === 1) reachable?.add(staging.patient(made.id)!);
        return made;
      }
      if (write.kind === 'delete') return remove(write, unit, found, staging);
      return update(write, unit, found, staging);
    } catch (error) {
      if (error instanceof Error) Object.assign(error, { position: at });
      throw error;
    }
  });
  checkEmptied(unit, found, staging);
  return written;
}

const actions = { created: 'C', updated: 'U', deleted: 'D', existing: 'R', unchanged: 'R', absent: 'D' } as const;

/** Adds a row of the access log for each write. */
export function auditWrites(unit: Unit, written: readonly Written[], staging: Staging): void {
  for (const { outcome, type, id, version, patient } of written) {
    staging.effects.audit.push({
      id: newId(), interaction: unit.interaction, action: actions[outcome], outcome: '0', client: unit.requester.client, agent: unit.requester.agent ?? null,
      // nothing was deleted: the log of a record that the caller may not even know of does not say so
      patient: outcome === 'absent' ? null : staging.current(type, id)?.patient ?? patient ?? null, entityType: type, entityId: id, version: version || null, query: null,
      requestId: unit.requester.requestId, address: unit.requester.address ?? null,
    });
  }
}
