import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { intervalOf, intervalTypes } from '../outcomes/interval.ts';
import { number, reference, type Part } from '../outcomes/parts.ts';
import type { Episode } from '../outcomes/record.ts';
import { intervalAfter, sessionsOf, type Interval } from '../outcomes/sessions.ts';
import { readStretch } from '../store/interval.ts';
import { episodeRecord } from './episode.ts';
import { inputsOf, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { natural } from './terminology-input.ts';

/**
 * `GET EpisodeOfCare/[id]/$interval?session=k`: what happened after session k and before the next one: tasks, entries, scores,
 * messages (schemas/operations/interval.json).
 */
export const interval: Operation = {
  level: 'instance',
  type: 'EpisodeOfCare',
  needs: [['EpisodeOfCare', 'r'], ['Encounter', 'r'], ['Patient', 'r']],
  definition: `${canonicalBase}/OperationDefinition/interval`,
  run: intervalOfEpisode,
};

/** Entries shown at most: an interval is a week or two. */
const most = 500;
const day = 86_400_000;

async function intervalOfEpisode(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['session']);
  const { rid, record, episode } = await episodeRecord(context, call.id!);
  const sessions = sessionsOf(record, episode);
  const asked = natural(inputs, 'session') ?? sessions.length;
  const found = intervalAfter(sessions, asked);
  if (found === undefined) throw problem('malformed', 'value', `This episode has ${sessions.length} finished sessions: session is a number from 0 (before the first) to ${sessions.length}.`, 'http.session');
  const rows = await readStretch(context.database, context.visibility, { patient: rid, types: intervalTypes, ...boundsOf(found, episode), sessions: found.after === undefined ? [] : [found.after.id] }, 4 * most);
  const entries = rows.map(({ body: text }) => JSON.parse(text) as Resource).filter((resource) => intervalOf(sessions, resource, record.person.zone) === asked);
  const shown = entries.slice(0, most);
  const parameter: Part[] = [
    number('session', asked),
    ...(found.after === undefined ? [] : [reference('after', `Encounter/${found.after.id}`), { name: 'start', valueDateTime: found.after.data.start }]),
    ...(found.before === undefined ? [] : [reference('before', `Encounter/${found.before.id}`), { name: 'end', valueDateTime: found.before.data.start }]),
    ...(entries.length > most || rows.length === 4 * most ? [{ name: 'incomplete', valueBoolean: true }] : []),
    { name: 'entries', resource: {
      resourceType: 'Bundle', type: 'searchset', total: shown.length,
      ...(shown.length === 0 ? {} : { entry: shown.map((resource) => ({ fullUrl: `${context.baseUrl}/${resource.resourceType}/${resource.id}`, resource, search: { mode: 'match' } })) }),
    } as unknown as Resource },
  ];
  await context.audit.record(accessRows(context, { interaction: '$interval', action: 'E', type: 'EpisodeOfCare', id: call.id!, patients: [rid] }));
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter }) };
}

/** A day more on either side: to which date an entry belongs, the clock of its author says (`intervalOf`). */
function boundsOf({ after, before }: Interval, episode: Episode): { from: string; until?: string } {
  const from = after === undefined ? episode.leadsFrom! : after.at!;
  return { from: new Date(from - day).toISOString(), ...(before === undefined ? {} : { until: new Date(before.at! + day).toISOString() }) };
}
