import t from 'tap';
import { testService, type Client, type Reply } from '../kit/service.ts';
import { contradictions, type Operation } from './register.ts';
import { sequence } from './writers.ts';

const clientsAtOnce = 16;
const keys = ['a', 'b', 'c', 'd'];

const resourceOf = (id: string, value: string): object => ({ resourceType: 'Practitioner', id, name: [{ family: value }] });
const valueOf = (body: any): string => body.name[0].family as string;
const versionIn = (etag: string | null | undefined): number => Number(/"(\d+)"/.exec(etag ?? '')?.[1]);
const transaction = (resource: object, url: string, ifMatch?: string): object => ({ resourceType: 'Bundle', type: 'transaction', entry: [{ resource, request: { method: 'PUT', url, ...(ifMatch === undefined ? {} : { ifMatch }) } }] });

/** One of the sixteen: sends what comes next and keeps what became of it, by resource. */
class Hand {
  readonly done = new Map<string, Operation[]>(keys.map((key) => [key, []]));
  readonly #client: Client;
  readonly #name: string;
  readonly #next: (below: number) => number;
  #count = 0;

  constructor(client: Client, name: string, seed: number) {
    this.#client = client;
    this.#name = name;
    this.#next = sequence(seed);
  }

  async step(): Promise<void> {
    const key = keys[this.#next(keys.length)]!;
    const path = `Practitioner/${key}`;
    const value = `${this.#name}-${this.#count++}`;
    switch (this.#next(9)) {
      case 0: return this.#write(key, value, 'PUT', () => this.#client('PUT', path, resourceOf(key, value)));
      case 1: return this.#write(key, value, 'PUT in a transaction', () => this.#client('POST', '', transaction(resourceOf(key, value), path)));
      case 2: return this.#delete(key);
      case 3: return this.#history(key);
      case 4: case 5: {
        await this.#read(key);
        return;
      }
      default: return this.#guarded(key, value);
    }
  }

  /** Reads, then changes just that version. */
  async #guarded(key: string, value: string): Promise<void> {
    const seen = await this.#read(key);
    if (seen?.value === undefined) return; // If-Match is never met where there is nothing (RFC 9110 13.1.1)
    const path = `Practitioner/${key}`;
    const ifMatch = `W/"${seen.version}"`;
    const way = this.#next(3);
    if (way === 0) await this.#write(key, value, 'PUT If-Match', () => this.#client('PUT', path, resourceOf(key, value), { 'if-match': ifMatch }), seen.version);
    else if (way === 1) await this.#write(key, value, 'transaction If-Match', () => this.#client('POST', '', transaction(resourceOf(key, value), path, ifMatch)), seen.version);
    else await this.#write(key, value, 'PATCH If-Match', () => this.#client('PATCH', path, [{ op: 'replace', path: '/name/0/family', value }], { 'content-type': 'application/json-patch+json', 'if-match': ifMatch }), seen.version);
  }

  async #write(key: string, value: string, what: string, send: () => Promise<Reply>, replaces?: number): Promise<void> {
    const [reply, times] = await this.#timed(send);
    const entry = reply.body?.entry?.[0]?.response;
    if (reply.status < 300) this.#keep(key, { ...times, kind: 'write', what, value, version: versionIn(entry?.etag ?? reply.headers.get('etag')), ...(replaces === undefined ? {} : { replaces }) });
    else if ((reply.status === 412 || reply.status === 410) && replaces !== undefined) this.#keep(key, { ...times, kind: 'refused', what, version: replaces });
    else throw new Error(`${what}: ${reply.status} ${reply.text.slice(0, 300)}`);
  }

  async #delete(key: string): Promise<void> {
    const [reply, times] = await this.#timed(() => this.#client('DELETE', `Practitioner/${key}`));
    if (reply.status !== 204) throw new Error(`DELETE: ${reply.status} ${reply.text.slice(0, 300)}`);
    const version = versionIn(reply.headers.get('etag'));
    this.#keep(key, Number.isNaN(version) ? { ...times, kind: 'absent', what: 'DELETE' } : { ...times, kind: 'delete', what: 'DELETE', version });
  }

  async #read(key: string): Promise<Operation | undefined> {
    const [reply, times] = await this.#timed(() => this.#client('GET', `Practitioner/${key}`));
    if (reply.status === 404) return undefined;
    if (reply.status !== 200 && reply.status !== 410) throw new Error(`read: ${reply.status} ${reply.text.slice(0, 300)}`);
    return this.#keep(key, { ...times, kind: 'read', what: 'read', version: versionIn(reply.headers.get('etag')), ...(reply.status === 200 ? { value: valueOf(reply.body) } : {}) });
  }

  /** Sees the newest version, and below it every other without a gap. */
  async #history(key: string): Promise<void> {
    const [reply, times] = await this.#timed(() => this.#client('GET', `Practitioner/${key}/_history?_count=20`));
    if (reply.status === 404) return;
    const seen: { version: number; value: string | undefined }[] = reply.body.entry.map(({ resource, response }: any) => ({ version: versionIn(response.etag), value: resource === undefined ? undefined : valueOf(resource) }));
    for (const [at, { version }] of seen.entries()) if (version !== seen[0]!.version - at) throw new Error(`history: version ${version} at place ${at} below ${seen[0]!.version}`);
    this.#keep(key, { ...times, kind: 'read', what: 'history', ...seen[0]! });
  }

  async #timed(send: () => Promise<Reply>): Promise<[Reply, { start: number; end: number }]> {
    const start = performance.now();
    const reply = await send();
    return [reply, { start, end: performance.now() }];
  }

  #keep(key: string, operation: Operation): Operation {
    this.done.get(key)!.push(operation);
    return operation;
  }
}

