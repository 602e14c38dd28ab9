import { problem } from '../fhir/outcome.ts';
import { servedType } from '../fhir/types.ts';
import type { Verb } from '../fhir/visibility.ts';

export type Query = readonly (readonly [string, string])[];

/** What a request asks for, told from its method and URL (http://hl7.org/fhir/R4/http.html#summary). */
export type Interaction =
  | { readonly kind: 'capabilities' }
  | { readonly kind: 'bundle' }
  | { readonly kind: 'read'; readonly type: string; readonly id: string; readonly query?: Query }
  | { readonly kind: 'update' | 'patch' | 'delete'; readonly type: string; readonly id: string }
  | { readonly kind: 'vread'; readonly type: string; readonly id: string; readonly version: number; readonly query?: Query }
  | { readonly kind: 'create'; readonly type: string }
  | { readonly kind: 'conditional-update' | 'conditional-delete' | 'conditional-patch'; readonly type: string; readonly condition: string }
  | { readonly kind: 'search'; readonly type: string; readonly query: Query; readonly compartment?: { readonly type: 'Patient'; readonly id: string } }
  | { readonly kind: 'search-system'; readonly query: Query; readonly compartment?: { readonly type: 'Patient'; readonly id: string } }
  | { readonly kind: 'history'; readonly type?: string; readonly id?: string; readonly query: Query }
  | { readonly kind: 'operation'; readonly name: string; readonly method: string; readonly type?: string; readonly id?: string; readonly version?: number; readonly query: Query };

const idForm = /^[A-Za-z0-9\-.]{1,64}$/;

/** The FHIR id rule (http://hl7.org/fhir/R4/datatypes.html#id). */
export const isId = (text: string): boolean => idForm.test(text);

/**
 * @param method GET, HEAD (as GET), POST, PUT, PATCH or DELETE.
 * @param path below the base, without query, e.g. `Patient/1/_history/2`.
 * @param query the part after `?`, undecoded.
 * @param form name-value pairs of a POST _search body.
 * @throws Problem `not-found` (404) for an unknown path or type, `method-not-allowed` (405), `malformed` (400) for a bad id.
 */
export function route(method: string, path: string, query: string, form?: Query): Interaction {
  const parts = segments(path);
  const pairs = (): Query => [...new URLSearchParams(query), ...(form ?? [])];
  const verb = method === 'HEAD' ? 'GET' : method;
  const [first, second, third, fourth] = parts;
  if (first === undefined) return atBase(verb, pairs);
  if (first === '_search' && parts.length === 1) return only(verb, ['POST'], { kind: 'search-system', query: pairs() });
  if (first === 'metadata' && parts.length === 1) return only(verb, ['GET'], { kind: 'capabilities' });
  if (first === '_history' && parts.length === 1) return only(verb, ['GET'], { kind: 'history', query: pairs() });
  if (first.startsWith('$') && parts.length === 1) return only(verb, ['GET', 'POST'], { kind: 'operation', name: first.slice(1), method: verb, query: pairs() });
  if (first === 'CapabilityStatement' && second === '$versions' && parts.length === 2) return only(verb, ['GET', 'POST'], { kind: 'operation', name: 'versions', method: verb, query: pairs() });
  if (servedType(first) === undefined) throw problem('not-found', 'not-supported', 'This service has no such resource type. GET metadata lists what it serves.');
  if (second === undefined) return atType(verb, first, query, pairs);
  if (second === '_search' && parts.length === 2) return only(verb, ['POST'], { kind: 'search', type: first, query: pairs() });
  if (second === '_history' && parts.length === 2) return only(verb, ['GET'], { kind: 'history', type: first, query: pairs() });
  if (second.startsWith('$') && parts.length === 2) return only(verb, ['GET', 'POST'], { kind: 'operation', name: second.slice(1), method: verb, type: first, query: pairs() });
  if (!isId(second)) throw problem('malformed', 'value', 'An id is 1 to 64 letters, digits, hyphens and dots.', `${first}.id`);
  if (third === undefined) return atInstance(verb, first, second, pairs);
  if (third === '_history' && parts.length === 3) return only(verb, ['GET'], { kind: 'history', type: first, id: second, query: pairs() });
  if (third === '_history' && parts.length === 4) return only(verb, ['GET'], { kind: 'vread', type: first, id: second, version: versionOf(fourth!), query: pairs() });
  if (third === '_history' && parts.length === 5 && parts[4]!.startsWith('$')) {
    return only(verb, ['GET', 'POST'], { kind: 'operation', name: parts[4]!.slice(1), method: verb, type: first, id: second, version: versionOf(fourth!), query: pairs() });
  }
  if (third.startsWith('$') && parts.length === 3) return only(verb, ['GET', 'POST'], { kind: 'operation', name: third.slice(1), method: verb, type: first, id: second, query: pairs() });
  if (first === 'Patient' && servedType(third) !== undefined && (parts.length === 3 || (fourth === '_search' && parts.length === 4))) {
    return only(verb, parts.length === 3 ? ['GET'] : ['POST'], { kind: 'search', type: third, query: pairs(), compartment: { type: 'Patient', id: second } });
  }
  if (first === 'Patient' && third === '*' && parts.length === 3) {
    return only(verb, ['GET'], { kind: 'search-system', query: pairs(), compartment: { type: 'Patient', id: second } });
  }
  throw problem('not-found', 'not-found', 'There is nothing at this path.');
}

