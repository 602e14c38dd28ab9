import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { readNewest } from './read.ts';

interface Member { readonly entity?: { readonly reference?: string }; readonly inactive?: boolean; readonly period?: { readonly end?: string } }

/**
 * @returns the logical ids of the Patients that are members of a Group now; undefined where the caller sees no such Group.
 * Being a member gives nobody access: what is read of the members is subject to the caller's visibility.
 */
export async function groupMembers(connection: Connection, visibility: Visibility, id: string): Promise<string[] | undefined> {
  const row = await readNewest(connection, visibility, 'Group', id);
  if (row?.body == null) return undefined;
  const { member = [] } = JSON.parse(row.body) as { member?: Member[] };
  return member.filter(({ inactive, period }) => inactive !== true && period?.end === undefined).flatMap(({ entity }) => /^Patient\/([^/]+)$/.exec(entity?.reference ?? '')?.[1] ?? []);
}
