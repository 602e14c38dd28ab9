import { loinc } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { formCodes, itemCodes, loincOf } from './item-code.ts';
import type { Instrument, Registry } from './registry.ts';

/** An item of a response, with where it stands. */
export interface ResponseItem {
  /** As the form has it. */
  readonly linkId: string;
  /** Where the response says it. */
  readonly definition?: string;
  readonly answers: readonly unknown[];
  /** FHIRPath, e.g. `QuestionnaireResponse.item[3]`. */
  readonly expression: string;
}

/** A response in which an instrument was found. */
export interface Recognised {
  readonly instrument: Instrument;
  /** Whether the whole panel was recognised; false: only its safety item is there, which is read wherever it is asked. */
  readonly panel: boolean;
  /** The form that was answered, where it is known. */
  readonly form?: Resource;
  /** What the numbers of this form lack to be those of the instrument. */
  readonly add: number;
  /** linkId of the instrument -> every item of the response that answers it (more than one is a fault). */
  readonly items: ReadonlyMap<string, readonly ResponseItem[]>;
}

type Leaf = ResponseItem;
interface AnsweredItem { readonly linkId?: string; readonly definition?: string; readonly answer?: readonly { item?: readonly AnsweredItem[] }[]; readonly item?: readonly AnsweredItem[] }

/**
 * @returns the instruments that `response` answers.
 * Known by the canonical (with or without |version), ours, LOINC's (`http://loinc.org/q/44249-1`) or another publisher's, by the codes of the Questionnaire that it names, or by LOINC codes in its
 * definitions and linkIds as LHC-Forms, US Core and others write them (`/44250-9`, `44249-1/44250-9`, `LOINC:44250-9`); never by position.
 * Without the panel's own code or canonical every item of the panel must be on the form, or its total and more than half of them. A form may hold several instruments.
 */
export function recognise(response: Resource, registry: Registry, questionnaire?: Resource): readonly Recognised[] {
  const url = (questionnaire?.url ?? response.questionnaire) as string | undefined;
  const canonical = typeof url === 'string' ? withoutVersion(url) : '';
  const known = registry.byCanonical.get(canonical);
  const leaves: Leaf[] = [];
  walk(response.item as AnsweredItem[] | undefined, 'QuestionnaireResponse', leaves);
  const codes = known?.canonical === canonical || questionnaire === undefined ? undefined : formCodes(questionnaire.item);
  const coded = codes ?? new Map<string, string>();
  const codeOf = itemCodes(leaves, codes, (code) => registry.codes.has(code));
  const common = { add: registry.codings.get(canonical) ?? 0, ...(questionnaire === undefined ? {} : { form: questionnaire }) };
  const instruments = known === undefined ? byCodes(leaves.map(codeOf), codes, questionnaire, registry) : [known];
  const found = instruments.map((instrument): Recognised => ({ instrument, panel: true, ...common, items: matched(instrument, leaves, codeOf, coded) }));
  if (known === undefined) return [...found, ...safetyOnly(leaves, codeOf, coded, registry, instruments)];
  // Under the canonical of another publisher the items may have names of their own, of which nothing can be said.
  return known.canonical === canonical || registry.codings.has(canonical) ? found : found.filter(({ items }) => items.size > 0);
}

/** @returns a canonical without its |version. */
export function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf('|');
  return bar < 0 ? canonical : canonical.slice(0, bar);
}

function walk(items: readonly AnsweredItem[] | undefined, parent: string, leaves: Leaf[]): void {
  if (!Array.isArray(items)) return;
  items.forEach((item: AnsweredItem, i) => {
    const expression = `${parent}.item[${i}]`;
    const answers = Array.isArray(item.answer) ? item.answer : [];
    leaves.push({ linkId: typeof item.linkId === 'string' ? item.linkId : '', answers, expression, ...(item.definition === undefined ? {} : { definition: item.definition }) });
    walk(item.item, expression, leaves);
    answers.forEach((answer: { item?: readonly AnsweredItem[] }, j: number) => {
      if (answer.item !== undefined) walk(answer.item, `${expression}.answer[${j}]`, leaves);
    });
  });
}

/** Words such as "mood" may be the linkIds of any form: our own scales and single totals are known by codes only. */
const isNamedInLinkIds = ({ definition: { licence }, items }: Instrument): boolean => licence.class !== 'OWN' && items.size > 1;

