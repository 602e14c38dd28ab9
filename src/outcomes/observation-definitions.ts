import { canonicalBase, codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Cutoff } from './instrument.ts';
import type { Registry, Scale } from './registry.ts';

/** How scores are to be read, as FHIR has it (http://hl7.org/fhir/R4/observationdefinition.html): range, bands, cut-offs. */

/** @returns an ObservationDefinition for each scale; bands are qualified intervals of category reference, cut-offs of category critical. */
export function observationDefinitions({ scales }: Registry): Resource[] {
  return [...scales.values()].map(definition);
}

const survey = [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'survey', display: 'Survey' }] }];
const score = { coding: [{ system: 'http://unitsofmeasure.org', code: '{score}', display: 'score' }] };

const range = (low: number, high: number): object => ({ low: { value: low, unit: 'score' }, high: { value: high, unit: 'score' } });

function definition(scale: Scale): Resource {
  const { key, instrument, codings, definition: { title, min, max, bands, cutoffs } } = scale;
  const whole = isWhole(scale);
  return {
    resourceType: 'ObservationDefinition',
    id: `score-${key}`,
    category: survey,
    code: { coding: codings, text: title },
    identifier: [{ system: `${canonicalBase}/score`, value: `${key}|${instrument.definition.version}` }],
    permittedDataType: whole ? ['integer'] : ['Quantity', 'integer'],
    multipleResultsAllowed: false,
    method: { coding: [{ system: codeSystem('scoring-method'), version: instrument.definition.version, code: instrument.definition.id, display: `Scoring of ${instrument.definition.shortTitle}` }] },
    preferredReportName: title,
    quantitativeDetails: { unit: score, decimalPrecision: whole ? 0 : 2 },
    qualifiedInterval: [
      { category: 'absolute', range: range(min, max), condition: 'Lowest and highest score' },
      ...(bands?.list ?? []).map(({ low, high, clinicianLabel }) => ({ category: 'reference', range: range(low, high), condition: `${clinicianLabel} (${bands!.source}; ${bands!.verification})` })),
      ...cutoffs.map((cutoff) => ({
        category: 'critical',
        ...(cutoff.interprets === undefined ? {} : { context: { text: kinds[cutoff.interprets] } }),
        range: reaching(scale, cutoff),
        ...(cutoff.sex === undefined ? {} : { gender: cutoff.sex }),
        condition: `${cutoff.id}: ${cutoff.op} ${cutoff.value} (${cutoff.source}; ${cutoff.verification})`,
      })),
    ],
  };
}

const kinds = { 'screening': 'Screening', 'clinical-range': 'Clinical range' } as const;

/** The scores of a complete form that reach a cut-off. The ends of a Range belong to it, so `<` and `>` end at the next score. */
function reaching({ definition: { min, max, formula, factor = 1 }, items }: Scale, { op, value }: Cutoff): object {
  const step = formula === 'sum' ? Math.min(...items.map(({ numeric }) => numeric?.step ?? 1)) * factor : 0;
  const beside = (distance: number): number => Number((value + distance).toFixed(6));
  switch (op) {
    case '>=': return range(value, max);
    case '>': return range(beside(step), max);
    case '<=': return range(min, value);
    case '<': return range(min, beside(-step));
  }
}

/** Whether every score of a complete form is a whole number. */
function isWhole({ definition: { formula, factor = 1, missing: { max, round } }, items }: Scale): boolean {
  if (formula === 'mean' || formula === 'table' || formula === 'goal-attainment' || !Number.isInteger(factor)) return false;
  return items.every(({ numeric }) => numeric === undefined || Number.isInteger(numeric.step)) && (max === 0 || round === 'half-up');
}
