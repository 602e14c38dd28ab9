import { metricTable, type MetricId } from './metrics.ts';

/** Codes of the local code systems that computed resources carry; code-systems.ts publishes them. */

/** What a component of a computed Observation holds; the metrics themselves are in schemas/metrics.json. */
const componentDisplay = {
  'delta': 'Current score minus baseline',
  'threshold': 'Threshold of reliable change',
  's-diff': 'Standard error of the difference',
  'cut-off': 'Cut-off that the score is compared with: of a screening, or between the clinical and the functional range',
  'crossed-without-reliable-change': 'Left the clinical range without a reliable change',
  'whole-scale': 'Score as it counts beside others, where an item does not apply',
  'reference-score': 'Score that it is compared with',
  'recovery-days': 'Days from the first such score to the first near the best again',
  'check-in-week': 'Week after the first such score, whose check-ins confirm it',
  'reversed': 'Half of the step or more was undone later',
  'expected': 'Expected score at this session',
  'watch-boundary': 'Beginning of the edge of the expected course', 'boundary': 'Boundary of the expected course',
  'percentile': 'Percentile among closed episodes, towards worse',
  'n': 'Closed episodes that the boundary rests on',
  'reference-version': 'Version of the reference',
  'low-limit': 'Limit of the total',
  'low-item-limit': 'Limit of an item',
  'low-item': 'Item at its limit',
  'state': 'How it went on',
  'drop': 'Rating before minus this rating',
  'reference-sd': 'Standard deviation that the drop is measured by',
  'drop-threshold': 'Drop from which it counts',
} as const;

/** Codes of computed Observations and of their components. */
export const progressMetricDisplay = {
  ...(Object.fromEntries(Object.entries(metricTable).map(([id, { title }]) => [id, title.clinician])) as Record<MetricId, string>),
  ...componentDisplay,
};
export type ProgressMetric = keyof typeof progressMetricDisplay;

/** Words that describe scores, not people. */
export const changeClassDisplay = {
  'recovered': 'Reliably better, and now in the functional range',
  'improved': 'Reliably better',
  'unchanged': 'No reliable change',
  'deteriorated': 'Reliably worse',
  'harmed': 'Reliably worse, and now in the clinical range',
  'not-computable': 'Not computable: the instrument has no threshold of reliable change',
} as const;

/** The sides of the boundary between the clinical and the functional range. Words that describe scores, not people. */
export const scoreSideDisplay = {
  'clinical-range': 'In the clinical range',
  'functional-range': 'In the functional range',
} as const;

/** Where a course stands. Words that describe scores, not people. */
export const courseStateDisplay = {
  'on-track': 'Within the expected course',
  'watch': 'At the edge of the expected course',
  'not-on-track': 'Outside the expected course',
  'neutral': 'Nothing stands out',
  'setback-possible': 'One score reliably worse than the best so far',
  'setback-confirmed': 'Two scores in a row reliably worse than the best so far, or one and the check-ins of the week after it',
  'setback-resolved': 'Near the best score again',
  'relapse': 'Clinical again and reliably worse than at the end of the therapy',
  'clinical-again': 'Clinical again without a reliable worsening',
} as const;

/** A drop in the rating of the work together, and how it went on. Words that describe ratings, not people. */
export const allianceStateDisplay = {
  'minor': 'A drop of one to two standard deviations',
  'major': 'A drop of two standard deviations or more',
  'open': 'The next ratings will show how it goes on',
  'repaired': 'Back near the rating before within three sessions',
  'unrepaired': 'Not back near the rating before within three sessions',
} as const;
