import type { CodeableConcept, Coding, QuestionnaireResponseItemAnswer } from '@medplum/fhirtypes';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import { valueOf } from './answers.ts';
import { answeredItems, type Answered, type AnsweredItem } from './extract-walk.ts';
import { extension, extensions, itemsOf, sdcExtension, unitOf } from './sdc.ts';

/** An extracted resource, with what it is made from; `key` is the same for each later version of the response. */
export interface Extracted { readonly key: string; readonly resource: Resource }

/** Category where the form names none: an answer to a form is a survey observation. */
const survey: CodeableConcept = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'survey', display: 'Survey' }] };
const episode = 'http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare';

/** @returns the id of what is extracted from `source` (id of a stored response, or a text that stands for it) under `key`. */
export const extractedId = (source: string, key: string): string => derivedId(source, `extract ${key}`);

interface Inherited {
  readonly extract: boolean;
  readonly category: readonly CodeableConcept[];
  /** The Observation of the nearest item above that has one. */
  readonly parent?: Resource;
}

/**
 * Observation-based extraction (http://hl7.org/fhir/uv/sdc/extraction.html#obs-extract): an Observation for each answer to an item
 * with a code that observationExtract marks, on its code, itself, an item above or the form; `false` ends it for an item and
 * what it holds. A marked group with a code has no value and is the panel of what is extracted below it (hasMember), as the
 * guide says for what is not known to be a component; the code `component` makes it one.
 * @param options.source as in `extractedId`. @param options.derived whether a `system|code` is one that the service computes
 *   from this response itself: such items are passed over, and said.
 */
export function extractObservations(answered: Answered, options: { readonly source: string; readonly derived: (coding: Coding) => boolean }): { extracted: Extracted[]; issues: Issue[] } {
  const extraction = new Extraction(answered, options);
  const root = { extract: false, category: [survey] };
  extraction.level(answered.response, answered.questionnaire, extraction.inherit(answered.questionnaire, root), 'QuestionnaireResponse', '');
  return { extracted: extraction.finished(), issues: extraction.issues };
}

class Extraction {
  readonly issues: Issue[] = [];
  readonly #made: (Extracted & { readonly parent?: Resource })[] = [];
  readonly #answered: Answered;
  readonly #options: { readonly source: string; readonly derived: (coding: Coding) => boolean };

  constructor(answered: Answered, options: { readonly source: string; readonly derived: (coding: Coding) => boolean }) {
    this.#answered = answered;
    this.#options = options;
  }

  /** @returns what says something, panels with their members: those below first, so that an empty panel is nobody's member. */
  finished(): Extracted[] {
    const kept: Extracted[] = [];
    for (const { key, resource, parent } of this.#made.toReversed()) {
      if (!Object.keys(resource).some((name) => name.startsWith('value') || name === 'hasMember' || name === 'component')) continue;
      kept.unshift({ key, resource });
      if (parent !== undefined) parent['hasMember'] = [{ reference: `Observation/${resource.id}` }, ...((parent['hasMember'] as object[] | undefined) ?? [])];
    }
    return kept;
  }

  /** @param above what holds for the item above. */
  inherit(question: object, above: Inherited): Inherited {
    const marked = extension(question, sdcExtension.observationExtract);
    const category = extensions(question, sdcExtension.observationExtractCategory).flatMap(({ valueCodeableConcept }) => valueCodeableConcept ?? []);
    return { ...above, extract: marked === undefined ? above.extract : marked.valueBoolean !== false, category: category.length === 0 ? above.category : category };
  }

  level(owner: object, questions: object, inherited: Inherited, path: string, key: string): void {
    for (const item of answeredItems(owner, itemsOf(questions), path, key)) this.#item(item, inherited);
  }

  #item(found: AnsweredItem, above: Inherited): void {
    const { question, item, path, key } = found;
    const mark = extension(question, sdcExtension.observationExtract);
    if (mark?.valueBoolean === false) return;
    const inherited = this.inherit(question, above);
    const codes = codesOf(question.code ?? [], inherited.extract);
    if (codes.some(this.#options.derived)) {
      this.issues.push({ severity: 'information', code: 'informational', text: `"${question.linkId}" is not extracted: this service computes that Observation itself when the response is stored.`, expression: path });
      return;
    }
    if (question.type === 'group') {
      const panel = codes.length === 0 ? undefined : this.#add(key, codes, inherited, {});
      this.level(item, question, panel === undefined ? inherited : { ...inherited, parent: panel }, path, key);
      return;
    }
    const component = mark?.valueCode === 'component';
    const seen = new Map<string, number>();
    (item.answer ?? []).forEach((answer, at) => {
      const answerKey = `${key}${answerName(answer, question.repeats === true, seen)}`;
      const observation = codes.length === 0 ? undefined : this.#answer(answer, found, { codes, inherited, component, key: answerKey, path: `${path}.answer[${at}]` });
      this.level(answer, question, observation === undefined ? inherited : { ...inherited, parent: observation }, `${path}.answer[${at}]`, answerKey);
    });
  }

