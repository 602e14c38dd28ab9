import type { Coding, QuestionnaireItem, QuestionnaireItemAnswerOption, QuestionnaireResponseItemAnswer, Reference, ValueSet } from '@medplum/fhirtypes';
import { whyAbsent } from '../fhir/absent.ts';
import { weightOf } from '../fhir/item-weight.ts';
import type { IssueCode } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';

/** The value of an answer, an option or a condition: its FHIR type and itself. */
export interface Value {
  /** `Coding`, `Integer`: what follows `value` or `answer` in the property's name. */
  readonly type: string;
  readonly value: unknown;
}

interface AnswerFault { readonly code: IssueCode; readonly text: string }

/** What an answer to a question of a type may hold (http://hl7.org/fhir/R4/valueset-item-type.html). A whole number is a decimal too. */
const answerTypes: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  boolean: ['Boolean'],
  decimal: ['Decimal', 'Integer'],
  integer: ['Integer'],
  date: ['Date'],
  dateTime: ['DateTime'],
  time: ['Time'],
  string: ['String'],
  text: ['String'],
  url: ['Uri'],
  choice: ['Coding'],
  'open-choice': ['Coding', 'String'],
  attachment: ['Attachment'],
  reference: ['Reference'],
  quantity: ['Quantity'],
}));

/** @returns the value in a property `<prefix>Type` of `owner`, e.g. `valueCoding`; undefined when there is none. */
export function valueOf(owner: object, prefix: 'value' | 'answer'): Value | undefined {
  for (const [key, value] of Object.entries(owner)) {
    if (key.startsWith(prefix) && key.length > prefix.length && value !== undefined) return { type: key.slice(prefix.length), value };
  }
  return undefined;
}

/**
 * Checks one answer by its question's type, options and length.
 * A choice whose options are codings may be answered by the number that an option carries as ordinalValue or itemWeight.
 * @returns what is wrong, or undefined. An answer that only says why it is absent has no value to be wrong: an extension, or a reason
 * that was chosen although the form does not offer it ("asked but declined").
 */
export function faultOfAnswer(answer: QuestionnaireResponseItemAnswer, question: QuestionnaireItem, questionnaire: Resource): AnswerFault | undefined {
  const value = valueOf(answer, 'value');
  if (value === undefined) return undefined;
  const options = question.answerOption ?? [];
  const isOpen = question.type === 'open-choice' && value.type === 'String';
  if (options.length > 0 && !isOpen) {
    if (optionFor(value, options) !== undefined || whyAbsent(answer) !== undefined) return undefined;
    const types = [...new Set(options.flatMap((option) => valueOf(option, 'value')?.type ?? []))];
    const numbers = options.flatMap((option) => (option.valueCoding === undefined ? [] : weightOf(option, option.valueCoding) ?? []));
    const byNumber = numbers.length === 0 ? '' : `, or by what one counts (${numbers.join(', ')}) as valueInteger or valueDecimal`;
    return { code: 'code-invalid', text: `The answer to "${question.linkId}" must be one of its ${options.length} options, as value${types.join(' or value')}${byNumber}.` };
  }
  if (whyAbsent(answer) !== undefined) return undefined;
  const allowed = answerTypes.get(question.type) ?? [];
  if (!allowed.includes(value.type)) {
    return { code: 'value', text: `"${question.linkId}" is a question of type ${question.type}: the answer must be ${allowed.map((type) => `value${type}`).join(' or ')}.` };
  }
  const listed = value.type === 'Coding' ? listedCodings(question.answerValueSet, questionnaire) : undefined;
  if (listed !== undefined && !listed.some((coding) => sameCoding(coding, value.value as Coding))) {
    return { code: 'code-invalid', text: `The answer to "${question.linkId}" must be in the value set of the question.` };
  }
  if (question.maxLength !== undefined && typeof value.value === 'string' && Array.from(value.value).length > question.maxLength) {
    return { code: 'too-long', text: `The answer to "${question.linkId}" must have at most ${question.maxLength} characters.` };
  }
  return undefined;
}

/** @returns the option that `value` is, or whose number it is. */
export function optionFor(value: Value, options: readonly QuestionnaireItemAnswerOption[]): QuestionnaireItemAnswerOption | undefined {
  const exact = options.find((option) => {
    const offered = valueOf(option, 'value');
    return offered !== undefined && sameValue(offered, value);
  });
  if (exact !== undefined || (value.type !== 'Integer' && value.type !== 'Decimal')) return exact;
  return options.find((option) => option.valueCoding !== undefined && weightOf(option, option.valueCoding) === value.value);
}

/** @returns whether two values are the same answer. Whole numbers and decimals compare by number. */
export function sameValue(one: Value, other: Value): boolean {
  if (typeof one.value === 'number' && typeof other.value === 'number') return one.value === other.value;
  if (one.type !== other.type) return false;
  if (one.type === 'Coding') return sameCoding(one.value as Coding, other.value as Coding);
  if (one.type === 'Reference') return (one.value as Reference).reference === (other.value as Reference).reference;
  return one.value === other.value;
}

function sameCoding(one: Coding, other: Coding): boolean {
  if (one.code === undefined && other.code === undefined) return one.display !== undefined && one.display === other.display;
  return one.code === other.code && one.system === other.system;
}

/** @returns the codings of a value set that the questionnaire contains and that lists them; undefined when they cannot be known here. */
function listedCodings(canonical: string | undefined, questionnaire: Resource): Coding[] | undefined {
  if (canonical?.startsWith('#') !== true) return undefined;
  const contained = (questionnaire['contained'] ?? []) as readonly Resource[];
  const valueSet = contained.find(({ resourceType, id }) => resourceType === 'ValueSet' && `#${id}` === canonical) as ValueSet | undefined;
  if (valueSet?.expansion?.contains !== undefined) return expanded(valueSet.expansion.contains);
  const includes = valueSet?.compose?.include ?? [];
  if (includes.length === 0 || valueSet?.compose?.exclude !== undefined || includes.some(({ concept, valueSet: imported }) => concept === undefined || imported !== undefined)) return undefined;
  return includes.flatMap(({ system, concept = [] }) => concept.map(({ code }) => ({ system, code })));
}

type Contains = NonNullable<NonNullable<ValueSet['expansion']>['contains']>;

function expanded(contains: Contains): Coding[] {
  return contains.flatMap(({ system, code, abstract, contains: narrower = [] }) => [...(code === undefined || abstract === true ? [] : [{ system, code }]), ...expanded(narrower)]);
}
