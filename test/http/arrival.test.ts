import t from 'tap';
import { gad7Items, phq9, phq9Items, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

// The same record by several ways: whatever the order in which its resources come, are amended, withdrawn, deleted and come again,
// by one client or by several at once, the same is computed, and computing it anew finds nothing.

const base = 'https://intersession.example/fhir';
const loinc = 'http://loinc.org';

/** One write of one resource; without a body its deletion. */
interface Write { readonly type: string; readonly id: string; readonly body?: Readonly<Record<string, any>> }
/** All writes of one resource, in their order. */
type Life = readonly Write[];

/** Numbers that look random and are the same in every run (Numerical Recipes, "quick and dirty" generator). */
class Dice {
  #state: number;
  constructor(seed: number) { this.#state = seed; }
  next(): number {
    this.#state = (this.#state * 1664525 + 1013904223) % 4294967296;
    return this.#state / 4294967296;
  }
  below(n: number): number { return Math.floor(this.next() * n); }
  chance(p: number): boolean { return this.next() < p; }
  of<T>(list: readonly T[]): T { return list[this.below(list.length)]!; }
}

const at = (day: number, hour = 10): string => new Date(Date.UTC(2024, 0, 1 + day, hour)).toISOString();
const written = (type: string, id: string, body: object): Write => ({ type, id, body: { resourceType: type, ...body } });
const restricted = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } };

function course(dice: Dice): Life[] {
  const episode = (status: string, end?: string): Write => written('EpisodeOfCare', 'episode', { status, period: { start: at(0).slice(0, 10), ...(end === undefined ? {} : { end }) } });
  const lives: Life[] = [dice.chance(0.6) ? [episode('active'), episode('finished', at(90).slice(0, 10))] : [episode('active')]];
  if (dice.chance(0.5)) lives.push([written('EpisodeOfCare', 'second', { status: 'active', period: { start: at(110).slice(0, 10) } })]);
  for (let i = 0; i < 8; i++) {
    const session = (status: string): Write => written('Encounter', `session${i}`, { status, class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, period: { start: at(7 * i, 9), end: at(7 * i, 11) } });
    lives.push([...(dice.chance(0.5) ? [session('planned')] : []), session('finished'), ...(dice.chance(0.1) ? [session('entered-in-error')] : [])]);
  }
  const goal = (more: object): Write => written('Goal', 'goal', { lifecycleStatus: 'active', description: { text: 'Calmer' }, startDate: at(2).slice(0, 10), target: [{ measure: { coding: [{ system: loinc, code: '70274-6' }] }, detailQuantity: { value: 7, comparator: '<=' }, dueDate: at(80).slice(0, 10) }], ...more });
  lives.push([goal({}), goal({ note: [{ text: 'agreed' }] })]);
  for (let i = 0; i < 3; i++) {
    const task = (status: string): Write => written('Task', `homework${i}`, { status, intent: 'order', code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: 'mindfulness' }] }, authoredOn: at(5), lastModified: at(8 + 20 * i), restriction: { period: { end: at(10 + 20 * i).slice(0, 10) } } });
    lives.push([task('requested'), task('accepted'), task('completed')].slice(0, 1 + dice.below(3)));
  }
  return lives;
}

interface Form { readonly id: string; readonly count: number; readonly days: number; readonly answers: (dice: Dice) => readonly (readonly [linkId: string, answer: object])[] }

const numbers = (linkIds: readonly string[], highest: number, step = 1) => (dice: Dice): [string, object][] => linkIds.flatMap((linkId, i): [string, object][] =>
  (i === 7 && dice.chance(0.3) ? [] : [[linkId, step === 1 ? { valueInteger: linkId === 'core10-06' ? 0 : dice.below(highest + 1) } : { valueDecimal: dice.below(highest / step + 1) / Math.round(1 / step) }]]));
const totalling = (items: readonly string[], highest: number) => (dice: Dice): [string, object][] => {
  const scores = spread(dice.below(highest + 1), items.length);
  return items.map((code, i) => [`/${code}`, { valueInteger: scores[i] }]);
};

