import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { Connection } from './database.ts';
import { literal, run } from './sql.ts';

/** From one instant to another, the second one not included. */
export interface Stretch { readonly since: string; readonly until: string }

/** Forms that are read together. */
const formsTogether = 50;

/**
 * @returns texts of the Questionnaires that were written in `stretch`, some at a time; of all that name lists of answers, where a list
 * was, which may be theirs.
 */
export async function* formsWritten(connection: Connection, { since, until }: Stretch): AsyncGenerator<string[]> {
  const [lists] = await run<{ written: boolean }>(connection, sql`
    select exists (select from resource r where r.type in ('ValueSet', 'CodeSystem') and r.live and r.last_updated >= ${since}::timestamptz and r.last_updated < ${until}::timestamptz) as written`);
  for (let after = '0'; ;) {
    const rows = await run<{ rid: bigint; body: string }>(connection, sql`
      select r.rid, r.body from resource r where r.type = 'Questionnaire' and r.live and r.rid > ${after}::bigint
        and ((r.last_updated >= ${since}::timestamptz and r.last_updated < ${until}::timestamptz) or (${lists!.written}::boolean and position('"answerValueSet"' in r.body) > 0))
      order by r.rid limit ${literal(formsTogether)}`);
    yield rows.map(({ body }) => body);
    if (rows.length < formsTogether) return;
    after = String(rows.at(-1)!.rid);
  }
}

/** Responses that are looked for together. */
const responsesTogether = 1000;

/**
 * @param version of the form: responses that name another are left out, unless the form asks a safety item.
 * @param safety scores of the instruments whose safety item the form asks.
 * @returns responses to a form, answered and not withdrawn, of which the record of their patient has no score of a whole form, or one with an answer that could not be read, or that were stored
 * in the last two weeks and of which it has none of `safety`: ids by logical id of the Patient, some at a time, each once.
 */
export async function* unscoredResponses(connection: Connection, url: string, version: string | undefined, safety: readonly string[]): AsyncGenerator<Map<string, Set<string>>> {
  for (let after = '0'; ;) {
    const rows = await run<{ rid: bigint; patient: string; id: string }>(connection, sql`
      select r.rid, p.id as patient, r.id
      from index_uri u join resource r on r.type = 'QuestionnaireResponse' and r.rid = u.rid and r.live and r.status <> 'entered-in-error'
        join resource p on p.rid = r.patient and p.type = 'Patient' and p.live
      where u.param = ${literal(searchParameter('QuestionnaireResponse', 'questionnaire')!.number)} and u.value = ${url} and (u.version is null or u.version = ${version ?? null}::text or ${safety.length > 0}::boolean)
        and r.rid > ${after}::bigint and not exists (select from record_entry e where e.patient = r.patient and e.kind = 'score' and e.id = r.id and position('"panel":true' in e.data) > 0 and position('"unread":true' in e.data) = 0
          and (${safety.length === 0}::boolean or r.last_updated < now() - interval '14 days' or e.key = any(${safety}::text[])))
      order by r.rid limit ${literal(responsesTogether)}`);
    yield new Map([...Map.groupBy(rows, ({ patient }) => patient)].map(([patient, list]) => [patient, new Set(list.map(({ id }) => id))]));
    if (rows.length < responsesTogether) return;
    after = String(rows.at(-1)!.rid);
  }
}
