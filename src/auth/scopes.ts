import { parseCriterion, type Criterion } from '../fhir/criteria.ts';
import { servedType, servedTypes } from '../fhir/types.ts';
import type { Verb } from '../fhir/visibility.ts';

/** The first word of a SMART resource scope: on whose behalf the client reads and writes. */
export type Context = 'patient' | 'user' | 'system';

/** Verbs by resource type. A type that is absent is not granted. */
export type Grants = ReadonlyMap<string, ReadonlySet<Verb>>;

/** A scope that grants nothing, and why: for the log, never for a decision. */
export interface IgnoredScope {
  readonly scope: string;
  /**
   * `malformed`: not the grammar of SMART App Launch; `unserved-type`: a type this service does not have;
   * `criteria`: limited by a query (`?category:in=...`) that this service does not evaluate for single resources, and so must not widen.
   */
  readonly reason: 'malformed' | 'unserved-type' | 'criteria';
}

/** What a granular scope (`patient/Observation.rs?category=...`) grants: verbs on those resources of a type that fulfil a criterion. */
export interface LimitedGrant {
  readonly type: string;
  readonly verbs: ReadonlySet<Verb>;
  readonly criterion: Criterion;
}

/** A scope string, read. */
export interface Scopes {
  /** What is granted without a limit. */
  readonly contexts: ReadonlyMap<Context, Grants>;
  readonly limited: ReadonlyMap<Context, readonly LimitedGrant[]>;
  /** The resource scopes that count, as they were written. */
  readonly understood: readonly string[];
  readonly ignored: readonly IgnoredScope[];
}

/** Scopes about the launch or the person, not about resources: they grant no access to any. */
const launchScopes: ReadonlySet<string> = new Set([
  'openid', 'profile', 'fhirUser', 'launch', 'launch/patient', 'launch/encounter', 'online_access', 'offline_access',
]);

const grammar = /^(patient|user|system)\/(\*|[A-Za-z]+)\.(read|write|\*|[a-z]+)(?:\?(.+))?$/;

/** Version 1 of the scopes, in letters of version 2. */
const version1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };

/** Any subset of the letters in this order; `.dus` is not guessed at. */
const inOrder = /^c?r?u?d?s?$/;

/**
 * Reads a scope string of SMART App Launch (http://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html),
 * version 2 (`patient/Task.rs`) and version 1 (`patient/Task.read`). Fails closed: what is not understood grants nothing.
 *
 * @param text scopes separated by white space, as in the `scope` of a token
 * @returns the grants by context; a wildcard type stands for the types served now
 */
export function parseScopes(text: string): Scopes {
  const contexts = new Map<Context, Map<string, Set<Verb>>>();
  const limited = new Map<Context, LimitedGrant[]>();
  const understood: string[] = [];
  const ignored: IgnoredScope[] = [];
  for (const scope of new Set(text.split(/\s+/).filter((word) => word !== '' && !launchScopes.has(word)))) {
    const read = readScope(scope);
    if (typeof read === 'string') {
      ignored.push({ scope, reason: read });
      continue;
    }
    understood.push(scope);
    const { context, verbs } = read;
    if ('limited' in read) {
      limited.set(context, [...(limited.get(context) ?? []), ...read.limited.map((each) => ({ ...each, verbs: new Set(verbs) }))]);
      continue;
    }
    const grants = contexts.get(context) ?? new Map<string, Set<Verb>>();
    contexts.set(context, grants);
    for (const type of read.types) grants.set(type, new Set([...(grants.get(type) ?? []), ...verbs]));
  }
  return { contexts, limited, understood, ignored };
}

type Read = { readonly context: Context; readonly verbs: readonly Verb[] } & ({ readonly types: readonly string[] } | { readonly limited: readonly Omit<LimitedGrant, 'verbs'>[] });

function readScope(scope: string): Read | IgnoredScope['reason'] {
  const [, context, type, permission, query] = grammar.exec(scope) ?? [];
  if (context === undefined || type === undefined || permission === undefined) return 'malformed';
  const letters = version1[permission] ?? permission;
  if (!inOrder.test(letters)) return 'malformed';
  if (type !== '*' && servedType(type) === undefined) return 'unserved-type';
  const types = type === '*' ? servedTypes : [type];
  const granted = { context: context as Context, verbs: letters.split('') as Verb[] };
  if (query === undefined) return { ...granted, types };
  const limited = types.flatMap((each) => {
    const criterion = parseCriterion(each, query);
    return criterion === undefined ? [] : [{ type: each, criterion }];
  });
  return limited.length === 0 ? 'criteria' : { ...granted, limited };
}
