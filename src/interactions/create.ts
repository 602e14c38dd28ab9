import { createHash } from 'node:crypto';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { newId } from '../store/identity.ts';
import type { Unit } from '../store/unit.ts';
import { accept } from './accept.ts';
import { writtenAnswer } from './answer.ts';
import type { Answer, Context } from './context.ts';
import { conditionPlan } from './condition.ts';

/**
 * create (http://hl7.org/fhir/R4/http.html#create), conditional with `If-None-Exist`.
 * @returns 201; 200 with what is stored when the condition, the identifier of a QuestionnaireResponse or the
 * Idempotency-Key says that this create was done before.
 */
export async function create(context: Context, type: string, body: string): Promise<Answer> {
  const accepted = await accept(body, type, context);
  const ifNoneExist: SearchPlan | undefined = context.ifNoneExist === undefined ? undefined : await conditionPlan(context, type, context.ifNoneExist);
  const [written] = await context.committer.commit({
    ...unitOf(context, 'create', `POST ${type} ${body}`),
    writes: [{ kind: 'create', type, id: newId(), ...accepted, ...(ifNoneExist === undefined ? {} : { ifNoneExist }) }],
  });
  return writtenAnswer(context, written!, accepted);
}

/** The parts of a Unit that come from the request. `content` identifies the request for its Idempotency-Key. */
export function unitOf(context: Context, interaction: string, content: string): Omit<Unit, 'writes'> {
  const { visibility, requester, idempotencyKey } = context;
  if (idempotencyKey === undefined) return { visibility, requester, interaction };
  return { visibility, requester, interaction, idempotency: { key: idempotencyKey, bodyHash: createHash('sha256').update(content).digest() } };
}