const forms: readonly Form[] = [
  { id: 'phq-9', count: 9, days: 140, answers: totalling(phq9Items, 24) },
  { id: 'gad-7', count: 9, days: 140, answers: totalling(gad7Items, 18) },
  { id: 'core-10', count: 5, days: 100, answers: numbers(Array.from({ length: 10 }, (_, i) => `core10-${String(i + 1).padStart(2, '0')}`), 4) },
  { id: 'ors', count: 5, days: 100, answers: numbers(['ors-1', 'ors-2', 'ors-3', 'ors-4'], 10, 0.1) },
  { id: 'bs-alliance', count: 6, days: 60, answers: numbers(['heard', 'topics', 'way', 'agree', 'trust', 'overall'], 10) },
  { id: 'bs-checkin', count: 8, days: 14, answers: numbers(['mood', 'stress', 'energy'], 10) },
];

function responses(dice: Dice): Life[] {
  return forms.flatMap(({ id: form, count, days, answers }) => Array.from({ length: count }, (_, i): Life => {
    const [id, authored] = [`${form}-${i}`, at(dice.below(days), dice.of([8, 12, 18]))];
    const labels = dice.chance(0.1) ? restricted : {};
    const encounter = form === 'bs-alliance' && dice.chance(0.7) ? { encounter: { reference: `Encounter/session${dice.below(8)}` } } : {};
    const write = (status: string, given = answers(dice)): Write =>
      written('QuestionnaireResponse', id, { ...labels, ...encounter, status, questionnaire: `${base}/Questionnaire/${form}`, authored, item: given.map(([linkId, answer]) => ({ linkId, answer: [answer] })) });
    const life = [...(dice.chance(0.2) ? [write('in-progress', answers(dice).slice(0, 2))] : []), write('completed'), ...(dice.chance(0.3) ? [write('amended')] : [])];
    const end = dice.below(10);
    if (end === 0) life.push(write('entered-in-error'));
    if (end === 1) life.push({ type: 'QuestionnaireResponse', id }, ...(dice.chance(0.5) ? [write('completed')] : []));
    return life;
  }));
}

function totals(dice: Dice): Life[] {
  return Array.from({ length: 4 }, (_, i): Life => {
    const effectiveDateTime = at(dice.below(140), 15);
    const write = (status: string, value: object): Write => written('Observation', `total${i}`, { status, code: { coding: [{ system: loinc, code: '44261-6' }] }, effectiveDateTime, ...value });
    return [
      write('final', { valueInteger: dice.below(28) }), ...(dice.chance(0.3) ? [write('amended', { valueQuantity: { value: dice.below(28) } })] : []),
      ...(dice.chance(0.2) ? [{ type: 'Observation', id: `total${i}` }] : dice.chance(0.2) ? [write('entered-in-error', { valueInteger: 3 })] : []),
    ];
  });
}

/** The writes of all lives, each life in its own order. */
function shuffled(lives: readonly Life[], dice: Dice): Write[] {
  const left = lives.map((life) => [...life]);
  const all: Write[] = [];
  while (left.some((life) => life.length > 0)) all.push(dice.of(left.filter((life) => life.length > 0)).shift()!);
  return all;
}

/** How the resources of a way are named: `way` before the id of each; `ids`: those that the service gave, by the name here. */
interface Way { readonly way: string; readonly ids: Map<string, string> }

/** The resource of a write as it is sent for the patient of this way; undefined for a deletion. */
function own({ way, ids }: Way, { type, id, body }: Write): Record<string, any> | undefined {
  const patient = { reference: `Patient/${way}patient` };
  const who = type === 'EpisodeOfCare' ? { patient } : type === 'Task' ? { for: patient, owner: patient } : { subject: patient };
  return body && { ...body, id: ids.get(id) ?? way + id, ...who, ...(body['encounter'] === undefined ? {} : { encounter: { reference: body['encounter'].reference.replace('/', `/${way}`) } }) };
}

async function sent(asked: () => Promise<Reply>, what: string): Promise<Reply> {
  for (let tries = 0; tries < 10; tries++) {
    const reply = await asked();
    if (reply.status < 300) return reply;
    if (![409, 412, 503].includes(reply.status)) throw new Error(`${what}: ${reply.status} ${reply.text.slice(0, 300)}`);
  }
  throw new Error(`${what} is not accepted`);
}

