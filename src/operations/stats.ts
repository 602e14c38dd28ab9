import { canonicalBase } from '../fhir/canonical.ts';
import { hotColumns } from '../fhir/extract.ts';
import { problem } from '../fhir/outcome.ts';
import { parseReference } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { forWriting } from '../interactions/delete.ts';
import { measurements, type Measured, type Wanted } from '../outcomes/measurements.ts';
import { isStatistic, statisticDisplay, type Statistic } from '../outcomes/statistics.ts';
import { statisticsObservation } from '../outcomes/statistics-observation.ts';
import type { Row } from '../store/search.ts';
import { readSubject } from '../store/subject.ts';
import { inputsOf, many, one, positive, refuseUnknown, type Input } from './input.ts';
import { allMatches } from './matches.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `Observation/$stats` (http://hl7.org/fhir/R4/observation-operation-stats.html): statistics of a patient's numeric values by
 * code. Formulas, units and what counts as a value: docs/operations-fhir.md.
 */
export const stats: Operation = {
  level: 'type',
  type: 'Observation',
  needs: [['Observation', 's']],
  definition: `${canonicalBase}/OperationDefinition/stats`,
  run: statistics,
};

const known = ['subject', 'code', 'system', 'coding', 'duration', 'period', 'statistic', 'include', 'limit'];
const mostCodes = 50;
const mostSources = 1000;

interface Period { readonly start?: string; readonly end?: string }

async function statistics(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, known);
  const id = subjectOf(context, inputs);
  const wanted = codesOf(inputs);
  const chosen = statisticsOf(inputs);
  const limit = one(inputs, 'include') === 'true' ? positive(inputs, 'limit', mostSources) ?? mostSources : 0;
  const hours = durationOf(inputs);
  const subject = await readSubject(context.database, forWriting(context.visibility, 'Patient'), id);
  if (subject === undefined) throw problem('not-found', 'not-found', 'No such Patient.');
  const period = hours === undefined ? periodOf(inputs) : { start: new Date(Date.parse(subject.now) - hours * 3_600_000).toISOString(), end: subject.now };
  const { matches, included } = await allMatches(context, 'Observation', queryOf(id, wanted, period));
  await context.audit.record(accessRows(context, { interaction: '$stats', action: 'E', type: 'Observation', patients: [subject.rid] }));
  const members = new Map(included.map((row) => [`Observation/${row.id}`, JSON.parse(row.body) as Resource] as const)
    .filter(([, member]) => member['status'] !== 'entered-in-error' && hotColumns(member).patient === id));
  const measured = measurements(matches.map((row) => JSON.parse(row.body) as Resource), members, wanted);
  refuseUnits(measured);
  const results = measured.map((each) => JSON.stringify({ name: 'statistics', resource: statisticsObservation(each, { statistics: chosen, subject: `Patient/${id}`, period }) }));
  const sources = [...matches, ...included.filter((row: Row) => members.has(`Observation/${row.id}`) && !matches.some(({ rid }) => rid === row.rid))];
  const shown = sources.slice(0, limit).map((row) => `{"name":"source","resource":${row.body}}`);
  return { status: 200, body: `{"resourceType":"Parameters","parameter":[${[...results, ...shown].join(',')}]}` };
}

/** The logical id of the Patient. Which Observations count is for the search to say: a scope for Patient is not needed. */
function subjectOf({ baseUrl }: Context, inputs: readonly Input[]): string {
  const text = one(inputs, 'subject');
  if (text === undefined) throw problem('malformed', 'required', 'subject is needed: Patient/[id].', 'http.subject');
  const reference = parseReference(text.startsWith(`${baseUrl}/`) ? text.slice(baseUrl.length + 1) : text);
  if (reference?.kind !== 'relative' || reference.type !== 'Patient') throw problem('malformed', 'value', 'subject must be a Patient of this service: Patient/[id].', 'http.subject');
  return reference.id;
}

