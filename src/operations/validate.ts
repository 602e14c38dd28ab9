import { authorize } from '../auth/decide.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { hotColumns } from '../fhir/extract.ts';
import { parseJson } from '../fhir/json.ts';
import { operationOutcome, problem, Problem, type Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { resourceTypes } from '../fhir/structures.ts';
import { grants, type Verb } from '../fhir/visibility.ts';
import { validate as validateFhir } from '../fhir/validate.ts';
import { answered, answersIssues, keepRelative } from '../interactions/accept.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { forWriting } from '../interactions/delete.ts';
import { claimed, profileIssues } from '../interactions/profiles.ts';
import { uncoded } from '../interactions/warnings.ts';
import { newId } from '../store/identity.ts';
import { readNewest, type VersionRow } from '../store/read.ts';
import { trial } from '../store/trial.ts';
import type { Incoming, WriteRequest } from '../store/unit.ts';
import { inputsOf, one, parametersOf, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `$validate` (http://hl7.org/fhir/R4/resource-operation-validate.html) of a resource in the body, or of what is stored: what a
 * write would say, without one. Answers 200 with an OperationOutcome whatever it finds; a refusal means that nothing was checked.
 */
export const validate: Operation = {
  level: ['type', 'instance'],
  type: '*',
  needs: [],
  definition: `${canonicalBase}/OperationDefinition/validate`,
  run: outcomeOf,
};

const modes = { create: 'c', update: 'u', delete: 'd', profile: 'r' } as const satisfies Record<string, Verb>;
type Mode = keyof typeof modes;

const isError = ({ severity }: Issue): boolean => severity === 'error' || severity === 'fatal';

/** What is checked: of the body, or of the store. */
interface Checked { readonly type: string; readonly id: string | undefined; readonly mode: Mode | undefined; readonly sent: Incoming | undefined; readonly stored: VersionRow | undefined }

async function outcomeOf(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = sentInputs(call, body);
  refuseUnknown(context, call, inputs, ['resource', 'mode', 'profile']);
  const type = call.type!;
  const mode = modeOf(call, one(inputs, 'mode'));
  const [resource, another] = inputs.filter(({ name }) => name === 'resource');
  if (another !== undefined) throw problem('malformed', 'invalid', '$validate checks one resource.', another.expression);
  const sent = mode === 'delete' ? undefined : resource?.resource;
  if (sent === undefined && mode !== 'delete' && (call.id === undefined || mode === 'create' || mode === 'update')) {
    throw problem('malformed', 'required', 'Send the resource as the body, or as the parameter "resource" of Parameters.', 'Parameters.parameter');
  }
  permit(context, type, mode, sent !== undefined);
  const row = call.id === undefined ? undefined : await readNewest(context.database, forWriting(context.visibility, type), type, call.id);
  if (sent === undefined && row === undefined) throw problem('not-found', 'not-found', `No such ${type}.`);
  if (sent === undefined && row!.body === null) throw problem('gone', 'deleted', `This ${type} was deleted.`);
  const issues = await issuesOf(context, { type, id: call.id, mode, sent, stored: row }, profileOf(inputs));
  await context.audit.record(accessRows(context, { interaction: '$validate', action: 'E', type, id: call.id, patients: [row?.patient ?? null] }));
  return { status: 200, body: JSON.stringify(operationOutcome(issues.length > 0 ? once(issues) : [fine(mode)])) };
}

/** A profile that is asked for may be claimed as well: what both say is said once. */
const once = (issues: readonly Issue[]): Issue[] => [...new Map(issues.map((issue) => [JSON.stringify(issue), issue])).values()];

/** The body is Parameters, or the resource itself. */
function sentInputs(call: Call, body: string): Input[] {
  const fromQuery = inputsOf(call, '');
  if (body === '') return fromQuery;
  const parsed = parseJson(body);
  if (parsed.value['resourceType'] === 'Parameters') return [...fromQuery, ...parametersOf(parsed)];
  return [...fromQuery, { name: 'resource', resource: { value: parsed.value as Resource, stored: parsed.stored }, expression: call.type! }];
}

function modeOf({ id }: Call, text: string | undefined): Mode | undefined {
  if (text === undefined) return undefined;
  if (!Object.hasOwn(modes, text)) throw problem('malformed', 'code-invalid', `mode must be one of ${Object.keys(modes).join(', ')}.`, 'http.mode');
  if (id === undefined && (text === 'update' || text === 'delete')) throw problem('malformed', 'invalid', `mode ${text} is for one resource: [type]/[id]/$validate.`, 'http.mode');
  return text as Mode;
}

/** @returns the profile to check against. @throws Problem `malformed` when there are several. */
function profileOf(inputs: readonly Input[]): Input | undefined {
  return one(inputs, 'profile') === undefined ? undefined : inputs.find(({ name }) => name === 'profile');
}

/** Who asks about a write needs its scope; a check of what the caller sent any scope of the type. */
function permit(context: Context, type: string, mode: Mode | undefined, sent: boolean): void {
  const verb = mode === undefined ? 'r' : modes[mode];
  if (sent && verb === 'r' && (['c', 'u'] as const).some((each) => grants(context.visibility, type, each))) return;
  authorize(context.visibility, type, verb);
}

async function issuesOf(context: Context, checked: Checked, profile: Input | undefined): Promise<Issue[]> {
  const { type, id, mode, sent, stored } = checked;
  if (mode === 'delete') {
    const patient = hotColumns(JSON.parse(stored!.body!) as Resource).patient;
    return refusals(context, { kind: 'delete', type, id: id!, patient, ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }) }, mode);
  }
  const incoming = sent ?? asIncoming(stored!.body!);
  const ofContent = await contentIssues(context, type, incoming);
  const issues = [...(profile === undefined ? [] : await issuesByProfile(context, type, profile, ofContent.isSound ? incoming.value : undefined)), ...ofContent.issues];
  if (sent === undefined || mode === 'profile' || ofContent.issues.some(isError)) return issues;
  if (id !== undefined && mode !== 'create') issues.push(...profileIssues(incoming.value, await context.profiles.kept(type, id)));
  return [...issues, ...uncoded({ incoming, ...(ofContent.questionnaire === undefined ? {} : { questionnaire: ofContent.questionnaire }) }, context.registry), ...(await writeIssues(context, checked, { incoming, questionnaire: ofContent.questionnaire }))];
}

/** What the gate of every write says of a resource, with the Questionnaire that it answers. */
async function contentIssues(context: Context, type: string, incoming: Incoming): Promise<{ issues: Issue[]; isSound: boolean; questionnaire?: Resource }> {
  const issues = validateFhir(incoming.value, type);
  if (issues.some(isError)) return { issues, isSound: false };
  issues.push(...(await issuesByClaims(context, type, incoming.value)));
  keepRelative(incoming, context.baseUrl);
  if (type !== 'QuestionnaireResponse') return { issues, isSound: true };
  const questionnaire = await answered(incoming.value, context);
  return { issues: [...issues, ...answersIssues(incoming.value, questionnaire, context.registry)], isSound: true, ...(questionnaire === undefined ? {} : { questionnaire }) };
}

/** What the write that the mode names would say; without a mode, what it would refuse is a warning: nobody said that it comes. */
async function writeIssues(context: Context, { type, id, mode }: Checked, content: { incoming: Incoming; questionnaire?: Resource | undefined }): Promise<Issue[]> {
  if (mode === undefined && !grants(context.visibility, type, id === undefined ? 'c' : 'u')) return [];
  if (id === undefined) return refusals(context, { kind: 'create', type, id: newId(), ...content }, mode);
  if (content.incoming.value.id !== id) return softened([{ severity: 'error', code: 'invalid', text: 'The id in the body must be the id in the URL.', expression: `${type}.id` }], mode);
  const guards = { ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }), ...(mode === 'create' ? { ifNoneMatch: '*' as const } : {}) };
  return refusals(context, { kind: 'update', type, id, ...content, ...guards }, mode);
}

