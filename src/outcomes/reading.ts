import { audienceOf } from '../fhir/labels.ts';
import type { Meta, Resource } from '../fhir/resource.ts';
import { causeWords, type Source } from './cause.ts';
import { nameForClient } from './client-words.ts';
import { formRule } from './form-total.ts';
import { instant } from './instant.ts';
import { dayIn } from './local-time.ts';
import { metricTable, type MetricId } from './metrics.ts';
import { dayOf, limitOf, markOf, marksForClient, outOf, points, shown } from './plain-words.ts';
import type { Scale } from './registry.ts';
import { moreCautious } from './side.ts';

/**
 * An explanation to be read from top to bottom, without codes: what the number rests on, how it is worked out, what decides,
 * what it does not say, and which rule of when gave it. Pure.
 */

/** One heading with its sentences. */
export interface Section { readonly title: string; readonly lines: readonly string[] }

export interface Read {
  readonly observation: Resource;
  /** Where the client lives. */
  readonly zone: string;
  readonly scale: Scale | undefined;
  readonly inputs: readonly (Resource | undefined)[];
  /** What an Observation among them counts as, out of the highest that it could have been, and the scale that it is of: beside scores there may be ratings. */
  readonly totalOf: (input: Resource) => Counted | undefined;
  /** What the form is called that a response among them answers, where it is none of the registry. */
  readonly formTitle: (response: Resource) => string | undefined;
  /** The formula with the numbers filled in, steps parted by `; `. */
  readonly formula: string | undefined;
  /** The version before this one, where there is one that the reader may see. */
  readonly previous?: Resource | undefined;
  /** What led to this version, where that is known. */
  readonly sources?: readonly Source[] | undefined;
}

export interface Counted { readonly value: number; readonly maxScore: number; readonly scale: Scale }

interface Computed {
  readonly method?: { readonly coding?: readonly { readonly code?: string; readonly version?: string; readonly display?: string }[] };
  readonly code?: { readonly coding?: readonly { readonly code?: string }[]; readonly text?: string };
  readonly component?: readonly { readonly code?: { readonly coding?: readonly { readonly code?: string }[] } }[];
  readonly effectiveDateTime?: string;
  readonly valueInteger?: number;
  readonly valueQuantity?: { readonly value?: number; readonly unit?: string };
  readonly valueBoolean?: boolean;
  readonly valueCodeableConcept?: { readonly coding?: readonly { readonly display?: string }[] };
  readonly extension?: readonly { readonly extension?: readonly { readonly url?: string; readonly valueInteger?: number; readonly valueBoolean?: boolean }[] }[];
}

/** @returns the sections for a clinician. */
export function readingForClinician(read: Read): Section[] {
  const { observation, scale, formula } = read;
  const metric = metricOf(observation);
  const about = isChange(observation) ? 'change-from-baseline' : metric ?? 'score';
  return filled([
    { title: 'What it rests on', lines: inputLines(read) },
    { title: 'How it is worked out', lines: formula === undefined ? [] : formula.split('; ') },
    { title: 'What decides', lines: scale === undefined || isAnswer(observation, scale) || isWithoutTotal(observation) ? [] : [...bandLines(observation, scale, about), ...curveLines(observation, about), ...limitLines(scale, about)] },
    { title: 'What it does not say', lines: [isAnswer(observation, scale) ? 'One answer to one question. It is no assessment of risk and no diagnosis: that takes a talk with the client.' : metricTable[about].caution] },
    { title: 'Rule and time', lines: [...ruleLines(observation, scale, metric), ...timeLines(read)] },
  ]);
}

/** @returns the sections for a client: short, and without words that judge. */
export function readingForClient(read: Read): Section[] {
  const { observation, scale, formula } = read;
  const metric = metricOf(observation);
  const isPlain = metric === undefined || isChange(observation);
  const mark = metric !== undefined ? metricTable[isChange(observation) ? 'change-from-baseline' : metric].verification : isProrated(observation) || isWithoutTotal(observation) ? scale?.definition.missing.verification : scale?.instrument.definition.scoring.verification;
  return filled([
    { title: 'What it rests on', lines: inputLines(read, true) },
    { title: 'How it is worked out', lines: formula === undefined || !isPlain || scale?.definition.formula === 'goal-attainment' ? [] : formula.split('; ').map(forClients) },
    { title: 'Worth knowing', lines: [isAnswer(observation, scale) ? 'One answer does not say everything about how you are.' : 'Scores go up and down for many reasons. A number does not say why.', 'If an answer is not what you meant, you can ask to have it changed.', ...(mark === undefined ? [] : [markOf(mark, marksForClient)])] },
    { title: 'When', lines: timeLines(read, true) },
  ]);
}

