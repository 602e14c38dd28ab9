import { doesNotApply, whyAbsent } from '../fhir/absent.ts';
import { weightOf } from '../fhir/item-weight.ts';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { weighedLists } from './answer-weights.ts';
import { exact } from './decimals.ts';
import { goalAttainment } from './goal-attainment.ts';
import type { Band } from './instrument.ts';
import { isOfSystem, type ResponseItem } from './item-code.ts';
import { recognise, type Recognised } from './recognise.ts';
import type { Item, Registry, Scale } from './registry.ts';
import { isGiven, mostPressing } from './answer-words.ts';

/** Item scores of a recognised response. */
export interface ItemScores {
  /** linkId -> item score; an item that is not answered is absent. */
  readonly scores: ReadonlyMap<string, number>;
  /** linkIds of items that do not apply to the person, by the answer. */
  readonly notApplicable: ReadonlySet<string>;
  /** linkIds of items that the form leaves out after the answers before them, and that score 0. */
  readonly skipped: ReadonlySet<string>;
  /** What cannot be scored; a response with issues is refused (422), it is never scored as 0. */
  readonly issues: readonly Issue[];
}

/** A total with how it was reached. */
export interface Total {
  /** null: too many items are missing. */
  readonly value: number | null;
  readonly answered: number;
  /** Items that apply. */
  readonly items: number;
  readonly prorated: boolean;
  /** The highest total that could have been reached; below the scale's own where an item does not apply. */
  readonly maxScore: number;
}

/**
 * @returns the issues that make a QuestionnaireResponse unacceptable: an answer outside the option set of a known instrument,
 * an item answered twice. [] when it is fine, is no known instrument, or is entered-in-error.
 */
export function answerIssues(response: Resource, context: { readonly registry: Registry; readonly questionnaire?: Resource }): readonly Issue[] {
  if (response.status === 'entered-in-error') return [];
  return recognise(response, context.registry, context.questionnaire).flatMap((recognised) => (recognised.panel ? itemScores(recognised).issues : []));
}

/**
 * @returns where a response has answers that an instrument scores, though its form may not offer them: "more days than not" of older
 * GAD-7 exports, codes without their system, other codes with a weight that is known to be the item's score.
 */
export function scoredAnswers(response: Resource, context: { readonly registry: Registry; readonly questionnaire?: Resource }): ReadonlySet<string> {
  return new Set(recognise(response, context.registry, context.questionnaire).filter(({ panel }) => panel).flatMap((recognised) => {
    const { scores } = itemScores(recognised);
    return [...recognised.items].filter(([linkId]) => scores.has(linkId)).flatMap(([, found]) => found.map(({ expression }) => `${expression}.answer[0].value`));
  }));
}

const nothing: ReadonlySet<string> = new Set();

/**
 * Scores each item by the instrument's own map. Weights in the response or its form are looked at only for codes that are not the
 * instrument's, and only where it says what they are.
 */
export function itemScores({ instrument, panel, items, add, form, scoreOf }: Recognised): ItemScores {
  const scores = new Map<string, number>();
  const issues: Issue[] = [];
  const foreign: Foreign = { add, scoreOf, weighing: instrument.definition.foreignWeights === 'item-score' ? form ?? null : undefined };
  let notApplicable = nothing;
  for (const [linkId, found] of items) {
    const item = instrument.items.get(linkId);
    if (item === undefined) continue;
    const given = found.filter(({ answers }) => answers.some(hasValue));
    if (given.length === 0) {
      if (item.notApplicable && found.some(({ answers }) => answers.some(doesNotApply))) notApplicable = new Set([...notApplicable, linkId]);
      continue;
    }
    const only = given[0]!;
    if (!panel) {
      // Nobody refuses a form that only asks a safety item among others: asked twice, the answer that is most pressing is heard. Beside one that cannot be read, 0 is not the answer.
      const answers = given.flatMap((each) => each.answers.flatMap((answer) => {
        const score = whyAbsent(answer) === undefined ? answerScore(item, { ...each, answers: [answer] }, foreign) : undefined;
        if (typeof score === 'number') return [score];
        return isGiven(answer) ? [null] : [];
      }));
      const most = answers.length === 0 ? null : mostPressing(answers);
      if (most !== null) scores.set(linkId, most);
      continue;
    }
    if (given.length > 1 || only.answers.length > 1) {
      const expression = given.length > 1 ? given[1]!.expression : `${only.expression}.answer`;
      issues.push({ severity: 'error', code: 'structure', expression, text: `Item ${linkId} of ${instrument.definition.shortTitle} is answered more than once; give one answer.` });
      continue;
    }
    const score = answerScore(item, only, foreign);
    if (typeof score === 'number') scores.set(linkId, score);
    else issues.push(score);
  }
  const skipped = new Set<string>();
  for (const { when, items: left } of instrument.definition.skips ?? []) {
    if (!when.every((linkId) => scores.get(linkId) === 0)) continue;
    for (const linkId of left) {
      if (scores.has(linkId)) continue;
      scores.set(linkId, 0);
      skipped.add(linkId);
    }
  }
  return { scores, notApplicable, skipped, issues };
}

