import type { Designation, HeldSystem } from './code-systems.ts';
import { expansion, memberKey, quoted, type Held, type Member } from './expansion.ts';
import { stringFold } from './index-keys.ts';
import type { Resource } from './resource.ts';

/** Whether a code is one of a value set or of a code system (http://hl7.org/fhir/R4/valueset-operation-validate-code.html). */

export interface Coding { readonly system?: string; readonly version?: string; readonly code?: string; readonly display?: string }

export interface Verdict {
  readonly result: boolean;
  /** Why not; or what could not be checked. */
  readonly message?: string;
  /** What the code is called here. */
  readonly display?: string;
}

interface Named { readonly display?: string; readonly designation: readonly Designation[] }

/** A code that is there: its display must be one of those that are known, where any is. */
function named({ display, designation }: Named, given: string | undefined, note: string | undefined): Verdict {
  const own = display === undefined ? {} : { display };
  const names = [display, ...designation.map(({ value }) => value)].filter((name) => name !== undefined);
  if (given === undefined) return { result: true, ...own, ...(note === undefined ? {} : { message: note }) };
  if (names.length === 0) return { result: true, message: 'The code is right. What it is called is not known here, so the display was not checked.' };
  if (names.some((name) => stringFold(name) === stringFold(given))) return { result: true, ...own, ...(note === undefined ? {} : { message: note }) };
  return { result: false, ...own, message: `The code is right, but its display is not: it is called "${names[0]}".` };
}

/**
 * @returns whether `coding` is in `valueSet`.
 * @throws Problem as `expansion` does, where it cannot be told.
 */
export async function inValueSet(valueSet: Resource, { system, version, code, display }: Coding, held: Held): Promise<Verdict> {
  if (code === undefined || system === undefined) return { result: false, message: 'A coding without a code or a system is in no value set.' };
  const { members, warnings } = await expansion(valueSet, held, system);
  const found = members.get(memberKey(system, code)) ?? members.get(memberKey(system, (await held.codeSystem(system, null))?.find(code)?.code ?? code));
  if (found === undefined) return { result: false, message: `The code ${quoted(code)} of ${quoted(system)} is not in the value set.` };
  if (version !== undefined && found.version !== undefined && version !== found.version) {
    return { result: false, message: `The code is in the value set as of version ${quoted(found.version)} of its system, not of ${quoted(version)}.` };
  }
  return named(found, display, [...warnings][0] ?? note(found));
}

const note = ({ inactive, abstract }: Pick<Member, 'inactive' | 'abstract'>): string | undefined =>
  inactive ? 'The code is not active any more.' : abstract ? 'The code groups others and is not meant to be recorded.' : undefined;

/** @returns whether `coding` is a concept of `system`. */
export function inCodeSystem(system: HeldSystem, { system: given, version, code, display }: Coding): Verdict {
  if (given !== undefined && given !== system.url) return { result: false, message: `The coding is of ${quoted(given)}, not of ${quoted(system.url)}.` };
  if (version !== undefined && system.version !== undefined && version !== system.version) return { result: false, message: `Version ${quoted(version)} of the system is not held here, but ${quoted(system.version)}.` };
  const found = code === undefined ? undefined : system.find(code);
  if (found === undefined) {
    return { result: false, message: system.complete ? `${quoted(system.url)} has no code ${quoted(code ?? '')}.` : `The code ${quoted(code ?? '')} is not in the part of ${quoted(system.url)} that is held here.` };
  }
  return named(found, display, note(found));
}

/** @returns the first coding that is right; or why none is. */
export async function anyOf(codings: readonly Coding[], check: (coding: Coding) => Promise<Verdict> | Verdict): Promise<Verdict> {
  if (codings.length === 0) return { result: false, message: 'There is no coding to check.' };
  const verdicts: Verdict[] = [];
  for (const coding of codings) {
    const verdict = await check(coding);
    if (verdict.result) return verdict;
    verdicts.push(verdict);
  }
  return verdicts.length === 1 ? verdicts[0]! : { result: false, message: verdicts.map(({ message }) => message).join(' ') };
}

/** How two concepts of one system are related (http://hl7.org/fhir/R4/codesystem-operation-subsumes.html); undefined: one of them is not there. */
export function subsumption(system: HeldSystem, codeA: string, codeB: string): 'equivalent' | 'subsumes' | 'subsumed-by' | 'not-subsumed' | undefined {
  const a = system.find(codeA)?.code;
  const b = system.find(codeB)?.code;
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 'equivalent';
  return system.below(a).has(b) ? 'subsumes' : system.below(b).has(a) ? 'subsumed-by' : 'not-subsumed';
}