const filled = (sections: readonly Section[]): Section[] => sections.filter(({ lines }) => lines.length > 0);

/** The rule of change that gave the number; undefined for a score. */
function metricOf({ method }: Resource & Computed): MetricId | undefined {
  const code = method?.coding?.[0]?.code;
  return code !== undefined && Object.hasOwn(metricTable, code) ? (code as MetricId) : undefined;
}

const isChange = (observation: Resource & Computed): boolean => observation.code?.coding?.some(({ code }) => code === 'change-from-baseline') === true;

/** Whether it is the answer to a question that is looked at by itself, and no score. */
const isAnswer = (observation: Resource & Computed, scale: Scale | undefined): boolean =>
  metricOf(observation) === undefined && scale !== undefined && observation.code?.coding?.some(({ code }) => scale.codings.some((own) => own.code === code)) !== true;

const qualities = ({ extension }: Computed): readonly { readonly url?: string; readonly valueInteger?: number; readonly valueBoolean?: boolean }[] => extension?.flatMap((each) => each.extension ?? []) ?? [];
const isWithoutTotal = (observation: Resource & Computed): boolean => observation['dataAbsentReason'] !== undefined;
const isProrated = (score: Resource & Computed): boolean => qualities(score).find(({ url }) => url === 'prorated')?.valueBoolean === true;

/** In time order: a course reads from its beginning. */
function inputLines(read: Read, forClient = false): string[] {
  const at = (input: (Resource & Computed) | undefined): number => instant((input?.['authored'] ?? input?.effectiveDateTime) as string | undefined) ?? Infinity;
  return [...read.inputs].sort((a, b) => (at(a) === at(b) ? 0 : at(a) - at(b))).map((input) => inputLine(input, read, forClient));
}

/** A step of the arithmetic as a client reads it. */
const forClients = (step: string): string => step.replace('current - baseline', 'now less the start').replace(', rounded half up to ', ', rounded to ').replaceAll(/\bitem(s?)\b/g, 'question$1').replace('runs the other way', 'counts the other way round');

function inputLine(input: (Resource & Computed) | undefined, { scale, zone, totalOf, formTitle }: Read, forClient: boolean): string {
  if (input === undefined) return 'Something that this access does not show.';
  const { private: kept, restricted } = audienceOf(input.resourceType, (input.meta as Meta | undefined)?.security);
  const label = kept ? ', kept private' : restricted && !forClient ? ', for clinicians only' : '';
  const withdrawn = input.status === 'entered-in-error' ? ', withdrawn' : '';
  if (input.resourceType === 'QuestionnaireResponse') return `${scale?.instrument.definition.shortTitle ?? formTitle(input) ?? 'A form'} of ${day(input['authored'], zone)}${byWhom(input, forClient)}${input.status === 'amended' ? ', changed since' : ''}${withdrawn}${label}.`;
  const total = totalOf(input);
  const own = total?.scale ?? scale;
  const name = own === undefined ? 'A score' : forClient ? nameForClient(own) : input.code?.text ?? own.definition.title;
  const score = total === undefined ? 'without a total' : outOf(total.scale, total.value, total.maxScore);
  return `${name}, ${day(input.effectiveDateTime, zone)}: ${score}${sentAs(input, total?.value)}${qualityOf(input, forClient)}${withdrawn}${label}.`;
}

const day = (time: unknown, zone: string): string => (typeof time === 'string' ? dayOf(dayIn(time, zone)) : 'an unknown date');

function byWhom({ author, source }: Resource, forClient: boolean): string {
  const type = ((author ?? source) as { reference?: string } | undefined)?.reference?.split('/').at(-2);
  if (type === 'Patient') return forClient ? ', answered by you' : ', answered by the client';
  return type === 'Practitioner' || type === 'PractitionerRole' ? ', entered by a clinician' : type === 'RelatedPerson' ? ', answered by somebody close' : '';
}

/** What another system sent, where it counts as something else here (a raw score, another coding). */
function sentAs({ valueInteger, valueQuantity }: Computed, value: number | undefined): string {
  const sent = valueInteger ?? valueQuantity?.value;
  return sent === undefined || value === undefined || sent === value ? '' : `, sent as ${shown(sent)}`;
}

