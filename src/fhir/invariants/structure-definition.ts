import type { ElementDefinition, ElementDefinitionBinding, ElementDefinitionSlicing, ElementDefinitionType, StructureDefinition, StructureDefinitionMapping } from '@medplum/fhirtypes';
import { exists, existsChoice, isDistinct, rule, type Invariant } from './rule.ts';

interface Elements { readonly element: readonly ElementDefinition[] }
type Definition = StructureDefinition & { readonly snapshot?: Elements; readonly differential?: Elements };

const specification = 'http://hl7.org/fhir/StructureDefinition';
const bindable: ReadonlySet<unknown> = new Set(['code', 'Coding', 'CodeableConcept', 'Quantity', 'string', 'uri']);
const typeCode = /^(?:[a-zA-Z0-9.]+|http:\/\/hl7\.org\/fhirpath\/System\.[A-Z][A-Za-z]+)$/;
const sliceName = /^[a-zA-Z0-9/\-_[\]@]+$/;
const pathPattern = /^[^\s.,:;'"/|?!@#$%&*()[\]{}]{1,64}(?:\.[^\s.,:;'"/|?!@#$%&*()[\]{}]{1,64}(?:\[x\])?(?::[^\s.]+)?)*$/;
const excludedByContent = ['minValue', 'maxValue', 'defaultValue', 'fixed', 'pattern'] as const;

const isRoot = ({ path }: ElementDefinition): boolean => path?.includes('.') !== true;
const snapshot = (definition: Definition): readonly ElementDefinition[] => definition.snapshot?.element ?? [];
const differential = (definition: Definition): readonly ElementDefinition[] => definition.differential?.element ?? [];
const both = (definition: Definition): readonly ElementDefinition[] => [...snapshot(definition), ...differential(definition)];
const isLogical = ({ kind }: Definition): boolean => kind === 'logical';
const mayTarget = ({ code }: ElementDefinitionType): boolean => code === 'Reference' || code === 'canonical';
const under = (elements: readonly ElementDefinition[], root: string | undefined): boolean => elements.every(({ path }) => path?.startsWith(`${root}.`) === true);

/** Constraints of StructureDefinition (http://hl7.org/fhir/R4/structuredefinition.html#invs). */
export const ofStructureDefinition: readonly Invariant[] = [
  rule<Definition>('sdf-1', 'Element paths must differ unless it is a constraint', (definition) => definition.derivation === 'constraint' || isDistinct(snapshot(definition).map(({ path }) => path))),
  rule<StructureDefinitionMapping>('sdf-2', 'A mapping must have a name or a uri', (mapping) => exists(mapping, 'name') || exists(mapping, 'uri')),
  rule<Elements>('sdf-3', 'Every element of a snapshot must have definition, min and max', ({ element }) => element.every((each) => exists(each, 'definition') && exists(each, 'min') && exists(each, 'max'))),
  rule<Definition>('sdf-4', 'A structure that is not abstract must have a baseDefinition', (definition) => definition.abstract === true || exists(definition, 'baseDefinition')),
  rule<Definition>('sdf-5', 'A constraint on Extension must have a context', (definition) => definition.type !== 'Extension' || definition.derivation === 'specialization' || 'context' in definition),
  rule<Definition>('sdf-6', 'There must be a snapshot or a differential', (definition) => 'snapshot' in definition || 'differential' in definition),
  rule<Elements, Definition>('sdf-8', 'All elements of a snapshot must be under its first', ({ element }, { kind, type }) => (kind === 'logical' || element[0]?.path === type)
    && under(element.slice(1), element[0]?.path)),
  rule<Elements, Definition>('sdf-8a', 'All elements of a differential must be under its type', ({ element }, { kind, type }) => (kind === 'logical' || element[0]?.path?.startsWith(type ?? '') === true)
    && under(element.slice(1), element[0]?.path?.replace(/\..*$/s, ''))),
  rule<Elements>('sdf-8b', 'Every element of a snapshot must have a base', ({ element }) => element.every((each) => 'base' in each)),
  rule<Definition>('sdf-9', 'The root element must have no label, code or requirements', (definition) => !both(definition)
    .some((each) => isRoot(each) && (exists(each, 'label') || 'code' in each || exists(each, 'requirements')))),
  rule<ElementDefinition>('sdf-10', 'A binding must have a valueSet or a description', ({ binding }) => binding === undefined || exists(binding, 'valueSet') || exists(binding, 'description')),
  rule<Definition>('sdf-11', 'The type must be the path of the first element', (definition) => isLogical(definition) || snapshot(definition).length === 0
    || snapshot(definition)[0]?.path === definition.type),
  rule<Definition>('sdf-14', 'All elements must have an id', (definition) => both(definition).every(({ id }) => id !== undefined)),
  rule<Definition>('sdf-15', 'The first element of a snapshot must have no type unless the model is logical', (definition) => isLogical(definition) || snapshot(definition)[0]?.type === undefined),
  rule<Definition>('sdf-15a', 'The first element of a differential must have no type when it is the root', (definition) => {
    const [first] = differential(definition);
    return isLogical(definition) || first === undefined || !isRoot(first) || first.type === undefined;
  }),
  rule<Definition>('sdf-16', 'The ids of a snapshot must differ', (definition) => isDistinct(snapshot(definition).map(({ id }) => id))),
  rule<Definition>('sdf-17', 'The ids of a differential must differ', (definition) => isDistinct(differential(definition).map(({ id }) => id))),
  rule<Definition>('sdf-18', 'contextInvariant is for extensions only', (definition) => !exists(definition, 'contextInvariant') || definition.type === 'Extension'),
  rule<Definition>('sdf-19', 'Models of the specification must use its types only', (definition) => definition.url?.startsWith(specification) !== true
    || both(definition).every(({ type = [] }) => type.every(({ code }) => code === undefined || typeCode.test(code)))),
  rule<Elements>('sdf-20', 'The root element must not be sliced', ({ element }) => !element.some((each) => isRoot(each) && 'slicing' in each)),
  rule<Definition>('sdf-21', 'Default values are for specializations only', (definition) => definition.derivation === 'specialization' || !differential(definition).some((each) => existsChoice(each, 'defaultValue'))),
  rule<Definition>('sdf-22', 'Models of the specification must have no default values', (definition) => definition.url?.startsWith(specification) !== true
    || !both(definition).some((each) => existsChoice(each, 'defaultValue'))),
  rule<Definition>('sdf-23', 'The root element must have no sliceName', (definition) => !both(definition).some((each) => isRoot(each) && exists(each, 'sliceName'))),
];

/** Constraints of ElementDefinition (http://hl7.org/fhir/R4/elementdefinition.html#invs). */
export const ofElementDefinition: readonly Invariant[] = [
  rule<ElementDefinitionSlicing>('eld-1', 'Slicing without discriminator must have a description', (slicing) => 'discriminator' in slicing || exists(slicing, 'description')),
  rule<ElementDefinition>('eld-2', 'min must not be above max', ({ min, max }) => min === undefined || max === undefined || max === '*' || min <= Number(max)),
  rule<string>('eld-3', 'max must be a number or "*"', (max) => max === '*' || /^\d+$/.test(max)),
  rule<ElementDefinitionType>('eld-4', 'aggregation is for Reference and canonical only', (type) => !exists(type, 'aggregation') || mayTarget(type)),
  rule<ElementDefinition>('eld-5', 'contentReference excludes type, values, maxLength and binding', (element) => !exists(element, 'contentReference') || !(
    'type' in element || 'example' in element || exists(element, 'maxLength') || 'binding' in element || excludedByContent.some((name) => existsChoice(element, name)))),
  rule<ElementDefinition>('eld-6', 'fixed[x] needs a single type', (element) => !existsChoice(element, 'fixed') || (element.type?.length ?? 0) <= 1),
  rule<ElementDefinition>('eld-7', 'pattern[x] needs a single type', (element) => !existsChoice(element, 'pattern') || (element.type?.length ?? 0) <= 1),
  rule<ElementDefinition>('eld-8', 'pattern[x] and fixed[x] exclude each other', (element) => !existsChoice(element, 'pattern') || !existsChoice(element, 'fixed')),
  rule<ElementDefinition>('eld-11', 'binding is for coded elements, string and uri only', ({ binding, type = [] }) => binding === undefined || type.length === 0 || type.some(({ code }) => bindable.has(code))),
  rule<ElementDefinitionBinding>('eld-12', 'valueSet must start with http:, https: or urn:', ({ valueSet }) => valueSet === undefined || /^(?:https?|urn):/.test(valueSet)),
  rule<ElementDefinition>('eld-13', 'Types must differ in code', ({ type = [] }) => isDistinct(type.map(({ code }) => code))),
  rule<ElementDefinition>('eld-14', 'Constraints must differ in key', ({ constraint = [] }) => isDistinct(constraint.map(({ key }) => key))),
  rule<ElementDefinition>('eld-15', 'defaultValue[x] and meaningWhenMissing exclude each other', (element) => !existsChoice(element, 'defaultValue') || !exists(element, 'meaningWhenMissing')),
  rule<ElementDefinition>('eld-16', 'sliceName must be made of letters, digits and / - _ [ ] @', (element) => element.sliceName === undefined || sliceName.test(element.sliceName)),
  rule<ElementDefinitionType>('eld-17', 'targetProfile is for Reference and canonical only', (type) => !exists(type, 'targetProfile') || mayTarget(type)),
  rule<ElementDefinition>('eld-18', 'A modifier must have a reason', (element) => element.isModifier !== true || exists(element, 'isModifierReason')),
  rule<ElementDefinition>('eld-19', 'path must be names joined by dots', ({ path }) => path === undefined || pathPattern.test(path)),
  rule<ElementDefinition>('eld-22', 'sliceIsConstraining needs sliceName', (element) => !exists(element, 'sliceIsConstraining') || exists(element, 'sliceName')),
];
