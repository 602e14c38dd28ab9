import type { Resource } from '../../fhir/resource.ts';
import { answersFor, responseItems, type Answers, type Form } from './answers.ts';
import { calendar, type Calendar } from './calendar.ts';
import { courseOf, curve, measures, type Measure } from './courses.ts';
import { homework, type Homework } from './homework.ts';
import { clientOf, demoIdentifier, intake, meta, type Client } from './people.ts';
import { randomFrom, type Random } from './random.ts';
import { rates, ratingOf } from './ratings.ts';
import { sdcTemp } from '../../outcomes/requests.ts';

export const weeks = 12;

/** The client with the one answer that calls for a look, and the one who amends an answer. */
export const alertClient = 5;
export const amendingClient = 6;

/** Everything that is written at one time: one transaction. */
export interface Step {
  /** For messages: `session 3`. */
  readonly name: string;
  /** Whether it was written before, told from the client's Appointments: each step adds one, or settles one that was booked. */
  readonly isDone: (appointments: ReadonlyMap<string, string>) => boolean;
  readonly resources: readonly Resource[];
}

export interface Forms { readonly phq9: Form; readonly gad7: Form; readonly feedback: Form }

/** @returns the twelve weeks of one client, in order. The same number and date give the same story. */
export function storyOf(number: number, now: string, forms: Forms): Step[] {
  const client = clientOf(number);
  const time = calendar(now, weeks);
  const random = randomFrom(client.id);
  const sessions = sessionsOf(client, random);
  const planned = responsesOf(client, time, forms, random);
  const request = requestToAnswer(client, forms.phq9, 'first', time, -4);
  const followUp = { week: weeks + 1, day: sessions.at(-1)!.day + 14, minute: sessions[0]!.minute, attended: true, virtual: false };
  const steps: Step[] = [begun('intake', client, sessions[0]!, time, [...intake(client, time), request])];
  let agreed: Homework[] = [];
  sessions.forEach((session, at) => {
    const encounter = `${client.id}-session-${session.week}`;
    const ended = agreed.flatMap((one) => one.ended(session.attended ? `Encounter/${encounter}` : undefined) ?? []);
    agreed = session.attended ? agreements(client, session, `Encounter/${encounter}`, time, random) : [];
    steps.push({
      name: `session ${session.week}`,
      isDone: (appointments) => (appointments.get(appointmentId(client, session)) ?? 'booked') !== 'booked',
      resources: [
        appointment(client, session, time, session.attended ? 'fulfilled' : random.chance(0.5) ? 'noshow' : 'cancelled'),
        ...(session.attended ? [encounterOf(client, session, encounter, time)] : []),
        ...(session.attended && rates(client) ? [ratingOf(client, session, forms.feedback, time)] : []),
        ...ended,
        ...planned.filter(({ sentAt }) => sentAt === session.week).map(({ response }) => response),
        ...agreed.map(({ requested }) => requested),
      ],
    });
    const isLast = at === sessions.length - 1;
    const between = [...agreed.flatMap(({ answered }) => answered), ...planned.flatMap(({ amended, sentAt }) => (sentAt === session.week ? amended ?? [] : []))];
    steps.push(begun(`after session ${session.week}`, client, sessions[at + 1] ?? followUp, time, [...between, ...(isLast ? [requestToAnswer(client, forms.phq9, 'follow-up', time, session.day + 1)] : [])]));
  });
  return steps;
}

interface Session { readonly week: number; readonly day: number; readonly minute: number; readonly attended: boolean; readonly virtual: boolean }

/** One appointment a week at the client's own time; one in eight is missed, four at most, never the first. */
function sessionsOf(client: Client, random: Random): Session[] {
  const weekday = random.whole(0, 4), minute = random.whole(8, 17) * 60, virtualShare = client.number % 3 === 0 ? 0.6 : 0.15;
  let missed = 0;
  return Array.from({ length: weeks }, (_, at) => {
    const attended = at === 0 || missed === 4 || !random.chance(1 / 8);
    if (!attended) missed += 1;
    return { week: at + 1, day: at * 7 + weekday, minute, attended, virtual: random.chance(virtualShare) };
  });
}

const appointmentId = (client: Client, { week }: Pick<Session, 'week'>): string => `${client.id}-appointment-${week}`;

function appointment(client: Client, session: Session, { instant }: Calendar, status: string): Resource {
  const id = appointmentId(client, session);
  return {
    resourceType: 'Appointment', id, meta, identifier: demoIdentifier('appointment', id), status, description: session.week > weeks ? 'Follow-up' : `Session ${session.week}`,
    start: instant(session.day, session.minute), end: instant(session.day, session.minute + 50),
    participant: [client.patient, client.therapist].map((actor) => ({ actor, required: 'required', status: status === 'cancelled' && actor === client.patient ? 'declined' : 'accepted' })),
  };
}

