import jsonPatch, { type Operation } from 'fast-json-patch';
import { hotColumns } from '../fhir/extract.ts';
import { applyPatch, patchOperations } from '../fhir/fhirpath-patch.ts';
import { parseJson } from '../fhir/json.ts';
import { isCore } from '../fhir/profiles/rules.ts';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { validate } from '../fhir/validate.ts';
import type { Incoming, WriteRequest } from '../store/unit.ts';
import { readNewest } from '../store/read.ts';
import { answered, answersIssues, keepRelative, ofOtherVersion, refuseErrors, type Gate } from './accept.ts';
import { writtenAnswer } from './answer.ts';
import { conditionPlan, matchOf, whileItHolds } from './condition.ts';
import type { Answer, Context } from './context.ts';
import { unitOf } from './create.ts';
import { forWriting } from './delete.ts';
import { profileIssues, type Loaded } from './profiles.ts';

type PatchRequest = Extract<WriteRequest, { kind: 'patch' }>;

/**
 * patch (http://hl7.org/fhir/R4/http.html#patch) with JSON Patch (RFC 6902) or FHIRPath Patch. The patch is applied inside
 * the transaction to the version that is current then, and the result passes the same gate as an update.
 * @throws Problem `malformed` when it is no patch, `invalid` when it does not apply or its result is not valid.
 */
export async function patch(context: Context, type: string, id: string, body: string): Promise<Answer> {
  const write = await patchWrite(context, type, id, body);
  return committed(context, context.ifMatch === undefined ? write : { ...write, ifMatch: context.ifMatch }, `PATCH ${type}/${id} ${body}`);
}

async function committed(context: Context, write: PatchRequest, content: string): Promise<Answer> {
  const [written] = await context.committer.commit({ ...unitOf(context, 'patch', content), writes: [write] });
  return writtenAnswer(context, written!);
}

/**
 * Conditional patch (http://hl7.org/fhir/R4/http.html#patch) of the one match of a condition, looked at again inside the transaction.
 * @throws Problem `not-found` for no match, `precondition-failed` for several.
 */
export async function conditionalPatch(context: Context, type: string, query: string, body: string): Promise<Answer> {
  const plan = await conditionPlan(context, type, query);
  return whileItHolds(async () => {
    const write = await conditionalPatchWrite(context, type, plan, body);
    return committed(context, context.ifMatch === undefined ? write : { ...write, ifMatch: context.ifMatch }, `PATCH ${type}?${query} ${body}`);
  });
}

/** The patch of what a condition matches now. */
export async function conditionalPatchWrite(context: Context, type: string, plan: SearchPlan, body: string): Promise<PatchRequest> {
  const match = await matchOf(context, plan);
  if (match === undefined) throw problem('not-found', 'not-found', `The condition matches no ${type}; there is nothing to patch.`);
  return { ...(await patchWrite(context, type, match, body)), condition: { plan, found: [match] } };
}

/** The write that a patch of `type`/`id` asks for. Whether there is something to patch is decided in the transaction. */
export async function patchWrite(context: Context, type: string, id: string, body: string): Promise<PatchRequest> {
  const change = body.trimStart().startsWith('{') ? fhirpathPatch(body) : jsonPatchOf(body);
  const row = await readNewest(context.database, forWriting(context.visibility, type), type, id);
  const current = row?.body == null ? undefined : (JSON.parse(row.body) as Resource);
  const form = type !== 'QuestionnaireResponse' || row?.body == null ? undefined : await formAfter(context, row.body, change);
  const held = await profilesAround(context, current, body);
  return {
    kind: 'patch', type, id, questionnaire: form?.forOutcomes,
    patient: current === undefined ? null : hotColumns(current).patient,
    change: (stored) => patched(stored, change, type, id, { form, held, parts: context }),
  };
}

/** The form that a response answers, and how it names it. */
interface Form { readonly named: unknown; readonly questionnaire: Resource | undefined; /** What is computed from the answers is computed by this (`questionnaireForOutcomes`). */ readonly forOutcomes: Resource | undefined }

/** The form of what a patch makes of the current version: it may name another one, or change the one that it contains. */
async function formAfter(context: Context, body: string, change: Change): Promise<Form> {
  let response = JSON.parse(body) as Resource;
  try {
    response = JSON.parse(JSON.stringify(change(parseJson(body).stored as Resource))) as Resource;
  } catch {
    // why it does not apply is said where it is applied, to the version that is current then
  }
  const questionnaire = await answered(response, context);
  return { named: response['questionnaire'], questionnaire, forOutcomes: questionnaire ?? await ofOtherVersion(response, context) };
}