/** Sends a write as a PUT or a DELETE. */
async function put(fhir: Client, way: Way, write: Write): Promise<void> {
  const body = own(way, write);
  await sent(() => fhir(body === undefined ? 'DELETE' : 'PUT', `${write.type}/${way.ids.get(write.id) ?? way.way + write.id}`, body), write.id);
}

/** What nothing refers to gets its id from the service: it is posted, twice under one key, and changed by patches. */
async function post(fhir: Client, way: Way, write: Write, before: ReadonlyMap<string, Record<string, any>>): Promise<void> {
  const { type, id } = write;
  const [was, is] = [before.get(id), own(way, write)];
  if (is === undefined || type === 'Encounter' || type === 'EpisodeOfCare' || (was === undefined && way.ids.has(id))) {
    await put(fhir, way, write);
    return;
  }
  if (was === undefined) {
    const { id: _id, ...fresh } = is;
    const [first, again] = [await fhir('POST', type, fresh, { 'idempotency-key': `${way.way}${id}` }), await fhir('POST', type, fresh, { 'idempotency-key': `${way.way}${id}` })];
    if (first.status !== 201 || again.body.id !== first.body.id) throw new Error(`${id}: ${first.status} ${first.text.slice(0, 300)}`);
    way.ids.set(id, first.body.id);
    return;
  }
  const changed = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((key) => JSON.stringify(was[key]) !== JSON.stringify(is[key]));
  const operations = changed.map((key) => (is[key] === undefined ? { op: 'remove', path: `/${key}` } : { op: 'add', path: `/${key}`, value: is[key] }));
  await sent(() => fhir('PATCH', `${type}/${is['id']}`, operations, { 'content-type': 'application/json-patch+json' }), id);
}

const derived = /^Observation\/[0-9a-f]{8}-[0-9a-f-]{27}$/, uuid = /Observation\/([0-9a-f]{8}-[0-9a-f-]{27})/g, anyId = /[0-9a-f]{8}-[0-9a-f-]{27}/g;

/** What was computed and stands, in words that do not know ids, versions and how it came to be: by content, how often. */
async function computed(fhir: Client, { way, ids }: Way): Promise<Map<string, number>> {
  const all = async (query: string): Promise<any[]> => {
    const { body } = await fhir('GET', query);
    if (body.link.some(({ relation }: any) => relation === 'next')) throw new Error('more than one page');
    return (body.entry ?? []).map(({ resource }: any) => resource);
  };
  const given = new Map([...ids].map(([id, by]) => [by, id]));
  const plain = (text: string): string => text.replaceAll(way, '').replace(anyId, (by) => given.get(by) ?? by);
  const content = ({ id: _id, identifier: _identifier, issued: _issued, status: _status, meta, ...rest }: any): object => ({ ...rest, labels: (meta.security ?? []).map(({ code }: any) => code).sort() });
  const observations = (await all(`Observation?patient=${way}patient&_count=1000`)).filter(({ device }) => device !== undefined);
  const names = new Map(observations.map((each) => {
    const { derivedFrom = [], ...rest } = content(each) as any;
    return [each.id, plain(`${JSON.stringify(rest.code.coding)} ${rest.effectiveDateTime} ${derivedFrom.map(({ reference }: any) => plain(reference)).filter((reference: string) => !derived.test(reference)).join()}`)];
  }));
  const texts = observations.filter(({ status }) => status !== 'entered-in-error').map((each) => plain(JSON.stringify(content(each))).replace(uuid, (_, id) => names.get(id) ?? 'unknown'));
  for (const goal of await all(`Goal?patient=${way}patient`)) texts.push(plain(`${goal.id} ${JSON.stringify(goal.achievementStatus)}`));
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}

