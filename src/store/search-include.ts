import { sql } from 'kysely';
import { searchParameter, type SearchParameter } from '../fhir/search-parameters.ts';
import type { Include, SearchPlan } from '../fhir/search-plan.ts';
import { isCanonical, isReference } from '../fhir/search-values.ts';
import { servedType } from '../fhir/types.ts';
import { grants, type Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { bounded, rowColumns, type Row } from './row.ts';
import { literal, run, typeLiteral, type Fragment } from './sql.ts';
import { visibleAmong, visiblePredicate } from './visible.ts';

/** Resources that one answer may carry beside its matches. */
export const mostIncluded = 2000;
const mostRounds = 5;

type Found = Pick<Row, 'type' | 'id' | 'rid'>;

const columns = rowColumns('c');
const readable = (visibility: Visibility, type: string): boolean => grants(visibility, type, 's') || grants(visibility, type, 'r');
const numbers = (parameters: readonly SearchParameter[]): Fragment => sql.join(parameters.map(({ number }) => literal(number)));

/** What `include` leads to from `sources`, which are of its source type: one select for each way the references are kept. */
function forward(include: Include, sources: readonly Found[], visibility: Visibility): Fragment[] {
  const { parameters, target } = include;
  const rids = sources.map(({ rid }) => String(rid));
  const reachable = (parameter: SearchParameter): string[] =>
    (target === null ? parameter.targets : [target]).filter((type) => servedType(type) !== undefined && type !== 'AuditEvent' && readable(visibility, type));
  const selects: Fragment[] = [];
  if (parameters.some(({ column, targets }) => column === 'patient' && targets.includes('Patient')) && (target ?? 'Patient') === 'Patient' && readable(visibility, 'Patient')) {
    selects.push(sql`select ${columns} from resource c where c.type = 'Patient' and c.live and ${visiblePredicate(visibility, 'Patient', 'c')}
      and c.rid in (select s.patient from resource s where s.type = ${typeLiteral(include.source)} and s.rid = any(${rids}::bigint[]) and s.live)`);
  }
  const byId = parameters.filter(isReference);
  const types = [...new Set(byId.flatMap(reachable))];
  if (types.length > 0) {
    selects.push(sql`select ${columns} from index_reference x join resource c on c.type = x.target_type and c.id = x.target_id and c.live
      where x.rid = any(${rids}::bigint[]) and x.param in (${numbers(byId)}) and ${visibleAmong(visibility, types, 'c')}`);
  }
  for (const parameter of parameters.filter(isCanonical)) {
    for (const type of reachable(parameter)) {
      const url = searchParameter(type, 'url');
      if (url === undefined) continue;
      selects.push(sql`select ${columns} from index_uri x join index_uri u on u.value = x.value and u.param = ${literal(url.number)}
        join resource c on c.type = ${typeLiteral(type)} and c.rid = u.rid and c.live
        where x.rid = any(${rids}::bigint[]) and x.param = ${literal(parameter.number)} and ${visiblePredicate(visibility, type, 'c')}
          and ${ofVersion(type)}`);
    }
  }
  return selects;
}

/** The resource `c` has the version that the canonical `x` names, where it names one. */
function ofVersion(type: string): Fragment {
  const version = searchParameter(type, 'version');
  return version === undefined ? sql`true` : sql`(x.version is null or exists (
    select 1 from index_token v where v.param = ${literal(version.number)} and v.code = x.version and v.rid = c.rid))`;
}

/** What points to `targets`, which are of type `type`, by `include`. */
function backward(include: Include, type: string, targets: readonly Found[], visibility: Visibility): Fragment[] {
  const { source, parameters } = include;
  if (!grants(visibility, source, 's') || source === 'AuditEvent') return [];
  const seen = sql`c.type = ${typeLiteral(source)} and c.live and ${visiblePredicate(visibility, source, 'c', undefined, 's')}`;
  const rids = targets.map(({ rid }) => String(rid));
  const selects: Fragment[] = [];
  if (type === 'Patient' && parameters.some(({ column }) => column === 'patient')) {
    selects.push(sql`select ${columns} from resource c where c.patient = any(${rids}::bigint[]) and ${seen}`);
  }
  const byId = parameters.filter((parameter) => isReference(parameter) && !(type === 'Patient' && parameter.column === 'patient'));
  if (byId.length > 0) {
    selects.push(sql`select ${columns} from index_reference x join resource c on c.rid = x.rid where x.param in (${numbers(byId)})
      and x.target_id = any(${targets.map(({ id }) => id)}::text[]) and x.target_type = ${typeLiteral(type)} and ${seen}`);
  }
  const url = searchParameter(type, 'url');
  const byUrl = parameters.filter(isCanonical);
  if (byUrl.length > 0 && url !== undefined) {
    const version = searchParameter(type, 'version');
    selects.push(sql`select ${columns} from index_uri u join index_uri x on x.value = u.value and x.param in (${numbers(byUrl)})
      join resource c on c.rid = x.rid where u.rid = any(${rids}::bigint[]) and u.param = ${literal(url.number)} and ${seen}
        and ${version === undefined ? sql`true` : sql`(x.version is null or exists (
          select 1 from index_token v where v.param = ${literal(version.number)} and v.code = x.version and v.rid = u.rid))`}`);
  }
  return selects;
}

function group(found: readonly Found[]): Map<string, Found[]> {
  const byType = new Map<string, Found[]>();
  for (const one of found) {
    const list = byType.get(one.type);
    if (list === undefined) byType.set(one.type, [one]);
    else list.push(one);
  }
  return byType;
}

/** What is to be followed. */
type Follow = Pick<SearchPlan, 'includes' | 'revincludes'>;

/** The selects of one round: from the matches, or from what the round before found. */
function round(plan: Follow, from: readonly Found[], first: boolean, visibility: Visibility): Fragment[] {
  const byType = group(from);
  const selects: Fragment[] = [];
  for (const include of plan.includes) {
    const sources = byType.get(include.source);
    if ((first || include.iterate) && sources !== undefined) selects.push(...forward(include, sources, visibility));
  }
  for (const include of plan.revincludes) {
    if (!first && !include.iterate) continue;
    for (const [type, targets] of byType) {
      const parameters = include.parameters.filter((parameter) => parameter.targets.includes(type));
      if (parameters.length > 0 && (include.target ?? type) === type) selects.push(...backward({ ...include, parameters }, type, targets, visibility));
    }
  }
  return selects;
}

/**
 * Follows `_include` and `_revinclude` from the matches: a statement for each round, one round unless `:iterate` asks for more.
 * Only what the caller sees is followed; a type that is not granted yields nothing.
 * @returns each resource once, without the matches; `incomplete` when there were more than one answer may carry.
 */
export async function includedRows(connection: Connection, plan: Follow, visibility: Visibility, matches: readonly Row[]): Promise<{ rows: Row[]; incomplete: boolean }> {
  const seen = new Set(matches.map(({ rid }) => rid));
  const rows: Row[] = [];
  let from: readonly Found[] = matches;
  for (let n = 0; n < mostRounds && from.length > 0; n++) {
    const selects = round(plan, from, n === 0, visibility);
    if (selects.length === 0) break;
    const room = mostIncluded - rows.length;
    const found = await run<Row>(connection, bounded(sql`select distinct on (rid) * from (${sql.join(selects.map((select) => sql`(${select})`), sql` union all `)}) found
      where not rid = any(${[...seen].map(String)}::bigint[]) order by rid limit ${literal(mostIncluded + 1)}`, 0));
    const fresh = found.filter(({ body }) => (body as string | null) !== null);
    if (fresh.length > room || fresh.length < found.length) return { rows: [...rows, ...fresh.slice(0, room)], incomplete: true };
    for (const row of fresh) seen.add(row.rid);
    rows.push(...fresh);
    from = fresh;
  }
  return { rows, incomplete: false };
}
