import { HttpConnection, type Response } from './http-client.ts';

/** What one line of the table says. */
export interface Measured {
  readonly line: string;
  readonly connections: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Milliseconds of CPU a request, undefined where they cannot be told. */
  readonly cpu: { readonly service: number | undefined; readonly postgres: number | undefined; readonly generator: number };
  readonly errors: number;
  readonly first?: string;
}

/** One kind of request, and what is looked at after the line. */
export interface Work {
  readonly line: string;
  /** Opens what one connection needs, and gives back how it carries out one request; a throw is an error of the line. */
  readonly open: () => Promise<{ readonly one: () => Promise<void>; readonly close: () => Promise<void> }>;
  /** Units in a request: resources in a bundle. 1 where not given. */
  readonly units?: number;
  readonly cpu: () => { readonly service: number | undefined; readonly postgres: number | undefined };
}

/** An HTTP connection whose requests are made by `request`; anything but a 2xx ends the line with what was answered. */
export function overHttp(url: URL, request: () => Buffer, answered: (response: Response) => void = () => {}): Work['open'] {
  return async () => {
    const connection = await HttpConnection.open(url);
    return {
      one: async () => {
        const response = await connection.send(request());
        if (response.status < 200 || response.status > 299) throw new Error(`${response.status} ${response.body.toString().slice(0, 300)}`);
        answered(response);
      },
      close: async () => { connection.close(); },
    };
  };
}

/** Carries out `work` on `connections` at a time: warms up for a fourth of `seconds`, then measures for `seconds`. */
export async function measure(work: Work, connections: number, seconds: number, signal: AbortSignal): Promise<Measured> {
  const opened = await Promise.all(Array.from({ length: connections }, work.open));
  try {
    await run(opened, seconds / 4, signal);
    const [before, own, started] = [work.cpu(), process.cpuUsage(), performance.now()];
    const { times, failure } = await run(opened, seconds, signal);
    const elapsed = (performance.now() - started) / 1000;
    const [after, used] = [work.cpu(), process.cpuUsage(own)];
    const requests = Math.max(times.length, 1), units = work.units ?? 1;
    const each = (from: number | undefined, to: number | undefined): number | undefined => (from === undefined || to === undefined ? undefined : ((to - from) * 1000) / requests / units);
    times.sort();
    return {
      line: work.line, connections, perSecond: (times.length * units) / elapsed, p50: times[Math.floor(requests * 0.5)] ?? 0, p99: times[Math.min(Math.floor(requests * 0.99), requests - 1)] ?? 0,
      cpu: { service: each(before.service, after.service), postgres: each(before.postgres, after.postgres), generator: (used.user + used.system) / 1000 / requests / units },
      errors: failure === undefined ? 0 : 1, ...(failure === undefined ? {} : { first: failure }),
    };
  } finally {
    await Promise.all(opened.map(({ close }) => close()));
  }
}

async function run(opened: readonly { one: () => Promise<void> }[], seconds: number, signal: AbortSignal): Promise<{ times: Float64Array; failure: string | undefined }> {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  let failure: string | undefined;
  await Promise.all(opened.map(async ({ one }) => {
    for (let now = performance.now(); now < end && failure === undefined;) {
      try {
        await one();
      } catch (error) {
        failure ??= (error as Error).message;
        return;
      }
      const then = performance.now();
      times.push(then - now);
      now = then;
      signal.throwIfAborted();
    }
  }));
  return { times: Float64Array.from(times), failure };
}
