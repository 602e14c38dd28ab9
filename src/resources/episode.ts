import type { Resource } from '../fhir/resource.ts';

interface Period { readonly start?: string; readonly end?: string }
interface Past { readonly status?: string; readonly period?: Period }

/**
 * @param stored an EpisodeOfCare that has begun, as it is stored.
 * @param end dateTime at which it ended.
 * @returns it with status finished, the end of its period, and its status up to now in the history of statuses
 * (http://hl7.org/fhir/R4/episodeofcare-definitions.html#EpisodeOfCare.statusHistory).
 */
export function ended(stored: Resource, end: string): Resource {
  const { status, period = {}, statusHistory = [] } = stored as Resource & { status?: string; period?: Period; statusHistory?: readonly Past[] };
  const start = statusHistory.at(-1)?.period?.end ?? period.start;
  const past: Past = { ...(status === undefined ? {} : { status }), period: { ...(start === undefined || Date.parse(start) > Date.parse(end) ? {} : { start }), end } };
  return { ...stored, status: 'finished', statusHistory: [...statusHistory, past], period: { ...period, end } };
}
