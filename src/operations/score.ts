import { hash } from 'node:crypto';
import { canonicalBase, codeSystem } from '../fhir/canonical.ts';
import { audience } from '../fhir/labels.ts';
import { operationOutcome, problem, Problem, type Issue } from '../fhir/outcome.ts';
import { parseReference } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import { answersIssues, refuseErrors } from '../interactions/accept.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { explanation } from '../outcomes/explanation.ts';
import { number, reference, type Part } from '../outcomes/parts.ts';
import type { Alert } from '../outcomes/safety.ts';
import { contactLines } from '../outcomes/safety-message.ts';
import { scoredAlone, unscorable, type ScoredAlone } from '../outcomes/score-alone.ts';
import { isDerived } from '../resources/observation.ts';
import { withSharing } from '../resources/sharing.ts';
import { readClock } from '../store/clock.ts';
import { Given } from './given.ts';
import { refuseUnknown, type Input } from './input.ts';
import { allMatches } from './matches.ts';
import type { Call, Operation } from './operation.ts';
import { personOf, subjectAsPerson } from './person.ts';
import { questionnaireOf, responseOf, withBareResponse } from './response-input.ts';

/**
 * `QuestionnaireResponse/$score`: what a response gives by itself, computed by the rules of a write and not stored.
 * `QuestionnaireResponse/[id]/$score`: the scores of a stored response. Each with its derivation (schemas/operations/score.json).
 */
