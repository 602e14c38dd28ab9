import type { Issue, IssueCode } from './outcome.ts';
import { narrativeFault } from './narrative.ts';
import { nodeOf, resourceTypes, type Binding, type Element, type Node } from './structures.ts';
import { faultOfReference, isLocal } from './validate-references.ts';

const maximumDepth = 64;
const maximumElements = 200_000;
const maximumIssues = 100;
/** Names that may be repeated in an answer: element names, not something a person typed. */
const elementName = /^_?[A-Za-z][A-Za-z0-9]{0,63}$/;

type Plain = Readonly<Record<string, unknown>>;

/**
 * Checks a resource against FHIR R4: elements, cardinality, types, required bindings, references, narrative, containment and
 * every constraint of severity error (http://hl7.org/fhir/R4/validation.html). Profiles in meta.profile are not looked at.
 * Total: any JSON value gets an answer, in time linear in its size.
 * @param expectedType the type it has to be, e.g. that of the URL it was sent to.
 * @returns what is wrong, empty when it is valid; each issue names its element and repeats nothing that stands in it.
 */
export function validate(resource: unknown, expectedType?: string): Issue[] {
  const validation = new Validation();
  validation.root(resource, expectedType);
  return validation.issues;
}

/** What one resource and the resources contained in it refer to within themselves. */
interface Scope {
  readonly contained: Set<string>;
  /** Local references, with where they stand and what they may point to. */
  readonly uses: { readonly id: string; readonly at: string; readonly mustResolve: boolean }[];
  /** Ids of contained resources that refer to their container (`#`). */
  readonly pointingUp: Set<unknown>;
  /** The contained resource being checked. */
  inside: { readonly id: unknown } | undefined;
}

/** One run: where it is, what it found. The path is two stacks, so that a valid resource costs no strings. */
class Validation {
  readonly issues: Issue[] = [];
  readonly #names: string[] = [];
  readonly #indexes: number[] = [];
  #elements = 0;
  #full = false;
  #scope: Scope = newScope();
  #resource: Plain = {};
  #conditional = false;

  root(value: unknown, expectedType: string | undefined): void {
    if (!isObject(value)) {
      this.#report('structure', 'A resource must be a JSON object.');
      return;
    }
    const type = value['resourceType'];
    if (expectedType !== undefined && type !== expectedType) {
      this.#report('invalid', `The resource must have resourceType "${expectedType}".`, 'resourceType');
      return;
    }
    this.#conditional = type === 'Bundle' && value['type'] === 'transaction';
    if (typeof type === 'string' && resourceTypes.has(type)) this.#names.push(type);
    this.#indexes.push(-1);
    this.#anyResource(value);
  }

