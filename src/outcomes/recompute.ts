import { canonicalBase } from '../fhir/canonical.ts';
import { serialize } from '../fhir/json.ts';
import type { Resource } from '../fhir/resource.ts';
import { isDerived } from '../resources/observation.ts';
import { derive, type DeriveContext, type DerivedWrite } from './derive.ts';
import { patientRecord, type PatientRecord } from './record.ts';
import type { ReadEntry } from './record-entry.ts';

/** What the rules of today make of a whole record, against what is stored (docs/operations-fhir.md). Pure: nothing is read or written. */

/** One derived resource that is not what the rules of today give. */
export interface Difference {
  readonly kind: 'missing' | 'different' | 'not-implied';
  readonly type: string;
  readonly id: string;
  /** What differs: names of elements; a new version of a rule is named with both versions. */
  readonly why: string;
  /** The value as it is stored, and as it would be: short texts. */
  readonly before?: string;
  readonly after?: string;
  /** The episode that it is about. */
  readonly episode?: string;
  /** What would be written. */
  readonly resource: Resource;
}

/** The resources of a record as they are stored, by `Type/id`. */
export type Stored = ReadonlyMap<string, StoredResource>;

// Quotation marks within a string are escaped, so that this can only be an element; lists of identifiers have Observation and what it contains.
// Without its first quotation mark: to look for a text that begins with what is everywhere takes twice as long.
const ownIdentifier = `identifier":[{"system":"${canonicalBase}/`;
const ownNames = ['score"', 'progress"'];

/** One resource as it is stored: its text, and, read where somebody asks, its elements with numbers as JavaScript reads them. */
export class StoredResource {
  readonly body: string;
  #resource: Resource | undefined;

  constructor(body: string) {
    this.body = body;
  }

