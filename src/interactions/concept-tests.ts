import { canonicalBase } from '../fhir/canonical.ts';
import { expansion, mostMembers } from '../fhir/expansion.ts';
import { stringFold } from '../fhir/index-keys.ts';
import { Problem, problem } from '../fhir/outcome.ts';
import { codingsTest } from '../fhir/search-concepts.ts';
import type { ConceptTest, SearchPlan, Test } from '../fhir/search-plan.ts';
import { called, queryExpression, splitEscaped, unescaped } from '../fhir/search-syntax.ts';
import { terminology, type Terminology, type TerminologyContext } from './terminology.ts';

/** Each may be the work of a whole expansion. */
const mostAsked = 50;

interface Coding { readonly system: string; readonly code: string }

/** The value set of what the service writes into the Observations that it computes: their texts follow from their codes. */
const computed = `${canonicalBase}/ValueSet/computed`;

/**
 * @returns the plan with everything that definitions decide as lists of codes; the same plan where nothing is to be decided.
 * @throws Problem `malformed` for a value set or code system that is not held here, or that cannot be listed.
 */
export async function decided(plan: SearchPlan, context: TerminologyContext): Promise<SearchPlan> {
  if (!plan.tests.some(isOpen)) return plan;
  const held = terminology(context);
  let left = mostMembers;
  let asked = 0;
  const spend = async (test: ConceptTest): Promise<readonly Coding[]> => {
    const { name, values } = test;
    asked += values.length;
    if (asked > mostAsked) throw problem('malformed', 'too-costly', `A search may ask ${mostAsked} times what is in a value set, above or below a code, or called by a text.`, queryExpression(name));
    const codings = await inQuery(test, codingsOf(held, test));
    left -= codings.length;
    if (left < 0) throw problem('malformed', 'too-costly', `The conditions of a search may stand for ${mostMembers} codes at most.`, queryExpression(name));
    return codings;
  };
  const decide = async (test: Test): Promise<Test> => {
    switch (test.kind) {
      case 'concept': return codingsTest(test.parameter, await spend(test), test.relation === 'not-in');
      case 'all': case 'any': return { ...test, tests: await inTurn(test.tests, decide) };
      case 'not': case 'has': return { ...test, test: await decide(test.test) };
      case 'chain': return { ...test, targets: await inTurn(test.targets, async (target) => ({ ...target, test: await decide(target.test) })) };
      default: return test;
    }
  };
  return { ...plan, tests: await inTurn(plan.tests, decide) };
}

async function inTurn<T>(list: readonly T[], change: (one: T) => Promise<T>): Promise<T[]> {
  const changed: T[] = [];
  for (const each of list) changed.push(await change(each));
  return changed;
}

function isOpen(test: Test): boolean {
  switch (test.kind) {
    case 'concept': return true;
    case 'all': case 'any': return test.tests.some(isOpen);
    case 'not': case 'has': return isOpen(test.test);
    case 'chain': return test.targets.some((target) => isOpen(target.test));
    default: return false;
  }
}

/** What is wrong with a definition is wrong with the value that names it. */
async function inQuery<T>({ name }: ConceptTest, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof Problem) || error.kind !== 'invalid') throw error;
    throw new Problem('malformed', error.issues.map((issue) => ({ ...issue, expression: queryExpression(name) })));
  }
}

async function codingsOf(held: Terminology, test: ConceptTest): Promise<readonly Coding[]> {
  const found: Coding[] = [];
  for (const value of test.values) {
    if (test.relation === 'text') found.push(...(await named(held, value)));
    else if (test.relation === 'above' || test.relation === 'below') found.push(...(await hierarchy(held, test, value)));
    else found.push(...(await members(held, test, value)));
  }
  return found;
}

async function members(held: Terminology, { name }: ConceptTest, canonical: string): Promise<Coding[]> {
  const valueSet = await held.valueSet(canonical);
  if (valueSet === undefined) throw problem('malformed', 'not-found', `The value of ${called(name)} cannot be used: no such value set is held here. It is the url of a ValueSet, with or without |version, or ValueSet/id.`, queryExpression(name));
  return [...(await expansion(valueSet, held)).members.values()];
}

async function hierarchy(held: Terminology, { relation, name }: ConceptTest, value: string): Promise<Coding[]> {
  const [url, code] = splitEscaped(value, '|').map(unescaped) as [string, string];
  const system = await held.codeSystem(url, null);
  if (system === undefined || !system.complete) throw problem('malformed', 'not-found', `The value of ${called(name)} cannot be used: that code system is not held here completely, so what is ${relation} its codes cannot be told.`, queryExpression(name));
  const concept = system.find(code);
  if (concept === undefined) throw problem('malformed', 'code-invalid', `The value of ${called(name)} cannot be used: its code system has no such code.`, queryExpression(name));
  return [concept.code, ...(relation === 'above' ? system.above(concept.code) : system.below(concept.code))].map((each) => ({ system: url, code: each }));
}

/** The codes of computed Observations whose text contains `text`. */
async function named(held: Terminology, text: string): Promise<Coding[]> {
  const valueSet = await held.valueSet(computed);
  if (valueSet === undefined) return [];
  const { members: all } = await expansion(valueSet, held);
  return [...all.values()].filter(({ display = '', designation }) => [display, ...designation.map(({ value = '' }) => value)].some((name) => stringFold(name).includes(text)));
}
