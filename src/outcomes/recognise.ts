import { loinc, withoutVersion } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { formCodes, isOfSystem, itemCodes, loincOf, type ResponseItem } from './item-code.ts';
import type { Instrument, Registry, Rendering } from './registry.ts';
import { isAnswerLike, scoreOfWords } from './answer-words.ts';
import { asQuestion, questionText, uncodedQuestions } from './safety-questions.ts';

/** A response in which an instrument was found. */
export interface Recognised {
  readonly instrument: Instrument;
  /** Whether the whole panel was recognised; false: only its safety item is there, which is read wherever it is asked. */
  readonly panel: boolean;
  /** The form that was answered, where it is known. */
  readonly form?: Resource;
  /** What the numbers of this form lack to be those of the instrument. */
  readonly add: number;
  /** The score of an answer that is not the instrument's, where it is known what it stands for on this form. */
  readonly scoreOf?: (answer: ForeignAnswer, linkId: string) => number | undefined;
  /** Whether a safety item is among the answers, and nothing says which it is. */
  readonly hidesSafety?: boolean;
  /** linkId of the instrument -> every item of the response that answers it (more than one is a fault). */
  readonly items: ReadonlyMap<string, readonly ResponseItem[]>;
}

/** An answer as another publisher codes it. */
export interface ForeignAnswer { readonly system?: string; readonly code?: string; readonly display?: string }

type Leaf = ResponseItem;
interface AnsweredItem { readonly linkId?: string; readonly definition?: string; readonly text?: string; readonly _text?: object; readonly answer?: readonly { item?: readonly AnsweredItem[] }[]; readonly item?: readonly AnsweredItem[] }

/**
 * @returns the instruments that `response` answers.
 * Known by the canonical (with or without |version), ours, LOINC's (`http://loinc.org/q/44249-1`) or another publisher's, by the codes of the Questionnaire that it names, or by LOINC codes in its
 * definitions and linkIds as LHC-Forms, US Core and others write them (`/44250-9`, `44249-1/44250-9`, `LOINC:44250-9`); never by position.
 * Without the panel's own code or canonical every item of the panel must be on the form, or its total and more than half of them. A form may hold several instruments.
 * A safety item is heard wherever it is asked: by its code, else by its words; and where a form has the name of its instrument, it is said that it is not heard.
 */
export function recognise(response: Resource, registry: Registry, questionnaire?: Resource): readonly Recognised[] {
  const url = (questionnaire?.url ?? response.questionnaire) as string | undefined;
  const canonical = typeof url === 'string' ? withoutVersion(url) : '';
  const known = registry.byCanonical.get(canonical);
  const leaves: Leaf[] = [];
  walk(response.item as AnsweredItem[] | undefined, 'QuestionnaireResponse', leaves);
  const isOurs = known !== undefined && isOfOurs(response, known);
  const codes = isOurs || questionnaire === undefined ? undefined : formCodes(questionnaire.item);
  const coded = codes ?? new Map<string, string>();
  const rendering = registry.renderings.get(canonical) ?? derivedFrom(questionnaire, registry);
  let named: ReturnType<typeof itemCodes<Leaf>> | undefined; // not asked for where every linkId is one of the instrument
  const byItem = (leaf: Leaf): string => (named ??= itemCodes(leaves, codes, (code) => registry.codes.has(code)))(leaf);
  const codeOf = rendering === undefined ? byItem : (leaf: Leaf): string => (coded.has(leaf.linkId) ? byItem(leaf) : rendering.codeOf.get(leaf.linkId) ?? byItem(leaf));
  const common = {
    add: rendering?.add ?? 0, ...(rendering?.answers === undefined ? {} : { scoreOf: theirScore(rendering.answers) }),
    ...(questionnaire === undefined ? {} : { form: questionnaire }),
  };
  const instruments = known !== undefined ? [known] : rendering !== undefined ? [rendering.instrument] : byCodes(leaves.map(codeOf), codes, questionnaire, registry);
  const panels = instruments.map((instrument): Recognised => ({ instrument, panel: true, ...common, items: matched(instrument, leaves, codeOf, coded) }));
  // Our own form asks nothing else, as it is checked; another version of it, which is not stored here, may.
  if (isOurs || (known?.canonical === canonical && leaves.every(({ linkId, answers }) => answers.length === 0 || known.items.has(linkId)))) return panels;
  // Under the canonical of another publisher the items may have names of their own, of which nothing can be said.
  const found = known === undefined || rendering !== undefined ? panels : panels.filter(({ items }) => items.size > 0);
  return withUncoded([...found, ...safetyOnly(leaves, codeOf, coded, registry, instruments)], {
    response, leaves: leaves.filter((leaf) => isUnknown(codeOf(leaf), registry)), form: questionnaire, registry, ...(known === undefined ? {} : { known }),
    isAsked: (code) => leaves.some((leaf) => codeOf(leaf) === code),
  });
}

/** Whether a response names a form of ours in the version that is published here, or in none, which means that one; not one that it contains under the same canonical. */
const isOfOurs = ({ questionnaire }: Resource, { canonical, definition: { version, formVersion = version } }: Instrument): boolean =>
  questionnaire === canonical || questionnaire === `${canonical}|${formVersion}`;