interface GivenAnswer {
  readonly valueCoding?: { readonly system?: string; readonly code?: string; readonly display?: string; readonly extension?: readonly { readonly url?: string }[] };
  readonly valueString?: string;
  readonly valueInteger?: unknown;
  readonly valueDecimal?: unknown;
  readonly extension?: readonly { readonly url?: string }[];
}

/** Whether there is an answer to score. "Asked but declined" is none, as a choice that the form offers, and as one that it does not. */
const hasValue = (answer: unknown): boolean => whyAbsent(answer) === undefined;

/** How answers that are not the instrument's are read. */
interface Foreign extends Pick<Recognised, 'add' | 'scoreOf'> {
  /** The form whose weights may be looked at; null: it is not known, undefined: they may not. */
  readonly weighing: Resource | null | undefined;
}

function answerScore(item: Item, { linkId, answers, expression }: ResponseItem, { add, scoreOf, weighing: form }: Foreign): number | Issue {
  const answer = answers[0] as GivenAnswer;
  let score: number | undefined;
  if (answer.valueCoding !== undefined) {
    const { system, code } = answer.valueCoding;
    // Exports of older LHC-Forms leave the system of LOINC answer codes out.
    if (isOfSystem(system, item.answerSystem)) score = item.byCode.get(code ?? '');
    score ??= scoreOf?.(answer.valueCoding, item.linkId);
    if (score === undefined && form !== undefined) {
      const weight = weightOf(answer.valueCoding, answer) ?? (form === null ? undefined : optionWeight(form, linkId, answer.valueCoding));
      if ([...item.byCode.values()].includes(weight!)) score = weight;
    }
  } else if (answer.valueString !== undefined) {
    score = scoreOf?.({ display: answer.valueString }, item.linkId);
  } else {
    const number = answer.valueInteger ?? answer.valueDecimal;
    if (number !== undefined) score = numberScore(item, Number(number) + add);
  }
  return score ?? { severity: 'error', code: 'code-invalid', expression: `${expression}.answer[0].value`, text: expected(item, add) };
}

interface FormItem { readonly linkId?: string; readonly item?: readonly FormItem[]; readonly answerOption?: readonly GivenAnswer[]; readonly answerValueSet?: string }

