import { canonicalBase } from '../fhir/canonical.ts';
import type { Coding } from '../fhir/code-validation.ts';
import { isTranslation, translations, type Match } from '../fhir/concept-maps.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { definitionsVisible, terminology } from '../interactions/terminology.ts';
import { matching } from '../store/search.ts';
import { one, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { answered, codingsOf, definitionInputs, definitionOf, flag, parameters, type Output } from './terminology-input.ts';

/** `ConceptMap/$translate` (http://hl7.org/fhir/R4/conceptmap-operation-translate.html): what a code is in another system. */
export const translate: Operation = {
  level: ['type', 'instance'],
  type: 'ConceptMap',
  needs: [['ConceptMap', 'r']],
  definition: `${canonicalBase}/OperationDefinition/translate`,
  run: translated,
};

const known = ['url', 'conceptMap', 'conceptMapVersion', 'code', 'system', 'version', 'source', 'coding', 'codeableConcept', 'target', 'targetsystem', 'reverse'];
const mostMaps = 50;

async function translated(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = definitionInputs(call, body, 'ConceptMap', 'conceptMap');
  refuseUnknown(context, call, inputs, known);
  const held = terminology(context);
  const codings = codingsOf(call, inputs);
  const reverse = flag(inputs, 'reverse');
  const targetSystem = one(inputs, 'targetsystem');
  const map = await definitionOf(held, call, inputs, 'ConceptMap', { sent: 'conceptMap', version: 'conceptMapVersion' });
  const asked = { reverse, map: (canonical: string) => held.definition('ConceptMap', canonical), ...(targetSystem === undefined ? {} : { targetSystem }) };
  const matches: Match[] = [];
  for (const coding of codings) {
    const maps = map === undefined ? await mapsFor(context, coding, reverse, inputs) : named(map, inputs, reverse);
    for (const each of maps) matches.push(...(await translations(each, { coding, ...asked })));
  }
  const result = matches.some(isTranslation);
  return answered(context, call, parameters([
    { name: 'result', valueBoolean: result },
    ...(result ? [] : [{ name: 'message', valueString: matches.length === 0 ? 'No concept map that is held here maps this code.' : 'The concept maps that are held here say that this code has no counterpart.' }]),
    ...matches.map(shown),
  ]));
}

const shown = ({ equivalence, concept, source }: Match): Output => ({
  name: 'match', part: [
    { name: 'equivalence', valueCode: equivalence },
    ...(concept.code === undefined ? [] : [{ name: 'concept', valueCoding: concept }]),
    ...(source === undefined ? [] : [{ name: 'source', valueUri: source }]),
  ],
});

const valueSetsOf = (map: Resource): { source: unknown; target: unknown } =>
  ({ source: map['sourceUri'] ?? map['sourceCanonical'], target: map['targetUri'] ?? map['targetCanonical'] });

/** Whether a map leads from the value set `source` to the value set `target`, as far as they are named. */
function leads(map: Resource, inputs: readonly Input[], reverse: boolean): boolean {
  const scope = valueSetsOf(map);
  const plain = (canonical: unknown): string => String(canonical).split('|', 1)[0]!;
  const [from, to] = reverse ? [scope.target, scope.source] : [scope.source, scope.target];
  const fits = (own: unknown, asked: string | undefined): boolean => asked === undefined || (own !== undefined && plain(own) === plain(asked));
  return fits(from, one(inputs, 'source')) && fits(to, one(inputs, 'target'));
}

function named(map: Resource, inputs: readonly Input[], reverse: boolean): Resource[] {
  if (!leads(map, inputs, reverse)) throw problem('malformed', 'value', 'That concept map leads from another source or to another target.', 'http.source');
  return [map];
}

/** The active maps that are stored here and have the coding on the side that is asked for. */
async function mapsFor(context: Context, { system, code }: Coding, reverse: boolean, inputs: readonly Input[]): Promise<Resource[]> {
  if (system === undefined || code === undefined) return [];
  const side = reverse ? 'target' : 'source';
  // a map of the system may say something of all codes that it does not list
  const plan = parseSearch('ConceptMap', [[`${side}-system`, escaped(system)], ['status', 'active']], { handling: 'strict', baseUrl: context.baseUrl });
  const rows = await matching(context.database, plan, definitionsVisible(context.visibility), mostMaps + 1);
  if (rows.length > mostMaps) throw problem('malformed', 'too-costly', `More than ${mostMaps} concept maps are about this system: name one with url.`, 'http.url');
  return rows.map(({ body }) => JSON.parse(body) as Resource).filter((map) => leads(map, inputs, reverse));
}

const escaped = (text: string): string => text.replaceAll(/[\\,|$]/g, '\\$&');
