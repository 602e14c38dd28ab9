import { sql } from 'kysely';
import type { Resource } from '../fhir/resource.ts';
import { grants, type Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { run, typeLiteral } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** The types whose time of writing is looked up, with where they say it. */
const timed = {
  QuestionnaireResponse: ({ authored }: Resource) => authored,
  Observation: ({ effectiveDateTime, effectiveInstant, effectivePeriod }: Resource) => effectiveDateTime ?? effectiveInstant ?? (effectivePeriod as { start?: string } | undefined)?.start,
} as const satisfies Record<string, (resource: Resource) => unknown>;

/**
 * @param references as `Type/id`; those of other types, of other records and what the caller may not see are left out
 * @returns when each was written or observed, as its author's clock showed it, by its reference.
 */
export async function readWritten(connection: Connection, visibility: Visibility, rid: bigint, references: readonly string[]): Promise<Map<string, string>> {
  const found = await Promise.all(Object.entries(timed).map(async ([type, timeOf]): Promise<[string, string][]> => {
    const ids = references.filter((each) => each.startsWith(`${type}/`)).map((each) => each.slice(type.length + 1));
    if (ids.length === 0 || (!grants(visibility, type, 'r') && !grants(visibility, type, 's'))) return [];
    const rows = await run<{ id: string; body: string }>(connection, sql`
      select r.id, r.body from resource r
      where r.id = any(${ids}::text[]) and r.type = ${typeLiteral(type)} and r.patient = ${String(rid)}::bigint and r.live and ${visiblePredicate(visibility, type, 'r')}`);
    return rows.flatMap(({ id, body }): [string, string][] => {
      const time = timeOf(JSON.parse(body) as Resource);
      return typeof time === 'string' ? [[`${type}/${id}`, time]] : [];
    });
  }));
  return new Map(found.flat());
}
