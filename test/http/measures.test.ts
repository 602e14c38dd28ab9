import t, { type Test } from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

// Rates over a caseload, from the outside: http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html.

const population = (group: any, code: string): number | undefined => group.population.find((each: any) => each.code.coding[0].code === code)?.count;
const counts = (group: any): (number | undefined)[] => ['initial-population', 'denominator', 'denominator-exclusion', 'numerator'].map((code) => population(group, code));
const year = 'periodStart=2025-01-01&periodEnd=2025-12-31';

/** Stores a finished course of two sessions with a first and, where it is given, a last PHQ-9 total, and what it was about. */
async function course(t: Test, fhir: Client, id: string, therapist: string, first: number, last?: number, problem?: object): Promise<void> {
  const encounter = (n: number, at: string): object => ({
    request: { method: 'PUT', url: `Encounter/${id}-${n}` },
    resource: { resourceType: 'Encounter', id: `${id}-${n}`, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: `Patient/${id}` }, episodeOfCare: [{ reference: `EpisodeOfCare/${id}` }], period: { start: `${at}T10:00:00Z`, end: `${at}T11:00:00Z` } },
  });
  const response = (name: string, authored: string, total: number): object => ({ request: { method: 'PUT', url: `QuestionnaireResponse/${name}` }, resource: { ...phq9(id, spread(total), authored), id: name } });
  const { status, text } = await fhir('POST', '', {
    resourceType: 'Bundle', type: 'transaction', entry: [
      { request: { method: 'PUT', url: `Practitioner/${therapist}` }, resource: { resourceType: 'Practitioner', id: therapist } },
      { request: { method: 'PUT', url: `Patient/${id}` }, resource: { resourceType: 'Patient', id } },
      { request: { method: 'PUT', url: `EpisodeOfCare/${id}` }, resource: { resourceType: 'EpisodeOfCare', id, status: 'finished', patient: { reference: `Patient/${id}` }, careManager: { reference: `Practitioner/${therapist}` }, period: { start: '2025-01-10', end: '2025-06-30' }, ...(problem === undefined ? {} : { diagnosis: [{ condition: { reference: `Condition/${id}` } }] }) } },
      ...(problem === undefined ? [] : [{ request: { method: 'PUT', url: `Condition/${id}` }, resource: { resourceType: 'Condition', id, subject: { reference: `Patient/${id}` }, code: problem } }]),
      encounter(1, '2025-01-15'), encounter(2, '2025-05-15'),
      response(`${id}-a`, '2025-01-14T09:00:00Z', first), ...(last === undefined ? [] : [response(`${id}-b`, '2025-05-15T09:00:00Z', last)]),
    ],
  });
  t.equal(status, 200, text.slice(0, 300));
}

