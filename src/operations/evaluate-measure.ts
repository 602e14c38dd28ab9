import { now } from '../clock.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import { parseCanonical, parseReference } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { measureConcepts } from '../interactions/measure-concepts.ts';
import { asFarAsOver, datesOf, type CalendarParts } from '../outcomes/measures/calendar.ts';
import { conceptsFrom } from '../outcomes/measures/concepts.ts';
import { measureReport, type ReportType } from '../outcomes/measures/measure-report.ts';
import { ruleOf, stratifierCode, type MeasureContext, type NamedRule, type Stratifier } from '../outcomes/measures/measures.ts';
import type { Membership } from '../outcomes/measures/membership.ts';
import { reportCells, type MayShow } from '../outcomes/measures/report-cells.ts';
import { readDefinition } from '../store/definitions.ts';
import { groupMembers } from '../store/group-members.ts';
import { readNewest } from '../store/read.ts';
import { type AskedPeriod, caseload, inCareOf, inPieces, partsFor, periodOf, seeingAll } from './caseload.ts';
import { inputsOf, one, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { flag } from './terminology-input.ts';

/**
 * `Measure/$evaluate-measure` (http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html): a rate over the caller's caseload,
 * over a group or for one patient. Who may not see individuals gets rates with small numbers hidden (docs/clinical.md 3.15).
 */
export const evaluateMeasure: Operation = {
  level: ['type', 'instance'],
  type: 'Measure',
  needs: [['MeasureReport', 'r']],
  definition: `${canonicalBase}/OperationDefinition/evaluate-measure`,
  run: evaluate,
};

const known = ['periodStart', 'periodEnd', 'measure', 'reportType', 'subject', 'practitioner', 'suppressed'];

async function evaluate(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, known);
  const measure = await measureOf(context, call, inputs);
  const named = ruleOf(measure, context.registry);
  if ('wrong' in named) throw problem('invalid', 'not-supported', named.wrong, named.expression);
  const isAuditor = context.visibility.reach.kind === 'auditor';
  const period = isAuditor ? overOf(periodOf(inputs), now()) : periodOf(inputs);
  if (isAuditor) refuseConfined(inputs);
  const who = await subjectOf(context, inputs);
  const type = reportType(inputs, who);
  if (isAuditor && type !== 'summary') throw problem('forbidden', 'forbidden', 'Reports about individuals are not for auditors: reportType=population.', 'http.reportType');
  const seeing = seeingAll(context.visibility, named.rule.types);
  const isSuppressed = flag(inputs, 'suppressed') || isAuditor;
  const calendar = isAuditor ? partsFor(period.span, now()) : { parts: [{ period: period.span }], own: 0, withStrata: true };
  const { counted, patients } = await collect(context, seeing, named, calendar, who);
  if (type === 'individual' && patients.length === 0) throw problem('not-found', 'not-found', 'No such Patient.');
  if (isSuppressed && type !== 'summary') throw problem('malformed', 'invalid', 'suppressed is for reports about a population.', 'http.suppressed');
  const report = measureReport(counted[calendar.own]!, {
    measure, type, period: period.written, now: new Date(now()).toISOString(), ...(isSuppressed ? { mayShow: await whatMayBeShown(measure, counted, calendar) } : {}),
    ...(who.reporter === undefined ? {} : { reporter: who.reporter }), ...(type === 'individual' ? { subject: `Patient/${who.patients![0]!}` } : {}),
  });
  await context.audit.record(accessRows(context, { interaction: '$evaluate-measure', action: 'E', type: 'Measure', id: measure.id!, patients: isSuppressed ? [] : patients }));
  return { status: 200, body: JSON.stringify(report) };
}

/** Measures are public to everybody who may have reports. */
async function measureOf(context: Context, call: Call, inputs: readonly Input[]): Promise<Resource> {
  const { database, visibility, baseUrl } = context;
  const seeing: Visibility = { ...visibility, grants: new Map([['Measure', new Set(['r', 's'] as const)]]) };
  const given = one(inputs, 'measure');
  if (call.id === undefined && given === undefined) throw problem('malformed', 'required', 'measure is needed: the canonical of a Measure, or Measure/[id]; or call Measure/[id]/$evaluate-measure.', 'http.measure');
  if (call.id !== undefined && given !== undefined) throw problem('malformed', 'invalid', 'Called on one Measure, measure is not given.', 'http.measure');
  const text = given?.startsWith(`${baseUrl}/`) === true ? given.slice(baseUrl.length + 1) : given ?? `Measure/${call.id!}`;
  const place = parseReference(text);
  const { url, version } = parseCanonical(text);
  const found = place?.kind === 'relative'
    ? (place.type === 'Measure' ? (await readNewest(database, seeing, 'Measure', place.id))?.body : undefined)
    : await readDefinition(database, seeing, 'Measure', url, version === null || version === '' ? null : version);
  if (found == null) throw problem('not-found', 'not-found', 'No such Measure.', given === undefined ? undefined : 'http.measure');
  return JSON.parse(found) as Resource;
}

/** Whom the report is about. */
interface Who {
  /** Logical ids of Patients; absent: everybody in reach. */
  readonly patients?: readonly string[];
  /** Only who is in the care of this Practitioner (logical id). */
  readonly practitioner?: string;
  readonly isOne: boolean;
  readonly reporter?: string;
}

