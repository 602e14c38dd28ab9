import t from 'tap';
import { load, type Send } from '../../src/commands/demo/load.ts';
import { readBack } from '../../src/commands/demo/summary.ts';
import { courseOf, type Course } from '../../src/commands/demo/courses.ts';
import { alertClient, amendingClient } from '../../src/commands/demo/story.ts';
import { testService, type Client } from '../kit/service.ts';

const caseload = { clients: 10, now: '2026-06-29' };
const rules = { phq9: { form: 'phq-9', threshold: 6, clinical: 10 }, gad7: { form: 'gad-7', threshold: 4, clinical: 8 } } as const;
const day = 86_400_000;

interface Total { at: number; value: number }

/** The class of the latest total by the published rule, worked out here from the answers that were stored. */
async function expectedClass(client: Client, id: string, { form, threshold, clinical }: (typeof rules)[keyof typeof rules]): Promise<string> {
  const all = async (path: string): Promise<any[]> => ((await client('GET', path)).body.entry as { resource: any }[]).map(({ resource }) => resource);
  const firstSession = Math.min(...(await all(`Encounter?patient=Patient/${id}&_count=100`)).map(({ period }) => Date.parse(period.start)));
  const responses = (await all(`QuestionnaireResponse?patient=Patient/${id}&_count=100`)).filter(({ questionnaire }) => questionnaire.includes(`/${form}`));
  const scores: Record<string, number> = { 'LA6568-5': 0, 'LA6569-3': 1, 'LA6570-1': 2, 'LA6571-9': 3 };
  const totals = responses.map(({ authored, item }): Total => {
    const values = item.flatMap(({ answer: [{ valueCoding, valueInteger }] }: any) => valueInteger ?? scores[valueCoding.code] ?? []) as number[];
    const [sum, items] = [values.reduce((one, other) => one + other, 0), form === 'phq-9' ? 9 : 7];
    return { at: Date.parse(authored), value: Math.round((sum * items) / values.length) };
  }).toSorted((one, other) => one.at - other.at);
  const baseline = totals.findLast(({ at }) => at <= firstSession + 7 * day)!;
  const latest = totals.at(-1)!;
  const better = baseline.value - latest.value;
  const [wasClinical, isClinical] = [baseline.value >= clinical, latest.value >= clinical];
  if (better >= threshold) return wasClinical && !isClinical ? 'recovered' : 'improved';
  if (-better >= threshold) return !wasClinical && isClinical ? 'harmed' : 'deteriorated';
  return 'unchanged';
}

t.test('the demonstration is loaded through the API', async (t) => {
  const service = await testService(t);
  const client = service.as();
  const send: Send = (method, path, body) => client(method, path, body);
  const versions = (): Promise<unknown[]> => service.database.query('select type, id, version from resource where live order by type, id, version', []);

  await t.test('a run that is interrupted is finished by the next one', async (t) => {
    let left = 100;
    const breaking: Send = (method, path, body) => (method === 'POST' && left-- <= 0 ? Promise.reject(new Error('the line is cut')) : send(method, path, body));
    await t.rejects(load(breaking, caseload, () => {}), { message: 'the line is cut' });
    const rest = await load(send, caseload, () => {});
    t.equal(rest.transactions + 100, 1 + 1 + caseload.clients * 25, 'every step was sent once, the directory twice');
    t.equal(rest.caseload.get('Patient'), caseload.clients);
  });

  await t.test('what the caseload consists of is stored', async (t) => {
    const { caseload: counts } = await load(send, caseload, () => {});
    for (const [type, count] of counts) {
      const [stored] = await service.database.query<{ count: number }>('select count(*)::int as count from resource where live and type = $1 and id like \'demo-%\'', [type]);
      t.equal(stored?.count, count, type);
    }
  });

  await t.test('another run changes nothing', async (t) => {
    const before = await versions();
    const again = await load(send, caseload, () => {});
    t.equal(again.transactions, 1, 'only the directory is sent again');
    t.same(await versions(), before);
  });

  await t.test('the classes are those that the published rules give for the stored answers', async (t) => {
    const { classes } = await readBack(send, caseload);
    for (const instrument of ['phq9', 'gad7'] as const) {
      const expected = new Map<Course, Map<string, number>>();
      for (let number = 1; number <= caseload.clients; number++) {
        const course = courseOf(number), name = await expectedClass(client, `demo-client-${String(number).padStart(3, '0')}`, rules[instrument]);
        expected.set(course, (expected.get(course) ?? new Map()).set(name, (expected.get(course)?.get(name) ?? 0) + 1));
      }
      t.same(classes[instrument], expected, instrument);
    }
    const seen = new Set([...classes.phq9.values(), ...classes.gad7.values()].flatMap((counts) => [...counts.keys()]));
    t.match([...seen].toSorted(), ['deteriorated', 'harmed', 'improved', 'recovered', 'unchanged'], 'every class appears');
  });

  await t.test('exactly one response calls for a look', async (t) => {
    const computed = await readBack(send, caseload);
    t.same([computed.flags, computed.reviews], [1, 1]);
    const flags = (await client('GET', 'Flag?status=active')).body;
    t.equal(flags.entry.length, 1);
    t.equal(flags.entry[0].resource.subject.reference, `Patient/demo-client-00${alertClient}`);
    const tasks = (await client('GET', 'Task?code=safety-review')).body;
    t.equal(tasks.entry.length, 1);
    t.equal(tasks.entry[0].resource.owner.reference, `Practitioner/demo-therapist-${alertClient}`, 'it is the therapist\'s');
  });

  await t.test('every third client says how the sessions are: one drop that is repaired, one that is not', async (t) => {
    const states = async (number: number): Promise<unknown[]> => (await client('GET', `Patient/demo-client-00${number}/$progress`)).body.parameter
      .filter(({ name }: any) => name === 'alliance').flatMap(({ part }: any) => part).filter(({ name, part }: any) => name === 'event' && part.some((each: any) => each.name === 'drop' && (each.valueInteger ?? each.valueDecimal) >= 5))
      .map(({ part }: any) => part.find(({ name }: any) => name === 'state').valueCode);
    t.same([await states(1), await states(2), await states(4)], [['repaired'], [], ['unrepaired']]);
  });

  await t.test('an amended answer amends its score, a request is completed by the answer', async (t) => {
    const amended = (await client('GET', `QuestionnaireResponse?patient=Patient/demo-client-00${amendingClient}&status=amended`)).body.entry;
    t.equal(amended.length, 1);
    const { id } = amended[0].resource;
    const scores = (await client('GET', `Observation?derived-from=QuestionnaireResponse/${id}&code=44261-6`)).body.entry;
    const [earlier, later] = await Promise.all([1, 2].map(async (version) => (await client('GET', `Observation/${scores[0].resource.id}/_history/${version}`)).body));
    t.equal(later.valueInteger, earlier.valueInteger - 1);
    t.same([earlier.status, later.status], ['final', 'corrected']);
    const first = (await client('GET', 'Task/demo-client-001-request-first')).body;
    t.equal(first.status, 'completed');
    t.match(first.output[0].valueReference.reference, /^QuestionnaireResponse\/demo-client-001-phq-9-/);
    t.equal((await client('GET', 'Task/demo-client-001-request-follow-up')).body.status, 'requested');
  });
});
