import { readFileSync } from 'node:fs';
import { authorizationSweep, openAuthorization, type Authorization } from './app/authorization.ts';
import { reportingIgnored } from './auth/ignored-scopes.ts';
import { now } from './clock.ts';
import { originOf, type Config } from './config.ts';
import type { Service } from './http/funnel.ts';
import { clientAddress } from './http/client-address.ts';
import type { Resource } from './fhir/resource.ts';
import { createMetrics, serveMetrics } from './http/metrics.ts';
import { rateLimiter } from './http/rate-limit.ts';
import { httpServer, type Answered } from './http/server.ts';
import { readInstruments, readTextPacks } from './instruments.ts';
import { questionnaireForOutcomes } from './interactions/accept.ts';
import { capabilityStatement } from './interactions/capabilities.ts';
import { profileFinder } from './interactions/profiles.ts';
import { questionnaireFinder } from './interactions/questionnaires.ts';
import { escalation } from './jobs/escalation.ts';
import { lateForms } from './jobs/late-forms.ts';
import { overdueGoals } from './jobs/overdue-goals.ts';
import { auditSeal } from './jobs/audit-seal.ts';
import { erasure, retention } from './jobs/retention.ts';
import { Schedule } from './jobs/schedule.ts';
import { trajectoryReferenceJob } from './jobs/trajectory-reference.ts';
import { failure, type Log } from './log.ts';
import { isTimeZone } from './outcomes/local-time.ts';
import { shippedResources } from './outcomes/questionnaires.ts';
import { instrumentRegistry, type Registry } from './outcomes/registry.ts';
import { safetySettings, type SafetySettings } from './outcomes/safety-settings.ts';
import { StartRefusal } from './start-refusal.ts';
import { openAuditKey } from './store/audit-heads.ts';
import { AuditLog } from './store/audit.ts';
import { Committer } from './store/commit.ts';
import type { Database } from './store/database.ts';
import { pageKey } from './store/setting.ts';
import { readShipped, storeShipped } from './store/shipped.ts';
import { NewestReference } from './store/trajectory-references.ts';

const version = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version;
const device = `Device/intersession-${version}`;

/** How long a changed Questionnaire or profile may go unnoticed by another process. */
const definitionTtlMs = 10_000;
/** The same of the reference of the expected course, which changes once a day. */
const referenceTtlMs = 60_000;

/** The program inside the process. */
export interface App {
  /** Accepts requests; the URL is where clients reach it. */
  listen(): Promise<{ url: string; notice?: readonly string[] }>;
  /** Reports "not ready" from now on, and goes on answering. */
  drain(): Promise<void>;
  /** The periodic work; it begins with `listen` where the configuration says so, and ends with `close`. */
  readonly schedule: Schedule;
  /** Accepts no more, ends the requests in flight and the jobs. */
  close(): Promise<void>;
}

/**
 * The composition root: builds every part around an open, migrated database and joins them. The only file that knows all of them.
 */