/** Lets sixteen hands work for `ms`, and on a slow machine on until all was `seen` that is looked for, six times as long at most. @returns what was done to each resource. */
async function work(clients: readonly Client[], ms: number, seen: (operations: readonly Operation[]) => boolean = () => true): Promise<Map<string, Operation[]>> {
  const hands = Array.from({ length: clientsAtOnce }, (_, n) => new Hand(clients[n % clients.length]!, `c${n}`, 100 + n));
  const done = (): Map<string, Operation[]> => new Map(keys.map((key) => [key, hands.flatMap((hand) => hand.done.get(key)!)]));
  for (const start = performance.now(); performance.now() < start + 6 * ms;) {
    const until = performance.now() + ms;
    await Promise.all(hands.map(async (hand) => {
      while (performance.now() < until) await hand.step();
    }));
    if ([...done().values()].every(seen)) break;
  }
  return done();
}

const ifMatchDecided = (operations: readonly Operation[]): boolean =>
  operations.some(({ kind, replaces }) => kind === 'write' && replaces !== undefined) && operations.some(({ kind }) => kind === 'refused');

/** A register that checks a version and then writes, with a moment in between: what the checker must not let pass. */
function checkThenWrite(): Client {
  const stored = new Map<string, { version: number; value: string | undefined }>();
  const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.random() * 2));
  const answer = (status: number, version?: number, body?: unknown): Reply => ({ status, text: '', body, headers: new Headers(version === undefined ? {} : { etag: `W/"${version}"` }) });
  const body = (key: string, value: string | undefined): unknown => (value === undefined ? undefined : resourceOf(key, value));
  return async (method, path, sent: any, headers = {}) => {
    const entry = sent?.entry?.[0];
    const key = (entry?.request.url ?? path).split('/')[1] as string;
    const current = stored.get(key);
    await moment();
    if (method === 'GET') {
      if (current === undefined) return answer(404);
      if (path.includes('_history')) return answer(200, undefined, { entry: [{ resource: body(key, current.value), response: { etag: `W/"${current.version}"` } }] });
      return answer(current.value === undefined ? 410 : 200, current.version, body(key, current.value));
    }
    if (method === 'DELETE' && current?.value === undefined) return answer(204);
    const ifMatch = entry?.request.ifMatch ?? headers['if-match'];
    if (ifMatch !== undefined && versionIn(ifMatch) !== current?.version) return answer(412);
    await moment();
    const version = (current?.version ?? 0) + 1;
    stored.set(key, { version, value: method === 'DELETE' ? undefined : method === 'PATCH' ? sent[0].value : valueOf(entry?.resource ?? sent) });
    return answer(method === 'DELETE' ? 204 : 200, version, entry === undefined ? undefined : { entry: [{ response: { etag: `W/"${version}"` } }] });
  };
}

t.test('the checker sees what a register that checks and then writes does wrong', async (t) => {
  const found = [...(await work([checkThenWrite()], 500)).values()].flatMap(contradictions);
  t.ok(found.some((one) => one.includes('was made twice')), 'lost updates');
  t.ok(found.length > 10, `${found.length} contradictions`);
  const write = (version: number, start: number, value = `v${version}`): Operation => ({ kind: 'write', what: 'PUT', version, start, end: start + 1, value });
  const read = (version: number, start: number, value = `v${version}`): Operation => ({ kind: 'read', what: 'read', version, start, end: start + 1, value });
  t.same(contradictions([write(1, 0), read(1, 2), write(2, 4), read(2, 6)]), []);
  for (const [operations, what] of [
    [[write(1, 0), write(2, 2), read(1, 4)], 'a stale read'],
    [[write(1, 0), read(2, 2), write(2, 4)], 'a read of what is not written yet'],
    [[write(2, 0), write(1, 2)], 'versions against time'],
    [[write(1, 0), write(3, 2)], 'a missing version'],
    [[write(1, 0), read(1, 2, 'other')], 'another value'],
    [[write(1, 0), { ...write(2, 2), replaces: 2 }], 'If-Match of another version'],
    [[write(1, 0), { kind: 'refused', what: 'PUT', version: 1, start: 2, end: 3 }], 'a refusal without a reason'],
    [[write(1, 0), { kind: 'absent', what: 'DELETE', start: 2, end: 3 }], 'a deletion of nothing that was there'],
  ] as readonly (readonly [Operation[], string])[]) t.equal(contradictions(operations).length > 0, true, what);
});

t.test('sixteen clients on four resources for ten seconds, over two processes: linearizable, nothing lost, versions without a gap', async (t) => {
  const first = await testService(t);
  const second = await testService(t, { beside: first });
  const [fhir, other] = [first.as(), second.as()];
  const done = await work([fhir, other], 10_000, ifMatchDecided);
  for (const [key, operations] of done) {
    t.same(contradictions(operations), [], `${key}: ${operations.length} operations`);
    const made = operations.filter(({ kind }) => kind === 'write' || kind === 'delete').length;
    const versions = await first.database.query<{ version: number }>(`select version from resource where type = 'Practitioner' and id = $1 order by version`, [key]);
    t.same(versions.map(({ version }) => version), Array.from({ length: made }, (_, n) => n + 1), `${key}: ${made} versions, as many as were acknowledged`);
    t.ok(ifMatchDecided(operations), `${key}: If-Match was met and was refused`);
  }
});
