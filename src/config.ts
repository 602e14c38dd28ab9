import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { logLevels } from './log.ts';
import { StartRefusal } from './start-refusal.ts';

/** Environment variables, the only thing the configuration is made of. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of this process. Nothing else reads it. */
export function environment(): Environment {
  return process.env;
}

/** Hosts that only this machine can reach. */
const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

const whole = (low: number, high: number) => z.string().regex(/^\d{1,9}$/, `must be a whole number from ${low} to ${high}`).transform(Number)
  .refine((value) => value >= low && value <= high, `must be a whole number from ${low} to ${high}`);

const flag = z.enum(['true', 'false', '1', '0'], 'must be true or false').transform((value) => value === 'true' || value === '1');

const httpUrl = z.string().refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'must be a URL that begins with http:// or https://')
  .refine((text) => !URL.canParse(text) || (new URL(text).search === '' && new URL(text).hash === '' && new URL(text).username === ''), 'must have no user, query or fragment')
  .transform((text) => text.replace(/\/+$/, ''));

/** An address, or one with the length of a prefix. */
const isNetwork = (text: string): boolean => {
  const [address = '', prefix, ...more] = text.split('/');
  const family = isIP(address);
  return family !== 0 && more.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)));
};

const databaseUrl = z.string().regex(/^postgres(?:ql)?:\/\/./, 'must be a URL that begins with postgresql://');

/** One line a variable: what it may be, in the order of the documentation. */
const variables = z.object({
  HOST: z.string().regex(/^[\w.:-]+$/, 'must be a host name or an address').default('127.0.0.1'),
  PORT: whole(0, 65_535).default(3000),
  PUBLIC_URL: httpUrl.optional(),
  METRICS_PORT: whole(0, 65_535).optional(),
  DRAIN_SECONDS: whole(0, 15).optional(),
  MODE: z.enum(['development', 'production'], 'must be development or production').optional(),
  DATA_DIR: z.string().default('.data'),
  DATABASE_URL: databaseUrl.optional(),
  DATABASE_MIGRATION_URL: databaseUrl.optional(),
  AUDIT_DATABASE_URL: databaseUrl.optional(),
  AUDIT_KEY_FILE: z.string().optional(),
  AUDIT_HEADS_FILE: z.string().optional(),
  ADMIN_CLIENTS: z.string().default('').transform((text) => text.split(/[\s,]+/).filter((name) => name !== '')),
  KEEP_IDEMPOTENCY_DAYS: whole(1, 3650).default(30),
  ALLOW_ONE_DATABASE_ROLE: flag.default(false),
  DB_CONNECTIONS: whole(2, 500).default(16),
  WRITE_LANES: whole(1, 64).optional(),
  NAMED_STATEMENTS: flag.default(true),
  JOBS: flag.default(true),
  BREAK_GLASS_MINUTES: whole(1, 1440).default(60),
  TIME_ZONE: z.string().default('UTC'),
  ALLOW_UNSAFE_DATABASE: z.string().default('').transform((text) => text.split(/[\s,]+/).filter((name) => name !== ''))
    .refine((names) => names.every((name) => /^(?:fsync|synchronous_commit|full_page_writes)$/.test(name)), 'must list names from fsync, synchronous_commit, full_page_writes'),
  OIDC_ISSUER: httpUrl.optional(),
  OIDC_TOKEN_TYPE: z.string().regex(/^[\w.+-]+$/, 'must be a token type such as at+jwt or JWT').default('at+jwt'),
  OIDC_INTROSPECTION_CLIENT: z.string().optional(),
  OIDC_INTROSPECTION_SECRET: z.string().optional(),
  KEYS_FILE: z.string().optional(),
  CLIENTS_FILE: z.string().optional(),
  USERS_FILE: z.string().optional(),
  SAFETY_RULES: z.string().optional(),
  CRISIS_CONTACTS: z.string().optional(),
  INSTRUMENT_TEXTS: z.string().optional(),
  CORS_ORIGINS: z.string().default('').transform((text) => text.split(/[\s,]+/).filter((origin) => origin !== ''))
    .refine((origins) => origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin && /^https?:[^*]+$/.test(origin)), 'must list origins such as https://app.example, exactly and without a path; * is none'),
  TRUSTED_PROXIES: z.string().default('').transform((text) => text.split(/[\s,]+/).filter((entry) => entry !== ''))
    .refine((entries) => entries.every(isNetwork), 'must list addresses or networks such as 10.0.0.5 or 10.0.0.0/8'),
  RATE_LIMIT_CLIENT: whole(1, 100_000_000).default(1_200_000),
  RATE_LIMIT_PATIENT: whole(1, 100_000_000).default(3000),
  RATE_LIMIT_STRANGER: whole(1, 100_000_000).default(6000),
  LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).optional(),
});

