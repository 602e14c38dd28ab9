import type { Issue } from '../outcome.ts';
import { propertiesOf } from '../fhirpath-select.ts';
import { UnsupportedExpression } from '../simple-path-parse.ts';
import { nodeOf } from '../structures.ts';
import { baseUnit, ucum } from '../units.ts';
import { Findings } from '../validate-findings.ts';
import { isMember, type Members } from './members.ts';
import { truth } from './path-functions.ts';
import { childrenOf, fitsPattern, isOfType, sameValue, type Item, type Items, type Scope } from './path-values.ts';
import type { Constraint, Profile, Rule, TypeRule } from './rules.ts';
import { coreType, isOfSlice, type Sorting } from './slices.ts';

/** What profiles name and the check has to know: looked up beforehand, so that the check itself waits for nothing. */
export interface Known {
  /** @returns undefined when it is not held here. */
  profile(canonical: string): Profile | undefined;
  /** @returns the type that a profile is of; undefined when it is not held here. */
  typeOf(canonical: string): string | undefined;
  /** @returns undefined when it is not held here, or cannot be listed. */
  members(valueSet: string): Members | undefined;
}

type Plain = Readonly<Record<string, unknown>>;

const budget = 500_000;
const deepestProfile = 16;

/**
 * Holds a resource against a profile (http://hl7.org/fhir/R4/profiling.html): cardinality, types and reference targets, fixed
 * values and patterns, bindings, lengths and ranges, slices, profiles of data types and extensions, and the constraints that can
 * be evaluated here. mustSupport is no rule for a resource. What a Reference leads to is told by its type only.
 * @param resource valid by the base definition of its type.
 * @returns errors where it does not meet the profile; warnings for extensible bindings and constraints that only warn;
 *   information on what could not be checked. Each names its element and repeats nothing that stands in it.
 */
export function checkProfile(resource: Plain & { readonly resourceType: string }, profile: Profile, known: Known): Issue[] {
  const check = new Check(resource, profile, known);
  return check.issues();
}

/** The elements of one list by their slices. */
class Sorted {
  readonly counts = new Map<Rule, number>();
  /** Slices of which it could not be told whether an element is theirs: they are not counted. */
  readonly undecided = new Set<Rule>();
  last = 0;
}

class Check implements Sorting {
  readonly scope: Scope;
  readonly #found = new Findings();
  readonly #known: Known;
  readonly #root: Item;
  readonly #profile: Profile;
  /** Said once, however often it is met. */
  readonly #unchecked = new Set<string>();
  #depth = 0;

