import { UnsupportedExpression } from '../simple-path-parse.ts';
import { nodeOf, resourceTypes } from '../structures.ts';
import { choiceOf, coreBase, sparseSnapshot, type ConstraintDefinition, type Discriminator, type ElementDefinition, type StructureDefinition } from './definition.ts';
import { readExpression } from './path-expression.ts';
import type { Evaluate } from './path-functions.ts';

/** What a profile says of one element or slice, ready to be held against a resource. */
export interface Rule {
  /** As FHIRPath names it: `value` for `value[x]`. */
  readonly name: string;
  readonly sliceName: string | undefined;
  readonly min: number;
  readonly max: number;
  /** Types that may stand there; undefined: as FHIR has it. */
  readonly types: readonly TypeRule[] | undefined;
  readonly fixed: unknown;
  readonly pattern: unknown;
  readonly least: unknown;
  readonly most: unknown;
  readonly maxLength: number | undefined;
  readonly binding: { readonly strength: 'required' | 'extensible'; readonly valueSet: string } | undefined;
  readonly constraints: readonly Constraint[];
  readonly children: ReadonlyMap<string, Rule>;
  readonly slicing: { readonly discriminators: readonly Discriminator[]; readonly closed: boolean; readonly ordered: boolean } | undefined;
  readonly slices: readonly Rule[];
}

export interface TypeRule {
  readonly code: string;
  readonly profiles: readonly string[];
  readonly targets: readonly string[];
}

export interface Constraint {
  readonly key: string;
  readonly text: string;
  readonly isError: boolean;
  /** A string says why it is not evaluated here. */
  readonly evaluate: Evaluate | string;
}

/** One profile, compiled. */
export interface Profile {
  readonly url: string;
  readonly version: string | undefined;
  readonly name: string;
  readonly type: string;
  readonly root: Rule;
  /** Rules of elements by their path: what refers to another element by content is checked by the rules of that. */
  readonly byPath: ReadonlyMap<string, Rule>;
  /** A definition that it is built on and that is not held here. */
  readonly missing: string | undefined;
}

type Building = { -readonly [K in Exclude<keyof Rule, 'children' | 'slices'>]: Rule[K] } & { children: Map<string, Building>; slices: Building[] };

/**
 * Compiles a profile.
 * @param chain the profile, its base, and so on up to what is FHIR's own or not held here.
 * @throws UnsupportedExpression never: what cannot be evaluated is marked and reported when it is used.
 */
export function compileProfile(chain: readonly StructureDefinition[]): Profile {
  const [own] = chain as [StructureDefinition];
  const type = own.type ?? '';
  const root = building(type);
  for (const [id, element] of sparseSnapshot(chain)) fill(placed(root, id.split('.').slice(1)), element);
  const base = chain.at(-1)!.baseDefinition;
  return { url: own.url ?? '', version: own.version, name: own.name ?? own.url ?? 'the profile', type, root, byPath: paths(root, type), missing: base === undefined || isCore(base) ? undefined : base };
}

/** All rules that are not of slices, by the path of their element; what refers to an element does not repeat its slices. */
function paths(rule: Rule, path: string): Map<string, Rule> {
  return new Map([[path, { ...rule, slicing: undefined, slices: [] }], ...[...rule.children.values()].flatMap((child) => [...paths(child, `${path}.${child.name}`)])]);
}

/** @returns whether a canonical names a definition of FHIR R4 itself, which the base validator holds. */
export function isCore(canonical: string): boolean {
  const name = canonical.split('|', 1)[0]!;
  return name.startsWith(coreBase) && isType(name.slice(coreBase.length));
}

