import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { freePort, Program } from '../faults/running.ts';

// Words that no log, metric or error may repeat are put wherever a request can carry one; then everything that the processes wrote is searched.

const canaries = { name: 'Xanthippe-Kanarienvogel', born: '1931-07-23', text: 'gestern-war-alles-grau', identifier: 'NHS-9434765919-canary', query: 'suchwort-canary', phone: '+49-170-5550199', header: 'canary-in-a-header', secret: 'canary-password-7431' };

t.test('nothing of what a request carries is in the logs, the metrics, the database\'s log or the answer that refuses it', async (t) => {
  const metricsPort = await freePort();
  const program = await Program.begin(t, { LOG_LEVEL: 'trace', METRICS_PORT: String(metricsPort) });
  const token = await program.token();
  const refusals: string[] = [];
  const send = async (method: string, path: string, body?: string | object, headers: Record<string, string> = {}): Promise<number> => {
    const response = await fetch(`${program.base}/${path}`, {
      method, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) refusals.push(text);
    return response.status;
  };
  const { name, born, text, identifier, query, phone, header, secret } = canaries;
  const patient = { resourceType: 'Patient', id: 'p', name: [{ family: name }], birthDate: born, identifier: [{ system: 'urn:nhs', value: identifier }], telecom: [{ system: 'phone', value: phone }], text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${text}</div>` } };
  t.equal(await send('PUT', 'Patient/p', patient), 201, 'the control: it is stored');
  const answers = { ...phq9('p', spread(12), '2025-01-01T10:00:00Z') };
  t.equal(await send('POST', 'QuestionnaireResponse', { ...answers, text: patient.text }), 201);
  const attempts: (readonly [number, ...Parameters<typeof send>])[] = [
    [200, 'GET', `Patient?family=${name}&identifier=urn:nhs|${identifier}`],
    [200, 'GET', `Patient?telecom=${encodeURIComponent(phone)}&_total=accurate`],
    [400, 'GET', `Patient?${query}=${name}`],
    [400, 'GET', `Patient?birthdate=${name}`],
    [400, 'GET', `Patient?_filter=name%20eq%20"${name}`],
    [404, 'GET', `Patient/${name}`],
    [400, 'PUT', 'Patient/p', { ...patient, birthDate: name, gender: text }],
    [400, 'PUT', 'Patient/p', `{"resourceType":"Patient","id":"p","name":[{"family":"${name}"`],
    [400, 'POST', 'Patient', { ...patient, id: undefined, [query]: name }],
    [400, 'POST', 'Patient', `{"resourceType":"Patient","name":[{"family":"${name}"}],"name":"${name}"}`],
    [422, 'POST', 'QuestionnaireResponse', { ...answers, item: [{ linkId: '/44250-9', answer: [{ valueCoding: { system: 'http://loinc.org', code: 'LA0-0', display: text } }] }] }],
    [412, 'PUT', 'Patient/p', patient, { 'if-match': 'W/"77"' }],
    [400, 'GET', 'Patient/p', undefined, { 'if-none-match': header, 'x-request-id': `${header} ${name}`, 'if-match': header }],
    [409, 'DELETE', 'Patient/p'],
    [415, 'POST', 'Patient', patient, { 'content-type': `text/${query}` }],
    [406, 'GET', 'Patient/p', undefined, { accept: `application/${query}` }],
    [401, 'GET', `Patient?family=${name}`, undefined, { authorization: `Bearer ${secret}` }],
    [400, 'POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'PUT', url: `Patient/p?${query}=${name}` }, resource: patient }] }],
    [422, 'POST', 'Observation', { resourceType: 'Observation', status: 'final', code: { text }, subject: { reference: `Patient/${query}` } }],
    [400, 'PATCH', 'Patient/p', [{ op: 'replace', path: `/${query}`, value: name }], { 'content-type': 'application/json-patch+json' }],
  ];
  for (const [wanted, ...attempt] of attempts) {
    const [method, path] = attempt;
    const status = await send(...attempt);
    if (wanted !== 409 && wanted !== 400 && wanted !== 422) t.equal(status, wanted, `${method} ${path}`);
    else t.ok(status >= 200 && status < 500, `${method} ${path}: ${status}`);
  }
  await fetch(`${program.origin}/oauth/token`, { method: 'POST', headers: { authorization: `Basic ${Buffer.from(`nobody:${secret}`).toString('base64')}` }, body: new URLSearchParams({ grant_type: 'client_credentials', scope: query }) });
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  program.signal('SIGTERM');
  await program.ended();
  const files = logFiles(program.folder);
  const written: Record<string, string> = { 'standard error': program.errors, 'standard output': program.output, metrics, ...files };
  t.match(written['standard error'], /"event":"request"/, 'requests are logged at all');
  t.match(metrics, /search/, 'and counted');
  t.ok(Object.keys(files).length > 0, 'the database has a log');
  for (const [where, content] of Object.entries(written)) {
    for (const [what, canary] of Object.entries(canaries)) t.notOk(content.includes(canary), `${what} in ${where}`);
  }
  // What a refusal may repeat is what the client sent itself as a parameter or a media type; never what is stored.
  for (const [at, refusal] of refusals.entries()) for (const canary of [born, identifier, phone, secret]) t.notOk(refusal.includes(canary), `refusal ${at} repeats ${canary}`);
});

/** The text files outside the tables that PostgreSQL and the service wrote. */
function logFiles(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.log$|\.txt$|audit-heads|(^|\/)log(file)?$/.test(name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}
