import summary from '../../schemas/r4/summary.json' with { type: 'json' };
import { parseJson } from './json.ts';
import type { SearchPlan } from './search-plan.ts';
import { nodeOf } from './structures.ts';

/** What `_summary` and `_elements` ask for. */
export type Shape = Pick<SearchPlan, 'summary' | 'elements'>;

const summaries: ReadonlyMap<string, ReadonlySet<string>> = new Map(Object.entries(summary.types).map(([type, paths]) => [type, new Set(paths)]));
const always: ReadonlySet<string> = new Set(['resourceType', 'id', 'meta', 'implicitRules', 'modifierExtension']);
const subsetted = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/**
 * The part of a stored resource that `_summary` or `_elements` leaves (http://hl7.org/fhir/R4/search.html#summary), with its
 * mandatory elements and the tag SUBSETTED. Numbers stay as they are written.
 * @param text the stored resource.
 * @returns JSON text.
 */
export function subset(text: string, shape: Shape): string {
  const resource = parseJson(text).stored;
  const type = resource['resourceType'] as string;
  const node = nodeOf(type);
  const required = new Set(node.required.map(({ name }) => name));
  const wanted = shape.elements.length > 0 ? new Set(shape.elements) : wantedBySummary(type, shape.summary);
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(resource)) {
    const property = key.startsWith('_') ? key.slice(1) : key;
    const element = node.elements.get(property)?.name ?? property;
    if (shape.summary === 'data' ? element === 'text' : !always.has(key) && !required.has(element) && !wanted.has(element) && !wanted.has(property)) continue;
    kept[key] = shape.summary === 'true' && !always.has(key) ? nested(value, element, wanted) : value;
  }
  return JSON.stringify({ ...kept, meta: tagged(kept['meta']) });
}

function wantedBySummary(type: string, kind: SearchPlan['summary']): ReadonlySet<string> {
  return kind === 'true' ? summaries.get(type) ?? new Set() : new Set(['text']);
}

/** Of an element whose children are marked one by one, the marked ones. */
function nested(value: unknown, path: string, wanted: ReadonlySet<string>): unknown {
  if (!hasChildren(path, wanted)) return value;
  if (Array.isArray(value)) return value.map((item) => nested(item, path, wanted));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'id' || key === 'modifierExtension') return [[key, inner]];
    const child = [...wanted].find((one) => one.startsWith(`${path}.`) && matches(one.slice(path.length + 1), key.replace(/^_/, '')));
    return child === undefined ? [] : [[key, nested(inner, child, wanted)]];
  }));
}

const hasChildren = (path: string, wanted: ReadonlySet<string>): boolean => [...wanted].some((one) => one.startsWith(`${path}.`));

/** `value` names `valueQuantity` too; elements below a child are not meant. */
const matches = (element: string, key: string): boolean =>
  !element.includes('.') && (key === element || (key.startsWith(element) && /^[A-Z]/.test(key.slice(element.length))));

function tagged(meta: unknown): Record<string, unknown> {
  const { tag, ...rest } = (meta ?? {}) as { tag?: unknown };
  return { ...rest, tag: [...(Array.isArray(tag) ? tag : []), subsetted] };
}
