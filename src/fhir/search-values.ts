import { dateRange } from './dates.ts';
import { contactKey, exactKey, stringFold, stringKey } from './index-keys.ts';
import { typedIdentifier } from './index-values.ts';
import { parseCanonical, parseReference } from './references.ts';
import { conceptTest, hasRelation, isRelation } from './search-concepts.ts';
import { numberValue, quantityForms } from './search-quantities.ts';
import { aspectNumber, hash64, searchParameter, tupleNumber, type Aspect, type PublishedComponent, type SearchParameter } from './search-parameters.ts';
import type { DateValue, ReferenceValue, Test, TokenValue, UriValue } from './search-plan.ts';
import { badValue, called, isId, splitEscaped, splitPrefix, unescaped, unsupported, type Reading } from './search-syntax.ts';
import { servedType } from './types.ts';

/** What a value is read for. */
interface Asked {
  readonly parameter: SearchParameter;
  readonly modifier: string | null;
  readonly reading: Reading;
}

const mostValues = 500;

const modifiers: Readonly<Record<string, readonly string[]>> = {
  token: ['missing', 'not', 'text', 'in', 'not-in', 'above', 'below'], reference: ['missing', '[type]', 'identifier', 'text'], string: ['missing', 'exact', 'contains'], uri: ['missing', 'below', 'above'],
  date: ['missing'], number: ['missing'], quantity: ['missing'], composite: [],
};

/**
 * Reads the value of a parameter that is no chain (http://hl7.org/fhir/R4/search.html#ptypes).
 * @param modifier what follows the colon of the name, null for nothing.
 * @throws Problem `malformed` for a value that cannot be used, `not-supported` for the modifier.
 */
export function valueTest(parameter: SearchParameter, modifier: string | null, value: string, reading: Reading): Test {
  const asked: Asked = { parameter, modifier, reading };
  if (!allows(parameter, modifier)) {
    const known = modifiers[parameter.type]?.map((one) => `:${one}`).join(', ');
    throw unsupported(reading.name, `${called(reading.name)}: that modifier is not supported here. ${
      known === undefined || known === '' ? `"${parameter.code}" has none.` : `"${parameter.code}" has ${known}.`}`);
  }
  if (modifier === 'missing') return missing(asked, value);
  const values = splitEscaped(value, ',');
  if (values.length > mostValues) throw badValue(reading.name, `it lists more than ${mostValues} values.`, 'too-costly');
  if (values.includes('')) throw badValue(reading.name, 'it has an empty value between commas.');
  if (!isHierarchical(parameter) && isRelation(modifier)) return conceptTest(parameter, modifier, values, reading);
  if (parameter.type === 'composite') return anyOf(values.map((one) => tuple(asked, one)));
  return ordinary(asked, parameter.type, values);
}

function allows(parameter: SearchParameter, modifier: string | null): boolean {
  const { type, column, elements } = parameter;
  if (modifier === null) return true;
  if (type === 'reference' && (servedType(modifier) !== undefined || parameter.targets.includes(modifier))) return true;
  if (column === 'lastUpdated' || modifier === '[type]') return false;
  if (column === 'id') return modifier === 'not';
  if (isHierarchical(parameter) && (modifier === 'below' || modifier === 'above')) return true;
  if (type !== 'uri' && isRelation(modifier)) return hasRelation(parameter, modifier);
  if (modifier === 'of-type') return elements.includes('Identifier');
  if (modifier === 'identifier') return elements.includes('Reference');
  return modifiers[type]?.includes(modifier) === true;
}

/** Whether `:below` and `:above` are about URLs and the versions of canonicals, not about codes. */
const isHierarchical = (parameter: SearchParameter): boolean => parameter.type === 'uri' || (parameter.type === 'reference' && isCanonical(parameter) && !isReference(parameter));

const anyOf = (tests: readonly Test[]): Test => (tests.length === 1 ? tests[0]! : { kind: 'any', tests });

function missing({ parameter, reading }: Asked, value: string): Test {
  if (value !== 'true' && value !== 'false') throw badValue(reading.name, ':missing takes true or false.');
  return { kind: 'missing', parameter, missing: value === 'true' };
}

