import { hotColumns, indexRows } from './extract.ts';
import type { HotColumns, IndexRows } from './index-rows.ts';
import type { Resource } from './resource.ts';
import { parseSearch } from './search-parse.ts';
import type { ReferenceValue, Test } from './search-plan.ts';
import { servedType } from './types.ts';

/** What a granular scope asks of a resource: all tests must hold. They are of the kinds that `fulfils` can decide. */
export type Criterion = readonly Test[];

/** Parameters of every type that say something of the resource itself. */
const common: ReadonlySet<string> = new Set(['_id', '_profile', '_security', '_tag']);

/**
 * Reads the query of a granular scope (`category=http://...|survey`, SMART App Launch 2.2): plain parameters of `type`, each with
 * values of which one must hold. It fails closed: what widens or narrows in another way than by the content of the resource
 * itself (modifiers, chains, controls, comparisons) is not understood, and neither is what the search does not know.
 *
 * @param query percent-encoded, as in the scope
 * @returns undefined when it is not understood
 */
export function parseCriterion(type: string, query: string): Criterion | undefined {
  if (servedType(type) === undefined || type === 'AuditEvent') return undefined; // the access log has no index rows
  let pairs: (readonly [string, string])[];
  try {
    // + is a plus sign here and not a blank: scopes are separated by blanks and cannot hold one
    pairs = query.split('&').map((part) => {
      const mark = part.indexOf('=');
      return [decodeURIComponent(mark < 0 ? part : part.slice(0, mark)), mark < 0 ? '' : decodeURIComponent(part.slice(mark + 1))];
    });
    if (pairs.some(([name]) => !(common.has(name) || /^[a-z][a-z-]*$/i.test(name)))) return undefined;
    const { tests, applied } = parseSearch(type, pairs, { handling: 'strict' });
    return applied.length === pairs.length && tests.length > 0 && tests.every(isDecidable) ? tests : undefined;
  } catch {
    return undefined;
  }
}

function isDecidable(test: Test): boolean {
  switch (test.kind) {
    case 'id': case 'token': return !test.negated;
    case 'reference': case 'nothing': return true;
    case 'string': return test.match === 'prefix';
    case 'uri': return test.match === 'equal';
    case 'any': return test.tests.every(isDecidable);
    default: return false;
  }
}

/** @returns whether a resource with this content fulfils one of `alternatives`: the same answer as the index rows give in a search. */
export function fulfils(resource: Resource, alternatives: readonly Criterion[]): boolean {
  const content = { id: resource.id ?? '', hot: hotColumns(resource), rows: indexRows(resource, false) };
  return alternatives.some((criterion) => criterion.every((test) => holds(content, test)));
}

interface Content { readonly id: string; readonly hot: HotColumns; readonly rows: IndexRows }

function holds(content: Content, test: Test): boolean {
  const { id, hot, rows } = content;
  switch (test.kind) {
    case 'id': return test.ids.includes(id);
    case 'any': return test.tests.some((inner) => holds(content, inner));
    case 'token': {
      const { parameter: { column, number }, values } = test;
      if (column === 'status') return values.some(({ code }) => code !== null && code === hot.status);
      return rows.token.some((row) => row.param === number && values.some(({ code, system }) =>
        (code === null || code === row.code) && (system === null ? code !== null : system === String(row.system))));
    }
    case 'reference': return referenceHolds(content, test.parameter.column === 'patient' ? hot.patient : null, test);
    case 'string': return rows.string.some((row) => row.param === test.parameter.number && test.values.some((value) => row.value.startsWith(value)));
    case 'uri': return rows.uri.some((row) => row.param === test.parameter.number && test.values.some(({ value, version }) => value === row.value && (version === null || version === row.version)));
    default: return false;
  }
}

function referenceHolds({ rows }: Content, patient: string | null, { parameter, values }: Extract<Test, { kind: 'reference' }>): boolean {
  const isPatient = (value: ReferenceValue): boolean => value.kind === 'local' && (value.type ?? 'Patient') === 'Patient' && value.id === patient;
  if (patient !== null && values.some(isPatient)) return true;
  return rows.reference.some(({ param, targetId, targetType }) => param === parameter.number && values.some((value) => (value.kind === 'url'
    ? targetType === null && targetId === value.url
    : targetType !== null && targetId === value.id && (value.type === null || value.type === targetType))));
}
