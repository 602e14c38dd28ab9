import { parseArgs } from 'node:util';

/** The lines of the table, in the order in which they run. */
export const lineNames = ['hello', 'insert', 'post', 'post-plain', 'post-long', 'read', 'search-responses', 'search-scores', 'search-tasks', 'put', 'bundle', 'recompute',
  'find-dense', 'find-medium', 'find-rare', 'find-two', 'find-date', 'find-quantity', 'find-composite', 'find-chain', 'find-has', 'find-prefix', 'find-contains', 'find-include'] as const;
export type LineName = (typeof lineNames)[number];

export interface Options {
  readonly only: readonly LineName[];
  /** Replaces the connections of every line where given. */
  readonly connections: readonly number[] | undefined;
  /** How long each line is measured; warming up takes a fourth of it before. */
  readonly seconds: number;
  /** Resources that are written before the first line, at least. */
  readonly seed: number;
  readonly json: string | undefined;
  /** Folder for a CPU profile of the service. */
  readonly profile: string | undefined;
}

export const usage = `usage: npm run bench -- [--only=NAME,...] [--connections=8,...] [--seconds=4] [--seed=100000] [--json=FILE] [--profile=FOLDER]
names: ${lineNames.join(', ')}`;

/** @throws Error with the usage for anything that cannot be meant. */
export function optionsOf(words: readonly string[]): Options {
  const { values } = parse(words);
  const only = values.only?.split(',') ?? lineNames;
  const connections = values.connections?.split(',').map(Number);
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  const isWhole = (number: number, low: number, high: number): boolean => Number.isInteger(number) && number >= low && number <= high;
  if (!only.every((name): name is LineName => lineNames.includes(name as LineName)) || connections?.every((number) => isWhole(number, 1, 256)) === false
    || !(seconds >= 0.5 && seconds <= 600) || !isWhole(seed, 1000, 100_000_000)) throw new Error(usage);
  return { only: only as readonly LineName[], connections, seconds, seed, json: values.json, profile: values.profile };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: { only: { type: 'string' }, connections: { type: 'string' }, seconds: { type: 'string', default: '4' }, seed: { type: 'string', default: '100000' }, json: { type: 'string' }, profile: { type: 'string' } },
    });
  } catch {
    throw new Error(usage);
  }
}