function ordinary(asked: Asked, type: string, values: readonly string[]): Test {
  const { parameter, modifier, reading } = asked;
  switch (type) {
    case 'token': return parameter.column === 'id' ? ids(asked, values) : modifier === 'of-type' ? typed(asked, values) : tokens(asked, values);
    case 'reference': return modifier === 'identifier' ? tokens({ ...asked, parameter: rowsAbout(parameter, 'identifier'), modifier: null }, values) : references(asked, values);
    case 'date': {
      const read = values.map((value) => dateValue(reading, value));
      return parameter.column === 'lastUpdated' ? { kind: 'updated', values: read } : { kind: 'date', parameter, values: read };
    }
    case 'string': return strings(asked, values);
    case 'uri': return uris(asked, values, modifier === 'below' ? 'below' : modifier === 'above' ? 'above' : 'equal');
    case 'number': return { kind: 'quantity', parameter, values: values.map((value) => numberValue(reading, unescaped(value))) };
    case 'quantity': return quantities(asked, values);
    default: throw unsupported(reading.name, `${called(reading.name)} is not supported.`);
  }
}

function ids({ modifier, reading }: Asked, values: readonly string[]): Test {
  for (const value of values) if (!isId(value)) throw badValue(reading.name, 'an id has 1 to 64 letters, digits, "-" and ".".');
  return { kind: 'id', ids: values, negated: modifier === 'not' };
}

/** `parameter` with its rows about `aspect`, which are token rows or quantity rows whatever its own are. */
function rowsAbout(parameter: SearchParameter, aspect: Aspect): SearchParameter {
  const { column: _, ...rest } = parameter;
  return { ...rest, number: aspectNumber(parameter.number, aspect), ...(aspect === 'identifier' ? { type: 'token', elements: ['Identifier'] } : {}) };
}

/** `identifier:of-type=system|code|value`: the type of the identifier and its value (http://hl7.org/fhir/R4/search.html#token). */
function typed({ parameter, reading }: Asked, values: readonly string[]): Test {
  const read = values.map((value): TokenValue => {
    const [system, code, identifier, more] = splitEscaped(value, '|').map(unescaped);
    if (!system || !code || !identifier || more !== undefined) throw badValue(reading.name, 'it must be system|code|value: the type of the identifier and its value.');
    return { code: exactKey(typedIdentifier(code, identifier)), system: String(hash64(system)) };
  });
  return { kind: 'token', parameter: rowsAbout(parameter, 'of-type'), values: read, negated: false };
}

function quantities({ parameter, reading }: Asked, texts: readonly string[]): Test {
  const { written, canonical } = quantityForms(reading, texts);
  // pure numbers, as every score is one, are in both kinds of rows in the same form
  if (written.length === canonical.length && canonical.every(({ code }) => code === '1')) return { kind: 'quantity', parameter, values: written, also: aspectNumber(parameter.number, 'canonical') };
  const tests: Test[] = [];
  if (written.length > 0) tests.push({ kind: 'quantity', parameter, values: written });
  if (canonical.length > 0) tests.push({ kind: 'quantity', parameter: rowsAbout(parameter, 'canonical'), values: canonical });
  return anyOf(tests);
}

function tokens({ parameter, modifier, reading }: Asked, values: readonly string[]): Test {
  const negated = modifier === 'not';
  const read = values.map((value) => tokenValue(parameter, reading, value)).filter((value) => value !== null);
  const wanted = read.filter((value) => value !== 'present');
  const tests: Test[] = [];
  if (wanted.length > 0) tests.push({ kind: 'token', parameter, values: wanted, negated });
  if (wanted.length < read.length) tests.push({ kind: 'missing', parameter, missing: negated });
  if (tests.length === 0) return negated ? { kind: 'all', tests: [] } : { kind: 'nothing' };
  return tests.length === 1 ? tests[0]! : { kind: negated ? 'all' : 'any', tests };
}

/**
 * `code`, `system|code`, `|code`, `system|`. Elements of type `code` carry no system: the one that they imply is compared here.
 * @returns null for what no element can have; `present` for any code of the implied system.
 */