/** How complete the score is, and whether it came from elsewhere. */
function qualityOf(score: Resource & Computed, forClient: boolean): string {
  if (score.method === undefined) return forClient ? ', from another system' : ', imported: computed by another system, its answers are not known here';
  const [answered, total] = ['answered', 'total'].map((name) => qualities(score).find(({ url }) => url === name)?.valueInteger);
  if (answered === undefined || total === undefined || total === 1) return '';
  return `, ${answered} of ${total} ${forClient ? 'questions' : 'items'} answered${isProrated(score) ? (forClient ? '' : ', prorated') : ''}`;
}

/** The limits that a metric looks at, in words, with their sources. */
const looksAt: Readonly<Partial<Record<MetricId, readonly ('threshold' | 'class' | 'remission' | 'interprets')[]>>> = {
  'score': ['interprets'],
  'change-from-baseline': ['threshold'], 'reliable-change': ['threshold', 'class'], 'setback': ['threshold'], 'relapse': ['threshold', 'class'], 'sudden-gain': ['threshold'], 'sudden-loss': ['threshold'],
  'trajectory-signal': ['threshold', 'class'], 'response': ['class'], 'remission': ['remission'], 'sustained-remission': ['remission', 'class'],
};

/** The band of a score. */
function bandLines(observation: Resource & Computed, { definition: { bands } }: Scale, metric: MetricId): string[] {
  const value = observation.valueInteger ?? observation.valueQuantity?.value;
  const band = metric !== 'score' || value === undefined ? undefined : bands?.list.findLast(({ low }) => low <= value);
  return band === undefined ? [] : [`Band ${shown(band.low)} to ${shown(band.high)}, "${band.clinicianLabel}". Source: ${bands!.source} (${markOf(bands!.verification)}).`];
}

/** Where closed episodes decide: which of their percentiles do. */
function curveLines({ component }: Resource & Computed, metric: MetricId): string[] {
  const compared = metric === 'trajectory-signal' && component?.some(({ code }) => code?.coding?.some((coding) => coding.code === 'reference-version')) === true;
  return compared ? [`The 80th percentile of closed episodes with a similar baseline is the edge, the 90th the boundary, both towards worse; in sessions 3 to 5 a score beyond the boundary counts as "watch", unless it is reliably worse than at baseline. Source: ${sourceWords(metricTable[metric].source)} (${markOf(metricTable[metric].verification)}).`] : [];
}

function limitLines({ thresholds, threshold, cutoff, interpreting, sex, definition: { cutoffs } }: Scale, metric: MetricId): string[] {
  const looked = looksAt[metric] ?? [];
  const sure = (source: string, verification: string): string => `Source: ${source} (${markOf(verification)}).`;
  const others = thresholds.filter((each) => each !== threshold);
  return [
    ...(looked.includes('threshold') && threshold !== undefined ? [`A reliable change is ${limitOf(threshold, points)}. ${sure(threshold.definition.source, threshold.definition.verification)}`] : []),
    ...(looked.includes('threshold') ? others.map((each) => `For comparison only: by another rule it is ${limitOf(each, points)}. ${sure(each.definition.source, each.definition.verification)}`) : []),
    // Of cut-offs by sex one holds for the person.
    ...cutoffs.filter((each) => (looked.includes('interprets') ? each === interpreting : looked.some((use) => use === each.use) && (each.sex === undefined || each === cutoff))).map((each) => {
      const whose = each.sex === undefined ? '' : sex === undefined ? ` (${moreCautious})` : ` (${each.sex})`;
      const what = each.use === 'remission' ? 'Outside the remission range' : looked.includes('interprets') && each.interprets === 'screening' ? 'The screening cut-off' : 'On the clinical side';
      return `${what}${whose}: ${limitOf(each)}. ${sure(each.source, each.verification)}`;
    }),
  ];
}

/** Rules that compare with the baseline: which score that is, decides as much as they do. */
const fromBaseline: readonly MetricId[] = ['reliable-change', 'response', 'remission', 'trajectory-signal'];

