import type { Resource } from '../../src/fhir/resource.ts';
import { readInstruments } from '../../src/instruments.ts';
import { seriesOf } from '../../src/outcomes/baseline.ts';
import { derive } from '../../src/outcomes/derive.ts';
import { observationId, type ObservationRule } from '../../src/outcomes/observations.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { patientRecord, withSource, type PatientRecord } from '../../src/outcomes/record.ts';
import { instrumentRegistry, type Registry } from '../../src/outcomes/registry.ts';
import type { SafetySettings } from '../../src/outcomes/safety-settings.ts';
import type { TrajectoryReference } from '../../src/outcomes/trajectory-reference.ts';

export const registry = instrumentRegistry(readInstruments(new URL('../../schemas/instruments', import.meta.url)));
export const base = 'https://intersession.example/fhir';
const loinc = 'http://loinc.org';

export const phqItems = ['44250-9', '44255-8', '44259-0', '44254-1', '44251-7', '44258-2', '44252-5', '44253-3', '44260-8'];
export const gadItems = ['69725-0', '68509-9', '69733-4', '69734-2', '69735-9', '69689-8', '69736-7'];
const answerCodes = ['LA6568-5', 'LA6569-3', 'LA6570-1', 'LA6571-9'];

/** An answer as a form sends it; null: the item is left out. */
const items = (codes: readonly string[], scores: readonly (number | null)[]): object[] => codes.flatMap((code, i) =>
  (scores[i] === null || scores[i] === undefined ? [] : [{ linkId: `/${code}`, answer: [{ valueCoding: { system: loinc, code: answerCodes[scores[i]] } }] }]));

export const phq9 = (id: string, authored: string, scores: readonly (number | null)[], more: object = {}): Resource =>
  ({ resourceType: 'QuestionnaireResponse', id, questionnaire: `${base}/Questionnaire/phq-9`, status: 'completed', authored, item: items(phqItems, scores), ...more });

export const gad7 = (id: string, authored: string, scores: readonly (number | null)[], more: object = {}): Resource =>
  ({ resourceType: 'QuestionnaireResponse', id, questionnaire: `${base}/Questionnaire/gad-7`, status: 'completed', authored, item: items(gadItems, scores), ...more });

/** @param work null: it does not apply. */
export const wsas = (id: string, authored: string, [work, ...others]: readonly [number | null, ...number[]]): Resource => ({
  resourceType: 'QuestionnaireResponse', id, questionnaire: `${base}/Questionnaire/wsas`, status: 'completed', authored,
  item: [
    { linkId: 'wsas-1', answer: [work === null ? { valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'not-applicable' } } : { valueInteger: work }] },
    ...others.map((value, i) => ({ linkId: `wsas-${i + 2}`, answer: [{ valueInteger: value }] })),
  ],
});

/** Nine PHQ-9 item scores with this total and this answer to item 9. */
export function totalling(total: number, item9 = 0): number[] {
  let left = total - item9;
  const scores = Array.from({ length: 8 }, () => {
    const score = Math.min(3, left);
    left -= score;
    return score;
  });
  if (left > 0) throw new RangeError(`A PHQ-9 with item 9 = ${item9} cannot total ${total}`);
  return [...scores, item9];
}

export const session = (id: string, start: string, more: object = {}): Resource =>
  ({ resourceType: 'Encounter', id, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'VR' }, period: { start }, ...more });

/** A patient's resources in memory, with derived writes applied as the store applies them. */
export class World {
  readonly resources = new Map<string, Resource>();
  /** Versions so far: a resource that was deleted goes on counting. */
  readonly #versions = new Map<string, number>();
  /** Every derived write that changed something, as `Type/id` with its status. */
  readonly log: string[] = [];
  record: PatientRecord = patientRecord([]);
  now = '2024-12-01T12:00:00Z';
  careTeam: Resource | undefined;
  patient: Resource | undefined;
  safety: SafetySettings | undefined;
  reference: TrajectoryReference | null = null;
  readonly #registry: Registry;

  constructor(known: Registry = registry) {
    this.#registry = known;
  }