function tokenValue(parameter: SearchParameter, reading: Reading, text: string): TokenValue | 'present' | null {
  const parts = splitEscaped(text, '|').map(unescaped);
  if (parameter.elements.every((element) => element === 'ContactPoint')) {
    if (parts.length > 1) throw badValue(reading.name, 'a telephone number or address is asked for as it is, without a system and |.');
    return { code: exactKey(contactKey(parts[0]!)), system: null };
  }
  if (parts.length > 2) throw badValue(reading.name, 'a token is code, system|code, |code or system|; a | within one of them is written \\|.');
  if (parts.length === 1) return { code: exactKey(parts[0]!), system: null };
  const [system, code] = parts as [string, string];
  if (system === '' && code === '') throw badValue(reading.name, 'a token is code, system|code, |code or system|.');
  const implied = parameter.elements.every((element) => element === 'code');
  if (implied && system !== '') {
    if (system !== parameter.system) return null;
    return code === '' ? 'present' : { code: exactKey(code), system: null };
  }
  return { code: code === '' ? null : exactKey(code), system: system === '' ? '0' : String(hash64(system)) };
}

/** Whether values of a reference parameter are in `index_uri`, `index_reference` or both. */
export const isCanonical = ({ elements }: SearchParameter): boolean => elements.some((element) => element === 'canonical' || element === 'uri');
export const isReference = ({ elements }: SearchParameter): boolean => elements.includes('Reference');

function references(asked: Asked, values: readonly string[]): Test {
  const { parameter, modifier } = asked;
  if (modifier === 'below' || modifier === 'above') return uris(asked, values, modifier);
  const tests: Test[] = [];
  if (isReference(parameter)) tests.push({ kind: 'reference', parameter, values: values.map((value) => referenceValue(asked, value)) });
  if (isCanonical(parameter)) tests.push(uris(asked, values, 'equal'));
  return anyOf(tests);
}

function referenceValue({ parameter, modifier, reading }: Asked, text: string): ReferenceValue {
  const plain = unescaped(text);
  const { baseUrl } = reading;
  const value = baseUrl !== undefined && plain.startsWith(`${baseUrl}/`) ? plain.slice(baseUrl.length + 1) : plain;
  const form = `it must be an id or Type/id, where Type is ${parameter.targets.length > 8 ? 'a resource type' : parameter.targets.join(' or ')}.`;
  const [only] = parameter.targets.length === 1 ? parameter.targets : [];
  if (isId(value)) return { kind: 'local', type: modifier ?? only ?? null, id: value };
  const parsed = parseReference(value);
  if (parsed?.kind === 'relative') {
    if (!parameter.targets.includes(parsed.type) || (modifier !== null && modifier !== parsed.type)) throw badValue(reading.name, form);
    return { kind: 'local', type: parsed.type, id: parsed.id };
  }
  if (parsed?.kind === 'absolute') return { kind: 'url', url: exactKey(parsed.url) };
  if (parsed?.kind === 'urn') return { kind: 'url', url: exactKey(parsed.urn) };
  if (isCanonical(parameter)) return { kind: 'url', url: exactKey(value) };
  throw badValue(reading.name, form);
}

function dateValue(reading: Reading, text: string): DateValue {
  const { prefix, rest } = splitPrefix(text);
  // the + of a time zone arrives as a space when a client did not encode it
  const range = dateRange(rest.replace(/ (?=\d\d:\d\d$)/, '+'));
  if (range === undefined) throw badValue(reading.name, 'a date is written YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz, after an optional prefix such as ge.');
  return { prefix, ...range };
}

function strings({ parameter, modifier, reading }: Asked, values: readonly string[]): Test {
  const match = modifier === 'exact' ? 'exact' : modifier === 'contains' ? 'contains' : 'prefix';
  const texts = values.map((value) => {
    const plain = unescaped(value);
    if (match === 'exact') return plain;
    const key = match === 'contains' ? stringFold(plain) : stringKey(plain);
    if (key === '') throw badValue(reading.name, 'nothing of it is left when case, accents and spaces are ignored.');
    return key;
  });
  return { kind: 'string', parameter, match, values: texts };
}

/**
 * URLs, and canonicals with `|version`. `:below` a version are those that go on from it (`|1` finds 1.2), `:above` those that
 * it goes on from. The `url` of a definition has its version in an element of its own.
 */
