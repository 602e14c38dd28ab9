import { loinc } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { askedWhen, calculation, type Calculation } from './calculated.ts';
import { codeSystems } from './code-systems.ts';
import type { ItemDefinition } from './instrument.ts';
import { observationDefinitions } from './observation-definitions.ts';
import type { Instrument, Registry, Scale } from './registry.ts';
import { valueSets } from './value-sets.ts';

/** FHIR resources that follow from the registry: Questionnaires, ObservationDefinitions, code systems, value sets. */

const loincNotice = 'This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. and the LOINC Committee, and is available at no cost under the license at http://loinc.org/license.';
const sdc = 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-';
const core = 'http://hl7.org/fhir/StructureDefinition/';
const notApplicable = { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'not-applicable', display: 'Not Applicable' };

/** @returns everything that the service publishes about its instruments, with stable ids: write it at start. */
export function shippedResources(registry: Registry): Resource[] {
  const forms = registry.instruments.filter(({ definition }) => definition.form === undefined);
  return [...forms.map(questionnaire), ...observationDefinitions(registry), ...codeSystems(registry), ...valueSets(registry)];
}

/**
 * @returns the Questionnaire of an instrument: linkIds and codes as LHC-Forms writes them, so that forms and responses can be exchanged.
 * No item is required: how many may be missing is the scoring rule's matter.
 */
export function questionnaire(instrument: Instrument): Resource {
  const { definition, canonical, scales, texts: [pack] } = instrument;
  const { id, version: ofScoring, formVersion: version = ofScoring, name, title, licence, panel, items, unscored, scales: [first] } = definition;
  const calculations = new Map(scales.map((scale) => [scale, calculation(scale)]));
  return {
    resourceType: 'Questionnaire',
    id,
    ...(pack === undefined ? {} : { language: pack.language }),
    ...variables([...calculations.values()]),
    url: canonical,
    version,
    name,
    title,
    status: 'active',
    experimental: false,
    subjectType: ['Patient'],
    publisher: 'Intersession',
    description: `${title}: ${definition.measures}. Recall: ${definition.recall}. About ${Math.ceil(definition.estimatedSeconds / 60)} min.${alwaysSeen(definition)}`,
    copyright: [licence.notice, ...(pack === undefined ? [] : [`Item texts under licence ${pack.licence.id} of ${pack.licence.date}.`]), loincNotice].join(' '),
    ...(panel === undefined ? {} : { code: [{ system: loinc, code: panel.code, display: panel.display }] }),
    item: [
      ...stem(instrument),
      ...items.map((item, i) => question(instrument, item, `${i + 1}`)),
      ...unscored.map((item) => question(instrument, item)),
      ...scales.flatMap((scale) => totalItem(scale, calculations.get(scale), scale.definition === first)),
    ],
  };
}

/** What a client is promised of privacy does not hold for these answers, which is said beforehand (docs/clinical.md 7.4). */
function alwaysSeen({ items, safety }: Instrument['definition']): string {
  const numbers = safety.map(({ linkId }) => items.findIndex((each) => each.linkId === linkId) + 1);
  return numbers.length === 0 ? '' : ` Your care team always sees the answer to question ${numbers.join(' and ')}, also where you keep the others private.`;
}

function variables(calculations: readonly (Calculation | undefined)[]): object {
  const extension = calculations.flatMap((each) => (each === undefined ? [] : [
    { url: `${core}variable`, valueExpression: { name: each.name, language: 'text/fhirpath', expression: each.variable } },
  ]));
  return extension.length === 0 ? {} : { extension };
}

/** What a renderer shows of a score; the service computes it from the answers, whatever is sent. */
function totalItem({ key, codings, definition: { title } }: Scale, calculated: Calculation | undefined, isFirst: boolean): object[] {
  if (calculated === undefined) return [];
  const code = codings.find(({ system }) => system === loinc);
  return [{
    extension: [{ url: `${sdc}calculatedExpression`, valueExpression: { language: 'text/fhirpath', expression: calculated.expression } }],
    linkId: code === undefined ? (isFirst ? `${key}.total` : key) : `/${code.code}`,
    code: [code ?? codings.at(-1)!],
    text: `${title} (computed when the answers are sent)`,
    type: 'decimal',
    readOnly: true,
  }];
}

function stem({ definition, texts }: Instrument): object[] {
  const text = texts[0]?.stem ?? (definition.licence.shipItemText ? definition.stem : undefined);
  return text === undefined ? [] : [{ linkId: 'stem', type: 'display', text, ...translations(texts, (pack) => pack.stem) }];
}

/** The texts of the packs after the first, as translations of the element before. */
function translations(packs: Instrument['texts'], textOf: (pack: Instrument['texts'][number]) => string | undefined, element = '_text'): object {
  const extension = packs.slice(1).flatMap((pack) => {
    const text = textOf(pack);
    return text === undefined ? [] : [{ url: `${core}translation`, extension: [{ url: 'lang', valueCode: pack.language }, { url: 'content', valueString: text }] }];
  });
  return extension.length === 0 ? {} : { [element]: { extension } };
}

function question(instrument: Instrument, item: ItemDefinition, prefix?: string): object {
  const { definition: { licence, shortTitle }, texts } = instrument;
  const shipped = licence.shipItemText ? item.text : undefined;
  const numeric = item.numeric;
  const value = numeric !== undefined && Number.isInteger(numeric.step) ? 'valueInteger' : 'valueDecimal';
  const bounds = numeric === undefined ? [] : [{ url: `${core}minValue`, [value]: numeric.min }, { url: `${core}maxValue`, [value]: numeric.max }];
  const asked = askedWhen(instrument, item.linkId);
  const condition = asked === undefined ? [] : [{ url: `${sdc}enableWhenExpression`, valueExpression: { language: 'text/fhirpath', expression: asked } }];
  return {
    ...(item.free === undefined ? { extension: [{ url: `${sdc}observationExtract`, valueBoolean: true }, ...bounds, ...condition] } : {}),
    linkId: item.linkId,
    code: [{ system: item.system ?? loinc, code: item.code }],
    ...(prefix === undefined ? {} : { prefix: `${prefix}.` }),
    text: texts[0]?.items[item.linkId] ?? shipped ?? `Item ${prefix ?? item.linkId} of ${shortTitle} (text supplied by your licence)`,
    ...translations(texts, (pack) => pack.items[item.linkId]),
    ...(item.free !== undefined ? { type: item.free } : numeric !== undefined ? { type: value === 'valueInteger' ? 'integer' : 'decimal' } : { type: 'choice' }),
    required: false,
    repeats: false,
    ...(item.answers === undefined ? {} : { answerOption: options(instrument, item) }),
  };
}

/** Each answer with the number that the form prints, and the score that it gives: they differ for items that run against the scale. */
function options({ definition: { answerLists }, items, texts }: Instrument, item: ItemDefinition): object[] {
  const scored = items.get(item.linkId);
  const offered = answerLists.find(({ id }) => id === item.answers)!.options.map(({ system, code, display, score }) => ({
    ...(score === undefined ? {} : {
      extension: [
        { url: `${core}questionnaire-optionPrefix`, valueString: String(score) },
        ...['ordinalValue', 'itemWeight'].map((name) => ({ url: core + name, valueDecimal: scored?.byCode.get(code) ?? score })),
      ],
    }),
    valueCoding: { system: system ?? loinc, code, display: texts[0]?.answers?.[code] ?? display, ...translations(texts, (pack) => pack.answers?.[code], '_display') },
  }));
  return item.notApplicable === true ? [...offered, { valueCoding: notApplicable }] : offered;
}
