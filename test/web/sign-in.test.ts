import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import t from 'tap';
import { Pages } from '../../src/http/authorization-pages.ts';
import { scopeWords } from '../../src/web/scope-words.ts';
import { signInViews } from '../../src/web/sign-in.ts';
import { basic, password, signInService, type SignInService } from '../kit/authorization.ts';

// A SMART app of somebody else (fhirclient) in a real browser, with a person at the keyboard.

const require = createRequire(import.meta.url);
const library = readFileSync(require.resolve('fhirclient/build/fhir-client.min.js'), 'utf8');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const found = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

/** The pages of an app: one begins a launch, the other is where people come back to. */
const pages: Readonly<Record<string, string>> = {
  '/launch': `<!doctype html><title>launch</title><script src="/fhir-client.js"></script><script>
    const query = new URLSearchParams(location.search);
    FHIR.oauth2.authorize({ clientId: 'browser-app', scope: query.get('scope'), redirectUri: '/', iss: query.get('iss') });
  </script>`,
  '/': `<!doctype html><title>app</title><script src="/fhir-client.js"></script><script>
    FHIR.oauth2.ready().then(async (client) => {
      const patient = client.patient.id === null ? null : await client.patient.read();
      const before = client.state.tokenResponse.access_token;
      if (client.state.tokenResponse.refresh_token) await client.refresh();
      const tasks = await client.request('Task').then(() => 'read', (error) => String(error.status ?? error.statusCode));
      window.outcome = { patient: patient && patient.name[0].family, user: client.user.fhirUser, encounter: client.encounter.id, scope: client.state.tokenResponse.scope, refreshed: before !== client.state.tokenResponse.access_token, tasks, banner: client.state.tokenResponse.need_patient_banner };
    }).catch((error) => { window.outcome = { error: String(error) }; });
  </script>`,
};

interface Outcome { readonly patient?: string; readonly user?: string; readonly encounter?: string; readonly scope?: string; readonly refreshed?: boolean; readonly tasks?: string; readonly banner?: boolean; readonly error?: string }

const outcomeOf = async (page: Page): Promise<Outcome> => {
  await page.waitForFunction('window.outcome !== undefined', undefined, { timeout: 30_000 });
  return page.evaluate('window.outcome');
};

