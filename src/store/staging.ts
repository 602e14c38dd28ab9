import { hotColumns } from '../fhir/extract.ts';
import type { IndexRows } from '../fhir/index-rows.ts';
import { serialize } from '../fhir/json.ts';
import { recordedBy } from '../fhir/consent.ts';
import { sharing } from '../fhir/labels.ts';
import { problem, type Problem } from '../fhir/outcome.ts';
import type { Meta, Resource } from '../fhir/resource.ts';
import { servedType } from '../fhir/types.ts';
import type { RecordEntry } from '../outcomes/record-entry.ts';
import { storedRows } from '../resources/stored-rows.ts';
import { noEffects, type Effects } from './effects.ts';
import type { RidBlocks } from './identity.ts';
import type { Current, Incoming, Written } from './unit.ts';

/** What a transaction has read before it decides. */
export interface Loaded {
  readonly now: string;
  readonly patients: Map<string, bigint>;
  readonly current: Map<string, Current>;
}

/** How one resource changed within a unit. */
export interface Changed {
  readonly resource: Resource;
  readonly previous?: Resource;
  readonly deleted: boolean;
  readonly patientId: string | null;
}

const noRows: IndexRows = { token: [], reference: [], date: [], string: [], uri: [], quantity: [] };
const indexKinds = Object.keys(noRows) as (keyof IndexRows)[];

const rowKey = (row: object): string => Object.values(row).join('\u0001');

/** @returns the rows of `from` that `other` lacks. */
function without(from: IndexRows, other: IndexRows): IndexRows {
  const result: Record<string, object[]> = {};
  for (const kind of indexKinds) {
    const have = new Set((other[kind] as object[]).map(rowKey));
    result[kind] = (from[kind] as object[]).filter((row) => !have.has(rowKey(row)));
  }
  return result as unknown as IndexRows;
}

const isEmpty = (rows: IndexRows): boolean => indexKinds.every((kind) => rows[kind].length === 0);

function mergedLabels(before: Meta | undefined, next: Meta | undefined, element: 'profile' | 'security' | 'tag'): unknown[] | undefined {
  if (next?.[element] === undefined && before?.[element] === undefined) return undefined;
  const list: unknown[] = [...(next?.[element] ?? [])];
  const have = new Set(list.map((item) => JSON.stringify(item)));
  // What a client shares is one choice, and so is who recorded a Consent: a new one takes the place of the one before.
  const chosen = new Set(list.map((item) => (item as { system?: string }).system).filter((system) => system === sharing || system === recordedBy));
  for (const item of before?.[element] ?? []) {
    if (!have.has(JSON.stringify(item)) && !chosen.has((item as { system?: string }).system)) list.push(item);
  }
  return list.length > 0 ? list : undefined;
}

/**
 * The meta of a new version. Profiles, tags and security labels that an update leaves out stay (they are taken away by
 * $meta-delete only): a client that does not know a label must not lift a restriction by accident.
 */
function metaOf({ value: { meta: client }, relabels }: Incoming, before: Meta | undefined, version: number, lastUpdated: string): Meta {
  const { versionId: _version, lastUpdated: _updated, profile: _p, security: _s, tag: _t, ...rest } = client ?? {};
  const meta: Meta = { versionId: String(version), lastUpdated, ...rest };
  for (const element of ['profile', 'security', 'tag'] as const) {
    const labels = mergedLabels(relabels ? undefined : before, client, element);
    if (labels !== undefined) (meta as Record<string, unknown>)[element] = labels;
  }
  return meta;
}

/** The refusal to move a resource from one record to another. */
export const movedSubject = (type: string): Problem =>
  problem('invalid', 'business-rule', `The Patient whose record holds this ${type} cannot change. Mark this resource entered-in-error and create a new one.`, `${type}.${servedType(type)?.patient ?? 'subject'}`);

/** An instant strictly later than `before`: versions of one resource never share a time (reliability R17). */
export function laterThan(before: string, now: string): string {
  if (now > before) return now;
  const seconds = before.slice(0, 20);
  const micros = Number(before.slice(20, 26)) + 1;
  if (micros < 1_000_000) return `${seconds}${String(micros).padStart(6, '0')}Z`;
  return `${new Date(Date.parse(`${before.slice(0, 19)}Z`) + 1000).toISOString().slice(0, 19)}.000000Z`;
}

/**
 * The state of one unit while it is decided: what was loaded, what the unit itself has changed so far, and the effects.
 * A unit that is refused is dropped with its staging; nothing of it reaches the database.
 */
