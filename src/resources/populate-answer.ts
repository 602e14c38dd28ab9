import type { CodeableConcept, Coding, Quantity, QuestionnaireItem, QuestionnaireResponseItemAnswer } from '@medplum/fhirtypes';
import type { Resource } from '../fhir/resource.ts';
import type { Typed } from '../fhir/simple-path.ts';
import { faultOfAnswer, valueOf } from './answers.ts';
import { unitOf } from './sdc.ts';

const texts = new Set(['string', 'markdown', 'code', 'id', 'uri', 'url', 'canonical']);
const wholes = new Set(['integer', 'positiveInt', 'unsignedInt']);

/**
 * @returns the answer to `question` that a value found elsewhere gives, or undefined when it is not surely one: of another type
 * or unit, or none of the options.
 */
export function answerFrom(found: Typed, question: QuestionnaireItem, questionnaire: Resource): QuestionnaireResponseItemAnswer | undefined {
  return candidates(found, question).find((answer) => faultOfAnswer(answer, question, questionnaire) === undefined);
}

function candidates({ type, value }: Typed, question: QuestionnaireItem): QuestionnaireResponseItemAnswer[] {
  switch (question.type) {
    case 'boolean': return type === 'boolean' ? [{ valueBoolean: value as boolean }] : [];
    case 'integer': return wholes.has(type) ? [{ valueInteger: value as number }] : whole(amount(type, value, question));
    case 'decimal': return wholes.has(type) || type === 'decimal' ? [{ valueDecimal: value as number }] : amount(type, value, question).map((valueDecimal) => ({ valueDecimal }));
    case 'date': return type === 'date' || type === 'dateTime' || type === 'instant' ? [{ valueDate: (value as string).slice(0, 10) }] : [];
    case 'dateTime': return type === 'date' || type === 'dateTime' || type === 'instant' ? [{ valueDateTime: value as string }] : [];
    case 'time': return type === 'time' ? [{ valueTime: value as string }] : [];
    case 'string': case 'text': return texts.has(type) ? [{ valueString: value as string }] : [];
    case 'url': return type === 'uri' || type === 'url' || type === 'canonical' ? [{ valueUri: value as string }] : [];
    case 'choice': return codings(type, value, question).map((valueCoding) => ({ valueCoding }));
    case 'open-choice': return [...codings(type, value, question).map((valueCoding) => ({ valueCoding })), ...openText(type, value)];
    case 'quantity': return type === 'Quantity' ? [{ valueQuantity: value as Quantity }] : [];
    case 'reference': return type === 'Reference' ? [{ valueReference: value as { reference?: string } }] : [];
    case 'attachment': return type === 'Attachment' ? [{ valueAttachment: value as object }] : [];
    default: return [];
  }
}

const whole = (amounts: readonly number[]): QuestionnaireResponseItemAnswer[] => amounts.filter(Number.isInteger).map((valueInteger) => ({ valueInteger }));

/** The number of a Quantity for a question that asks for a number, when both say the same unit, or neither says one. */
function amount(type: string, value: unknown, question: QuestionnaireItem): number[] {
  if (type !== 'Quantity') return [];
  const { value: number, system, code, unit, comparator } = value as Quantity;
  if (number === undefined || comparator !== undefined) return [];
  const asked = unitOf(question);
  if (asked === undefined) return code === undefined && unit === undefined ? [number] : [];
  return asked.code === code && asked.system === system ? [number] : [];
}

/** What a code, Coding or CodeableConcept answers: for a bare code only the option that has it, as one code may be in many systems. */
function codings(type: string, value: unknown, question: QuestionnaireItem): Coding[] {
  if (type === 'Coding') return [value as Coding];
  if (type === 'CodeableConcept') return (value as CodeableConcept).coding ?? [];
  if (type !== 'code') return [];
  const options = (question.answerOption ?? []).flatMap((option) => (option.valueCoding !== undefined && option.valueCoding.code === value ? [option.valueCoding] : []));
  return options.length === 1 ? options.map((option) => plain(option)) : [];
}

function openText(type: string, value: unknown): QuestionnaireResponseItemAnswer[] {
  if (type === 'string' || type === 'markdown') return [{ valueString: value as string }];
  const text = type === 'CodeableConcept' ? (value as CodeableConcept).text : undefined;
  return text === undefined ? [] : [{ valueString: text }];
}

/** @returns the values that a question or its options say it begins with (http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.initial). */
export function initialAnswers(question: QuestionnaireItem): QuestionnaireResponseItemAnswer[] {
  const selected = (question.answerOption ?? []).filter(({ initialSelected }) => initialSelected === true);
  return [...(question.initial ?? []), ...selected].flatMap((each) => {
    const value = valueOf(each, 'value');
    return value === undefined ? [] : [{ [`value${value.type}`]: plain(value.value) }];
  });
}

/** An option's coding without what the form says about it: extensions stay in the Questionnaire. */
function plain<T>(value: T): T {
  if (typeof value !== 'object' || value === null || !('extension' in value)) return value;
  const { extension: _left, ...rest } = value;
  return rest as T;
}