/** What the accessibility checker finds on a page: WCAG 2.2 AA and its best practices. */
async function offences(page: Page): Promise<string[]> {
  // the page's own policy runs no script: the checker comes from outside the page
  const { violations } = await page.evaluate(`${axe}; axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`) as { violations: { id: string; nodes: { html: string }[] }[] };
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

async function signIn(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

t.setTimeout(120_000); // alone it takes 12 s; on a machine that does other things as well a browser is slow

t.test('in a browser', { timeout: 110_000, skip: found === undefined && process.env['CI'] === undefined ? 'no Chromium is installed' : false }, async (t) => {
  const app = createServer((request, response) => {
    const path = new URL(request.url!, 'http://app').pathname;
    if (path === '/fhir-client.js') return response.setHeader('content-type', 'text/javascript').end(library);
    const page = pages[path];
    return response.writeHead(page === undefined ? 404 : 200, { 'content-type': 'text/html' }).end(page);
  });
  await new Promise<void>((resolve) => { app.listen(0, '127.0.0.1', resolve); });
  const appUrl = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  const service: SignInService = await signInService(t, {
    more: [{ client_id: 'browser-app', client_name: 'Mood & homework', token_endpoint_auth_method: 'none', redirect_uris: [`${appUrl}/`], scope: 'patient/*.rs user/*.rs' }],
  });
  let browser: Browser | undefined;
  t.teardown(async () => {
    await browser?.close();
    app.closeAllConnections();
    app.close();
  });
  if (found === undefined) return t.fail('Chromium is missing: .ci/run installs it');
  browser = await chromium.launch({ executablePath: found, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  const launchUrl = (scope: string, launch?: string): string => `${appUrl}/launch?${new URLSearchParams({ iss: service.url, scope, ...(launch === undefined ? {} : { launch }) })}`;
  const started = browser;
  const newPage = async (): Promise<Page> => (await started.newContext({ baseURL: appUrl })).newPage();

  await t.test('a standalone launch with the keyboard alone: sign in, choose a client, untick a permission', async (t) => {
    const page = await newPage();
    const complaints: string[] = [];
    page.on('console', (message) => { if (/Content.Security.Policy|CORS/i.test(message.text())) complaints.push(message.text()); });
    await page.goto(launchUrl('launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs patient/Task.rs'));
    await page.waitForURL(/\/signin\//);
    t.equal(await page.title(), 'Sign in - Intersession');
    t.match(await page.getByRole('main').innerText(), /The app Mood & homework asks for access/);
    t.strictSame(await offences(page), [], 'the login page is accessible');
    await page.keyboard.press('Tab');
    await page.keyboard.type('dee');
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong password');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    t.match(await page.title(), /please try again/);
    t.strictSame(await offences(page), [], 'so is the one that says no');
    t.equal(await page.getByLabel('Name').inputValue(), 'dee', 'the name need not be typed again');
    await page.getByLabel('Password').focus();
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Whose record is it?' }).waitFor();
    t.strictSame(await offences(page), [], 'the list of clients is accessible');
    t.strictSame(await page.getByRole('list').getByRole('button').allInnerTexts(), ['Ada Ames, born 1990-01-02', 'Bo <script> Berg, born 1990-01-02']);
    await page.getByLabel('Find a client by name').focus();
    await page.keyboard.type('am');
    await page.keyboard.press('Enter');
    await page.waitForURL(/name=am/);
    t.strictSame(await page.getByRole('list').getByRole('button').allInnerTexts(), ['Ada Ames, born 1990-01-02']);
    await page.getByRole('button', { name: /Ada Ames/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /What may Mood & homework do/ }).waitFor();
    t.strictSame(await offences(page), [], 'the permissions are accessible');
    const tasks = page.getByLabel('See homework and other tasks in Ada Ames’s record');
    t.equal(await tasks.isChecked(), true);
    await tasks.focus();
    await page.keyboard.press('Space');
    t.equal(await tasks.isChecked(), false);
    await page.getByRole('button', { name: 'Allow what is ticked' }).focus();
    await page.keyboard.press('Enter');
    const outcome = await outcomeOf(page);
    t.match(outcome, { patient: 'Ames', user: 'Practitioner/dr', refreshed: true, tasks: '403', banner: true });
    t.notMatch(outcome.scope, /Task/);
    t.match(outcome.scope, /patient\/Observation\.rs/);
    t.strictSame(complaints, [], 'no policy was violated on the way');
  });

  await t.test('an EHR launch, in the EHR’s context', async (t) => {
    const ehr = (await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('ehr'))).body.access_token as string;
    const opened = await fetch(`${service.issuer}/launch`, { method: 'POST', headers: { 'authorization': `Bearer ${ehr}`, 'content-type': 'application/json' }, body: JSON.stringify({ patient: 'bo', encounter: 'session-bo', need_patient_banner: false }) });
    const { launch } = await opened.json() as { launch: string };
    const page = await newPage();
    await page.goto(launchUrl('launch openid fhirUser patient/Patient.rs patient/Task.rs', launch));
    await signIn(page, 'dee');
    await page.getByRole('button', { name: 'Allow what is ticked' }).click();
    t.match(await outcomeOf(page), { patient: 'Berg', encounter: 'session-bo', tasks: 'read', banner: false, refreshed: false });
  });

  await t.test('a client’s own app; cancelling; signing out', async (t) => {
    const page = await newPage();
    await page.goto(launchUrl('launch/patient openid fhirUser patient/Patient.rs'));
    await signIn(page, 'ada');
    t.match(await page.getByRole('main').innerText(), /in your record/);
    await page.getByRole('button', { name: 'Cancel and go back' }).click();
    t.match(await outcomeOf(page), { error: /said no|access_denied/ });
    await page.goto(launchUrl('launch/patient openid fhirUser patient/Patient.rs'));
    await page.getByRole('button', { name: 'Allow what is ticked' }).click();
    t.match(await outcomeOf(page), { patient: 'Ames', user: 'Patient/ada' });
    await page.goto(`${service.issuer}/logout`);
    t.strictSame(await offences(page), []);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    t.strictSame(await offences(page), []);
    await page.goto(`${service.issuer}/authorize?client_id=nobody`);
    t.match(await page.getByRole('alert').innerText(), /./);
    t.strictSame(await offences(page), [], 'the page that refuses is accessible');
  });
});

t.test('scopes in plain words', async (t) => {
  t.equal(scopeWords('patient/Task.rs', 'your'), 'See homework and other tasks in your record');
  t.equal(scopeWords('patient/QuestionnaireResponse.cruds', 'Ada’s'), 'See, add, change and delete answers to questionnaires, check-ins and journals in Ada’s record');
  t.equal(scopeWords('patient/*.read', 'your'), 'See everything in your record');
  t.equal(scopeWords('user/Goal.u', 'your'), 'Change goals wherever you have access yourself');
  t.equal(scopeWords('patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|survey', 'your'), 'See scores and observations in your record, limited to category survey');
  t.match(scopeWords('offline_access', 'your'), /Stay connected/);
});

t.test('the pages escape what they are given and run nothing', async (t) => {
  const evil = '"><script>alert(1)</script>';
  const form = { action: 'https://service.example/oauth/signin/x', csrf: 'token', app: evil };
  const person = { id: evil, rid: 1n, name: evil, born: evil };
  const all = [
    signInViews.login({ ...form, name: evil, problem: 'wrong' }), signInViews.patients({ ...form, user: evil, patients: [person], query: evil, more: true }),
    signInViews.scopes({ ...form, user: evil, patient: person, isOwn: false, scopes: [`patient/Task.rs?code=${evil}`], logout: evil, nothingChosen: true }), signInViews.refused({ why: evil }),
  ];
  for (const html of all) {
    t.notMatch(html, /<script/i);
    t.match(html, /<html lang="en">/);
    t.match(html, /<title>[^<]+ - Intersession<\/title>/);
  }
  const headers = new Pages(signInViews).headers(['https://app.example/after?x=1', 'org.example.app:/done']);
  t.match(headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self' https:\/\/app\.example org\.example\.app:; base-uri 'none'; frame-ancestors 'none'$/);
});
