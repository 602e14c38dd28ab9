import jsonPatch, { type Operation } from 'fast-json-patch';
import { hotColumns } from '../fhir/extract.ts';
import { parseJson } from '../fhir/json.ts';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { validate } from '../fhir/validate.ts';
import type { Incoming, WriteRequest } from '../store/unit.ts';
import { readNewest } from '../store/read.ts';
import { answered, answersIssues, keepRelative, refuseErrors, type Gate } from './accept.ts';
import { writtenAnswer } from './answer.ts';
import type { Answer, Context } from './context.ts';
import { unitOf } from './create.ts';
import { forWriting } from './delete.ts';

type PatchRequest = Extract<WriteRequest, { kind: 'patch' }>;

/**
 * patch (http://hl7.org/fhir/R4/http.html#patch) with JSON Patch (RFC 6902). The patch is applied inside the transaction
 * to the version that is current then, and the result passes the same gate as an update.
 * @throws Problem `malformed` when it is not a JSON Patch, `invalid` when it does not apply or its result is not valid.
 */
export async function patch(context: Context, type: string, id: string, body: string): Promise<Answer> {
  const write = await patchWrite(context, type, id, body);
  const [written] = await context.committer.commit({
    ...unitOf(context, 'patch', `PATCH ${type}/${id} ${body}`),
    writes: [context.ifMatch === undefined ? write : { ...write, ifMatch: context.ifMatch }],
  });
  return writtenAnswer(context, written!);
}

/** The write that a JSON Patch of `type`/`id` asks for. Whether there is something to patch is decided in the transaction. */
export async function patchWrite(context: Context, type: string, id: string, body: string): Promise<PatchRequest> {
  const operations = operationsOf(body);
  const row = await readNewest(context.database, forWriting(context.visibility, type), type, id);
  const current = row?.body == null ? undefined : (JSON.parse(row.body) as Resource);
  const questionnaire = current === undefined ? undefined : await answered(current, context);
  return {
    kind: 'patch', type, id, questionnaire,
    patient: current === undefined ? null : hotColumns(current).patient,
    change: (stored) => patched(stored, operations, type, id, questionnaire, context),
  };
}

/**
 * @returns the JSON Patch in the resource of a transaction's PATCH entry: a Binary that holds it (http.html#jsonpatch).
 * @throws Problem `invalid` when it is no such Binary.
 */
export function patchIn(resource: Resource | undefined): string {
  if (resource?.resourceType === 'Binary' && typeof resource['data'] === 'string') return Buffer.from(resource['data'], 'base64').toString('utf8');
  throw problem('invalid', 'required', 'A PATCH entry needs a Binary resource whose data is the JSON Patch in base64.', 'resource');
}

function operationsOf(body: string): Operation[] {
  let operations: unknown;
  try {
    operations = JSON.parse(body);
  } catch {
    throw problem('malformed', 'invalid', 'The body is not JSON; a JSON Patch (RFC 6902) is an array of operations.');
  }
  if (!Array.isArray(operations) || operations.length === 0) throw problem('malformed', 'invalid', 'A JSON Patch (RFC 6902) is a non-empty array of operations.');
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
    result = jsonPatch.applyOperation(result, operation, true, true, true, index).newDocument;
  }
  return result;
}

function patched(current: string, operations: readonly Operation[], type: string, id: string, questionnaire: Resource | undefined, parts: Gate): Incoming {
  const document = parseJson(current).stored as Resource; // numbers that would not survive keep their text
  let result: unknown;
  try {
    result = applied(document, operations);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const failure = error as { name?: string; index?: number };
    const at = typeof failure.index === 'number' ? ` (operation ${failure.index})` : '';
    if (failure.name === 'TEST_OPERATION_FAILED') throw problem('invalid', 'processing', `The patch was not applied: its test does not hold${at}.`);
    throw problem('invalid', 'processing', `The patch does not apply to the current version${at}: check op, path and value.`);
  }
  const parsed = parseJson(JSON.stringify(result));
  const value = parsed.value as Resource;
  const incoming = { value, stored: parsed.stored };
  if (value.resourceType !== type || value.id !== id) throw problem('invalid', 'business-rule', 'A patch cannot change resourceType or id.', type);
  refuseErrors(validate(value, type), 'invalid');
  keepRelative(incoming, parts.baseUrl);
  if (type === 'QuestionnaireResponse') refuseErrors(answersIssues(value, questionnaire, parts.registry), 'invalid');
  return incoming;
}
