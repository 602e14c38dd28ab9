import { hotColumns, indexRows } from '../../src/fhir/extract.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import type { Connection } from '../../src/store/database.ts';

let rid = 0n;

/** rids of what was put, by `Type/id`. */
export type Rids = Map<string, bigint>;

/**
 * Puts a resource into the store as a first version with its index rows, past the commit path, so that a test of searching
 * depends on nothing else. A Patient must be put before what is about it.
 */
export async function putResource(connection: Connection, rids: Rids, resource: Resource, lastUpdated = '2026-01-01T00:00:00Z'): Promise<void> {
  const hot = hotColumns(resource);
  const rows = indexRows(resource);
  const own = (rid += 1n);
  rids.set(`${resource.resourceType}/${resource.id!}`, own);
  const patient = hot.patient === null ? null : rids.get(`Patient/${hot.patient}`) ?? null;
  await connection.query(
    `insert into resource (type, id, version, rid, live, method, restricted, patient, status, date_low, date_high, last_updated, body)
     values ($1, $2, 1, $3, true, 'C', $4, $5, $6, $7, $8, $9, $10)`,
    [resource.resourceType, resource.id, own, hot.restricted, patient, hot.status, hot.dateLow, hot.dateHigh, lastUpdated, JSON.stringify(resource)],
  );
  const insert = (table: string, columns: string, values: readonly unknown[]): Promise<unknown> =>
    connection.query(`insert into index_${table} (rid, patient, param, ${columns}) values ($1, $2, ${values.map((_, at) => `$${at + 3}`).join(', ')})`, [own, patient, ...values]);
  for (const row of rows.token) await insert('token', 'code, system', [row.param, row.code, row.system]);
  for (const row of rows.reference) await insert('reference', 'target_id, target_type', [row.param, row.targetId, row.targetType]);
  for (const row of rows.date) await insert('date', 'low, high', [row.param, row.low, row.high]);
  for (const row of rows.string) await insert('string', 'value, exact', [row.param, row.value, row.exact]);
  for (const row of rows.uri) await insert('uri', 'value, version', [row.param, row.value, row.version]);
  for (const row of rows.quantity) await insert('quantity', 'code, system, low, high', [row.param, row.code, row.system, row.low, row.high]);
}
