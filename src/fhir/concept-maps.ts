import type { Coding } from './code-validation.ts';
import type { Resource } from './resource.ts';

/** What a concept is in another system, as ConceptMaps say (http://hl7.org/fhir/R4/conceptmap-operation-translate.html). */

export interface Match {
  readonly equivalence: string;
  readonly concept: Coding;
  /** Canonical of the map that says so. */
  readonly source?: string;
}

interface Target { readonly code?: string; readonly display?: string; readonly equivalence?: string; readonly dependsOn?: readonly object[] }
interface Element { readonly code?: string; readonly display?: string; readonly target?: readonly Target[] }
interface Unmapped { readonly mode?: string; readonly code?: string; readonly display?: string; readonly url?: string }
interface Group { readonly source?: string; readonly sourceVersion?: string; readonly target?: string; readonly targetVersion?: string; readonly element?: readonly Element[]; readonly unmapped?: Unmapped }

/** What is asked. */
export interface Translation {
  readonly coding: Coding;
  /** Only into this system. */
  readonly targetSystem?: string;
  /** From the targets of the map to its sources. */
  readonly reverse: boolean;
  /** Finds the map that a group names for what it does not have. */
  readonly map: (canonical: string) => Promise<Resource | undefined>;
}

/** The same relation, seen from the other side. */
const reversed: Readonly<Record<string, string>> = { wider: 'narrower', narrower: 'wider', subsumes: 'specializes', specializes: 'subsumes' };

const deepestMap = 5;

/**
 * @returns every match of the coding in `map`. Targets that depend on further elements are left out: whether they hold is
 * not known here.
 */
export async function translations(map: Resource, asked: Translation, depth = 0): Promise<Match[]> {
  const matches: Match[] = [];
  for (const group of (map['group'] ?? []) as readonly Group[]) {
    if (asked.reverse) matches.push(...backward(map, group, asked));
    else matches.push(...(await forward(map, group, asked, depth)));
  }
  return matches;
}

/** Whether a group is about this coding; a coding without a system is looked for in all. */
const concerns = (system: string | undefined, version: string | undefined, coding: Coding): boolean =>
  (coding.system === undefined || system === coding.system) && (coding.version === undefined || version === undefined || version === coding.version);

const origin = ({ url, version }: Resource): { source?: string } =>
  (typeof url === 'string' ? { source: typeof version === 'string' ? `${url}|${version}` : url } : {});

const concept = (system: string | undefined, version: string | undefined, code: string | undefined, display: string | undefined): Coding => ({
  ...(system === undefined ? {} : { system }), ...(version === undefined ? {} : { version }), ...(code === undefined ? {} : { code }), ...(display === undefined ? {} : { display }),
});

async function forward(map: Resource, group: Group, asked: Translation, depth: number): Promise<Match[]> {
  const { source, sourceVersion, target, targetVersion, element = [], unmapped } = group;
  const { coding, targetSystem } = asked;
  if (!concerns(source, sourceVersion, coding) || (targetSystem !== undefined && target !== targetSystem && unmapped?.mode !== 'other-map')) return [];
  const mapped = element.filter(({ code }) => code === coding.code);
  if (mapped.length === 0) return unmapped === undefined ? [] : elsewhere(map, group, unmapped, asked, depth);
  if (targetSystem !== undefined && target !== targetSystem) return [];
  return mapped.flatMap(({ target: targets = [] }) => targets.filter(isSure).map(({ code, display, equivalence = 'relatedto' }): Match =>
    ({ equivalence, concept: concept(target, targetVersion, code, display), ...origin(map) })));
}

const isSure = ({ dependsOn = [] }: Target): boolean => dependsOn.length === 0;

/** What a group says of the codes that it does not list (http://hl7.org/fhir/R4/conceptmap.html#unmapped). */
async function elsewhere(map: Resource, { target, targetVersion }: Group, { mode, code, display, url }: Unmapped, asked: Translation, depth: number): Promise<Match[]> {
  switch (mode) {
    case 'provided': return [{ equivalence: 'equal', concept: concept(target, targetVersion, asked.coding.code, asked.coding.display), ...origin(map) }];
    case 'fixed': return [{ equivalence: 'inexact', concept: concept(target, targetVersion, code, display), ...origin(map) }];
    case 'other-map': {
      const other = url === undefined || depth >= deepestMap ? undefined : await asked.map(url);
      return other === undefined ? [] : translations(other, asked, depth + 1);
    }
    default: return [];
  }
}

function backward(map: Resource, { source, sourceVersion, target, targetVersion, element = [] }: Group, { coding, targetSystem }: Translation): Match[] {
  if (!concerns(target, targetVersion, coding) || (targetSystem !== undefined && source !== targetSystem)) return [];
  return element.flatMap(({ code, display, target: targets = [] }) => targets
    .filter((each) => each.code === coding.code && isSure(each))
    .map(({ equivalence = 'relatedto' }): Match => ({ equivalence: reversed[equivalence] ?? equivalence, concept: concept(source, sourceVersion, code, display), ...origin(map) })));
}

/** Whether a match is a translation: `unmatched` and `disjoint` say that there is none. */
export const isTranslation = ({ equivalence }: Match): boolean => equivalence !== 'unmatched' && equivalence !== 'disjoint';
