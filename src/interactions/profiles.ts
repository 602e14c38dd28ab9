import { expansion } from '../fhir/expansion.ts';
import { Problem, type Issue } from '../fhir/outcome.ts';
import { checkProfile, type Known } from '../fhir/profiles/check.ts';
import type { StructureDefinition } from '../fhir/profiles/definition.ts';
import { membersOf, type Members } from '../fhir/profiles/members.ts';
import { namedBy } from '../fhir/profiles/references.ts';
import { compileProfile, isCore, type Profile } from '../fhir/profiles/rules.ts';
import { parseCanonical } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from '../store/database.ts';
import { readDefinition } from '../store/definitions.ts';
import { readClaiming } from '../store/labels.ts';
import { terminology } from './terminology.ts';

/** Profiles are looked up by the service itself: a resource is held against them whoever writes it. */
const own: Visibility = { caller: 'intersession', reach: { kind: 'all' }, restricted: true, grants: new Map([['StructureDefinition', new Set(['r'] as const)]]) };

/** A profile with all that a check by it has to know. */
export interface Loaded { readonly profile: Profile; readonly known: Known }

/** Finds profiles that are stored here. */
export interface ProfileFinder {
  /** @param canonical with or without |version. @returns undefined when it is not stored here. */
  (canonical: string): Promise<Loaded | undefined>;
  /** @returns the profiles that the stored `type`/`id` says it meets: an update that leaves them out keeps them. */
  readonly kept: (type: string, id: string) => Promise<readonly Loaded[]>;
  /** A definition was written: what is remembered may be out of date. */
  readonly forget: () => void;
}

const mostKept = 200;
/** Definitions that one profile may lead to, so that no definition can keep a request busy. */
const mostDefinitions = 300;
const deepestBase = 16;
/** Types whose resources decide what a profile says. */
const deciding = new Set(['StructureDefinition', 'ValueSet', 'CodeSystem']);

/** Forgets what was remembered of the definitions of these types. */
export function forgetDefinitions({ questionnaire, profiles }: { readonly questionnaire: { readonly forget: () => void }; readonly profiles: { readonly forget: () => void } }, types: Iterable<string>): void {
  for (const type of types) {
    if (type === 'Questionnaire' || type === 'ValueSet' || type === 'CodeSystem') questionnaire.forget();
    if (deciding.has(type)) profiles.forget();
  }
}

/**
 * Makes a finder that remembers what was found, and what was not, for `ttlMs`. Another process may go by an earlier definition
 * for that long; the process that changed it does not.
 * @param clock milliseconds, monotonic.
 */
export function profileFinder(connection: Connection, ttlMs: number, clock: () => number): ProfileFinder {
  const found = new Map<string, { at: number; loaded: Promise<Loaded | undefined> }>();
  const finder = (canonical: string): Promise<Loaded | undefined> => {
    const known = found.get(canonical);
    if (known !== undefined && clock() - known.at < ttlMs) return known.loaded;
    const loaded = new Loading(connection).load(canonical);
    if (found.size >= mostKept) found.delete(found.keys().next().value!);
    found.set(canonical, { at: clock(), loaded });
    loaded.catch(() => found.delete(canonical));
    return loaded;
  };
  const keptBy = async (type: string, id: string): Promise<readonly Loaded[]> => {
    const body = await readClaiming(connection, type, id);
    return body === undefined ? [] : (await claimed(JSON.parse(body) as Resource, finder)).held;
  };
  return Object.assign(finder, { kept: keptBy, forget: () => found.clear() });
}

