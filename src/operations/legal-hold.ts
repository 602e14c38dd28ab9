import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { readErasable } from '../store/erase.ts';
import { holdRecord } from '../store/legal-hold.ts';
import { requireAdministrator } from './administration.ts';
import { inputsOf, one, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';

/** `POST Patient/[id]/$legal-hold`: places a hold on a record, or releases it. While it stands, $erase is refused. */
export const legalHold: Operation = {
  level: 'instance',
  type: 'Patient',
  changes: true,
  needs: [['Patient', 'u']],
  definition: `${canonicalBase}/OperationDefinition/legal-hold`,
  run: hold,
};

async function hold(context: Context, call: Call, body: string): Promise<Answer> {
  requireAdministrator(context, 'legal-hold');
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['hold', 'reason']);
  const wanted = one(inputs, 'hold');
  if (wanted !== 'true' && wanted !== 'false') throw problem('malformed', 'value', 'hold must be true (place) or false (release).', 'Parameters.parameter');
  const reason = one(inputs, 'reason');
  if (wanted === 'true' && (reason === undefined || reason.length > 200)) throw problem('malformed', 'required', 'A hold needs a reason of up to 200 characters: the reference of the case.', 'Parameters.parameter');
  const id = call.id!;
  const found = await readErasable(context.database, id);
  if (found === undefined) throw problem('not-found', 'not-found', 'No such Patient.');
  await holdRecord(context.database, id, found.rid, wanted === 'true', reason ?? '', accessRows(context, { interaction: '$legal-hold', action: 'U', type: 'Patient', id, patients: [found.rid] }));
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'held', valueBoolean: wanted === 'true' }] }) };
}
