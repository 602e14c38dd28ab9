import { now } from '../clock.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { expansion, selected, type Member } from '../fhir/expansion.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { terminology } from '../interactions/terminology.ts';
import { newId } from '../store/identity.ts';
import { one, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { answered, definitionInputs, definitionOf, flag, natural, type Output } from './terminology-input.ts';

const known = ['url', 'valueSet', 'valueSetVersion', 'filter', 'offset', 'count', 'includeDesignations', 'includeDefinition', 'activeOnly', 'excludeNested', 'displayLanguage'];

/** `ValueSet/$expand` (http://hl7.org/fhir/R4/valueset-operation-expand.html): the codes of a value set, as far as they are known here. */
export const expand: Operation = {
  level: ['type', 'instance'],
  type: 'ValueSet',
  needs: [['ValueSet', 'r']],
  definition: `${canonicalBase}/OperationDefinition/expand`,
  run: expanded,
};

async function expanded(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = definitionInputs(call, body, 'ValueSet', 'valueSet');
  refuseUnknown(context, call, inputs, known);
  const held = terminology(context);
  const valueSet = await definitionOf(held, call, inputs, 'ValueSet', { sent: 'valueSet', version: 'valueSetVersion' });
  if (valueSet === undefined) throw problem('malformed', 'required', '$expand needs the value set: its url, the ValueSet itself, or ValueSet/[id]/$expand.');
  const filter = one(inputs, 'filter');
  const count = natural(inputs, 'count');
  const offset = natural(inputs, 'offset');
  const made = await expansion(valueSet, held);
  const { total, page } = selected(made, { activeOnly: flag(inputs, 'activeOnly'), offset: offset ?? 0, ...(filter === undefined ? {} : { filter }), ...(count === undefined ? {} : { count }) });
  const designations = flag(inputs, 'includeDesignations');
  const { compose, contained: _contained, text: _text, expansion: _expansion, ...about } = valueSet;
  return answered(context, call, {
    ...about,
    ...(compose !== undefined && flag(inputs, 'includeDefinition') ? { compose } : {}),
    expansion: {
      identifier: `urn:uuid:${newId()}`,
      timestamp: new Date(now()).toISOString(),
      total,
      ...(offset === undefined && count === undefined ? {} : { offset: offset ?? 0 }),
      ...listOf('parameter', [...applied(inputs), ...notes(inputs, made.systems, made.warnings)]),
      ...listOf('contains', page.map((member) => contained(member, designations))),
    },
  } satisfies Partial<Resource>);
}

/** FHIR has no empty lists. */
const listOf = (name: string, list: readonly object[]): object => (list.length === 0 ? {} : { [name]: list });

function contained({ system, version, code, display, designation, inactive, abstract }: Member, designations: boolean): object {
  return {
    system, ...(abstract ? { abstract } : {}), ...(inactive ? { inactive } : {}), ...(version === undefined ? {} : { version }), code, ...(display === undefined ? {} : { display }),
    ...(designations ? listOf('designation', designation) : {}),
  };
}

/** The inputs that shaped the expansion. */
function applied(inputs: readonly Input[]): Output[] {
  const valueOf = (name: string, text: string): object => {
    if (name === 'filter') return { valueString: text };
    return name === 'offset' || name === 'count' ? { valueInteger: Number(text) } : { valueBoolean: text === 'true' };
  };
  return ['filter', 'offset', 'count', 'includeDesignations', 'includeDefinition', 'activeOnly'].flatMap((name) => {
    const text = one(inputs, name);
    return text === undefined ? [] : [{ name, ...valueOf(name, text) }];
  });
}

function notes(inputs: readonly Input[], systems: ReadonlySet<string>, warnings: ReadonlySet<string>): Output[] {
  const said = [
    ...warnings,
    ...(one(inputs, 'displayLanguage') === undefined ? [] : ['displayLanguage was not applied: displays are as the definitions have them.']),
    ...(one(inputs, 'excludeNested') === 'false' ? ['The expansion is flat: hierarchies are not shown by nesting.'] : []),
  ];
  return [...[...systems].map((uri) => ({ name: 'used-codesystem', valueUri: uri })), ...said.map((text) => ({ name: 'warning', valueString: text }))];
}
