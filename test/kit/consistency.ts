import { hotColumns } from '../../src/fhir/extract.ts';
import type { IndexRows } from '../../src/fhir/index-rows.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { derive } from '../../src/outcomes/derive.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { patientRecord, withSource } from '../../src/outcomes/record.ts';
import type { RecordEntry } from '../../src/outcomes/record-entry.ts';
import { alertId } from '../../src/outcomes/safety.ts';
import { storedRows } from '../../src/resources/stored-rows.ts';
import type { Connection } from '../../src/store/database.ts';
import { instant } from '../../src/store/load.ts';
import { registry } from './record.ts';

/** How many things in the store contradict each other, by kind, with up to twenty of them named. All zero: it is sound. */
export interface Inconsistencies {
  /** Versions that are not 1..n, not later than the one before, or live although they are not the newest. */
  readonly versions: number;
  /** Rows in the six index tables, or typed columns, that differ from what the current versions give. */
  readonly index: number;
  /** Rows of `record_entry` that differ from what the current versions give. */
  readonly entries: number;
  /** Computed Observations that are missing, too many, or not what computing them anew from the responses gives. */
  readonly derived: number;
  /** Answers to a safety item without exactly one Flag and one Task, and alerts without an answer. */
  readonly alerts: number;
  /** Computed versions that are not the target of exactly one Provenance. */
  readonly provenance: number;
  /** References to what was never here. */
  readonly orphans: number;
  readonly examples: readonly string[];
}

interface Stored { readonly type: string; readonly id: string; readonly version: number; readonly rid: bigint; readonly live: boolean; readonly patient: bigint | null; readonly status: string | null; readonly low: string | null; readonly high: string | null; readonly restricted: boolean; readonly private: boolean; readonly updated: string; readonly body: string | null; readonly resource: Resource | null }

type Report = (kind: Exclude<keyof Inconsistencies, 'examples'>, what: string) => void;

const time = (column: string): string => `case when isfinite(${column}) then ${instant(column)} else ${column}::text end`;

/** Rows of every table, by name. */
export async function tableCounts(connection: Connection): Promise<Record<string, number>> {
  const tables = ['resource', ...kinds.map((kind) => `index_${kind}`), 'record_entry', 'idempotency', 'audit_event'];
  const rows = await connection.query<{ name: string; rows: number }>(tables.map((table) => `select '${table}' as name, count(*)::int as rows from ${table}`).join(' union all '));
  return Object.fromEntries(rows.map(({ name, rows: count }) => [name, count]));
}

/** Reads the whole store and computes anew everything in it that follows from something else. */
export async function inspectStore(connection: Connection): Promise<Inconsistencies> {
  const found = { versions: 0, index: 0, entries: 0, derived: 0, alerts: 0, provenance: 0, orphans: 0, examples: [] as string[] };
  const report: Report = (kind, what) => {
    found[kind]++;
    if (found.examples.length < 20) found.examples.push(`${kind}: ${what}`);
  };
  const rows = await connection.query<Omit<Stored, 'resource'>>(`
    select type, id, version, rid, live, patient, status, restricted, private, ${time('date_low')} as low, ${time('date_high')} as high, ${instant('last_updated')} as updated, body
    from resource order by type, id, version`);
  const stored: Stored[] = rows.map((row) => ({ ...row, resource: row.body === null ? null : (JSON.parse(row.body) as Resource) }));
  const live = stored.filter((row) => row.live);
  inspectVersions(stored, report);
  await inspectIndex(connection, live, report);
  await inspectEntries(connection, live, report);
  inspectDerived(live, report);
  inspectAlerts(stored, report);
  inspectReferences(stored, report);
  return found;
}

function inspectVersions(stored: readonly Stored[], report: Report): void {
  const owners = new Map<bigint, string>();
  for (const [at, row] of stored.entries()) {
    const before = stored[at - 1];
    const next = stored[at + 1];
    const first = before === undefined || before.type !== row.type || before.id !== row.id;
    const newest = next === undefined || next.type !== row.type || next.id !== row.id;
    const name = `${row.type}/${row.id}/_history/${row.version}`;
    if (row.version !== (first ? 1 : before.version + 1)) report('versions', `${name} is not the next version`);
    if (!first && row.updated <= before.updated) report('versions', `${name} is not later`);
    if (!first && row.rid !== before.rid) report('versions', `${name} has another rid`);
    if (row.live !== (newest && row.body !== null)) report('versions', `${name} live: ${row.live}`);
    if (row.resource !== null && (row.resource.meta?.versionId !== String(row.version) || row.resource.meta['lastUpdated'] !== row.updated)) report('versions', `${name} says another version of itself`);
    if (first && owners.has(row.rid)) report('versions', `${name} shares its rid with ${owners.get(row.rid)}`);
    owners.set(row.rid, `${row.type}/${row.id}`);
  }
}

