import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { Connection } from './database.ts';
import { literal, run } from './sql.ts';

/** @returns texts of the Questionnaires that were written at `since` (instant) or later; of all, where a list of answers was, which they may name. */
export async function formsSince(connection: Connection, since: string): Promise<string[]> {
  const rows = await run<{ body: string }>(connection, sql`
    select r.body from resource r where r.type = 'Questionnaire' and r.live and (r.last_updated >= ${since}::timestamptz
      or exists (select from resource l where l.type in ('ValueSet', 'CodeSystem') and l.live and l.last_updated >= ${since}::timestamptz))
    order by r.last_updated desc`);
  return rows.map(({ body }) => body);
}

/**
 * @param version of the form: responses that name another are left out.
 * @returns responses to a form, answered and not withdrawn, of which the record of their patient has no score: ids of up to `limit`, by logical id of the Patient.
 */
export async function unscoredResponses(connection: Connection, url: string, version: string | undefined, limit: number): Promise<Map<string, Set<string>>> {
  const rows = await run<{ patient: string; id: string }>(connection, sql`
    select p.id as patient, r.id
    from index_uri u join resource r on r.type = 'QuestionnaireResponse' and r.rid = u.rid and r.live and r.status <> 'entered-in-error'
      join resource p on p.rid = r.patient and p.type = 'Patient' and p.live
    where u.param = ${literal(searchParameter('QuestionnaireResponse', 'questionnaire')!.number)} and u.value = ${url} and (u.version is null or u.version = ${version ?? null}::text)
      and not exists (select from record_entry e where e.patient = r.patient and e.kind = 'score' and e.id = r.id)
    order by r.rid limit ${literal(limit)}`);
  return new Map([...Map.groupBy(rows, ({ patient }) => patient)].map(([patient, list]) => [patient, new Set(list.map(({ id }) => id))]));
}