  constructor(resource: Plain & { readonly resourceType: string }, profile: Profile, known: Known) {
    this.#known = known;
    this.#profile = profile;
    this.#root = { value: resource, type: resource.resourceType, selected: { value: resource, node: nodeOf(resource.resourceType), place: undefined } };
    this.scope = { context: [this.#root], self: [this.#root], index: 0, resource: this.#root, budget: { left: budget } };
  }

  issues(): Issue[] {
    const { type } = this.#root;
    if (this.#profile.type !== type) {
      this.#found.reportAt('invalid', `${this.#profile.name} is a profile of ${this.#profile.type}, not of ${type}.`, type);
      return this.#found.issues;
    }
    this.#found.enter(type, -1);
    this.#within(this.#root, this.#profile);
    return this.#found.issues;
  }

  members(valueSet: string): Members | undefined {
    return this.#known.members(valueSet);
  }

  typeOf(canonical: string): string | undefined {
    return coreType(canonical) ?? this.#known.typeOf(canonical);
  }

  /** Tries a profile without saying what it finds. */
  meets(item: Item, canonical: string): boolean {
    const profile = this.#known.profile(canonical);
    if (profile === undefined || item.selected === undefined) return coreType(canonical) === item.type;
    const trial = new Check(this.#root.value as Plain & { resourceType: string }, profile, this.#known);
    return trial.#finds(item, profile).every(({ severity }) => severity !== 'error');
  }

  #finds(item: Item, profile: Profile): readonly Issue[] {
    if (profile.type !== item.type) return [{ severity: 'error', code: 'invalid', text: '' }];
    this.#within(item, profile);
    return this.#found.issues;
  }

  /** All that a profile says of an item of its type. */
  #within(item: Item, profile: Profile): void {
    if (this.#depth >= deepestProfile) return;
    this.#depth += 1;
    if (profile.missing !== undefined) this.#say('not-supported', `${profile.name} is built on ${profile.missing}, which is not held here: its own rules only were checked.`);
    this.#element(item, profile.root, profile);
    this.#depth -= 1;
  }

  #element(item: Item, rule: Rule, profile: Profile): void {
    if (this.#found.full) return;
    if (rule.types !== undefined && item !== this.#root) this.#types(item, rule, rule.types);
    this.#value(item, rule);
    if (rule.binding !== undefined) this.#bound(item, rule.binding);
    for (const constraint of rule.constraints) this.#constraint(item, constraint, profile);
    this.#children(item, rule, profile);
  }

  #children(item: Item, rule: Rule, profile: Profile): void {
    for (const child of rule.children.values()) {
      const items = childrenOf(item, child.name);
      if (items.length === 0 && item.selected !== undefined && propertiesOf(item.selected.node, child.name).length === 0) {
        this.#say('not-supported', `${profile.name} names an element ${child.name} that is not one of ${item.selected.node.path}: its rules were not checked.`);
        continue;
      }
      this.#count(items, child, profile);
      if (items.length > 0) this.#each(items, child, profile);
    }
    // an element that is defined by another (QuestionnaireResponse.item.item) has the rules of that
    for (const element of item.selected?.node.elements.values() ?? []) {
      if (element.primitive !== undefined || !element.type.includes('.') || rule.children.has(element.name)) continue;
      const other = element.type === `${item.selected!.node.path}.${element.name}` ? undefined : profile.byPath.get(element.type);
      if (other !== undefined) this.#each(childrenOf(item, element.name), other, profile);
    }
  }

  #each(items: Items, rule: Rule, profile: Profile): void {
    const sorted = new Sorted();
    for (const item of items) {
      const { at, element } = item.selected!.place!;
      this.#found.enter(element.name, at ?? -1);
      this.#element(item, rule, profile);
      if (rule.slicing !== undefined && rule.slices.length > 0) this.#slice(item, rule, sorted, profile);
      this.#found.leave();
    }
    for (const slice of rule.slices) if (!sorted.undecided.has(slice)) this.#sliceCount(sorted.counts.get(slice) ?? 0, slice, profile);
  }

  /** Finds the slice that an element is of and holds it against that. */
  #slice(item: Item, rule: Rule, sorted: Sorted, profile: Profile): void {
    const slice = rule.slices.find((each) => this.#isOf(each, item, rule, sorted));
    if (slice === undefined) {
      if (rule.slicing!.closed && sorted.undecided.size === 0) this.#found.report('invalid', `Each ${rule.name} must be one of ${rule.slices.map(({ sliceName }) => sliceName).join(', ')} (${profile.name}).`);
      return;
    }
    sorted.counts.set(slice, (sorted.counts.get(slice) ?? 0) + 1);
    const position = rule.slices.indexOf(slice);
    if (rule.slicing!.ordered && position < sorted.last) this.#found.report('invalid', `The slices of ${rule.name} must be in the order of ${profile.name}.`);
    sorted.last = Math.max(sorted.last, position);
    this.#element(item, slice, profile);
  }

  #isOf(slice: Rule, item: Item, { name, slicing }: Rule, sorted: Sorted): boolean {
    try {
      return isOfSlice(item, slice, slicing!.discriminators, this);
    } catch (error) {
      if (!(error instanceof UnsupportedExpression)) throw error;
      sorted.undecided.add(slice);
      this.#say('not-supported', `Whether ${name} is the slice ${slice.sliceName} cannot be told here: ${error.message}.`);
      return false;
    }
  }

