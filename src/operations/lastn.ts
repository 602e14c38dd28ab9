import { canonicalBase } from '../fhir/canonical.ts';
import { hotColumns } from '../fhir/extract.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { subset } from '../fhir/subset.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import type { Row } from '../store/search.ts';
import { inputsOf, positive, type Input } from './input.ts';
import { allMatches } from './matches.ts';
import type { Call, Operation } from './operation.ts';
import { searchset, withQuery } from './searchset.ts';

/**
 * `Observation/$lastn` (http://hl7.org/fhir/R4/observation-operation-lastn.html): the last `max` Observations of each code,
 * newest first, among what a search finds.
 */
export const lastn: Operation = {
  level: 'type',
  type: 'Observation',
  needs: [['Observation', 's']],
  definition: `${canonicalBase}/OperationDefinition/lastn`,
  run: lastOfEach,
};

/** What a search has and this operation decides itself. */
const decided: ReadonlySet<string> = new Set(['_sort', '_count', '_total', '_include', '_revinclude', '_page']);
const subjects: ReadonlySet<string> = new Set(['patient', 'subject']);
const codes = /^(category|(combo-|component-)?code(-value-[a-z]+)?)$/;

const baseOf = (name: string): string => name.split(/[:.]/, 1)[0]!;

async function lastOfEach(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  const max = positive(inputs, 'max', Number.MAX_SAFE_INTEGER) ?? 1;
  const criteria = criteriaOf(context, inputs.filter(({ name }) => name !== 'max'));
  const { plan, matches } = await allMatches(context, 'Observation', [...criteria, ['_sort', '-date']]);
  const rows = lastByCode(matches, max);
  await context.audit.record(accessRows(context, { interaction: '$lastn', action: 'E', type: 'Observation', patients: rows.map(({ patient }) => patient) }));
  const shaped = plan.summary !== 'false' || plan.elements.length > 0;
  const applied = [...plan.applied.filter(([name]) => !decided.has(name)), ['max', String(max)] as const];
  const links = [{ relation: 'self', url: withQuery(`${context.baseUrl}/Observation/$lastn`, applied) }];
  return { status: 200, body: searchset(context.baseUrl, { total: rows.length, links }, rows.map(({ type, id, body: text }) => ({ type, id, text: shaped ? subset(text, plan) : text, mode: 'match' }))) };
}

/**
 * The search that was asked for, which must say of whom and of what (the operation's definition: SHALL). Who is confined to one
 * patient need not name that one; a lenient client may leave out the code.
 */
function criteriaOf(context: Context, inputs: readonly Input[]): [string, string][] {
  const lenient = context.prefer.handling === 'lenient';
  const criteria: [string, string][] = [];
  for (const { name, text, expression } of inputs) {
    if (text === undefined) throw problem('malformed', 'value', 'Search parameters of $lastn are primitive: give the value as a string.', expression);
    if (!decided.has(baseOf(name))) criteria.push([name, text]);
    else if (!lenient) throw problem('malformed', 'not-supported', '$lastn sorts, counts and pages itself: leave this parameter out, and give max.', expression);
  }
  const names = criteria.map(([name]) => baseOf(name));
  if (!names.some((name) => subjects.has(name)) && context.visibility.reach.kind !== 'patient') {
    throw problem('malformed', 'required', '$lastn is asked of one patient: give patient or subject.', 'http.patient');
  }
  if (!names.some((name) => codes.test(name)) && !lenient) {
    throw problem('malformed', 'required', '$lastn needs a category or a code (Prefer: handling=lenient asks for all).', 'http.category');
  }
  return criteria;
}

interface Dated { readonly row: Row; readonly keys: readonly string[]; readonly date: string | null }

/**
 * Groups by code: two Observations are of one group when they share a coding, or each shares one with a third. Of each group
 * the first `max` stay, and those of equal time as the last of them.
 * @param rows newest first.
 */
function lastByCode(rows: readonly Row[], max: number): Row[] {
  const dated = rows.map((row): Dated => {
    const observation = JSON.parse(row.body) as Resource;
    return { row, keys: keysOf(row, observation), date: hotColumns(observation).dateLow };
  });
  const groupOf = groups(dated.map(({ keys }) => keys));
  const taken = new Map<string, { count: number; last: string | null }>();
  return dated.filter(({ keys, date }) => {
    const group = groupOf(keys[0]!);
    const { count, last } = taken.get(group) ?? { count: 0, last: null };
    if (count >= max && (date === null || date !== last)) return false;
    taken.set(group, { count: count + 1, last: date });
    return true;
  }).map(({ row }) => row);
}

/** What an Observation is grouped by: its codings, or its text where it has none; each patient's are groups of their own. */
function keysOf({ patient }: Row, observation: Resource): string[] {
  const { coding = [], text = '' } = (observation['code'] ?? {}) as { coding?: { system?: string; code?: string }[]; text?: string };
  const coded = coding.filter(({ code }) => code !== undefined).map(({ system, code }) => JSON.stringify([String(patient), system ?? null, code]));
  return coded.length > 0 ? coded : [JSON.stringify([String(patient), text])];
}

/** Joins keys that occur together, and all that are joined with them. @returns the group of a key. */
function groups(together: readonly (readonly string[])[]): (key: string) => string {
  const parents = new Map<string, string>();
  const root = (key: string): string => {
    let at = key;
    for (let parent = parents.get(at); parent !== undefined; parent = parents.get(at)) at = parent;
    if (at !== key) parents.set(key, at);
    return at;
  };
  for (const [first, ...others] of together) {
    for (const other of others) {
      const [one, another] = [root(first!), root(other)];
      if (one !== another) parents.set(another, one);
    }
  }
  return root;
}