const canonicalForm = /https?:\/\/[^\s"\\]{1,1000}/g;
const mostProfiles = 50;

/** The profiles that the result of a patch may say it meets: those of the current version, and those that the patch names. */
async function profilesAround({ profiles }: Context, current: Resource | undefined, body: string): Promise<ReadonlyMap<string, Loaded>> {
  const named = body.includes('profile') ? (body.match(canonicalForm) ?? []).slice(0, mostProfiles) : [];
  const held = new Map<string, Loaded>();
  for (const canonical of new Set([...(current?.meta?.profile ?? []), ...named])) {
    const loaded = isCore(canonical) ? undefined : await profiles(canonical);
    if (loaded !== undefined) held.set(canonical, loaded);
  }
  return held;
}

/**
 * @returns the patch in the resource of a Bundle's PATCH entry: a Binary that holds a JSON Patch (http.html#jsonpatch), or
 * the Parameters of a FHIRPath Patch.
 * @throws Problem `invalid` when it is neither.
 */
export function patchIn(resource: Resource | undefined): string {
  if (resource?.resourceType === 'Parameters') return JSON.stringify(resource);
  if (resource?.resourceType === 'Binary' && typeof resource['data'] === 'string') return Buffer.from(resource['data'], 'base64').toString('utf8');
  throw problem('invalid', 'required', 'A PATCH entry needs Parameters with the operations of a FHIRPath Patch, or a Binary whose data is a JSON Patch in base64.', 'resource');
}

/** Changes the lossless tree of a resource; @returns the tree after it. */
type Change = (document: Resource) => unknown;

function fhirpathPatch(body: string): Change {
  const { value, stored } = parseJson(body);
  if (value['resourceType'] !== 'Parameters') throw problem('malformed', 'invalid', 'A patch is a JSON Patch (an array, application/json-patch+json) or the Parameters of a FHIRPath Patch (application/fhir+json).', 'resourceType');
  refuseErrors(validate(value as Resource, 'Parameters'));
  const operations = patchOperations(stored);
  return (document) => {
    applyPatch(document, operations);
    return document;
  };
}

function jsonPatchOf(body: string): Change {
  const operations = operationsOf(body);
  return (document) => {
    try {
      return applied(document, operations);
    } catch (error) {
      if (error instanceof Problem) throw error;
      const failure = error as { name?: string; index?: number };
      const at = typeof failure.index === 'number' ? ` (operation ${failure.index})` : '';
      if (failure.name === 'TEST_OPERATION_FAILED') throw problem('invalid', 'processing', `The patch was not applied: its test does not hold${at}.`);
      throw problem('invalid', 'processing', `The patch does not apply to the current version${at}: check op, path and value.`);
    }
  };
}

function operationsOf(body: string): Operation[] {
  let operations: unknown;
  try {
    operations = JSON.parse(body);
  } catch {
    throw problem('malformed', 'invalid', 'The body is not JSON; a JSON Patch (RFC 6902) is an array of operations.');
  }
  if (!Array.isArray(operations)) throw problem('malformed', 'invalid', 'A JSON Patch (RFC 6902) is an array of operations.');
  if (operations.length > mostOperations) throw problem('too-large', 'too-costly', `A JSON Patch takes ${mostOperations} operations at most; PUT the resource instead.`);
  return operations as Operation[];
}

/** Operations of one patch at most. */
const mostOperations = 1000;
/** Characters that the `copy` operations of one patch may add: each can double the resource, so twenty could fill the memory. */
const mostCopied = 1_000_000;

/** @returns the resource after the operations, one by one; the validation refuses pointers that do not exist, indexes past the end and prototype names. */
function applied(document: unknown, operations: readonly Operation[]): unknown {
  let copied = 0;
  let result = document;
  for (const [index, operation] of operations.entries()) {
    if (operation?.op === 'copy' && typeof operation.from === 'string') {
      copied += JSON.stringify(jsonPatch.getValueByPointer(result, operation.from))?.length ?? 0;
      if (copied > mostCopied) throw problem('too-large', 'too-costly', `The patch copies too much (operation ${index}): PUT the resource instead.`);
    }
    // RFC 6902 4.4: what is moved into itself would have no end
    if (operation?.op === 'move' && operation.path !== operation.from && `${operation.path}/`.startsWith(`${operation.from}/`)) throw problem('invalid', 'processing', `The patch moves something into itself (operation ${index}).`);
    result = jsonPatch.applyOperation(result, operation, true, true, true, index).newDocument;
  }
  if (result === null || typeof result !== 'object') throw problem('invalid', 'processing', 'The patch leaves nothing of the resource.');
  return result;
}

/** What was looked up before the transaction for the check within it. */
interface LookedUp { readonly form: Form | undefined; readonly held: ReadonlyMap<string, Loaded>; readonly parts: Gate }

function patched(current: string, change: Change, type: string, id: string, { form, held, parts }: LookedUp): Incoming {
  const result = change(parseJson(current).stored as Resource); // numbers that would not survive keep their text
  const parsed = parseJson(JSON.stringify(result));
  const value = parsed.value as Resource;
  const incoming = { value, stored: parsed.stored };
  if (value.resourceType !== type || value.id !== id) throw problem('invalid', 'business-rule', 'A patch cannot change resourceType or id.', type);
  refuseErrors(validate(value, type), 'invalid');
  refuseErrors(profileIssues(value, (value.meta?.profile ?? []).flatMap((canonical) => held.get(canonical) ?? [])), 'invalid');
  keepRelative(incoming, parts.baseUrl);
  if (type === 'QuestionnaireResponse') {
    if (form !== undefined && form.named !== value['questionnaire']) throw problem('conflict', 'lock-error', 'The response was made one to another form meanwhile. Try again.', undefined, { 'retry-after': '1' });
    refuseErrors(answersIssues(value, form?.questionnaire, parts.registry), 'invalid');
  }
  return incoming;
}
