import { whyAbsent } from '../fhir/absent.ts';
import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { isAsked } from '../resources/enable-when.ts';
import { allianceAnswers } from './alliance-answers.ts';
import { formTotal } from './form-total.ts';
import { importedSafety, importedTotal, mayBeImport } from './imported.ts';
import { impressionEntry } from './impressions.ts';
import { answersOf, fulfillable, mayBeRequest, questionnaireOf } from './requests.ts';
import { recognise, type Recognised } from './recognise.ts';
import type { EpisodeData, GoalData, PersonData, RecordEntry, ScoreData, SessionData, TaskData } from './record-entry.ts';
import { instant } from './instant.ts';
import { formCodes, type ResponseItem } from './item-code.ts';
import type { Item, Registry, Scale } from './registry.ts';
import { isGiven } from './answer-words.ts';
import { itemScores, remarksOf, total, type ItemScores } from './score.ts';
import { statedZone } from './time-zone.ts';

/** What a projection may read besides the resource. */
export interface ProjectionContext { readonly registry: Registry; readonly questionnaire?: Resource }

/**
 * @returns the entries that `resource` contributes to its patient's record, [] when it contributes nothing:
 * other types, status entered-in-error, a Goal that is no longer open, a request that was declined or withdrawn.
 * The store replaces the entries of a resource (kinds: `kindsOf(type)`) on every write of it, its own derived writes included.
 */
export function recordEntries(resource: Resource, context: ProjectionContext): RecordEntry[] {
  switch (resource.resourceType) {
    case 'QuestionnaireResponse': return [...scoreEntries(resource, context), ...impressionEntry(resource)];
    case 'Observation': return importedEntries(resource, context.registry);
    case 'Encounter': return sessionEntries(resource);
    case 'EpisodeOfCare': return episodeEntries(resource);
    case 'Goal': return goalEntries(resource, context.registry);
    case 'Task': return taskEntries(resource);
    case 'Patient': return personEntries(resource);
    default: return [];
  }
}

/** @returns whether `recordEntries` may find something in a resource of this type with this text, as it is stored: tasks at home and what clients measure are most of a record. */
export function mayProject(type: string, text: string, registry: Registry): boolean {
  return type === 'Task' ? mayBeRequest(text) : type !== 'Observation' || mayBeImport(text, registry);
}

const entry = (kind: RecordEntry['kind'], key: string, resource: Resource, time: string | undefined, value: number | null, data: object): RecordEntry => {
  const at = instant(time);
  return { kind, key, id: resource.id!, at: at === null ? null : new Date(at).toISOString(), value, data: JSON.stringify(data) };
};

function personEntries(patient: Resource): RecordEntry[] {
  const zone = statedZone(patient);
  const gender = patient['gender'] as string | undefined;
  const data: PersonData = { ...(zone === undefined ? {} : { zone }), ...(gender === undefined ? {} : { gender }) };
  return Object.keys(data).length === 0 ? [] : [entry('person', '', patient, undefined, null, data)];
}

const scoredStatuses: readonly unknown[] = ['in-progress', 'completed', 'amended', 'stopped'] satisfies ScoreData['status'][];

function scoreEntries(response: Resource, { registry, questionnaire }: ProjectionContext): RecordEntry[] {
  if (!scoredStatuses.includes(response.status)) return [];
  const recognised = recognise(response, registry, questionnaire);
  const own = recognised.some(({ panel }) => panel) ? [] : formEntries(response, questionnaire);
  return [...own, ...recognised.flatMap((each) => instrumentEntries(response, each))];
}

function instrumentEntries(response: Resource, recognised: Recognised): RecordEntry[] {
  const { instrument, panel, items, form, hidesSafety = false } = recognised;
  const given = itemScores(recognised);
  const { scores } = given;
  const common = { ...commonOf(response), panel };
  // Where a question among others was answered with "no", nothing is open, nor where the form does not ask it after the answers before it.
  const isOpen = (found: readonly ResponseItem[] | undefined): boolean => found?.some(({ answers }) => answers.every((answer) => whyAbsent(answer) !== undefined) || answers.some(isGiven)) === true;
  const isLeftOut = (linkId: string): boolean => form !== undefined && (items.get(linkId) ?? []).every(({ answers }) => answers.length === 0) && isNotAsked(instrument.items.get(linkId)!, form, response);
  const safetyItems = instrument.definition.safety.filter(({ linkId }) => hidesSafety || scores.has(linkId) || (panel ? !isLeftOut(linkId) : isOpen(items.get(linkId))));
  const safety = safetyItems.length === 0 ? undefined : Object.fromEntries(safetyItems.map(({ linkId }) => [linkId, scores.get(linkId) ?? null]));
  const unread = hidesSafety || safetyItems.some(({ linkId }) => !scores.has(linkId) && items.get(linkId)?.some(({ answers }) => answers.some(isGiven)) === true);
  return (panel ? instrument.scales : instrument.scales.slice(0, 1)).flatMap((scale, i) => {
    const { value, data } = scored(scale, given, common);
    const safe = i === 0 && safety !== undefined;
    const alliance = allianceAnswers(scale, response, given);
    if (scale.definition.optional === true && data.answered < data.items && !safe) return [];
    return [entry('score', scale.key, response, common.authored, value, { ...data, ...(safe ? { safety } : {}), ...(safe && unread ? { unread } : {}), ...(alliance === undefined ? {} : { alliance }) })];
  });
}