  #anyResource(value: Plain): void {
    const type = value['resourceType'];
    if (typeof type !== 'string' || !resourceTypes.has(type)) {
      this.#report(type === undefined ? 'required' : 'value', 'resourceType must name a resource type of FHIR R4.', 'resourceType');
      return;
    }
    const outer = this.#resource;
    const outerScope = this.#scope;
    this.#resource = value;
    this.#scope = newScope();
    this.#object(value, nodeOf(type));
    this.#closeScope(value);
    this.#resource = outer;
    this.#scope = outerScope;
  }

  /** dom-2 to dom-5 (http://hl7.org/fhir/R4/domainresource.html#invs). */
  #containedResource(value: Plain): void {
    const type = value['resourceType'];
    const { id, meta } = value;
    if (typeof type !== 'string' || !resourceTypes.has(type)) {
      this.#report(type === undefined ? 'required' : 'value', 'resourceType must name a resource type of FHIR R4.', 'resourceType');
      return;
    }
    if (this.#scope.inside !== undefined || 'contained' in value) {
      this.#report('invariant', 'A contained resource must not contain resources itself (dom-2).', 'contained');
      return;
    }
    if (typeof id === 'string') {
      if (this.#scope.contained.has(id)) this.#report('invariant', 'The ids of contained resources must differ.', 'id');
      this.#scope.contained.add(id);
    }
    if (isObject(meta)) {
      if ('versionId' in meta || 'lastUpdated' in meta) this.#report('invariant', 'A contained resource must not have meta.versionId or meta.lastUpdated (dom-4).', 'meta');
      if ('security' in meta) this.#report('invariant', 'A contained resource must not have a security label (dom-5).', 'meta');
    }
    const outer = this.#resource;
    this.#resource = value;
    this.#scope.inside = { id };
    this.#object(value, nodeOf(type));
    this.#scope.inside = undefined;
    this.#resource = outer;
  }

  #closeScope(resource: Plain): void {
    const { contained, uses, pointingUp } = this.#scope;
    const used = new Set<unknown>();
    for (const use of uses) {
      used.add(use.id);
      if (use.mustResolve && !contained.has(use.id)) this.#reportAt('invariant', 'A reference that starts with "#" must be the id of a contained resource (ref-1).', use.at);
    }
    if (!Array.isArray(resource['contained'])) return;
    resource['contained'].forEach((inner: unknown, index) => {
      if (!isObject(inner) || used.has(inner['id']) || pointingUp.has(inner['id'])) return;
      this.#report('invariant', 'A contained resource must be referred to from within the resource, or refer to it (dom-3).', `contained[${index}]`);
    });
  }

  #object(value: Plain, node: Node): void {
    if (this.#full || !this.#spend()) return;
    const before = this.issues.length;
    let present = 0;
    let choices = 0;
    let empty = !node.isResource;
    for (const key in value) {
      const element = node.elements.get(key);
      if (element === undefined) {
        if (key === 'resourceType' && node.isResource) continue;
        const sibling = key.startsWith('_') ? node.elements.get(key.slice(1)) : undefined;
        if (sibling?.primitive === undefined || sibling.primitive.bare === true) {
          this.#unknown(key, node);
          continue;
        }
        present |= sibling.bit;
        if (!Object.hasOwn(value, key.slice(1))) {
          if ((choices & sibling.choice) !== 0) this.#twoValues(sibling);
          choices |= sibling.choice;
        }
        empty = false;
        this.#siblings(value[key], value[key.slice(1)], sibling);
        continue;
      }
      present |= element.bit;
      if ((choices & element.choice) !== 0) this.#twoValues(element);
      choices |= element.choice;
      if (key !== 'id') empty = false;
      this.#property(value[key], element, value, key);
    }
    if (empty) this.#report('invariant', 'An object must hold more than an id (ele-1): leave the element out.');
    if ((present & node.requiredBits) !== node.requiredBits) this.#missing(present, node);
    if (this.issues.length === before) this.#hold(node.invariants, value);
  }

  #property(value: unknown, element: Element, owner: Plain, key: string): void {
    if (!element.many) {
      if (Array.isArray(value)) this.#report('structure', `${element.name} must be a single value, not an array.`, element.name);
      else this.#value(value, element, -1);
      return;
    }
    if (!Array.isArray(value)) {
      this.#report('structure', `${element.name} must be an array.`, element.name);
      return;
    }
    if (value.length === 0) this.#report('structure', `${element.name} must not be an empty array: leave the element out.`, element.name);
    for (let index = 0; index < value.length && !this.#full; index++) {
      if (value[index] === null && element.primitive !== undefined && extensionAt(owner[`_${key}`], index)) continue;
      this.#value(value[index], element, index);
    }
  }

  #value(value: unknown, element: Element, index: number): void {
    const { primitive } = element;
    if (primitive !== undefined) {
      if (!this.#spend()) return;
      if (typeof value !== primitive.json) this.#reportElement(element, index, 'structure', `${element.name} must be ${primitive.text}, as a JSON ${primitive.json}.`);
      else if (!primitive.valid(value as never)) this.#reportElement(element, index, 'value', `${element.name} must be ${primitive.text}.`);
      else if (element.binding !== undefined && !element.binding.codes.has(value as string)) this.#reportElement(element, index, 'code-invalid', `${element.name} must be ${codesOf(element.binding)}.`);
      else if (element.type === 'xhtml' || element.type === 'canonical' || element.type === 'uri' || element.type === 'url') this.#text(value as string, element, index);
      if (element.invariants.length > 0) this.#enter(element, index, () => this.#hold(element.invariants, value));
      return;
    }
    if (!isObject(value)) {
      this.#reportElement(element, index, 'structure', `${element.name} must be a JSON object.`);
      return;
    }
    if (this.#names.length >= maximumDepth) {
      this.#stop('too-costly', `The resource is nested deeper than ${maximumDepth} levels.`);
      return;
    }
    this.#names.push(element.name);
    this.#indexes.push(index);
    const before = this.issues.length;
    if (element.holdsResource) {
      if (element.name === 'contained') this.#containedResource(value);
      else this.#anyResource(value);
    } else {
      this.#object(value, element.node());
      if (this.issues.length === before) this.#typed(value, element);
    }
    this.#names.pop();
    this.#indexes.pop();
  }

  /** What an element adds to what its type says. */
  #typed(value: Plain, element: Element): void {
    if (element.type === 'Reference') this.#reference(value, element);
    if (element.binding !== undefined) this.#bound(value, element.type, element.binding);
    if (element.type === 'Extension' && ('extension' in value) === hasValue(value)) {
      this.#report('invariant', 'An extension must have either extensions or one value[x], not both and not neither (ext-1).');
    }
    this.#hold(element.invariants, value);
  }

  #bound(value: Plain, type: string, binding: Binding): void {
    const isIn = (coding: Plain): boolean => binding.bySystem.get(coding['system'] as string)?.has(coding['code'] as string) === true;
    if (type === 'Coding' && !isIn(value)) this.#report('code-invalid', `The coding must be ${codesOf(binding)}, with its system.`);
    if (type !== 'CodeableConcept') return;
    const codings = value['coding'] as readonly Plain[] | undefined;
    if (codings === undefined ? !('extension' in value) : !codings.some(isIn)) {
      this.#report('code-invalid', `One coding must be ${codesOf(binding)}, with its system.`);
    }
  }

  #reference(value: Plain, element: Element): void {
    const reference = value['reference'] as string | undefined;
    if (reference !== undefined && isLocal(reference)) this.#local(reference, true);
    const fault = faultOfReference(value, element.targets, this.#conditional);
    if (fault !== undefined) this.#report(fault.code, fault.text, fault.element);
  }

  #local(reference: string, mustResolve: boolean): void {
    if (reference === '#' && this.#scope.inside !== undefined) this.#scope.pointingUp.add(this.#scope.inside.id);
    else this.#scope.uses.push({ id: reference.slice(1), at: this.#expression(''), mustResolve });
  }

  #text(value: string, element: Element, index: number): void {
    if (element.type !== 'xhtml') {
      if (value.startsWith('#')) this.#enter(element, index, () => this.#local(value, element.type === 'canonical'));
      return;
    }
    const fault = narrativeFault(value);
    if (fault !== undefined) this.#reportElement(element, index, 'invariant', fault);
  }

  /** `_name`: ids and extensions of primitives (http://hl7.org/fhir/R4/json.html#primitive). */
  #siblings(siblings: unknown, values: unknown, element: Element): void {
    if (Array.isArray(siblings) !== element.many) {
      this.#report('structure', `_${element.name} must be ${element.many ? 'an array, aligned with the values' : 'a single object'}.`, element.name);
      return;
    }
    const list: readonly unknown[] = element.many ? (siblings as unknown[]) : [siblings];
    if (list.length === 0) this.#report('structure', `_${element.name} must not be an empty array.`, element.name);
    for (let index = 0; index < list.length && !this.#full; index++) {
      const sibling = list[index];
      const value: unknown = Array.isArray(values) ? values[index] : values;
      if (sibling === null && element.many) {
        if (value === undefined || value === null) this.#reportElement(element, index, 'structure', `Every position of ${element.name} needs a value or an extension.`);
      } else if (!isObject(sibling)) {
        this.#reportElement(element, element.many ? index : -1, 'structure', `_${element.name} must hold objects with id or extension.`);
      } else {
        this.#enter(element, element.many ? index : -1, () => this.#object(sibling, nodeOf('Element')));
      }
    }
  }

  #hold(invariants: Node['invariants'], value: unknown): void {
    for (const invariant of invariants) {
      if (!invariant.holds(value as never, this.#resource)) this.#report('invariant', `${invariant.text} (${invariant.key}).`);
    }
  }

  #missing(present: number, node: Node): void {
    for (const { name, bit } of node.required) {
      if ((present & bit) === 0) this.#report('required', `${name} must be there.`, name);
    }
  }

  #twoValues(element: Element): void {
    this.#report('structure', `${element.name}[x] must have one type only.`, element.name);
  }

  #unknown(key: string, node: Node): void {
    if (elementName.test(key)) this.#report('structure', `${key} is not an element of ${node.path}.`, key);
    else this.#report('structure', `A name is there that is not an element of ${node.path}.`);
  }

  #spend(): boolean {
    this.#elements += 1;
    if (this.#elements > maximumElements) this.#stop('too-costly', `The resource has more than ${maximumElements} elements.`);
    return !this.#full;
  }

  #stop(code: IssueCode, text: string): void {
    this.#report(code, text);
    this.#full = true;
  }

  #enter(element: Element, index: number, work: () => void): void {
    this.#names.push(element.name);
    this.#indexes.push(index);
    work();
    this.#names.pop();
    this.#indexes.pop();
  }

  #reportElement(element: Element, index: number, code: IssueCode, text: string): void {
    this.#report(code, text, index === -1 ? element.name : `${element.name}[${index}]`);
  }

  #report(code: IssueCode, text: string, element = ''): void {
    this.#reportAt(code, text, this.#expression(element));
  }

  #reportAt(code: IssueCode, text: string, expression: string): void {
    if (this.#full) return;
    this.issues.push({ severity: 'error', code, text, ...(expression === '' ? {} : { expression }) });
    if (this.issues.length >= maximumIssues) this.#full = true;
  }

  #expression(element: string): string {
    const steps = this.#names.map((name, depth) => (this.#indexes[depth] === -1 ? name : `${name}[${this.#indexes[depth]}]`));
    return (element === '' ? steps : [...steps, element]).join('.');
  }
}

function newScope(): Scope {
  return { contained: new Set(), uses: [], pointingUp: new Set(), inside: undefined };
}

function isObject(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function extensionAt(siblings: unknown, index: number): boolean {
  return Array.isArray(siblings) && isObject(siblings[index]);
}

function hasValue(extension: Plain): boolean {
  for (const key in extension) if (key.startsWith('value') || key.startsWith('_value')) return true;
  return false;
}

function codesOf(binding: Binding): string {
  const codes = [...binding.codes];
  return codes.length <= 16 ? `one of ${codes.map((code) => `"${code}"`).join(', ')}` : `a code of the value set ${binding.name}`;
}