export async function createApp({ config, database, log }: { config: Config; database: Database; log: Log }): Promise<App> {
  const metrics = createMetrics(database.pool);
  const registry = registryOf(config);
  const safety = safetyOf(config);
  const zone = zoneOf(config);
  const reference = new NewestReference(database, referenceTtlMs, () => performance.now());
  await reference.refresh();
  const committer = new Committer({
    database, rules: { registry, device, zone, safety, reference }, lanes: config.writeLanes ?? 2, queueLimit: 2000, observer: { batch: (units) => metrics.batch(units), full: () => metrics.shed('writes') },
  });
  const shipped = [...shippedResources(registry), ...readShipped(new URL('../schemas/', import.meta.url), version)];
  await storeShipped(database, committer, shipped);
  const parts = {
    database, committer, registry, reference, safety, device, emergencyMinutes: config.emergencyMinutes, zone,
    audit: new AuditLog(database),
    administrators: new Set(config.adminClients),
    pageKey: await pageKey(database),
    questionnaire: questionnaireFinder(database, definitionTtlMs, () => performance.now()),
    profiles: profileFinder(database, definitionTtlMs, () => performance.now()),
  };
  let service: Service | undefined;
  const formOf = (response: Resource): Promise<Resource | undefined> => questionnaireForOutcomes(response, { ...parts, baseUrl: service?.baseUrl ?? '' });
  const schedule = new Schedule({ database, now, log, observer: metrics, jobs: [
    authorizationSweep(database),
    escalation({ database, committer, device, settings: safety }),
    trajectoryReferenceJob({ database, registry, zone, newest: reference }),
    overdueGoals({ database, committer, questionnaire: formOf }), lateForms({ database, committer, questionnaire: formOf }),
    erasure(database), retention(database, config.keepIdempotencyDays),
    auditSeal({ database, key: openAuditKey(config.auditKeyFile), headsFile: config.auditHeadsFile, log }),
  ] });
  let authorization: Authorization | undefined;
  let metricsServer: Awaited<ReturnType<typeof serveMetrics>> | undefined;
  let draining = false;
  const address = clientAddress(config.trustedProxies);
  const server = httpServer({
    address,
    isOrigin: async (origin) => config.corsOrigins.includes(origin) || (await authorization?.isOrigin(origin)) === true,
    service: () => service,
    ready: async () => !draining && service !== undefined && (await canWrite(database)),
    smartConfiguration: () => authorization?.smartConfiguration,
    authorization: () => authorization?.handle,
    answered: (event) => report(event, log, metrics),
    failed: (requestId, error) => log.error({ event: 'failed', requestId, ...failure(error) }),
    full: () => metrics.shed('large-bodies'),
  });
  return {
    async listen() {
      const port = await server.listen(config.host, config.port);
      metricsServer = await serveMetrics(metrics, config.metricsPort);
      const { port: metricsPort } = metricsServer;
      log[[0, metricsPort].includes(config.metricsPort) ? 'info' : 'warn']({ event: 'metrics-port', port: metricsPort });
      const origin = originOf(config, port);
      const baseUrl = `${origin}/fhir/R4`;
      const limit = rateLimiter(config.rateLimits);
      authorization = await openAuthorization({ config, database, audit: parts.audit, log, origin, address, limit: limit.signIn });
      const authenticate = reportingIgnored(authorization.authenticate, (ignored) => log.warn({ event: 'scope-ignored', ...ignored }));
      const capabilities = capabilityStatement({ baseUrl, version, date: new Date(now()).toISOString(), shipped, authorization: authorization.metadata });
      service = { ...parts, baseUrl, authenticate, capabilities, limit };
      if (config.jobs) schedule.start();
      return { url: baseUrl, notice: authorization.notice };
    },
    async drain() {
      draining = true;
    },
    schedule,
    async close() {
      authorization?.close();
      await Promise.all([server.close(), schedule.close()]);
      await metricsServer?.close();
    },
  };
}

/** @throws StartRefusal with what is wrong in the operator's texts of instruments. */
function registryOf({ instrumentTexts }: Config): Registry {
  const instruments = readInstruments(new URL('../schemas/instruments/', import.meta.url));
  try {
    return instrumentRegistry(instruments, readTextPacks(instrumentTexts));
  } catch (error) {
    throw instrumentTexts === undefined ? error : new StartRefusal(`INSTRUMENT_TEXTS: ${(error as Error).message}`);
  }
}

/** @throws StartRefusal when it is no time zone. */
function zoneOf({ timeZone }: Config): string {
  if (!isTimeZone(timeZone)) throw new StartRefusal('TIME_ZONE must be a time zone such as Europe/Berlin');
  return timeZone;
}

/** @throws StartRefusal with one line for each element of the organisation's files that is wrong. */
function safetyOf({ safety }: Config): SafetySettings {
  try {
    return safetySettings(safety);
  } catch (error) {
    throw new StartRefusal((error as Error).message);
  }
}

/** Ready means: the database answers within its time and would take a write. */
async function canWrite(database: Database): Promise<boolean> {
  try {
    const late = new Promise<[]>((resolve) => { setTimeout(() => resolve([]), 1000).unref(); });
    const rows = await Promise.race([database.query<{ writable: boolean }>('select not pg_is_in_recovery() as writable', []), late]);
    return rows[0]?.writable === true;
  } catch {
    return false;
  }
}

function report(event: Answered, log: Log, metrics: ReturnType<typeof createMetrics>): void {
  metrics.request(event.interaction, event.type ?? '', event.status, event.ms / 1000);
  log.info({ event: 'request', requestId: event.requestId, method: event.method, interaction: event.interaction, type: event.type, status: event.status, ms: Math.round(event.ms * 10) / 10 });
}
