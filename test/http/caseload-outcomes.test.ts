import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

// What the courses of a caseload look like, from the outside, beside numbers that are worked out here.

const period = 'periodStart=2025-01-01&periodEnd=2025-12-31&scale=phq-9';
const weeks = [0, 4, 8, 12];
const date = (days: number): string => new Date(Date.UTC(2025, 0, 15 + days)).toISOString().slice(0, 10);

/**
 * Stores a finished course with the PHQ-9 totals given, four weeks apart, the first on the day of the first session.
 * @param after a total of a month after its end.
 */
async function course(fhir: Client, id: string, therapist: string, totals: readonly number[], after?: number): Promise<void> {
  const put = (type: string, own: string, body: object): object => ({ request: { method: 'PUT', url: `${type}/${own}` }, resource: { resourceType: type, id: own, ...body } });
  const subject = { reference: `Patient/${id}` };
  const { status, text } = await fhir('POST', '', {
    resourceType: 'Bundle', type: 'transaction', entry: [
      put('Patient', id, {}),
      put('EpisodeOfCare', id, { status: 'finished', patient: subject, careManager: { reference: `Practitioner/${therapist}` }, period: { start: '2025-01-10', end: '2025-06-30' } }),
      ...totals.flatMap((total, at) => [
        put('Encounter', `${id}-${at}`, { status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject, period: { start: `${date(28 * at)}T10:00:00Z`, end: `${date(28 * at)}T11:00:00Z` } }),
        put('QuestionnaireResponse', `${id}-${at}`, phq9(id, spread(total), `${date(28 * at)}T09:00:00Z`)),
      ]),
      ...(after === undefined ? [] : [put('QuestionnaireResponse', `${id}-after`, phq9(id, spread(after), '2025-07-30T09:00:00Z'))]),
    ],
  });
  if (status !== 200) throw new Error(text.slice(0, 300));
}

const lines = (body: any): any[] => (body.parameter ?? []).map(({ part }: any) => Object.fromEntries(part.map((each: any) => [each.name, Object.entries(each).find(([key]) => key !== 'name')![1]])));
const lineOf = (body: any, statistic: string): any => lines(body).find((each) => each.statistic === statistic);

/** Totals that fall along lines of different slopes, with scatter that is the same in every run. */
const totalsOf = (at: number): number[] => weeks.map((week, i) => 17 + (at % 5) - Math.round(week * (0.1 + 0.2 * (at % 6)) + ((at * 7 + i * 5) % 4)));

t.test('change by slopes: for the own caseload with each course, for others without, for few not at all', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const name of ['ann', 'ben']) await fhir('PUT', `Practitioner/${name}`, { resourceType: 'Practitioner', id: name });
  for (let at = 0; at < 28; at += 1) await course(fhir, `c${at}`, at < 24 ? 'ann' : 'ben', totalsOf(at));
  await course(fhir, 'short', 'ann', [15, 9]);
  await fhir('PUT', 'Group/all', { resourceType: 'Group', id: 'all', type: 'person', actual: true, member: [...Array.from({ length: 28 }, (_, at) => `c${at}`), 'short'].map((id) => ({ entity: { reference: `Patient/${id}` } })) });
  const path = `Group/all/$outcomes?${period}`;
  t.notMatch((await fhir('GET', path)).text, /hlm/, 'only where it is asked for');

  const all = await fhir('GET', `${path}&index=hlm`);
  t.equal(all.status, 200, all.text.slice(0, 300));
  t.same(validate(all.body, 'Parameters').filter(({ severity }: any) => severity === 'error'), []);
  // All are of the same weeks: the mean slope is the mean of the least-squares slopes, its error their SD over the root of how many.
  const slopes = Array.from({ length: 28 }, (_, at) => totalsOf(at).reduce((sum, total, i) => sum + (weeks[i]! - 6) * total, 0) / 80);
  const mean = slopes.reduce((sum, each) => sum + each, 0) / 28;
  const error = Math.sqrt(slopes.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 27 / 28);
  const slope = lineOf(all.body, 'hlm-slope');
  t.match(slope, { n: 28, method: { code: 'hlm-change', version: '1' } });
  // t with 27 degrees of freedom: 2.05183 (R, qt(.975, 27)).
  for (const [found, wanted] of [[slope.value, mean], [slope.low, mean - 2.05183 * error], [slope.high, mean + 2.05183 * error], [lineOf(all.body, 'hlm-slope-standard-error').value, error]] as const) t.ok(Math.abs(found - wanted) < 2e-5, `${found} is ${wanted}`);
  t.match(lineOf(all.body, 'hlm-courses'), { n: 29, value: Number((28 / 29).toPrecision(6)) }, 'the one with two scores is left out, and that is said');
  const each = lines(all.body).filter(({ statistic }) => statistic === 'hlm-course-slope');
  t.equal(new Set(each.map(({ episode }) => episode.reference)).size, 28);
  for (const { value, low, high, class: of } of each) t.equal(of, low <= 0 && high >= 0 ? 'unchanged' : value < 0 ? 'improved' : 'deteriorated');
  t.equal(lineOf(all.body, 'hlm-improved').value, Number((each.filter((one) => one.class === 'improved').length / 28).toPrecision(6)));
  t.same(lines((await fhir('POST', 'Group/all/$outcomes', { resourceType: 'Parameters', parameter: [{ name: 'periodStart', valueDate: '2025-01-01' }, { name: 'periodEnd', valueDate: '2025-12-31' }, { name: 'scale', valueCode: 'phq-9' }, { name: 'index', valueCode: 'hlm' }] })).body), lines(all.body));
  const csv = await fetch(`${service.url}/${path}&index=hlm`, { headers: { authorization: `Bearer ${await service.token()}`, accept: 'text/csv' } });
  const rows = (await csv.text()).split('\r\n');
  t.ok(rows.includes(`phq-9,hlm-course-slope,4,${each[0].value},${each[0].low},${each[0].high},,hlm-change|1,${each[0].episode.reference},${each[0].class}`));
  t.ok(rows.every((row) => row === '' || row.replaceAll(/"[^"]*"/g, '').split(',').length === 10), 'ten columns in every row');

  const auditor = await service.as({ scopes: 'system/AuditEvent.rs system/MeasureReport.rs' })('GET', `${path}&index=hlm`);
  t.notMatch(auditor.text, /EpisodeOfCare|hlm-course-/, 'nothing about one course');
  t.match(lineOf(auditor.body, 'hlm-slope'), { n: 30, value: Math.round(mean * 100) / 100 });
  t.same(lines(auditor.body), lines((await fhir('GET', `${path}&index=hlm&suppressed=true`)).body), 'the same form for passing on');
  t.same((await service.as({ scopes: 'system/AuditEvent.rs system/MeasureReport.rs' })('GET', `Practitioner/ben/$outcomes?${period}&index=hlm`)).body.parameter, undefined, 'of a therapist with few courses nothing');

  const own = async (name: string): Promise<any> => service.as({ user: `Practitioner/${name}`, scopes: 'user/*.rs' })('GET', `Practitioner/${name}/$outcomes?${period}&index=hlm`);
  const ann = await own('ann');
  t.same([lineOf(ann.body, 'hlm-slope').n, lines(ann.body).filter(({ statistic }) => statistic === 'hlm-course-slope').length], [24, 24], 'a practitioner has the own courses');
  t.notMatch(ann.text, /EpisodeOfCare\/c2[4-7]/, 'and no others');
  const ben = await own('ben');
  t.match(lineOf(ben.body, 'hlm-slope'), { n: 4, note: /fewer than 20 courses/, value: undefined });
  t.notMatch(ben.text, /EpisodeOfCare/);
  t.equal((await service.as({ user: 'Practitioner/ben', scopes: 'user/*.rs' })('GET', `Practitioner/ann/$outcomes?${period}&index=hlm`)).status, 404);
  t.match((await service.as({ scopes: 'system/Group.rs system/Patient.rs system/MeasureReport.rs' })('GET', `${path}&index=hlm`)).status, 403, 'a system that may not read courses');

  const wrong = await fhir('GET', `${path}&index=unheard-of`);
  t.same([wrong.status, wrong.body.issue[0].expression], [400, ['http.index']]);
  const logged = await fhir('GET', 'AuditEvent?entity=Group/all&patient=c3&_summary=count');
  t.ok(logged.body.total >= 2, 'whose courses were shown can see that in the log');
});

