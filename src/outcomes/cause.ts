import type { Resource } from '../fhir/resource.ts';
import { dayIn } from './local-time.ts';
import { dayOf } from './plain-words.ts';

/** What led to a version of a computed Observation: the changes that its Provenance names as its sources. Pure. */

/** One changed resource. */
export interface Source {
  /** `Type/id`, with `/_history/` and the version that it was changed to. */
  readonly reference: string;
  /** As it is now; absent: it was deleted, or is not shown. */
  readonly resource?: Resource;
}

/** @returns references of the sources that a Provenance of this service names; [] where a record was computed anew as a whole. */
export const sourcesIn = (provenance: Resource): string[] => ((provenance['entity'] ?? []) as { role?: string; what?: { reference?: string } }[])
  .flatMap(({ role, what }) => (role === 'source' ? what?.reference ?? [] : []));

interface Timed { readonly authored?: string; readonly effectiveDateTime?: string; readonly period?: { readonly start?: string } }

/** What a source is called, and which of its times says which one it is. */
const kinds: Readonly<Record<string, { readonly words: string; readonly time: (resource: Timed) => string | undefined } | undefined>> = {
  QuestionnaireResponse: { words: 'the answers of', time: ({ authored }) => authored },
  Observation: { words: 'the total of another system of', time: ({ effectiveDateTime }) => effectiveDateTime },
  Encounter: { words: 'the session of', time: ({ period }) => period?.start },
  EpisodeOfCare: { words: 'the therapy that began on', time: ({ period }) => period?.start },
};

/** @returns the sources in words, e.g. `the session of 5 March 2024 (new)`. */
export const causeWords = (sources: readonly Source[], zone: string): string => sources.map((source) => sourceWords(source, zone)).join(', ');

function sourceWords({ reference, resource }: Source, zone: string): string {
  if (resource === undefined) return 'something that was deleted or that this access does not show';
  const how = reference.endsWith('/_history/1') ? 'new' : resource.status === 'entered-in-error' ? 'withdrawn' : 'changed';
  if (resource.resourceType === 'Patient') return `what is known of the person (${how})`;
  const kind = kinds[resource.resourceType];
  const time = kind?.time(resource as Timed);
  return kind === undefined || time === undefined ? `something of the record (${how})` : `${kind.words} ${dayOf(dayIn(time, zone))} (${how})`;
}
