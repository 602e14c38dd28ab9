/** One operation on one resource that has an answer. Times are of one clock; `start` is before it was sent, `end` after its answer. */
export interface Operation {
  readonly kind: 'write' | 'delete' | 'read' | 'refused' | 'absent';
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** The version that it made or saw; of `refused` the one that If-Match named. */
  readonly version?: number;
  /** What it wrote or read; undefined: a deletion. */
  readonly value?: string;
  /** The version that If-Match named, of a write that was done. */
  readonly replaces?: number;
}

/**
 * Whether operations on one resource could have happened one after the other, each at a moment between its start and its end
 * (linearizability; Herlihy and Wing 1990). Every write is answered with its version, so their order is known and no search
 * for one is needed: a read belongs after the write whose version it saw, and the order must not contradict time.
 * @returns one sentence for each contradiction; none: linearizable, no update lost, no version missing.
 */
export function contradictions(operations: readonly Operation[]): string[] {
  const found: string[] = [];
  const writes = new Map<number, Operation>();
  for (const one of operations) {
    if (one.kind !== 'write' && one.kind !== 'delete') continue;
    if (writes.has(one.version!)) found.push(`version ${one.version} was made twice: by ${writes.get(one.version!)!.what} and ${one.what}`);
    writes.set(one.version!, one);
    if (one.replaces !== undefined && one.version !== one.replaces + 1) found.push(`${one.what} under If-Match ${one.replaces} made version ${one.version}`);
  }
  for (let version = 1; version <= writes.size; version++) if (!writes.has(version)) found.push(`nobody made version ${version} of ${writes.size}`);
  const placed = operations.filter(({ kind }) => kind === 'write' || kind === 'delete' || kind === 'read');
  for (const read of placed) {
    if (read.kind === 'read' && read.value !== writes.get(read.version!)?.value) found.push(`${read.what} of version ${read.version} saw ${read.value}, which is not what was written`);
  }
  found.push(...againstTime(placed));
  const deletions = [...writes.values()].filter(({ kind }) => kind === 'delete');
  for (const one of operations) {
    if (one.kind === 'refused' && ![...writes.values()].some(({ version, start }) => version! > one.version! && start < one.end)) found.push(`${one.what} under If-Match ${one.version} was refused though that was the newest`);
    if (one.kind === 'absent' && (writes.get(1)?.end ?? Infinity) < one.start && !deletions.some((deletion) => deletion.start < one.end && !overwritten(deletion, writes, one))) found.push(`${one.what} found nothing to delete though something was there`);
  }
  return found;
}

/** Whether a deletion was certainly followed by another write when `one` began. */
function overwritten(deletion: Operation, writes: ReadonlyMap<number, Operation>, one: Operation): boolean {
  const next = writes.get(deletion.version! + 1);
  return next !== undefined && next.end < one.start;
}

/** An operation that ended before another began must not come after it in the order of versions. */
function againstTime(placed: readonly Operation[]): string[] {
  const found: string[] = [];
  // a write of version v stands at 2v, what saw it at 2v + 1
  const place = ({ kind, version }: Operation): number => 2 * version! + (kind === 'read' ? 1 : 0);
  const ended = placed.toSorted((a, b) => a.end - b.end);
  let next = 0;
  let latest: Operation | undefined;
  for (const one of placed.toSorted((a, b) => a.start - b.start)) {
    for (; next < ended.length && ended[next]!.end < one.start; next++) if (latest === undefined || place(ended[next]!) > place(latest)) latest = ended[next]!;
    if (latest !== undefined && place(latest) > place(one)) found.push(`${one.what} is at version ${one.version}, after ${latest.what} was answered at version ${latest.version}`);
  }
  return found;
}