/** Variables that are secrets or hold one: NAME_FILE names a file to read the value from, as Docker and Kubernetes mount them. */
const secrets = ['DATABASE_URL', 'DATABASE_MIGRATION_URL', 'AUDIT_DATABASE_URL', 'OIDC_INTROSPECTION_SECRET'] as const;

/** The configuration, complete and frozen. */
export interface Config {
  readonly mode: 'development' | 'production';
  readonly host: string;
  /** 0: a free port. */
  readonly port: number;
  /** The base URL that clients use, where a proxy stands in front. */
  readonly publicUrl: string | undefined;
  /** How long a stopping service still answers after it has reported that it is not ready: twice the period of the balancer's probe. */
  readonly drainMs: number;
  /** Port of the metrics on the loopback address; 0: a free port. */
  readonly metricsPort: number;
  readonly dataDir: string;
  /** Undefined: the built-in PostgreSQL. */
  readonly databaseUrl: string | undefined;
  /** The same database as the role that owns it; undefined: the service's own role does. */
  readonly migrationUrl: string | undefined;
  /** The same database as a role that may read the access log; undefined: the owner's. */
  readonly auditDatabaseUrl: string | undefined;
  /** The key that signs the heads of the access log, and where they are appended. */
  readonly auditKeyFile: string;
  readonly auditHeadsFile: string;
  /** Clients that may erase a person's record, place holds and have records computed anew, with system scopes. */
  readonly adminClients: readonly string[];
  readonly keepIdempotencyDays: number;
  /** Whether one role for everything is no reason for a warning. */
  readonly allowOneDatabaseRole: boolean;
  readonly connections: number;
  /** Write transactions at the same time; undefined: the store's own choice. */
  readonly writeLanes: number | undefined;
  readonly namedStatements: boolean;
  /** Whether this process does periodic work. */
  readonly jobs: boolean;
  /** How long an access in an emergency lasts. */
  readonly emergencyMinutes: number;
  /** Where the days of clients begin and end who do not say where they live. */
  readonly timeZone: string;
  /** Settings of the database whose risk of losing acknowledged writes the operator accepts. */
  readonly allowUnsafeDatabase: readonly string[];
  /** An authorization server of the operator's; undefined: the service's own. */
  readonly oidcIssuer: string | undefined;
  /** `typ` of the access tokens of that server: `at+jwt` (RFC 9068), or what a server that does not follow it writes. */
  readonly oidcTokenType: string;
  /** Who issues the access tokens: `oidcIssuer`, or the service itself below `publicUrl` or its address. */
  readonly issuer: string;
  /** Signing keys of the service's own authorization server. */
  readonly keysFile: string;
  /** Files with registered clients and users, beside those that were added by command. */
  readonly clientsFile: string | undefined;
  readonly usersFile: string | undefined;
  /** How `oidcIssuer` is asked about tokens that say nothing by themselves; undefined: such tokens are refused. */
  readonly introspectionClient: { readonly id: string; readonly secret: string } | undefined;
  /** Folder with the texts of instruments that the operator has a licence for (docs/clinical.md 8). */
  readonly instrumentTexts: string | undefined;
  /** Parsed files of the organisation's own safety rules and crisis contacts; undefined: the service's defaults. */
  readonly safety: { readonly rules: unknown; readonly contacts: unknown };
  /** Origins of the web pages whose scripts may call the API; [] by default. */
  readonly corsOrigins: readonly string[];
  /** Requests in a minute to this process (http/rate-limit.ts). */
  /** Addresses and networks of the proxies in front, whose word on where a request comes from counts. */
  readonly trustedProxies: readonly string[];
  readonly rateLimits: { readonly client: number; readonly patient: number; readonly stranger: number };
  readonly logLevel: (typeof logLevels)[number];
  /** npm started this process: a signal that ends npm does not reach it through the shell between them. */
  readonly startedByNpm: boolean;
}

