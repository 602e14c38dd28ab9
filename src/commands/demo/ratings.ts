import type { Resource } from '../../fhir/resource.ts';
import type { Form } from './answers.ts';
import type { Calendar } from './calendar.ts';
import { demoIdentifier, meta, type Client } from './people.ts';
import { randomFrom } from './random.ts';

/** What some clients say of each session: every third one answers the session feedback, on the evening of the session. */

interface Session { readonly week: number; readonly day: number }

/** The week in which a rating drops, and how many weeks it stays there: with the second kind of client to the end. */
const drop = { week: 8, back: 10 };

/** @returns whether a client answers the session feedback. */
export const rates = ({ number }: Client): boolean => number % 3 === 1;

/** Every second of them comes back to where it was, the others say what they would like. */
const comesBack = ({ number }: Client): boolean => number % 2 === 1;

/** @returns the session feedback of one session; its sum goes up and down by a point, but for one drop. */
export function ratingOf(client: Client, { week, day }: Session, form: Form, { instant }: Calendar): Resource {
  const random = randomFrom(`${client.id}-feedback-${week}`);
  const isLow = week >= drop.week && (week < drop.back || !comesBack(client));
  const total = Math.min(10 * form.ratings.length, (isLow ? 41 : 50) + random.whole(-1, 1));
  const id = `${client.id}-feedback-${week}`;
  const says = week === drop.week + 1 && !comesBack(client) ? [{ linkId: 'more-of', answer: [{ valueString: 'More time to practise together, and less of going through the week' }] }] : [];
  return {
    resourceType: 'QuestionnaireResponse', id, meta, identifier: demoIdentifier('response', id)[0],
    questionnaire: form.canonical, status: 'completed', subject: client.patient, source: client.patient, author: client.patient, authored: instant(day, 20 * 60),
    encounter: { reference: `Encounter/${client.id}-session-${week}` },
    item: [...form.ratings.map(({ linkId, text }, at) => ({ linkId, text, answer: [{ valueInteger: Math.floor((total + at) / form.ratings.length) }] })), ...says],
  };
}
