import { z } from 'zod';
import type { InstrumentDefinition } from './instrument.ts';

/**
 * Item texts that a deployment may publish by its own licence: one file of the folder INSTRUMENT_TEXTS, for one instrument in one
 * language (docs/clinical.md 8).
 */
export const textPack = z.strictObject({
  instrument: z.string(),
  /** Of the form whose items these are: a pack for another version may number them differently. */
  version: z.string(),
  /** BCP 47. */
  language: z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/),
  stem: z.string().min(1).optional(),
  /** linkId -> question. */
  items: z.record(z.string(), z.string().min(1)),
  /** Code of an answer -> its words. */
  answers: z.record(z.string(), z.string().min(1)).optional(),
  licence: z.strictObject({ id: z.string().min(1), date: z.iso.date() }),
});

export type TextPack = z.infer<typeof textPack>;

/**
 * @returns the packs by id of their instrument, in the order given: the first is the language of the form, the others are translations.
 * @throws Error that names the instrument and what does not fit it.
 */
export function textPacks(candidates: readonly unknown[], definitions: readonly InstrumentDefinition[]): ReadonlyMap<string, readonly TextPack[]> {
  const packs = new Map<string, TextPack[]>();
  for (const candidate of candidates) {
    const parsed = textPack.safeParse(candidate);
    if (!parsed.success) throw new Error(`Text pack: ${parsed.error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`).join('; ')}`);
    const pack = parsed.data;
    const definition = definitions.find(({ id }) => id === pack.instrument);
    const wrong = definition === undefined ? [`there is no instrument ${pack.instrument}`] : faults(pack, definition);
    const known = packs.get(pack.instrument) ?? [];
    if (known.some(({ language }) => language === pack.language)) wrong.push(`there is another one in ${pack.language}`);
    if (wrong.length > 0) throw new Error(`Text pack of ${pack.instrument} in ${pack.language}: ${wrong.join('; ')}`);
    packs.set(pack.instrument, [...known, pack]);
  }
  return packs;
}

function faults(pack: TextPack, { version: ofScoring, formVersion: version = ofScoring, form, items, unscored, answerLists }: InstrumentDefinition): string[] {
  const wrong: string[] = [];
  if (form !== undefined) wrong.push('its form is of this service');
  if (pack.version !== version) wrong.push(`is for version ${pack.version}, this is ${version}`);
  const known = new Set([...items, ...unscored].map(({ linkId }) => linkId));
  for (const linkId of Object.keys(pack.items)) if (!known.has(linkId)) wrong.push(`${linkId} is no item`);
  for (const { linkId } of items) if (pack.items[linkId] === undefined) wrong.push(`item ${linkId} has no text`);
  const codes = new Set(answerLists.flatMap(({ options }) => options.map(({ code }) => code)));
  for (const code of Object.keys(pack.answers ?? {})) if (!codes.has(code)) wrong.push(`${code} is no answer`);
  return wrong;
}
