import { randomInt } from 'node:crypto';
import pg from 'pg';
import { HttpConnection, requestOf, type Response } from './http-client.ts';
import { overHttp, type Work } from './measure.ts';
import type { LineName } from './options.ts';
import { cpuOf, cpuOfPostgres, type Program } from './processes.ts';
import { longRecord, next, phq9InRecord, pick, practice, record, response, task, totalOf, unscored, type Form, type Known } from './resources.ts';
import type { Resource } from '../src/fhir/resource.ts';

/** Everything that runs while lines are measured. */
export interface Bench {
  readonly hello: Program;
  readonly service: Program;
  readonly postmaster: number;
  readonly databaseUrl: string;
  readonly database: pg.Client;
  readonly token: () => Promise<string>;
  readonly forms: { readonly phq9: Form; readonly gad7: Form };
  readonly known: Known;
}

export interface Line {
  readonly name: LineName;
  readonly title: string;
  readonly connections: readonly number[];
  /** The line that this one is compared with. */
  readonly reference?: 'hello' | 'insert';
  /** @returns what is measured, and a look whether it was really done; it throws when it was not. */
  readonly prepare: (bench: Bench) => Promise<{ readonly work: Work; readonly check: () => Promise<void> }>;
}

/** Records of one portion of a whole store. */
const portion = 50;
const usual = [1, 8, 32], withMany = [1, 8, 32, 64];

export const lines: readonly Line[] = [
  { name: 'hello', title: 'Fastify "hello world"', connections: usual, prepare: hello },
  { name: 'insert', title: 'pg: insert one row, committed', connections: withMany, prepare: insert },
  { name: 'post', title: 'POST QuestionnaireResponse', connections: withMany, reference: 'insert', prepare: (bench) => post(bench) },
  { name: 'post-plain', title: 'the same, not scored', connections: usual, reference: 'insert', prepare: (bench) => post(bench, { make: unscored, observations: 0 }) },
  { name: 'post-long', title: 'the same, 100 earlier scores', connections: usual, reference: 'insert', prepare: async (bench) => post(bench, { patients: await longRecords(bench, 100) }) },
  reading('read', 'GET QuestionnaireResponse/[id]', ({ responses }) => `QuestionnaireResponse/${pick(responses)}`),
  reading('search-responses', 'search: 20 latest responses', ({ patients }) => `QuestionnaireResponse?patient=${pick(patients)}&_sort=-authored&_count=20`),
  reading('search-scores', 'search: PHQ-9 scores since', ({ patients }) => `Observation?patient=${pick(patients)}&code=http://loinc.org%7C44261-6&date=ge2025-01-01`),
  reading('search-tasks', 'search: open tasks', ({ patients }) => `Task?patient=${pick(patients)}&status=requested`),
  { name: 'put', title: 'PUT Task', connections: usual, reference: 'insert', prepare: put },
  ...finding({
    'find-dense': ['a code that many have', () => `Observation?code=${score}`],
    'find-medium': ['a code that fewer have', () => 'Observation?code=http://loinc.org%7C70274-6'],
    'find-rare': ['a rare token', () => 'Task?priority=asap'],
    'find-two': ['two tokens, one rare', () => 'Task?priority=asap&status=requested'],
    'find-date': ['a day', () => 'Observation?date=2024-03-03'],
    'find-quantity': ['a quantity', () => 'Observation?value-quantity=gt28%7Chttp://unitsofmeasure.org%7Cmin'],
    'find-composite': ['a code with its quantity', () => `Observation?code-value-quantity=${minutes}$gt28`],
    'find-chain': ['a code, and the name of whom', () => `Observation?code=${score}&subject:Patient.family=${family(4)}`],
    'find-has': ['who has such a quantity', () => `Patient?_has:Observation:patient:code-value-quantity=${minutes}$gt28`],
    'find-prefix': ['the beginning of a name', () => `Patient?family=${family(4)}`],
    'find-contains': ['a part of a name', () => `Patient?family:contains=${randomInt(1000, 10_000)}`],
    'find-include': ['a code, with whom it is of', () => `Observation?code=${score}&_include=Observation:subject`],
  }),
  { name: 'recompute', title: 'records computed anew', connections: [1, 2], prepare: recompute },
  { name: 'bundle', title: 'transaction of 100, resources', connections: [4], reference: 'insert', prepare: bundle },
];

