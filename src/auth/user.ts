import { z } from 'zod';
import { isPasswordHash } from './password.ts';

/** The person behind a user: whose record or caseload the user's apps reach. */
export const personForm = /^(?:Practitioner|Patient|RelatedPerson)\/[A-Za-z0-9.-]{1,64}$/;

export const nameForm = /^[^\s\p{Cc}](?:[^\p{Cc}]{0,98}[^\s\p{Cc}])?$/u;

/** How a user stands in USERS_FILE: with a hash that `npm run user -- hash` prints. */
const entry = z.strictObject({
  /** `sub` of the tokens: never given to somebody else. */
  id: z.uuid('must be a UUID: it stays with the person'),
  name: z.string().regex(nameForm, 'must be 1 to 100 characters without control characters'),
  password: z.string().refine(isPasswordHash, 'must be a hash that npm run user -- hash prints, never the password itself'),
  fhirUser: z.string().regex(personForm, 'must be Practitioner/id, Patient/id or RelatedPerson/id'),
});

export type UserEntry = z.infer<typeof entry>;

/** @returns the user, or what is wrong with it, one line an element. */
export function readUser(value: unknown): { readonly user: UserEntry } | { readonly wrong: readonly string[] } {
  const parsed = entry.safeParse(value);
  return parsed.success ? { user: parsed.data } : { wrong: parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'user'} ${message}`) };
}
