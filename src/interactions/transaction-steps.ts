import { authorize } from '../auth/decide.ts';
import { entriesOf, type Entry } from '../fhir/bundle.ts';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { operations } from '../operations/operations.ts';
import type { WriteRequest } from '../store/unit.ts';
import type { Context } from './context.ts';
import { route, verbOf, type Interaction } from './route.ts';

/** Entries of one Bundle at most; 413 beyond. */
export const largestBundle = 5000;

/** One entry of a transaction on its way. */
export interface Step {
  readonly entry: Entry;
  readonly at: number;
  readonly interaction: Interaction;
  /** The condition that decides where it goes, and the id of what that matches. */
  plan?: SearchPlan;
  match?: string;
  /** Id of what is created, or of what a conditional update meets. */
  id?: string;
  /** Whether `id` is new, or of what the condition matches. */
  linked?: 'new' | 'existing';
  /** An earlier create under the same condition: this one meets what that one makes. */
  sameAs?: Step;
  /** Several for a conditional delete that may delete several, none where nothing is left to do. */
  writes?: readonly WriteRequest[];
}

/** @throws Problem that names the entry which asks for something that no transaction does, or that the caller may not do. */
export function stepsOf(context: Context, bundle: Resource): Step[] {
  const entries = entriesOf(bundle);
  if (entries.length > largestBundle) throw problem('too-large', 'too-costly', `A Bundle takes ${largestBundle} entries at most; split it.`, 'Bundle.entry');
  return entries.map((entry, at) => located(at, () => {
    const [path, query] = splitUrl(entry.url, context.baseUrl);
    const interaction = route(entry.method, path, query);
    if (interaction.kind === 'bundle') throw problem('not-supported', 'not-supported', 'A transaction cannot hold another Bundle.', 'request.url');
    if (interaction.kind === 'operation' && operations.get(interaction.name)?.changes === true) {
      throw problem('not-supported', 'not-supported', 'An operation that changes something is not part of a transaction; call it by itself or in a batch.', 'request.url');
    }
    const needs = verbOf(interaction);
    if (needs !== null) authorize(context.visibility, needs.type, needs.verb);
    if (/^(create|update|conditional-update)$/.test(interaction.kind) && !isObject(entry.resource)) throw problem('malformed', 'required', 'This entry needs a resource.', 'resource');
    return { entry, at, interaction };
  }));
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The context of one entry: the conditional headers are its own; those of the surrounding request are not inherited.
 * @throws Problem `malformed` for an ifMatch that is no ETag of this service.
 */
export function entryContext(context: Context, entry: Entry): Context {
  const version = entry.ifMatch === undefined ? undefined : /^(?:W\/)?"?(\d{1,9})"?$/.exec(entry.ifMatch.trim())?.[1];
  if (entry.ifMatch !== undefined && version === undefined) throw problem('malformed', 'value', 'ifMatch must be an ETag such as W/"3".', 'request.ifMatch');
  return {
    ...context,
    idempotencyKey: undefined,
    ifMatch: version === undefined ? undefined : Number(version),
    ifNoneExist: entry.ifNoneExist,
    ifNoneMatch: entry.ifNoneMatch,
    ifModifiedSince: entry.ifModifiedSince,
  };
}

/**
 * Path and query of an entry's url, which is relative to the base or absolute on this base.
 * @throws Problem `not-acceptable` when `_format` asks for other than JSON, in which the whole answer is.
 */
export function splitUrl(url: string, baseUrl: string): [path: string, query: string] {
  const relative = url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length + 1) : url.replace(/^\//, '');
  const mark = relative.indexOf('?');
  if (mark < 0) return [relative, ''];
  const query = relative.slice(mark + 1);
  const format = new URLSearchParams(query).get('_format');
  if (format !== null && !/^(application\/(fhir[+ ])?|text\/)?json\s*(;|$)/i.test(format)) {
    throw problem('not-acceptable', 'not-supported', 'What an entry brings is part of the answer, which is JSON: leave _format out or say json.', 'request.url');
  }
  return [relative.slice(0, mark), query];
}

/** Runs `work` and says of a refusal which entry it is about. */
export function located<T>(at: number, work: () => T): T {
  const rethrow = (error: unknown): never => { throw error instanceof Problem ? atEntry(error, at) : error; };
  try {
    const result = work();
    return result instanceof Promise ? (result.catch(rethrow) as T) : result;
  } catch (error) {
    return rethrow(error);
  }
}

/** Says of a refusal which entry it is about: its expression becomes `Bundle.entry[n]...`. */
export function atEntry(error: Problem, at: number): Problem {
  if (error.issues[0]?.expression?.startsWith('Bundle.entry[')) return error;
  const issues = error.issues.map((issue) => {
    const inner = issue.expression;
    // a parameter of the query is in the url of the entry
    const path = inner === undefined ? '' : inner.startsWith('http.') ? '.request.url' : /^(request|resource)\b/.test(inner) ? `.${inner}` : `.resource.${inner.replace(/^[A-Z][A-Za-z]*\.?/, '')}`.replace(/\.$/, '');
    return { ...issue, expression: `Bundle.entry[${at}]${path}` };
  });
  return new Problem(error.kind, issues, { ...error.headers });
}
