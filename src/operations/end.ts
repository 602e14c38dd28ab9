import { authorize } from '../auth/decide.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { dateRange } from '../fhir/dates.ts';
import { parseJson } from '../fhir/json.ts';
import { Problem, problem, type Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { validate } from '../fhir/validate.ts';
import { grants, limitsOf } from '../fhir/visibility.ts';
import { refuseErrors } from '../interactions/accept.ts';
import { accessRows } from '../interactions/access-log.ts';
import { etag, httpDate, versionUrl } from '../interactions/answer.ts';
import { conditionPlan, whileItHolds } from '../interactions/condition.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { unitOf } from '../interactions/create.ts';
import { blueprint, endingChecks, endingTypes, type Check, type EndingResources, type EndingType } from '../outcomes/ending.ts';
import { checkPart } from '../outcomes/ending-words.ts';
import { localDate } from '../outcomes/local-time.ts';
import { forReader } from '../outcomes/client-answer.ts';
import { number, type Part } from '../outcomes/parts.ts';
import { isSafetyReview } from '../outcomes/review-times.ts';
import { isClosed } from '../outcomes/safety-resources.ts';
import { zoneOf } from '../outcomes/time-zone.ts';
import { ended } from '../resources/episode.ts';
import { isSafetyFlag } from '../resources/safety-review.ts';
import { readOfPatient } from '../store/record.ts';
import type { Condition, Incoming, Written } from '../store/unit.ts';
import { episodeRecord, readerOf } from './episode.ts';
import { inputsOf, one, refuseUnknown, type Input } from './input.ts';
import { allMatches } from './matches.ts';
import type { Call, Operation } from './operation.ts';
import { flag } from './terminology-input.ts';

/**
 * `EpisodeOfCare/[id]/$end`: what is open when a therapy comes to its end; with `apply`=true the episode is ended, unless an alert is
 * not closed (docs/operations-fhir.md; schemas/operations/end.json).
 */
export const end: Operation = {
  level: 'instance',
  type: 'EpisodeOfCare',
  needs: [['EpisodeOfCare', 'r'], ['Patient', 'r'], ['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/end`,
  run: endEpisode,
};

async function endEpisode(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['apply', 'end']);
  const at = endOf(inputs);
  if (!flag(inputs, 'apply')) {
    if (at !== undefined) throw problem('malformed', 'invalid', 'end is for apply=true: without it nothing is ended.', expressionOf(inputs, 'end'));
    const found = await checklist(context, call.id!);
    await logged(context, call, found.rid);
    return { status: 200, body: answerOf(context, found, undefined) };
  }
  if (call.method !== 'POST') throw problem('method-not-allowed', 'not-supported', '$end with apply=true changes what is stored: call it with POST.', undefined, { allow: 'POST' });
  requireAll(context);
  return whileItHolds(() => apply(context, call, { at, expression: expressionOf(inputs, 'end') }));
}

/** The time at which it ended, as it was given. */
function endOf(inputs: readonly Input[]): string | undefined {
  const text = one(inputs, 'end');
  if (text !== undefined && (dateRange(text) === undefined || text.length < 10)) throw problem('malformed', 'value', 'end must be a day or a time, such as 2026-03-31 or 2026-03-31T15:00:00+01:00.', expressionOf(inputs, 'end'));
  return text;
}

const expressionOf = (inputs: readonly Input[], wanted: string): string => inputs.find(({ name }) => name === wanted)?.expression ?? `http.${wanted}`;

/** Who does not see every alert must not end anything: it could be the one that stands against it. */
function requireAll({ visibility }: Context): void {
  authorize(visibility, 'EpisodeOfCare', 'u');
  for (const type of ['Task', 'Flag']) {
    authorize(visibility, type, 's');
    if (limitsOf(visibility, type).length > 0) throw problem('forbidden', 'forbidden', `The scopes for ${type} are limited by criteria; an episode is ended by somebody who sees every alert.`);
  }
}

interface Checklist { readonly rid: bigint; readonly patient: string; readonly now: string; readonly status: string; readonly start: string | undefined; readonly zone: string; readonly checks: readonly Check[]; readonly alerts: readonly Resource[]; readonly flags: readonly Resource[]; readonly reviews: readonly Resource[] }

async function checklist(context: Context, id: string): Promise<Checklist> {
  const { rid, patient, now, visible, episode } = await episodeRecord(context, id);
  const resources = await resourcesOf(context, rid, patient);
  const [person] = await readOfPatient(context.database, context.visibility, rid, 'Patient', null);
  const reviews = (resources.Task ?? []).filter((task) => isSafetyReview(task) && !isClosed(task));
  const flags = resources.Flag ?? [];
  const alerts = [...reviews, ...flags.filter(isSafetyFlag)];
  const zone = zoneOf(person === undefined ? undefined : (JSON.parse(person) as Resource), context.zone);
  const checks = endingChecks(visible, episode, { registry: context.registry, now, zone, resources, alerts });
  return { rid, patient, now, status: episode.data.status, start: episode.data.start, zone, checks, alerts, flags, reviews };
}

/** Statuses that an ending looks at; of other types every status. */
const statuses: Partial<Record<EndingType, readonly string[]>> = { Flag: ['active'], Encounter: ['planned', 'arrived', 'triaged', 'in-progress', 'onleave'], ServiceRequest: ['active'] };

async function resourcesOf(context: Context, rid: bigint, patient: string): Promise<EndingResources> {
  const { database, visibility } = context;
  const found = await Promise.all(endingTypes.map(async (type): Promise<[EndingType, readonly Resource[] | null]> => {
    if (!(grants(visibility, type, 's') || (type !== 'QuestionnaireResponse' && grants(visibility, type, 'r'))) || limitsOf(visibility, type).length > 0) return [type, null];
    if (type === 'QuestionnaireResponse') {
      // Of all answers only those to one form: a record may have thousands.
      const { matches } = await allMatches(context, type, [['patient', `Patient/${patient}`], ['questionnaire', blueprint]]);
      return [type, matches.map(({ body }) => JSON.parse(body!) as Resource)];
    }
    return [type, (await readOfPatient(database, visibility, rid, type, statuses[type] ?? null)).map((body) => JSON.parse(body) as Resource)];
  }));
  return Object.fromEntries(found) as EndingResources;
}

/** The time that was given, and the element that it was given in. */
interface GivenEnd { readonly at: string | undefined; readonly expression: string }

/** Ends the episode in one transaction that looks again for alerts and at the version that `If-Match` names. */
async function apply(context: Context, call: Call, { at: given, expression }: GivenEnd): Promise<Answer> {
  const found = await checklist(context, call.id!);
  const at = given ?? found.now;
  if (found.alerts.length > 0) {
    await logged(context, call, found.rid); // the refusal shows that there is an alert
    throw new Problem('conflict', found.alerts.map(alertIssue));
  }
  checkTime(found, given, expression);
  const [written] = await context.committer.commit({
    ...unitOf(context, '$end', `POST EpisodeOfCare/${call.id!}/$end ${given ?? ''}`),
    references: await alertConditions(context, found),
    writes: [{ kind: 'patch', type: 'EpisodeOfCare', id: call.id!, patient: found.patient, change: (stored) => endedAt(stored, at, given), ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }) }],
  });
  await logged(context, call, found.rid);
  return {
    status: 200, body: answerOf(context, found, written!),
    headers: { etag: etag(written!.version), 'last-modified': httpDate(written!.lastUpdated), location: versionUrl(context, written!) },
  };
}

