import type { Resource } from '../fhir/resource.ts';
import { isLow } from './alliance.ts';
import type { AllianceAnswers } from './record-entry.ts';
import type { Scale } from './registry.ts';
import { answersIn } from './safety.ts';
import type { ItemScores } from './score.ts';

const finished: readonly unknown[] = ['completed', 'amended'];

/**
 * @returns what a finished response says of the alliance beside its total: items at the limit of the instrument, and what was
 * written or ticked beside them; undefined where there is nothing, or `scale` is no rating of the alliance.
 */
export function allianceAnswers({ definition, items, instrument }: Scale, response: Resource, { scores }: ItemScores): AllianceAnswers | undefined {
  if (definition.alliance === undefined || !finished.includes(response.status)) return undefined;
  const limit = definition.alliance.low?.item;
  const lowItems = limit === undefined ? [] : items.map(({ linkId }) => linkId).filter((linkId) => scores.has(linkId) && isLow(scores.get(linkId)!, limit));
  const asked = new Set(instrument.definition.unscored.map(({ linkId }) => linkId));
  const said = answersIn(response.item).filter(({ linkId, answer }) => linkId !== undefined && asked.has(linkId) && saysSomething(answer));
  const feedback = [...new Set(said.map(({ linkId }) => linkId!))].sort();
  if (lowItems.length === 0 && feedback.length === 0) return undefined;
  return { ...(lowItems.length === 0 ? {} : { lowItems }), ...(feedback.length === 0 ? {} : { feedback }) };
}

/** Own words, or a tick. */
const saysSomething = ({ valueString, valueBoolean }: { readonly valueString?: string; readonly valueBoolean?: boolean }): boolean =>
  valueBoolean === true || (typeof valueString === 'string' && valueString.trim() !== '');
