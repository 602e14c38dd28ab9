import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readKeys } from '../../src/auth/keys.ts';
import { databaseAccount } from '../../src/store/embedded-binaries.ts';
import { runningServer, socketFolder } from '../../src/store/embedded-cluster.ts';
import type { Ending } from '../kit/database.ts';
import { requestToken } from '../kit/service.ts';

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A port that is free now: the service keeps it over its restarts, so that addresses and tokens stay valid. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((settle) => { server.listen(0, '127.0.0.1', settle); });
  const { port } = server.address() as { port: number };
  await new Promise((settle) => { server.close(settle); });
  return port;
}

/** The real program as a process of its own, with its own data and PostgreSQL, that may be killed and started again. */
export class Program {
  readonly folder = mkdtempSync(join(tmpdir(), 'intersession-killed-'));
  readonly port: number;
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }> | undefined;
  #errors = '';
  #output = '';

  private constructor(port: number, env: Record<string, string>) {
    this.port = port;
    this.#env = env;
  }

  /** Starts it on an empty folder; what is left of it ends with `t`. */
  static async begin(t: Ending, env: Record<string, string> = {}): Promise<Program> {
    const begun = new Program(await freePort(), env);
    t.teardown(async () => {
      begun.kill('both');
      for (let n = 0; n < 100 && begun.server !== undefined; n++) await delay(20);
      rmSync(begun.folder, { recursive: true, force: true });
    });
    await begun.start();
    return begun;
  }

  get origin(): string { return `http://127.0.0.1:${this.port}`; }
  get base(): string { return `${this.origin}/fhir/R4`; }
  get cluster(): string { return join(this.folder, 'postgres'); }
  /** Process id of the PostgreSQL, while there is one. */
  get server(): number | undefined { return runningServer(this.cluster); }
  /** Events on standard error, as text. */
  get errors(): string { return this.#errors; }
  /** What it wrote to standard output, as text. */
  get output(): string { return this.#output; }
  /** URL of the database, for a look from outside. */
  get databaseUrl(): string { return `postgresql://intersession@/intersession?host=${encodeURIComponent(socketFolder(this.cluster, databaseAccount()))}`; }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [program], {
      env: { PATH: process.env['PATH'], PORT: String(this.port), METRICS_PORT: '0', DATA_DIR: this.folder, MODE: 'development', LOG_LEVEL: 'error', ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => { this.#output += text; });
    child.stderr.setEncoding('utf8').on('data', (text: string) => { this.#errors += text; });
    this.#ended = new Promise((settle) => { child.once('close', (code, signal) => { settle({ code, signal }); }); });
    await this.ready();
  }

  /** Waits until it takes writes. @throws Error with what it said when it ends instead. */
  async ready(): Promise<void> {
    for (const deadline = performance.now() + 30_000; performance.now() < deadline; await delay(20)) {
      if (this.#child?.exitCode !== null || this.#child.signalCode !== null) break;
      const { ok } = await fetch(`${this.origin}/health/ready`, { signal: AbortSignal.timeout(2000) }).catch(() => ({ ok: false }));
      if (ok) return;
    }
    throw new Error(`the service is not ready: ${this.#errors}`);
  }

  /** Sets a variable for the next start. */
  set(name: string, value: string): void { this.#env[name] = value; }

  async token(): Promise<string> {
    return requestToken(this.origin, (await readKeys(join(this.folder, 'keys.json')))!.development.secret, {});
  }

  signal(name: NodeJS.Signals): void { this.#child?.kill(name); }
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> { return this.#ended!; }

  /** kill -9 of the service, of PostgreSQL with all its processes, or of both at the same moment. */
  kill(what: 'service' | 'postgres' | 'both'): void {
    const server = what === 'service' ? undefined : this.server;
    const processes = server === undefined ? [] : [server, ...childrenOf(server)];
    if (what !== 'postgres') this.#child?.kill('SIGKILL');
    for (const id of processes) {
      try { process.kill(id, 'SIGKILL'); } catch { /* it ended by itself */ }
    }
  }
}

/** Processes whose parent is `id` (Linux; elsewhere none: the children of a dead postmaster end by themselves). */
function childrenOf(id: number): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((each) => {
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${each}/stat`, 'utf8'))?.[1]) === id;
    } catch {
      return false; // it ended meanwhile
    }
  });
}