  write(resource: Resource, questionnaire?: Resource): void {
    const key = `${resource.resourceType}/${resource.id}`;
    const previous = this.resources.get(key);
    const stored = this.#store(key, resource);
    if (resource.resourceType === 'Patient') this.patient = stored;
    this.#derive(stored, previous, false, questionnaire);
  }

  delete(type: string, id: string): void {
    const stored = this.resources.get(`${type}/${id}`)!;
    this.resources.delete(`${type}/${id}`);
    this.#versions.set(`${type}/${id}`, Number(stored.meta!.versionId) + 1);
    this.#derive(stored, undefined, true);
  }

  #store(key: string, resource: Resource): Resource {
    const version = (this.#versions.get(key) ?? 0) + 1;
    this.#versions.set(key, version);
    const stored: Resource = { ...resource, meta: { ...resource.meta, versionId: String(version) } };
    this.resources.set(key, stored);
    return stored;
  }

  #derive(resource: Resource, previous: Resource | undefined, deleted: boolean, questionnaire?: Resource): void {
    const before = this.record;
    this.record = withSource(before, { type: resource.resourceType, id: resource.id! }, deleted ? [] : recordEntries(resource, { registry: this.#registry, questionnaire }));
    const context = { registry: this.#registry, now: this.now, device: 'Device/intersession-1', patient: 'Patient/p', careTeam: this.careTeam, patientResource: this.patient, safety: this.safety, reference: this.reference };
    for (const write of derive(before, this.record, { resource, previous, deleted, questionnaire }, context)) {
      const key = write.kind === 'change' ? `${write.type}/${write.id}` : `${write.resource.resourceType}/${write.resource.id}`;
      const current = this.resources.get(key);
      if (write.kind !== 'change' && !write.mayExist && current !== undefined) throw new Error(`${key} exists although it cannot`);
      if (write.kind === 'once' && current !== undefined) continue;
      if (write.kind === 'once' && write.when !== undefined) {
        const other = this.resources.get(`${write.when.type}/${write.when.id}`);
        if (other === undefined || !write.when.holds(other)) continue;
      }
      const next = write.kind === 'change' ? current && write.change(current) : write.resource;
      if (next === null || next === undefined || same(next, current)) continue;
      const stored = this.#store(key, next);
      this.log.push(`${key} ${JSON.stringify(stored.status)}`);
      this.record = withSource(this.record, { type: stored.resourceType, id: stored.id! }, recordEntries(stored, { registry: this.#registry }));
    }
  }

  all(type: string, test: (resource: Resource) => boolean = () => true): Resource[] {
    return [...this.resources.values()].filter((resource) => resource.resourceType === type && test(resource));
  }

  /** The computed Observation of one rule for one response. */
  observation(rule: ObservationRule, responseId: string, scale = 'phq-9'): Resource | undefined {
    return this.resources.get(`Observation/${observationId(rule, this.#registry.scales.get(scale)!, responseId)}`);
  }

  /** What is derived, without what depends on the way there: versions and the amended/corrected status. */
  derivedState(): Record<string, unknown> {
    return Object.fromEntries(this.all('Observation', ({ status }) => status !== 'entered-in-error')
      .map(({ meta: _meta, status: _status, ...rest }): [string, unknown] => [rest.id!, rest]).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

function same(a: Resource, b: Resource | undefined): boolean {
  if (b === undefined) return false;
  const strip = ({ meta, ...rest }: Resource): unknown => ({ ...rest, security: meta?.security });
  return JSON.stringify(sorted(strip(a))) === JSON.stringify(sorted(strip(b)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]));
}

/** Baseline of each PHQ-9 series that these resources give, and of the last. */
export function baselineOf(resources: readonly Resource[]): number | undefined {
  return baselineOf.all(resources).at(-1);
}
baselineOf.all = (resources: readonly Resource[]): number[] =>
  seriesOf(patientRecord(resources.flatMap((resource) => recordEntries(resource, { registry }))), 'phq-9').map(({ baseline }) => baseline.value);