/** @returns why the store would refuse the write. */
async function refusals(context: Context, write: WriteRequest, mode: Mode | undefined): Promise<Issue[]> {
  const { database, visibility, requester, registry } = context;
  try {
    await trial(database, { writes: [write], visibility, requester, interaction: '$validate' }, { registry, device: '' });
    return [];
  } catch (error) {
    if (!(error instanceof Problem) || ['unavailable', 'internal', 'too-costly'].includes(error.kind)) throw error;
    return softened(error.issues, mode);
  }
}

const softened = (issues: readonly Issue[], mode: Mode | undefined): Issue[] =>
  (mode === undefined ? issues.map((issue) => ({ ...issue, severity: 'warning', text: `A write would be refused: ${issue.text}` })) : [...issues]);

function asIncoming(text: string): Incoming {
  const { value, stored } = parseJson(text);
  return { value: value as Resource, stored };
}

const base = 'http://hl7.org/fhir/StructureDefinition/';

/** The type whose base definition a canonical names, of R4. */
function baseType(canonical: string): string | undefined {
  const [url, version] = canonical.split('|', 2) as [string, string?];
  const name = url.slice(base.length);
  return url.startsWith(base) && (resourceTypes.has(name) || name === 'Resource' || name === 'DomainResource') && (version === undefined || /^4\.0(\.1)?$/.test(version)) ? name : undefined;
}

/**
 * What a resource breaks of the profile that is asked for. One that is not known here is an error: silence would be taken for
 * conformance (the operation's definition: SHALL).
 * @param resource undefined: it breaks FHIR itself, so there is nothing to hold against a profile.
 */
async function issuesByProfile(context: Context, type: string, { text, expression }: Input, resource: Resource | undefined): Promise<Issue[]> {
  const named = baseType(text!);
  if (named === type || named === 'Resource' || (named === 'DomainResource' && type !== 'Binary')) return [];
  if (named !== undefined) return [{ severity: 'error', code: 'invalid', text: `The profile is that of another type: a ${type} is checked against ${base}${type}.`, expression }];
  const loaded = await context.profiles(text!);
  if (loaded === undefined) {
    return [{ severity: 'error', code: 'not-supported', text: 'This profile is not known here: store its StructureDefinition, or name one that the CapabilityStatement lists. The other issues are of FHIR and of the rules of this service.', expression }];
  }
  if (loaded.profile.type !== type) return [{ severity: 'error', code: 'invalid', text: `The profile is that of another type: it is one of ${loaded.profile.type}, not of ${type}.`, expression }];
  return resource === undefined ? [] : profileIssues(resource, [loaded]);
}

/** Profiles that a resource says it meets: those that are known here hold for a write as well; that others were not looked at is said. */
async function issuesByClaims(context: Context, type: string, resource: Resource): Promise<Issue[]> {
  const { held, unknown } = await claimed(resource, context.profiles);
  return [...profileIssues(resource, held), ...unknown.map((at): Issue => (
    { severity: 'information', code: 'not-supported', text: 'This profile is not known here, so the resource was not checked against it.', expression: `${type}.meta.profile[${at}]` }))];
}

const fine = (mode: Mode | undefined): Issue => ({
  severity: 'information', code: 'informational',
  text: mode === undefined || mode === 'profile' ? 'No issues were found.' : `No issues were found; ${mode === 'delete' ? 'a deletion' : `a write (${mode})`} would be accepted now.`,
});