export class Staging {
  readonly effects: Effects = noEffects();
  readonly changed: Changed[] = [];
  readonly #loaded: Loaded;
  readonly #rids: RidBlocks;
  readonly #overlay = new Map<string, Current>();
  readonly #patients = new Map<string, bigint>();
  readonly #identified = new Map<string, Current>();

  constructor(loaded: Loaded, rids: RidBlocks) {
    this.#loaded = loaded;
    this.#rids = rids;
  }

  get now(): string {
    return this.#loaded.now;
  }

  /** The newest version as this unit sees it. */
  current(type: string, id: string): Current | undefined {
    const key = `${type}/${id}`;
    return this.#overlay.get(key) ?? this.#loaded.current.get(key);
  }

  /** Whether `incoming` says the same as a stored version, its meta aside. */
  sameContent(current: Current, incoming: Incoming): boolean {
    const previous = JSON.parse(current.body!) as Resource;
    return serialize(incoming.stored, { id: current.id, meta: metaOf(incoming, previous.meta, current.version, current.lastUpdated) }) === current.body;
  }

  /** Remembers a response that this unit creates, so that a twin in the same unit finds it. */
  identify(identity: { patient: string; code: string; system: bigint }, current: Current): void {
    this.#identified.set(`${identity.patient} ${identity.system} ${identity.code}`, current);
  }

  /** @returns the response that this unit created under `identity`. */
  identified(identity: { patient: string; code: string; system: bigint }): Current | undefined {
    return this.#identified.get(`${identity.patient} ${identity.system} ${identity.code}`);
  }

  /** Adds what a second round of loading found. */
  addLoaded(current: Map<string, Current>): void {
    for (const [key, value] of current) if (!this.#loaded.current.has(key)) this.#loaded.current.set(key, value);
  }

  /** @returns the rid of the Patient `id`, or undefined when there is none. */
  patient(id: string): bigint | undefined {
    return this.#patients.get(id) ?? this.#loaded.patients.get(id);
  }

  /**
   * Stages a new version with content.
   * @param creation how a resource that is not there is created: by POST, or by PUT with an id of the client's.
   * @returns what it became; `unchanged` when the content equals the current version's.
   * @throws Problem `invalid` when the subject does not exist or would change.
   */
  put(type: string, id: string, incoming: Incoming, creation: 'C' | 'P' = 'C'): Written {
    const before = this.current(type, id);
    const previous = before?.live ? (JSON.parse(before.body!) as Resource) : undefined;
    const version = (before?.version ?? 0) + 1;
    const lastUpdated = before === undefined ? this.now : laterThan(before.lastUpdated, this.now);
    if (previous !== undefined) {
      const same = serialize(incoming.stored, { id, meta: metaOf(incoming, previous.meta, before!.version, before!.lastUpdated) });
      if (same === before!.body) return { outcome: 'unchanged', type, id, version: before!.version, body: before!.body, lastUpdated: before!.lastUpdated };
    }
    const meta = metaOf(incoming, previous?.meta, version, lastUpdated);
    const resource: Resource = { ...incoming.value, id, meta };
    const body = serialize(incoming.stored, { id, meta });
    const hot = hotColumns(resource);
    const rid = before?.rid ?? this.#rids.take();
    const isMoved = previous !== undefined && before!.patient !== null && type !== 'Provenance' && hotColumns(previous).patient !== hot.patient;
    // first whether it moves: the answer is the same whether there is a Patient where it would go
    const patient = isMoved ? null : this.#patientOf(resource, hot.patient, rid);
    if (previous !== undefined && before!.patient !== patient && before!.patient !== null) {
      throw movedSubject(type);
    }
    const rows = storedRows(resource);
    this.#stage({ type, id, version, rid, live: true, method: previous === undefined ? creation : 'U', restricted: hot.restricted, private: hot.private, patient, status: hot.status, dateLow: hot.dateLow, dateHigh: hot.dateHigh, lastUpdated, body }, before, previous, rows);
    this.changed.push({ resource, ...(previous === undefined ? {} : { previous }), deleted: false, patientId: hot.patient });
    return { outcome: previous === undefined ? 'created' : 'updated', type, id, version, body, lastUpdated };
  }

  /** Stages a deletion of the live version. */
  delete(type: string, id: string): Written {
    const before = this.current(type, id);
    if (before === undefined || !before.live) return { outcome: 'absent', type, id, version: before?.version ?? 0, body: null, lastUpdated: before?.lastUpdated ?? this.now };
    const previous = JSON.parse(before.body!) as Resource;
    const version = before.version + 1;
    const lastUpdated = laterThan(before.lastUpdated, this.now);
    this.#stage({ type, id, version, rid: before.rid, live: false, method: 'D', restricted: before.restricted, private: before.private, patient: before.patient, status: null, dateLow: null, dateHigh: null, lastUpdated, body: null }, before, previous, noRows);
    this.changed.push({ resource: previous, previous, deleted: true, patientId: hotColumns(previous).patient });
    return { outcome: 'deleted', type, id, version, body: null, lastUpdated };
  }

  /** Stages the record entries that replace those of one source resource. */
  entries(patientId: string, id: string, kinds: readonly string[], entries: readonly RecordEntry[], replaces: boolean): void {
    const patient = this.patient(patientId);
    if (patient === undefined || (entries.length === 0 && !replaces)) return;
    const known = this.effects.entries.findIndex((change) => change.patient === patient && change.id === id && change.kinds[0] === kinds[0]);
    if (known >= 0) this.effects.entries[known] = { ...this.effects.entries[known]!, entries };
    else this.effects.entries.push({ patient, id, kinds, entries, replaces });
  }

  #stage(version: Effects['versions'][number], before: Current | undefined, previous: Resource | undefined, rows: IndexRows): void {
    const { type, id, rid, patient } = version;
    this.effects.versions.push(version);
    if (before?.live) {
      const staged = this.effects.versions.findIndex((other) => other.type === type && other.rid === rid && other.version === before.version);
      if (staged >= 0) this.effects.versions[staged] = { ...this.effects.versions[staged]!, live: false };
      else this.effects.superseded.push({ type, rid, version: before.version });
    }
    const old = previous === undefined ? noRows : storedRows(previous);
    const anew = previous === undefined || before!.patient !== patient;
    const added = anew ? rows : without(rows, old);
    const removed = anew ? old : without(old, rows);
    if (!isEmpty(added) || !isEmpty(removed)) {
      // A resource written twice in one unit: rows of the version in between were only staged, so they are unstaged.
      const staged = this.effects.index.findIndex((change) => change.rid === rid);
      if (staged < 0) this.effects.index.push({ rid, patient, added, removed });
      else this.effects.index[staged] = restaged(this.effects.index[staged]!, patient, added, removed);
    }
    this.#overlay.set(`${type}/${id}`, { type, id, rid, version: version.version, live: version.live, patient, restricted: version.restricted, private: version.private, lastUpdated: version.lastUpdated, body: version.body });
    if (type === 'Patient' && version.live) this.#patients.set(id, rid);
  }

