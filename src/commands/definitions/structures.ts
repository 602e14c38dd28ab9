import { generatedNote, readDefinitions, type Definition } from './package-files.ts';
import { Terminology } from './value-sets.ts';

/** One type or one nested element of `schemas/r4/structures.json`. */
interface Structure {
  /** The type whose elements and constraints it has as well. */
  base?: string;
  /** Only resources have it. */
  kind?: 'resource';
  /** Keys of the constraints of severity error that hold for the whole node. */
  constraints?: string[];
  /** One line an element: `name min..max types [=value set] [!constraint ...]`. */
  elements: string[];
}

const definitionUrl = 'http://hl7.org/fhir/StructureDefinition/';
const systemType = 'http://hl7.org/fhirpath/System.';
const inheritedFrom = new Set(['Element', 'BackboneElement', 'Resource', 'DomainResource']);
/** R4B, R5, and a type that only names what others have in common. */
const notR4 = new Set(['SubscriptionStatus', 'MetadataResource', 'EvidenceVariable.characteristic.definitionByCombination', 'HealthcareService.offeredIn']);
/** Types to which the package adds elements. Of the others the file of data elements leaves some out. */
const edited = new Set(['Meta', 'Binary', 'ObservationDefinition', 'ResearchStudy', 'EvidenceVariable', 'DeviceDefinition', 'HealthcareService']);
/** Held by the validator for every node of every type, so they are not listed with the nodes. */
const everywhere = new Set(['ele-1', 'ext-1', 'dom-2', 'dom-3', 'dom-4', 'dom-5']);

const typeName = (url: string): string => url.slice(url.lastIndexOf('/') + 1).replace(/\|.*$/, '');
const parentPath = (path: string): string => path.slice(0, path.lastIndexOf('.'));
const nestedTypes = new Set(['BackboneElement', 'Element']);

/**
 * The package edits R4 in places (`Meta.project`, `Binary.url`, R5 elements of ResearchStudy, wider reference targets).
 * Its file of data elements is unedited: where the two differ, that file is right.
 */
class Originals {
  readonly #byPath = new Map<string, Definition>();