/** @returns whether FHIR R4 has a resource or data type of this name. */
export function isType(name: string): boolean {
  if (resourceTypes.has(name) || name === 'Resource' || name === 'DomainResource' || /^[a-z][A-Za-z0-9]*$/.test(name) && primitiveNames.has(name)) return true;
  if (!/^[A-Z][A-Za-z]*$/.test(name)) return false;
  try {
    nodeOf(name);
    return true;
  } catch {
    return false;
  }
}
const primitiveNames = new Set(['boolean', 'integer', 'string', 'decimal', 'uri', 'url', 'canonical', 'base64Binary', 'instant', 'date', 'dateTime', 'time', 'code', 'oid', 'id', 'markdown', 'unsignedInt', 'positiveInt', 'uuid', 'xhtml']);

/** The rule at a place below `root`, made with all that lead to it. */
function placed(root: Building, steps: readonly string[]): Building {
  return steps.reduce<Building>((parent, step) => {
    const [written = '', ...slices] = step.split(':');
    const name = written.replace(/\[x\]$/, '');
    let rule = parent.children.get(name);
    if (rule === undefined) parent.children.set(name, rule = building(name));
    const sliceName = slices.join(':');
    if (sliceName === '') return rule;
    // what slices a slice anew (`a/b`) is a finer division that this check does not make
    if (sliceName.includes('/')) return building(name);
    let slice = rule.slices.find((each) => each.sliceName === sliceName);
    if (slice === undefined) {
      rule.slices.push(slice = { ...building(name), sliceName });
      rule.slicing ??= implied(written);
    }
    return slice;
  }, root);
}

/** Slices that are known without a word: extensions by their url, choices by their type. */
function implied(written: string): Rule['slicing'] {
  if (written === 'extension' || written === 'modifierExtension') return { discriminators: [{ type: 'value', path: 'url' }], closed: false, ordered: false };
  return written.endsWith('[x]') ? { discriminators: [{ type: 'type', path: '$this' }], closed: false, ordered: false } : undefined;
}

function building(name: string): Building {
  return {
    name, sliceName: undefined, min: 0, max: Infinity, types: undefined, fixed: undefined, pattern: undefined, least: undefined, most: undefined,
    maxLength: undefined, binding: undefined, constraints: [], children: new Map(), slicing: undefined, slices: [],
  };
}

function fill(rule: Building, element: ElementDefinition): void {
  const { min, max, type, slicing, binding, maxLength } = element;
  if (min !== undefined) rule.min = min;
  if (max !== undefined) rule.max = max === '*' ? Infinity : Number(max);
  if (maxLength !== undefined) rule.maxLength = maxLength;
  if (type !== undefined) rule.types = type.map(({ code = '', profile = [], targetProfile = [] }) => ({ code, profiles: profile, targets: targetProfile }));
  if (slicing !== undefined && slicing.discriminator !== undefined) {
    rule.slicing = { discriminators: slicing.discriminator, closed: slicing.rules === 'closed', ordered: slicing.ordered === true };
  }
  rule.fixed = choiceOf(element, 'fixed');
  rule.pattern = choiceOf(element, 'pattern');
  rule.least = choiceOf(element, 'minValue');
  rule.most = choiceOf(element, 'maxValue');
  const strength = binding?.strength;
  if (binding?.valueSet !== undefined && (strength === 'required' || strength === 'extensible')) rule.binding = { strength, valueSet: binding.valueSet };
  rule.constraints = (element.constraint ?? []).filter(isOwn).map(compiled);
}

/** Of a snapshot, FHIR's own constraints are those that the base validator holds. */
const isOwn = ({ source, expression }: ConstraintDefinition): boolean => expression !== undefined && (source === undefined || !isCore(source));

function compiled({ key = '', severity, human = '', expression = '' }: ConstraintDefinition): Constraint {
  let evaluate: Evaluate | string;
  try {
    evaluate = readExpression(expression);
  } catch (error) {
    if (!(error instanceof UnsupportedExpression)) throw error;
    evaluate = error.message;
  }
  return { key, text: human.trim().replace(/\.$/, ''), isError: severity !== 'warning', evaluate };
}
