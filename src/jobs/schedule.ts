import { failure, type Log } from '../log.ts';
import type { Database } from '../store/database.ts';
import { exclusively } from '../store/exclusive.ts';
import { readSetting, writeSetting } from '../store/setting.ts';

/** Work that is done again and again after the responses. It must bear being interrupted anywhere and done twice. */
export interface Job {
  /** A word or two in lower case, as it appears in the log and the metrics. */
  readonly name: string;
  /** From one success to the next, whichever process of the deployment has it. */
  readonly everyMs: number;
  /**
   * @param at the time it is done for, milliseconds since 1970.
   * @param signal it must stop soon: the service ends, or another process may have taken over.
   */
  run(at: number, signal: AbortSignal): Promise<void>;
}

/** What is counted of the jobs. */
export interface JobObserver {
  /** One run by this process. */
  ran(name: string, seconds: number, succeeded: boolean): void;
  /** When the job succeeded last in the deployment, in seconds since 1970. */
  lastSuccess(name: string, at: number): void;
}

export interface ScheduleOptions {
  readonly jobs: readonly Job[];
  readonly database: Database;
  readonly now: () => number;
  readonly log: Log;
  readonly observer?: JobObserver;
}

/** A failed job is tried again after this long at the latest. */
const retryMs = 60_000;
/** How soon a process looks again for a job that another one is doing. */
const elsewhereMs = 15_000;
/** Longest wait of one timer: a later change of the clock is noticed within it. */
const longestMs = 3_600_000;

const settingOf = (name: string): string => `job ${name}`;

/** Runs the jobs of the deployment: each is done by one process at a time, and again by whichever process finds it due. */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #stopped = new AbortController();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: ScheduleOptions) {
    this.#options = options;
    const twice = options.jobs.find(({ name }, at) => options.jobs.findIndex((other) => other.name === name) !== at);
    if (twice !== undefined) throw new Error(`Two jobs have the name ${twice.name}.`);
  }

  /** Begins: what is due is done at once. */
  start(): void {
    for (const job of this.#options.jobs) this.#after(job, 0);
  }

  /**
   * Does a job now, due or not.
   * @param at the time it is done for.
   * @returns whether it was done; false: another process is at it.
   * @throws whatever the job throws; a RangeError for an unknown name.
   */
  async run(name: string, at: number = this.#options.now()): Promise<boolean> {
    const job = this.#options.jobs.find((each) => each.name === name);
    if (job === undefined) throw new RangeError(`There is no job ${name}.`);
    return this.#kept(this.#once(job, () => at));
  }

  /** Ends: no job begins any more, and those that run have stopped when it returns. */
  async close(): Promise<void> {
    this.#stopped.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.allSettled(this.#running);
  }

  #after(job: Job, ms: number): void {
    if (this.#stopped.signal.aborted) return;
    const timer = setTimeout(() => {
      void this.#kept(this.#turn(job)).then((next) => { this.#after(job, Math.min(next, longestMs)); });
    }, ms);
    timer.unref();
    this.#timers.set(job.name, timer);
  }

  async #kept<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  /** Does `job` if it is due. @returns after how many milliseconds to look again. A failure is told by the name of the job alone. */
  async #turn(job: Job): Promise<number> {
    const { now, log } = this.#options;
    try {
      const early = await this.#dueIn(job);
      if (early > 0) return early;
      const done = await this.#once(job, async () => ((await this.#dueIn(job)) > 0 ? undefined : now()));
      return done ? job.everyMs : Math.min(job.everyMs, elsewhereMs);
    } catch (error) {
      if (!this.#stopped.signal.aborted) log.error({ event: 'job-failed', job: job.name, ...failure(error) });
      return Math.min(job.everyMs, retryMs);
    }
  }

  /** Milliseconds until the job is due; the last success is the deployment's, so a restart does not begin anew. */
  async #dueIn(job: Job): Promise<number> {
    const { database, now, observer } = this.#options;
    const last = Number(await readSetting(database, settingOf(job.name)) ?? Number.NaN);
    if (Number.isNaN(last)) return 0;
    observer?.lastSuccess(job.name, last / 1000);
    const since = now() - last;
    return since < 0 ? 0 : Math.max(0, job.everyMs - since); // a clock that was set back is no reason to wait
  }

  /** @param time when it is done for; undefined: not any more, another process was quicker. */
  async #once(job: Job, time: () => number | undefined | Promise<number | undefined>): Promise<boolean> {
    const { database, observer } = this.#options;
    return exclusively(database, job.name, async (lost) => {
      const at = await time();
      if (at === undefined) return;
      const started = performance.now();
      let succeeded = false;
      try {
        this.#stopped.signal.throwIfAborted();
        await job.run(at, AbortSignal.any([lost, this.#stopped.signal]));
        lost.throwIfAborted();
        await writeSetting(database, settingOf(job.name), String(at));
        succeeded = true;
      } finally {
        observer?.ran(job.name, (performance.now() - started) / 1000, succeeded);
      }
      observer?.lastSuccess(job.name, at / 1000);
    });
  }
}