async function subjectOf(context: Context, inputs: readonly Input[]): Promise<Who> {
  const subject = one(inputs, 'subject');
  const practitioner = referenceTo(context, one(inputs, 'practitioner'), 'practitioner', ['Practitioner']);
  const found = referenceTo(context, subject, 'subject', ['Patient', 'Practitioner', 'Group']);
  if (found?.type === 'Practitioner' && practitioner !== undefined && practitioner.id !== found.id) throw problem('malformed', 'invalid', 'practitioner is another one than subject: one of them is enough.', 'http.practitioner');
  const care = found?.type === 'Practitioner' ? found : practitioner;
  const reporter = care === undefined ? {} : { practitioner: care.id, reporter: `Practitioner/${care.id}` };
  if (found?.type === 'Patient') return { patients: [found.id], isOne: true, ...reporter };
  if (found?.type !== 'Group') return { isOne: false, ...reporter };
  const members = await groupMembers(context.database, context.visibility, found.id);
  if (members === undefined) throw problem('not-found', 'not-found', 'No such Group.', 'http.subject');
  return { patients: members, isOne: false, ...reporter };
}

function referenceTo({ baseUrl }: Context, text: string | undefined, name: string, types: readonly string[]): { type: string; id: string } | undefined {
  if (text === undefined) return undefined;
  const parsed = parseReference(text.startsWith(`${baseUrl}/`) ? text.slice(baseUrl.length + 1) : text);
  if (parsed?.kind !== 'relative' || parsed.version !== undefined || !types.includes(parsed.type)) throw problem('malformed', 'value', `${name} is ${types.map((type) => `${type}/[id]`).join(' or ')}.`, `http.${name}`);
  return parsed;
}

const reportTypes: Readonly<Record<string, ReportType>> = { subject: 'individual', individual: 'individual', patient: 'individual', 'subject-list': 'subject-list', 'patient-list': 'subject-list', population: 'summary', summary: 'summary' };

function reportType(inputs: readonly Input[], { isOne }: Who): ReportType {
  const text = one(inputs, 'reportType') ?? (isOne ? 'subject' : 'population');
  const type = Object.hasOwn(reportTypes, text) ? reportTypes[text]! : undefined;
  if (type === undefined) throw problem('malformed', 'code-invalid', 'reportType is subject, subject-list or population.', 'http.reportType');
  if (type === 'individual' && !isOne) throw problem('malformed', 'required', 'A report of the type subject needs a subject: Patient/[id].', 'http.subject');
  return type;
}

/** Where everybody stands, for each of the periods and each group of the Measure, and whose records it was read from. */
interface Collected { readonly counted: readonly (readonly (readonly Membership[])[])[]; readonly patients: readonly bigint[] }

async function collect(context: Context, visibility: Visibility, { rule, argument }: NamedRule, { parts, own }: CalendarParts, { patients: ids, practitioner }: Who): Promise<Collected> {
  const counted: Membership[][][] = parts.map(() => [[]]);
  const patients: bigint[] = [];
  const measureContext: MeasureContext = { registry: context.registry, concepts: rule.observations === undefined ? conceptsFrom() : await measureConcepts(context), zone: context.zone, now: now() };
  // Whoever is named need not be in care: a report on one patient, or on a group, is about whom the caller sees.
  const among = ids === undefined || practitioner !== undefined ? inCareOf(visibility, practitioner) : undefined;
  const query = { types: rule.types, ...(among === undefined ? {} : { among }), withEpisode: rule.withEpisode && ids === undefined, ...(ids === undefined ? {} : { patients: ids }), ...(rule.observations === undefined ? {} : { observations: rule.observations }) };
  for await (const { rid, subject } of caseload(context, visibility, query)) {
    const places = parts.map(({ period }) => rule.evaluate(subject, period, measureContext, argument));
    for (const [part, groups] of places.entries()) for (const [at, memberships] of groups.entries()) (counted[part]![at] ??= []).push(...memberships);
    if (ids !== undefined || places[own]!.some((memberships) => memberships.length > 0)) patients.push(rid);
  }
  return { counted, patients };
}

/** For each group of the Measure. */
async function whatMayBeShown(measure: Resource, counted: Collected['counted'], { parts, own, withStrata }: CalendarParts): Promise<MayShow[]> {
  const definitions = (measure.group ?? []) as { stratifier?: Stratifier[] }[];
  const found: MayShow[] = [];
  for (const at of counted[own]!.keys()) {
    const stratifiers = withStrata ? (definitions[at]?.stratifier ?? []).map(stratifierCode) : [];
    found.push(await inPieces(reportCells(parts.map((part, place) => ({ ...part, memberships: counted[place]![at] ?? [] })), own, stratifiers)));
  }
  return found;
}

/** A period that goes on to a day of this year is reported as far as the quarters are over; the report says so in its `period`. */
function overOf(period: AskedPeriod, at: number): AskedPeriod {
  const span = asFarAsOver(period.span, at);
  return span === period.span || span.end <= span.start ? period : { span, written: datesOf(span) };
}

/** Reports for auditors are about everybody: those about some could be held against each other to find out about one. */
function refuseConfined(inputs: readonly Input[]): void {
  for (const name of ['subject', 'practitioner']) {
    if (one(inputs, name) !== undefined) throw problem('forbidden', 'forbidden', `Reports for auditors are about everybody, without ${name}; the strata tell practitioners and teams apart.`, `http.${name}`);
  }
}
