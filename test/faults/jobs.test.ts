import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Schedule, type Job } from '../../src/jobs/schedule.ts';
import { silent, type Event } from '../../src/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { testDatabase } from '../kit/database.ts';

/** A gate that holds a job until it is opened. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

async function until(what: () => boolean): Promise<void> {
  for (let n = 0; n < 200 && !what(); n++) await delay(10);
}

t.test('periodic work', async (t) => {
  const { url, database } = await testDatabase(t);
  const other = openDatabase({ url, connections: 4, namedStatements: true, statementTimeoutMs: 10_000 });
  t.teardown(() => other.close());
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const now = (): number => clock.now;

  await t.test('is done by one process at a time', async (t) => {
    const held = gate();
    const started = gate();
    let runs = 0;
    const job: Job = { name: 'one-at-a-time', everyMs: 1000, run: async () => { runs++; started.open(); await held.opened; } };
    const [first, second] = [new Schedule({ jobs: [job], database, now, log: silent }), new Schedule({ jobs: [job], database: other, now, log: silent })];
    const running = first.run('one-at-a-time');
    await started.opened;
    t.equal(await second.run('one-at-a-time'), false, 'another process is at it');
    held.open();
    t.equal(await running, true);
    t.equal(await second.run('one-at-a-time'), true, 'and afterwards it is free');
    t.equal(runs, 2);
    await Promise.all([first.close(), second.close()]);
  });

  await t.test('is done once an interval by all processes together, and a restart does not begin anew', async (t) => {
    const times: number[] = [];
    const job: Job = { name: 'every-hour', everyMs: 3_600_000, run: async (at) => { times.push(at); } };
    const process = (pool: typeof database): Schedule => new Schedule({ jobs: [job], database: pool, now, log: silent });
    const begun = [process(database), process(other)];
    for (const schedule of begun) schedule.start();
    await until(() => times.length > 0);
    await delay(50);
    t.same(times, [clock.now]);
    await Promise.all(begun.map((schedule) => schedule.close()));
    clock.now += 3_599_000;
    const early = process(database);
    early.start();
    await delay(50);
    t.equal(times.length, 1, 'not before the hour is over');
    await early.close();
    clock.now += 1000;
    const due = process(other);
    due.start();
    await until(() => times.length > 1);
    t.same(times, [clock.now - 3_600_000, clock.now]);
    await due.close();
  });

  await t.test('that fails is told by its name alone, and tried again', async (t) => {
    const events: Event[] = [];
    const counted: unknown[] = [];
    let runs = 0;
    const job: Job = { name: 'broken-once', everyMs: 20, run: async () => { if (++runs === 1) throw new Error('Jane Doe of Springfield'); } };
    const schedule = new Schedule({
      jobs: [job], database, now, log: { ...silent, error: (event) => { events.push(event); } },
      observer: { ran: (name, _seconds, succeeded) => { counted.push([name, succeeded]); }, lastSuccess: (name, at) => { counted.push([name, at]); } },
    });
    schedule.start();
    await until(() => runs > 1);
    await schedule.close();
    t.match(events, [{ event: 'job-failed', job: 'broken-once', error: 'Error' }]);
    t.notMatch(JSON.stringify(events), /Jane|Springfield/);
    t.same(counted.slice(0, 3), [['broken-once', false], ['broken-once', true], ['broken-once', clock.now / 1000]]);
  });

  await t.test('stops when the service ends, and the end waits for it', async (t) => {
    const started = gate();
    let ended = false;
    const job: Job = { name: 'long', everyMs: 1000, run: async (_at, signal) => {
      started.open();
      await delay(60_000, undefined, { signal }).catch(() => {});
      await delay(20);
      ended = true;
      signal.throwIfAborted();
    } };
    const schedule = new Schedule({ jobs: [job], database, now, log: silent });
    const running = schedule.run('long');
    running.catch(() => {});
    await started.opened;
    await schedule.close();
    t.ok(ended);
    await t.rejects(running);
    await t.rejects(new Schedule({ jobs: [], database, now, log: silent }).run('long'), { name: 'RangeError' });
    t.throws(() => new Schedule({ jobs: [job, job], database, now, log: silent }), /name long/);
  });

  await t.test('whose connection is lost hears of it, and is not said to have succeeded', async (t) => {
    const job: Job = { name: 'cut-off', everyMs: 1000, run: async (_at, signal) => {
      await database.query(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`, []);
      await delay(10_000, undefined, { signal }).catch(() => {});
      t.ok(signal.aborted);
    } };
    const outcomes: boolean[] = [];
    const schedule = new Schedule({ jobs: [job], database, now, log: silent, observer: { ran: (_name, _seconds, succeeded) => { outcomes.push(succeeded); }, lastSuccess: () => {} } });
    await t.rejects(schedule.run('cut-off'));
    t.same(outcomes, [false]);
    await schedule.close();
  });
});
