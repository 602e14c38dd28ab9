/** Codes of the local code systems that computed resources carry; `questionnaires.ts` publishes them. */

export const progressMetricDisplay = {
  'change-from-baseline': 'Change from baseline',
  'reliable-change': 'Class of change since baseline',
  'baseline': 'Score at baseline',
  'current': 'Current score',
  'delta': 'Current score minus baseline',
  'improvement': 'Improvement since baseline (above 0 is better)',
  'percent-improvement': 'Improvement as a share of the baseline',
  'threshold': 'Threshold of reliable change',
  's-diff': 'Standard error of the difference',
  'cut-off': 'Cut-off between the clinical and the functional range',
  'baseline-clinical': 'Baseline in the clinical range',
  'current-clinical': 'Current score in the clinical range',
  'four-way-class': 'Class of change without a class of its own for entering the clinical range',
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

export const taskTypeDisplay = {
  'safety-review': 'Review of a response that calls for a look',
} as const;

export const homeworkTypeDisplay = {
  'behavioural-experiment': 'Behavioural experiment',
  'mindfulness': 'Mindfulness practice',
  'journaling': 'Journaling',
  'thought-record': 'Thought record',
  'activity-monitoring': 'Activity and mood monitoring',
  'communication-practice': 'Practice of a new way of communicating',
  'exposure-ladder': 'Graded ladder of steps',
  'reading': 'Reading, listening or watching',
  'other': 'Other exercise between sessions',
} as const;

export const taskInputDisplay = {
  'rationale': 'Why this exercise', 'plan-when': 'When', 'plan-where': 'Where',
  'confidence': 'Confidence, 0 to 10', 'expected-difficulty': 'Expected difficulty, 0 to 100',
  'obstacle': 'Expected obstacle', 'coping-plan': 'What to do about the obstacle',
  'estimated-minutes': 'Estimated minutes', 'expected-occurrences': 'Expected number of times',
  'completion-fraction': 'How much of it was done, 0 to 1', 'response': 'What was written or observed',
  'difficulty': 'Difficulty met, 0 to 100', 'usefulness': 'Usefulness', 'quality-client': 'Quality as the client sees it, 0 to 4',
  'quality-therapist': 'Quality as the therapist sees it, 0 to 4', 'learning': 'What was learned',
  'obstacle-met': 'Obstacle met', 'reviewed-in': 'Session in which it was reviewed',
  'action-taken': 'Action taken', 'review-note': 'Note of the review', 'next-check': 'Next check',
} as const;

export const reviewActionDisplay = {
  'contacted-client': 'Contacted the client', 'reviewed-plan': 'Reviewed the plan', 'safety-plan-made': 'Made a safety plan',
  'escalated': 'Escalated', 'emergency-services': 'Involved emergency services', 'not-a-concern': 'Not a concern', 'could-not-reach': 'Could not reach the client',
} as const;
