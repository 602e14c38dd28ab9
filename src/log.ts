import pino from 'pino';

/**
 * The fields a log line may carry. All are codes, counts and durations of this program or of FHIR, HTTP and SQL;
 * none is content of a record, a query or a person's name. What is not listed here is dropped.
 */
export interface Event {
  /** What happened, as a short code: `request`, `migrated`, `database-exited`. */
  readonly event: string;
  readonly requestId?: string;
  /** FHIR interaction or operation name: `create`, `search-type`, `$everything`. */
  readonly interaction?: string;
  /** FHIR resource type. */
  readonly type?: string;
  readonly method?: string;
  readonly status?: number;
  readonly ms?: number;
  readonly sqlstate?: string;
  readonly constraint?: string;
  /** Name of a class of error, or an operating system code: `TypeError`, `ECONNREFUSED`. */
  readonly error?: string;
  /** Places in the code (`file:line:column`), innermost first. */
  readonly at?: string;
  /** A closed reason code of the event. */
  readonly reason?: string;
  readonly signal?: string;
  readonly pid?: number;
  readonly port?: number;
  readonly count?: number;
  readonly attempt?: number;
  readonly migration?: string;
  readonly version?: string;
  readonly jti?: string;
  readonly client?: string;
  /** Name of a periodic job. */
  readonly job?: string;
}

/** Writes events, one JSON line each. */
export interface Log {
  debug(event: Event): void;
  info(event: Event): void;
  warn(event: Event): void;
  error(event: Event): void;
}

/** Levels of LOG_LEVEL, quietest first. */
export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

const codes = ['event', 'requestId', 'interaction', 'type', 'method', 'sqlstate', 'constraint', 'error', 'reason', 'signal', 'migration', 'version', 'jti', 'client', 'job'] as const;
const numbers = ['status', 'ms', 'pid', 'port', 'count', 'attempt'] as const;

/** A code: no blanks and no punctuation of prose, so a sentence, a name with a blank or a JSON text cannot pass as one. */
const code = /^[\w.:/$+@-]{1,100}$/;
const places = /^[\w.:/$+@ -]{1,600}$/;

/** The part of `event` that may be written. Works on the keys that are known, never on the keys that are there. */
export function allowed(event: Event): Record<string, string | number> {
  const line: Record<string, string | number> = {};
  for (const key of codes) {
    const value = event[key];
    if (typeof value === 'string' && code.test(value)) line[key] = value;
  }
  for (const key of numbers) {
    const value = event[key];
    if (typeof value === 'number' && Number.isFinite(value)) line[key] = value;
  }
  if (typeof event.at === 'string' && places.test(event.at)) line['at'] = event.at;
  return line;
}

/**
 * Reduces whatever was thrown to fields that carry no content: class, SQLSTATE or system code, constraint, places in the code.
 * PostgreSQL puts values of the row into `message`, `detail` and `where`, so these are never read.
 */
export function failure(thrown: unknown): Pick<Event, 'error' | 'sqlstate' | 'constraint' | 'at'> {
  if (!(thrown instanceof Error)) return { error: typeof thrown };
  const { code: reported, constraint } = thrown as Error & { code?: unknown; constraint?: unknown };
  const sqlstate = typeof reported === 'string' && /^[0-9A-Z]{5}$/.test(reported) ? reported : undefined;
  return {
    error: typeof reported === 'string' && sqlstate === undefined ? reported : thrown.name,
    sqlstate,
    constraint: typeof constraint === 'string' ? constraint : undefined,
    at: frames(thrown),
  };
}

function frames(error: Error): string | undefined {
  const found = [...(error.stack ?? '').matchAll(/^ {4}at .*?([\w.-]+\/[\w.-]+\.[mc]?[jt]s:\d+:\d+)\)?$/gm)].slice(0, 5).map((match) => match[1]);
  return found.length > 0 ? found.join(' ') : undefined;
}

/** A Log on standard error. `flush` writes what is still buffered; call it before the process exits. */
export interface ProcessLog extends Log {
  flush(): void;
}

/** Opens the log of the process. A log that cannot be written (full disk, closed pipe) never stops the service. */
export function openLog(level: (typeof logLevels)[number]): ProcessLog {
  const destination = pino.destination({ fd: 2, sync: false });
  destination.on('error', () => {});
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, destination);
  return {
    debug: (event) => { if (logger.isLevelEnabled('debug')) logger.debug(allowed(event)); },
    info: (event) => { if (logger.isLevelEnabled('info')) logger.info(allowed(event)); },
    warn: (event) => { if (logger.isLevelEnabled('warn')) logger.warn(allowed(event)); },
    error: (event) => { if (logger.isLevelEnabled('error')) logger.error(allowed(event)); },
    flush: () => { try { destination.flushSync(); } catch { /* not open yet, or closed: there is nowhere to say so */ } },
  };
}

/** A Log that keeps nothing. */
export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
