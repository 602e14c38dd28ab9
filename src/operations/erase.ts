import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { openPage, sealPage } from '../interactions/paging.ts';
import { beginErasure, continueErasure, heldBack, readErasable, recordSize, type Erasable, type Erasure } from '../store/erase.ts';
import { requireAdministrator } from './administration.ts';
import { inputsOf, one, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `POST Patient/[id]/$erase`: removes the content of a record for good (docs/audit.md). In two steps: the first says what
 * would go and gives a token; the second confirms with it, within ten minutes. Done again it says what was done.
 */
export const erase: Operation = {
  level: 'instance',
  type: 'Patient',
  changes: true,
  needs: [['Patient', 'd']],
  definition: `${canonicalBase}/OperationDefinition/erase`,
  run: eraseRecord,
};

const validMs = 10 * 60_000;

/** What a token is for: this record, until then. */
interface Confirmation { readonly patient: string; readonly until: string }

async function eraseRecord(context: Context, call: Call, body: string): Promise<Answer> {
  requireAdministrator(context, 'erase');
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['confirm']);
  const confirm = one(inputs, 'confirm');
  const id = call.id!;
  const found = await readErasable(context.database, id);
  if (found === undefined) throw problem('not-found', 'not-found', 'No such Patient.');
  if (found.held) throw heldBack();
  const size = await recordSize(context.database, found.rid);
  if (size.length === 0 && found.erasure !== undefined) return done(context, id, await continueErasure(context.database, found.rid), found.rid);
  if (confirm === undefined) return proposed(context, id, found, size);
  checkConfirmation(context, id, found, confirm);
  await beginErasure(context.database, id, found.rid, accessRows(context, { interaction: '$erase', action: 'D', type: 'Patient', id, patients: [found.rid] }));
  return { status: 200, body: outcomeOf(await continueErasure(context.database, found.rid)) };
}

const binding = (id: string): string => `Patient/${id}/$erase`;

async function proposed(context: Context, id: string, { rid, now }: Erasable, size: Awaited<ReturnType<typeof recordSize>>): Promise<Answer> {
  await context.audit.record(accessRows(context, { interaction: '$erase', action: 'E', type: 'Patient', id, patients: [rid] }));
  const until = new Date(Date.parse(now) + validMs).toISOString();
  const token = sealPage(context, binding(id), { patient: String(rid), until } satisfies Confirmation);
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter: [
    { name: 'erased', valueBoolean: false },
    { name: 'confirm', valueString: token },
    { name: 'until', valueInstant: until },
    ...size.map(({ type, resources, versions }) => ({ name: 'content', part: [{ name: 'type', valueCode: type }, { name: 'resources', valueInteger: resources }, { name: 'versions', valueInteger: versions }] })),
  ] }) };
}

function checkConfirmation(context: Context, id: string, { rid, now }: Erasable, token: string): void {
  let given: Confirmation | undefined;
  try {
    given = openPage<Confirmation>(context, binding(id), token);
  } catch { /* said below */ }
  if (given?.patient !== String(rid) || given.until < now) {
    throw problem('malformed', 'value', 'This confirmation is not valid: it is for one record and one client, for ten minutes. Call $erase without it for a new one.', 'Parameters.parameter');
  }
}

async function done(context: Context, id: string, erasure: Erasure, patient: bigint): Promise<Answer> {
  await context.audit.record(accessRows(context, { interaction: '$erase', action: 'E', type: 'Patient', id, patients: [patient] }));
  return { status: 200, body: outcomeOf(erasure) };
}

const outcomeOf = ({ begun, finished, resources, versions }: Erasure): string => JSON.stringify({ resourceType: 'Parameters', parameter: [
  { name: 'erased', valueBoolean: true },
  { name: 'begun', valueInstant: begun },
  ...(finished === null ? [] : [{ name: 'finished', valueInstant: finished }]),
  { name: 'resources', valueInteger: resources },
  { name: 'versions', valueInteger: versions },
] });