const score = 'http://loinc.org%7C44261-6';
const minutes = `${practice.system}%7C${practice.code}`;
/** The beginning of a name that some may have. */
function family(digits: number): string { return `family${String(randomInt(0, 10 ** digits)).padStart(digits, '1')}`; }

const must = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`not done: ${what}`);
};

const cpu = ({ service, postmaster }: Bench): Work['cpu'] => () => ({ service: cpuOf(service.pid), postgres: cpuOfPostgres(postmaster) });

const base = ({ service }: Bench): string => service.url.pathname;

async function headers(bench: Bench): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await bench.token()}` };
}

/** One request outside of the measurement; the body parsed. */
export async function ask(bench: Bench, path: string): Promise<any> {
  const connection = await HttpConnection.open(bench.service.url);
  try {
    const { status, body } = await connection.send(requestOf('GET', bench.service.url, `${base(bench)}/${path}`, await headers(bench)));
    must(status === 200, `GET ${path.replace(/\?.*/, '')} was answered with ${status}`);
    return JSON.parse(body.toString());
  } finally {
    connection.close();
  }
}

async function count(bench: Bench, query: string): Promise<number> {
  const { rows } = await bench.database.query<{ count: number }>(query);
  return rows[0]!.count;
}
const live = (type: string): string => `select count(*)::int as count from resource where live and type = '${type}'`;

async function hello(bench: Bench): ReturnType<Line['prepare']> {
  const request = requestOf('GET', bench.hello.url, '/', {});
  return { work: { line: 'hello', open: overHttp(bench.hello.url, () => request), cpu: () => ({ service: cpuOf(bench.hello.pid), postgres: undefined }) }, check: async () => {} };
}

/** The least that a durable write can cost here: one named statement, one row, one commit, on the service's own server and storage. */
async function insert(bench: Bench): ReturnType<Line['prepare']> {
  await bench.database.query('create table if not exists bench_insert (id bigint generated always as identity primary key, body text not null)');
  await bench.database.query('alter table bench_insert alter column body set storage external');
  const before = await count(bench, 'select count(*)::int as count from bench_insert');
  const body = JSON.stringify(response(bench.forms.phq9, `Patient/${bench.known.patients[0]}`, next('insert')));
  let done = 0;
  const open: Work['open'] = async () => {
    const client = new pg.Client({ connectionString: bench.databaseUrl });
    await client.connect();
    const statement = { name: 'insert', text: 'insert into bench_insert (body) values ($1)' };
    return {
      one: async () => {
        await client.query({ ...statement, values: [body] });
        done += 1;
      },
      close: () => client.end(),
    };
  };
  const check = async (): Promise<void> => must(await count(bench, 'select count(*)::int as count from bench_insert') === before + done, 'every insert is there');
  return { work: { line: 'insert', open, cpu: () => ({ service: undefined, postgres: cpuOfPostgres(bench.postmaster) }) }, check };
}

/** @returns the ids of new clients, each with 100 scores. */
async function longRecords(bench: Bench, count: number): Promise<string[]> {
  const connection = await HttpConnection.open(bench.service.url);
  const sent = { ...await headers(bench), prefer: 'return=minimal' };
  const patients: string[] = [];
  try {
    while (patients.length < count) {
      const { status, body } = await connection.send(requestOf('POST', bench.service.url, base(bench), sent, JSON.stringify(longRecord(bench.forms.phq9))));
      must(status === 200, 'a long record is stored');
      const { entry } = JSON.parse(body.toString()) as { entry: { response: { location: string } }[] };
      patients.push(/Patient\/([^/]+)/.exec(entry[0]!.response.location)![1]!);
    }
    return patients;
  } finally {
    connection.close();
  }
}

/** The whole store in portions, as an administrator goes through it: records are read, computed from their sources and held against what is stored. */
async function recompute(bench: Bench): ReturnType<Line['prepare']> {
  const { service, database } = bench;
  const sent = await headers(bench);
  const { rows } = await database.query<{ rid: string }>("select rid from resource where type = 'Patient' and live order by rid");
  // Where each full portion begins: after the last Patient of the one before.
  const starts = Array.from({ length: Math.floor(rows.length / portion) }, (_, at) => (at === 0 ? '0' : rows[at * portion - 1]!.rid));
  must(starts.length > 0, `there are ${portion} records`);
  let sentSoFar = 0, patients = 0, differing = 0, answers = 0;
  const request = (): Buffer => requestOf('POST', service.url, `${base(bench)}/$recompute?apply=true&count=${portion}&after=${starts[sentSoFar++ % starts.length]}`, sent);
  const answered = ({ body }: Response): void => {
    const { parameter } = JSON.parse(body.toString()) as { parameter: { name: string; valueInteger?: number }[] };
    const told = (name: string): number => parameter.find((each) => each.name === name)!.valueInteger!;
    answers += 1;
    patients += told('patients');
    differing += told('differences') + told('record-lines');
  };
  const check = (): Promise<void> => {
    must(patients === answers * portion, 'every portion is whole');
    must(differing === 0, 'what was computed as it was written is as it was');
    return Promise.resolve();
  };
  return { work: { line: 'recompute', units: portion, open: overHttp(service.url, request, answered), cpu: cpu(bench) }, check };
}

/** @param of which clients answer, how a response is made, and how many Observations follow from each. */
async function post(bench: Bench, of: { patients?: readonly string[]; make?: typeof response; observations?: 0 | 3 } = {}): ReturnType<Line['prepare']> {
  const { make = response, observations = 3 } = of;
  const { forms: { phq9 }, known, service } = bench;
  const sent = await headers(bench);
  const before = await count(bench, live('QuestionnaireResponse'));
  const scoresBefore = await count(bench, live('Observation'));
  const lastSent = new Map<string, Resource>();
  let done = 0, latest: Buffer | undefined;
  const request = (): Buffer => {
    const patient = pick(of.patients ?? known.patients);
    const resource = make(phq9, `Patient/${patient}`, next(patient));
    lastSent.set((resource['identifier'] as { value: string }).value, resource);
    if (lastSent.size > 200) lastSent.delete(lastSent.keys().next().value!);
    return requestOf('POST', service.url, `${base(bench)}/QuestionnaireResponse`, sent, JSON.stringify(resource));
  };
  const answered = ({ body }: Response): void => {
    done += 1;
    latest = body;
  };
  const check = async (): Promise<void> => {
    const { id, identifier } = JSON.parse(latest!.toString()) as { id: string; identifier: { value: string } };
    must(await count(bench, live('QuestionnaireResponse')) === before + done, 'every response is stored, once');
    const derived = await count(bench, live('Observation')) - scoresBefore;
    // What stands out in a course is an Observation more: random answers give one now and then.
    must(observations === 0 ? derived === 0 : derived >= observations * done, 'every response has its score, its change and its class, or nothing where it is not scored');
    if (observations === 0) return;
    const { entry } = await ask(bench, `Observation?derived-from=QuestionnaireResponse/${id}&code=http://loinc.org%7C44261-6`);
    must(entry?.[0]?.resource.valueInteger === totalOf(phq9, lastSent.get(identifier.value)!), 'the score is the sum of the answers');
  };
  return { work: { line: 'post', open: overHttp(service.url, request, answered), cpu: cpu(bench) }, check };
}

