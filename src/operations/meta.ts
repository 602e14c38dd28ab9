import { authorize } from '../auth/decide.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { hotColumns } from '../fhir/extract.ts';
import { parseJson } from '../fhir/json.ts';
import { isCore } from '../fhir/profiles/rules.ts';
import { problem } from '../fhir/outcome.ts';
import type { Meta, Resource } from '../fhir/resource.ts';
import { servedType, servedTypes } from '../fhir/types.ts';
import { grants } from '../fhir/visibility.ts';
import { refuseErrors, questionnaireForOutcomes } from '../interactions/accept.ts';
import { accessRows } from '../interactions/access-log.ts';
import { etag, httpDate } from '../interactions/answer.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { unitOf } from '../interactions/create.ts';
import { forWriting } from '../interactions/delete.ts';
import { forgetDefinitions, profileIssues, type Loaded } from '../interactions/profiles.ts';
import { readLabelled } from '../store/labels.ts';
import { readNewest, readVersion } from '../store/read.ts';
import type { Incoming } from '../store/unit.ts';
import { inputsOf, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';

interface Coding { readonly system?: string; readonly code?: string; readonly [element: string]: unknown }

/** Profiles, tags and security labels: what these operations are about. */
interface Labels { readonly profile: readonly string[]; readonly security: readonly Coding[]; readonly tag: readonly Coding[] }

/** The identity of a tag or label is system and code; version and display do not count (resource-operation-meta-add.html). */
const same = (one: Coding, other: Coding): boolean => one.system === other.system && one.code === other.code;

const labelsOf = (meta: Meta | undefined): Labels => ({ profile: meta?.profile ?? [], security: meta?.security ?? [], tag: meta?.tag ?? [] });

/** @returns the labels of `labels` and those of `more` that it lacks. */
const joined = (labels: Labels, more: Labels): Labels => ({
  profile: [...new Set([...labels.profile, ...more.profile])],
  security: [...labels.security, ...beyond(more.security, labels.security)],
  tag: [...labels.tag, ...beyond(more.tag, labels.tag)],
});

/** @returns the codings that `known` lacks, each once. */
function beyond(codings: readonly Coding[], known: readonly Coding[]): Coding[] {
  const fresh: Coding[] = [];
  for (const coding of codings) if (![...known, ...fresh].some((other) => same(other, coding))) fresh.push(coding);
  return fresh;
}

/** @returns the labels of `labels` that are not in `gone`. */
const without = (labels: Labels, gone: Labels): Labels => ({
  profile: labels.profile.filter((profile) => !gone.profile.includes(profile)),
  security: labels.security.filter((coding) => !gone.security.some((other) => same(other, coding))),
  tag: labels.tag.filter((coding) => !gone.tag.some((other) => same(other, coding))),
});

/** `meta` with these labels; what else it says stays, an empty list is left out. */
function relabelled(meta: Meta | undefined, { profile, security, tag }: Labels): Meta {
  const { profile: _profile, security: _security, tag: _tag, ...rest } = meta ?? {};
  return { ...rest, ...(profile.length === 0 ? {} : { profile: [...profile] }), ...(security.length === 0 ? {} : { security: [...security] }), ...(tag.length === 0 ? {} : { tag: [...tag] }) };
}

const answerOf = (meta: Meta | undefined, headers?: Record<string, string>): Answer => ({
  status: 200,
  // A Meta that says nothing is left out: FHIR has no empty elements.
  body: JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'return', ...(meta === undefined || Object.keys(meta).length === 0 ? { valueMeta: { extension: [unlabelled] } } : { valueMeta: meta }) }] }),
  ...(headers === undefined ? {} : { headers }),
});

const unlabelled = { url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'not-applicable' };

/**
 * `$meta` (http://hl7.org/fhir/R4/resource-operation-meta.html): the meta of a resource or of one version; for a type or the
 * whole service the profiles, tags and security labels in use among what the caller may search.
 */
export const meta: Operation = {
  level: ['system', 'type', 'instance'],
  type: '*',
  onVersion: true,
  needs: [],
  definition: `${canonicalBase}/OperationDefinition/meta`,
  run: metaOf,
};

async function metaOf(context: Context, call: Call, body: string): Promise<Answer> {
  refuseUnknown(context, call, inputsOf(call, body), []);
  const { type, id } = call;
  if (type !== undefined && id !== undefined) return metaOfInstance(context, type, id, call.version);
  if (type !== undefined) authorize(context.visibility, type, 's');
  const types = type === undefined ? servedTypes.filter((each) => servedType(each)!.writtenBy === undefined && grants(context.visibility, each, 's')) : [type];
  if (types.length === 0) throw problem('forbidden', 'forbidden', 'This access does not allow to search any type.');
  const texts = await readLabelled(context.database, context.visibility, types);
  const labels = texts.map((text) => labelsOf((JSON.parse(text) as Resource).meta)).reduce(joined, labelsOf(undefined));
  await context.audit.record(accessRows(context, { interaction: '$meta', action: 'E', type }));
  return answerOf(relabelled(undefined, labels));
}

