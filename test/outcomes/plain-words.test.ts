import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { explanation } from '../../src/outcomes/explanation.ts';
import { seriesOf } from '../../src/outcomes/baseline.ts';
import { courseOf } from '../../src/outcomes/course.ts';
import { instrumentPart } from '../../src/outcomes/progress-instrument.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { patientRecord } from '../../src/outcomes/record.ts';
import { counted, dayOf, limitOf, percent } from '../../src/outcomes/plain-words.ts';
import { progress } from '../../src/outcomes/progress.ts';
import { changeIndices } from '../../src/outcomes/change-index.ts';
import { base, phq9, registry, session, totalling, World } from '../kit/record.ts';
import { jargonWords, judgingWords, verdictWords } from './words.ts';

// Every computed Observation says in both sets of words what it is, and its arithmetic holds as it is written.

const date = (days: number): string => new Date(Date.UTC(2024, 10, 1) + days * 86_400_000).toISOString().slice(0, 10);
const answers = (id: string, form: string, days: number, given: Record<string, unknown>): Resource => ({
  resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: `${base}/Questionnaire/${form}`, authored: `${date(days)}T10:00:00Z`,
  item: Object.entries(given).map(([linkId, answer]) => ({ linkId, answer: [typeof answer === 'number' ? { valueDecimal: answer } : answer] })),
});
const every = (form: string, score: (at: number) => number): Record<string, number> =>
  Object.fromEntries(registry.byCanonical.get(`${base}/Questionnaire/${form}`)!.definition.items.map(({ linkId }, at) => [linkId, score(at)]));
const weekly = (...totals: number[]) => (world: World): void => {
  for (const [i, total] of totals.entries()) {
    world.write(session(`e${i}`, `${date(7 * i)}T09:00:00Z`));
    world.write(phq9(`q${i}`, `${date(7 * i)}T10:00:00Z`, totalling(total, total > 24 ? total - 24 : 0)));
  }
};
const notApplicable = { valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'not-applicable' } };

const stories: Record<string, (world: World) => void> = {
  'every class': weekly(18, 16, 9, 14),
  'a step to the clinical side': weekly(5, 12, 20, 22),
  'crossed by less than the threshold': weekly(12, 9, 9),
  'a setback that is resolved': weekly(18, 8, 14, 15, 10),
  'a setback that is open': weekly(18, 8, 14),
  'remission that lasts': weekly(18, 4, 3, 2),
  'sudden gain, undone': weekly(18, 19, 18, 9, 8, 9, 15),
  'sudden loss': weekly(8, 8, 8, 17, 18, 17),
  'late and no nearer': weekly(18, 18, 18, 18, 18, 17, 17, 25, 26),
  'after the end': (world) => {
    world.write({ resourceType: 'EpisodeOfCare', id: 'ep', status: 'finished', period: { start: date(0), end: date(28) } });
    weekly(18, 12, 8, 6, 5)(world);
    world.write(phq9('f1', `${date(60)}T10:00:00Z`, totalling(10)));
    world.write(phq9('f2', `${date(90)}T10:00:00Z`, totalling(16)));
  },
  'prorated, too few, and an answer that is looked at': (world) => {
    world.write(phq9('q0', `${date(0)}T10:00:00Z`, [2, 2, null, 2, 2, 2, 2, 2, 1]));
    world.write(phq9('q1', `${date(7)}T10:00:00Z`, [2, 2, null, null, null, 2, 2, 2, 0]));
    world.write(phq9('q2', `${date(14)}T10:00:00Z`, [1, 1, 1, 1, 1, 1, 1, 1, 0]));
  },
  'higher is better': (world) => { for (const [i, score] of [1, 3, 5].entries()) world.write(answers(`w${i}`, 'who-5', 14 * i, every('who-5', () => score))); },
  'an item that does not apply': (world) => {
    world.write(answers('w0', 'wsas', 0, { ...every('wsas', () => 6), 'wsas-1': notApplicable }));
    world.write(answers('w1', 'wsas', 14, every('wsas', () => 3)));
  },
  'goals': (world) => {
    for (const [i, levels] of [[-2, -1], [1, 0]].entries()) world.write(answers(`g${i}`, 'gas', 14 * i, { 'gas-level-1': levels[0], 'gas-level-2': levels[1], 'gas-weight-1': 2, 'gas-weight-2': 1 }));
    for (const [i, ratings] of [[2, 4], [8, 4, 5]].entries()) world.write(answers(`r${i}`, 'goal-rating', 14 * i, Object.fromEntries(ratings.map((each, at) => [`goal-${at + 1}`, each]))));
  },
  'working together': (world) => {
    for (const [i, total] of [48, 50, 46, 48, 44, 40, 41, 42, 47, 42].entries()) world.write(answers(`a${i}`, 'bs-alliance', 7 * i, every('bs-alliance', (at) => Math.floor((total + at) / 6))));
    world.write(answers('s', 'srs', 0, every('srs', (at) => [9.5, 8, 8.5, 9][at]!)));
  },
  'other formulas': (world) => {
    for (const form of ['core-10', 'pcl-5', 'pss-10', 'dass-21', 'wai-sr', 'swemwbs', 'isi']) for (const [i, score] of [3, 1].entries()) world.write(answers(`${form}-${i}`, form, 14 * i, every(form, () => score)));
    world.write(answers('c', 'bs-checkin', 0, { mood: 4, stress: 6 }));
  },
};

