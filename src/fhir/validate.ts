import type { Issue } from './outcome.ts';
import { narrativeFault } from './narrative.ts';
import { nodeOf, resourceTypes, type Binding, type Element, type Node } from './structures.ts';
import { Containment, isObject, type Plain } from './validate-containment.ts';
import { Findings } from './validate-findings.ts';
import { faultOfReference, isLocal } from './validate-references.ts';

const maximumDepth = 64;
const maximumElements = 200_000;
/** Names that may be repeated in an answer: element names, not something a person typed. */
const elementName = /^_?[A-Za-z][A-Za-z0-9]{0,63}$/;

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
  return validation.found.issues;
}

/** One run over one resource. */
class Validation {
  readonly found = new Findings();
  #elements = 0;
  #scope = new Containment();
  #resource: Plain = {};
  #conditional = false;

  root(value: unknown, expectedType: string | undefined): void {
    if (!isObject(value)) {
      this.found.report('structure', 'A resource must be a JSON object.');
      return;
    }
    const type = value['resourceType'];
    if (expectedType !== undefined && type !== expectedType) {
      this.found.report('invalid', `The resource must have resourceType "${expectedType}".`, 'resourceType');
      return;
    }
    this.#conditional = type === 'Bundle' && value['type'] === 'transaction';
    if (typeof type === 'string' && resourceTypes.has(type)) this.found.enter(type, -1);
    this.#anyResource(value);
  }

