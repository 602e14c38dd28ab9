import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import { accessRows } from '../interactions/access-log.ts';
import { etag, httpDate, versionUrl } from '../interactions/answer.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { unitOf } from '../interactions/create.ts';
import { emergencyAccess, emergencyReasons } from '../resources/emergency.ts';
import { byConsent } from '../store/consents.ts';
import { personInEmergency } from '../store/emergency.ts';
import { newId } from '../store/identity.ts';
import { inputsOf, one, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `POST Patient/[id]/$break-glass`: lets a practitioner who is not in care of a person read the record in an emergency, for a
 * stated purpose and a limited time (docs/access.md).
 */
export const breakGlass: Operation = {
  level: 'instance',
  type: 'Patient',
  changes: true,
  needs: [['Patient', 'r']],
  definition: `${canonicalBase}/OperationDefinition/break-glass`,
  run: open,
};

const mostText = 1000;

async function open(context: Context, call: Call, body: string): Promise<Answer> {
  const { visibility, database } = context;
  if (visibility.reach.kind !== 'practitioner') throw problem('forbidden', 'forbidden', 'An access in an emergency is for practitioners: user/ scopes and a fhirUser that is a Practitioner.');
  const practitioner = visibility.reach.reference;
  const { code, text } = statedBy(context, call, body);
  const person = await personInEmergency(database, call.id!);
  // What a person denied to this practitioner by name stays denied, and then there is no such person here.
  const denied = person !== undefined && byConsent(visibility, { type: 'Patient', id: call.id!, patient: person.rid, security: [] }, { restricted: false, live: true }).denied;
  if (person === undefined || denied) throw problem('not-found', 'not-found', 'No such Patient.');
  const end = new Date(Date.parse(person.now) + context.emergencyMinutes * 60_000).toISOString();
  const [consent, review] = emergencyAccess({ patient: `Patient/${call.id!}`, practitioner, code, text, start: person.now, end, ids: { consent: newId(), task: newId() } });
  const [written] = await context.committer.commit({
    ...unitOf(context, '$break-glass', `POST Patient/${call.id!}/$break-glass ${body}`), internal: true,
    writes: [consent, review].map((value) => ({ kind: 'create', type: value.resourceType, id: value.id!, incoming: { value, stored: value } })),
  });
  await context.audit.record(accessRows(context, { interaction: '$break-glass', type: 'Patient', id: call.id!, patients: [person.rid], purpose: code }));
  return {
    status: 201, body: written!.body!,
    headers: { etag: etag(written!.version), 'last-modified': httpDate(written!.lastUpdated), location: versionUrl(context, written!) },
  };
}

function statedBy(context: Context, call: Call, body: string): { code: string; text: string } {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['reason', 'text']);
  const code = one(inputs, 'reason');
  if (code === undefined || !Object.hasOwn(emergencyReasons, code)) throw problem('malformed', 'code-invalid', `reason must be one of ${Object.keys(emergencyReasons).join(', ')} (v3-ActReason), as a valueCode.`, 'Parameters.parameter');
  const text = one(inputs, 'text')?.trim() ?? '';
  if (text === '' || text.length > mostText) throw problem('malformed', 'required', `text must say what happened, in ${mostText} characters at most: the person will read it.`, 'Parameters.parameter');
  return { code, text };
}
