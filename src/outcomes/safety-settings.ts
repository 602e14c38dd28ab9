import { z } from 'zod';
import message from '../../schemas/safety/client-message.json' with { type: 'json' };
import phraseList from '../../schemas/safety/phrases.json' with { type: 'json' };
import { phraseIndex, type PhraseIndex } from './safety-phrases.ts';
import { staffedHours, type StaffedHours } from './staffed-hours.ts';

/** What an organisation decides about safety reviews, with the service's own defaults (docs/clinical.md 7, docs/operations.md). */

const priority = z.enum(['routine', 'urgent', 'asap', 'stat']);
const minutes = z.partialRecord(priority, z.number().positive());

const rules = z.strictObject({
  /** Minutes in which a review must be acknowledged: by priority for one trigger, or under `*` for all. */
  minutes: z.record(z.string(), minutes).default({}),
  staffedHours: staffedHours.optional(),
  phrases: z.strictObject({
    /** Entries that the clinicians may read. */
    shared: z.boolean().default(true),
    /** Entries that the client keeps private. Only where the client was told. */
    private: z.boolean().default(false),
    languages: z.array(z.enum(Object.keys(phraseList.languages) as [keyof typeof phraseList.languages])).min(1).optional(),
    /** Phrases beside those that come with the service. */
    more: z.array(z.string().min(3)).default([]),
  }).prefault({}),
  /** Who hears of a review that nobody acknowledged in twice its time, where the CareTeam names no duty lead. */
  dutyLead: z.string().regex(/^(?:Practitioner|PractitionerRole|Organization)\/[A-Za-z0-9.-]{1,64}$/, 'must be a reference such as Practitioner/anna').optional(),
  /** Words of the message to the client; `{who}`, `{limit}` and `{opens}` are filled in. `told`: no limit is ahead; `unassigned`: there is nobody who could be told. */
  clientMessage: z.strictObject({
    thanks: z.string().min(1), seen: z.string().min(1), told: z.string().min(1), unassigned: z.string().min(1), unstaffed: z.string().includes('{opens}'), waiting: z.string().min(1), boundary: z.string().min(1),
  }).partial().default({}),
});

const contact = z.strictObject({ name: z.string().min(1), phone: z.string().min(1).optional(), text: z.string().min(1).optional(), url: z.url().optional(), hours: z.string().min(1).optional() });
const contacts = z.record(z.string().regex(/^(?:[A-Z]{2}|\*)$/, 'must be a country code such as GB, or * for all others'), z.array(contact).min(1));

/** A way to reach somebody at once. */
export type CrisisContact = z.infer<typeof contact>;

export interface SafetySettings {
  readonly minutes: Readonly<Record<string, Readonly<Partial<Record<z.infer<typeof priority>, number>>>>>;
  readonly staffedHours?: StaffedHours;
  readonly phrases: { readonly shared: boolean; readonly private: boolean; readonly index: PhraseIndex };
  readonly dutyLead?: string;
  readonly words: Readonly<Record<keyof typeof message.text, string>>;
  /** By country code; `*` for all others. */
  readonly contacts: Readonly<Record<string, readonly CrisisContact[]>>;
}

/**
 * @param given the parsed files of a deployment; what is absent stays as the service has it.
 * @throws Error with one line for each element that is wrong.
 */
export function safetySettings(given: { readonly rules?: unknown; readonly contacts?: unknown } = {}): SafetySettings {
  const { minutes: times, staffedHours: hours, phrases, dutyLead, clientMessage } = checked(rules, given.rules ?? {}, 'SAFETY_RULES');
  const own = checked(contacts, given.contacts ?? {}, 'CRISIS_CONTACTS');
  const languages = phrases.languages ?? (Object.keys(phraseList.languages) as (keyof typeof phraseList.languages)[]);
  return Object.freeze({
    minutes: times,
    ...(hours === undefined ? {} : { staffedHours: hours }),
    phrases: { shared: phrases.shared, private: phrases.private, index: phraseIndex([...languages.flatMap((language) => phraseList.languages[language]), ...phrases.more]) },
    ...(dutyLead === undefined ? {} : { dutyLead }),
    words: { ...message.text, ...clientMessage },
    contacts: { ...message.contacts, ...own },
  });
}

function checked<T extends z.ZodType>(schema: T, value: unknown, name: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message: text }) => `${name} ${path.join('.') || '(the file)'}: ${text}`).join('\n'));
}

/** What holds where a deployment has set nothing. */
export const defaultSafety: SafetySettings = safetySettings();
