import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** What of the connection pool is counted. */
export interface PoolCounts {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

/** The numbers of the process. Labels are closed sets of FHIR and HTTP names; no id, query or client is one. */
export interface Metrics {
  /** One answered request. `interaction` and `type` must come from the routes, never from the URL. */
  request(interaction: string, type: string, status: number, seconds: number): void;
  /** One write transaction and how many callers it carried. */
  batch(writes: number): void;
  /** A request refused because the service is full. */
  shed(reason: string): void;
  /** One run of a periodic job by this process. */
  ran(job: string, seconds: number, succeeded: boolean): void;
  /** When a job succeeded last in the deployment, in seconds since 1970. */
  lastSuccess(job: string, at: number): void;
  /** Prometheus text. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Creates the numbers of one process; `pool` is read whenever they are asked for. */
export function createMetrics(pool: PoolCounts): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry }); // event loop delay, heap, garbage collection, file handles
  const requests = new Histogram({
    name: 'fhir_request_seconds', help: 'Time from the request to the end of its response.', registers,
    labelNames: ['interaction', 'type', 'status'], buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  });
  const batches = new Histogram({ name: 'store_batch_writes', help: 'Writes that one commit carried.', registers, buckets: [1, 2, 4, 8, 16, 32, 64, 128] });
  const refused = new Counter({ name: 'fhir_requests_shed_total', help: 'Requests refused because the service was full.', registers, labelNames: ['reason'] });
  const jobs = new Histogram({ name: 'job_seconds', help: 'Time that one run of a periodic job took in this process.', registers, labelNames: ['job', 'outcome'], buckets: [0.01, 0.1, 1, 10, 60, 600] });
  const succeeded = new Gauge({ name: 'job_last_success_timestamp_seconds', help: 'When a periodic job succeeded last, in any process of the deployment.', registers, labelNames: ['job'] });
  for (const [name, help, read] of [
    ['store_connections', 'Connections to the database.', () => pool.totalCount],
    ['store_connections_idle', 'Connections that nobody uses.', () => pool.idleCount],
    ['store_connections_waiting', 'Callers that wait for a connection.', () => pool.waitingCount],
  ] as const) new Gauge({ name, help, registers, collect() { this.set(read()); } });
  return {
    request: (interaction, type, status, seconds) => { requests.observe({ interaction, type, status: `${Math.floor(status / 100)}xx` }, seconds); },
    batch: (writes) => { batches.observe(writes); },
    shed: (reason) => { refused.inc({ reason }); },
    ran: (job, seconds, success) => { jobs.observe({ job, outcome: success ? 'success' : 'failure' }, seconds); },
    lastSuccess: (job, at) => { succeeded.set({ job }, at); },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/**
 * Serves `/metrics` on the loopback address, apart from the clients' port.
 * A port that is taken (by a second copy) is replaced by a free one: numbers must not keep the service from starting.
 */
export async function serveMetrics(metrics: Metrics, port: number): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  const listen = (wanted: number): Promise<void> => new Promise((settle, refuse) => {
    server.once('error', refuse);
    server.listen(wanted, '127.0.0.1', () => { server.off('error', refuse); settle(); });
  });
  await listen(port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' || port === 0) throw error;
    return listen(0);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((settle) => {
      server.close(() => { settle(); });
      server.closeAllConnections();
    }),
  };
}