  get resource(): Resource {
    return (this.#resource ??= JSON.parse(this.body) as Resource);
  }

  /** Whether the text alone tells that this is an Observation which the service computes: most of a record is, and need not be read to be compared. */
  get isPlainlyDerived(): boolean {
    if (!this.body.startsWith('{"resourceType":"Observation"') || !this.body.includes(canonicalBase)) return false;
    const at = this.body.indexOf(ownIdentifier);
    // What is contained stands behind the name of the element that holds it.
    return at >= 0 && ownNames.some((name) => this.body.startsWith(name, at + ownIdentifier.length)) && !this.body.slice(0, at).includes('"contained":');
  }
}

/**
 * @param entries what the sources of the record project to by the rules of today.
 * @returns every derived resource that would be written, the same for the same record. Alerts and requests are for the moment in
 * which an answer arrives: those that a newer rule would have raised are not raised in retrospect.
 */
export function differences(entries: readonly ReadEntry[], stored: Stored, context: DeriveContext): Difference[] {
  const record = patientRecord(entries, context.zone);
  const implied = new Set<string>();
  const found: Difference[] = [];
  for (const write of impliedBy(record, context)) {
    if (write.kind === 'put') {
      const key = `${write.resource.resourceType}/${write.resource.id}`;
      implied.add(key);
      const difference = compared(stored.get(key), write.resource);
      if (difference !== undefined) found.push(difference);
    } else if (write.kind === 'change' && write.type === 'Goal') {
      const difference = goalDifference(stored.get(`Goal/${write.id}`)?.resource, write);
      if (difference !== undefined) found.push(difference);
    }
  }
  for (const [key, one] of stored) {
    // What names nothing of this service was not computed by it.
    if (implied.has(key) || !key.startsWith('Observation/') || !one.body.includes(canonicalBase)) continue;
    const { resource } = one;
    if (!isDerived(resource) || resource.status === 'entered-in-error') continue;
    found.push({
      kind: 'not-implied', type: resource.resourceType, id: resource.id!, why: 'nothing in the record gives it by the rules of today',
      ...valued('before', resource), ...episodeOf(resource), resource: { ...resource, status: 'entered-in-error' },
    });
  }
  return found;
}

/** All that follows from `record`: a change of a session or an episode looks at every score, from a record in which there was none. */
const impliedBy = (record: PatientRecord, context: DeriveContext): DerivedWrite[] =>
  derive(patientRecord([], context.zone), record, { resource: { resourceType: 'EpisodeOfCare', id: 'recomputed' }, deleted: false }, context);

/** Elements that do not say what was computed: who computed it, how often it was corrected, and the server's own. */
const aside: ReadonlySet<string> = new Set(['status', 'device', 'meta']);

function compared(one: StoredResource | undefined, implied: Resource): Difference | undefined {
  if (one !== undefined && hasText(one.body, implied)) return undefined;
  const stored = one?.resource;
  const about = { type: implied.resourceType, id: implied.id!, ...valued('after', implied), ...episodeOf(implied) };
  if (stored === undefined) return { kind: 'missing', why: 'the rules of today give it, and it is not stored', ...about, resource: implied };
  const wasWithdrawn = stored.status === 'entered-in-error';
  const elements = [...new Set([...Object.keys(stored), ...Object.keys(implied)])].filter((name) => !aside.has(name) && !sameJson(stored[name], implied[name]));
  const labels = sameJson(stored.meta?.security ?? [], implied.meta?.security ?? []) ? [] : ['meta.security'];
  const isOpen = implied.status === 'preliminary' || stored.status === 'preliminary';
  if (!wasWithdrawn && elements.length === 0 && labels.length === 0 && (!isOpen || stored.status === implied.status)) return undefined;
  const versions = ruleVersions(stored, implied);
  const why = wasWithdrawn ? 'it was withdrawn, and the rules of today give it' : [...versions, ...elements, ...labels].join(', ') || 'status';
  // What is stored already may have been amended before: that it was is not taken back.
  const status = implied.status === 'preliminary' || isOpen ? implied.status : wasWithdrawn ? 'corrected' : 'amended';
  return { kind: 'different', why, ...about, ...valued('before', stored), resource: { ...implied, status } };
}

const version = /^\{"resourceType":"Observation","id":"[^"]+","meta":\{"versionId":"(\d+)","lastUpdated":"([^"]+)"/;
const status = /,"status":"(final|amended|corrected)"/;
const device = /,"device":\{"reference":"(Device\/[^"]+)"\}/;

/**
 * Whether `body` is what would be stored for `implied`, but for what lies aside. What is taken from `body` is put in its place in
 * `implied`, and the whole must be the same text, wherever it was found. false: only a look at the elements can tell.
 */
function hasText(body: string, implied: Resource): boolean {
  const [stored, itsStatus, itsDevice] = [version.exec(body), status.exec(body), device.exec(body)];
  if (stored === null || itsStatus === null || itsDevice === null || implied.status === 'preliminary') return false;
  const meta = { versionId: stored[1]!, lastUpdated: stored[2]!, ...implied.meta };
  return serialize({ ...implied, status: itsStatus[1]!, device: { reference: itsDevice[1]! } }, { meta }) === body;
}

interface Ruled { readonly method?: { readonly coding?: readonly { readonly code?: string; readonly version?: string }[] } }

const ruleVersions = (stored: Resource & Ruled, implied: Resource & Ruled): string[] => (implied.method?.coding ?? []).flatMap(({ code, version }) => {
  const before = stored.method?.coding?.find((each) => each.code === code)?.version;
  return before === undefined || before === version ? [] : [`rule ${code} ${before} -> ${version}`];
});

function goalDifference(goal: Resource | undefined, { change }: Extract<DerivedWrite, { kind: 'change' }>): Difference | undefined {
  const next = goal === undefined ? null : change(goal);
  if (goal === undefined || next === null) return undefined;
  const code = ({ achievementStatus }: Resource): string => (achievementStatus as { coding?: { code?: string }[] } | undefined)?.coding?.[0]?.code ?? 'none';
  return { kind: 'different', type: 'Goal', id: goal.id!, why: 'achievementStatus', before: code(goal), after: code(next), resource: next };
}

interface Valued { readonly valueInteger?: number; readonly valueQuantity?: { readonly value?: number }; readonly valueCodeableConcept?: { readonly coding?: readonly { readonly code?: string }[] }; readonly valueBoolean?: boolean }

function valued(name: 'before' | 'after', { valueInteger, valueQuantity, valueCodeableConcept, valueBoolean }: Resource & Valued): Partial<Difference> {
  const value = valueInteger ?? valueQuantity?.value ?? valueCodeableConcept?.coding?.[0]?.code ?? valueBoolean;
  return value === undefined ? {} : { [name]: String(value) };
}

const episodeUrl = 'http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare';

function episodeOf({ extension }: Resource): { episode?: string } {
  const found = (extension as { url?: string; valueReference?: { reference?: string } }[] | undefined)?.find(({ url }) => url === episodeUrl)?.valueReference?.reference;
  return found === undefined ? {} : { episode: found };
}

/** Whether two JSON values are the same, whatever the order of their keys. */
function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const [one, other] = [Object.entries(a), Object.entries(b)];
  return one.length === other.length && one.every(([key, value]) => Object.hasOwn(b, key) && sameJson(value, (b as Record<string, unknown>)[key]));
}
