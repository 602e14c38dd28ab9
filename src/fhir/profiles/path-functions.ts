import { linearRegex } from '../linear-regex.ts';
import { UnsupportedExpression } from '../simple-path-parse.ts';
import { allChildrenOf, boolean, childrenOf, extensionsOf, hasValue, isOfType, none, number, resolved, sameValue, spend, text, type Item, type Items, type Scope } from './path-values.ts';

/** An expression that is ready to be asked. */
export type Evaluate = (focus: Items, scope: Scope) => Items;

/** A function of FHIRPath with its arguments, which it evaluates as it needs them. */
type Call = (focus: Items, args: readonly Evaluate[], scope: Scope) => Items;
interface Known { readonly args: readonly [least: number, most: number]; readonly call: Call }

/** @returns the truth of a collection where a condition stands: undefined is FHIRPath's empty. */
export function truth(items: Items): boolean | undefined {
  const [only, more] = items;
  if (only === undefined) return undefined;
  if (more !== undefined) throw new UnsupportedExpression('several values stand where one condition is needed');
  return typeof only.value === 'boolean' ? only.value : true;
}

const each = (focus: Items, argument: Evaluate, scope: Scope, take: (item: Item, result: Items) => void): void => {
  focus.forEach((item, index) => {
    spend(scope, 1);
    take(item, argument([item], { ...scope, self: [item], index }));
  });
};

const kept = (focus: Items, argument: Evaluate, scope: Scope): Items => {
  const found: Item[] = [];
  each(focus, argument, scope, (item, result) => { if (truth(result) === true) found.push(item); });
  return found;
};

function distinct(items: Items, scope: Scope): Items {
  const found: Item[] = [];
  for (const item of items) {
    spend(scope, found.length + 1);
    if (!found.some((other) => sameValue(other.value, item.value))) found.push(item);
  }
  return found;
}

const string = (focus: Items, use: (value: string) => Items): Items => (typeof focus[0]?.value === 'string' && focus.length === 1 ? use(focus[0].value) : none);
const argument = (args: readonly Evaluate[], at: number, scope: Scope): unknown => args[at]?.(scope.self, scope)[0]?.value;
const withText = (use: (value: string, given: string) => Items): Call => (focus, args, scope) => string(focus, (value) => {
  const given = argument(args, 0, scope);
  if (typeof given !== 'string') return none;
  spend(scope, 1 + (value.length * given.length) / 64);
  return use(value, given);
});

const matches: Call = withText((value, pattern) => {
  // FHIRPath looks for the pattern anywhere in the text; what this service reads matches the whole of it
  const [start, end] = [pattern.startsWith('^'), pattern.endsWith('$')];
  const test = linearRegex(`${start ? '' : '[\\s\\S]*'}(?:${pattern.slice(start ? 1 : 0, end ? -1 : undefined)})${end ? '' : '[\\s\\S]*'}`);
  if (test === undefined) throw new UnsupportedExpression('its regular expression is not one that this service reads');
  return boolean(test(value));
});

/** What an expression leads to, and what it leads to from there, until nothing is new. */
function repeated(focus: Items, argument: Evaluate, scope: Scope): Items {
  const found: Item[] = [];
  for (let open = focus; open.length > 0;) {
    const next: Item[] = [];
    each(open, argument, scope, (_item, result) => { spend(scope, result.length); next.push(...result); });
    found.push(...next);
    open = next;
  }
  return found;
}

function descendants(focus: Items, scope: Scope): Items {
  const found: Item[] = [];
  const open = [...focus];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const children = allChildrenOf(next);
    spend(scope, 1 + children.length);
    found.push(...children);
    open.push(...children);
  }
  return found;
}

function substring(value: string, start: unknown, length: unknown): Items {
  if (typeof start !== 'number' || start < 0 || start >= value.length) return none;
  return text(value.slice(start, typeof length === 'number' ? start + length : undefined));
}

const asText = ({ value }: Item): Items => (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? text(String(value)) : none);

const integer = ({ value }: Item): Items => {
  if (typeof value === 'boolean') return number(value ? 1 : 0);
  const read = typeof value === 'string' && /^[+-]?\d+$/.test(value) ? Number(value) : value;
  return typeof read === 'number' && Number.isInteger(read) ? number(read) : none;
};

const all = (focus: Items, wanted: boolean): boolean => focus.every(({ value }) => value === wanted);
const isIn = (items: Items, { value }: Item): boolean => items.some((other) => sameValue(other.value, value));

