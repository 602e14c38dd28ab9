import { codeSystem } from '../../fhir/canonical.ts';
import type { Resource } from '../../fhir/resource.ts';
import type { Calendar } from './calendar.ts';
import { demoIdentifier, meta, type Client } from './people.ts';
import type { Random } from './random.ts';

/** What may be agreed: kind, wording, how often until the next session, minutes each time, and what a time is called where each is recorded. */
const exercises = [
  { code: 'behavioural-experiment', display: 'Behavioural experiment', description: 'Say no once to a small request, and note what happened', why: 'To find out whether people really turn away', times: 1, minutes: 20 },
  { code: 'mindfulness', display: 'Mindfulness practice', description: 'Ten minutes of breathing practice', why: 'To notice a thought before following it', times: 5, minutes: 10, record: 'Breathing practice' },
  { code: 'journaling', display: 'Journaling', description: 'Three lines in the evening: what went well, and your part in it', why: 'To see what else was in the day', times: 5, minutes: 10 },
  { code: 'thought-record', display: 'Thought record', description: 'One thought record after a difficult moment', why: 'To look at a thought from more than one side', times: 2, minutes: 15 },
  { code: 'activity-monitoring', display: 'Activity and mood monitoring', description: 'Note what you did and how it felt', why: 'To see what lifts the day', times: 4, minutes: 5, record: 'Activity monitoring' },
  { code: 'communication-practice', display: 'Practice of a new way of communicating', description: 'Ask one open question at dinner, and listen to the end', why: 'To be heard more often by hearing first', times: 2, minutes: 15 },
  { code: 'exposure-ladder', display: 'Graded ladder of steps', description: 'The next step of your ladder: two stops by bus', why: 'To learn that the feeling passes', times: 3, minutes: 30 },
  { code: 'reading', display: 'Reading, listening or watching', description: 'Read the chapter on sleep', why: 'To know what helps and why', times: 1, minutes: 30 },
] as const;

/** How a piece of homework ends: done, partly done, declined, not done, left without an answer, accepted and still open. */
type End = 'done' | 'partly' | 'declined' | 'not done' | 'unanswered' | 'open';
const ends: readonly End[] = ['done', 'done', 'done', 'done', 'done', 'done', 'done', 'done', 'done', 'done', 'partly', 'partly', 'partly', 'partly', 'declined', 'declined', 'not done', 'unanswered', 'open', 'open'];

const reasonsToDecline = ['This feels too early for me; may we begin with a smaller step?', 'I am travelling this week', 'I would rather go on with last week\'s exercise'];
const lessons = ['It was easier the second time', 'The worst did not happen', 'I notice it sooner now', 'Mornings work better for me than evenings', 'It helped to plan the time in advance'];

/** One agreed exercise through its states; each is a later version of the same Task. */
export interface Homework {
  readonly requested: Resource;
  /** What the client said to it, and the times it was done that are recorded one by one; [] without an answer. */
  readonly answered: readonly Resource[];
  /** The Task as it is at the next session; null while it is still open. @param reviewedIn the Encounter in which it was talked about. */
  readonly ended: (reviewedIn: string | undefined) => Resource | null;
}

const parameter = (code: string, value: object): object => ({ type: { coding: [{ system: codeSystem('task-input'), code }] }, ...value });

/** @param at the day of the session (days from the beginning) and `encounter` in which it is agreed. */
export function homework(client: Client, name: string, at: number, encounter: string, { instant, date }: Calendar, random: Random): Homework {
  const exercise = random.pick(exercises);
  const end = random.pick(ends);
  const id = `${client.id}-${name}`;
  const authoredOn = instant(at, 12 * 60);
  const base: Resource = {
    resourceType: 'Task', id, meta, identifier: demoIdentifier('homework', id), status: 'requested', intent: 'order', priority: 'routine',
    code: { coding: [{ system: codeSystem('homework-type'), code: exercise.code, display: exercise.display }] },
    description: exercise.description, for: client.patient, encounter: { reference: encounter }, authoredOn, lastModified: authoredOn,
    requester: client.therapist, owner: client.patient, reasonReference: { reference: `Goal/${client.id}-${random.pick(['mood', 'calm'])}` },
    restriction: { repetitions: exercise.times, period: { start: date(at), end: date(at + 7) } },
    input: [
      parameter('rationale', { valueString: exercise.why }),
      parameter('plan-when', { valueString: random.pick(['After breakfast', 'On the way home', 'Before going to bed']) }),
      parameter('confidence-0-10', { valueInteger: random.whole(4, 10) }),
      parameter('estimated-minutes', { valueInteger: exercise.minutes }),
      parameter('expected-occurrences', { valueInteger: exercise.times }),
    ],
  };
  const answeredOn = instant(at + 1, 9 * 60 + random.whole(0, 180));
  if (end === 'unanswered') return { requested: base, answered: [], ended: () => null };
  if (end === 'declined') {
    const declined = { ...base, status: 'rejected', statusReason: { text: random.pick(reasonsToDecline) }, lastModified: answeredOn };
    return { requested: base, answered: [declined], ended: () => null };
  }
  const accepted = { ...base, status: 'accepted', lastModified: answeredOn };
  const done = end === 'done' ? exercise.times : end === 'partly' ? Math.max(exercise.times - random.whole(1, 3), exercise.times === 1 ? 0.5 : 1) : 0;
  const occurrences = 'record' in exercise ? occurrencesOf(client, id, exercise, Math.floor(done), at, instant, random) : [];
  const outputs = [
    parameter('completion-fraction', { valueDecimal: Math.round((done / exercise.times) * 100) / 100 }),
    parameter('difficulty', { valueInteger: random.whole(2, 8) * 10 }),
    parameter('quality-client', { valueInteger: random.whole(1, 4) }),
    parameter('learning', { valueString: random.pick(lessons) }),
    ...occurrences.map((observation) => parameter('response', { valueReference: { reference: `Observation/${observation.id}` } })),
  ];
  const endedOn = instant(at + 6, 17 * 60 + random.whole(0, 180));
  return {
    requested: base,
    answered: [accepted, ...occurrences],
    ended: (reviewedIn) => {
      if (end === 'open') return null;
      if (done === 0) return { ...accepted, status: 'failed', lastModified: endedOn, statusReason: { text: 'There was no time for it this week' } };
      const reviewed = reviewedIn === undefined ? [] : [parameter('quality-therapist', { valueInteger: random.whole(1, 4) }), parameter('reviewed-in', { valueReference: { reference: reviewedIn } })];
      return { ...accepted, status: 'completed', lastModified: endedOn, executionPeriod: { start: instant(at + 1, 18 * 60), end: endedOn }, output: [...outputs, ...reviewed] };
    },
  };
}

/** The times that the client noted, on different days. */
function occurrencesOf(client: Client, task: string, { record, minutes }: { record: string; minutes: number }, count: number, at: number, instant: Calendar['instant'], random: Random): Resource[] {
  return Array.from({ length: count }, (_, n) => ({
    resourceType: 'Observation', id: `${task}-${n + 1}`, meta, status: 'final', code: { text: `${record}: minutes` }, subject: client.patient, performer: [client.patient],
    effectiveDateTime: instant(at + 1 + n, 18 * 60 + random.whole(0, 120)),
    valueQuantity: { value: minutes + random.whole(-2, 4), unit: 'min', system: 'http://unitsofmeasure.org', code: 'min' },
  }));
}