/** A step that books the next session. */
function begun(name: string, client: Client, next: Session, time: Calendar, resources: readonly Resource[]): Step {
  return { name, isDone: (appointments) => appointments.has(appointmentId(client, next)), resources: [...resources, appointment(client, next, time, 'booked')] };
}

function encounterOf(client: Client, session: Session, id: string, { instant }: Calendar): Resource {
  const [code, display] = session.virtual ? ['VR', 'virtual'] : ['AMB', 'ambulatory'];
  return {
    resourceType: 'Encounter', id, meta, identifier: demoIdentifier('encounter', id), status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code, display },
    type: [{ text: 'Individual psychotherapy' }], subject: client.patient, episodeOfCare: [client.episode], participant: [{ individual: client.therapist }],
    appointment: [{ reference: `Appointment/${appointmentId(client, session)}` }],
    period: { start: instant(session.day, session.minute), end: instant(session.day, session.minute + 50) },
  };
}

function agreements(client: Client, session: Session, encounter: string, time: Calendar, random: Random): Homework[] {
  return Array.from({ length: random.chance(0.25) ? 2 : 1 }, (_, n) => homework(client, `homework-${session.week}-${n + 1}`, session.day, encounter, time, random));
}

/** "Please fill this in": the service completes it with the response that answers it. */
function requestToAnswer(client: Client, form: Form, name: string, { instant, date }: Calendar, day: number): Resource {
  const id = `${client.id}-request-${name}`;
  return {
    resourceType: 'Task', id, meta, identifier: demoIdentifier('request', id), status: 'requested', intent: 'order',
    code: { coding: [{ system: sdcTemp, code: 'complete-questionnaire' }] }, description: 'Please answer these questions before we meet',
    for: client.patient, owner: client.patient, requester: client.therapist, authoredOn: instant(day, 8 * 60), lastModified: instant(day, 8 * 60),
    restriction: { period: { end: date(day + 14) } },
    input: [{ type: { coding: [{ system: sdcTemp, code: 'questionnaire' }] }, valueCanonical: form.canonical }],
  };
}

interface Planned { readonly sentAt: number; readonly response: Resource; readonly amended?: Resource }

/** The two instruments, each every week or every second week. */
function responsesOf(client: Client, time: Calendar, { phq9, gad7 }: Forms, random: Random): Planned[] {
  const expected = curve(courseOf(client.number), random);
  const shift = random.whole(-1, 2);
  const mood = measures(weeksOf(random), expected, { highest: 24, steepest: 9 }, random);
  const worry = measures(weeksOf(random), (week) => 0.75 * expected(week) + shift, { highest: 21, steepest: 6 }, random);
  return [...mood.map((measure, at) => planned(client, phq9, 'phq-9', measure, at, mood, time, random)),
    ...worry.map((measure, at) => planned(client, gad7, 'gad-7', measure, at, worry, time, random))];
}

/** The first and the last week always; in between some are forgotten. */
function weeksOf(random: Random): number[] {
  const step = random.whole(1, 2);
  return Array.from({ length: weeks }, (_, at) => at + 1).filter((week) => week === 1 || week === weeks || ((week - 1) % step === 0 && !random.chance(0.06)));
}

function planned(client: Client, form: Form, name: string, { week, total }: Measure, at: number, all: readonly Measure[], time: Calendar, random: Random): Planned {
  const { number } = client;
  const isMood = name === 'phq-9';
  const safety = form.scored.at(-1)!.linkId; // of the PHQ-9; every other response answers it with "not at all"
  const isAlert = isMood && number === alertClient && at === all.length - 1;
  const answers = answersFor(form, isAlert ? total - 1 : total, random, isMood ? [safety] : []);
  if (isAlert) answers.set(safety, 1);
  if (number % 15 === 9 && at === 2) answers.set(form.scored[2]!.linkId, null); // one item left open: the total is prorated
  const isLate = isMood && ((number % 12 === 7 && at === 0) || (number % 12 === 3 && at === 2));
  const write = (content: Answers, status: string): Resource => ({
    resourceType: 'QuestionnaireResponse', id: `${client.id}-${name}-${week}`, meta, identifier: demoIdentifier('response', `${client.id}-${name}-${week}`)[0],
    questionnaire: form.canonical, status, subject: client.patient, source: client.patient, author: client.patient, authored: time.instant((week - 1) * 7 - 1, 18 * 60 + (number % 60)),
    item: responseItems(form, content, number % 10 === 4 ? 'number' : 'coding', Math.floor(total / 7)),
  });
  const response = write(answers, 'completed');
  const sentAt = isLate ? week + 2 : week;
  return isMood && number === amendingClient && at === 1 ? { sentAt, response, amended: write(corrected(form, answers), 'amended') } : { sentAt, response };
}

/** The client had meant the next lower answer to one of the questions. */
function corrected(form: Form, answers: Answers): Answers {
  const changed = form.scored.find(({ linkId }) => (answers.get(linkId) ?? 0) > 0)!.linkId;
  return new Map(answers).set(changed, answers.get(changed)! - 1);
}
