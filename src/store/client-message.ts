import { clientMessageId } from '../outcomes/safety-message.ts';
import type { Staging } from './staging.ts';
import type { Current, Written } from './unit.ts';

/**
 * @param load reads current versions: a response that was stored before had its message then.
 * @returns the written, each response with the message that its client gets at once, where it has one.
 */
export async function withClientMessages(written: readonly Written[], staging: Staging, load: (keys: readonly { type: string; id: string }[]) => Promise<ReadonlyMap<string, Current>>): Promise<Written[]> {
  const responses = written.filter(({ type, outcome }) => type === 'QuestionnaireResponse' && outcome !== 'absent' && outcome !== 'deleted');
  const again = responses.filter(({ outcome, id }) => outcome !== 'created' && staging.current('Communication', clientMessageId(id)) === undefined);
  const stored = again.length === 0 ? undefined : await load(again.map(({ id }) => ({ type: 'Communication', id: clientMessageId(id) })));
  const has = (id: string): boolean => staging.current('Communication', id)?.live === true || stored?.get(`Communication/${id}`)?.live === true;
  return written.map((each) => (responses.includes(each) && has(clientMessageId(each.id)) ? { ...each, clientMessage: clientMessageId(each.id) } : each));
}