t.test('any order, any number of clients: the same is computed, and computing it anew finds nothing', async (t) => {
  const service = await testService(t, { env: { ADMIN_CLIENTS: 'development' } });
  const fhir = service.as();
  const ways: Readonly<Record<string, (lives: readonly Life[], dice: Dice, write: (each: Write) => Promise<void>, way: Way) => Promise<void>>> = {
    'each resource after the other': async (lives, _, write) => { for (const each of lives.flat()) await write(each); },
    'six clients at once, in any order': async (lives, dice, write) => {
      const queue = shuffled(lives, dice);
      const last = new Map<string, Promise<void>>();
      await Promise.all(Array.from({ length: 6 }, async () => {
        for (let each = queue.shift(); each !== undefined; each = queue.shift()) {
          const current = each;
          const done = (last.get(current.id) ?? Promise.resolve()).then(() => write(current));
          last.set(current.id, done);
          await done;
        }
      }));
    },
    'only how each ended, from the end': async (lives, _, write) => {
      // A Task may only take the steps there are.
      for (const life of lives.toReversed()) for (const each of life[0]!.type === 'Task' ? life : life.slice(-1)) if (each.body !== undefined) await write(each);
    },
    'posted, with ids of the service, and patched, in any order': async (lives, dice, _, way) => {
      const before = new Map<string, Record<string, any>>();
      for (const each of shuffled(lives, dice)) {
        await post(fhir, way, each, before);
        const now = own(way, each);
        if (now === undefined) before.delete(each.id);
        else before.set(each.id, now);
      }
    },
  };
  const dice = new Dice(442318054);
  const lives = [...course(dice), ...responses(dice), ...totals(dice)];
  let first: Map<string, number> | undefined;
  for (const [at, [name, go]] of Object.entries(ways).entries()) {
    const way: Way = { way: `way${at}-`, ids: new Map() };
    const patient = `Patient/${way.way}patient`;
    await fhir('PUT', patient, { resourceType: 'Patient', id: `${way.way}patient` });
    await go(lives, dice, (each) => put(fhir, way, each), way);
    const found = await computed(fhir, way);
    first ??= found;
    t.ok(found.size > 50, `${found.size} things are computed`);
    t.same(Object.fromEntries([...found].filter(([text, n]) => first!.get(text) !== n)), {}, `${name}: nothing more`);
    t.same(Object.fromEntries([...first].filter(([text, n]) => found.get(text) !== n)), {}, `${name}: nothing less`);
    const again = await fhir('POST', `${patient}/$recompute`, { resourceType: 'Parameters' });
    t.equal(again.body.parameter?.find(({ name: each }: any) => each === 'differences').valueInteger, 0, `${name}: ${again.text.slice(0, 600)}`);
  }
});

t.test('a history of answers in one transaction gives the same in any order, and nothing that is withdrawn from the start', async (t) => {
  const fhir = (await testService(t)).as();
  const ways = { oldest: (days: number[]) => days, newest: (days: number[]) => days.toReversed(), mixed: (days: number[]) => days.toSorted((a, b) => ((a * 7) % 23) - ((b * 7) % 23)) };
  const computedBy = new Map<string, unknown>();
  for (const [id, order] of Object.entries(ways)) {
    const responses = order(Array.from({ length: 30 }, (_, n) => n)).map((n) => ({
      request: { method: 'POST', url: 'QuestionnaireResponse' },
      resource: phq9(id, spread((n * 11) % 25), at(5 * n)),
    }));
    // A session among them moves the baseline of all that was computed before it.
    const session = { resourceType: 'Encounter', status: 'finished', class: { code: 'AMB' }, subject: { reference: `Patient/${id}` }, period: { start: at(8) } };
    const { status, text } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
      { request: { method: 'PUT', url: `Patient/${id}` }, resource: { resourceType: 'Patient', id } }, ...responses, { request: { method: 'POST', url: 'Encounter' }, resource: session },
    ] });
    t.equal(status, 200, text.slice(0, 300));
    const found = (await fhir('GET', `Observation?patient=${id}&_count=1000`)).body.entry.map(({ resource }: any) => resource);
    t.ok(found.length > 70, `${found.length} Observations`);
    t.same(found.filter((each: any) => each.status === 'entered-in-error'), [], `${id}: what was implied on the way only is not stored`);
    t.same(found.filter((each: any) => each.status !== 'final' || each.meta.versionId !== '1').map((each: any) => [each.id, each.status]), [], `${id}: nobody saw anything that it would correct`);
    computedBy.set(id, found.map((each: any) => [each.effectiveDateTime, each.code, each.status, each.valueInteger ?? each.valueQuantity ?? each.valueCodeableConcept, each.note?.map(({ text: words }: any) => words)]).map((each: unknown) => JSON.stringify(each)).sort());
  }
  t.same(computedBy.get('newest'), computedBy.get('oldest'));
  t.same(computedBy.get('mixed'), computedBy.get('oldest'));
});