t.test('rates of outcome over a caseload, for a practitioner, a group and one patient', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const [at, last] of [4, 4, 4, 4, 4, 4, 18, 18, undefined].entries()) await course(t, fhir, `c${at}`, 'ann', 18, last);
  for (const at of [0, 1, 2, 3, 4, 5]) await course(t, fhir, `d${at}`, 'ben', 12, at < 3 ? 5 : 20);

  const all = await fhir('GET', `Measure/reliable-improvement-phq-9/$evaluate-measure?${year}`);
  t.equal(all.status, 200, all.text.slice(0, 300));
  t.same(validate(all.body, 'MeasureReport').filter(({ severity }: any) => severity === 'error'), [], 'a valid MeasureReport');
  const [group] = all.body.group;
  t.same(counts(group), [15, 14, 0, 9], 'one course has no last score; nine of fourteen improved');
  t.equal(group.measureScore.value, 0.642857);
  const extension = (name: string): any => group.extension.find(({ url }: any) => url.endsWith(`/${name}`));
  t.equal(extension('paired-data-completeness').valueDecimal, 0.933333);
  t.same(extension('missing-data-bounds').extension.map(({ valueDecimal }: any) => valueDecimal), [0.6, 0.666667]);
  t.ok(all.body.evaluatedResource.some(({ reference }: any) => reference === 'QuestionnaireResponse/c0-b'));
  const byTherapist = group.stratifier.find(({ code }: any) => code[0].coding[0].code === 'practitioner').stratum;
  t.same(byTherapist.map(({ value, measureScore }: any) => [value.text, measureScore.value]), [['Practitioner/ann', 0.75], ['Practitioner/ben', 0.5]]);

  const recovery = await fhir('POST', 'Measure/$evaluate-measure', { resourceType: 'Parameters', parameter: [
    { name: 'measure', valueString: 'https://intersession.example/fhir/Measure/reliable-recovery-phq-9' }, { name: 'periodStart', valueDate: '2025-01-01' }, { name: 'periodEnd', valueDate: '2025-12-31' }, { name: 'practitioner', valueString: 'Practitioner/ben' },
  ] });
  t.same(counts(recovery.body.group[0]), [6, 6, 0, 3]);
  t.equal(recovery.body.reporter.reference, 'Practitioner/ben');

  const one = await fhir('GET', `Measure/response-phq-9/$evaluate-measure?${year}&subject=Patient/c0`);
  t.same([one.body.type, one.body.subject.reference, counts(one.body.group[0])], ['individual', 'Patient/c0', [1, 1, 0, 1]]);
  t.same(one.body.evaluatedResource.map(({ reference }: any) => reference), ['EpisodeOfCare/c0', 'QuestionnaireResponse/c0-a', 'QuestionnaireResponse/c0-b']);

  await fhir('PUT', 'Group/g', { resourceType: 'Group', id: 'g', type: 'person', actual: true, member: [{ entity: { reference: 'Patient/c0' } }, { entity: { reference: 'Patient/c6' } }, { entity: { reference: 'Patient/d0' }, inactive: true }] });
  const list = await fhir('GET', `Measure/remission-phq-9/$evaluate-measure?${year}&subject=Group/g&reportType=subject-list`);
  t.same(counts(list.body.group[0]), [2, 2, 0, 1]);
  t.same(validate(list.body, 'MeasureReport').filter(({ severity }: any) => severity === 'error'), []);
  const numerator = list.body.group[0].population.at(-1).subjectResults.reference.slice(1);
  t.same(list.body.contained.find(({ id }: any) => id === numerator).entry.map(({ item }: any) => item.reference), ['Patient/c0']);

  const ben = service.as({ user: 'Practitioner/ben', scopes: 'user/*.rs' });
  t.same(counts((await ben('GET', `Measure/reliable-improvement-phq-9/$evaluate-measure?${year}`)).body.group[0]), [6, 6, 0, 3], 'a practitioner has the own caseload');
  t.equal((await ben('GET', `Measure/reliable-improvement-phq-9/$evaluate-measure?${year}&practitioner=Practitioner/ann`)).status, 404);
  t.equal((await ben('GET', `Measure/response-phq-9/$evaluate-measure?${year}&subject=Patient/c0`)).status, 404, 'whom ben does not treat does not exist');
  t.equal((await ben('GET', `Measure/response-phq-9/$evaluate-measure?${year}&subject=Patient/d0`)).status, 200);
  for (const nobody of ['periodStart=2026-01-01&periodEnd=2026-12-31', `${year}&practitioner=Practitioner/none`, `${year}&suppressed=true&practitioner=Practitioner/none`]) {
    const none = await fhir('GET', `Measure/reliable-improvement-phq-9/$evaluate-measure?${nobody}`);
    t.same(counts(none.body.group[0]), nobody.includes('suppressed') ? [undefined, undefined, undefined, undefined] : [0, 0, 0, 0]);
    t.same(validate(none.body, 'MeasureReport').filter(({ severity }: any) => severity === 'error'), [], 'without strata where nobody is');
    t.match(none.body.group[0].measureScore, { value: undefined, extension: [{ valueCode: nobody.includes('suppressed') ? 'masked' : 'not-applicable' }] });
  }
  const opened = await service.as({ user: 'Practitioner/ben' })('POST', 'Patient/c0/$break-glass', { resourceType: 'Parameters', parameter: [{ name: 'reason', valueCode: 'ETREAT' }, { name: 'text', valueString: 'on call' }] });
  t.equal(opened.status, 201, opened.text.slice(0, 200));
  t.equal((await ben('GET', `Measure/response-phq-9/$evaluate-measure?${year}&subject=Patient/c0`)).status, 200, 'in an emergency the record is open');
  t.same(counts((await ben('GET', `Measure/reliable-improvement-phq-9/$evaluate-measure?${year}`)).body.group[0]), [6, 6, 0, 3], 'and the person is not in the caseload for it');
});

