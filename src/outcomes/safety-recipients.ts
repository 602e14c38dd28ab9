import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { instant } from './instant.ts';

export interface Recipient { readonly reference: string }

/** Who is told of an alert, in the order in which they are. Absent where there is nobody. */
export interface Recipients { readonly first?: Recipient; readonly second?: Recipient; readonly lead?: Recipient }

interface Participant {
  readonly role?: readonly { readonly coding?: readonly { readonly system?: string; readonly code?: string }[] }[];
  readonly member?: { readonly reference?: string };
  readonly period?: { readonly start?: string; readonly end?: string };
}

const professional = /^(?:Practitioner|PractitionerRole|Organization)\//;

/**
 * Chosen from the professionals of the care team whose period covers `now`, in the order of the team: the first, and the next.
 * The duty lead is who has that role (CodeSystem/care-team-role), else whom the organisation named, else the last of the others.
 * Where there is no care team the general practitioners of the patient stand in. With fewer people than steps the one before hears again.
 */
export function recipients(careTeam: Resource | undefined, patient: Resource | undefined, now: number, dutyLead?: string): Recipients {
  const team = ((careTeam?.participant ?? []) as readonly Participant[]).filter(({ member, period }) =>
    professional.test(member?.reference ?? '') && (instant(period?.start) ?? -Infinity) <= now && now <= lastOf(period?.end));
  const own = team.map(({ member }) => member!.reference!);
  const others = ((patient?.generalPractitioner ?? []) as readonly { reference?: string }[]).flatMap(({ reference }) => (professional.test(reference ?? '') ? [reference!] : []));
  const people = [...new Set(own.length > 0 ? own : others)];
  const appointed = team.find(({ role }) => role?.some(({ coding }) => coding?.some(({ system, code }) => system === codeSystem('care-team-role') && code === 'duty-lead')))?.member?.reference ?? dutyLead;
  // Who leads is not asked first while there is somebody else.
  const ranked = people.filter((one) => one !== appointed);
  const first = ranked[0] ?? appointed;
  const second = ranked[1] ?? appointed ?? first;
  const lead = appointed ?? ranked.slice(2).at(-1) ?? second;
  return { ...named('first', first), ...named('second', second), ...named('lead', lead) };
}

const named = (step: keyof Recipients, reference: string | undefined): Recipients => (reference === undefined ? {} : { [step]: { reference } });

/** A period that ends on a date includes the whole of it (http://hl7.org/fhir/R4/datatypes.html#Period). */
const lastOf = (end: string | undefined): number => (end === undefined ? Infinity : (instant(end) ?? Infinity) + (end.length <= 10 ? 86_400_000 - 1 : 0));