t.test('what comes after the end is not of the course; suppressed, neither a step of a curve nor a count beside it shows a few', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  // Three of 34 improve by six points and more in their second session; the others a month after the end.
  for (let at = 0; at < 34; at += 1) await course(fhir, `d${at}`, 'ann', [16, at < 3 ? 8 : 15], 4);
  const path = `Practitioner/ann/$outcomes?${period}&caseMix=true`;
  const shown = (await fhir('GET', path)).body;
  t.same([lineOf(shown, 'reliable-improvement').value, lineOf(shown, 'mean-last').value], [0.088235, Number(((3 * 8 + 31 * 15) / 34).toPrecision(6))]);
  const steps = (body: any): any[] => lines(body).filter(({ statistic }) => statistic.startsWith('sessions-to-reliable-improvement'));
  t.match(steps(shown), [{ value: undefined, note: 'not reached as far as five or more were at risk' }, { statistic: 'sessions-to-reliable-improvement-by-session-2', n: 34, value: 0.088235 }]);
  t.match(lineOf(shown, 'reliable-improvement-bounds'), { n: 34, low: 0.088235, high: 0.088235, value: undefined });
  t.match([lineOf(shown, 'reliable-improvement-observed'), lineOf(shown, 'reliable-improvement-expected')], [{ value: 3 }, { value: 3, note: 'every course has a reference' }]);
  const drawn = lineOf((await fhir('GET', `${path}&priorWeight=16`)).body, 'reliable-improvement-shrunken');
  t.match(drawn, { n: 34, value: 0.088235, note: /counts as 16 cases$/ }, 'the caseload is the whole deployment');
  for (const [query, element] of [['caseMix=true&priorWeight=0', 'http.priorWeight'], ['caseMix=true&priorWeight=-3', 'http.priorWeight'], ['priorWeight=128', 'http.caseMix']]) t.match(await fhir('GET', `Practitioner/ann/$outcomes?${period}&${query}`), { status: 400, body: { issue: [{ expression: [element] }] } });
  const hidden = (await fhir('GET', `${path}&suppressed=true&priorWeight=16`)).body;
  t.same(steps(hidden).map(({ statistic }) => statistic), ['sessions-to-reliable-improvement-median']);
  const small = ['', '-observed', '-expected', '-observed-to-expected', '-funnel-95', '-funnel-99.8', '-shrunken'].map((of) => `reliable-improvement${of}`);
  for (const statistic of [...small, 'reliable-deterioration']) t.match(lineOf(hidden, statistic), { value: undefined, n: undefined, note: 'hidden: small numbers' }, statistic);
  t.equal(lineOf(hidden, 'reliable-improvement-bounds'), undefined);
  t.notMatch(JSON.stringify(hidden), /courses? ha(?:s|ve) (?:no|a) reference/, 'not how many have none');
  t.same([lineOf(hidden, 'courses').value, lineOf(hidden, 'mean-first').value], [35, 16]);
});