t.test('who may not see individuals gets rates with small numbers hidden, and no names', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const low = (at: number): object => ({ text: `words of c${at}`, coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code: 'F32.1', ...(at === 0 ? {} : { display: at < 6 ? 'Moderate depression' : 'Moderate depressive episode' }) }] });
  for (let at = 0; at < 8; at += 1) await course(t, fhir, `c${at}`, 'ann', 18, at < 7 ? 4 : 18, low(at));
  for (let at = 0; at < 7; at += 1) await course(t, fhir, `d${at}`, 'ben', 18, at < 6 ? 4 : 18);
  for (let at = 0; at < 3; at += 1) await course(t, fhir, `e${at}`, 'cat', 18, 4);
  const auditor = service.as({ scopes: 'system/AuditEvent.rs system/MeasureReport.rs' });
  const path = `Measure/reliable-improvement-phq-9/$evaluate-measure?${year}`;
  const { status, body, text } = await auditor('GET', path);
  t.equal(status, 200, text.slice(0, 300));
  const [group] = body.group;
  t.same([population(group, 'denominator'), population(group, 'numerator'), group.measureScore.value], [20, 15, 0.9], 'rounded to the nearest five; the rate is of the counts themselves, in steps of ten per cent: sixteen of eighteen could be had from 0.89');
  t.equal(population(group, 'denominator-exclusion'), undefined, 'nobody at all is hidden like a few');
  const strata = group.stratifier.find(({ code }: any) => code[0].coding[0].code === 'practitioner').stratum;
  t.same(strata.map(({ value, measureScore }: any) => [value.text, measureScore.value, value.coding?.[0].code]), [['Practitioner/ann', 0.8, undefined], ['not shown', undefined, 'masked']], 'the small one, and one more so that it cannot be had by subtraction');
  t.notMatch(text, /Patient\/|EpisodeOfCare\/|QuestionnaireResponse\/|words of/, 'nobody is named, and nobody quoted');
  const problems = group.stratifier.find(({ code }: any) => code[0].coding[0].code === 'problem').stratum;
  t.same(problems.map(({ value, measureScore }: any) => [value.text, value.coding?.[0].code, measureScore.value]), [['Moderate depression', 'F32.1', 0.8], ['unknown', undefined, 0.9]], 'one code is one problem, however it is worded');
  t.same(validate(body, 'MeasureReport').filter(({ severity }: any) => severity === 'error'), []);
  t.equal((await auditor('GET', `${path}&subject=Patient/c0`)).status, 403);
  t.equal((await auditor('GET', `${path}&reportType=subject-list`)).status, 403);
  t.match(await auditor('GET', `${path}&suppressed=maybe`), { status: 400, body: { issue: [{ expression: ['http.suppressed'] }] } });
  for (const confined of ['subject=Practitioner/ann', 'practitioner=Practitioner/ann', 'subject=Group/g']) t.equal((await auditor('GET', `${path}&${confined}`)).status, 403, `${confined}: two reports must not differ by few`);
  const of = (from: string, to: string): string => `Measure/reliable-improvement-phq-9/$evaluate-measure?periodStart=${from}&periodEnd=${to}`;
  for (const [from, to] of [['2025-01-01', '2025-12-30'], ['2025-01-02', '2025-12-31'], ['2025-02-01', '2025-04-30'], ['2025-04-01', '2025-12-31'], ['2024-07-01', '2025-06-30'], ['2025-06', '2025-06'], ['2099', '2099']] as const) {
    const refused = await auditor('GET', of(from, to));
    t.match(refused, { status: 400, body: { issue: [{ expression: ['http.periodEnd'] }] } }, `${from} to ${to}`);
    for (const [query] of refused.body.issue[0].details.text.matchAll(/periodStart=\S+&periodEnd=[\d-]+/g)) t.equal((await auditor('GET', `Measure/reliable-improvement-phq-9/$evaluate-measure?${query}`)).status, 200, `what it says to ask for: ${query}`);
  }
  t.match((await auditor('GET', of('2025-02-01', '2025-04-30'))).body.issue[0].details.text, /: periodStart=2025-01-01&periodEnd=2025-12-31 or periodStart=2025-01-01&periodEnd=2025-03-31\.$/);
  // This year, which is not over: as far as its quarters are. In the first of them nothing is.
  const today = new Date();
  const [thisYear, over] = [today.getUTCFullYear(), Math.floor(today.getUTCMonth() / 3)];
  for (const to of [`${thisYear}-12-31`, today.toISOString().slice(0, 10)]) {
    const now = await auditor('GET', of(`${thisYear}-01-01`, to));
    if (over === 0) t.match(now.body.issue[0].details.text, `periodStart=${thisYear - 1}-01-01&periodEnd=${thisYear - 1}-12-31`);
    else t.same(now.body.period, { start: `${thisYear}-01-01`, end: new Date(Date.UTC(thisYear, 3 * over, 0)).toISOString().slice(0, 10) }, `${to}: the report says what it is of`);
  }
  for (const [from, to] of [['2025', '2025'], ['2025-04-01', '2025-06-30'], ['2025-04', '2025-06'], ['2025-01', '2025-09'], ['2025-01-01', '2025-06-30']] as const) t.equal((await auditor('GET', of(from, to))).body.group[0].measureScore.value, 0.9, `all ended in June: ${from} to ${to}`);
  t.equal((await auditor('GET', of('2025-07-01', '2025-09-30'))).body.group[0].measureScore.value, undefined);
  t.equal((await auditor('GET', 'Observation')).status, 403, 'and of the records nothing');
  const chosen = await fhir('GET', `${path}&suppressed=true`);
  t.same(chosen.body.group, body.group, 'the same report for passing on');
});