const alertIssue = ({ resourceType, id }: Resource): Issue => ({
  severity: 'error', code: 'business-rule', expression: 'EpisodeOfCare.status',
  text: `The episode is not ended while an alert is open: ${resourceType === 'Task' ? `complete the review Task/${id!}` : `set Flag/${id!} inactive with a reason, once its review is completed`}.`,
});

/** A day is that of where the client lives. */
function checkTime({ now, start, zone }: Checklist, given: string | undefined, expression: string): void {
  if (given === undefined) return;
  const range = dateRange(given)!;
  if (given.length === 10 ? given > localDate(Date.parse(now), zone) : range.low > now) throw problem('invalid', 'value', 'end must not be in the future: an episode that is finished has ended.', expression);
  if (start !== undefined && range.high <= (dateRange(start)?.low ?? '')) throw problem('invalid', 'value', 'end must not be before the start of the episode.', expression);
}

/** What was found to be open or active, looked at again in the transaction: an alert that is raised meanwhile is not overlooked. */
async function alertConditions(context: Context, { patient, flags, reviews }: Checklist): Promise<Condition[]> {
  const [task, active] = await Promise.all([
    conditionPlan(context, 'Task', `patient=Patient/${patient}&code=${canonicalBase}/CodeSystem/task-type|safety-review&status:not=completed,cancelled,rejected,failed,entered-in-error`),
    conditionPlan(context, 'Flag', `patient=Patient/${patient}&status=active`),
  ]);
  return [{ plan: task, found: reviews.map(({ id }) => id!), several: true }, { plan: active, found: flags.map(({ id }) => id!), several: true }];
}

/** The change itself, on the version that is current in the transaction. Done again it changes nothing. */
function endedAt(body: string, at: string, given: string | undefined): Incoming {
  const { value, stored } = parseJson(body);
  const { status, period } = value as { status?: string; period?: { end?: string } };
  if (status === 'finished') {
    if (given !== undefined && given !== period?.end) throw problem('conflict', 'business-rule', 'This episode has ended already, at another time. To correct that, update the EpisodeOfCare.', 'EpisodeOfCare.period.end');
    return { value: value as Resource, stored };
  }
  const [next, written] = [ended(value as Resource, at), ended(stored as Resource, at)];
  refuseErrors(validate(next, 'EpisodeOfCare'), 'invalid');
  return { value: next, stored: written };
}

function answerOf(context: Context, { patient, now, status, checks }: Checklist, written: Written | undefined): string {
  const parameter: Part[] = [
    { name: 'patient', valueReference: { reference: `Patient/${patient}` } },
    { name: 'computed', valueInstant: now },
    { name: 'status', valueCode: written === undefined ? status : 'finished' },
    number('open', checks.filter(({ state }) => state === 'open').length),
    ...forReader(checks.map(checkPart), readerOf(context)),
  ];
  const text = JSON.stringify({ resourceType: 'Parameters', parameter });
  // The episode goes in as it is stored: numbers keep their text.
  return written?.body == null ? text : `${text.slice(0, -2)},{"name":"episode","resource":${written.body}}]}`;
}

async function logged(context: Context, call: Call, rid: bigint): Promise<void> {
  await context.audit.record(accessRows(context, { interaction: '$end', action: 'E', type: 'EpisodeOfCare', id: call.id!, patients: [rid] }));
}