export const score: Operation = {
  level: ['type', 'instance'],
  type: 'QuestionnaireResponse',
  needs: [['QuestionnaireResponse', 'r'], ['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/score`,
  run: scoreResponse,
};

async function scoreResponse(context: Context, call: Call, body: string): Promise<Answer> {
  const given = new Given(context);
  const inputs = withBareResponse(call, body);
  refuseUnknown(context, call, inputs, ['questionnaire-response', 'questionnaire']);
  if (call.id !== undefined) return stored(context, call, given, inputs);
  const incoming = await responseOf(call, inputs, given);
  const patient = await subjectOf(incoming.value, given);
  const questionnaire = await questionnaireOf(context, incoming.value, inputs, given);
  refuseErrors(answersIssues(incoming.value, questionnaire, context.registry), 'invalid');
  const { parameter, shown } = alone(context, incoming.value, questionnaire, { now: await readClock(context.database), patient });
  const issues = unscorable(incoming.value, context.registry, questionnaire);
  if (!shown) throw refusal(issues);
  if (patient !== undefined) await given.log(call);
  return answer(parameter, issues);
}

/** The person whom the answers are of, who has to be there for the caller; a response may be scored without saying whose it is. */
async function subjectOf({ subject }: Resource, given: Given): Promise<Resource | undefined> {
  const { reference: text } = (subject ?? {}) as { reference?: string };
  if (text === undefined) return undefined;
  const parsed = parseReference(given.relative(text));
  const row = parsed?.kind === 'relative' && parsed.type === 'Patient' ? await given.row('Patient', parsed.id) : undefined;
  if (row === undefined) throw problem('invalid', 'not-found', 'The subject must be a Patient of this server; a response without a subject is scored all the same.', 'QuestionnaireResponse.subject');
  return JSON.parse(row.body!) as Resource;
}

interface Setting { readonly now: string; readonly patient: Resource | undefined }

/** Without an id of its own it is known by its content, so that the same answers give the same. */
function alone(context: Context, sent: Resource, questionnaire: Resource | undefined, { now, patient }: Setting): { parameter: Part[]; shown: boolean } {
  const { registry, device, safety, visibility, zone } = context;
  const isPatient = visibility.reach.kind === 'patient';
  const response = withSharing({ ...sent, id: sent.id ?? hash('sha256', JSON.stringify(sent), 'hex') }, questionnaire, isPatient);
  const subject = patient === undefined ? '' : `Patient/${patient.id}`;
  const found = scoredAlone(response, { registry, now, device, safety, zone, patient: subject, ...(patient === undefined ? {} : { patientResource: patient }) }, questionnaire);
  const forReader = visibility.restricted ? found : withoutRestricted(found);
  const key = `QuestionnaireResponse/${response.id}`;
  const derivation = { registry, inputs: new Map([[key, response]]), forms: new Map(questionnaire === undefined ? [] : [[key, questionnaire]]), person: personOf(patient, context), reader: isPatient ? 'client' : 'clinician' } as const;
  const parameter = [
    ...forReader.observations.map((observation) => scorePart(unstored(observation, { named: sent.id !== undefined, patient }), explained(observation, derivation, sent.id))),
    ...forReader.alerts.map(alertPart),
    ...forReader.tasks.map((task): Part => ({ name: 'request', part: [{ name: 'code', valueCodeableConcept: task['code'] }, { name: 'text', valueString: task['description'] }] })),
    { name: 'stored', valueBoolean: false },
    ...(found.alerts.length === 0 ? [] : unheard(patient, safety, isPatient)),
  ];
  return { parameter, shown: found.observations.length + found.alerts.length + found.tasks.length > 0 };
}

/** What nobody must overlook where answers are only added up: that no person has seen them, and whom to reach. */
const unheard = (patient: Resource | undefined, settings: Context['safety'], isClient: boolean): Part[] => [
  { name: 'note', valueString: isClient ? 'These answers were only added up here. Nobody has seen them.' : 'Nothing was stored and nobody was told. Sent to the record, this response asks a clinician for a look.' },
  ...contactLines(patient, settings).map((valueString) => ({ name: 'contact', valueString })),
];

/** Without what only clinicians see. */
const withoutRestricted = ({ observations, alerts, tasks }: ScoredAlone): ScoredAlone => {
  const isSeen = (resource: Resource): boolean => { const { restricted, private: kept } = audience(resource); return !restricted || kept; };
  return { observations: observations.filter(isSeen), alerts: alerts.filter((alert) => alert.audience !== 'clinicians'), tasks: tasks.filter(isSeen) };
};

/** An Observation as it would be, less what it has only once it is stored. */
function unstored(observation: Resource, { named, patient }: { named: boolean; patient: Resource | undefined }): Resource {
  const { subject, id: _id, identifier: _identifier, derivedFrom, ...rest } = observation;
  const sent = [{ type: 'QuestionnaireResponse', display: 'The response that was sent' }];
  return { ...rest, ...(patient === undefined ? {} : { subject }), derivedFrom: named || !isFromResponse(observation) ? derivedFrom : sent } as Resource;
}

const isFromResponse = ({ derivedFrom }: Resource): boolean =>
  ((derivedFrom ?? []) as { reference?: string }[]).some(({ reference: from }) => from?.startsWith('QuestionnaireResponse/') === true);

/** The parts of `$explain`, less the references to what is not stored. */
function explained(observation: Resource, derivation: Parameters<typeof explanation>[1], id: string | undefined): readonly Part[] {
  const parts = explanation(observation, derivation)['parameter'] as Part[];
  return parts.filter(({ name }) => name !== 'observation').map((each) => (id !== undefined || each.name !== 'input' ? each : { ...each, part: each.part!.filter(({ name }) => name !== 'reference') }));
}

const scorePart = (observation: Resource, derivation: readonly Part[]): Part => ({ name: 'score', part: [{ name: 'observation', resource: observation }, { name: 'explanation', part: derivation }] });

const alertPart = ({ trigger, title, priority, limit, flagged }: Alert): Part => ({
  name: 'alert',
  part: [
    { name: 'trigger', valueCoding: { system: codeSystem('safety-trigger'), code: trigger, display: title } },
    { name: 'priority', valueCode: priority },
    ...(limit === null ? [] : 'minutes' in limit ? [number('minutes', limit.minutes)] : [number('working-days', limit.workingDays)]),
    { name: 'flagged', valueBoolean: flagged },
  ],
});

/** The scores that are stored with a response, as far as the caller sees them. */
async function stored(context: Context, call: Call, given: Given, inputs: readonly Input[]): Promise<Answer> {
  const { value: response } = await responseOf(call, inputs, given);
  const key = `QuestionnaireResponse/${call.id!}`;
  const questionnaire = await questionnaireOf(context, response, inputs, given);
  const { matches } = await allMatches(context, 'Observation', [['derived-from', key]]);
  given.note(matches);
  const scores = matches.map(({ body }) => JSON.parse(body!) as Resource).filter((each) => isDerived(each) && each['status'] !== 'entered-in-error');
  const issues = unscorable(response, context.registry, questionnaire);
  const person = await subjectAsPerson(context, given, response);
  await given.log(call); // a refusal says something of the response too
  if (scores.length === 0 && issues.length > 0) throw refusal(issues);
  const derivation = { registry: context.registry, inputs: new Map([[key, response]]), forms: new Map(questionnaire === undefined ? [] : [[key, questionnaire]]), person, reader: context.visibility.reach.kind === 'patient' ? 'client' : 'clinician' } as const;
  const unseen: Issue[] = scores.length === 0 ? [{ severity: 'information', code: 'informational', text: 'No score of this response is stored that this access shows.' }] : [];
  return answer([
    reference('response', key),
    ...scores.map((observation) => scorePart(observation, explanation(observation, derivation)['parameter'] as Part[])),
    { name: 'stored', valueBoolean: true },
  ], [...issues, ...unseen]);
}

const refusal = (issues: readonly Issue[]): Problem => new Problem('invalid', issues.map((issue): Issue => ({ ...issue, severity: 'error' })));

function answer(parameter: readonly Part[], issues: readonly Issue[]): Answer {
  const told = issues.length === 0 ? [] : [{ name: 'issues', resource: operationOutcome(issues) }];
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter: [...parameter, ...told] }) };
}
