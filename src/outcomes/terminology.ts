/** Codes of the local code systems that computed resources carry; code-systems.ts publishes them. */

export const progressMetricDisplay = {
  'change-from-baseline': 'Change from baseline',
  'reliable-change': 'Class of change since baseline',
  'baseline': 'Score at baseline',
  'delta': 'Current score minus baseline',
  'threshold': 'Threshold of reliable change',
  's-diff': 'Standard error of the difference',
  'cut-off': 'Cut-off between the clinical and the functional range',
  'crossed-without-reliable-change': 'Left the clinical range without a reliable change',
} as const;
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
