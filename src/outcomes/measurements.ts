import { hotColumns } from '../fhir/extract.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Point } from './statistics.ts';

/** The numeric values in Observations, by what they measure: what `Observation/$stats` computes from. Pure. */

export interface Coding { readonly system?: string; readonly code?: string; readonly display?: string }
export interface Concept { readonly coding?: readonly Coding[]; readonly text?: string }
export interface Unit { readonly unit?: string; readonly system?: string; readonly code?: string }

/** A code that is asked for; without a system it is a code of any. */
export interface Wanted { readonly system?: string; readonly code: string }

/** The values of one code. */
export interface Measured {
  readonly code: Concept;
  readonly points: readonly Point[];
  /** Values, and Observations that have none that counts. */
  readonly total: number;
  /** The units of the values, those that are equal once; a number without dimension has none. */
  readonly units: readonly Unit[];
}

interface Holder {
  readonly code?: Concept;
  readonly valueQuantity?: { readonly value?: number; readonly comparator?: string; readonly modifierExtension?: unknown } & Unit;
  readonly valueInteger?: number;
  readonly modifierExtension?: unknown;
  readonly component?: readonly Holder[];
  readonly hasMember?: readonly { readonly reference?: string }[];
}

const ucum = 'http://unitsofmeasure.org';

/** A number without dimension: no unit, 1, or an annotation such as {score} (https://ucum.org/ucum 6: an annotation means 1). */
const isPlain = ({ unit, system, code }: Unit): boolean =>
  code === undefined ? unit === undefined : system === ucum && /^(1|\{[^{}]*\})$/.test(code);

const unitKey = (unit: Unit): string => (isPlain(unit) ? '' : unit.code === undefined ? unit.unit! : `${unit.system ?? ''}|${unit.code}`);

const fits = (coding: Coding, wanted: Wanted): boolean => coding.code === wanted.code && (wanted.system === undefined || wanted.system === coding.system);

/** One code on its way: the codes that belong to it, and its values, each once. */
class Gathering {
  readonly wanted: readonly Wanted[];
  readonly text: string | undefined;
  code: Concept;
  readonly points: Point[] = [];
  readonly units = new Map<string, Unit>();
  readonly seen = new Set<string>();
  /** A panel was found under this code: its parts are codes of their own. */
  panel = false;

  constructor(code: Concept, wanted: readonly Wanted[]) {
    this.code = code;
    this.wanted = wanted;
    this.text = wanted.length === 0 ? code.text : undefined;
  }

  isOf(concept: Concept | undefined): boolean {
    if (this.wanted.length === 0) return concept?.text === this.text && (concept?.coding ?? []).length === 0;
    return (concept?.coding ?? []).some((coding) => this.wanted.some((wanted) => fits(coding, wanted)));
  }

  /** @param place what tells this value from all others: nothing counts twice. */
  add(place: string, holder: Holder, day: number | undefined): void {
    if (this.seen.has(place)) return;
    this.seen.add(place);
    const known = this.wanted.length === 1 ? holder.code?.coding?.find((coding) => fits(coding, this.wanted[0]!)) : undefined;
    // As it is called in the record.
    if (known !== undefined && this.seen.size === 1) this.code = { coding: [{ system: known.system, code: known.code, display: known.display }] };
    const value = numberOf(holder);
    if (value === undefined) return;
    this.points.push(day === undefined ? { value: value.value } : { value: value.value, day });
    const key = unitKey(value.unit);
    const unit = this.units.get(key);
    if (unit === undefined || (unit.code === undefined && value.unit.code !== undefined)) this.units.set(key, value.unit);
  }
}

/** The number that a holder states exactly; a modifier extension may turn its meaning, so that it does not count. */
function numberOf(holder: Holder): { value: number; unit: Unit } | undefined {
  if (holder.modifierExtension !== undefined) return undefined;
  if (typeof holder.valueInteger === 'number') return { value: holder.valueInteger, unit: {} };
  const { value, comparator, modifierExtension, unit, system, code } = holder.valueQuantity ?? {};
  if (typeof value !== 'number' || comparator !== undefined || modifierExtension !== undefined) return undefined;
  return { value, unit: { ...(unit === undefined ? {} : { unit }), ...(system === undefined ? {} : { system }), ...(code === undefined ? {} : { code }) } };
}

const hasValue = (holder: Holder): boolean => Object.keys(holder).some((key) => /^value[A-Z]/.test(key));

/**
 * Gathers the values of each wanted code, of Observations and of their components. An Observation of a wanted code that has
 * no value but parts is a panel: each of its components and members counts under its own code
 * (http://hl7.org/fhir/R4/observation-operation-stats.html, parameter code).
 * @param members the Observations that panels name, by `Observation/id`.
 * @returns the wanted codes in their order, then those of parts; a code under which only panels were found is left out.
 */
export function measurements(observations: readonly Resource[], members: ReadonlyMap<string, Resource>, wanted: readonly Wanted[]): Measured[] {
  const asked = wanted.map((each) => new Gathering({ coding: [each] }, [each]));
  const all = [...asked];
  const partOf = (concept: Concept): Gathering => {
    const known = all.find((gathering) => gathering.isOf(concept));
    if (known !== undefined) return known;
    const codings = (concept.coding ?? []).filter((coding): coding is Coding & { code: string } => coding.code !== undefined);
    const fresh = new Gathering(concept, codings);
    all.push(fresh);
    return fresh;
  };
  for (const observation of observations) {
    const holder = observation as Holder;
    const day = dayOf(observation);
    const place = `Observation/${observation.id}`;
    for (const gathering of asked) {
      if (!gathering.isOf(holder.code)) {
        for (const [at, component] of (holder.component ?? []).entries()) if (gathering.isOf(component.code)) gathering.add(`${place}#${at}`, within(holder, component), day);
      } else if (hasValue(holder) || (holder.component === undefined && holder.hasMember === undefined)) {
        gathering.add(place, holder, day);
      } else {
        gathering.panel = true;
        for (const [at, component] of (holder.component ?? []).entries()) if (component.code !== undefined) partOf(component.code).add(`${place}#${at}`, within(holder, component), day);
        for (const { reference } of holder.hasMember ?? []) {
          const member = reference === undefined ? undefined : members.get(reference);
          const concept = (member as Holder | undefined)?.code;
          if (member !== undefined && concept !== undefined) partOf(concept).add(reference!, member as Holder, dayOf(member));
        }
      }
    }
  }
  return all.filter(({ panel, seen }) => !panel || seen.size > 0).map(({ code, points, seen, units }) => ({ code, points, total: seen.size, units: [...units.values()] }));
}

/** A modifier extension on the Observation bears on its components too. */
const within = ({ modifierExtension }: Holder, component: Holder): Holder => (modifierExtension === undefined ? component : { ...component, modifierExtension });

/** When an Observation was made, in days since 1970; undefined where it does not say. */
function dayOf(observation: Resource): number | undefined {
  const instant = Date.parse(hotColumns(observation).dateLow ?? '');
  return Number.isNaN(instant) ? undefined : instant / 86_400_000;
}