/**
 * The instruments of a form: those that it names, by their panel or by their total beside more than half of their items, and those of
 * which every item is there. What is part of another one, or of several together (the PHQ-4 of the PHQ-9 and the GAD-7), is not asked by
 * itself.
 */
function byCodes(answered: readonly string[], form: Map<string, string> | undefined, questionnaire: Resource | undefined, registry: Registry): Instrument[] {
  const present = new Set([...answered, ...form?.values() ?? []]);
  const panels = new Set([...present, loincOf(questionnaire?.code) ?? '']);
  const named = [...panels].flatMap((code) => registry.byPanel.get(code) ?? totalledBy(code, present, registry));
  const onForm = new Set(form?.values());
  const complete = registry.instruments.filter((instrument) => {
    const codes = isNamedInLinkIds(instrument) ? present : onForm;
    return named.includes(instrument) || [...instrument.items.values()].every(({ code }) => codes.has(code));
  });
  const widest = complete.filter((one) => named.includes(one) || !complete.some((other) => other !== one && includes(other, one)));
  return widest
    .filter((one) => named.includes(one) || !areIn(one, new Set(widest.filter((other) => other !== one).flatMap(codesOf))))
    .filter((one) => named.includes(one) || isAskedAlone(one, form !== undefined, present, registry));
}

/** A form with the total of an instrument is a form of it, unless all that it takes is the total, or that and an item or two. What other answers may make superfluous counts as asked. */
function totalledBy(code: string, present: ReadonlySet<string>, { byMeasure }: Registry): Instrument[] {
  const scale = byMeasure.get(`${loinc}|${code}`);
  if (scale === undefined || scale !== scale.instrument.scales[0] || !scale.codings.some((coding) => coding.system === loinc && coding.code === code)) return [];
  const { instrument } = scale;
  const asked = new Set([...instrument.items.values()].filter((item) => present.has(item.code)).map(({ linkId }) => linkId));
  for (const { when, items } of instrument.definition.skips ?? []) if (when.every((linkId) => asked.has(linkId))) for (const linkId of items) asked.add(linkId);
  return asked.size > instrument.items.size / 2 ? [instrument] : [];
}

/**
 * The items of a short form are part of a longer one: a PHQ-9 of which two answers came looks like a PHQ-2. So an instrument
 * that is part of another is only known by its codes where the form itself is known, and asks nothing else of the longer one.
 */
function isAskedAlone(instrument: Instrument, isKnownForm: boolean, present: ReadonlySet<string>, registry: Registry): boolean {
  const longer = registry.instruments.filter((other) => includes(other, instrument));
  return longer.length === 0 || (isKnownForm && !longer.some((other) => codesOf(other).some((code) => present.has(code) && !instrument.linkIdOf.has(code))));
}

const codesOf = ({ items }: Instrument): string[] => [...items.values()].map(({ code }) => code);
const areIn = (instrument: Instrument, codes: ReadonlySet<string>): boolean => codesOf(instrument).every((code) => codes.has(code));

const includes = (wide: Instrument, narrow: Instrument): boolean => wide.items.size > narrow.items.size && codesOf(narrow).every((code) => wide.linkIdOf.has(code));

/** @param coded what the form names by codes, by linkId. */
function matched(instrument: Instrument, leaves: readonly Leaf[], codeOf: (leaf: Leaf) => string, coded: ReadonlyMap<string, string>): Map<string, ResponseItem[]> {
  const found = new Map<string, ResponseItem[]>();
  for (const leaf of leaves) {
    // Where the form says by a code what it asks, its linkId is only a name, even one that is the code of another question.
    const linkId = !coded.has(leaf.linkId) && instrument.items.has(leaf.linkId) ? leaf.linkId : instrument.linkIdOf.get(codeOf(leaf));
    if (linkId === undefined) continue;
    const list = found.get(linkId);
    if (list === undefined) found.set(linkId, [leaf]);
    else list.push(leaf);
  }
  return found;
}

/** Instruments of which a safety item is asked although their panel is not there. */
function safetyOnly(leaves: readonly Leaf[], codeOf: (leaf: Leaf) => string, coded: ReadonlyMap<string, string>, registry: Registry, known: readonly Instrument[]): Recognised[] {
  const asked = new Set(leaves.flatMap((leaf) => registry.bySafetyItem.get(codeOf(leaf)) ?? []));
  return [...asked].filter((instrument) => !known.includes(instrument))
    .map((instrument) => ({ instrument, panel: false, add: 0, items: matched(instrument, leaves, codeOf, coded) }));
}
