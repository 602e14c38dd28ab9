import { z } from 'zod';
import { personForm } from './user.ts';

/** Scopes about the launch and the person, in the order people read them; `scopes.ts` has them as granting nothing. */
export const launchScopes = ['openid', 'fhirUser', 'profile', 'launch', 'launch/patient', 'launch/encounter', 'online_access', 'offline_access'] as const;

const id = z.string().regex(/^[A-Za-z0-9.-]{1,64}$/, 'must be the id of a resource, without its type');

/** What an EHR says of a launch that it opens (http://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html). */
const request = z.strictObject({
  /** Id of the Patient whose record is open. */
  patient: id.optional(),
  /** Id of the Encounter that is open. */
  encounter: id.optional(),
  /** The person at the EHR: only this person can complete the launch. */
  fhirUser: z.string().regex(personForm, 'must be Practitioner/id, Patient/id or RelatedPerson/id').optional(),
  /** The app: only this app can complete the launch. */
  client_id: z.string().min(1).max(128).optional(),
  /** Whether the app must show whose record it shows, because the EHR does not. */
  need_patient_banner: z.boolean().default(true),
});

export type LaunchRequest = z.infer<typeof request>;

/** The launch context that a grant is given, as the token response tells it. */
export interface GrantedContext {
  readonly patient?: string;
  readonly encounter?: string;
  readonly needPatientBanner: boolean;
}

/** @returns the launch, or what is wrong with it. */
export function readLaunch(value: unknown): { readonly launch: LaunchRequest } | { readonly wrong: readonly string[] } {
  const parsed = request.safeParse(value);
  if (!parsed.success) return { wrong: parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'launch'} ${message}`) };
  if (parsed.data.encounter !== undefined && parsed.data.patient === undefined) return { wrong: ['encounter needs the patient whose encounter it is'] };
  return { launch: parsed.data };
}