  #patientOf(resource: Resource, named: string | null, rid: bigint): bigint | null {
    const { resourceType: type } = resource;
    if (type === 'Patient') return rid;
    if (type === 'Provenance') return this.#patientOfTargets(resource, named);
    if (named === null) return null;
    const patient = this.patient(named);
    if (patient === undefined) {
      throw problem('invalid', 'not-found', 'The subject is not known here. Create the Patient first, or in the same transaction.', `${type}.${servedType(type)?.patient ?? 'subject'}`);
    }
    return patient;
  }

  /** A Provenance belongs to the record of the one Patient that all of its targets belong to. */
  #patientOfTargets(resource: Resource, named: string | null): bigint | null {
    const found = new Set<bigint>();
    if (named !== null && this.patient(named) !== undefined) found.add(this.patient(named)!);
    for (const { reference } of (resource['target'] as { reference?: string }[] | undefined) ?? []) {
      const [type, id] = reference?.split('/') ?? [];
      const patient = type !== undefined && id !== undefined ? this.current(type, id)?.patient : undefined;
      if (patient !== undefined && patient !== null) found.add(patient);
    }
    return found.size === 1 ? [...found][0]! : null;
  }
}

function restaged(change: Effects['index'][number], patient: bigint | null, added: IndexRows, removed: IndexRows): Effects['index'][number] {
  const combine = (first: IndexRows, second: IndexRows, minus: IndexRows): IndexRows => {
    const kept = without(first, minus);
    const result: Record<string, object[]> = {};
    for (const kind of indexKinds) result[kind] = [...kept[kind], ...second[kind]];
    return result as unknown as IndexRows;
  };
  return {
    rid: change.rid,
    patient,
    added: combine(change.added, without(added, change.removed), removed),
    removed: combine(change.removed, without(removed, change.added), added),
  };
}