/** Those that need no clock, no terminology and no other resource. By name; others are refused when the expression is read. */
export const functions: ReadonlyMap<string, Known> = new Map<string, Known>([...Object.entries<Known>({
  exists: { args: [0, 1], call: (focus, args, scope) => boolean((args[0] === undefined ? focus : kept(focus, args[0], scope)).length > 0) },
  empty: { args: [0, 0], call: (focus) => boolean(focus.length === 0) },
  not: { args: [0, 0], call: (focus) => { const is = truth(focus); return is === undefined ? none : boolean(!is); } },
  where: { args: [1, 1], call: (focus, args, scope) => kept(focus, args[0]!, scope) },
  select: { args: [1, 1], call: (focus, args, scope) => { const found: Item[] = []; each(focus, args[0]!, scope, (_item, result) => { spend(scope, result.length); found.push(...result); }); return found; } },
  repeat: { args: [1, 1], call: (focus, args, scope) => repeated(focus, args[0]!, scope) },
  all: { args: [1, 1], call: (focus, args, scope) => boolean(kept(focus, args[0]!, scope).length === focus.length) },
  allTrue: { args: [0, 0], call: (focus) => boolean(all(focus, true)) },
  allFalse: { args: [0, 0], call: (focus) => boolean(all(focus, false)) },
  anyTrue: { args: [0, 0], call: (focus) => boolean(focus.some(({ value }) => value === true)) },
  anyFalse: { args: [0, 0], call: (focus) => boolean(focus.some(({ value }) => value === false)) },
  count: { args: [0, 0], call: (focus) => number(focus.length) },
  first: { args: [0, 0], call: (focus) => focus.slice(0, 1) },
  last: { args: [0, 0], call: (focus) => focus.slice(-1) },
  tail: { args: [0, 0], call: (focus) => focus.slice(1) },
  single: { args: [0, 0], call: (focus) => { if (focus.length > 1) throw new UnsupportedExpression('single() was given several values'); return focus; } },
  skip: { args: [1, 1], call: (focus, args, scope) => focus.slice(Math.max(0, Number(argument(args, 0, scope)))) },
  take: { args: [1, 1], call: (focus, args, scope) => focus.slice(0, Math.max(0, Number(argument(args, 0, scope)))) },
  distinct: { args: [0, 0], call: (focus, _args, scope) => distinct(focus, scope) },
  isDistinct: { args: [0, 0], call: (focus, _args, scope) => boolean(distinct(focus, scope).length === focus.length) },
  hasValue: { args: [0, 0], call: (focus) => boolean(focus.length === 1 && hasValue(focus[0]!)) },
  extension: { args: [1, 1], call: (focus, args, scope) => { const url = argument(args, 0, scope); return typeof url === 'string' ? focus.flatMap((item) => extensionsOf(item, url)) : none; } },
  resolve: { args: [0, 0], call: (focus, _args, scope) => focus.flatMap((item) => resolved(item, scope)) },
  iif: { args: [2, 3], call: (focus, args, scope) => (truth(args[0]!(focus, scope)) === true ? args[1]! : args[2] ?? (() => none))(focus, scope) },
  children: { args: [0, 0], call: (focus) => focus.flatMap(allChildrenOf) },
  descendants: { args: [0, 0], call: (focus, _args, scope) => descendants(focus, scope) },
  union: { args: [1, 1], call: (focus, args, scope) => distinct([...focus, ...args[0]!(scope.self, scope)], scope) },
  combine: { args: [1, 1], call: (focus, args, scope) => [...focus, ...args[0]!(scope.self, scope)] },
  intersect: { args: [1, 1], call: (focus, args, scope) => { const other = args[0]!(scope.self, scope); spend(scope, focus.length * other.length); return distinct(focus.filter((item) => isIn(other, item)), scope); } },
  exclude: { args: [1, 1], call: (focus, args, scope) => { const other = args[0]!(scope.self, scope); spend(scope, focus.length * other.length); return focus.filter((item) => !isIn(other, item)); } },
  subsetOf: { args: [1, 1], call: (focus, args, scope) => { const other = args[0]!(scope.self, scope); spend(scope, focus.length * other.length); return boolean(focus.every((item) => isIn(other, item))); } },
  supersetOf: { args: [1, 1], call: (focus, args, scope) => { const other = args[0]!(scope.self, scope); spend(scope, focus.length * other.length); return boolean(other.every((item) => isIn(focus, item))); } },
  trace: { args: [1, 2], call: (focus) => focus },
  matches: { args: [1, 1], call: matches },
  startsWith: { args: [1, 1], call: withText((value, given) => boolean(value.startsWith(given))) },
  endsWith: { args: [1, 1], call: withText((value, given) => boolean(value.endsWith(given))) },
  contains: { args: [1, 1], call: withText((value, given) => boolean(value.includes(given))) },
  indexOf: { args: [1, 1], call: withText((value, given) => number(value.indexOf(given))) },
  length: { args: [0, 0], call: (focus) => string(focus, (value) => number(value.length)) },
  upper: { args: [0, 0], call: (focus) => string(focus, (value) => text(value.toUpperCase())) },
  lower: { args: [0, 0], call: (focus) => string(focus, (value) => text(value.toLowerCase())) },
  trim: { args: [0, 0], call: (focus) => string(focus, (value) => text(value.trim())) },
  substring: { args: [1, 2], call: (focus, args, scope) => string(focus, (value) => substring(value, argument(args, 0, scope), argument(args, 1, scope))) },
  toInteger: { args: [0, 0], call: (focus) => focus.slice(0, 1).flatMap(integer) },
  toDecimal: { args: [0, 0], call: (focus) => focus.slice(0, 1).flatMap(({ value }) => (value !== '' && Number.isFinite(Number(value)) ? [{ value: Number(value), type: 'decimal' }] : none)) },
}), ['toString', { args: [0, 0], call: (focus) => focus.slice(0, 1).flatMap(asText) }]]);

/** `ofType(T)`, `as(T)` and `is(T)`: their argument is the name of a type. */
export const ofType = (focus: Items, type: string): Items => focus.filter((item) => isOfType(item, type));

/** @returns the elements of this name; at the start of an expression it may be the type that is looked at. */
export function member(name: string): Evaluate {
  return (focus, scope) => {
    spend(scope, 1 + focus.length);
    return focus.flatMap((item) => (item.type === name && item.selected?.place === undefined ? [item] : childrenOf(item, name)));
  };
}
