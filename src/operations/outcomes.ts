import { now } from '../clock.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { digits, linesAsCsv, type Line } from '../outcomes/measures/caseload-line.ts';
import { CaseloadOutcomes, type CaseMix, type Wanted } from '../outcomes/measures/caseload-outcomes.ts';
import type { MeasurementPeriod } from '../outcomes/measures/membership.ts';
import { changeIndices } from '../outcomes/change-index.ts';
import { ruleOf } from '../outcomes/metrics.ts';
import { groupMembers } from '../store/group-members.ts';
import { caseload, everybody, inCareOf, inPieces, periodOf, refuseOtherPeriods, refuseOtherThanYears, seeingAll } from './caseload.ts';
import { inputsOf, many, one, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { flag } from './terminology-input.ts';

/**
 * `Group/[id]/$outcomes` and `Practitioner/[id]/$outcomes`: what the courses that ended in a period look like on one or more
 * scales, as Parameters or as CSV (docs/measures.md).
 */
export const outcomes: Operation = {
  level: 'instance',
  type: ['Group', 'Practitioner'],
  needs: [['MeasureReport', 'r']],
  definition: `${canonicalBase}/OperationDefinition/outcomes`,
  run: caseloadOutcomes,
};

const known = ['periodStart', 'periodEnd', 'scale', 'suppressed', 'caseMix', 'priorWeight', 'index', 'reliability'];
const types = ['EpisodeOfCare', 'Task', 'Condition'];

/** A practitioner's caseload of fewer courses says more about the person than about the work: it is not for others. */
const leastForOthers = 20;

async function caseloadOutcomes(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, known);
  const { span } = periodOf(inputs);
  const scales = scalesOf(context, inputs);
  const wanted = wantedOf(inputs);
  const { reach } = context.visibility;
  const isSuppressed = flag(inputs, 'suppressed') || reach.kind === 'auditor';
  const withCaseMix = flag(inputs, 'caseMix');
  if (reach.kind === 'auditor') refuseOtherPeriods(span, now());
  if (withCaseMix && reach.kind !== 'all') refuseOtherThanYears(span, now());
  const seeing = seeingAll(context.visibility, call.type === 'Group' ? [...types, 'Group'] : types);
  const members = call.type === 'Group' ? await groupMembers(context.database, seeing, call.id!) : undefined;
  if (call.type === 'Group' && members === undefined) throw problem('not-found', 'not-found', 'No such Group.');
  const gathered = new CaseloadOutcomes(context.registry, scales, span, context.zone, wanted);
  const patients: bigint[] = [];
  const among = call.type === 'Group' ? undefined : inCareOf(seeing, call.id);
  for await (const { rid, subject } of caseload(context, seeing, { types, withEpisode: true, ...(among === undefined ? {} : { among }), ...(members === undefined ? {} : { patients: members }) })) {
    gathered.add(subject);
    patients.push(rid);
  }
  const isOthers = reach.kind === 'auditor' && call.type === 'Practitioner';
  const reference = withCaseMix ? await caseMix(context, scales, span, gathered) : undefined;
  const lines = isOthers && gathered.courses < leastForOthers ? [] : await inPieces(gathered.lines(isSuppressed, reference));
  await context.audit.record(accessRows(context, { interaction: '$outcomes', action: 'E', type: call.type!, id: call.id!, patients: isSuppressed ? [] : patients }));
  if (context.format === 'text/csv') return { status: 200, headers: { 'content-type': 'text/csv; charset=utf-8; header=present', 'content-disposition': 'attachment; filename="outcomes.csv"' }, body: linesAsCsv(lines) };
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', ...(lines.length === 0 ? {} : { parameter: lines.map(linePart) }) }) };
}

