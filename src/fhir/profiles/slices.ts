import { UnsupportedExpression } from '../simple-path-parse.ts';
import { coreBase, type Discriminator } from './definition.ts';
import { isMember, type Members } from './members.ts';
import { childrenOf, extensionsOf, fitsPattern, isOfType, resolved, sameValue, type Item, type Items, type Scope } from './path-values.ts';
import { isType, type Rule } from './rules.ts';

/** What telling slices apart needs to know beyond the resource. */
export interface Sorting {
  readonly scope: Scope;
  members(valueSet: string): Members | undefined;
  /** The resource type that a profile is of. */
  typeOf(canonical: string): string | undefined;
  /** Whether an element meets a profile. */
  meets(item: Item, profile: string): boolean;
}

/** One step of a discriminator's path (http://hl7.org/fhir/R4/profiling.html#discriminator): restricted FHIRPath. */
type Step = { readonly kind: 'this' | 'resolve' } | { readonly kind: 'child' | 'type' | 'extension'; readonly name: string };

/** @returns the steps; undefined for a path that is not of the restricted kind. */
function stepsOf(path: string): Step[] | undefined {
  const steps: Step[] = [];
  const pattern = /\s*(?:(\$this)|(resolve)\(\)|ofType\(([A-Za-z.]+)\)|extension\('([^']+)'\)|([A-Za-z]+)(?:\[x\])?)(?:\.|$)/y;
  while (pattern.lastIndex < path.length) {
    const match = pattern.exec(path);
    if (match === null) return undefined;
    const [, self, resolve, type, extension, name] = match;
    if (self !== undefined) steps.push({ kind: 'this' });
    else if (resolve !== undefined) steps.push({ kind: 'resolve' });
    else steps.push(type !== undefined ? { kind: 'type', name: type } : extension !== undefined ? { kind: 'extension', name: extension } : { kind: 'child', name: name! });
  }
  return steps;
}

/**
 * @returns whether `item` is of the slice, by every discriminator.
 * @throws UnsupportedExpression when that cannot be told here.
 */
export function isOfSlice(item: Item, slice: Rule, discriminators: readonly Discriminator[], sorting: Sorting): boolean {
  return discriminators.every(({ type, path }) => {
    const steps = stepsOf(path);
    if (steps === undefined) throw new UnsupportedExpression(`the discriminator ${path} is not read here`);
    const [items, rules] = followed(item, slice, steps, sorting);
    switch (type) {
      case 'exists': return rules.every(({ max, min }) => (max === 0 ? items.length === 0 : min > 0 ? items.length > 0 : true));
      case 'type': return isOfTypes(items, slice, rules, sorting);
      case 'profile': return items.some((each) => rules.some(({ types = [] }) => types.some(({ profiles, targets }) => [...profiles, ...targets].some((profile) => sorting.meets(each, profile)))));
      default: return hasValues(item, slice, items, rules, sorting);
    }
  });
}

/** The values that a path leads to, and the rules of the slice on the way to them, the nearest last. */
function followed(item: Item, slice: Rule, steps: readonly Step[], { scope }: Sorting): [Items, Rule[]] {
  let items: Items = [item];
  let rule: Rule | undefined = slice;
  const rules: Rule[] = [];
  for (const step of steps) {
    if (step.kind === 'child') {
      items = items.flatMap((each) => childrenOf(each, step.name));
      rule = rule?.children.get(step.name);
    } else if (step.kind === 'extension') {
      items = items.flatMap((each) => extensionsOf(each, step.name));
      const extensions: Rule | undefined = rule?.children.get('extension');
      rule = extensions?.slices.find(({ types }) => types?.[0]?.profiles[0]?.split('|', 1)[0] === step.name);
    } else if (step.kind === 'type') items = items.filter((each) => isOfType(each, step.name));
    else if (step.kind === 'resolve') items = items.flatMap((each) => resolved(each, scope));
  }
  if (rule !== undefined) rules.push(rule);
  return [items, rules];
}

function isOfTypes(items: Items, slice: Rule, rules: readonly Rule[], sorting: Sorting): boolean {
  const named = rules.flatMap(({ types = [] }) => types.flatMap(({ code, targets }) => (code === 'Reference' && targets.length > 0 ? targets.map((target) => sorting.typeOf(target) ?? '') : [code])));
  const suffix = slice.sliceName?.startsWith(slice.name) === true ? slice.sliceName.slice(slice.name.length) : '';
  const names = named.length > 0 ? named : [suffix].filter((name) => isType(name) || isType(name.charAt(0).toLowerCase() + name.slice(1)));
  return items.length > 0 && items.every((each) => names.some((name) => isOfType(each, name) || (name === 'Reference' && each.type === 'Reference')));
}

/** By value or pattern: what the slice fixes at the end of the path, above it, or below it. */
function hasValues(item: Item, slice: Rule, items: Items, rules: readonly Rule[], sorting: Sorting): boolean {
  const url = slice.name === 'extension' || slice.name === 'modifierExtension' ? urlOf(slice) : undefined;
  if (url !== undefined) return (item.value as { url?: unknown }).url === url;
  // the discriminator may name an element of which an outer one is fixed as a whole
  if (slice.fixed !== undefined && !sameValue(item.value, slice.fixed)) return false;
  if (slice.pattern !== undefined && !fitsPattern(item.value, slice.pattern)) return false;
  const [rule] = rules;
  if (rule === undefined || !says(rule)) return slice.fixed !== undefined || slice.pattern !== undefined || outerFixed(item, slice);
  return items.some((each) => fits(each, rule, sorting));
}

/** What fixes an element between the slice and the end of the path. */
function outerFixed(item: Item, slice: Rule): boolean {
  const own = [...slice.children.values()].filter(({ fixed, pattern }) => fixed !== undefined || pattern !== undefined);
  return own.length > 0 && own.every((rule) => childrenOf(item, rule.name).some(({ value }) => (rule.fixed === undefined || sameValue(value, rule.fixed)) && (rule.pattern === undefined || fitsPattern(value, rule.pattern))));
}

/** The url that an extension of a slice has: that of its profile, or the one the slice fixes. */
function urlOf({ types, children }: Rule): string | undefined {
  const profile = types?.find(({ profiles }) => profiles.length > 0)?.profiles[0];
  const fixed = children.get('url')?.fixed ?? children.get('url')?.pattern;
  return typeof fixed === 'string' ? fixed : profile?.split('|', 1)[0];
}

/** Whether a rule, or one below it, names a value that tells apart. */
const says = (rule: Rule): boolean => rule.fixed !== undefined || rule.pattern !== undefined || rule.binding?.strength === 'required' || [...rule.children.values()].some(says);

function fits(item: Item, rule: Rule, sorting: Sorting): boolean {
  if (rule.fixed !== undefined && !sameValue(item.value, rule.fixed)) return false;
  if (rule.pattern !== undefined && !fitsPattern(item.value, rule.pattern)) return false;
  if (rule.binding?.strength === 'required') {
    const members = sorting.members(rule.binding.valueSet);
    if (members === undefined) throw new UnsupportedExpression(`the codes of ${rule.binding.valueSet} are not held`);
    if (!isMember(item.value, members).is) return false;
  }
  return [...rule.children.values()].filter(says).every((child) => childrenOf(item, child.name).some((each) => fits(each, child, sorting)));
}

/** @returns the type that a canonical of FHIR itself is of. */
export const coreType = (canonical: string): string | undefined => {
  const name = canonical.split('|', 1)[0]!.slice(coreBase.length);
  return canonical.startsWith(coreBase) && isType(name) ? name : undefined;
};