  constructor(dataElements: readonly Definition[]) {
    for (const { snapshot } of dataElements) {
      const element = snapshot.element[0] as Definition;
      if (!this.#byPath.has(element['path'] as string)) this.#byPath.set(element['path'] as string, element);
    }
  }

  /** @returns the R4 elements of a definition, each as R4 has it. */
  elementsOf(definition: Definition): Definition[] {
    const elements = definition['snapshot'].element.slice(1) as Definition[];
    const profiled = definition['derivation'] === 'constraint';
    const kept = elements.flatMap((element) => {
      const path = element['path'] as string;
      if (notR4.has(path)) return [];
      if (isNested(element) || profiled) return [element];
      const original = this.#byPath.get(path) ?? this.#byPath.get(element['base']?.path);
      if (original === undefined) return edited.has(path.split('.')[0] as string) ? [] : [element];
      return [original['path'] === path ? { ...original, constraint: element['constraint'], base: element['base'] } : element];
    });
    const paths = new Set(kept.map((element) => element['path'] as string));
    for (const [path, original] of this.#byPath) {
      if (paths.has(parentPath(path)) && !paths.has(path)) kept.push(original);
    }
    return kept.filter((element) => !isEmptyNest(element, kept));
  }
}

function isNested(element: Definition): boolean {
  return element['contentReference'] !== undefined || nestedTypes.has(element['type']?.[0]?.code);
}

function isEmptyNest(element: Definition, all: readonly Definition[]): boolean {
  if (!isNested(element) || element['contentReference'] !== undefined) return false;
  return !all.some((other) => parentPath(other['path']) === element['path'] && !isInherited(other));
}

function isInherited(element: Definition): boolean {
  const origin = element['base']?.path as string | undefined;
  return origin !== undefined && origin !== element['path'] && inheritedFrom.has(parentPath(origin));
}

/**
 * @returns the texts of `schemas/r4/structures.json` and `schemas/r4/value-sets.json`: one line a type, so that a change of the
 * source reads as a change of lines.
 */
export async function validationTexts(): Promise<{ structures: string; valueSets: string }> {
  const terminology = await Terminology.read();
  const { note, types } = await structures((valueSet) => terminology.enumerable(valueSet));
  return { structures: text(note, 'types', types), valueSets: text(note, 'valueSets', terminology.used()) };
}

function text(note: string, key: string, content: Record<string, unknown>): string {
  const lines = Object.entries(content).map(([entry, value]) => `${JSON.stringify(entry)}:${JSON.stringify(value)}`);
  return `{"note":${JSON.stringify(note)},\n"${key}":{\n${lines.join(',\n')}\n}}\n`;
}

/** @param enumerable whether the codes of a value set are known; a binding to another cannot be checked. */
async function structures(enumerable: (valueSet: string) => boolean): Promise<{ note: string; types: Record<string, Structure> }> {
  const originals = new Originals(await readDefinitions('dataelements'));
  const definitions = [...await readDefinitions('profiles-types'), ...await readDefinitions('profiles-resources')]
    .filter((definition) => definition['resourceType'] === 'StructureDefinition' && definition['kind'] !== 'primitive-type')
    .filter((definition) => definition['derivation'] !== 'constraint' || definition['name'] === 'SimpleQuantity')
    .filter((definition) => !notR4.has(definition['name']) && definition['name'] !== 'Element');
  const types: Record<string, Structure> = {
    Element: { elements: ['id 0..1 System.String', 'extension 0..* Extension'] },
  };
  for (const definition of definitions) addType(types, definition, originals, enumerable);
  return { note: await generatedNote(), types };
}

function addType(types: Record<string, Structure>, definition: Definition, originals: Originals, enumerable: (valueSet: string) => boolean): void {
  const name = definition['name'] as string;
  const root = definition['type'] as string;
  const base = definition['baseDefinition'] === undefined ? undefined : typeName(definition['baseDefinition']);
  const profiled = definition['derivation'] === 'constraint';
  types[name] = {
    ...(base === undefined ? {} : { base: profiled ? 'Element' : base }),
    ...(definition['kind'] === 'resource' && definition['abstract'] !== true ? { kind: 'resource' as const } : {}),
    ...constraintsOf(definition['snapshot'].element[0]),
    elements: [],
  };
  const elements = originals.elementsOf(definition);
  for (const element of elements) {
    const path = element['path'] as string;
    const own = path.replace(root, name);
    if (isInherited(element) && !isOwnRule(element, root) && !specialised(name, base)) continue;
    if (specialised(name, base) && isInheritedFromElement(element)) continue;
    const nested = isNested(element) && element['contentReference'] === undefined;
    if (nested) types[own] = { base: element['type'][0].code, ...constraintsOf(element), elements: [] };
    if (element['max'] === '0') continue;
    types[parentPath(own)]?.elements.push(elementLine(element, own, nested, enumerable));
  }
}

/** Age, Count and their like repeat Quantity's elements and are written out in full: their constraints differ. */
function specialised(name: string, base: string | undefined): boolean {
  return base === 'Quantity' || name === 'SimpleQuantity';
}

function isInheritedFromElement(element: Definition): boolean {
  return (element['base']?.path as string | undefined)?.startsWith('Element.') === true;
}

function isOwnRule(element: Definition, root: string): boolean {
  return parentPath(element['path']) === root && inheritedFrom.has(root) && parentPath(element['base'].path) === root;
}

function constraintsOf(element: Definition): { constraints?: string[] } {
  const keys = ((element['constraint'] ?? []) as Definition[])
    .filter((constraint) => constraint['severity'] === 'error' && !everywhere.has(constraint['key']))
    .map((constraint) => constraint['key'] as string);
  return keys.length === 0 ? {} : { constraints: [...new Set(keys)] };
}

function elementLine(element: Definition, own: string, nested: boolean, enumerable: (valueSet: string) => boolean): string {
  const name = own.slice(own.lastIndexOf('.') + 1);
  const parts = [name, `${element['min']}..${element['max']}`, typesOf(element, own, nested)];
  const binding = element['binding'] as Definition | undefined;
  if (binding?.['strength'] === 'required' && binding['valueSet'] !== undefined) {
    const valueSet = (binding['valueSet'] as string).replace(/\|.*$/, '');
    if (enumerable(valueSet)) parts.push(`=${typeName(valueSet)}`);
    else if (typeName(valueSet) === 'mimetypes') parts.push('=mimetypes');
  }
  if (!nested) for (const key of constraintsOf(element).constraints ?? []) parts.push(`!${key}`);
  return parts.join(' ');
}

function typesOf(element: Definition, own: string, nested: boolean): string {
  if (element['contentReference'] !== undefined) return `#${(element['contentReference'] as string).replace(/^.*#/, '')}`;
  if (nested) return `#${own}`;
  return (element['type'] as Definition[]).map((type) => {
    const code = type['code'] as string;
    if (code.startsWith(systemType)) return element['path'] === 'Resource.id' ? 'System.Id' : primitiveOf(type);
    if (type['profile']?.some((url: string) => typeName(url) === 'SimpleQuantity') === true) return 'SimpleQuantity';
    const targets = ((code === 'Reference' ? type['targetProfile'] : undefined) ?? []) as string[];
    const names = targets.filter((url) => url.startsWith(definitionUrl)).map(typeName);
    return names.length === 0 || names.includes('Resource') ? code : `${code}(${names.join(',')})`;
  }).join('|');
}

/** Elements without extensions of their own: ids, and Extension.url. */
function primitiveOf(type: Definition): string {
  const named = (type['extension'] as Definition[] | undefined)?.find((extension) => extension['url'].endsWith('fhir-type'));
  return named?.['valueUrl'] === 'uri' ? 'System.Uri' : 'System.String';
}
