import { codeSystem } from '../fhir/canonical.ts';
import type { Issue, IssueCode } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import homeworkType from '../../schemas/code-systems/homework-type.json' with { type: 'json' };
import { questionnaireOf, sdcTemp } from '../outcomes/requests.ts';
import { checkCompletedReview } from './safety-review.ts';

/** Rules of the Tasks of this service (docs/clinical.md: homework, questionnaire request, safety review). Other Tasks are stored as they come. */

type Kind = 'homework' | 'questionnaire' | 'safety-review';

/** Status -> statuses that may follow; staying is always allowed. */
type Transitions = Readonly<Record<string, readonly string[]>>;

const exercise: Transitions = {
  'draft': ['requested', 'received', 'accepted', 'ready', 'in-progress', 'completed', 'cancelled', 'entered-in-error'],
  'requested': ['received', 'accepted', 'rejected', 'ready', 'in-progress', 'on-hold', 'completed', 'failed', 'cancelled', 'entered-in-error'],
  'received': ['accepted', 'rejected', 'ready', 'in-progress', 'on-hold', 'completed', 'failed', 'cancelled', 'entered-in-error'],
  'accepted': ['ready', 'in-progress', 'on-hold', 'completed', 'failed', 'cancelled', 'entered-in-error'],
  'ready': ['in-progress', 'on-hold', 'completed', 'failed', 'cancelled', 'entered-in-error'],
  'in-progress': ['on-hold', 'completed', 'failed', 'cancelled', 'entered-in-error'],
  'on-hold': ['accepted', 'ready', 'in-progress', 'completed', 'failed', 'cancelled', 'entered-in-error'],
  'completed': ['entered-in-error'],
  'failed': ['entered-in-error'],
  'rejected': ['entered-in-error'],
  'cancelled': ['entered-in-error'],
  'entered-in-error': [],
};

const transitions: Readonly<Record<Kind, Transitions>> = {
  'homework': exercise,
  'questionnaire': exercise,
  // Seen, worked on, closed: it can be neither withdrawn nor declined.
  'safety-review': {
    'requested': ['received', 'in-progress', 'completed'],
    'received': ['in-progress', 'completed'],
    'in-progress': ['completed'],
    'completed': [],
  },
};

interface Concept { coding?: { system?: string; code?: string }[] }

const issue = (code: IssueCode, expression: string, text: string): Issue => ({ severity: 'error', code, expression, text });
const codings = (concept: unknown): { system?: string; code?: string }[] => {
  const { coding } = (concept ?? {}) as Concept;
  return Array.isArray(coding) ? coding : [];
};
const has = (concept: unknown, system: string, code: string): boolean =>
  codings(concept).some((coding) => coding.system === system && coding.code === code);

function kindOf(task: Resource): Kind | undefined {
  if (codings(task.code).some(({ system }) => system === codeSystem('homework-type'))) return 'homework';
  if (has(task.code, sdcTemp, 'complete-questionnaire')) return 'questionnaire';
  return has(task.code, codeSystem('task-type'), 'safety-review') ? 'safety-review' : undefined;
}

/**
 * @returns what makes `next` unacceptable as the version after `previous` (undefined: it is new); [] when it is fine or not a Task of ours.
 * A Task may not stop being of its kind: `previous` decides which rules bind.
 */
export function checkTaskTransition(previous: Resource | undefined, next: Resource): Issue[] {
  const kind = (previous === undefined ? undefined : kindOf(previous)) ?? kindOf(next);
  if (kind === undefined) return [];
  return [...checkContent(kind, next), ...(previous === undefined ? [] : checkStep(kind, previous, next)), ...checkStatus(kind, next)];
}

function checkContent(kind: Kind, task: Resource): Issue[] {
  const issues: Issue[] = [];
  const patient = (task.for as { reference?: string } | undefined)?.reference;
  if (patient === undefined || !/(^|\/)Patient\/[A-Za-z0-9.-]{1,64}$/.test(patient)) issues.push(issue('required', 'Task.for', 'A Task of this kind needs `for`: a reference to the Patient.'));
  if (task.intent !== 'plan' && task.intent !== 'order') issues.push(issue('value', 'Task.intent', 'intent must be plan or order.'));
  const { authoredOn, lastModified } = task as { authoredOn?: string; lastModified?: string };
  if (authoredOn !== undefined && lastModified !== undefined && Date.parse(lastModified) < Date.parse(authoredOn)) {
    issues.push(issue('invariant', 'Task.lastModified', 'lastModified must not be before authoredOn (inv-1).'));
  }
  // A Task that left its kind is told so by its step.
  if (kind === 'homework' && kindOf(task) === kind) {
    const known = codings(task.code).some(({ system, code }) => system === codeSystem('homework-type') && homeworkType.concept.some((concept) => concept.code === code));
    if (!known) issues.push(issue('code-invalid', 'Task.code', `The code must be one of ${homeworkType.concept.map(({ code }) => code).join(', ')} (${codeSystem('homework-type')}).`));
  }
  if (kind === 'questionnaire' && kindOf(task) === kind) {
    if (questionnaireOf(task) === undefined) issues.push(issue('required', 'Task.input', 'A complete-questionnaire Task needs an input of type questionnaire with a valueCanonical.'));
    if (authoredOn === undefined) issues.push(issue('required', 'Task.authoredOn', 'A complete-questionnaire Task needs authoredOn.'));
    if (task.requester === undefined) issues.push(issue('required', 'Task.requester', 'A complete-questionnaire Task needs a requester.'));
    if (task.focus !== undefined) issues.push(issue('value', 'Task.focus', 'A complete-questionnaire Task has no focus; the questionnaire is an input.'));
  }
  return issues;
}

function checkStep(kind: Kind, previous: Resource, next: Resource): Issue[] {
  const issues: Issue[] = [];
  const from = previous.status as string, to = next.status as string;
  if (kindOf(next) !== kind) issues.push(issue('business-rule', 'Task.code', 'The code of this Task cannot be changed to one of another kind.'));
  const patient = ({ for: target }: Resource): string | undefined => (target as { reference?: string } | undefined)?.reference;
  if (patient(previous) !== patient(next)) issues.push(issue('business-rule', 'Task.for', 'A Task cannot be moved to another Patient.'));
  const allowed = transitions[kind][from] ?? [];
  if (from !== to && !allowed.includes(to)) {
    const then = allowed.length === 0 ? 'it stays as it is' : `it may become ${allowed.join(', ')}`;
    issues.push(issue('business-rule', 'Task.status', `A Task that is ${from} cannot become ${to}; ${then}.`));
  }
  return issues;
}

function checkStatus(kind: Kind, task: Resource): Issue[] {
  if (task.status === 'rejected' && task.statusReason === undefined) {
    return [issue('required', 'Task.statusReason', 'A Task that is declined needs statusReason: a word on why, in the words of the one who declines.')];
  }
  if (kind === 'safety-review') return checkCompletedReview(task);
  return [];
}