  #count(items: Items, rule: Rule, profile: Profile): void {
    const { min, max, name } = rule;
    if (items.length < min) this.#found.report('required', min === 1 ? `${name} must be there (${profile.name}).` : `${name} must be there ${min} times at least (${profile.name}).`, name);
    if (items.length > max) this.#found.report('structure', max === 0 ? `${name} must not be there (${profile.name}).` : `${name} must be there ${max} times at most (${profile.name}).`, name);
    if (items.length === 0) for (const slice of rule.slices) this.#sliceCount(0, slice, profile);
  }

  #sliceCount(count: number, { min, max, name, sliceName }: Rule, profile: Profile): void {
    if (count < min) this.#found.report('required', `${name} must have ${min === 1 ? 'one' : `at least ${min}`} that is its slice ${sliceName} (${profile.name}).`, name);
    if (count > max) this.#found.report('structure', max === 0 ? `${name} must not have its slice ${sliceName} (${profile.name}).` : `${name} must have ${max} of its slice ${sliceName} at most (${profile.name}).`, name);
  }

  #types(item: Item, { name }: Rule, types: readonly TypeRule[]): void {
    const ofType = types.filter(({ code }) => isOfTypeCode(item, code));
    if (ofType.length === 0) {
      this.#found.report('structure', `${name} must be ${types.map(({ code }) => code).join(' or ')}.`);
      return;
    }
    const [{ profiles, targets }] = ofType as [TypeRule];
    if (item.type === 'Reference' || item.type === 'canonical') this.#target(item, targets);
    const held = profiles.flatMap((canonical) => this.#known.profile(canonical) ?? []).filter(({ type }) => type === item.type || item.selected?.node.isResource === true);
    if (held.length < profiles.length || profiles.length === 0) return;
    if (held.length === 1) this.#within(item, held[0]!);
    else if (!profiles.some((canonical) => this.meets(item, canonical))) this.#found.report('invalid', `${name} must meet one of the profiles ${profiles.join(', ')}.`);
  }

  /** Targets that are not held here could be of any type: then nothing is said. */
  #target(item: Item, targets: readonly string[]): void {
    if (item.type !== 'Reference' || targets.length === 0) return;
    const types = targets.map((target) => this.typeOf(target));
    if (types.includes(undefined) || types.includes('Resource')) return;
    const { reference, type } = item.value as { reference?: string; type?: string };
    const target = reference?.startsWith('#') === true
      ? (this.#root.value as { contained?: readonly { id?: string; resourceType?: string }[] }).contained?.find(({ id }) => id === reference.slice(1))?.resourceType
      : /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/.*)?$/.exec(reference ?? '')?.[1] ?? type;
    if (target !== undefined && !types.includes(target)) this.#found.report('value', `The reference must be to ${[...new Set(types)].join(' or ')}.`, reference === undefined ? 'type' : 'reference');
  }

  #value(item: Item, { name, fixed, pattern, least, most, maxLength }: Rule): void {
    const { value } = item;
    if (fixed !== undefined && !sameValue(value, fixed)) this.#found.report('value', `${name} must be exactly ${described(fixed)}.`);
    if (pattern !== undefined && !fitsPattern(value, pattern)) this.#found.report('value', `${name} must have ${described(pattern)}.`);
    if (maxLength !== undefined && typeof value === 'string' && value.length > maxLength) this.#found.report('too-long', `${name} must have ${maxLength} characters at most.`);
    if (least !== undefined && below(value, least)) this.#found.report('value', `${name} must be ${described(least)} at least.`);
    if (most !== undefined && below(most, value)) this.#found.report('value', `${name} must be ${described(most)} at most.`);
  }

  #bound({ value }: Item, { strength, valueSet }: NonNullable<Rule['binding']>): void {
    if (value === undefined || value === null) return;
    const members = this.#known.members(valueSet);
    if (members === undefined) {
      this.#say('not-supported', `The codes of ${valueSet} are not held here, so they were not checked.`);
      return;
    }
    const { said, is } = isMember(value, members);
    if (is) return;
    if (strength === 'required') this.#found.report('code-invalid', `One code must be of the value set ${valueSet}, with its system.`);
    else if (said) this.#found.report('code-invalid', `A code of the value set ${valueSet} should be there, where one applies.`, '', 'warning');
  }

  #constraint(item: Item, { key, text, isError, evaluate }: Constraint, profile: Profile): void {
    const unevaluated = (why: string): void => this.#say('not-supported', `The constraint ${key} of ${profile.name} was not evaluated: ${why}.`);
    if (typeof evaluate === 'string') {
      unevaluated(evaluate);
      return;
    }
    try {
      if (truth(evaluate([item], { ...this.scope, context: [item], self: [item] })) !== true) this.#found.report('invariant', `${text} (${key}).`, '', isError ? 'error' : 'warning');
    } catch (error) {
      if (!(error instanceof UnsupportedExpression)) throw error;
      unevaluated(error.message);
    }
  }

  #say(code: 'not-supported', text: string): void {
    if (this.#unchecked.has(text)) return;
    this.#unchecked.add(text);
    this.#found.report(code, text, '', 'information');
  }
}

/** Types of the specification that stand for others: a nested element has its path for a type. */
function isOfTypeCode(item: Item, code: string): boolean {
  if (code === 'BackboneElement' || code === 'Element') return item.type.includes('.') || isOfType(item, code);
  if (code.startsWith('http://hl7.org/fhirpath/')) return true;
  return isOfType(item, code);
}

function below(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (typeof a === 'string' && typeof b === 'string') return /T/.test(a) && /T/.test(b) ? Date.parse(a) < Date.parse(b) : a.slice(0, b.length) < b.slice(0, a.length);
  const [left, right] = [a, b].map(measured);
  return left !== undefined && right !== undefined && left.unit === right.unit && left.value < right.value;
}

/** A Quantity in the base unit of its dimension, where UCUM has one. */
function measured(quantity: unknown): { readonly value: number; readonly unit: string } | undefined {
  const { value, system, code = '' } = (quantity ?? {}) as { value?: number; system?: string; code?: string };
  if (typeof value !== 'number') return undefined;
  const base = system === ucum ? baseUnit(code) : undefined;
  return base === undefined ? { value, unit: code } : { value: value * Number(base.factor), unit: base.unit };
}

/** A value of the definition, as a person would name it. */
function described(value: unknown): string {
  const { coding, system, code } = (value ?? {}) as { coding?: readonly { system?: string; code?: string }[]; system?: string; code?: string };
  if (coding !== undefined && coding.length > 0) return coding.map((each) => `${each.system ?? ''}|${each.code ?? ''}`).join(' and ');
  if (code !== undefined && system !== undefined) return `${system}|${code}`;
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
