import { loinc } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { codeSystems } from './code-systems.ts';
import type { ItemDefinition } from './instrument.ts';
import type { Instrument, Registry } from './registry.ts';
import { valueSets } from './value-sets.ts';

/** FHIR resources that follow from the registry: Questionnaires, code systems, value sets. */

const loincNotice = 'This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. and the LOINC Committee, and is available at no cost under the license at http://loinc.org/license.';
const observationExtract = 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observationExtract';

/** @returns everything that the service publishes about its instruments, with stable ids: write it at start. */
export function shippedResources(registry: Registry): Resource[] {
  return [...registry.instruments.map(questionnaire), ...codeSystems(registry), ...valueSets(registry)];
}

/**
 * @returns the Questionnaire of an instrument: linkIds and codes as LHC-Forms writes them, so that forms and responses can be exchanged.
 * No item is required: how many may be missing is the scoring rule's matter.
 */
export function questionnaire({ definition, canonical, scales }: Instrument): Resource {
  const { id, version, name, title, licence, panel, stem, items, unscored } = definition;
  return {
    resourceType: 'Questionnaire',
    id,
    url: canonical,
    version,
    name,
    title,
    status: 'active',
    experimental: false,
    subjectType: ['Patient'],
    publisher: 'Intersession',
    description: `${title}: ${definition.measures}. Recall: ${definition.recall}. About ${Math.ceil(definition.estimatedSeconds / 60)} min.`,
    copyright: `${licence.notice} ${loincNotice}`,
    ...(panel === undefined ? {} : { code: [{ system: loinc, code: panel.code, display: panel.display }] }),
    item: [
      ...(stem === undefined || !licence.shipItemText ? [] : [{ linkId: 'stem', type: 'display', text: stem }]),
      ...items.map((item, i) => choice(definition, item, `${i + 1}`)),
      ...unscored.map((item) => choice(definition, item)),
      ...scales.flatMap(({ codings, definition: scale }) => {
        const code = codings.find(({ system }) => system === loinc);
        return code === undefined ? [] : [{ linkId: `/${code.code}`, code: [code], text: `${scale.title} (computed when the answers are sent)`, type: 'decimal', readOnly: true }];
      }),
    ],
  };
}

function choice({ answerLists, licence }: Instrument['definition'], item: ItemDefinition, prefix?: string): object {
  const { options } = answerLists.find(({ id }) => id === item.answers) ?? { options: [] };
  const text = licence.shipItemText && item.text !== undefined ? item.text : `Item ${prefix ?? item.linkId} (text supplied by your licence)`;
  return {
    extension: [{ url: observationExtract, valueBoolean: true }],
    linkId: item.linkId,
    code: [{ system: item.system ?? loinc, code: item.code }],
    ...(prefix === undefined ? {} : { prefix: `${prefix}.` }),
    text,
    type: 'choice',
    required: false,
    repeats: false,
    answerOption: options.map(({ system, code, display, score }) => ({
      ...(score === undefined ? {} : {
        extension: [
          { url: 'http://hl7.org/fhir/StructureDefinition/questionnaire-optionPrefix', valueString: String(score) },
          { url: 'http://hl7.org/fhir/StructureDefinition/ordinalValue', valueDecimal: score },
          { url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal: score },
        ],
      }),
      valueCoding: { system: system ?? loinc, code, display },
    })),
  };
}