function uris({ parameter }: Asked, values: readonly string[], match: 'equal' | 'below' | 'above'): Test {
  const read = values.map(unescaped).map((value): UriValue => {
    const { url, version } = parseCanonical(value);
    return { value: match === 'equal' || version ? exactKey(url) : url, version: version ? exactKey(version) : null };
  });
  const own = parameter.code === 'url' && match === 'equal' ? searchParameter(parameter.base, 'version') : undefined;
  if (own !== undefined && read.some(({ version }) => version !== null)) {
    return anyOf(read.map(({ value, version }): Test => {
      const named: Test = { kind: 'uri', parameter, match, values: [{ value, version: null }] };
      return version === null ? named : { kind: 'all', tests: [named, { kind: 'token', parameter: own, values: [{ code: version, system: null }], negated: false }] };
    }));
  }
  // what is above a URI is one of its beginnings: those that end before or after a slash
  const spread = match === 'above' ? read.flatMap(({ value, version }): UriValue[] => (version === null ? above(value).map((one) => ({ value: exactKey(one), version: null })) : versionsAbove(version).map((one) => ({ value, version: one })))) : read;
  return { kind: 'uri', parameter, match, values: spread };
}

/** `1.2.3`, `1.2`, `1`. */
const versionsAbove = (version: string): string[] => version.split('.').slice(0, 20).map((_, at, parts) => parts.slice(0, parts.length - at).join('.'));

function above(uri: string): string[] {
  const found = [uri];
  for (let at = uri.indexOf('/'); at >= 0 && found.length < 200; at = uri.indexOf('/', at + 1)) found.push(uri.slice(0, at), uri.slice(0, at + 1));
  return found.filter((one) => one !== '' && !one.endsWith(':'));
}

/** `token$value` of a composite: both in the same element. */
function tuple(asked: Asked, text: string): Test {
  const { parameter, reading } = asked;
  const [first, second] = parameter.components as readonly [PublishedComponent, PublishedComponent];
  const parts = splitEscaped(text, '$');
  if (parts.length !== 2 || parts.includes('')) throw badValue(reading.name, `it must be ${first.code}$${second.code}, e.g. code$value; a $ within one of them is written \\$.`);
  const own = searchParameter(parameter.base, first.code);
  if (own === undefined || second.type === 'composite') throw unsupported(reading.name, `${called(reading.name)} is not supported.`);
  const [system, code] = tokenParts(reading, parts[0]!);
  const held = ordinary({ ...asked, modifier: null, parameter: componentParameter(parameter, second) }, second.type, [parts[1]!]);
  const token = tokens({ ...asked, modifier: null, parameter: own }, [parts[0]!]);
  const number = tupleNumber(parameter, code, system === undefined ? undefined : system === '' ? 0n : hash64(system));
  return { kind: 'all', tests: [token, heldBy(number, held, parameter)] };
}

/** The test of a second component as one of the tuples that `number` stands for. */
function heldBy(number: number, held: Test, composite: SearchParameter): Test {
  switch (held.kind) {
    case 'any': return { kind: 'any', tests: held.tests.map((one) => heldBy(number, one, composite)) };
    case 'quantity': if (held.also !== undefined) return { kind: 'any', tests: [number, aspectNumber(number, 'canonical')].map((one) => ({ kind: 'tuple', number: one, value: held })) };
      return { kind: 'tuple', number: held.parameter.number === composite.number ? number : aspectNumber(number, 'canonical'), value: held };
    case 'token': case 'reference': case 'date': case 'string': case 'uri': return { kind: 'tuple', number, value: held };
    default: return { kind: 'nothing' };
  }
}

function tokenParts(reading: Reading, text: string): [string | undefined, string] {
  const parts = splitEscaped(text, '|').map(unescaped);
  const code = parts.at(-1)!;
  if (code === '') throw badValue(reading.name, 'its first part must name a code.');
  return [parts.length === 1 ? undefined : parts[0]!, code];
}

/** The second component of a composite as a parameter of its own: it says how a value is read and where its rows are. */
function componentParameter(composite: SearchParameter, { code, type, paths }: PublishedComponent): SearchParameter {
  const own = searchParameter(composite.base, code);
  const elements = [...new Set(paths.map((path) => path.type))];
  const { column: _, components: __, union: ___, ...rest } = composite;
  return { ...rest, type, elements, targets: own?.targets ?? [], paths };
}
