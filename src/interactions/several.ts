import { problem } from '../fhir/outcome.ts';
import type { Answer, Context } from './context.ts';
import type { Interaction } from './route.ts';

/** Runs one interaction; given by the caller, so that who reads a Bundle need not know every interaction. */
export type Perform = (context: Context, interaction: Interaction, body: string) => Promise<Answer>;

/** Requests of one Bundle that run at the same time: reads overlap, and writes meet in one group commit. */
const atOnce = 8;
/** Characters that the reads of one Bundle may bring together: 5,000 searches of 1,000 resources each would not fit into memory. */
const mostRead = 32 * 1024 * 1024;

/** Runs `work` for each of `items`, a few at a time. @returns the results in the order of the items. @throws what the first failure throws. */
export async function each<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at]!);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}

const reading: ReadonlySet<string> = new Set(['read', 'vread', 'search', 'search-system', 'history', 'operation', 'capabilities']);

/** Whether an entry brings something instead of writing; an operation that writes is called by itself. */
export const isReading = ({ kind }: Interaction): boolean => reading.has(kind);

/** @returns `perform` for the entries of one Bundle: it refuses (`too-large`) what is read after so much was read that one answer carries no more. */
export function bounded(perform: Perform): Perform {
  let read = 0;
  return async (context, interaction, body) => {
    if (!isReading(interaction)) return perform(context, interaction, body);
    if (read > mostRead) throw problem('too-large', 'too-costly', `The entries before have filled the answer (${mostRead / 1024 / 1024} MB): ask for this one in another Bundle.`, 'request');
    const answer = await perform(context, interaction, body);
    read += answer.body?.length ?? 0;
    return answer;
  };
}
