import { authorize } from '../auth/decide.ts';
import { canonicalBase, codeSystem } from '../fhir/canonical.ts';
import { dateRange } from '../fhir/dates.ts';
import { problem } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { smallest, suppressed, unsuppressed, type Shown } from '../outcomes/suppression.ts';
import { reviewCourse, timeToAcknowledge, type Minutes, type ReviewCourse } from '../outcomes/time-to-acknowledge.ts';
import { readClock } from '../store/clock.ts';
import { search, type Cursor } from '../store/search.ts';
import { refuseOtherPeriods } from './caseload.ts';
import { inputsOf, one, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { flag } from './terminology-input.ts';

/** `Task/$time-to-acknowledge`: how long alerts waited (docs/clinical.md 7; schemas/operations/time-to-acknowledge.json). */
export const timeToAcknowledgeOperation: Operation = {
  level: 'type',
  type: 'Task',
  needs: [['MeasureReport', 'r']],
  definition: `${canonicalBase}/OperationDefinition/time-to-acknowledge`,
  run: report,
};

async function report(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['periodStart', 'periodEnd', 'suppressed']);
  const period = { start: day(inputs, 'periodStart').low, end: day(inputs, 'periodEnd').high };
  if (period.end <= period.start) throw problem('malformed', 'value', 'periodEnd must not be before periodStart.', 'http.periodEnd');
  const isAuditor = context.visibility.reach.kind === 'auditor';
  if (isAuditor) refuseOtherPeriods(period, Date.parse(await readClock(context.database)));
  const isSuppressed = flag(inputs, 'suppressed') || isAuditor;
  const { courses, patients } = await coursesOf(context, isAuditor, period);
  const result = timeToAcknowledge(courses, period, Date.parse(await readClock(context.database)));
  const shown = (breaches: number, n: number): Shown => (isSuppressed ? suppressed : unsuppressed)({ numerator: breaches, denominator: n });
  const parameter = [
    ...counted(result.n, isSuppressed),
    ...rate(shown(result.breaches, result.n)),
    ...part('onDuty', result.onDuty.n === 0 ? [] : [...counted(result.onDuty.n, isSuppressed), ...rate(shown(result.onDuty.breaches, result.onDuty.n))]),
    ...part('minutesToAcknowledge', minutes(result.acknowledge, isSuppressed)),
    ...part('minutesToFirstContact', minutes(result.firstContact, isSuppressed)),
    ...part('minutesToClose', minutes(result.close, isSuppressed)),
  ];
  await context.audit.record(accessRows(context, { interaction: '$time-to-acknowledge', action: 'E', type: 'Task', patients: isSuppressed ? [] : patients }));
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', ...(parameter.length === 0 ? {} : { parameter }) }) };
}

const part = (name: string, parts: readonly object[]): object[] => (parts.length === 0 ? [] : [{ name, part: parts }]);
const rate = ({ numerator, rate: share }: Shown): object[] => [
  ...(numerator === null ? [] : [{ name: 'breaches', valueInteger: numerator }]), ...(share === null ? [] : [{ name: 'breachRate', valueDecimal: Math.round(1000 * share) / 1000 }]),
];

/** A number of reviews, hidden where it is small, to the nearest five. */
function counted(n: number, isSuppressed: boolean): object[] {
  const value = isSuppressed ? suppressed({ numerator: n, denominator: n }).denominator : n;
  return value === null ? [] : [{ name: 'n', valueInteger: value }];
}

function minutes({ n, median, p90 }: Minutes, isSuppressed: boolean): object[] {
  if (n === 0 || (isSuppressed && n < smallest)) return [];
  const tenth = (value: number | null): number => Math.round(10 * value!) / 10;
  return [...counted(n, isSuppressed), { name: 'median', valueDecimal: tenth(median) }, { name: 'p90', valueDecimal: tenth(p90) }];
}

function day(inputs: readonly Input[], name: string): { low: number; high: number } {
  const text = one(inputs, name);
  const range = text === undefined ? undefined : dateRange(text);
  if (range === undefined) throw problem('malformed', text === undefined ? 'required' : 'value', `${name} is needed: a date, such as 2026-01-01.`, `http.${name}`);
  return { low: Date.parse(range.low), high: Date.parse(range.high) };
}

/** The reviews that the caller may see; an auditor, who sees none of them, has all counted. */
async function coursesOf({ database, visibility }: Context, isAuditor: boolean, { start, end }: { start: number; end: number }): Promise<{ courses: ReviewCourse[]; patients: (bigint | null)[] }> {
  if (!isAuditor) authorize(visibility, 'Task', 's');
  const seeing: Visibility = isAuditor ? { ...visibility, reach: { kind: 'all' }, restricted: true, grants: new Map([['Task', new Set(['r', 's'] as const)]]) } : visibility;
  const plan = parseSearch('Task', [['code', `${codeSystem('task-type')}|safety-review`], ['_count', '1000']], { handling: 'strict' });
  const courses: ReviewCourse[] = [];
  const patients = new Set<bigint | null>();
  let page: Cursor | undefined;
  do {
    const found = await search(database, plan, seeing, page);
    for (const { body, patient } of found.matches) {
      const course = reviewCourse(JSON.parse(body) as Resource);
      if (course === undefined || course.start < start || course.start >= end) continue;
      courses.push(course);
      patients.add(patient);
    }
    page = found.next;
  } while (page !== undefined);
  return { courses, patients: [...patients] };
}
