import type { Coding, Extension, QuestionnaireItem } from '@medplum/fhirtypes';
import type { Resource } from '../fhir/resource.ts';

/** The extensions of Structured Data Capture (http://hl7.org/fhir/uv/sdc) and of R4 that populating and extracting read. */
const sdc = (name: string): string => `http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-${name}`;

export const sdcExtension = {
  initialExpression: sdc('initialExpression'),
  candidateExpression: sdc('candidateExpression'),
  calculatedExpression: sdc('calculatedExpression'),
  itemPopulationContext: sdc('itemPopulationContext'),
  observationLinkPeriod: sdc('observationLinkPeriod'),
  launchContext: sdc('launchContext'),
  observationExtract: sdc('observationExtract'),
  observationExtractCategory: sdc('observation-extract-category'),
  itemExtractionContext: sdc('itemExtractionContext'),
  definitionExtract: sdc('definitionExtract'),
  definitionExtractValue: sdc('definitionExtractValue'),
  variable: 'http://hl7.org/fhir/StructureDefinition/variable',
  unit: 'http://hl7.org/fhir/StructureDefinition/questionnaire-unit',
} as const;

interface Extended { readonly extension?: readonly Extension[] }

/** @returns the first extension of `owner` with this url. */
export const extension = (owner: object, url: string): Extension | undefined => (owner as Extended).extension?.find((each) => each.url === url);

/** @returns all extensions of `owner` with this url. */
export const extensions = (owner: object, url: string): readonly Extension[] => ((owner as Extended).extension ?? []).filter((each) => each.url === url);

/** The unit that a question asks in, where it says one. */
export const unitOf = (question: QuestionnaireItem): Coding | undefined => extension(question, sdcExtension.unit)?.valueCoding;

/** @returns the items of a Questionnaire, of one of its items, or of a response. */
export function itemsOf<Item = QuestionnaireItem>(owner: object): readonly Item[] {
  return (owner as { item?: readonly Item[] }).item ?? [];
}

/** @returns the canonical that a response to `questionnaire` names: with its version, where it has one. */
export function canonicalOf({ url, version }: Resource): string | undefined {
  return typeof url !== 'string' ? undefined : typeof version === 'string' ? `${url}|${version}` : url;
}
