import { prettyJson } from '../fhir/json-pretty.ts';
import { operationOutcome, problem, Problem, type ProblemKind } from '../fhir/outcome.ts';
import type { Answer } from '../interactions/context.ts';
import type { Incoming } from './request.ts';

/** The one table from kinds of refusal to HTTP status (http://hl7.org/fhir/R4/http.html). */
const statuses: Readonly<Record<ProblemKind, number>> = {
  malformed: 400,
  'not-supported': 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  conflict: 409,
  gone: 410,
  'precondition-failed': 412,
  'too-large': 413,
  'unsupported-media-type': 415,
  invalid: 422,
  throttled: 429,
  internal: 500,
  'too-costly': 503,
  unavailable: 503,
};

/** @returns the HTTP status of a Problem. */
export const statusOf = ({ kind }: Problem): number => statuses[kind];

/** @returns the answer that says a refusal. */
export function refusalAnswer(refusal: Problem): Answer {
  return { status: statusOf(refusal), headers: refusal.headers, body: JSON.stringify(operationOutcome(refusal.issues)) };
}

/** A defect of the service: nothing of it is told, the request id finds it in the log. */
export function defect(requestId: string): Problem {
  return problem('internal', 'exception', `The service failed on this request. Its log has it under ${requestId}.`);
}

/**
 * On every answer: it is kept by nobody on the way, and a browser that is pointed at it neither guesses a type, runs what a
 * narrative holds, shows it in a frame, nor passes its address on. HSTS belongs to whoever ends TLS: this process speaks HTTP.
 */
export const safeguards: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
};

/** The bytes and headers of an answer. `_pretty=true` indents; numbers stay as they are written. */
export function represent(request: Incoming, answer: Answer): { status: number; headers: Record<string, string>; body: string | Buffer } {
  const headers: Record<string, string> = { 'x-request-id': request.id, ...safeguards, ...answer.headers };
  if (answer.content !== undefined) return { status: answer.status, headers, body: answer.content };
  if (answer.body === undefined) return { status: answer.status, headers, body: '' };
  headers['content-type'] ??= 'application/fhir+json; charset=utf-8';
  return { status: answer.status, headers, body: wantsIndented(request) ? prettyJson(answer.body) : answer.body };
}

/** Whether `_pretty=true` is a parameter of the URL or of the form of a POST _search. */
function wantsIndented({ method, path, query, body }: Incoming): boolean {
  const given = method === 'POST' && path.endsWith('_search') ? `${query}&${body}` : query;
  return given.includes('_pretty=') && new URLSearchParams(given).get('_pretty') === 'true';
}
