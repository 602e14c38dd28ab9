import message from '../../schemas/safety/client-message.json' with { type: 'json' };
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Alert } from './safety.ts';
import { limitsOf, recipientsIn, type AlertContext } from './safety-resources.ts';
import type { CrisisContact, SafetySettings } from './safety-settings.ts';
import { nextStaffed } from './staffed-hours.ts';
import { zoneOf } from './time-zone.ts';

/** Id of the message that the client gets at once: one for a response, however many alerts it raises. */
export const clientMessageId = (responseId: string): string => derivedId(responseId, 'client-message');

/**
 * @returns the message to the client whose answers raised `alerts`: thanks, who looks by when, from when on anybody may see it
 * where nobody is there now, and whom to reach at once. It says nothing of what was answered.
 */
export function clientMessage(alerts: readonly Alert[], response: Resource, context: AlertContext): Resource {
  const { patient, device, now, settings } = context;
  return {
    resourceType: 'Communication',
    id: clientMessageId(response.id!),
    partOf: [{ reference: `QuestionnaireResponse/${response.id}` }],
    status: 'completed',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/communication-category', code: 'notification', display: 'Notification' }] }],
    subject: { reference: patient },
    recipient: [{ reference: patient }],
    sent: now,
    sender: { reference: device },
    payload: [
      { contentString: sentences(alerts, response, context).join(' ') },
      ...contactLines(context.patientResource, settings).map((contentString) => ({ contentString })),
      { contentString: settings.words.boundary },
    ],
  };
}

function sentences(alerts: readonly Alert[], response: Resource, context: AlertContext): string[] {
  const { now, settings: { words, staffedHours: hours } } = context;
  const at = Date.parse(now);
  // By the clock that the client looks at, where it is known.
  const zone = zoneOf(context.patientResource, hours?.timeZone ?? context.zone ?? 'UTC');
  const told = (instant: number): string => localTime(instant, zone);
  const ends = alerts.map((alert) => limitsOf(alert, response, context)?.end).filter((end) => end !== undefined).map((end) => Date.parse(end)).filter((end) => end > at);
  const limit = ends.length === 0 ? undefined : Math.min(...ends);
  const who = recipientsIn(context).first;
  const opens = hours === undefined ? at : nextStaffed(hours, at);
  return [
    words.thanks,
    // A time that is over (answers that were sent late) is no promise; where nobody could be told, nobody is waited for.
    who === undefined ? words.unassigned : (limit === undefined ? words.told : words.seen.replaceAll('{limit}', told(limit))).replaceAll('{who}', message.who),
    ...(opens === null || opens <= at ? [] : [words.unstaffed.replaceAll('{opens}', told(opens))]),
    words.waiting,
  ];
}

const formats = new Map<string, Intl.DateTimeFormat>();

function localTime(at: number, timeZone: string): string {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' });
  formats.set(timeZone, format);
  return format.format(at);
}

/** @returns whom to reach at once, a line each, where the patient lives. */
export const contactLines = (patient: Resource | undefined, settings: SafetySettings): string[] => contactsFor(patient, settings).map(contactLine);

/** The contacts of the country in the patient's address (ISO 3166, two letters), else those for everywhere. */
function contactsFor(patient: Resource | undefined, { contacts }: SafetySettings): readonly CrisisContact[] {
  const countries = ((patient?.address ?? []) as readonly { country?: string }[]).map(({ country }) => country?.trim().toUpperCase() ?? '');
  return countries.map((country) => contacts[country]).find((list) => list !== undefined) ?? contacts['*']!;
}

const contactLine = ({ name, phone, text, url, hours }: CrisisContact): string => {
  const ways = [phone, text, url].filter((way) => way !== undefined).join(', ');
  return `${name}${ways === '' ? '' : `: ${ways}`}${hours === undefined ? '' : ` (${hours})`}`;
};