const total = (id: string, code: string, days: number, value: object): Resource => ({
  resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: `${base}/CodeSystem/instrument`, code }] }, subject: { reference: 'Patient/p' }, effectiveDateTime: `${date(days)}T10:00:00Z`, ...value,
});
stories['totals of other systems'] = (world) => {
  for (const [i, value] of ['18', '19', '18', '9', '8', '9', '16'].entries()) world.write(total(`o${i}`, 'phq-9', 7 * i, { valueString: value }));
  for (const [i, value] of [6, 13].entries()) world.write(total(`w${i}`, 'who-5.raw', 14 * i, { valueInteger: value }));
};

interface Told { readonly name: string; readonly valueString?: string; readonly part?: readonly Told[] }

/** Works out every equation `left = number` in a text, and the right side where it is one as well. */
function equations(text: string): { readonly said: string; readonly off: number }[] {
  return text.split('; ').flatMap((step) => {
    const sides = step.split(' = ');
    return sides.slice(0, -1).flatMap((_, i) => {
      const [left, right] = [expression(sides[i]!, 'end'), expression(sides[i + 1]!, 'start')];
      return left === undefined || right === undefined || !/[-+×/√²]|ln/.test(left.replace(/^-/, '')) ? [] : [{ said: step, off: Math.abs(work(left) - work(right)) / Math.max(1, Math.abs(work(right))) }];
    });
  });
}
const expression = (side: string, at: 'start' | 'end'): string | undefined => (at === 'end' ? /(?:^|[:,] |\(?is )?((?:-?[\d.]+|[-+×/²() √]|ln)+)$/ : /^((?:-?[\d.]+|[-+×/²() √]|ln)+?)(?=$|[,:]| [a-zS(])/).exec(side)?.[1]?.trim();

/** The value of an expression of sums, products, squares, roots and logarithms. */
function work(text: string): number {
  const tokens = text.match(/[\d.]+|ln|[-+×/²()√]/g) ?? [];
  let at = 0;
  const factor = (): number => {
    const token = tokens[at++]!;
    const value = token === '-' ? -factor() : token === '√' ? Math.sqrt(factor()) : token === 'ln' ? Math.log(factor()) : token === '(' ? inBrackets() : Number(token);
    return tokens[at] === '²' ? (at++, value ** 2) : value;
  };
  const inBrackets = (): number => {
    const value = sum();
    at++;
    return value;
  };
  const product = (): number => {
    let value = factor();
    while (tokens[at] === '×' || tokens[at] === '/') value = tokens[at++] === '×' ? value * factor() : value / factor();
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[at] === '+' || tokens[at] === '-') value += tokens[at++] === '+' ? product() : -product();
    return value;
  };
  return sum();
}

const unresolved = /undefined|NaN|null|\[object|\$\{|\bvalue[A-Z]|QuestionnaireResponse|linkId/;
const number = /\b1 (?:items|points|days|goals|ratings|sessions)\b(?! or more)/;

for (const [name, tell] of Object.entries(stories)) {
  t.test(`${name}: in both sets of words, with arithmetic that holds`, async (t) => {
    const world = new World();
    world.now = '2025-03-01T12:00:00Z';
    tell(world);
    const inputs = new Map(world.resources);
    const computed = world.all('Observation', ({ method }) => method !== undefined);
    t.ok(computed.length > 0);
    for (const observation of computed) {
      const told = (reader: 'client' | 'clinician'): readonly Told[] => (explanation(observation, { registry, inputs, forms: new Map(), reader })['parameter'] as Told[]);
      const of = (parts: readonly Told[], part: string): string[] => parts.filter((each) => each.name === part).map(({ valueString = '' }) => valueString);
      const own = String((observation.code as { text?: string }).text);
      const [clinician, client, formula] = [of(told('clinician'), 'text'), of(told('client'), 'text-for-client'), of(told('clinician'), 'formula-with-numbers')];
      t.equal(clinician.length, 1, `${own}: words for clinicians`);
      t.equal(client.length, 1, `${own}: words for clients`);
      for (const each of [...clinician, ...client, ...formula]) t.notMatch(each, new RegExp(`${unresolved.source}|${number.source}`));
      t.notMatch(clinician[0]!, verdictWords);
      t.notMatch(clinician[0]!, /[<>]=?|\b[a-z]+-\d+\b/, 'no operators and no ids');
      t.notMatch(client[0]!, judgingWords);
      t.notMatch(client[0]!, jargonWords);
      t.notMatch(client[0]!, /\d{4}-\d\d-\d\d/, 'a date as people write it');
      for (const [reader, words] of [['clinician', verdictWords], ['client', new RegExp(`${judgingWords.source}|${jargonWords.source}`, 'i')]] as const) {
        const lines = told(reader).find(({ name: part }) => part === 'reading')!.part!.flatMap(({ part }) => part!.map(({ valueString = '' }) => valueString));
        t.ok(lines.length > 4, `${own}: a reading for a ${reader}`);
        t.same(lines.filter((line) => words.test(line) || new RegExp(`${unresolved.source}|${number.source}|an unknown date|version \\?`).test(line)), []);
      }
      if ((observation.code as { coding: { code: string }[] }).coding[0]!.code !== 'alliance-low') t.equal(formula.length, 1, `${own}: numbers filled in`);
      for (const { said, off } of formula.flatMap(equations)) t.ok(off < 2e-3, `${said} (${off})`);
    }
  });
}

/** Names, codes and words of an answer, without references, addresses and times, and without what a form is called and which way its axis points. */
const saidIn = (parts: readonly Told[]): string[] => parts.filter((each) => each.name !== 'direction' && !(each.name === 'code' && 'valueCodeableConcept' in each)).flatMap((each) => [
  each.name, ...Object.entries(each).flatMap(([key, found]) => (/^value(?:String|Code|CodeableConcept|Coding)$/.test(key) ? JSON.stringify(found).replaceAll(/"(?:system|version)":"[^"]*"/g, '') : [])), ...saidIn(each.part ?? []),
]);

t.test('nothing in a client\'s $progress judges, not even a code or a name', async (t) => {
  for (const [name, tell] of Object.entries(stories)) {
    const world = new World();
    world.now = '2025-03-01T12:00:00Z';
    tell(world);
    const context = { registry, now: world.now, patient: 'Patient/p', goals: world.all('Goal'), tasks: world.all('Task'), alerts: [...world.all('Flag'), ...world.all('Task')], indices: changeIndices };
    const said = saidIn((progress(world.record, { ...context, reader: 'client' })['parameter'] as Told[]));
    t.ok(said.length > 20, name);
    t.same(said.filter((each) => judgingWords.test(each)), [], name);
    t.ok(saidIn(progress(world.record, { ...context, reader: 'any' })['parameter'] as Told[]).length > said.length, 'which a clinician has beside them');
  }
});

t.test('a reading names what was turned round and left open, the band, and where each rule is from and how sure it is', async (t) => {
  const world = new World();
  const { 'core10-09': _open, ...others } = every('core-10', () => 1);
  world.write(answers('c', 'core-10', 0, { ...others, 'core10-06': 0 }));
  world.write(answers('w', 'swemwbs', 0, every('swemwbs', () => 3)));
  for (const [i, value] of [6, 13].entries()) world.write(total(`w${i}`, 'who-5.raw', 14 * i, { valueInteger: value }));
  world.write(phq9('q', `${date(0)}T10:00:00Z`, totalling(10, 2)));
  const reading = (code: string, reader: 'client' | 'clinician'): string[] => {
    const found = world.all('Observation', (each) => (each.method !== undefined && (each.code as { coding: { code: string }[] }).coding.some((coding) => coding.code === code))).at(-1)!;
    const told = explanation(found, { registry, inputs: new Map(world.resources), forms: new Map(), reader })['parameter'] as Told[];
    return told.find(({ name }) => name === 'reading')!.part!.flatMap(({ part }) => part!.filter(({ name }) => name === 'line').map(({ valueString = '' }) => valueString));
  };
  t.match(reading('core-10', 'clinician'), [
    /^CORE-10 of/, 'item 2 runs the other way: 0 + 4 - 1 = 3', 'item 3 runs the other way: 0 + 4 - 1 = 3', '1 + 3 + 3 + 1 + 1 + 0 + 1 + 1 + 1 = 12', 'left open: item 9', '12 × 10 / 9 = 13.3333, rounded to one decimal: 13.3',
    /^Band 11 to 14, "Mild"\. Source: .*secondary source/, /^On the clinical side: 11 or more\. Source: /, /^A score sums up.*Nor is the side of a cut-off a finding/, /^Scoring of CORE-10, .*CamCOPS.*\(checked in its source\)/, /^Missing items: .*recalled/,
  ]);
  t.match(reading('core-10', 'client').join(' '), /left open: question 9 .* This rule still has to be checked in its source\./, 'how sure the weakest part of the rule is');
  world.write(phq9('few', `${date(3)}T10:00:00Z`, [1, 1, 1, 1, 1, 1, null, null, null]));
  t.match(reading('44261-6', 'clinician'), [/^PHQ-9 of 4 November/, /no total$/, 'left open: items 7, 8 and 9', /^A score sums up/, /^Scoring of PHQ-9/, /^Missing items: .*NHS Data Dictionary.*secondary source/], 'no limits of a total that there is not');
  world.write(answers('k', 'k10-0-4', 0, every('k10', () => 2)));
  world.write(answers('oq', 'oq-45', 0, { 'oq45-total': 82 }));
  world.write(answers('e', 'bs-experiment-outcome', 0, { 'belief-strength-before': 80, 'belief-strength-after': 45 }));
  t.match(reading('k10', 'clinician'), [/^K10 of/, 'on this form the numbers are others: each counts 1 more', /^(?:3 \+ )+3 = 30$/]);
  t.match(reading('oq-45', 'clinician')[1], 'the total was entered as such: 82');
  world.write(answers('au', 'audit', 0, { '/68518-0': 2, '/68519-8': 0, '/68520-6': 0, '/97739-7': 0, '/97740-5': 2 }));
  world.write(answers('ac', 'audit-c', 0, { '/68518-0': 2, '/68519-8': 1, '/68520-6': 0 }));
  t.match(reading('audit', 'clinician'), [/^AUDIT of/, 'left out by the form after the answers before, and counted 0: items 4, 5, 6, 7 and 8', '2 + 0 + 0 + 0 + 0 + 0 + 0 + 0 + 0 + 2 = 4'], 'what was not asked is not said to be answered');
  const said = (id: string): string[] => world.all('Observation', ({ derivedFrom }) => JSON.stringify(derivedFrom ?? []).includes(`/${id}"`)).map(({ note }) => (note as { text: string }[])[0]!.text);
  t.match(said('au'), [/ 5 of 10 items are answered; after these answers the form leaves out the other 5, which count 0 \(checked in its source\)\. /]);
  t.match(said('ac'), [/ All 3 items are answered\. /]);
  world.write(answers('pcl', 'pcl-5', 0, every('pcl-5', (at) => (at < 7 ? 2 : 0))));
  t.match(reading('pcl-5.pattern', 'clinician'), [/^PCL-5 of/, 'cluster B: 5 of 5 items at 2 or more, 1 needed', 'cluster C: 2 of 2 items at 2 or more, 1 needed', 'cluster D: 0 of 7 items at 2 or more, 2 needed', 'cluster E: 0 of 6 items at 2 or more, 2 needed', 'not all criteria are met: 0'], 'which cluster is which');
  const notes = (world.all('Observation', ({ code }) => JSON.stringify(code).includes('belief-change'))[0]!.note as { text: string }[]).map(({ text }) => text);
  t.match(notes, [/: -35 on a scale .* Both items are answered\./, /^Belief after and before the experiment, 1 November 2024: 35 points lower\./]);
  t.match(reading('swemwbs', 'clinician').join(' '), /conversion table recalled.*to be checked before use/);
  t.match(reading('change-from-baseline', 'clinician'), [/^WHO-5 percentage score, 1 November 2024: 24 of 100, sent as 6, imported/, /^WHO-5 percentage score, 15 November 2024: 52 of 100, sent as 13, imported/, 'current - baseline: 52 - 24 = 28'], 'in time order, as they count');
  t.match(reading('change-from-baseline', 'clinician').join(' '), /Rule: Change from baseline, the current score less the one at baseline \(set by this service.*Rule: Class of change since baseline, version \d\. Source: Jacobson/);
  t.match(reading('change-from-baseline', 'clinician').join('\n'), /\nScore at baseline, by the present rule \(version \d\): last valid total from 14 days before to 7 days after the first session; without one, .* Source: this service \(set by this service/, 'why it is that score that the others are compared with');
  t.match(reading('44260-8', 'clinician'), [/^PHQ-9 of/, /^the answer/, /no assessment of risk/], 'an answer is no score: without band and cut-off');
  t.match(reading('44260-8', 'client').join(' '), /One answer does not say everything/);
});

t.test('each input is called what it is, out of what it could have been: beside scores stand check-ins, and forms of which a question did not apply', async (t) => {
  const restsOn = (tell: (world: World) => void, code: string, reader: 'client' | 'clinician'): string[] => {
    const world = new World();
    world.now = '2025-03-01T12:00:00Z';
    tell(world);
    const observation = world.all('Observation', ({ method, code: own }) => method !== undefined && JSON.stringify(own).includes(`"${code}"`)).at(-1)!;
    const told = explanation(observation, { registry, inputs: new Map(world.resources), forms: new Map(), reader })['parameter'] as Told[];
    return told.find(({ name }) => name === 'reading')!.part![0]!.part!.slice(1).map(({ valueString = '' }) => valueString);
  };
  const roughWeek = (world: World): void => {
    for (const [i, total] of [18, 8, 15].entries()) world.write(phq9(`q${i}`, `${date(21 * i)}T10:00:00Z`, totalling(total)));
    for (let day = 10; day < 20; day += 1) world.write(answers(`u${day}`, 'bs-checkin', day, { mood: 6 + (day % 2) }));
    for (let day = 43; day < 48; day += 1) world.write(answers(`w${day}`, 'bs-checkin', day, { mood: 2 }));
  };
  t.match(restsOn(roughWeek, 'setback', 'client'), [/^Mood, 11 November 2024: 6 of 10\b/]);
  t.equal(restsOn(roughWeek, 'setback', 'client').filter((line) => line.startsWith('PHQ-9,')).length, 2, 'the best score and the one that was worse');
  t.match(restsOn(roughWeek, 'setback', 'clinician'), [/^Mood, 0 to 10, 11 November 2024: 6 of 10\b/]);
  t.match(restsOn(stories['an item that does not apply']!, 'change-from-baseline', 'clinician'), [/^WSAS total score, 1 November 2024: 24 of 32, 4 of 4 items/, /^WSAS total score, 15 November 2024: 15 of 40, 5 of 5 items/]);
});

t.test('$progress says nothing where nothing is defined, and says each thing once', async (t) => {
  const world = new World();
  stories['working together']!(world);
  stories['goals']!(world);
  for (const day of [0, 1, 2, 3, 4, 5, 6]) world.write(answers(`m${day}`, 'bs-checkin', day, { mood: 5 }));
  const record = patientRecord(world.all('QuestionnaireResponse').flatMap((each) => recordEntries(each, { registry })));
  const part = (key: string): Told => {
    const scale = registry.scales.get(key)!;
    return instrumentPart(scale, courseOf(record, scale, seriesOf(record, key)[0]!), { benchmark: null }) as Told;
  };
  const text = (told: Told | undefined, name = 'text'): string | undefined => told?.part?.find((each) => each.name === 'explanation')?.part?.find((each) => each.name === name)?.valueString;
  const of = (key: string, name: string): Told | undefined => part(key).part!.find((each) => each.name === name);
  t.equal(of('bs-alliance', 'response'), undefined, 'no share, no remission, no minimal important change');
  t.equal(text(of('bs-alliance', 'change'))!.match(/threshold of reliable change/g)?.length, 2, 'that there is none, and what it takes');
  t.match(text(of('goal-rating', 'change')), /: 3 at baseline .* the two means may rest on different ones\. It does not say/);
  t.match(text(of('goal-rating', 'score')), /It is the mean of 2 of 3 items/);
  t.match(text(of('bs-checkin.mood', 'momentary')), /^Mood, 0 to 10, over 7 ratings in 14 days: mean 5, .*\(SD\) 0, .*\(.*RMSSD\) 0, no inertia \(all ratings are equal/);
  t.match(text(of('bs-checkin.mood', 'momentary'), 'text-for-client'), /^Mood: over 7 ratings in two weeks yours were 5 on average/);
});

t.test('T scores over different goals say so', async (t) => {
  const world = new World();
  for (const [i, levels] of [[-1, -1], [1, 1, 0], [1, 0]].entries()) world.write(answers(`g${i}`, 'gas', 14 * i, Object.fromEntries(levels.map((level, at) => [`gas-level-${at + 1}`, level]))));
  const said = (id: string): string => (world.observation('change-from-baseline', id, 'gas')!['note'] as { text: string }[])[0]!.text;
  t.match(said('g1'), / 2 goals were scored at baseline and 3 now: the two rest on different goals\. It does not say/);
  t.notMatch(said('g2'), /different goals/);
});

t.test('sentences fit their numbers: one date, no step, a line that leaves the scale, a score that rose', async (t) => {
  const told = (totals: readonly number[], end?: number): Told[] => {
    const world = new World();
    if (end !== undefined) world.write({ resourceType: 'EpisodeOfCare', id: 'ep', status: 'finished', period: { start: date(0), end: date(end) } });
    for (const [i, score] of totals.entries()) {
      world.write(session(`e${i}`, `${date(14 * i)}T09:00:00Z`));
      world.write(phq9(`q${i}`, `${date(14 * i)}T10:00:00Z`, totalling(score)));
    }
    const record = patientRecord([...world.all('QuestionnaireResponse'), ...world.all('Encounter'), ...world.all('EpisodeOfCare')].flatMap((each) => recordEntries(each, { registry })));
    const scale = registry.scales.get('phq-9')!;
    return (instrumentPart(scale, courseOf(record, scale, seriesOf(record, 'phq-9')[0]!), { benchmark: null }) as Told).part as Told[];
  };
  const text = (parts: readonly Told[], name: string, words = 'text'): string | undefined => parts.findLast((each) => each.name === name)?.part?.find((each) => each.name === 'explanation')?.part?.find((each) => each.name === words)?.valueString;
  t.match(text(told([18, 12, 4], 30), 'event'), /was in the remission range on 29 November 2024: the last score of a finished episode\./);
  t.match(text(told([12, 12]), 'change', 'text-for-client'), /That is the same\. .* There is no step since the start\./);
  t.match(text(told([24, 10, 1, 0]), 'trend'), /the line is at 0, the end of the scale, at session 5/);
  t.match(text(told([5, 8, 14]), 'response', 'text-for-client'), /^Your latest score is 14; it was 5 at the start\.$/, 'no share of a small number');
  t.match(text(told([16, 18, 24]), 'response'), /^50 % above baseline \(16 to 24\)\. No response\. Outside the remission range\. Not better by the minimal important difference\.$/, 'a large step for the worse is not called a small one');
  t.match(text(told([12, 10, 9]), 'signal'), /^9 at session 3, 12 at baseline: on track: on the functional side\./);
  t.match(text(told([20, 15, 13]), 'signal'), /: on track: reliably better than at baseline\./);
});

t.test('the equations that are worked out are found', async (t) => {
  t.ok(equations('3 + 3 = 6; 14 × 9 / 8 = 15.75, rounded half up to 16').every(({ off }) => off < 1e-9));
  t.equal(equations('3 + 3 = 6; 14 × 9 / 8 = 15.75, rounded half up to 16').length, 2);
  t.ok(equations('3 + 3 = 7')[0]!.off > 0.1);
  t.ok(equations('√(0.7 × 5 + 0.3 × 9) = 2.49')[0]!.off < 1e-3);
});

t.test('numbers, dates and limits in words', async (t) => {
  t.same([counted(1, 'item'), counted(2, 'item'), counted(0, 'goal is', 'goals are')], ['1 item', '2 items', '0 goals are']);
  t.same([dayOf('2024-11-01'), dayOf('2024-11-01T23:00:00+01:00'), dayOf('2024-11'), dayOf('2024'), dayOf('')], ['1 November 2024', '1 November 2024', 'November 2024', '2024', '']);
  t.same((['>=', '>', '<=', '<'] as const).map((op) => limitOf({ op, value: 9 })), ['9 or more', 'more than 9', '9 or less', 'less than 9']);
  t.same([0.5, 9 / 17, 0.49999, 0.2499, -0.25, 2 / 3].map(percent), ['50', '52.9', '49.9', '24.9', '25', '66.7'], 'what is below a half never reads as a half');
});
