import { conditionalReferences, resolveLinks, type Entry } from '../fhir/bundle.ts';
import { problem } from '../fhir/outcome.ts';
import { servedType } from '../fhir/types.ts';
import { newId } from '../store/identity.ts';
import { matching } from '../store/search.ts';
import { conditionPlan } from './condition.ts';
import type { Context } from './context.ts';
import { located, type Step } from './transaction-steps.ts';

/** Where creates go, by position of their entry: kept from one attempt to the next. */
export type Places = Map<number, { readonly id: string; readonly exists: boolean }>;

/**
 * Gives every entry that creates or updates its place, then rewrites the links that other entries hold to it.
 * What a condition matches here is checked again in the transaction of the store (see `WriteRequest.linked`).
 */
export async function linkEntries(context: Context, steps: readonly Step[], places: Places): Promise<void> {
  const links = new Map<string, string>();
  const claimed = new Map<string, Step>();
  for (const step of steps) {
    const { entry, interaction } = step;
    if (interaction.kind === 'create') await placeCreate(context, step, interaction.type, places, claimed);
    else if (interaction.kind === 'conditional-update') await placeUpdate(context, step, interaction.type, interaction.condition, places, claimed);
    const id = interaction.kind === 'update' ? interaction.id : step.id;
    if (id !== undefined && 'type' in interaction) place(links, entry, `${interaction.type}/${id}`);
  }
  for (const { entry, at } of steps) for (const reference of conditionalReferences(entry.resource)) {
    if (links.has(reference)) continue;
    const type = reference.slice(0, reference.indexOf('?'));
    const id = servedType(type) === undefined ? undefined : await one(context, type, reference, at);
    if (id === undefined) throw located(at, () => { throw problem('precondition-failed', 'not-found', 'A conditional reference matches nothing.', 'resource'); });
    links.set(reference, `${type}/${id}`);
  }
  if (links.size > 0) for (const { entry } of steps) resolveLinks(entry.resource, links);
}

function place(links: Map<string, string>, entry: Entry, reference: string): void {
  if (entry.fullUrl !== undefined && entry.fullUrl !== '') links.set(entry.fullUrl, reference);
}

/** Two creates under one condition are one create: the second meets what the first makes. */
async function placeCreate(context: Context, step: Step, type: string, places: Places, claimed: Map<string, Step>): Promise<void> {
  const { entry: { ifNoneExist }, at } = step;
  const key = ifNoneExist === undefined ? undefined : claimOf(context, type, ifNoneExist, at);
  const earlier = key === undefined ? undefined : claimed.get(key);
  if (earlier?.interaction.kind === 'create') step.sameAs = earlier;
  const known = places.get(at);
  const match = known?.exists === true ? known.id : ifNoneExist === undefined ? undefined : await one(context, type, ifNoneExist, at);
  step.id = earlier?.id ?? match ?? known?.id ?? newId();
  step.linked = match === undefined ? 'new' : 'existing';
  places.set(at, { id: step.id, exists: match !== undefined });
  if (key !== undefined && earlier === undefined) claimed.set(key, step);
}

/** Two updates under one condition are about the same resource, even where nothing matches it yet; they are refused as such. */
async function placeUpdate(context: Context, step: Step, type: string, condition: string, places: Places, claimed: Map<string, Step>): Promise<void> {
  const key = claimOf(context, type, condition, step.at);
  const match = await one(context, type, condition, step.at);
  step.id = claimed.get(key)?.id ?? match ?? step.entry.resource?.id ?? places.get(step.at)?.id ?? newId();
  if (match === undefined && step.entry.resource?.id === undefined) {
    step.linked = 'new';
    places.set(step.at, { id: step.id, exists: false });
  }
  if (!claimed.has(key)) claimed.set(key, step);
}

const claimOf = (context: Context, type: string, condition: string, at: number): string =>
  located(at, () => JSON.stringify([type, conditionPlan(context, type, condition).applied]));

/** @returns the id of the one match of a condition. */
export async function one(context: Context, type: string, condition: string, at: number): Promise<string | undefined> {
  return located(at, async () => {
    const rows = await matching(context.database, conditionPlan(context, type, condition), context.visibility, 2);
    if (rows.length > 1) throw problem('precondition-failed', 'multiple-matches', 'The condition matches several resources; make it more specific.', 'request');
    return rows[0]?.id;
  });
}