  /** @returns the Observation of an answer; undefined where it becomes a component, or nothing. */
  #answer(answer: QuestionnaireResponseItemAnswer, { question }: AnsweredItem, at: { codes: readonly Coding[]; inherited: Inherited; component: boolean; key: string; path: string }): Resource | undefined {
    const given = valueOf(answer, 'value');
    if (given === undefined) return undefined; // why an answer is absent is not extracted
    const value = observed(given.type, given.value, unitOf(question));
    if (value === undefined) {
      this.issues.push({ severity: 'warning', code: 'not-supported', text: `The answer to "${question.linkId}" is not extracted: the value of an Observation cannot be a ${given.type}.`, expression: at.path });
      return undefined;
    }
    const { parent } = at.inherited;
    if (!at.component || parent === undefined) return this.#add(at.key, at.codes, at.inherited, value);
    parent['component'] = [...((parent['component'] as object[] | undefined) ?? []), { code: { coding: at.codes }, ...value }];
    return undefined;
  }

  #add(key: string, codes: readonly Coding[], { category, parent }: Inherited, value: object): Resource {
    const { response } = this.#answered;
    const copied = (name: string): object => (response[name] === undefined ? {} : { [name]: response[name] });
    const authored = response['authored'] as string | undefined;
    const id = extractedId(this.#options.source, key);
    const episodes = extensions(response, episode);
    const security = response.meta?.security;
    const resource: Resource = {
      resourceType: 'Observation', id,
      ...(security === undefined ? {} : { meta: { security } }),
      ...(episodes.length === 0 ? {} : { extension: episodes }),
      ...copied('basedOn'), ...copied('partOf'),
      status: 'final', category, code: { coding: codes }, ...copied('subject'), ...copied('encounter'),
      ...(authored === undefined ? {} : { effectiveDateTime: authored, ...(authored.includes('T') ? { issued: authored } : {}) }),
      ...performer(response['author'] as { reference?: string } | undefined),
      ...value,
      ...(response.id === undefined ? {} : { derivedFrom: [{ reference: `QuestionnaireResponse/${response.id}` }] }),
    };
    this.#made.push({ key, resource, ...(parent === undefined ? {} : { parent }) });
    return resource;
  }
}

/** The codes of an item that are extracted: those that are marked themselves, else all where the item is. */
function codesOf(codes: readonly Coding[], extract: boolean): Coding[] {
  const marked = codes.filter((code) => extension(code, sdcExtension.observationExtract)?.valueBoolean === true);
  const chosen = marked.length > 0 ? marked : extract ? codes : [];
  return chosen.map(({ extension: _extension, ...code }) => code);
}

/**
 * What tells an answer from the others to its question. A coding tells itself, so that a choice that is taken back leaves the other
 * Observations as they are; anything else is counted.
 */
function answerName(answer: QuestionnaireResponseItemAnswer, repeats: boolean, seen: Map<string, number>): string {
  if (!repeats) return '';
  const { system, code } = answer.valueCoding ?? {};
  const name = code === undefined ? '' : JSON.stringify([system ?? null, code]);
  const number = (seen.get(name) ?? 0) + 1;
  seen.set(name, number);
  return `=${name}${number === 1 && name !== '' ? '' : `#${number}`}`;
}

/** An Observation is made by people and organizations: R4 has no Device there. */
function performer(author: { reference?: string } | undefined): object {
  if (author === undefined || author.reference?.includes('Device/') === true) return {};
  return { performer: [author] };
}

/** @returns value[x] of the Observation; undefined for a type that it cannot have. */
function observed(type: string, value: unknown, unit: Coding | undefined): object | undefined {
  switch (type) {
    case 'Boolean': return { valueBoolean: value };
    case 'Integer': return unit === undefined ? { valueInteger: value } : { valueQuantity: quantity(value, unit) };
    case 'Decimal': return { valueQuantity: unit === undefined ? { value } : quantity(value, unit) };
    case 'Date': case 'DateTime': return { valueDateTime: value };
    case 'Time': return { valueTime: value };
    case 'String': case 'Uri': return { valueString: value };
    case 'Coding': return { valueCodeableConcept: concept(value as Coding) };
    case 'Quantity': return { valueQuantity: value };
    default: return undefined;
  }
}

const quantity = (value: unknown, { system, code, display }: Coding): object => ({
  value, ...(display ?? code ? { unit: display ?? code } : {}), ...(system === undefined || code === undefined ? {} : { system, code }),
});

const concept = (coding: Coding): object => (coding.code === undefined ? { text: coding.display } : { coding: [coding], ...(coding.display === undefined ? {} : { text: coding.display }) });