t.test('two measures judged together: recovery over those not known to have begun below the cut-offs, improvement over all that finished', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const anxiety = async (id: string, first: number, last: number): Promise<void> => {
    for (const [name, total, at] of [['x', first, '2025-01-14T09:00:00Z'], ['y', last, '2025-05-15T09:00:00Z']] as const) await fhir('PUT', `QuestionnaireResponse/${id}-${name}`, { ...gad7(id, spread(total, 7), at), id: `${id}-${name}` });
  };
  await course(t, fhir, 'recovered', 'ann', 16, 6); await anxiety('recovered', 12, 5);
  await course(t, fhir, 'still', 'ann', 16, 6); await anxiety('still', 12, 9);
  await course(t, fhir, 'below', 'ann', 9, 3); await anxiety('below', 7, 6);
  await course(t, fhir, 'mixed', 'ann', 12, 18); await anxiety('mixed', 15, 6);
  await course(t, fhir, 'one', 'ann', 16, 6);
  await course(t, fhir, 'none', 'ann', 16);
  const rate = async (name: string): Promise<any> => (await fhir('GET', `Measure/talking-therapies-${name}/$evaluate-measure?${year}`)).body.group[0];
  t.same(counts(await rate('recovery')), [6, 5, 0, 1], 'recovery cannot be told of one measure alone');
  t.same(counts(await rate('reliable-recovery')), [6, 5, 0, 1]);
  t.same(counts(await rate('reliable-improvement')), [6, 6, 0, 4], 'better on either and worse on neither: not the mixed one');
  t.same(counts(await rate('reliable-deterioration')), [6, 6, 0, 0]);
  t.equal((await rate('recovery')).extension.find(({ url }: any) => url.endsWith('/paired-data-completeness')).valueDecimal, 0.833333);
});

