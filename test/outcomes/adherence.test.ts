import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { adherence } from '../../src/outcomes/adherence.ts';
import { dateOf, endOf, endOfDay, isTimeZone, localDate } from '../../src/outcomes/local-time.ts';
import { base } from '../kit/record.ts';

const parameter = (code: string, value: object): object => ({ type: { coding: [{ system: `${base}/CodeSystem/task-input`, code }] }, ...value });
const homework = (status: string, more: object = {}): Resource => ({
  resourceType: 'Task', id: 'h', intent: 'plan', status, code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: 'mindfulness' }] }, ...more,
});
const due = (end: string, start?: string): object => ({ restriction: { period: { ...(start === undefined ? {} : { start }), end } } });
const now = '2024-06-01T00:00:00Z';

t.test('a due date is over when its day is over where the client lives', async (t) => {
  t.equal(new Date(endOfDay('2024-03-30', 'Europe/Berlin')).toISOString(), '2024-03-30T23:00:00.000Z');
  t.equal(new Date(endOfDay('2024-03-31', 'Europe/Berlin')).toISOString(), '2024-03-31T22:00:00.000Z', 'the day has 23 hours');
  t.equal(new Date(endOfDay('2024-10-27', 'Europe/Berlin')).toISOString(), '2024-10-27T23:00:00.000Z', 'the day has 25 hours');
  t.equal(new Date(endOfDay('2024-01-10', 'Pacific/Auckland')).toISOString(), '2024-01-10T11:00:00.000Z');
  t.equal(new Date(endOfDay('2024-01-10', 'America/Los_Angeles')).toISOString(), '2024-01-11T08:00:00.000Z');
  t.equal(localDate(Date.parse('2024-01-10T23:30:00Z'), 'Europe/Berlin'), '2024-01-11');
  t.equal(dateOf('2024-01-10T23:30:00-08:00', 'Europe/Berlin'), '2024-01-10', 'the author\'s own clock');
  t.equal(dateOf('2024-01-10T23:30:00Z', 'Europe/Berlin'), '2024-01-11');
  t.equal(endOf('2024-01-10T12:00:00+01:00', 'UTC'), Date.parse('2024-01-10T11:00:00Z'));
  t.equal(endOf(undefined, 'UTC'), null);
  t.ok(isTimeZone('Asia/Kolkata'));
  t.notOk(isTimeZone('Mars/Olympus'));
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland', 'Australia/Lord_Howe', 'Africa/Cairo'];
  fc.assert(fc.property(fc.date({ min: new Date('2000-01-01'), max: new Date('2040-01-01'), noInvalidDate: true }), fc.constantFrom(...zones), (date, zone) => {
    const text = date.toISOString().slice(0, 10);
    const end = endOfDay(text, zone);
    return localDate(end - 1, zone) === text && localDate(end, zone) !== text;
  }));
});

t.test('homework that is due today is not counted before the day is over there', async (t) => {
  const tasks = [homework('accepted', due('2024-05-31'))];
  t.equal(adherence(tasks, '2024-05-31T20:00:00Z').eligible.length, 0);
  t.equal(adherence(tasks, '2024-06-01T00:00:00Z').eligible.length, 1);
  t.equal(adherence(tasks, '2024-06-01T00:00:00Z', { zone: 'America/Los_Angeles' }).eligible.length, 0);
  t.equal(adherence(tasks, '2024-05-31T13:00:00Z', { zone: 'Pacific/Auckland' }).eligible.length, 1);
});

t.test('what is to be done daily counts by local days, other practice by times, each at most in full', async (t) => {
  const outputs = (n: number): object => ({ output: Array.from({ length: n }, (_, at) => parameter('response', { valueReference: { reference: `QuestionnaireResponse/r${at}` } })) });
  const expected = (n: number): object => ({ input: [parameter('expected-occurrences', { valueInteger: n })] });
  const daily = homework('in-progress', { ...due('2024-05-07', '2024-05-01'), ...expected(7), ...outputs(4) });
  const written = new Map([['QuestionnaireResponse/r0', '2024-05-01T08:00:00Z'], ['QuestionnaireResponse/r1', '2024-05-01T20:00:00Z'], ['QuestionnaireResponse/r2', '2024-05-02T22:30:00Z'], ['QuestionnaireResponse/r3', '2024-05-03T08:00:00+02:00']]);
  t.equal(adherence([daily], now, { written })?.quantity, 3 / 7, 'three days');
  t.equal(adherence([daily], now, { written, zone: 'Europe/Berlin' })?.quantity, 2 / 7, 'half past ten in the evening is the next day there');
  t.equal(adherence([daily], now)?.quantity, 4 / 7, 'where it is not known when, each counts');
  const times = homework('in-progress', { ...due('2024-05-07', '2024-05-01'), ...expected(2), ...outputs(4) });
  t.equal(adherence([times], now, { written })?.quantity, 1);
  t.equal(adherence([homework('failed', { ...due('2024-05-07'), ...outputs(1) })], now)?.quantity, 0, 'nothing was agreed to count against');
  t.equal(adherence([homework('failed', { ...due('2024-05-07'), restriction: { repetitions: 4, period: { end: '2024-05-07' } }, ...outputs(1) })], now)?.quantity, 0.25);
});

t.test('quality is by both raters where both rated, over what was done at all; review over what is completed', async (t) => {
  const rated = (status: string, ...output: object[]): Resource => homework(status, { ...due('2024-05-07'), output });
  const client = (value: number): object => parameter('quality-client', { valueInteger: value });
  const therapist = (value: number): object => parameter('quality-therapist', { valueInteger: value });
  const tasks = [
    rated('completed', client(4), therapist(2), parameter('reviewed-in', { valueReference: { reference: 'Encounter/e' } })),
    rated('completed', client(1)), rated('completed'), rated('failed', client(4)),
    rated('in-progress', parameter('completion-fraction', { valueDecimal: 0.5 }), therapist(3)),
  ];
  const found = adherence(tasks, now);
  t.equal(found.quality, (0.75 + 0.25 + 0.75) / 3);
  t.same(found.qualityBy, { client: (1 + 0.25) / 2, therapist: (0.5 + 0.75) / 2 });
  t.equal(found.reviewRate, 1 / 3);
  t.match(adherence([], now), { quality: null, qualityBy: { client: null, therapist: null }, reviewRate: null });
});
