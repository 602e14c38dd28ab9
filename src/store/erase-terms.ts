import type { Resource } from '../fhir/resource.ts';

interface Name { readonly text?: string; readonly family?: string; readonly given?: readonly string[] }
interface Address { readonly text?: string; readonly line?: readonly string[] }

/** Shorter words are part of too many others. */
const shortest = 3;

/**
 * What in a search would tell that this person was looked for: names, identifiers, telephone numbers, addresses; in lower
 * case, as they are and as a URL has them.
 * @param patients the Patient and those of its contacts that are to be found too, in all versions.
 */
export function identifyingTerms(patients: readonly Resource[]): string[] {
  const terms = new Set<string>();
  const add = (text: unknown): void => {
    if (typeof text !== 'string' || text.length < shortest) return;
    const lower = text.toLowerCase();
    for (const form of [lower, encodeURIComponent(lower).toLowerCase(), encodeURIComponent(lower).toLowerCase().replaceAll('%20', '+')]) terms.add(form);
  };
  const named = (name: Name | undefined): void => {
    for (const text of [name?.text, name?.family, ...(name?.given ?? [])]) add(text);
  };
  for (const patient of patients) {
    for (const name of (patient['name'] ?? []) as Name[]) named(name);
    for (const { name } of (patient['contact'] ?? []) as { name?: Name }[]) named(name);
    for (const { value } of [...((patient['identifier'] ?? []) as { value?: string }[]), ...((patient['telecom'] ?? []) as { value?: string }[])]) add(value);
    for (const { text, line } of (patient['address'] ?? []) as Address[]) for (const each of [text, ...(line ?? [])]) add(each);
  }
  return [...terms];
}
