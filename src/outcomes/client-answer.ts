import { metricTable, type MetricId } from './metrics.ts';
import type { Part } from './parts.ts';

/**
 * What a client's own access gets of `$progress`, `$trajectory`, `$drivers` and `$end`: the scores, the dates, what each number was
 * computed from, and the words for clients. Codes and flags that pronounce on a course (a class, a state, a side of a limit) are
 * for clinicians, as in `$explain`: beside a number no code says what its words take care not to say. Pure.
 */

/** Who reads: `any` is a system that shows it to both. */
export type Reader = 'any' | 'clinician' | 'client';

/** @returns `parts` as they are for a reader. */
export const forReader = (parts: readonly Part[], reader: Reader): readonly Part[] => (reader === 'client' ? forClient(parts, '') : parts);

/** What is left out of a part, by the name of that part. */
const leftOut: Readonly<Record<string, readonly string[]>> = {
  'instrument': ['threshold', 'cut-off'],
  'score': ['side'], 'baseline': ['side'], 'latest': ['side'],
  'change': ['class', 'four-way-class', 'crossed-without-reliable-change'],
  'response': ['response', 'partial-response', 'remission', 'minimal-important-change'],
  'early-response': ['value'],
  'event': ['state', 'state-text', 'reversed', 'size', 'low-item', 'reference-sd'],
  'signal': ['code', 'without-caution', 'watch-beyond', 'not-on-track-beyond', 'percentile'],
  'expected': ['watch-beyond', 'not-on-track-beyond'],
  // Where a line would go on is a forecast to whoever it is about.
  'trend': ['next'],
  'talking-therapies': ['problem', 'case-at-start', 'recovery', 'reliable-improvement', 'reliable-deterioration', 'reliable-recovery', 'data-absent-reason'],
  'measure': ['case-cut-off', 'reliable-change', 'change'],
  'index': ['formula', 'value', 'critical-value', 'change', 'class', 'formula-with-numbers', 'cut-off-index', 'sample'],
  'hint': ['code'],
  'goal': ['status', 'set-by'],
  'goal-attainment': ['reliable'],
  'goal-ratings': ['reliable'],
  'homework': ['overdue'],
  'interval': ['overdue'],
  'alert': ['code', 'priority'],
};

function forClient(parts: readonly Part[], holder: string): readonly Part[] {
  const own = leftOut[holder] ?? [];
  const hasWords = parts.some(({ name }) => name === 'text-for-client');
  return parts.flatMap((each): Part[] => {
    const { name, part } = each;
    if (own.includes(name) || (name === 'text' && hasWords) || (name === 'band' && parts.some((other) => other.name === 'band-for-client'))) return [];
    if (part !== undefined) return [{ ...each, part: forClient(name === 'schedule' ? stillOpen(part) : part, name) }];
    return [renamed(each)];
  }).sort((a, b) => Number(isWords(a, hasWords)) - Number(isWords(b, hasWords)));
}

/** The words come last, as in the answer for clinicians. */
const isWords = ({ name }: Part, hasWords: boolean): boolean => hasWords && name === 'text';

/** The words for clients take the place of the others; a rule of change and what stands out go by their names for clients. */
function renamed(part: Part): Part {
  const id = part['valueString'] ?? part['valueCode'];
  const title = typeof id === 'string' && Object.hasOwn(metricTable, id) ? metricTable[id as MetricId].title.client : undefined;
  if (part.name === 'text-for-client') return { ...part, name: 'text' };
  if (part.name === 'metric' && title !== undefined) return { name: 'title', valueString: title };
  return part.name === 'rule' && title !== undefined ? { name: 'rule', valueString: title } : part;
}

/** A form whose time is over may still be answered: for the client it is one that is open now. */
function stillOpen(parts: readonly Part[]): readonly Part[] {
  const over = Number(parts.find(({ name }) => name === 'overdue')?.['valueInteger'] ?? 0);
  return parts.flatMap((each): Part[] => {
    if (each.name === 'overdue') return [];
    if (each.name === 'due') return [{ name: 'due', valueInteger: Number(each['valueInteger']) + over }];
    return [each.part === undefined ? each : { ...each, part: each.part.map((inner) => (inner.name === 'state' && inner['valueCode'] === 'overdue' ? { name: 'state', valueCode: 'due' } : inner)) }];
  });
}