/** Searches over every record, twenty a page: what one of them costs, one after the other. Some find nothing; the first page is all that is asked for. */
function finding(searches: Partial<Record<LineName, readonly [title: string, path: () => string]>>): Line[] {
  return Object.entries(searches).map(([name, [title, path]]): Line => ({
    name: name as LineName, title: `find: ${title}`, connections: [1], reference: 'hello',
    prepare: async (bench) => {
      const sent = await headers(bench);
      const request = (): Buffer => requestOf('GET', bench.service.url, `${base(bench)}/${path()}&_count=20`, sent);
      const check = async (): Promise<void> => must((await ask(bench, `${path()}&_count=20`)).resourceType === 'Bundle', 'a page is answered');
      return { work: { line: name, open: overHttp(bench.service.url, request), cpu: cpu(bench) }, check };
    },
  }));
}

function reading(name: LineName, title: string, path: (known: Known) => string): Line {
  return {
    name, title, connections: usual, reference: 'hello',
    prepare: async (bench) => {
      const sent = await headers(bench);
      const request = (): Buffer => requestOf('GET', bench.service.url, `${base(bench)}/${path(bench.known)}`, sent);
      const check = async (): Promise<void> => {
        const found = await ask(bench, path(bench.known));
        must(found.resourceType === 'QuestionnaireResponse' || found.entry?.length > 0, 'something is found');
      };
      return { work: { line: name, open: overHttp(bench.service.url, request), cpu: cpu(bench) }, check };
    },
  };
}