/** The weight that a form, or a list of answers that it names, gives the option with this code. */
function optionWeight(form: Resource, linkId: string, { system, code }: { readonly system?: string; readonly code?: string }): number | undefined {
  const within = (items: readonly FormItem[]): FormItem | undefined => {
    for (const item of items) {
      const found = item.linkId === linkId ? item : within(item.item ?? []);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const { answerOption, answerValueSet } = within((form['item'] ?? []) as readonly FormItem[]) ?? {};
  const option = answerOption?.find(({ valueCoding }) => valueCoding?.system === system && valueCoding?.code === code);
  if (option !== undefined || answerValueSet === undefined) return weightOf(option?.valueCoding, option);
  return weighedLists((form['contained'] ?? []) as readonly Resource[])(answerValueSet).find(({ coding }) => coding.system === system && coding.code === code)?.weight;
}

function numberScore({ numeric, reverse, byNumber }: Item, number: number): number | undefined {
  if (numeric === undefined) return byNumber.get(number);
  const { min, max, step } = numeric;
  const steps = (number - min) / step;
  if (!(number >= min && number <= max && Math.abs(steps - Math.round(steps)) < 1e-6)) return undefined;
  return reverse ? exact(min + max - number) : number;
}

function expected({ linkId, numeric, byCode, byNumber, answerSystem }: Item, add: number): string {
  if (numeric !== undefined) return `This is no answer of item ${linkId}; expected a number from ${numeric.min} to ${numeric.max} in steps of ${numeric.step}.`;
  return `This is no answer of item ${linkId}; expected one of ${[...byCode.keys()].join(', ')} (${answerSystem}) or the number ${[...byNumber.keys()].map((number) => number - add).join(', ')}.`;
}

/**
 * @returns the total of `scale` for these item scores.
 * Missing items: none allowed unless the instrument's rule says so, then the mean of the answered items stands for each missing one.
 * An item that does not apply is not missing: the others make up the score, out of a lower maximum.
 */
export function total(scale: Scale, scores: ReadonlyMap<string, number>, notApplicable: ReadonlySet<string> = nothing): Total {
  const { definition: { formula, factor = 1, table, missing, max }, items } = scale;
  if (formula === 'goal-attainment') return attainment(scale, scores);
  let sum = 0;
  let answered = 0;
  let applying = items.length;
  let maxScore = max;
  for (const { linkId, max: highest } of items) {
    const score = scores.get(linkId);
    if (score !== undefined) {
      sum += score;
      answered += 1;
    } else if (notApplicable.has(linkId)) {
      applying -= 1;
      maxScore -= highest * factor;
    }
  }
  const absent = applying - answered;
  const counted = { answered, items: applying, prorated: absent > 0, maxScore };
  if (answered === 0 || absent > (missing.method === 'none' ? 0 : missing.max)) return { value: null, ...counted, prorated: false };
  if (formula === 'criteria') return { value: isMet(scale, scores) ? 1 : 0, ...counted };
  if (formula === 'difference') return { value: exact(scores.get(items[0]!.linkId)! - scores.get(items[1]!.linkId)!), ...counted };
  const raw = absent === 0 ? exact(sum) : round(exact((sum * applying) / answered), missing.round);
  const value = formula === 'table' ? table?.[raw] ?? null : (formula === 'mean' ? raw / applying : raw) * factor;
  return { value, ...counted };
}

const isMet = ({ definition: { criteria } }: Scale, scores: ReadonlyMap<string, number>): boolean =>
  criteria!.every(({ items, atLeast, count }) => items.filter((linkId) => (scores.get(linkId) ?? -Infinity) >= atLeast).length >= count);

/** Goals that are not scored are left out; those that are make up the whole. One that has a weight and no level is a goal that is not scored. */
function attainment({ definition: { weights = {}, max }, items }: Scale, scores: ReadonlyMap<string, number>): Total {
  const result = goalAttainment(items.map(({ linkId }) => ({ level: scores.get(linkId) ?? null, weight: scores.get(weights[linkId] ?? '') ?? 1 })));
  return { value: result === null ? null : Math.round(result.t * 100) / 100, answered: result?.scored ?? 0, items: result === null ? items.length : items.filter(({ linkId }) => scores.has(linkId) || scores.has(weights[linkId] ?? '')).length, prorated: false, maxScore: max };
}

function round(value: number, rule: 'half-up' | '1dp' | 'none'): number {
  if (rule === 'half-up') return Math.floor(value + 0.5);
  return rule === '1dp' ? Math.floor(value * 10 + 0.5) / 10 : value;
}

/** @returns the band of `value`: the one with the largest `low` not above it, so that 19.5 still belongs to 15-19. */
export function bandOf(scale: Scale, value: number): Band | undefined {
  return scale.definition.bands?.list.findLast(({ low }) => low <= value);
}

/** @returns the remarks that go with a score (docs/clinical.md 2): facts about the answers, never about the person. */
export function remarksOf({ definition: { remarks } }: Scale, value: number, scores: ReadonlyMap<string, number>): string[] {
  return (remarks ?? [])
    .filter(({ zero, atLeast, atMost }) => (zero ?? []).every((linkId) => scores.get(linkId) === 0) && value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity))
    .map(({ id }) => id);
}

/** @returns a score on the whole of its scale: where an item did not apply, as if the others stood for it. Only to compare scores with one another. */
export const comparable = ({ definition: { max } }: Scale, value: number, maxScore: number): number => (maxScore === max ? value : exact((value * max) / maxScore));