async function metaOfInstance(context: Context, type: string, id: string, version: number | undefined): Promise<Answer> {
  authorize(context.visibility, type, 'r');
  const row = version === undefined ? await readNewest(context.database, context.visibility, type, id) : await readVersion(context.database, context.visibility, type, id, version);
  if (row === undefined) throw problem('not-found', 'not-found', `No such ${type}.`);
  await context.audit.record(accessRows(context, { interaction: '$meta', action: 'E', type, id, version: row.version, patients: [row.patient] }));
  if (row.body === null) throw problem('gone', 'deleted', `This ${type} was deleted.`, undefined, { etag: etag(row.version) });
  return answerOf((JSON.parse(row.body) as Resource).meta, { etag: etag(row.version), 'last-modified': httpDate(row.lastUpdated) });
}

/** `$meta-add` (http://hl7.org/fhir/R4/resource-operation-meta-add.html). A label that is there already changes nothing. */
export const metaAdd: Operation = changing('meta-add', (labels, sent) => joined(labels, sent));

/** `$meta-delete` (http://hl7.org/fhir/R4/resource-operation-meta-delete.html). A label that is not there changes nothing. */
export const metaDelete: Operation = changing('meta-delete', (labels, sent) => without(labels, sent));

function changing(name: string, change: (labels: Labels, sent: Labels) => Labels): Operation {
  return {
    level: 'instance', type: '*', changes: true, needs: [], definition: `${canonicalBase}/OperationDefinition/${name}`,
    run: (context, call, body) => relabel(context, call, body, change),
  };
}

/**
 * Changes the labels of the current version inside the transaction. It makes a new version: versions do not change here, a
 * label decides who sees a resource, and the history says who set or lifted it (docs/operations-fhir.md).
 */
async function relabel(context: Context, call: Call, body: string, change: (labels: Labels, sent: Labels) => Labels): Promise<Answer> {
  const type = call.type!, id = call.id!;
  authorize(context.visibility, type, 'u');
  authorize(context.visibility, type, 'r');
  const sent = sentLabels(context, call, body);
  if (context.visibility.reach.kind === 'patient' && sent.security.length > 0) {
    throw problem('forbidden', 'forbidden', "Security labels are not set or lifted with a patient's own access.", 'Parameters.parameter[0].value.security');
  }
  const held = call.name === 'meta-add' ? await profilesOf(context, sent) : [];
  const row = await readNewest(context.database, forWriting(context.visibility, type), type, id);
  const current = row?.body == null ? undefined : (JSON.parse(row.body) as Resource);
  const [written] = await context.committer.commit({
    ...unitOf(context, `$${call.name}`, `${call.name} ${type}/${id} ${body}`),
    writes: [{
      kind: 'patch', type, id,
      questionnaire: current === undefined ? undefined : await questionnaireForOutcomes(current, context),
      patient: current === undefined ? null : hotColumns(current).patient,
      ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }),
      change: (stored) => changed(stored, (labels) => change(labels, sent), held),
    }],
  });
  forgetDefinitions(context, [type]);
  const { version, lastUpdated, body: now } = written!;
  return answerOf((JSON.parse(now!) as Resource).meta, { etag: etag(version), 'last-modified': httpDate(lastUpdated) });
}

function sentLabels(context: Context, call: Call, body: string): Labels {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['meta']);
  const [input, another] = inputs.filter(({ name }) => name === 'meta');
  if (input === undefined || another !== undefined || input.kind !== 'valueMeta') {
    throw problem('malformed', 'required', `$${call.name} takes Parameters with one parameter "meta" that is a valueMeta.`, 'Parameters.parameter');
  }
  return labelsOf(input.value as Meta);
}

/** The profiles that are added and known here: a resource says of itself only what is so. */
async function profilesOf({ profiles }: Context, { profile }: Labels): Promise<Loaded[]> {
  const found: Loaded[] = [];
  for (const canonical of profile) {
    const loaded = isCore(canonical) ? undefined : await profiles(canonical);
    if (loaded !== undefined) found.push(loaded);
  }
  return found;
}

function changed(current: string, change: (labels: Labels) => Labels, held: readonly Loaded[]): Incoming {
  const { value, stored } = parseJson(current);
  refuseErrors(profileIssues(value as Resource, held), 'invalid');
  const next = relabelled(value['meta'] as Meta, change(labelsOf(value['meta'] as Meta)));
  return { value: { ...value, meta: next } as Resource, stored: { ...stored, meta: next }, relabels: true };
}