/** Whether a form has a question and its other answers disable it: of a PHQ-9 that stops after its first two, the ninth is not left open. */
function isNotAsked({ linkId, code }: Item, form: Resource, response: Resource): boolean {
  const named = [...formCodes(form['item'])].filter(([, each]) => each === code).map(([theirs]) => theirs);
  const asked = (named.length === 0 ? [linkId] : named).map((each) => isAsked(each, form, response));
  return asked.every((each) => each === false);
}

function commonOf(response: Resource): Pick<ScoreData, 'status' | 'authored' | 'encounter' | 'security'> {
  const authored = (response.authored ?? response.meta?.lastUpdated) as string | undefined;
  const encounter = (response.encounter as { reference?: string } | undefined)?.reference;
  const labels = response.meta?.security;
  return {
    status: response.status as ScoreData['status'],
    ...(authored === undefined ? {} : { authored }),
    ...(encounter === undefined ? {} : { encounter }),
    ...(labels === undefined || labels.length === 0 ? {} : { security: labels }),
  };
}

/** The total of a form of the deployment, where the form weighs its answers. */
function formEntries(response: Resource, questionnaire: Resource | undefined): RecordEntry[] {
  const total = formTotal(response, questionnaire);
  if (total === undefined) return [];
  const { key, value, answered, items, form } = total;
  const common = commonOf(response);
  const data: ScoreData = { ...common, panel: true, answered, items, prorated: false, maxScore: form.max, form };
  return [entry('score', key, response, common.authored, common.status === 'in-progress' ? null : value, data)];
}

function importedEntries(observation: Resource, registry: Registry): RecordEntry[] {
  const total = importedTotal(observation, registry);
  const asked = importedSafety(observation, registry);
  // Beside a total of the same instrument the answer stands with it.
  const alone = asked.filter(({ scale }) => scale !== total?.scale).map(({ scale, time, data }) => entry('imported', scale.key, observation, time, null, data));
  if (total === undefined) return alone;
  const { safety, unread } = asked.find(({ scale }) => scale === total.scale)?.data ?? {};
  return [entry('imported', total.scale.key, observation, total.time, total.value, { ...total.data, ...(safety === undefined ? {} : { safety }), ...(unread === undefined ? {} : { unread }) }), ...alone];
}

/** Label of what only clinicians' access shows (fhir/labels.ts). */
const clinicians = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' } as const;

function scored(scale: Scale, { scores, notApplicable, skipped }: ItemScores, common: Omit<ScoreData, 'answered' | 'items' | 'prorated' | 'maxScore'>): { value: number | null; data: ScoreData } {
  const { value, answered, items, prorated, maxScore } = total(scale, scores, notApplicable);
  // A response that is still being written has no total, and neither has a form of which only the safety item is known.
  const counts = common.panel && common.status !== 'in-progress';
  const left = scale.items.filter(({ linkId }) => skipped.has(linkId)).length;
  const remarks = counts && value !== null ? remarksOf(scale, value, scores) : [];
  return {
    value: counts ? value : null,
    data: {
      ...common, answered, items, prorated: counts && prorated, maxScore,
      ...(remarks.length === 0 ? {} : { remarks }),
      ...(left === 0 ? {} : { skipped: left }),
      ...(scale.definition.audience === undefined ? {} : { security: [...common.security ?? [], clinicians] }),
    },
  };
}

/** A therapy session: finished, ambulatory or virtual (docs/clinical.md 3.6). */
function sessionEntries(encounter: Resource): RecordEntry[] {
  const { code } = (encounter.class ?? {}) as { code?: string };
  const { start } = (encounter.period ?? {}) as { start?: string };
  if (encounter.status !== 'finished' || (code !== 'AMB' && code !== 'VR') || start === undefined) return [];
  if (isAdministrative(encounter)) return [];
  const episode = (encounter.episodeOfCare as { reference?: string }[] | undefined)?.[0]?.reference?.split('/').at(-1);
  const identifiers = ((encounter.identifier ?? []) as { system?: string; value?: string }[]).flatMap(({ system = '', value }) => (value === undefined ? [] : [`${system}|${value}`]));
  const data: SessionData = { start, ...(episode === undefined ? {} : { episode }), ...(identifiers.length === 0 ? {} : { identifiers }) };
  return [entry('session', '', encounter, start, null, data)];
}