const columns: { readonly [K in keyof IndexRows]: readonly [property: string, expression: string][] } = {
  token: [['code', 'code'], ['system', 'system']],
  reference: [['targetId', 'target_id'], ['targetType', 'target_type']],
  date: [['low', time('low')], ['high', time('high')]],
  string: [['value', 'value'], ['exact', 'exact']],
  uri: [['value', 'value'], ['version', 'version']],
  quantity: [['code', 'code'], ['system', 'system'], ['low', 'low::float8'], ['high', 'high::float8']],
};
const kinds = Object.keys(columns) as (keyof IndexRows)[];

/** Reports what of `is` is not in `should` and the other way round; both may hold the same text several times. */
function compare(is: readonly string[], should: readonly string[], report: (what: string) => void): void {
  const counts = new Map<string, number>();
  for (const text of should) counts.set(text, (counts.get(text) ?? 0) + 1);
  for (const text of is) counts.set(text, (counts.get(text) ?? 0) - 1);
  for (const [text, count] of counts) for (let n = Math.abs(count); n > 0; n--) report(`${count > 0 ? 'missing' : 'too many'}: ${text}`);
}

async function inspectIndex(connection: Connection, live: readonly Stored[], report: Report): Promise<void> {
  const should = new Map(kinds.map((kind) => [kind, [] as string[]]));
  for (const row of live) {
    const hot = hotColumns(row.resource!);
    if (hot.status !== row.status || hot.restricted !== row.restricted || hot.private !== row.private || hot.dateLow !== row.low || hot.dateHigh !== row.high) report('index', `columns of ${row.type}/${row.id}`);
    const extracted = storedRows(row.resource!);
    for (const kind of kinds) {
      for (const each of extracted[kind] as unknown as Record<string, unknown>[]) {
        const values = columns[kind].map(([property]) => (kind === 'quantity' && (property === 'low' || property === 'high') ? Number(each[property]) : each[property]));
        should.get(kind)!.push([each['param'], row.rid, row.patient, ...values].map(String).join(' | '));
      }
    }
  }
  for (const kind of kinds) {
    const list = columns[kind].map(([property, expression]) => `${expression} as "${property}"`).join(', ');
    const rows = await connection.query<Record<string, unknown>>(`select param, rid, patient, ${list} from index_${kind}`);
    const is = rows.map((row) => [row['param'], row['rid'], row['patient'], ...columns[kind].map(([property]) => row[property])].map(String).join(' | '));
    compare(is, should.get(kind)!, (what) => { report('index', `index_${kind} ${what}`); });
  }
}

const entryText = (patient: bigint | null, { kind, key, id, at, value, data }: RecordEntry): string =>
  [patient, kind, key, id, at === null ? null : Date.parse(at), value === null ? null : Number(value), data].map(String).join(' | ');

/** What each current version contributes to its patient's record. The instruments are known, so no Questionnaire is needed. */
const entriesOf = (resource: Resource): RecordEntry[] => recordEntries(resource, { registry });

async function inspectEntries(connection: Connection, live: readonly Stored[], report: Report): Promise<void> {
  const rows = await connection.query<RecordEntry & { patient: bigint }>(`select patient, kind, key, id, ${instant('at')} as at, value, data from record_entry`);
  const should = live.flatMap(({ resource, patient }) => entriesOf(resource!).map((entry) => entryText(patient, entry)));
  compare(rows.map((row) => entryText(row.patient, row)), should, (what) => { report('entries', what); });
}

const canonical = (value: unknown): string => JSON.stringify(value, (_key, inner: unknown) =>
  (inner !== null && typeof inner === 'object' && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner));

/** What a computed Observation says, without what depends on the way to it: versions, and whether it was corrected. */
const said = ({ meta, status: _status, ...rest }: Resource): string => canonical({ ...rest, security: meta?.['security'] });

