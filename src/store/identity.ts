import { hash, randomFillSync } from 'node:crypto';
import type { Connection } from './database.ts';

const random = Buffer.alloc(16 * 256);
let used = random.length;

/**
 * A new logical id: UUID version 7 (RFC 9562 section 5.7). Time-ordered, because random keys touch a different
 * index page at every insert (storage-evidence 5.4).
 */
export function newId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  const bytes = random.subarray(used, (used += 16));
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The key of a transaction-scoped advisory lock for what `parts` name. */
export function lockKey(...parts: string[]): bigint {
  return (hash('sha256', parts.join('\u0001'), 'buffer') as Buffer).readBigInt64BE(0);
}

const blockSize = 1024n;

/**
 * Hands out rids from blocks of the sequence `rid` (increment 1024), so that a write knows its keys before it is sent.
 * A block that a stopped process leaves unused is lost, which costs nothing: rids are keys, not a count.
 */
export class RidBlocks {
  readonly #blocks: { next: bigint; end: bigint }[] = [];
  #free = 0n;
  #promised = 0n;

  /** Makes sure that `count` calls of `take` succeed, whoever else takes meanwhile, until `release` of the same count. */
  async reserve(connection: Connection, count: number): Promise<void> {
    this.#promised += BigInt(count);
    if (this.#free >= this.#promised) return;
    const blocks = Number((this.#promised - this.#free + blockSize - 1n) / blockSize);
    const rows = await connection.query<{ start: bigint }>(`select nextval('rid') as start from generate_series(1, $1::int)`, [blocks]);
    for (const { start } of rows) this.#blocks.push({ next: start, end: start + blockSize });
    this.#free += BigInt(rows.length) * blockSize;
  }

  /** Ends the promise of `reserve`; what was not taken is there for others. */
  release(count: number): void {
    this.#promised -= BigInt(count);
  }

  /** @returns the next rid; call `reserve` first. */
  take(): bigint {
    const block = this.#blocks[0];
    if (block === undefined) throw new Error('no rid was reserved');
    const rid = block.next++;
    this.#free -= 1n;
    if (block.next === block.end) this.#blocks.shift();
    return rid;
  }
}
