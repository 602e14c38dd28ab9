import { conditionalReferences, resolveLinks } from '../fhir/bundle.ts';
import { problem } from '../fhir/outcome.ts';
import { servedType } from '../fhir/types.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { asksFor, identifiersOf } from '../store/condition-locks.ts';
import { newId } from '../store/identity.ts';
import type { Condition } from '../store/unit.ts';
import { conditionPlan, matchOf } from './condition.ts';
import type { Context } from './context.ts';
import { each } from './several.ts';
import { located, type Step } from './transaction-steps.ts';

/** Where creates go, by position of their entry: kept from one attempt to the next. */
export type Places = Map<number, { readonly id: string; readonly exists: boolean }>;

/**
 * Looks up what the conditions of the entries match, gives every entry that creates or updates its place, then rewrites the
 * links that entries hold to each other. Conditions see the store as it is before the transaction, whatever the transaction
 * itself changes; they are checked again in the transaction of the store (`WriteRequest.linked`, `Condition`).
 * @returns what conditional references were resolved by.
 */
export async function linkEntries(context: Context, steps: readonly Step[], places: Places): Promise<Condition[]> {
  await each(steps, async (step) => {
    step.plan = await located(step.at, async () => planOf(context, step));
  });
  await each(steps.filter(({ plan }) => plan !== undefined), async (step) => {
    step.match = await located(step.at, () => matchOf(context, step.plan!));
  });
  const claimed = new Map<string, Step>();
  const links = new Map<string, string>();
  for (const step of steps) {
    const { entry, interaction } = step;
    if (interaction.kind === 'create') placeCreate(step, interaction.type, places, claimed);
    else if (interaction.kind === 'conditional-update') placeUpdate(step, interaction.type, places, claimed);
    const id = interaction.kind === 'update' ? interaction.id : step.id;
    if (id !== undefined && 'type' in interaction && entry.fullUrl !== undefined && entry.fullUrl !== '') links.set(entry.fullUrl, `${interaction.type}/${id}`);
  }
  refuseOverlaps(steps);
  const references = await resolveConditional(context, steps, claimed, links);
  if (links.size > 0) for (const { entry } of steps) if (entry.resource !== undefined) resolveLinks(entry.resource, links, entry.fullUrl);
  return references;
}

/** The condition of an entry whose match decides where it goes; that of a conditional delete is looked up on its own. */
async function planOf(context: Context, { entry, interaction }: Step): Promise<SearchPlan | undefined> {
  if (interaction.kind === 'create') return entry.ifNoneExist === undefined ? undefined : conditionPlan(context, interaction.type, entry.ifNoneExist);
  return interaction.kind === 'conditional-update' ? conditionPlan(context, interaction.type, interaction.condition) : undefined;
}

/**
 * Finds what conditional references (`Patient?identifier=...`) mean: the entry that creates or updates under the same
 * condition, or the one match in the store.
 */
async function resolveConditional(context: Context, steps: readonly Step[], claimed: ReadonlyMap<string, Step>, links: Map<string, string>): Promise<Condition[]> {
  const first = new Map<string, number>();
  for (const { entry, at } of steps) for (const reference of conditionalReferences(entry.resource)) if (!first.has(reference)) first.set(reference, at);
  const conditions = await each([...first], ([reference, at]) => located(at, async (): Promise<Condition[]> => {
    const type = reference.slice(0, reference.indexOf('?'));
    if (servedType(type) === undefined) throw nothing();
    const plan = await conditionPlan(context, type, reference);
    const entry = claimed.get(claimOf(type, plan));
    const id = entry === undefined ? await matchOf(context, plan) : entry.id;
    if (id === undefined) throw nothing();
    links.set(reference, `${type}/${id}`);
    return entry === undefined ? [{ plan, found: [id] }] : [];
  }));
  return conditions.flat();
}

const nothing = () => problem('precondition-failed', 'not-found', 'A conditional reference matches nothing.', 'resource');

const claimOf = (type: string, { applied }: SearchPlan): string => JSON.stringify([type, ...applied.map((pair) => pair.join('=')).sort()]);

/** Two creates under one condition are one create: the second meets what the first makes. */
function placeCreate(step: Step, type: string, places: Places, claimed: Map<string, Step>): void {
  const { at, plan } = step;
  const key = plan === undefined ? undefined : claimOf(type, plan);
  const earlier = key === undefined ? undefined : claimed.get(key);
  if (earlier?.interaction.kind === 'create') step.sameAs = earlier;
  const known = places.get(at);
  const match = step.match ?? (known?.exists === true ? known.id : undefined);
  step.id = earlier?.id ?? match ?? known?.id ?? newId();
  step.linked = match === undefined ? 'new' : 'existing';
  places.set(at, { id: step.id, exists: match !== undefined });
  if (key !== undefined && earlier === undefined) claimed.set(key, step);
}

/**
 * Refuses two entries that would create what may be one resource: the conditions differ, and what both create has the
 * identifier that one of them asks for. Neither sees the other, because conditions see the store as it was.
 */
function refuseOverlaps(steps: readonly Step[]): void {
  const sharing = new Map<string, Step[]>();
  const creating = steps.filter(({ plan, match, linked, sameAs, entry }) => plan !== undefined && match === undefined && linked !== 'existing' && sameAs === undefined && entry.resource !== undefined);
  for (const step of creating) {
    for (const identifier of identifiersOf(step.entry.resource!)) {
      const key = JSON.stringify([step.plan!.type, identifier.system, identifier.value]);
      const known = sharing.get(key);
      if (known !== undefined) known.push(step);
      else sharing.set(key, [step]);
    }
  }
  for (const [key, list] of sharing) {
    const [type, system, value] = JSON.parse(key) as [string, string | null, string];
    const asking = list.find(({ plan }) => asksFor(type, plan!, { system: system ?? undefined, value }));
    const other = asking === undefined ? undefined : list.find(({ id }) => id !== asking.id);
    if (other === undefined) continue;
    const [first, second] = [asking!.at, other.at].toSorted((a, b) => a - b) as [number, number];
    throw problem('invalid', 'duplicate', `Entries ${first} and ${second} may be about the same resource: both create what has an identifier that the condition of one asks for. Give both one condition.`, `Bundle.entry[${second}]`);
  }
}

/** Two updates under one condition are about the same resource, even where nothing matches it yet; they are refused as such. */
function placeUpdate(step: Step, type: string, places: Places, claimed: Map<string, Step>): void {
  const key = claimOf(type, step.plan!);
  const known = places.get(step.at);
  // what was there an attempt ago and is not any more had an id that is taken
  step.id = claimed.get(key)?.id ?? step.match ?? step.entry.resource?.id ?? (known?.exists === false ? known.id : newId());
  if (step.match === undefined && step.entry.resource?.id === undefined) places.set(step.at, { id: step.id, exists: false });
  if (!claimed.has(key)) claimed.set(key, step);
}