/** What courses that ended in the same time came to in the whole deployment, by how they began: rates over thirty or more, in which no few are somebody else's. */
async function caseMix(context: Context, scales: readonly string[], span: MeasurementPeriod, part: CaseloadOutcomes): Promise<ReadonlyMap<string, CaseMix>> {
  const all = new CaseloadOutcomes(context.registry, scales, span, context.zone);
  for await (const { subject } of caseload(context, everybody(context.visibility, types), { types, withEpisode: true })) all.add(subject);
  return all.caseMix(part);
}

/** Keys of scales; PHQ-9 and GAD-7 where none is named. @throws Problem `malformed` for one that is not in the registry. */
function scalesOf({ registry }: Context, inputs: readonly Input[]): string[] {
  const given = many(inputs, 'scale').flatMap((text) => text.split(','));
  const unknown = given.find((key) => !registry.scales.has(key));
  if (unknown !== undefined) throw problem('malformed', 'code-invalid', 'scale must be the key of a scale of CodeSystem/instrument, such as phq-9.', 'http.scale');
  return given.length === 0 ? ['phq-9', 'gad-7'] : [...new Set(given)];
}

/** What is computed only where it is asked for: an index of change beside the reliable change that decides the classes, a rate drawn towards that of all. @throws Problem `malformed` for one that there is not. */
function wantedOf(inputs: readonly Input[]): Wanted {
  const given = one(inputs, 'index');
  const reliability = reliabilityOf(inputs);
  const priorWeight = priorWeightOf(inputs);
  const prior = priorWeight === undefined ? {} : { priorWeight };
  if (reliability !== undefined && (given === undefined || given === 'hlm')) throw problem('malformed', 'invalid', 'reliability is for an index of change between two scores.', 'http.reliability');
  if (given === undefined) return prior;
  if (given === 'hlm') return { hlm: true, ...prior };
  const code = changeIndices.find((each) => each === given);
  if (code === undefined) throw problem('malformed', 'code-invalid', `index must be a code of CodeSystem/change-index: ${[...changeIndices, 'hlm'].join(', ')}.`, 'http.index');
  return { index: { code, ...(reliability === undefined ? {} : { reliability }) }, ...prior };
}

function priorWeightOf(inputs: readonly Input[]): number | undefined {
  const text = one(inputs, 'priorWeight');
  if (text === undefined) return undefined;
  if (!/^\d{1,6}(\.\d{1,3})?$/.test(text) || Number(text) === 0) throw problem('malformed', 'value', 'priorWeight must be a number above 0, such as 128: as how many cases the rate of the whole deployment counts.', 'http.priorWeight');
  if (!flag(inputs, 'caseMix')) throw problem('malformed', 'required', 'priorWeight draws the rate towards that of the whole deployment: ask for it with caseMix=true.', 'http.caseMix');
  return Number(text);
}

function reliabilityOf(inputs: readonly Input[]): number | undefined {
  const text = one(inputs, 'reliability');
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^(0|0?\.\d{1,6}|1(\.0+)?)$/.test(text) || !(value >= 0 && value < 1)) throw problem('malformed', 'value', 'reliability must be a number from 0 to below 1, such as 0.89.', 'http.reliability');
  return value;
}

const decimal = (name: string, value: number | null | undefined): object[] => (value == null ? [] : [{ name, valueDecimal: digits(value) }]);

function linePart({ scale, statistic, metric, n, value, low, high, note, episode, class: of }: Line): object {
  return {
    name: 'line',
    part: [
      { name: 'scale', valueCode: scale }, { name: 'statistic', valueCode: statistic }, ...(n === null ? [] : [{ name: 'n', valueInteger: n }]),
      ...decimal('value', value), ...decimal('low', low), ...decimal('high', high), ...(note === undefined ? [] : [{ name: 'note', valueString: note }]),
      { name: 'method', valueCoding: ruleOf(metric) },
      ...(episode === undefined ? [] : [{ name: 'episode', valueReference: { reference: episode } }]), ...(of === undefined ? [] : [{ name: 'class', valueCode: of }]),
    ],
  };
}