async function put(bench: Bench): ReturnType<Line['prepare']> {
  const { known, service } = bench;
  const sent = await headers(bench);
  let done = 0, latest: Buffer | undefined;
  const request = (): Buffer => {
    const { id, patient } = pick(known.tasks);
    return requestOf('PUT', service.url, `${base(bench)}/Task/${id}`, sent, JSON.stringify({ ...task(patient, `Note ${Math.random()}`), id }));
  };
  const answered = ({ body }: Response): void => {
    done += 1;
    latest = body;
  };
  const versions = "select count(*)::int as count from resource where type = 'Task'";
  const before = await count(bench, versions);
  const check = async (): Promise<void> => {
    const { id, meta, note } = JSON.parse(latest!.toString()) as { id: string; meta: { versionId: string }; note: [{ text: string }] };
    must(await count(bench, versions) === before + done, 'every update is a version');
    must((await ask(bench, `Task/${id}/_history/${meta.versionId}`)).note[0].text === note[0].text, 'the note is stored');
  };
  return { work: { line: 'put', open: overHttp(service.url, request, answered), cpu: cpu(bench) }, check };
}

/** @returns the bytes of a transaction that creates the record of a patient. */
export function bundleRequest(bench: Bench, sent: Record<string, string>): Buffer {
  return requestOf('POST', bench.service.url, base(bench), { ...sent, prefer: 'return=minimal' }, JSON.stringify(record(bench.forms.phq9, bench.forms.gad7)));
}

async function bundle(bench: Bench): ReturnType<Line['prepare']> {
  const sent = await headers(bench);
  const before = await count(bench, live('Patient'));
  let done = 0, latest: Buffer | undefined;
  const answered = ({ body }: Response): void => {
    done += 1;
    latest = body;
  };
  const check = async (): Promise<void> => {
    const { entry } = JSON.parse(latest!.toString()) as { entry: { response: { status: string; location: string } }[] };
    must(entry.length === 100 && entry.every(({ response: { status } }) => status === '201'), 'every entry is created');
    must(await count(bench, live('Patient')) === before + done, 'every transaction is stored');
    const patient = /Patient\/([^/]+)/.exec(entry[0]!.response.location)![1];
    must((await ask(bench, `Observation?patient=${patient}&code=http://loinc.org%7C44261-6`)).total === phq9InRecord, 'every response has its score');
  };
  return { work: { line: 'bundle', units: 100, open: overHttp(bench.service.url, () => bundleRequest(bench, sent), answered), cpu: cpu(bench) }, check };
}