/** Apps leave the system out, as those of the instrument's own answers. */
const theirScore = ({ system: own, scores }: NonNullable<Rendering['answers']>) => ({ system, code }: ForeignAnswer): number | undefined => (code === undefined || (system !== undefined && system !== own) ? undefined : scores.get(code));

/** The form of which one that is put together for a person (SDC adaptive forms) says that it is made. */
function derivedFrom(form: Resource | undefined, { renderings }: Registry): Rendering | undefined {
  const canonicals = form?.['derivedFrom'];
  return Array.isArray(canonicals) ? canonicals.map((each) => renderings.get(withoutVersion(String(each)))).find((each) => each !== undefined) : undefined;
}

const isUnknown = (code: string, { codes, besides }: Registry): boolean => !codes.has(code) && !besides.has(code);

/** What is known of a response, and of its answers that no code names. */
interface Uncoded {
  readonly response: Resource; readonly leaves: readonly Leaf[]; readonly form: Resource | undefined; readonly registry: Registry;
  /** The instrument whose canonical the response names. */
  readonly known?: Instrument;
  /** Whether the question with a code is in the response. */
  readonly isAsked: (code: string) => boolean;
}

/** With the safety items that have no code of theirs. In a panel whose items are known by codes, words say only that something is not heard: a score never rests on them. */
function withUncoded(found: readonly Recognised[], { response, leaves, form, registry, known, isAsked }: Uncoded): readonly Recognised[] {
  if (leaves.length === 0) return found;
  const unheard = registry.instruments.filter((instrument) => !instrument.definition.safety.every(({ linkId }) => found.some((each) => each.instrument === instrument && each.items.has(linkId))));
  const asked = Map.groupBy(uncodedQuestions(response, leaves, form, unheard, known), ({ instrument }) => instrument);
  const leftOver = unheard.filter((instrument) => isLeftOver(instrument, leaves, isAsked));
  const isHidden = ({ instrument, items }: Recognised): boolean => ((items.size === 0 || instrument === known) && unheard.includes(instrument) && leaves.filter(({ answers }) => answers.some(isAnswerLike)).length >= (response.status === 'in-progress' ? instrument.items.size - items.size : 1))
    || asked.get(instrument)?.some((each) => each.items.length > 0) === true || leftOver.includes(instrument);
  const others = new Set([...asked.keys(), ...leftOver].filter((instrument) => !found.some((each) => each.instrument === instrument)));
  const inWords = (instrument: Instrument): [string, readonly ResponseItem[]][] => (asked.get(instrument) ?? []).flatMap((each) => (each.items.length === 0 ? [] : [[each.linkId, each.items]]));
  return [
    // Beside another safety item that is known by its code, each is read for itself.
    ...found.map((each): Recognised => (each.panel ? (isHidden(each) ? { ...each, hidesSafety: true } : each) : { ...each, items: new Map([...each.items, ...inWords(each.instrument)]) })),
    ...[...others].map((instrument): Recognised => {
      const items = new Map(inWords(instrument));
      return { ...inWordsOnly(instrument), ...(form === undefined ? {} : { form }), items, ...(items.size === 0 ? { hidesSafety: true } : {}) };
    }),
  ];
}

/** A safety item by itself: no form says how it is answered, so the words of the instrument's answers count too. */
const inWordsOnly = (instrument: Instrument): Omit<Recognised, 'items'> => ({ instrument, panel: false, add: 0, scoreOf: (answer, linkId) => scoreOfWords(instrument, linkId, answer) });

/** Whether one question without a code, and no other, is answered from the list of a safety item that is not there, beside more than half of the other items: it is likely that one. */
function isLeftOver({ definition, items, linkIdOf }: Instrument, leaves: readonly Leaf[], isAsked: Uncoded['isAsked']): boolean {
  return definition.safety.some(({ linkId }) => {
    const { code: own, byCode, answerSystem } = items.get(linkId)!;
    const fits = (answer: unknown): boolean => {
      const { system, code = '' } = (answer as { valueCoding?: ForeignAnswer }).valueCoding ?? {};
      return byCode.has(code) && isOfSystem(system, answerSystem);
    };
    return leaves.filter(({ answers }) => answers.some(fits)).length === 1 && !isAsked(own) && [...linkIdOf.keys()].filter(isAsked).length > items.size / 2;
  });
}

/** @param above the words of the group in which the items stand: of a question without any they are its words. */
function walk(items: readonly AnsweredItem[] | undefined, parent: string, leaves: Leaf[], above?: string): void {
  if (!Array.isArray(items)) return;
  items.forEach((item: AnsweredItem, i) => {
    const expression = `${parent}.item[${i}]`;
    const answers = Array.isArray(item.answer) ? item.answer : [];
    const text = questionText(item) ?? above;
    leaves.push({ linkId: typeof item.linkId === 'string' ? item.linkId : '', definition: item.definition, answers, text, expression });
    walk(item.item, expression, leaves, answers.length === 0 ? asQuestion(text) : undefined);
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
    .map((instrument) => ({ ...inWordsOnly(instrument), items: matched(instrument, leaves, codeOf, coded) }));
}