/** Computes the Observations of every patient from the sources alone, each source once, in the order of their ids. */
function inspectDerived(live: readonly Stored[], report: Report): void {
  const sources = live.filter(({ type }) => ['Patient', 'QuestionnaireResponse', 'Encounter', 'EpisodeOfCare', 'Goal', 'Task'].includes(type));
  const isComputed = ({ resource }: Stored): boolean => /\/(score|progress)$/.test((resource!['identifier'] as { system?: string }[] | undefined)?.[0]?.system ?? '');
  const observations = Map.groupBy(live.filter((row) => row.type === 'Observation' && isComputed(row)), (row) => row.patient);
  const sourcesOf = Map.groupBy(sources, (row) => row.patient);
  for (const patient of new Set([...sourcesOf.keys(), ...observations.keys()])) {
    const own = (observations.get(patient) ?? []).filter(({ resource }) => resource!.status !== 'entered-in-error');
    const device = (own[0]?.resource!['device'] as { reference: string } | undefined)?.reference ?? 'Device/none';
    const id = live.find(({ type, rid }) => type === 'Patient' && rid === patient)?.id;
    const computed = new Map<string, Resource>();
    let record = patientRecord([]);
    for (const { resource, type, id: source } of sourcesOf.get(patient) ?? []) {
      const before = record;
      record = withSource(before, { type, id: source }, entriesOf(resource!));
      for (const write of derive(before, record, { resource: resource!, deleted: false }, { registry, now: '2026-01-01T00:00:00Z', device, patient: `Patient/${id}` })) {
        const current = write.kind === 'change' ? computed.get(write.id) : undefined;
        const next = write.kind !== 'change' ? write.resource : current === undefined ? null : write.change(current);
        if (next === null || next.resourceType !== 'Observation') continue;
        if (next.status === 'entered-in-error') computed.delete(next.id!);
        else computed.set(next.id!, next);
      }
    }
    compare(own.map(({ resource }) => said(resource!)), [...computed.values()].map(said), (what) => { report('derived', what); });
  }
}

/** Every answer above 0 that a safety item ever had, in any version, has one Flag and one Task; nothing else has. */
function inspectAlerts(stored: readonly Stored[], report: Report): void {
  const expected = new Map<string, string>();
  for (const { resource, type, id } of stored) {
    if (type !== 'QuestionnaireResponse' || resource === null) continue;
    for (const { key, data } of entriesOf(resource)) {
      const { safety } = JSON.parse(data) as { safety?: Record<string, number | null> };
      for (const item of registry.scales.get(key)?.instrument.definition.safety ?? []) {
        if (item.levels[safety?.[item.linkId] ?? 0] !== undefined) expected.set(`${id}|${item.trigger}`, item.trigger);
      }
    }
  }
  const present = new Map(stored.filter(({ version }) => version === 1).map((row) => [`${row.type}/${row.id}`, row]));
  for (const key of expected.keys()) {
    const [response, trigger] = key.split('|') as [string, string];
    if (!present.has(`Flag/${alertId(response, trigger, 'flag')}`)) report('alerts', `no Flag for ${key}`);
    if (!present.has(`Task/${alertId(response, trigger, 'task')}`)) report('alerts', `no Task for ${key}`);
  }
  const triggers = new Set(expected.values());
  const raised = (type: string, element: string): number => [...present.values()].filter(({ type: own, resource }) =>
    own === type && triggers.has((resource?.[element] as { coding?: { code?: string }[] } | undefined)?.coding?.[0]?.code ?? '')).length;
  if (raised('Flag', 'code') !== expected.size) report('alerts', `${raised('Flag', 'code')} Flags for ${expected.size} answers`);
  if (raised('Task', 'reasonCode') !== expected.size) report('alerts', `${raised('Task', 'reasonCode')} Tasks for ${expected.size} answers`);
}

/** References of the service's own resources, and every subject, lead to a version that is here. */
function inspectReferences(stored: readonly Stored[], report: Report): void {
  const here = new Set(stored.flatMap(({ type, id, version }) => [`${type}/${id}`, `${type}/${id}/_history/${version}`]));
  const targets = new Map<string, number>();
  for (const { type, id, resource } of stored) {
    if (resource === null) continue;
    const elements = { Provenance: ['target', 'entity'], Observation: ['derivedFrom', 'subject'], Flag: ['subject'], Task: ['focus', 'for', 'reasonReference', 'basedOn'], QuestionnaireResponse: ['subject', 'basedOn'], Goal: ['subject'], CareTeam: ['subject', 'participant'] }[type] ?? [];
    for (const element of elements) {
      for (const reference of referencesIn(resource[element])) {
        if (/^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}/.test(reference) && !here.has(reference)) report('orphans', `${type}/${id}.${element} -> ${reference}`);
      }
    }
    if (type === 'Provenance') for (const reference of referencesIn(resource['target'])) targets.set(reference, (targets.get(reference) ?? 0) + 1);
  }
  for (const { type, id, version, resource } of stored) {
    const service = type === 'Observation' && (resource?.['identifier'] as { system?: string }[] | undefined)?.[0]?.system?.startsWith('https://intersession.example/fhir/');
    const count = targets.get(`${type}/${id}/_history/${version}`) ?? 0;
    if (service === true && count !== 1) report('provenance', `${type}/${id}/_history/${version} is the target of ${count}`);
  }
}

function referencesIn(node: unknown): string[] {
  if (node === null || typeof node !== 'object') return [];
  if (Array.isArray(node)) return node.flatMap(referencesIn);
  return Object.entries(node).flatMap(([key, inner]) => (key === 'reference' && typeof inner === 'string' ? [inner] : referencesIn(inner)));
}