function segments(path: string): string[] {
  try {
    return path.split('/').filter((part) => part !== '').map(decodeURIComponent);
  } catch {
    throw problem('malformed', 'invalid', 'The path is not properly percent-encoded.');
  }
}

function only(method: string, allowed: readonly string[], interaction: Interaction): Interaction {
  if (allowed.includes(method)) return interaction;
  throw problem('method-not-allowed', 'not-supported', `Here is ${allowed.join(' or ')} only.`, undefined, { allow: allowed.join(', ') });
}

function atBase(method: string, pairs: () => Query): Interaction {
  return method === 'GET' ? { kind: 'search-system', query: pairs() } : only(method, ['GET', 'POST'], { kind: 'bundle' });
}

function atType(method: string, type: string, query: string, pairs: () => Query): Interaction {
  switch (method) {
    case 'GET': return { kind: 'search', type, query: pairs() };
    case 'POST': return { kind: 'create', type };
    case 'PUT': return { kind: 'conditional-update', type, condition: query };
    case 'DELETE': return { kind: 'conditional-delete', type, condition: query };
    case 'PATCH': return { kind: 'conditional-patch', type, condition: query };
    default: return only(method, ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], { kind: 'create', type });
  }
}

function atInstance(method: string, type: string, id: string, pairs: () => Query): Interaction {
  switch (method) {
    case 'GET': return { kind: 'read', type, id, query: pairs() };
    case 'PUT': return { kind: 'update', type, id };
    case 'PATCH': return { kind: 'patch', type, id };
    case 'DELETE': return { kind: 'delete', type, id };
    default: return only(method, ['GET', 'PUT', 'PATCH', 'DELETE'], { kind: 'read', type, id });
  }
}

function versionOf(text: string): number {
  // Versions are 1, 2, 3 ...: anything else names none.
  if (!/^[1-9]\d{0,8}$/.test(text)) throw problem('not-found', 'not-found', 'No such version.');
  return Number(text);
}

/** The scope verb an interaction needs on its type; null: decided by the interaction itself (bundles, operations, system history). */
export function verbOf(interaction: Interaction): { type: string; verb: Verb } | null {
  switch (interaction.kind) {
    case 'read': case 'vread': return { type: interaction.type, verb: 'r' };
    case 'create': return { type: interaction.type, verb: 'c' };
    case 'update': case 'patch': case 'conditional-update': case 'conditional-patch': return { type: interaction.type, verb: 'u' };
    case 'delete': case 'conditional-delete': return { type: interaction.type, verb: 'd' };
    case 'search': return { type: interaction.type, verb: 's' };
    case 'history': return interaction.type === undefined ? null : { type: interaction.type, verb: interaction.id === undefined ? 's' : 'r' };
    default: return null;
  }
}
