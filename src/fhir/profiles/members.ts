import { memberKey, type Expansion } from '../expansion.ts';

/** The codes of a value set, ready to be asked. */
export interface Members {
  /** @param system undefined for an element of type code, which names none. */
  has(system: string | undefined, code: string): boolean;
}

/** @returns the members of an expansion. */
export function membersOf({ members }: Expansion): Members {
  const codes = new Set([...members.values()].map(({ code }) => code));
  return { has: (system, code) => (system === undefined ? codes.has(code) : members.has(memberKey(system, code))) };
}

interface Coding { readonly system?: string; readonly code?: string }

/** @returns whether a code, Coding, CodeableConcept or Quantity has a code of `members`; `said` tells whether it has any code at all. */
export function isMember(value: unknown, members: Members): { readonly said: boolean; readonly is: boolean } {
  if (typeof value === 'string') return { said: true, is: members.has(undefined, value) };
  const { coding, system, code } = (value ?? {}) as Coding & { coding?: readonly Coding[] };
  const codings = coding ?? (code === undefined && system === undefined ? [] : [{ system, code } as Coding]);
  return {
    said: codings.some((each) => each.code !== undefined),
    is: codings.some((each) => each.code !== undefined && each.system !== undefined && members.has(each.system, each.code)),
  };
}