/**
 * Reads and checks the configuration.
 * @throws StartRefusal with one line for each variable that is wrong; a value is never repeated, it may be a secret
 */
export function loadConfig(env: Environment = environment()): Config {
  const wrong: string[] = [];
  const given: Record<string, string> = {};
  for (const name of Object.keys(variables.shape)) {
    const value = env[name]?.trim();
    if (value) given[name] = value; // an empty variable is one that is not set
  }
  for (const name of secrets) readSecret(name, env, given, wrong);
  const safety = { rules: jsonFile('SAFETY_RULES', given, wrong), contacts: jsonFile('CRISIS_CONTACTS', given, wrong) };
  const parsed = variables.safeParse(given);
  if (!parsed.success) wrong.push(...parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`));
  else wrong.push(...contradictions(parsed.data));
  if (!parsed.success || wrong.length > 0) throw new StartRefusal([...new Set(wrong)].join('\n'));
  const values = parsed.data;
  const mode = modeOf(values);
  return Object.freeze({
    mode,
    host: values.HOST,
    port: values.PORT,
    publicUrl: values.PUBLIC_URL,
    drainMs: 1000 * (values.DRAIN_SECONDS ?? (mode === 'development' ? 0 : 5)),
    metricsPort: values.METRICS_PORT ?? (values.PORT === 0 || values.PORT === 65_535 ? 0 : values.PORT + 1),
    dataDir: resolve(values.DATA_DIR),
    databaseUrl: values.DATABASE_URL,
    migrationUrl: values.DATABASE_MIGRATION_URL,
    auditDatabaseUrl: values.AUDIT_DATABASE_URL,
    auditKeyFile: resolve(values.AUDIT_KEY_FILE ?? join(values.DATA_DIR, 'audit-key.pem')),
    auditHeadsFile: resolve(values.AUDIT_HEADS_FILE ?? join(values.DATA_DIR, 'audit-heads.jsonl')),
    adminClients: Object.freeze(mode === 'development' ? [...values.ADMIN_CLIENTS, 'development', 'development-key'] : values.ADMIN_CLIENTS),
    keepIdempotencyDays: values.KEEP_IDEMPOTENCY_DAYS,
    allowOneDatabaseRole: values.ALLOW_ONE_DATABASE_ROLE,
    connections: values.DB_CONNECTIONS,
    writeLanes: values.WRITE_LANES,
    namedStatements: values.NAMED_STATEMENTS,
    jobs: values.JOBS,
    emergencyMinutes: values.BREAK_GLASS_MINUTES,
    timeZone: values.TIME_ZONE,
    allowUnsafeDatabase: Object.freeze(values.ALLOW_UNSAFE_DATABASE),
    oidcIssuer: values.OIDC_ISSUER,
    oidcTokenType: values.OIDC_TOKEN_TYPE,
    issuer: values.OIDC_ISSUER ?? `${values.PUBLIC_URL ?? `http://${values.HOST.includes(':') ? `[${values.HOST}]` : values.HOST}:${values.PORT}`}/oauth`,
    instrumentTexts: values.INSTRUMENT_TEXTS === undefined ? undefined : resolve(values.INSTRUMENT_TEXTS),
    keysFile: resolve(values.KEYS_FILE ?? join(values.DATA_DIR, 'keys.json')),
    clientsFile: values.CLIENTS_FILE === undefined ? undefined : resolve(values.CLIENTS_FILE),
    usersFile: values.USERS_FILE === undefined ? undefined : resolve(values.USERS_FILE),
    introspectionClient: values.OIDC_INTROSPECTION_CLIENT === undefined ? undefined : { id: values.OIDC_INTROSPECTION_CLIENT, secret: values.OIDC_INTROSPECTION_SECRET! },
    safety,
    corsOrigins: Object.freeze(values.CORS_ORIGINS),
    trustedProxies: Object.freeze(values.TRUSTED_PROXIES),
    rateLimits: Object.freeze({ client: values.RATE_LIMIT_CLIENT, patient: values.RATE_LIMIT_PATIENT, stranger: values.RATE_LIMIT_STRANGER }),
    logLevel: values.LOG_LEVEL ?? (mode === 'development' ? 'warn' : 'info'),
    startedByNpm: env['npm_lifecycle_event'] !== undefined,
  });
}

type Values = z.infer<typeof variables>;

/** Development only where nobody else can reach the service and nothing says that it is meant for others. */
function modeOf(values: Values): Config['mode'] {
  const exposed = !loopback.has(values.HOST) || values.OIDC_ISSUER !== undefined || values.PUBLIC_URL !== undefined;
  return values.MODE ?? (exposed ? 'production' : 'development');
}

function contradictions(values: Values): string[] {
  const found: string[] = [];
  if (values.MODE === 'development' && !loopback.has(values.HOST)) found.push('MODE may be development only with a loopback HOST: its credentials are known to everybody');
  if (values.METRICS_PORT !== undefined && values.METRICS_PORT !== 0 && values.METRICS_PORT === values.PORT) found.push('METRICS_PORT must be another port than PORT');
  if (values.DATABASE_MIGRATION_URL !== undefined && values.DATABASE_URL === undefined) found.push('DATABASE_MIGRATION_URL needs DATABASE_URL: the built-in database has its own roles');
  if (values.PUBLIC_URL === undefined && !loopback.has(values.HOST)) found.push('PUBLIC_URL must be set when HOST is not a loopback address: links and tokens carry it');
  if ((values.OIDC_INTROSPECTION_CLIENT === undefined) !== (values.OIDC_INTROSPECTION_SECRET === undefined)) found.push('OIDC_INTROSPECTION_CLIENT and OIDC_INTROSPECTION_SECRET belong together: set both or none');
  if (values.OIDC_INTROSPECTION_CLIENT !== undefined && values.OIDC_ISSUER === undefined) found.push('OIDC_INTROSPECTION_CLIENT needs OIDC_ISSUER: the service knows its own tokens');
  for (const name of ['PUBLIC_URL', 'OIDC_ISSUER'] as const) {
    const url = values[name];
    if (url?.startsWith('http:') === true && !loopback.has(new URL(url).hostname.replace(/^\[|\]$/g, ''))) found.push(`${name} must be https unless it is on this machine: tokens travel there`);
  }
  return found;
}

/** The content of the JSON file that a variable names. */
function jsonFile(name: string, given: Readonly<Record<string, string>>, wrong: string[]): unknown {
  const file = given[name];
  if (file === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    wrong.push(`${name} ${error instanceof SyntaxError ? 'names a file that is not JSON' : `cannot be read (${(error as NodeJS.ErrnoException).code})`}`);
    return undefined;
  }
}

function readSecret(name: string, env: Environment, given: Record<string, string>, wrong: string[]): void {
  const file = env[`${name}_FILE`]?.trim();
  if (!file) return;
  if (given[name] !== undefined) {
    wrong.push(`${name} and ${name}_FILE exclude each other: set one`);
    return;
  }
  try {
    const value = readFileSync(file, 'utf8').trim();
    if (value === '') wrong.push(`${name}_FILE names an empty file`);
    else given[name] = value;
  } catch (error) {
    wrong.push(`${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** @returns under which URL the service is reached that listens on `port`: what stands before /fhir/R4. */
export const originOf = ({ publicUrl, host }: Config, port: number): string => publicUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
