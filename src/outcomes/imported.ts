import { canonicalBase } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Coding } from './instrument.ts';
import type { ScoreData } from './record-entry.ts';
import type { Registry, Scale } from './registry.ts';

/** Totals that other systems computed: Observations with the code of a known score, as EHRs send them (docs/clinical.md 2). */

interface Observation {
  readonly status?: string;
  readonly code?: { readonly coding?: readonly Coding[] };
  readonly identifier?: readonly { readonly system?: string; readonly value?: string }[];
  readonly valueInteger?: number;
  readonly valueQuantity?: { readonly value?: number; readonly comparator?: string; readonly unit?: string; readonly system?: string; readonly code?: string };
  readonly valueString?: string;
  readonly effectiveDateTime?: string;
  readonly effectiveInstant?: string;
  readonly effectivePeriod?: { readonly start?: string; readonly end?: string };
  readonly issued?: string;
  readonly encounter?: { readonly reference?: string };
  readonly derivedFrom?: readonly { readonly reference?: string }[];
  readonly modifierExtension?: unknown;
}

/** A total that joins the scores of `scale`. */
export interface ImportedTotal { readonly scale: Scale; readonly value: number; readonly time: string | undefined; readonly data: ScoreData }

/** @returns whether an Observation of this code may be a total, whatever its status and value: then it concerns the record. */
export function isTotal(observation: Resource, registry: Registry): boolean {
  return scaleOf(observation as Observation, registry) !== undefined && !isOwn(observation);
}

/**
 * @returns the total that a client's Observation carries: status final, amended or corrected, an exact number within the range of
 * the scale. undefined for every other Observation, those that this service computed itself among them.
 */
export function importedTotal(resource: Resource, registry: Registry): ImportedTotal | undefined {
  const observation = resource as Observation;
  const found = scaleOf(observation, registry);
  if (found === undefined || isOwn(resource) || observation.modifierExtension !== undefined || !counted.includes(observation.status)) return undefined;
  const given = valueOf(observation);
  if (given === undefined) return undefined;
  const { scale, code } = found;
  const { multiply, add } = registry.conversions.get(code) ?? { multiply: 1, add: 0 };
  const value = given * multiply + add;
  const { min, max } = scale.definition;
  if (value < min || value > max) return undefined;
  const { effectiveDateTime, effectiveInstant, effectivePeriod, issued, encounter } = observation;
  const time = effectiveDateTime ?? effectiveInstant ?? effectivePeriod?.end ?? effectivePeriod?.start ?? issued ?? resource.meta?.lastUpdated;
  const responses = (observation.derivedFrom ?? []).flatMap(({ reference }) => (reference?.startsWith(response) === true ? [reference.slice(response.length).split('/', 1)[0]!] : []));
  const labels = resource.meta?.security;
  return {
    scale, value, time,
    data: {
      status: observation.status === 'final' ? 'completed' : 'amended',
      ...(time === undefined ? {} : { authored: time }),
      panel: true, answered: 0, items: 0, prorated: false, maxScore: max, source: 'Observation',
      ...(responses.length === 0 ? {} : { of: responses }),
      ...(encounter?.reference === undefined ? {} : { encounter: encounter.reference }),
      ...(labels === undefined || labels.length === 0 ? {} : { security: labels }),
    },
  };
}

const response = 'QuestionnaireResponse/';
const counted: readonly unknown[] = ['final', 'amended', 'corrected'];

function scaleOf({ code }: Observation, { byMeasure }: Registry): { scale: Scale; code: string } | undefined {
  for (const coding of Array.isArray(code?.coding) ? (code.coding as readonly Coding[]) : []) {
    const key = `${coding.system}|${coding.code}`;
    const scale = byMeasure.get(key);
    if (scale !== undefined) return { scale, code: key };
  }
  return undefined;
}

/** Our own score Observations carry what their id is made from. */
function isOwn({ id, ...observation }: Resource): boolean {
  return ((observation as Observation).identifier ?? []).some(({ system, value }) => {
    if (system !== `${canonicalBase}/score` || value === undefined) return false;
    const colon = value.lastIndexOf(':');
    return id === derivedId(value.slice(colon + 1), `score|${value.slice(0, colon)}`);
  });
}

const plainCode = /^(1|\{[^{}]*\})$/;
const plainWords = /^(|1|\{[^{}]*\}|(total )?scores?|points?|pts)$/i;

/** A number without dimension: no unit, 1, or an annotation such as {score} (https://ucum.org/ucum 6); without a code also the words that EHRs print. */
function valueOf({ valueInteger, valueQuantity, valueString }: Observation): number | undefined {
  if (valueInteger !== undefined) return Number(valueInteger);
  if (valueString !== undefined) return /^\s*\d{1,4}(\.\d{1,4})?\s*$/.test(valueString) ? Number(valueString) : undefined;
  if (valueQuantity?.value === undefined || valueQuantity.comparator !== undefined) return undefined;
  const isPlain = valueQuantity.code === undefined ? plainWords.test(valueQuantity.unit ?? '') : plainCode.test(valueQuantity.code);
  return isPlain ? Number(valueQuantity.value) : undefined;
}
