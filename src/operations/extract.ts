import type { Coding, Questionnaire } from '@medplum/fhirtypes';
import { hash } from 'node:crypto';
import { canonicalBase, loinc } from '../fhir/canonical.ts';
import { parseJson } from '../fhir/json.ts';
import { operationOutcome, problem, type Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { answersIssues, refuseErrors } from '../interactions/accept.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { recognise } from '../outcomes/recognise.ts';
import { extractDefinitions, extractsDefinitions } from '../resources/extract-definitions.ts';
import { creations, entryFor, withdrawal, type Existing, type TransactionEntry } from '../resources/extract-entries.ts';
import { extractObservations, type Extracted } from '../resources/extract-observations.ts';
import { withSharing } from '../resources/sharing.ts';
import { readClock } from '../store/clock.ts';
import { Given } from './given.ts';
import { refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { questionnaireOf, responseOf, withBareResponse } from './response-input.ts';

/**
 * `QuestionnaireResponse/$extract` and `QuestionnaireResponse/[id]/$extract`
 * (http://hl7.org/fhir/uv/sdc/OperationDefinition/QuestionnaireResponse-extract): a transaction Bundle of what the answers say, which the
 * client sends; nothing is stored. The same response gives the same ids, so that sending it again updates in place.
 */
export const extract: Operation = {
  level: ['type', 'instance'],
  type: 'QuestionnaireResponse',
  needs: [['QuestionnaireResponse', 'r'], ['Questionnaire', 'r'], ['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/extract`,
  run: extractResponse,
};

/** Resources of one response at most: what a transaction takes. */
const mostExtracted = 1000;
/** Stored resources that are read at the same time. */
const together = 8;

async function extractResponse(context: Context, call: Call, body: string): Promise<Answer> {
  const given = new Given(context);
  const inputs = withBareResponse(call, body);
  refuseUnknown(context, call, inputs, ['questionnaire-response', 'questionnaire']);
  const response = await responseOf(call, inputs, given);
  const questionnaire = await questionnaireOf(context, response.value, inputs, given);
  if (questionnaire === undefined) throw problem('invalid', 'not-found', 'The Questionnaire of this response is not stored here: give it as the parameter questionnaire.', 'QuestionnaireResponse.questionnaire');
  refuseErrors(answersIssues(response.value, questionnaire, context.registry), 'invalid');
  const { status, id } = response.value as Resource & { status: string };
  if (status !== 'completed' && status !== 'amended' && status !== 'entered-in-error') {
    throw problem('invalid', 'business-rule', 'Only what a completed, amended or entered-in-error response says is extracted.', 'QuestionnaireResponse.status');
  }
  const { extracted, issues } = await all(context, withSharing(response.stored as Resource, questionnaire, false), questionnaire);
  if (extracted.length > mostExtracted) throw problem('too-costly', 'too-costly', `At most ${mostExtracted} resources are extracted from one response.`, 'QuestionnaireResponse.item');
  const entries = id === undefined ? creations(status === 'entered-in-error' ? [] : extracted) : await writes(context, given, extracted, status);
  if (entries.length === 0) issues.push({ severity: 'information', code: 'informational', text: 'There is nothing to write: no answer is marked for extraction, or all of it is stored as it is.' });
  await given.log(call);
  return { status: 200, body: JSON.stringify(answerOf(entries, issues)) };
}

/** What the answers say, in both ways that a form may ask for. */
async function all(context: Context, response: Resource, questionnaire: Resource): Promise<{ extracted: Extracted[]; issues: Issue[] }> {
  const source = response.id ?? hash('sha256', JSON.stringify(response), 'hex');
  const observations = extractObservations({ response, questionnaire }, { source, derived: computed(context, response, questionnaire) });
  if (!extractsDefinitions(questionnaire as unknown as Questionnaire)) return observations;
  const others = extractDefinitions({ response, questionnaire }, { source, now: await readClock(context.database) });
  return { extracted: [...observations.extracted, ...others.extracted], issues: [...observations.issues, ...others.issues] };
}

/**
 * What the service stores with a response by itself is left to it: the totals of a recognised instrument, under any of their
 * codes, and the answers that it watches for safety. Other items of an instrument are extracted where the form asks for it.
 */
function computed({ registry }: Context, response: Resource, questionnaire: Resource): (coding: Coding) => boolean {
  const recognised = recognise(response, registry, questionnaire);
  const watched = recognised.flatMap(({ instrument }) => instrument.definition.safety.map(({ linkId }) => instrument.items.get(linkId)).map((item) => `${item?.system ?? loinc}|${item?.code}`));
  const totals = recognised.filter(({ panel }) => panel).flatMap(({ instrument }) => instrument.scales)
    .flatMap(({ codings, definition }) => [...codings, ...definition.acceptAsTotal]).map(({ system, code }) => `${system}|${code}`);
  const stored = new Set([...watched, ...totals]);
  return ({ system, code }) => stored.has(`${system}|${code}`);
}

async function writes(context: Context, given: Given, extracted: readonly Extracted[], status: string): Promise<TransactionEntry[]> {
  const entries: (TransactionEntry | undefined)[] = [];
  for (let from = 0; from < extracted.length; from += together) {
    entries.push(...await Promise.all(extracted.slice(from, from + together).map(async (each) => {
      const row = await given.row(each.resource.resourceType, each.resource.id!);
      const existing: Existing | undefined = row === undefined ? undefined : { version: row.version, resource: parseJson(row.body!).stored as unknown as Resource };
      return status === 'entered-in-error' ? withdrawal(existing, context.baseUrl) : entryFor(each, existing, context.baseUrl);
    })));
  }
  return entries.filter((entry) => entry !== undefined);
}

/** The Bundle itself where there is nothing to say beside it (http://hl7.org/fhir/R4/operations.html#response), else Parameters with both. */
function answerOf(entries: readonly TransactionEntry[], issues: readonly Issue[]): object {
  const bundle = { resourceType: 'Bundle', type: 'transaction', ...(entries.length === 0 ? {} : { entry: entries }) };
  if (issues.length === 0) return bundle;
  return { resourceType: 'Parameters', parameter: [{ name: 'return', resource: bundle }, { name: 'issues', resource: operationOutcome(issues) }] };
}