t.test('the outcomes of a caseload, line by line and as CSV', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const ends = [4, 4, 6, 6, 8, 8, 10, 12, 18, 20, undefined];
  for (const [at, last] of ends.entries()) await course(t, fhir, `c${at}`, 'ann', 16 + (at % 3), last);
  const own = await fhir('GET', 'Practitioner/ann/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=phq-9');
  t.equal(own.status, 200, own.text.slice(0, 300));
  const line = (body: any, statistic: string): any => body.parameter
    .map(({ part }: any) => Object.fromEntries(part.map((each: any) => [each.name, each.valueCode ?? each.valueInteger ?? each.valueDecimal ?? each.valueString])))
    .find((each: any) => each.statistic === statistic);
  t.same([line(own.body, 'courses').value, line(own.body, 'paired-data-completeness').value], [11, 0.909091]);
  const firsts = ends.slice(0, 10).map((_, at) => 16 + (at % 3));
  const improvements = firsts.map((first, at) => first - ends[at]!);
  const mean = (list: readonly number[]): number => list.reduce((sum, each) => sum + each, 0) / list.length;
  const sd = Math.sqrt(firsts.reduce((sum, each) => sum + (each - mean(firsts)) ** 2, 0) / 9);
  t.equal(line(own.body, 'mean-improvement').value, Number(mean(improvements).toPrecision(6)));
  t.equal(line(own.body, 'effect-size-d').value, Number((mean(improvements) / sd).toPrecision(6)));
  t.equal(line(own.body, 'reliable-improvement').value, 0.7, 'six points and more');
  t.match(line(own.body, 'sessions-to-reliable-improvement-median').note, /fewer than 20/);
  await fhir('PUT', 'Group/all', { resourceType: 'Group', id: 'all', type: 'person', actual: true, member: ends.map((_, at) => ({ entity: { reference: `Patient/c${at}` } })) });
  const token = await service.token();
  const csv = async (path: string, accept = 'text/csv'): Promise<Response> => fetch(`${service.url}/${path}`, { headers: { authorization: `Bearer ${token}`, accept } });
  const table = await csv('Group/all/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31');
  t.match(table.headers.get('content-type'), /^text\/csv/);
  const rows = (await table.text()).trimEnd().split('\r\n');
  t.equal(rows[0], 'scale,statistic,n,value,low,high,note,method,episode,class');
  t.ok(rows.includes('phq-9,courses,11,11,,,,caseload-outcomes|1,,'));
  t.ok(rows.some((row) => row.startsWith('phq-9,reliable-improvement,10,0.7,0.39')), 'with its interval');
  t.ok(rows.includes('gad-7,mean-first,0,,,,,caseload-outcomes|1,,'), 'nothing is made up where there is nothing');
  t.equal((await csv('Patient/c0', 'text/csv')).status, 406, 'where there is no such format');
  t.equal((await fhir('GET', 'Group/all/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=unheard-of')).status, 400);
  t.equal((await fhir('GET', 'Group/none/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31')).status, 404);
  const auditor = service.as({ scopes: 'system/AuditEvent.rs system/MeasureReport.rs' });
  t.same((await auditor('GET', 'Practitioner/ann/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31')).body.parameter, undefined, 'of a therapist with fewer than twenty courses nothing');
  const group = (await auditor('GET', 'Group/all/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=phq-9')).body;
  t.same([line(group, 'courses').value, line(group, 'reliable-improvement').n, line(group, 'reliable-deterioration').value], [10, 10, undefined], 'rounded, and small numbers hidden');
  t.equal((await service.as({ user: 'Practitioner/ben', scopes: 'user/*.rs' })('GET', 'Practitioner/ann/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31')).status, 404);
});

t.test('a caseload is held against courses that began alike, in cells of thirty or more', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (let at = 0; at < 30; at += 1) await course(t, fhir, `a${at}`, at < 10 ? 'ann' : 'ben', 18, at < 5 || (at >= 10 && at < 20) ? 4 : 17);
  for (let at = 0; at < 3; at += 1) await course(t, fhir, `m${at}`, 'ann', 12, 2);
  const { body } = await fhir('GET', 'Practitioner/ann/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=phq-9&caseMix=true');
  const line = (statistic: string): any => body.parameter.map(({ part }: any) => Object.fromEntries(part.map((each: any) => [each.name, each.valueCode ?? each.valueInteger ?? each.valueDecimal ?? each.valueString]))).find((each: any) => each.statistic === statistic);
  t.same([line('reliable-improvement-observed').value, line('reliable-improvement-expected').value, line('reliable-improvement-expected').n], [5, 5, 10], 'ten that began alike, half of whom improve everywhere');
  t.match(line('reliable-improvement-expected').note, /^3 courses have no reference/);
  t.match(line('reliable-improvement-observed-to-expected'), { value: 1, low: 0.324697, high: 2.33367 }, 'exact Poisson limits of five');
  t.equal(line('reliable-improvement-funnel-95').n, 13);
  const ann = service.as({ user: 'Practitioner/ann', scopes: 'user/*.rs' });
  t.equal((await ann('GET', 'Practitioner/ann/$outcomes?periodStart=2025&periodEnd=2025&scale=phq-9&caseMix=true')).text.includes('expected'), true);
  for (const [from, to] of [['2025-01-01', '2025-12-30'], ['2025-04', '2025-06']]) t.match(await ann('GET', `Practitioner/ann/$outcomes?periodStart=${from}&periodEnd=${to}&caseMix=true`), { status: 400, body: { issue: [{ expression: ['http.periodEnd'] }] } }, 'of two periods it could be told what others did between them');
  t.equal((await fhir('GET', 'Practitioner/ann/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=phq-9')).text.includes('expected'), false, 'only where it is asked for');
});

