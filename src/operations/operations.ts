import { authorize } from '../auth/decide.ts';
import { problem } from '../fhir/outcome.ts';
import { servedType } from '../fhir/types.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { isAt, isOn, type Call, type Operation } from './operation.ts';
import { apply } from './apply.ts';
import { breakGlass } from './break-glass.ts';
import { drivers } from './drivers.ts';
import { end } from './end.ts';
import { evaluateMeasure } from './evaluate-measure.ts';
import { erase } from './erase.ts';
import { everything } from './everything.ts';
import { expand } from './expand.ts';
import { exportRecord } from './export-record.ts';
import { explain } from './explain.ts';
import { extract } from './extract.ts';
import { legalHold } from './legal-hold.ts';
import { interval } from './interval.ts';
import { lookup, subsumes } from './lookup.ts';
import { lastn } from './lastn.ts';
import { meta, metaAdd, metaDelete } from './meta.ts';
import { outcomes } from './outcomes.ts';
import { populate } from './populate.ts';
import { progress } from './progress.ts';
import { score } from './score.ts';
import { timeToAcknowledgeOperation } from './time-to-acknowledge.ts';
import { recompute } from './recompute.ts';
import { trajectory } from './trajectory.ts';
import { translate } from './translate.ts';
import { validateCode } from './validate-code.ts';
import { stats } from './stats.ts';
import { validate } from './validate.ts';
import { versions } from './versions.ts';

/** The operations of the service by name: one line each. */
export const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['apply', apply],
  ['break-glass', breakGlass],
  ['drivers', drivers],
  ['end', end],
  ['evaluate-measure', evaluateMeasure],
  ['erase', erase],
  ['everything', everything],
  ['export-record', exportRecord],
  ['explain', explain],
  ['extract', extract],
  ['interval', interval],
  ['lastn', lastn],
  ['legal-hold', legalHold],
  ['meta', meta],
  ['meta-add', metaAdd],
  ['meta-delete', metaDelete],
  ['outcomes', outcomes],
  ['populate', populate],
  ['progress', progress],
  ['recompute', recompute],
  ['score', score],
  ['stats', stats],
  ['time-to-acknowledge', timeToAcknowledgeOperation],
  ['validate', validate],
  ['versions', versions],
  ['expand', expand],
  ['lookup', lookup],
  ['subsumes', subsumes],
  ['trajectory', trajectory],
  ['translate', translate],
  ['validate-code', validateCode],
]);

/**
 * Carries out `$name`.
 * @throws Problem `not-found` for an unknown operation, `malformed` for a wrong level, `method-not-allowed` for a GET of one
 *   that changes something, `forbidden` when a scope is missing.
 */
export async function operation(context: Context, call: Call, body: string): Promise<Answer> {
  const found = operations.get(call.name);
  if (found === undefined) throw problem('not-found', 'not-supported', 'This service has no such operation. GET metadata lists what it has.');
  const level = call.id !== undefined ? 'instance' : call.type !== undefined ? 'type' : 'system';
  const there = call.type === undefined || isOn(found, call.type, servedType(call.type)?.writtenBy === 'service');
  if (!isAt(found, level) || !there || (call.version !== undefined && found.onVersion !== true)) {
    throw problem('malformed', 'not-supported', `$${call.name} is called on ${places(call.name, found).join(' or ')}.`);
  }
  if (found.changes === true && call.method !== 'POST') {
    throw problem('method-not-allowed', 'not-supported', `$${call.name} changes what is stored: call it with POST.`, undefined, { allow: 'POST' });
  }
  for (const [type, verb] of found.needs) authorize(context.visibility, type, verb);
  return found.run(context, call, body);
}

/** Where an operation is called, for the one who called it elsewhere. */
function places(name: string, found: Operation): string[] {
  const types = found.type === '*' ? '[type]' : typeof found.type === 'string' ? found.type : found.type?.join('|') ?? '';
  return [
    ...(isAt(found, 'system') ? [`the base: $${name}`] : []),
    ...(isAt(found, 'type') ? [`a type: ${types}/$${name}`] : []),
    ...(isAt(found, 'instance') ? [`one resource: ${types}/[id]/$${name}`] : []),
  ];
}
