import { canonicalBase, codeSystem, loinc } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { formTotalCode } from './form-total.ts';
import type { Coding } from './instrument.ts';
import type { Registry, Scale } from './registry.ts';

/** Value sets and concept maps that follow from the registry, beside the value set that each code system has of its own. */

interface Called extends Coding { readonly designation?: readonly { readonly value: string }[] }
interface Listed { readonly id: string; readonly title: string; readonly description: string; readonly codings: readonly Called[] }

/**
 * @returns for each answer list its answers, for each scale with bands its bands, the items of each instrument, the codes of
 *   all scores; and the map from the local codes of scores to those of LOINC.
 */
export function valueSets(registry: Registry): Resource[] {
  const scales = [...registry.scales.values()];
  const sets = [
    ...answers(registry),
    ...scales.flatMap(bands),
    ...registry.instruments.map(({ definition: { id, shortTitle, items, unscored } }): Listed => ({
      id: `${id}-items`, title: `Items of ${shortTitle}`, description: `Codes of the questions of ${shortTitle}.`,
      codings: [...items, ...unscored].map(({ system = loinc, code }) => ({ system, code })),
    })),
    { id: 'score', title: 'Scores', description: 'Codes of the scores that this service computes: LOINC where it has one, and the local code.', codings: [...scales.flatMap(({ codings }) => codings), formTotalCode] },
  ];
  return [...sets.map(valueSet), computed(registry), scoreMap(scales)];
}

/** The answer lists of all instruments; a list that several share is one value set, with the answers of each. */
function answers({ instruments }: Registry): Listed[] {
  const lists = new Map<string, Listed>();
  for (const { definition } of instruments) {
    for (const { id, title, options } of definition.answerLists) {
      const name = `answers-${id.toLowerCase()}`;
      const codings = options.map(({ system = loinc, code, display }) => ({ system, code, display }));
      const known = lists.get(name)?.codings ?? [];
      lists.set(name, {
        id: name, title: `Answers: ${title}`, description: `Answer list ${id}.`,
        codings: [...known, ...codings.filter(({ system, code }) => !known.some((other) => other.system === system && other.code === code))],
      });
    }
  }
  return [...lists.values()];
}

function bands({ key, definition }: Scale): Listed[] {
  if (definition.bands === undefined) return [];
  const codings = definition.bands.list.map(({ code, clinicianLabel }) => ({ system: codeSystem('score-band'), code, display: clinicianLabel }));
  return [{ id: `${key}-bands`, title: `Bands of ${definition.title}`, description: 'Names of score ranges as the instrument publishes them. A band is not a diagnosis.', codings }];
}

const computable = (id: string): string => id.split(/[-.]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');

function valueSet({ id, title, description, codings }: Listed): Resource {
  const bySystem = new Map<string, Called[]>();
  for (const coding of codings) bySystem.set(coding.system!, [...(bySystem.get(coding.system!) ?? []), coding]);
  return {
    resourceType: 'ValueSet', id, url: `${canonicalBase}/ValueSet/${id}`, version: '1.0.0', name: computable(id), title, status: 'active', experimental: false, publisher: 'Intersession', description,
    ...(bySystem.has(loinc) ? { copyright: 'This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. and the LOINC Committee, and is available at no cost under the license at http://loinc.org/license.' } : {}),
    compose: { include: [...bySystem].map(([system, list]) => ({ system, concept: list.map(({ code, display, designation }) => ({ code, ...(display === undefined ? {} : { display }), ...(designation === undefined ? {} : { designation }) })) })) },
  };
}

/**
 * What computed Observations carry as codes, each with its texts. These are the same in all of them, so they are not indexed
 * with every one: `:text` finds their codes here (docs/terminology.md).
 */
function computed({ instruments, scales }: Registry): Resource {
  const called = (text: string | undefined): Pick<Called, 'designation'> => (text === undefined ? {} : { designation: [{ value: text }] });
  const set = valueSet({
    id: 'computed', title: 'Codes of computed Observations', description: 'Every code of an Observation that this service computes, with what it is called.',
    codings: [
      ...[...scales.values()].flatMap(({ codings, definition }) => codings.map((coding) => ({ ...coding, ...called(definition.title) }))),
      formTotalCode,
      ...instruments.flatMap(({ definition: { items, safety } }) => safety.flatMap(({ linkId }) => items.filter((item) => item.linkId === linkId)).map(({ system = loinc, code, text }) => ({ system, code, ...called(text) }))),
      { system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'survey', display: 'Survey' },
      { system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'therapy', display: 'Therapy' },
      { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'unknown', display: 'Unknown', ...called('Too few items are answered') },
    ],
  });
  const include = ['progress-metric', 'change-class', 'observation-category', 'scoring-method'].map((name) => ({ system: codeSystem(name) }));
  return { ...set, compose: { include: [...(set['compose'] as { include: object[] }).include, ...include] } };
}

/** From the local code of a score to the LOINC code of the same score. */
function scoreMap(scales: readonly Scale[]): Resource {
  const local = codeSystem('instrument');
  const element = scales.flatMap(({ key, definition, codings }) => {
    const target = codings.filter(({ system }) => system === loinc).map(({ code, display }) => ({ code, display, equivalence: 'equivalent' }));
    return target.length === 0 ? [] : [{ code: key, display: definition.title, target }];
  });
  return {
    resourceType: 'ConceptMap', id: 'score-to-loinc', url: `${canonicalBase}/ConceptMap/score-to-loinc`, version: '1.0.0', name: 'ScoreToLoinc', title: 'Local codes of scores to LOINC', status: 'active', experimental: false, publisher: 'Intersession',
    description: 'The local codes of scores and the LOINC codes of the same scores. Scores without a LOINC code are not in it.',
    copyright: 'This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. and the LOINC Committee, and is available at no cost under the license at http://loinc.org/license.',
    sourceUri: `${canonicalBase}/ValueSet/instrument`, targetUri: `${canonicalBase}/ValueSet/score`,
    ...(element.length === 0 ? {} : { group: [{ source: local, target: loinc, element }] }),
  };
}