function ruleLines(observation: Resource & Computed, scale: Scale | undefined, metric: MetricId | undefined): string[] {
  const { method } = observation;
  const own = scale?.instrument.definition;
  const version = (code: string | undefined): string => method?.coding?.find((coding) => coding.code === code)?.version ?? '?';
  const newer = (used: string, present: string): string => (used === '?' || used === present ? '' : `; the rule has version ${present} now`);
  const [difference, start] = [metricTable['change-from-baseline'], metricTable.baseline];
  return [
    ...(isChange(observation) ? [`Rule: ${difference.title.clinician}, the current score less the one at baseline (${markOf(difference.verification)}). Which change counts as reliable, the next rule says.`] : []),
    ...(metric === undefined ? [] : [`Rule: ${metricTable[metric].title.clinician}, version ${version(metric)}${newer(version(metric), metricTable[metric].version)}. Source: ${sourceWords(metricTable[metric].source)} (${markOf(metricTable[metric].verification)}).`]),
    ...(metric === undefined || !fromBaseline.includes(metric) ? [] : [`${start.title.clinician}, by the present rule (version ${start.version}): ${start.formula}. Source: ${sourceWords(start.source)} (${markOf(start.verification)}).`]),
    ...(own === undefined || method?.coding?.some(({ code }) => code === own.id) !== true ? [] : [`Scoring of ${own.shortTitle}, version ${version(own.id)}${newer(version(own.id), own.version)}. Source: ${sourceWords(own.scoring.source)} (${markOf(own.scoring.verification)}).`]),
    ...(method?.coding?.some(({ code }) => code === formRule.id) !== true ? [] : [`Rule: ${formRule.formula}, version ${version(formRule.id)} of the form. Source: ${formRule.source} (${markOf(formRule.verification)}).`]),
    ...(scale === undefined || metric !== undefined || !(isProrated(observation) || isWithoutTotal(observation)) ? [] : [`Missing items: ${sourceWords(scale.definition.missing.source)} (${markOf(scale.definition.missing.verification)}).`]),
  ];
}

const sourceWords = (source: string): string => source.replace(/^service-defined/, 'this service');

/** When it was computed, whether it still holds, and what was there before. */
function timeLines(read: Read, forClient = false): string[] {
  const { observation: { meta, status }, previous } = read;
  const at = meta?.lastUpdated;
  const computed = typeof at !== 'string' ? [] : [`${forClient ? 'Worked out' : `Version ${meta?.versionId ?? '1'}, computed`} on ${dayOf(at)} at ${new Date(at).toISOString().slice(11, 16)} UTC.`];
  if (status === 'entered-in-error') return [...computed, forClient ? 'It was taken back, because the answers behind it were changed or taken back.' : 'Withdrawn: the answers behind it were changed or withdrawn, and it does not hold any more. Do not use it.'];
  return previous === undefined ? computed : [...computed, changedLine(read, previous, forClient)];
}

/** How a version differs from the one before, and what led to it: as its Provenance says, else what can be told from the inputs. */
function changedLine({ observation, inputs, sources = [], zone }: Read, previous: Resource, forClient: boolean): string {
  const [was, is] = [valueWords(previous), valueWords(observation)];
  const moved = forClient ? 'It was worked out again' : was === is ? `Its value stayed the same (${is}), what is said beside it changed` : `It was ${was} and is ${is}`;
  if (versionsOf(previous) !== versionsOf(observation)) return `${moved}, because ${forClient ? 'the way it is worked out was changed' : 'its rule has a new version'}.`;
  if (sources.length > 0) return `${moved}. What led to it: ${causeWords(sources, zone)}.`;
  const corrected = inputs.some((input) => input?.status === 'amended' || input?.status === 'corrected');
  const why = corrected ? (forClient ? 'an answer was changed' : 'what it rests on was corrected') : forClient ? 'more became known' : 'a score, a session or an episode of the record came or was changed';
  return `${moved}, because ${why}.`;
}

const versionsOf = ({ method }: Resource & Computed): string => (method?.coding ?? []).map(({ code, version }) => `${code}|${version}`).join(' ');

const quoted = (words: string | undefined): string | undefined => (words === undefined ? undefined : `"${words}"`);

function valueWords({ valueInteger, valueQuantity, valueBoolean, valueCodeableConcept }: Resource & Computed): string {
  const number = valueInteger ?? valueQuantity?.value;
  return number !== undefined ? `${shown(number)}${valueQuantity?.unit === '%' ? ' %' : ''}` : quoted(valueCodeableConcept?.coding?.[0]?.display) ?? (valueBoolean === undefined ? 'without a value' : valueBoolean ? 'yes' : 'no');
}