function codesOf(inputs: readonly Input[]): Wanted[] {
  const system = one(inputs, 'system');
  const codes = many(inputs, 'code').map((code): Wanted => ({ code, ...(system === undefined ? {} : { system }) }));
  const codings = inputs.filter(({ name }) => name === 'coding').map(({ value, text, expression }): Wanted => {
    // A Coding has no form in a URL; that of a token search is the one that clients try.
    const at = text?.lastIndexOf('|') ?? -1;
    const coding = text === undefined ? (value as { system?: string; code?: string } | undefined) : { system: at > 0 ? text.slice(0, at) : undefined, code: text.slice(at + 1) };
    if (typeof coding !== 'object' || typeof coding.code !== 'string' || coding.code === '') throw problem('malformed', 'value', 'coding needs a code.', expression);
    return { code: coding.code, ...(coding.system === undefined ? {} : { system: coding.system }) };
  });
  const wanted = [...codes, ...codings];
  if (wanted.length === 0) throw problem('malformed', 'required', 'Say what to compute from: code with system, or coding.', 'http.code');
  if (wanted.length > mostCodes) throw problem('too-costly', 'too-costly', `$stats takes ${mostCodes} codes at most.`, 'http.code');
  return wanted.filter((each, at) => wanted.findIndex((other) => other.code === each.code && other.system === each.system) === at);
}

/** The parameter's own text says "max" and "min" where its value set says "maximum" and "minimum": both are understood. */
const spoken: Readonly<Record<string, Statistic>> = { max: 'maximum', min: 'minimum' };

function statisticsOf(inputs: readonly Input[]): Statistic[] {
  const codes = many(inputs, 'statistic').flatMap((text) => text.split(',')).map((code) => spoken[code] ?? code);
  if (codes.length === 0) throw problem('malformed', 'required', `statistic is needed: one or more of ${Object.keys(statisticDisplay).join(', ')}.`, 'http.statistic');
  return [...new Set(codes.map((code) => {
    if (!isStatistic(code)) throw problem('malformed', 'code-invalid', `statistic must be one of ${Object.keys(statisticDisplay).join(', ')}.`, 'http.statistic');
    return code;
  }))];
}

function durationOf(inputs: readonly Input[]): number | undefined {
  const text = one(inputs, 'duration');
  if (text === undefined) return undefined;
  const hours = /^\d{1,7}(\.\d{1,6})?$/.test(text) ? Number(text) : 0;
  if (hours === 0) throw problem('malformed', 'value', 'duration is a number of hours greater than 0.', 'http.duration');
  return hours;
}

function periodOf(inputs: readonly Input[]): Period | undefined {
  const [input, another] = inputs.filter(({ name }) => name === 'period');
  if (another !== undefined) throw problem('malformed', 'invalid', 'period is given at most once.', another.expression);
  if (input === undefined) return undefined;
  if (input.kind !== 'valuePeriod') throw problem('malformed', 'value', 'period is a Period: send it in a Parameters resource, or use duration.', input.expression);
  const { start, end } = input.value as Period;
  if (start === undefined && end === undefined) throw problem('malformed', 'value', 'period needs a start or an end.', input.expression);
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
}

const escaped = (text: string): string => text.replace(/[\\,|$]/g, (character) => `\\${character}`);

function queryOf(patient: string, wanted: readonly Wanted[], period: Period | undefined): [string, string][] {
  const tokens = wanted.map(({ system, code }) => (system === undefined ? escaped(code) : `${escaped(system)}|${escaped(code)}`));
  return [
    ['patient', patient], ['combo-code', tokens.join(',')], ['status:not', 'entered-in-error'], ['_sort', '-date'], ['_include', 'Observation:has-member'],
    ...(period?.start === undefined ? [] : [['date', `ge${period.start}`] as [string, string]]),
    ...(period?.end === undefined ? [] : [['date', `le${period.end}`] as [string, string]]),
  ];
}

/** @throws Problem `invalid` when the values of one code have several units: no number would be true of them. */
function refuseUnits(measured: readonly Measured[]): void {
  const mixed = measured.find(({ units }) => units.length > 1);
  if (mixed === undefined) return;
  const units = mixed.units.map(({ unit, code }) => code ?? unit ?? 'none').join(', ');
  throw problem('invalid', 'business-rule', `The values of one code have different units (${units}): statistics need one. Confine them by period.`, 'Observation.value');
}