/** A meeting about papers is no session: its type says so in our own code system. */
const isAdministrative = ({ type }: Resource): boolean => ((type ?? []) as { coding?: { system?: string; code?: string }[] }[])
  .some(({ coding }) => coding?.some(({ system, code }) => system === codeSystem('encounter-type') && code === 'administrative'));

const begun: readonly unknown[] = ['active', 'onhold', 'finished'];

function episodeEntries(episode: Resource): RecordEntry[] {
  if (!begun.includes(episode.status)) return [];
  const { start, end } = (episode.period ?? {}) as { start?: string; end?: string };
  const data: EpisodeData = { status: episode.status as string, ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
  return [entry('episode', '', episode, start, null, data)];
}

interface Target {
  measure?: { coding?: { system?: string; code?: string }[] };
  detailInteger?: number;
  detailQuantity?: { value?: number; comparator?: string };
  detailRange?: { low?: { value?: number }; high?: { value?: number } };
  dueDate?: string;
  dueDuration?: { value?: number; code?: string };
}

function goalEntries(goal: Resource, registry: Registry): RecordEntry[] {
  if (goal.lifecycleStatus !== 'active' && goal.lifecycleStatus !== 'accepted') return [];
  const start = goal.startDate as string | undefined;
  for (const target of (goal.target ?? []) as Target[]) {
    const scale = target.measure?.coding?.map(({ system, code }) => registry.byMeasure.get(`${system}|${code}`)).find((found) => found !== undefined);
    const wanted = scale === undefined ? undefined : targetRange(scale, target);
    if (scale === undefined || wanted === undefined) continue;
    const due = target.dueDate ?? dueAfter(start, target.dueDuration);
    const data: GoalData = { scale: scale.key, ...(start === undefined ? {} : { start }), ...wanted, ...(due === undefined ? {} : { due }) };
    return [entry('goal', scale.key, goal, start, null, data)];
  }
  return [];
}

/** A bare number is a boundary on the better side: "PHQ-9 5" means 5 or less, "WHO-5 60" means 60 or more. */
function targetRange({ sign }: Scale, { detailInteger, detailQuantity, detailRange }: Target): Pick<GoalData, 'low' | 'high' | 'above' | 'below'> | undefined {
  if (detailRange !== undefined) {
    const low = detailRange.low?.value, high = detailRange.high?.value;
    return low === undefined && high === undefined ? undefined : { ...(low === undefined ? {} : { low }), ...(high === undefined ? {} : { high }) };
  }
  const value = detailInteger ?? detailQuantity?.value;
  if (value === undefined) return undefined;
  switch (detailQuantity?.comparator) {
    case '<': return { below: value };
    case '<=': return { high: value };
    case '>': return { above: value };
    case '>=': return { low: value };
    default: return sign === 1 ? { high: value } : { low: value };
  }
}

/** Days, weeks and months of a due duration counted from the start of the goal; other units are left out. */
function dueAfter(start: string | undefined, duration: Target['dueDuration']): string | undefined {
  const from = instant(start);
  if (from === null || duration?.value === undefined) return undefined;
  const due = new Date(from);
  switch (duration.code) {
    case 'd': due.setUTCDate(due.getUTCDate() + duration.value); break;
    case 'wk': due.setUTCDate(due.getUTCDate() + duration.value * 7); break;
    case 'mo': due.setUTCMonth(due.getUTCMonth() + duration.value); break;
    default: return undefined;
  }
  return due.toISOString().slice(0, 10);
}

function taskEntries(task: Resource): RecordEntry[] {
  const questionnaire = questionnaireOf(task);
  const responses = answersOf(task);
  if (questionnaire === undefined || !(fulfillable(task.status) || (task.status === 'completed' && responses.length > 0))) return [];
  const authoredOn = task.authoredOn as string | undefined;
  const { start } = (task.restriction as { period?: { start?: string } } | undefined)?.period ?? {};
  const data: TaskData = {
    status: task.status as string, ...(authoredOn === undefined ? {} : { authoredOn }), ...(start === undefined ? {} : { start }), ...(responses.length === 0 ? {} : { responses }),
  };
  return [entry('task', questionnaire, task, authoredOn, null, data)];
}