t.test('what cannot be evaluated is refused with the reason', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const measure = (expression: string, language = 'application/x-intersession-rule'): object => ({
    resourceType: 'Measure', id: 'own', url: 'https://clinic.example/Measure/own', status: 'active', group: [{ population: [{ code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/measure-population', code: 'numerator' }] }, criteria: { language, expression } }] }],
  });
  const refused = async (path: string, status: number, expression?: string): Promise<void> => {
    const reply = await fhir('GET', path);
    t.equal(reply.status, status, `${path}: ${reply.text.slice(0, 200)}`);
    t.equal(reply.body.resourceType, 'OperationOutcome');
    if (expression !== undefined) t.same(reply.body.issue[0].expression, [expression]);
  };
  await refused('Measure/nothing/$evaluate-measure?periodStart=2025-01-01&periodEnd=2025-12-31', 404);
  await refused('Measure/recovery-phq-9/$evaluate-measure?periodEnd=2025-12-31', 400, 'http.periodStart');
  await refused('Measure/recovery-phq-9/$evaluate-measure?periodStart=2025-13-01&periodEnd=2025-12-31', 400, 'http.periodStart');
  await refused('Measure/recovery-phq-9/$evaluate-measure?periodStart=2025-01-01T00:00:00Z&periodEnd=2025-12-31', 400, 'http.periodStart');
  await refused('Measure/recovery-phq-9/$evaluate-measure?periodStart=2026-01-01&periodEnd=2025-12-31', 400, 'http.periodEnd');
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&reportType=everything`, 400, 'http.reportType');
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&reportType=subject`, 400, 'http.subject');
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&subject=Organization/x`, 400, 'http.subject');
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&subject=Patient/nobody`, 404);
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&subject=Group/nobody`, 404, 'http.subject');
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&lastReceivedOn=2025-01-01`, 400);
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&subject=Practitioner/ann&practitioner=Practitioner/ben`, 400, 'http.practitioner');
  await refused(`Measure/recovery-phq-9/$evaluate-measure?${year}&subject=Patient/c0/_history/1`, 400, 'http.subject');
  await refused(`Measure/$evaluate-measure?${year}`, 400, 'http.measure');
  for (const wrong of [measure('x', 'text/cql'), measure('unheard-of'), measure('recovery(unheard-of)'), measure('homework-completion(phq-9)'), measure('depression-remission(1999)')]) {
    await fhir('PUT', 'Measure/own', wrong);
    await refused(`Measure/own/$evaluate-measure?${year}`, 422, 'Measure.group[0].population[0].criteria');
  }
  const parted = (rule: string, code: object, groups = 1): object => ({ ...measure(rule), group: Array.from({ length: groups }, () => ({ ...(measure(rule) as any).group[0], stratifier: [{ code: { coding: [{ code: 'practitioner' }] } }, { code }] })) });
  for (const [rule, code, at] of [
    ['recovery', { coding: [{ code: 'age' }] }, 'stratifier[1].code'], ['recovery', { coding: [{ code: 'constructor' }] }, 'stratifier[1].code'], ['recovery', { text: 'team' }, 'stratifier[1].code'], ['depression-remission', { coding: [{ code: 'age' }] }, 'stratifier[0].code'],
    ['homework-completion', { coding: [{ code: 'team' }] }, 'stratifier[1].code'],
  ] as const) {
    await fhir('PUT', 'Measure/own', parted(rule, code));
    await refused(`Measure/own/$evaluate-measure?${year}`, 422, `Measure.group[0].${at}`);
  }
  await fhir('PUT', 'Measure/own', parted('recovery', { coding: [{ code: 'team' }] }, 2));
  await refused(`Measure/own/$evaluate-measure?${year}`, 422, 'Measure.group[1]');
  await fhir('PUT', 'Measure/own', parted('recovery', { coding: [{ code: 'team' }] }));
  t.equal((await fhir('GET', `Measure/own/$evaluate-measure?${year}`)).status, 200);
  for (const { resource } of (await fhir('GET', 'Measure?_count=100')).body.entry) t.equal((await fhir('GET', `Measure/${resource.id}/$evaluate-measure?${year}`)).status, 200, `${resource.id} names what its rule tells apart`);
  await fhir('PUT', 'Measure/own', measure('recovery(gad-7)'));
  t.equal((await fhir('GET', `Measure/$evaluate-measure?measure=https://clinic.example/Measure/own&${year}`)).status, 200, 'a measure of the deployment itself');
  const limited = service.as({ scopes: 'system/MeasureReport.rs system/Measure.rs system/Patient.rs' });
  t.equal((await limited('GET', `Measure/own/$evaluate-measure?${year}`)).status, 403, 'a rate over a part of the resources would be a wrong rate');
});
