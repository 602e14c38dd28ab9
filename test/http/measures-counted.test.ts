import t from 'tap';
import { gad7Items, phq9Items, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

// Rates over a caseload that looks random, beside counts that are made here from the published rules, without the code of the service.

const base = 'https://intersession.example/fhir';
const day = (days: number, hour = 10): string => new Date(Date.UTC(2025, 0, 6 + days, hour)).toISOString();

let state = 5;
/** A number from 0 to `n` - 1, the same in every run. */
const below = (n: number): number => {
  state = (state * 1664525 + 1013904223) % 4294967296;
  return Math.floor((state / 4294967296) * n);
};

interface Score { readonly day: number; readonly value: number; readonly prorated: boolean; readonly item: readonly object[] }
interface Person { readonly 'phq-9': readonly Score[]; readonly 'gad-7': readonly Score[]; readonly sessions: readonly number[]; readonly end: number }

/** Up to four scores on different days, around and after a course; one in seven with the first item left out. */
function scores(items: readonly string[], highest: number, end: number): Score[] {
  const days = new Set(Array.from({ length: below(5) }, () => below(end + 25) - 10));
  return [...days].sort((a, b) => a - b).map((at) => {
    const answers = spread(below(highest + 1), items.length);
    const prorated = below(7) === 0;
    const given = prorated ? answers.slice(1) : answers;
    const sum = given.reduce((all, each) => all + each, 0);
    return {
      day: at, prorated, value: Math.floor((sum * items.length) / given.length + 0.5),
      item: items.map((code, i) => ({ linkId: `/${code}`, answer: [{ valueInteger: answers[i] }] })).slice(prorated ? 1 : 0),
    };
  });
}

function person(): Person {
  const sessions = Array.from({ length: 1 + below(6) }, (_, i) => 7 * i);
  const end = 7 * sessions.length + 5;
  return { 'phq-9': scores(phq9Items, 21, end), 'gad-7': scores(gad7Items, 15, end), sessions, end };
}

/** All that is known of a person, as a transaction. */
function bundle(id: string, { sessions, end, ...forms }: Person): object {
  const put = (type: string, own: string, body: object): object => ({ resource: { resourceType: type, id: own, ...body }, request: { method: 'PUT', url: `${type}/${own}` } });
  const subject = { reference: `Patient/${id}` };
  return {
    resourceType: 'Bundle', type: 'transaction',
    entry: [
      put('Patient', id, {}),
      put('EpisodeOfCare', id, { status: 'finished', patient: subject, period: { start: day(0).slice(0, 10), end: day(end).slice(0, 10) } }),
      ...sessions.map((at, i) => put('Encounter', `${id}-${i}`, { status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject, period: { start: day(at), end: day(at, 11) } })),
      ...Object.entries(forms).flatMap(([form, list]) => list.map(({ day: at, item }, i) =>
        put('QuestionnaireResponse', `${id}-${form}-${i}`, { status: 'completed', questionnaire: `${base}/Questionnaire/${form}`, subject, authored: day(at, 12), item }))),
    ],
  };
}

const limits = { 'phq-9': { caseness: 10, reliable: 6 }, 'gad-7': { caseness: 8, reliable: 4 } } as const;

/** Measure -> how many of how many, counted here. */
function counted(people: readonly Person[]): Map<string, [number, number]> {
  const counts = new Map<string, [number, number]>();
  const add = (measure: string, counts_: boolean, has: boolean): void => {
    const [k, n] = counts.get(measure) ?? [0, 0];
    counts.set(measure, [k + (counts_ && has ? 1 : 0), n + (counts_ ? 1 : 0)]);
  };
  for (const each of people) {
    for (const form of ['phq-9', 'gad-7'] as const) {
      const { caseness, reliable } = limits[form];
      // The first session is on day 0 at 10, scores are of 12 o'clock: from day -14 to day 6.
      const baseline = each[form].findLast((score) => score.day >= -14 && score.day <= 6) ?? each[form][0];
      const last = each[form].findLast((score) => score.day <= each.end);
      if (baseline === undefined || last === undefined || last.day <= baseline.day) continue;
      const [better, began, ends] = [baseline.value - last.value, baseline.value >= caseness, last.value >= caseness];
      add(`reliable-improvement-${form}`, true, better >= reliable);
      add(`reliable-deterioration-${form}`, true, -better >= reliable);
      add(`recovery-${form}`, began, !ends);
      add(`reliable-recovery-${form}`, began, !ends && better >= reliable);
      add(`response-${form}`, began, 2 * better >= baseline.value);
      if (form === 'phq-9') add('remission-phq-9', baseline.value >= 5, last.value < 5);
    }
    if (each.sessions.length < 2) continue;
    const judged = (['phq-9', 'gad-7'] as const).flatMap((form) => {
      const valid = each[form].filter((score) => !score.prorated && score.day <= each.end);
      return valid.length < 2 ? [] : [{ ...limits[form], first: valid[0]!.value, last: valid.at(-1)!.value }];
    });
    const began = judged.some(({ first, caseness }) => first >= caseness);
    const better = judged.some(({ first, last, reliable }) => first - last >= reliable);
    const worse = judged.some(({ first, last, reliable }) => last - first >= reliable);
    const recovered = judged.length === 2 && began && judged.every(({ last, caseness }) => last < caseness);
    add('talking-therapies-reliable-improvement', true, better && !worse);
    add('talking-therapies-reliable-deterioration', true, worse && !better);
    const isKnownToBeginBelow = judged.length > 0 && !began;
    add('talking-therapies-recovery', !isKnownToBeginBelow, recovered);
    add('talking-therapies-reliable-recovery', !isKnownToBeginBelow, recovered && better && !worse);
  }
  return counts;
}

t.test('rates of outcome are those that are counted by hand', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const people = Array.from({ length: 30 }, person);
  for (const [i, each] of people.entries()) t.equal((await fhir('POST', '', bundle(`m${i}`, each))).status, 200);
  const expected = counted(people);
  t.equal(expected.size, 15);
  for (const [measure, [numerator, denominator]] of expected) {
    t.ok(denominator >= 5, `${measure}: ${numerator} of ${denominator}`);
    const { body } = await fhir('GET', `Measure/${measure}/$evaluate-measure?periodStart=2025-01-01&periodEnd=2025-12-31`);
    const count = (code: string): number => body.group[0].population.find((each: any) => each.code.coding[0].code === code).count;
    t.same([count('numerator'), count('denominator') - count('denominator-exclusion')], [numerator, denominator], measure);
    t.ok(Math.abs(body.group[0].measureScore.value - numerator / denominator) < 1e-5, `${measure}: rate`);
  }
});
