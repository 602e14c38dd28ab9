import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Band } from './instrument.ts';
import { recognise, type Recognised, type ResponseItem } from './recognise.ts';
import type { Item, Registry, Scale } from './registry.ts';

/** Item scores of a recognised response. */
export interface ItemScores {
  /** linkId -> item score; an item that is not answered is absent. */
  readonly scores: ReadonlyMap<string, number>;
  /** What cannot be scored; a response with issues is refused (422), it is never scored as 0. */
  readonly issues: readonly Issue[];
}

/** A total with how it was reached. */
export interface Total {
  /** null: too many items are missing. */
  readonly value: number | null;
  readonly answered: number;
  readonly items: number;
  readonly prorated: boolean;
}

/**
 * @returns the issues that make a QuestionnaireResponse unacceptable: an answer outside the option set of a known instrument,
 * an item answered twice. [] when it is fine, is no known instrument, or is entered-in-error.
 */
export function answerIssues(response: Resource, context: { readonly registry: Registry; readonly questionnaire?: Resource }): readonly Issue[] {
  if (response.status === 'entered-in-error') return [];
  const recognised = recognise(response, context.registry, context.questionnaire);
  return recognised?.panel === true ? itemScores(recognised).issues : [];
}

/** Scores each item by the instrument's own map; `ordinalValue` extensions in the response are not looked at. */
export function itemScores({ instrument, items }: Recognised): ItemScores {
  const scores = new Map<string, number>();
  const issues: Issue[] = [];
  for (const [linkId, found] of items) {
    const item = instrument.items.get(linkId)!;
    const given = found.filter(({ answers }) => answers.some(hasValue));
    if (given.length === 0) continue;
    const only = given[0]!;
    if (given.length > 1 || only.answers.length > 1) {
      const expression = given.length > 1 ? given[1]!.expression : `${only.expression}.answer`;
      issues.push({ severity: 'error', code: 'structure', expression, text: `Item ${linkId} of ${instrument.definition.shortTitle} is answered more than once; give one answer.` });
      continue;
    }
    const score = answerScore(item, only);
    if (typeof score === 'number') scores.set(linkId, score);
    else issues.push(score);
  }
  return { scores, issues };
}

const absent = 'http://terminology.hl7.org/CodeSystem/data-absent-reason';

/** Whether there is an answer to score. Forms that follow HL7's personal health record format offer "asked but declined" as a choice: it is none. */
const hasValue = (answer: unknown): boolean =>
  typeof answer === 'object' && answer !== null && Object.keys(answer).some((name) => name.startsWith('value'))
  && (answer as { valueCoding?: { system?: string } }).valueCoding?.system !== absent;

function answerScore(item: Item, { answers, expression }: ResponseItem): number | Issue {
  const answer = answers[0] as { valueCoding?: { system?: string; code?: string }; valueInteger?: unknown; valueDecimal?: unknown };
  let score: number | undefined;
  if (answer.valueCoding !== undefined) {
    const { system, code } = answer.valueCoding;
    // Exports of older LHC-Forms leave the system of LOINC answer codes out.
    if (system === undefined || system === item.answerSystem) score = item.byCode.get(code ?? '');
  } else {
    const number = answer.valueInteger ?? answer.valueDecimal;
    if (number !== undefined) score = item.byNumber.get(Number(number));
  }
  return score ?? {
    severity: 'error', code: 'code-invalid', expression: `${expression}.answer[0].value`,
    text: `This is no answer of item ${item.linkId}; expected one of ${[...item.byCode.keys()].join(', ')} (${item.answerSystem}) or the number ${[...item.byNumber.keys()].join(', ')}.`,
  };
}

/**
 * @returns the total of `scale` for these item scores.
 * Missing items: none allowed unless the instrument's rule says so, then the mean of the answered items stands for each missing one.
 */
export function total(scale: Scale, scores: ReadonlyMap<string, number>): Total {
  const { definition: { formula, factor = 1, table, missing }, items } = scale;
  let sum = 0;
  let answered = 0;
  for (const { linkId } of items) {
    const score = scores.get(linkId);
    if (score === undefined) continue;
    sum += score;
    answered += 1;
  }
  const absent = items.length - answered;
  const counted = { answered, items: items.length, prorated: absent > 0 };
  if (answered === 0 || absent > (missing.method === 'none' ? 0 : missing.max)) return { value: null, ...counted, prorated: false };
  const raw = absent === 0 ? sum : round((sum * items.length) / answered, missing.round);
  const value = formula === 'table' ? table?.[raw] ?? null : (formula === 'mean' ? raw / items.length : raw) * factor;
  return { value, ...counted };
}

function round(value: number, rule: 'half-up' | '1dp' | 'none'): number {
  if (rule === 'half-up') return Math.floor(value + 0.5);
  return rule === '1dp' ? Math.floor(value * 10 + 0.5) / 10 : value;
}

/** @returns the band of `value`: the one with the largest `low` not above it, so that 19.5 still belongs to 15-19. */
export function bandOf(scale: Scale, value: number): Band | undefined {
  return scale.definition.bands?.list.findLast(({ low }) => low <= value);
}