  #anyResource(value: Plain): void {
    const type = value['resourceType'];
    if (typeof type !== 'string' || !resourceTypes.has(type)) {
      this.found.report(type === undefined ? 'required' : 'value', 'resourceType must name a resource type of FHIR R4.', 'resourceType');
      return;
    }
    const outer = this.#resource;
    const outerScope = this.#scope;
    this.#resource = value;
    this.#scope = new Containment();
    this.#object(value, nodeOf(type));
    this.#scope.close(value, this.found);
    this.#resource = outer;
    this.#scope = outerScope;
  }

  #containedResource(value: Plain): void {
    const type = value['resourceType'];
    if (typeof type !== 'string' || !resourceTypes.has(type)) {
      this.found.report(type === undefined ? 'required' : 'value', 'resourceType must name a resource type of FHIR R4.', 'resourceType');
      return;
    }
    if (!this.#scope.add(value, this.found)) return;
    const outer = this.#resource;
    this.#resource = value;
    this.#scope.inside = { id: value['id'] };
    this.#object(value, nodeOf(type));
    this.#scope.inside = undefined;
    this.#resource = outer;
  }

  /** @param hasValue whether it stands beside the value of a primitive, so that an id alone is enough. */
  #object(value: Plain, node: Node, hasValue = false): void {
    if (this.found.full || !this.#spend()) return;
    const before = this.found.issues.length;
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
      if (key !== 'id' || hasValue) empty = false;
      this.#property(value[key], element, value, key);
    }
    if (empty) this.found.report('invariant', 'An object must hold more than an id (ele-1): leave the element out.');
    if ((present & node.requiredBits) !== node.requiredBits) this.#missing(present, node);
    if (this.found.issues.length === before) this.#hold(node.invariants, value);
  }

  #property(value: unknown, element: Element, owner: Plain, key: string): void {
    if (!element.many) {
      if (Array.isArray(value)) this.found.report('structure', `${element.name} must be a single value, not an array.`, element.name);
      else this.#value(value, element, -1);
      return;
    }
    if (!Array.isArray(value)) {
      this.found.report('structure', `${element.name} must be an array.`, element.name);
      return;
    }
    if (value.length === 0) this.found.report('structure', `${element.name} must not be an empty array: leave the element out.`, element.name);
    for (let index = 0; index < value.length && !this.found.full; index++) {
      if (value[index] === null && element.primitive !== undefined && extensionAt(owner[`_${key}`], index)) continue;
      this.#value(value[index], element, index);
    }
  }

  #value(value: unknown, element: Element, index: number): void {
    const { primitive } = element;
    if (primitive !== undefined) {
      if (!this.#spend()) return;
      if (typeof value !== primitive.json) this.found.reportElement(element.name, index, 'structure', `${element.name} must be ${primitive.text}, as a JSON ${primitive.json}.`);
      else if (!primitive.valid(value as never)) this.found.reportElement(element.name, index, 'value', `${element.name} must be ${primitive.text}.`);
      else if (element.binding !== undefined && !element.binding.codes.has(value as string)) this.found.reportElement(element.name, index, 'code-invalid', `${element.name} must be ${codesOf(element.binding)}.`);
      else if (element.type === 'xhtml' || element.type === 'canonical' || element.type === 'uri' || element.type === 'url') this.#text(value as string, element, index);
      if (element.invariants.length > 0) this.#enter(element, index, () => this.#hold(element.invariants, value));
      return;
    }
    if (!isObject(value)) {
      this.found.reportElement(element.name, index, 'structure', `${element.name} must be a JSON object.`);
      return;
    }
    if (this.found.depth >= maximumDepth) {
      this.found.stop('too-costly', `The resource is nested deeper than ${maximumDepth} levels.`);
      return;
    }
    this.found.enter(element.name, index);
    const before = this.found.issues.length;
    if (element.holdsResource) {
      if (element.name === 'contained') this.#containedResource(value);
      else this.#anyResource(value);
    } else {
      this.#object(value, element.node());
      if (this.found.issues.length === before) this.#typed(value, element);
    }
    this.found.leave();
  }

  /** What an element adds to what its type says. */
  #typed(value: Plain, element: Element): void {
    if (element.type === 'Reference') this.#reference(value, element);
    if (element.binding !== undefined) this.#bound(value, element.type, element.binding);
    if (element.type === 'Extension' && ('extension' in value) === hasValue(value)) {
      this.found.report('invariant', 'An extension must have either extensions or one value[x], not both and not neither (ext-1).');
    }
    this.#hold(element.invariants, value);
  }

  #bound(value: Plain, type: string, binding: Binding): void {
    const isIn = (coding: Plain): boolean => binding.bySystem.get(coding['system'] as string)?.has(coding['code'] as string) === true;
    if (type === 'Coding' && !isIn(value)) this.found.report('code-invalid', `The coding must be ${codesOf(binding)}, with its system.`);
    if (type !== 'CodeableConcept') return;
    const codings = value['coding'] as readonly Plain[] | undefined;
    if (codings === undefined ? !('extension' in value) : !codings.some(isIn)) {
      this.found.report('code-invalid', `One coding must be ${codesOf(binding)}, with its system.`);
    }
  }

  #reference(value: Plain, element: Element): void {
    const reference = value['reference'] as string | undefined;
    if (reference !== undefined && isLocal(reference)) this.#scope.refer(reference, true, this.found);
    const fault = faultOfReference(value, element.targets, this.#conditional);
    if (fault !== undefined) this.found.report(fault.code, fault.text, fault.element);
  }

  #text(value: string, element: Element, index: number): void {
    if (element.type !== 'xhtml') {
      if (value.startsWith('#')) this.#enter(element, index, () => this.#scope.refer(value, element.type === 'canonical', this.found));
      return;
    }
    const fault = narrativeFault(value);
    if (fault !== undefined) this.found.reportElement(element.name, index, 'invariant', fault);
  }

  /** `_name`: ids and extensions of primitives (http://hl7.org/fhir/R4/json.html#primitive). */
  #siblings(siblings: unknown, values: unknown, element: Element): void {
    if (Array.isArray(siblings) !== element.many) {
      this.found.report('structure', `_${element.name} must be ${element.many ? 'an array, aligned with the values' : 'a single object'}.`, element.name);
      return;
    }
    const list: readonly unknown[] = element.many ? (siblings as unknown[]) : [siblings];
    if (list.length === 0) this.found.report('structure', `_${element.name} must not be an empty array.`, element.name);
    for (let index = 0; index < list.length && !this.found.full; index++) {
      const sibling = list[index];
      const value: unknown = Array.isArray(values) ? values[index] : values;
      if (sibling === null && element.many) {
        if (value === undefined || value === null) this.found.reportElement(element.name, index, 'structure', `Every position of ${element.name} needs a value or an extension.`);
      } else if (!isObject(sibling)) {
        this.found.reportElement(element.name, element.many ? index : -1, 'structure', `_${element.name} must hold objects with id or extension.`);
      } else {
        this.#enter(element, element.many ? index : -1, () => this.#object(sibling, nodeOf('Element'), value !== undefined && value !== null));
      }
    }
  }

  #hold(invariants: Node['invariants'], value: unknown): void {
    for (const invariant of invariants) {
      if (!invariant.holds(value as never, this.#resource)) this.found.report('invariant', `${invariant.text} (${invariant.key}).`);
    }
  }

  #missing(present: number, node: Node): void {
    for (const { name, bit } of node.required) {
      if ((present & bit) === 0) this.found.report('required', `${name} must be there.`, name);
    }
  }

  #twoValues(element: Element): void {
    this.found.report('structure', `${element.name}[x] must have one type only.`, element.name);
  }

  #unknown(key: string, node: Node): void {
    if (elementName.test(key)) this.found.report('structure', `${key} is not an element of ${node.path}.`, key);
    else this.found.report('structure', `A name is there that is not an element of ${node.path}.`);
  }

  #spend(): boolean {
    this.#elements += 1;
    if (this.#elements > maximumElements) this.found.stop('too-costly', `The resource has more than ${maximumElements} elements.`);
    return !this.found.full;
  }

  #enter(element: Element, index: number, work: () => void): void {
    this.found.enter(element.name, index);
    work();
    this.found.leave();
  }
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
