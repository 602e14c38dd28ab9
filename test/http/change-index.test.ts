import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { classByIndex, indexOfChange, momentsOf, type IndexOfChange } from '../../src/outcomes/change-index.ts';
import { jargonWords, judgingWords } from '../outcomes/words.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

// Indices of change where they are asked for: in $progress for one course, in $outcomes for a caseload.

const parts = (body: any, ...path: string[]): any[] => path.reduce((list: any[], name) => list.flatMap((each) => (each.parameter ?? each.part ?? []).filter((part: any) => part.name === name)), [body]);
const value = (part: any): any => Object.entries(part ?? {}).find(([key]) => key.startsWith('value'))?.[1];
const only = (body: any, ...path: string[]): any => value(parts(body, ...path)[0]);

/** First and last PHQ-9 of each course. */
const pairs = Array.from({ length: 24 }, (_, i) => ({ baseline: 11 + ((i * 7) % 14), current: 1 + ((i * 5) % 19) }));

t.test('indices of change', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const entry = (resource: any): any => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } });
  for (let from = 0; from < pairs.length; from += 8) {
    const { status, text } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: pairs.slice(from, from + 8).flatMap(({ baseline, current }, k) => {
      const id = `p${from + k}`;
      return [
        { resourceType: 'Patient', id }, { resourceType: 'EpisodeOfCare', id, status: 'finished', patient: { reference: `Patient/${id}` }, period: { start: '2025-01-06', end: '2025-03-31' } },
        ...['2025-01-07', '2025-03-04'].map((day, n) => ({ resourceType: 'Encounter', id: `${id}-${n}`, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: `Patient/${id}` }, episodeOfCare: [{ reference: `EpisodeOfCare/${id}` }], period: { start: `${day}T10:00:00Z` } })),
        { ...phq9(id, spread(baseline), '2025-01-07T09:00:00Z'), id: `${id}-a` }, { ...phq9(id, spread(current), '2025-03-04T09:00:00Z'), id: `${id}-b` },
      ];
    }).map(entry) });
    t.equal(status, 200, text.slice(0, 300));
  }
  await fhir('PUT', 'Group/all', { resourceType: 'Group', id: 'all', type: 'person', actual: true, member: pairs.map((_, i) => ({ entity: { reference: `Patient/p${i}` } })) });
  const outcomes = async (query: string, as = fhir): Promise<any> => as('GET', `Group/all/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=phq-9${query}`);
  const statistic = (body: any, name: string): any[] => parts(body, 'line').filter((line) => only(line, 'statistic') === name);

  await t.test('of one course, by the reference sample of the instrument; what that lacks is said', async (t) => {
    const none = await fhir('GET', 'EpisodeOfCare/p0/$progress');
    t.same(parts(none.body, 'instrument', 'index'), [], 'off unless it is asked for');
    const { status, body } = await fhir('GET', 'EpisodeOfCare/p0/$progress?index=gulliksen-lord-novick,edwards-nunnally&index=hageman-arrindell');
    t.equal(status, 200);
    t.same(validate(body, 'Parameters').filter(({ severity }) => severity === 'error'), []);
    const [gulliksen, edwards, hageman] = parts(body, 'instrument', 'index');
    // PHQ-9 here: SD 6.1, r .89, M 17.1; 11 to 1. Expected 17.1 + .89 * (11 - 17.1) = 11.671
    const wanted = (1 - 11.671) / (6.1 * Math.sqrt(1 - 0.89 ** 2));
    t.ok(Math.abs(only(gulliksen, 'value') - wanted) < 1e-3, String(only(gulliksen, 'value')));
    t.ok(Math.abs(only(edwards, 'value') - (1 - 11.671) / (6.1 * Math.sqrt(0.11))) < 1e-3);
    t.same([only(edwards, 'critical-value'), only(edwards, 'change'), only(edwards, 'class').coding[0].code], [1.96, 'better', 'recovered']);
    t.match(only(edwards, 'formula-with-numbers'), /^expected score: 17\.1 \+ 0\.89 × \(11 - 17\.1\) = 11\.671; .* is more than 1\.96$/);
    t.same([only(edwards, 'sample', 'verification'), only(edwards, 'sample', 'mean')], ['memory', 17.1]);
    t.match(only(edwards, 'explanation', 'text'), /decides no class/);
    t.equal(only(hageman, 'data-absent-reason'), 'unknown');
    t.match(only(hageman, 'explanation', 'text'), /lacks the mean at the end.*\$outcomes/);
    t.same(parts(body, 'instrument', 'change'), parts(none.body, 'instrument', 'change'), 'the class is decided as before');
    const { body: concepts } = await fhir('GET', 'CodeSystem/change-index');
    for (const part of parts(body, 'instrument', 'index')) t.ok(concepts.concept.some(({ code, definition }: any) => code === only(part, 'code').code && definition === only(part, 'formula')));
    for (const wrong of ['index=hlm', 'index=jacobson', 'index=', 'indices=edwards-nunnally']) t.match(await fhir('GET', `EpisodeOfCare/p0/$progress?${wrong}`), { status: 400, body: { issue: [{ expression: [`http.${wrong.split('=')[0]}`] }] } });
    await fhir('PUT', 'QuestionnaireResponse/g-a', { ...gad7('p0', spread(15, 7), '2025-01-07T09:00:00Z'), id: 'g-a' });
    await fhir('PUT', 'QuestionnaireResponse/g-b', { ...gad7('p0', spread(5, 7), '2025-03-04T09:00:00Z'), id: 'g-b' });
    const both = await fhir('GET', 'Patient/p0/$progress?index=jacobson-truax');
    t.same(parts(both.body, 'instrument', 'index').map((part) => only(part, 'data-absent-reason')), ['unknown', undefined], 'an instrument of which no SD and reliability are known says so');
    const client = await service.as({ patient: 'p0' })('GET', 'EpisodeOfCare/p0/$progress?index=edwards-nunnally,hageman-arrindell');
    for (const part of parts(client.body, 'instrument', 'index', 'explanation', 'text')) for (const words of [judgingWords, jargonWords]) t.notMatch(value(part), words);
    t.equal((await service.as({ patient: 'p1' })('GET', 'EpisodeOfCare/p0/$progress?index=edwards-nunnally')).status, 404);
  });

  await t.test('of a caseload, by its own courses; Hageman-Arrindell with both of its indices', async (t) => {
    t.same(parts((await outcomes('')).body, 'line').filter((line) => only(line, 'method')?.code === 'change-index'), [], 'off unless it is asked for');
    const { status, body } = await outcomes('&index=hageman-arrindell');
    t.equal(status, 200, JSON.stringify(body).slice(0, 200));
    const sample = { ...momentsOf(pairs)!, r: 0.89, functional: { mean: 3.3, sd: 3.8 } };
    const found = pairs.map(({ baseline, current }) => indexOfChange('hageman-arrindell', { baseline, current, sign: 1 }, sample) as IndexOfChange);
    const classes = found.map((index) => classByIndex('hageman-arrindell', index, { preClinical: null, postClinical: null }));
    t.ok(new Set(classes).size >= 3, [...new Set(classes)].join(' '));
    for (const each of ['recovered', 'improved', 'unchanged', 'deteriorated']) {
      const [line] = statistic(body, `hageman-arrindell-${each}`);
      t.ok(Math.abs(only(line, 'value') - classes.filter((one) => one === each).length / 24) < 1e-5, each);
    }
    t.ok(Math.abs(only(statistic(body, 'hageman-arrindell-cut-off')[0], 'value') - found[0]!.cutoff!.limit) < 1e-3);
    for (const [name, wanted] of [['course-index', ({ value: each }: IndexOfChange) => each], ['course-cut-off-index', ({ cutoff }: IndexOfChange) => cutoff!.index]] as const) {
      const lines = statistic(body, `hageman-arrindell-${name}`);
      t.equal(lines.length, 24);
      for (const line of lines) {
        const i = Number(/p(\d+)$/.exec(only(line, 'episode').reference)![1]);
        t.ok(Math.abs(only(line, 'value') - wanted(found[i]!)) < 1e-4);
        t.equal(only(line, 'class'), classes[i]);
      }
    }
    t.equal(statistic(body, 'hageman-arrindell-harmed').length, 0);
    const other = await outcomes('&index=edwards-nunnally&reliability=0.7');
    t.same([only(statistic(other.body, 'edwards-nunnally-reliability')[0], 'value'), only(statistic(other.body, 'edwards-nunnally-critical-value')[0], 'value'), statistic(other.body, 'edwards-nunnally-harmed').length], [0.7, 1.96, 1]);
    const csv = await outcomes('&index=hageman-arrindell&_format=csv');
    t.match(csv.text, /phq-9,hageman-arrindell-recovered,24,/);
  });

  await t.test('an auditor gets no course and no class; too few courses, and what there is not, say so', async (t) => {
    const { status, body } = await outcomes('&index=hageman-arrindell', service.as({ scopes: 'system/AuditEvent.rs system/MeasureReport.rs' }));
    t.equal(status, 200);
    const names = parts(body, 'line').map((line) => only(line, 'statistic')).filter((name: string) => name.startsWith('hageman-arrindell'));
    t.same(names.filter((name: string) => /course-|recovered|improved|unchanged|deteriorated/.test(name)), []);
    t.notMatch(JSON.stringify(body), /EpisodeOfCare\//);
    t.ok(names.includes('hageman-arrindell-reliably-better'));
    const few = await fhir('GET', 'Group/all/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=gad-7&index=edwards-nunnally&reliability=0.8');
    t.match(only(statistic(few.body, 'edwards-nunnally-courses')[0], 'note'), /fewer than 20/);
    const unknown = await fhir('GET', 'Group/all/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31&scale=gad-7&index=edwards-nunnally');
    t.match(only(statistic(unknown.body, 'edwards-nunnally-courses')[0], 'note'), /no reliability/);
    for (const [wrong, at] of [['&index=jacobson', 'index'], ['&index=edwards-nunnally&index=hlm', 'index'], ['&reliability=0.8', 'reliability'], ['&index=hlm&reliability=0.8', 'reliability'], ...['1', '-0.1', 'x', '1e-3', 'NaN'].map((text) => [`&index=edwards-nunnally&reliability=${text}`, 'reliability'])]) {
      t.match(await outcomes(wrong!), { status: 400, body: { issue: [{ expression: [`http.${at}`] }] } }, wrong!);
    }
    t.equal((await outcomes('&index=edwards-nunnally', service.as({ patient: 'p0' }))).status, 403);
  });
});