/** Reads a profile and all that it leads to, each once. */
class Loading {
  readonly #connection: Connection;
  readonly #definitions = new Map<string, Promise<StructureDefinition | undefined>>();
  readonly #profiles = new Map<string, Profile>();
  readonly #types = new Map<string, string>();
  readonly #members = new Map<string, Members>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async load(canonical: string): Promise<Loaded | undefined> {
    await this.#profile(canonical);
    const profile = this.#profiles.get(canonical);
    if (profile === undefined) return undefined;
    const [profiles, types, members] = [this.#profiles, this.#types, this.#members];
    return { profile, known: { profile: (each) => profiles.get(each), typeOf: (each) => profiles.get(each)?.type ?? types.get(each), members: (each) => members.get(each) } };
  }

  async #profile(first: string): Promise<void> {
    const open = [first];
    const seen = new Set(open);
    const held = terminology({ database: this.#connection, baseUrl: '', visibility: own });
    for (let canonical = open.pop(); canonical !== undefined; canonical = open.pop()) {
      const definition = await this.#read(canonical);
      if (definition === undefined) continue;
      const profile = compileProfile(await this.#chain(definition));
      this.#profiles.set(canonical, profile);
      const { profiles, targets, valueSets } = namedBy(profile);
      const more = [...profiles].filter((each) => !seen.has(each) && !isCore(each)).slice(0, mostDefinitions - seen.size);
      for (const each of more) seen.add(each);
      open.push(...more);
      for (const each of targets) if (!isCore(each) && !this.#types.has(each)) await this.#type(each);
      for (const each of valueSets) if (!this.#members.has(each)) await this.#valueSet(each, held);
    }
  }

  #read(canonical: string): Promise<StructureDefinition | undefined> {
    const known = this.#definitions.get(canonical);
    if (known !== undefined) return known;
    if (this.#definitions.size >= mostDefinitions) return Promise.resolve(undefined);
    const { url, version } = parseCanonical(canonical);
    const read = readDefinition(this.#connection, own, 'StructureDefinition', url, version === '' ? null : version)
      .then((body) => (body === undefined ? undefined : (JSON.parse(body) as StructureDefinition)));
    this.#definitions.set(canonical, read);
    return read;
  }

  /** The definition and what it is built on. */
  async #chain(definition: StructureDefinition): Promise<StructureDefinition[]> {
    const chain = [definition];
    for (let base = definition.baseDefinition; base !== undefined && !isCore(base) && chain.length < deepestBase;) {
      const next = await this.#read(base);
      if (next === undefined || chain.includes(next)) break;
      chain.push(next);
      base = next.baseDefinition;
    }
    return chain;
  }

  async #type(canonical: string): Promise<void> {
    const type = (await this.#read(canonical))?.type;
    if (type !== undefined) this.#types.set(canonical, type);
  }

  async #valueSet(canonical: string, held: ReturnType<typeof terminology>): Promise<void> {
    try {
      const valueSet = await held.valueSet(canonical);
      if (valueSet !== undefined) this.#members.set(canonical, membersOf(await expansion(valueSet, held)));
    } catch (error) {
      // one that cannot be listed here is not checked, which the check says
      if (!(error instanceof Problem) || error.kind !== 'invalid') throw error;
    }
  }
}

/** @returns the profiles that `resource` says it meets, of those that are stored here, with the position of each in meta.profile. */
export async function claimed(resource: Resource, profiles: (canonical: string) => Promise<Loaded | undefined>): Promise<{ readonly held: readonly Loaded[]; readonly unknown: readonly number[] }> {
  const held: Loaded[] = [];
  const unknown: number[] = [];
  for (const [at, canonical] of claims(resource).entries()) {
    const loaded = isCore(canonical) ? undefined : await profiles(canonical);
    if (loaded !== undefined) held.push(loaded);
    else if (!isCore(canonical)) unknown.push(at);
  }
  return { held, unknown };
}

const claims = (resource: Resource): readonly string[] => (resource.meta?.profile ?? []).filter((canonical) => typeof canonical === 'string');

/** @returns what `resource` breaks of the profiles. */
export const profileIssues = (resource: Resource, held: readonly Loaded[]): Issue[] => held.flatMap(({ profile, known }) => checkProfile(resource, profile, known));
