import fc from 'fast-check';
import t, { type Test } from 'tap';
import { fulfils, parseCriterion } from '../../src/fhir/criteria.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

t.setTimeout(180_000); // a busy machine

// Granular scopes: what their criterion leaves of each interaction. Beside every refusal the same request about what is left.

const categories = 'http://terminology.hl7.org/CodeSystem/observation-category';
const ref = (reference: string): object => ({ reference });
const observation = (id: string, category: string, more: object = {}): any => ({
  resourceType: 'Observation', id, status: 'final', category: [{ coding: [{ system: categories, code: category }] }], code: { coding: [{ system: 'urn:test', code: 'mood' }] },
  subject: ref('Patient/ann'), performer: [ref('Patient/ann')], effectiveDateTime: '2026-01-05', valueQuantity: { value: 7 }, ...more,
});
const ids = (reply: Reply): string[] => (reply.body?.entry ?? []).flatMap(({ resource }: any) => (resource === undefined ? [] : [resource.id as string])).toSorted((a: string, b: string) => a.localeCompare(b));
const survey = `category=${categories}|survey`;
const encoded = `category=${encodeURIComponent(`${categories}|survey`)}`;

async function world(t: Test): Promise<{ system: Client; as: (scopes: string) => Client }> {
  const service = await testService(t);
  const system = service.as();
  const put = async (...list: any[]): Promise<void> => {
    for (const resource of list) {
      const { status, text } = await system('PUT', `${resource.resourceType}/${resource.id}`, resource);
      if (status > 201) throw new Error(text);
    }
  };
  await put({ resourceType: 'Patient', id: 'ann', name: [{ family: 'Annwood' }] },
    observation('in', 'survey'), observation('out', 'vital-signs', { valueQuantity: { value: 99 }, hasMember: [ref('Observation/in')] }), observation('in-2', 'survey', { derivedFrom: [ref('Observation/out')] }),
    // moved in and moved out: each version counts by its own content
    observation('joined', 'vital-signs'), observation('joined', 'survey'), observation('left', 'survey'), observation('left', 'vital-signs'),
    observation('deleted-in', 'survey'), observation('deleted-out', 'vital-signs'),
    { resourceType: 'Provenance', id: 'p-out', target: [ref('Observation/out')], recorded: '2026-01-05T10:00:00Z', agent: [{ who: ref('Patient/ann') }] });
  for (const id of ['deleted-in', 'deleted-out']) await system('DELETE', `Observation/${id}`);
  return { system, as: (scopes) => service.as({ scopes, ...(scopes.includes('patient/') ? { patient: 'ann' } : {}) }) };
}

t.test('a granular scope holds in every interaction', async (t) => {
  const { as, system } = await world(t);
  const left = ['in', 'in-2', 'joined'];
  const others = 'Patient.rs Provenance.rs AuditEvent.r';
  for (const context of ['patient', 'system']) {
    const limited = as(`${context}/Observation.cruds?${survey} ${others.split(' ').map((scope) => `${context}/${scope}`).join(' ')}`);
    const plain = as(`${context}/Observation.cruds ${others.split(' ').map((scope) => `${context}/${scope}`).join(' ')}`);
    await t.test(`${context}: reading`, async (t) => {
      for (const [id, limitedTo, all] of [['in', 200, 200], ['out', 404, 200], ['joined', 200, 200], ['left', 404, 200], ['deleted-in', 404, 410], ['none', 404, 404]] as const) {
        t.equal((await limited('GET', `Observation/${id}`)).status, limitedTo, id);
        t.equal((await plain('GET', `Observation/${id}`)).status, all, `${id} with a plain scope`);
      }
      const [hidden, none] = [await limited('GET', 'Observation/out'), await limited('GET', 'Observation/none')];
      t.same(hidden.text, none.text, 'as if it were not there');
      for (const [id, version, limitedTo] of [['joined', 1, 404], ['joined', 2, 200], ['left', 1, 200], ['left', 2, 404], ['out', 1, 404], ['deleted-in', 2, 410], ['deleted-out', 2, 404]] as const) {
        t.equal((await limited('GET', `Observation/${id}/_history/${version}`)).status, limitedTo, `${id} version ${version}`);
        t.equal((await plain('GET', `Observation/${id}/_history/${version}`)).status, id.startsWith('deleted') ? 410 : 200);
      }
      t.equal((await limited('GET', 'Observation/joined/_history')).body.total, 1);
      t.equal((await plain('GET', 'Observation/joined/_history')).body.total, 2);
      t.equal((await limited('GET', 'Observation/out/_history')).status, 404);
    });
    await t.test(`${context}: searching and history of the type`, async (t) => {
      const all = ['in', 'in-2', 'joined', 'left', 'out'];
      for (const [query, limitedTo, wide] of [
        ['Observation', left, all], ['Observation?_summary=count', [], []], ['Observation?code=mood', left, all], ['Observation?value-quantity=99', [], ['out']], ['Observation?category=vital-signs', [], ['left', 'out']],
        ['Observation?category:not=survey', [], ['left', 'out']], ['Observation?_id=in,out', ['in'], ['in', 'out']], ['Observation?has-member=Observation/in', [], ['out']], ['Observation?derived-from.value-quantity=99', [], ['in-2']],
        ['Patient?_has:Observation:patient:value-quantity=99', [], ['ann']], ['Patient?_has:Observation:patient:value-quantity=7', ['ann'], ['ann']], ['Provenance?target:Observation.value-quantity=99', [], ['p-out']],
        ['Observation?_id=in-2&_include=Observation:derived-from', ['in-2'], ['in-2', 'out']], ['Observation?_id=in&_revinclude=Observation:has-member', ['in'], ['in', 'out']], ['Patient?_revinclude=Observation:patient', ['ann', ...left], ['ann', ...all]],
        ['Patient/ann/Observation', left, all], ['?_type=Observation,Patient', ['ann', ...left], ['ann', ...all]], ['Observation?_sort=-value-quantity&_count=1&_total=accurate', ['joined'], ['out']],
        ['Observation/$lastn?patient=ann&code=mood&max=9', left, all], ['Patient/ann/$everything?_type=Observation', left, all],
      ] as const) {
        if (query.includes('_summary')) {
          t.same([(await limited('GET', query)).body.total, (await plain('GET', query)).body.total], [left.length, all.length], query);
          continue;
        }
        t.same(ids(await limited('GET', query)), limitedTo, query);
        t.same(ids(await plain('GET', query)), wide, `${query} with a plain scope`);
      }
      const versions = async (fhir: Client): Promise<string[]> => {
        const found: string[] = [];
        for (let url: string | undefined = 'Observation/_history?_count=2'; url !== undefined;) {
          const page: Reply = await fhir('GET', url);
          for (const { response, request } of page.body.entry ?? []) found.push(`${request.method} ${(response.location as string).replace(/.*Observation\//, '').replace('/_history/', ' ')}`);
          url = page.body.link.find(({ relation }: any) => relation === 'next')?.url;
        }
        return found.filter((line) => /^(PUT|DELETE) (in|in-2|joined|left|out|deleted-in|deleted-out) \d$/.test(line)).toSorted((a, b) => a.localeCompare(b));
      };
      t.same(await versions(limited), ['DELETE deleted-in 2', 'PUT deleted-in 1', 'PUT in 1', 'PUT in-2 1', 'PUT joined 2', 'PUT left 1']);
      t.equal((await versions(plain)).length, 11);
    });
    await t.test(`${context}: writing`, async (t) => {
      const { id: _in, ...fresh } = observation('', 'survey'), { id: _out, ...foreign } = observation('', 'vital-signs');
      const made = await limited('POST', 'Observation', fresh);
      t.equal(made.status, 201, made.text.slice(0, 300));
      t.equal((await limited('POST', 'Observation', foreign)).status, 403, 'create: the new content');
      const id = made.body.id as string;
      t.equal((await limited('PUT', `Observation/${id}`, { ...fresh, id, status: 'amended' })).status, 200);
      t.equal((await limited('PUT', `Observation/${id}`, { ...foreign, id })).status, 403, 'update: the new content');
      t.equal((await limited('PATCH', `Observation/${id}`, [{ op: 'replace', path: '/category/0/coding/0/code', value: 'vital-signs' }], { 'content-type': 'application/json-patch+json' })).status, 403, 'patch: what it makes');
      t.equal((await limited('PATCH', `Observation/${id}`, [{ op: 'replace', path: '/status', value: 'corrected' }], { 'content-type': 'application/json-patch+json' })).status, 200);
      for (const [hidden, none] of [['out', 'none-1'], ['left', 'none-2']] as const) {
        const content = (of: string): any => ({ ...fresh, id: of });
        t.same((({ status, text }) => [status, text])(await limited('PUT', `Observation/${hidden}`, content(hidden))), (({ status, text }) => [status, text])(await limited('PUT', `Observation/${none}`, content(none))), `update of ${hidden}: as if it were not there`);
        t.same((({ status, text }) => [status, text])(await limited('PUT', `Observation/${hidden}`, content(hidden), { 'if-match': 'W/"1"' })), (({ status, text }) => [status, text])(await limited('PUT', `Observation/${none}`, content(none), { 'if-match': 'W/"1"' })));
        if (context === 'system') t.equal((await limited('DELETE', `Observation/${hidden}`)).status, 204);
        t.equal((await system('GET', `Observation/${hidden}`)).status, 200, 'and it is still there');
      }
      t.equal((await limited('PUT', 'Observation?_id=out', fresh)).status, 201, 'a condition does not match what is not seen');
      t.equal((await limited('POST', 'Observation', fresh, { 'if-none-exist': 'value-quantity=99' })).status, 201);
      const bundle = (resource: object): object => ({ resourceType: 'Bundle', type: 'transaction', entry: [{ resource, request: { method: 'POST', url: 'Observation' } }] });
      t.equal((await limited('POST', '', bundle(fresh))).status, 200);
      t.equal((await limited('POST', '', bundle(foreign))).status, 403, 'a transaction: each entry');
      if (context === 'system') {
        t.equal((await limited('DELETE', `Observation/${id}`)).status, 204);
        t.equal((await system('GET', `Observation/${id}`)).status, 410, 'what is left to it is deleted');
      }
      for (const { resource } of (await system('GET', 'Observation?_count=100')).body.entry) if (!['in', 'in-2', 'joined', 'left', 'out'].includes(resource.id)) await system('DELETE', `Observation/${resource.id}`);
    });
    await t.test(`${context}: each verb has its own limit, and a plain scope for it wins`, async (t) => {
      const mixed = as(`${context}/Observation.r?${survey} ${context}/Observation.s`);
      t.same(ids(await mixed('GET', 'Observation')), ['in', 'in-2', 'joined', 'left', 'out'], 'searching is plain');
      t.equal((await mixed('GET', 'Observation/out')).status, 404, 'reading is not');
      const both = as(`${context}/Observation.rs?${survey} ${context}/Observation.rs`);
      t.equal((await both('GET', 'Observation/out')).status, 200);
      const several = as(`${context}/Observation.rs?${survey} ${context}/Observation.rs?category=vital-signs`);
      t.same(ids(await several('GET', 'Observation')), ['in', 'in-2', 'joined', 'left', 'out'], 'several add up');
      t.same(ids(await as(`${context}/Observation.rs?${encoded}`)('GET', 'Observation')), left, 'percent-encoded');
      t.same(ids(await as(`${context}/Observation.rs?category=vital-signs,survey&_id=in,out`)('GET', 'Observation')), ['in', 'out'], 'a list is any of it, parameters are all');
      t.same(ids(await as(`${context}/*.rs?_id=ann,in`)('GET', '?_type=Observation,Patient')), ['ann', 'in'], 'of every type');
      t.same(ids(await as(`${context}/Observation.rs?status=final&patient=Patient/ann&performer=ann&code=urn:test|mood&_id=in`)('GET', 'Observation')), ['in'], 'columns and rows');
      t.equal((await as(`${context}/Observation.rs?category:not=survey ${context}/Patient.rs`)('GET', 'Observation')).status, 403, 'what is not understood grants nothing');
    });
  }
});

t.test('search is for searching: what is asked about needs it', async (t) => {
  const { as } = await world(t);
  const reader = as('system/Observation.r system/Patient.rs system/Provenance.rs');
  const searcher = as('system/Observation.rs system/Patient.rs system/Provenance.rs');
  for (const query of ['Patient?_has:Observation:patient:code=mood', 'Provenance?target:Observation.code=mood', 'Observation', 'Observation/_history', 'Observation?_id=in']) {
    t.equal((await reader('GET', query)).status, 403, `${query} with r alone`);
    t.equal((await searcher('GET', query)).status, 200, query);
  }
  t.same(ids(await reader('GET', 'Patient?_revinclude=Observation:patient')), ['ann']);
  t.equal((await reader('GET', 'Observation/in/_history')).status, 200, 'the history of one is reading');
  const finder = as('system/Observation.s');
  for (const path of ['Observation/in', 'Observation/in/_history', 'Observation/in/_history/1']) t.equal((await finder('GET', path)).status, 403, `${path} with s alone`);
  t.equal((await finder('GET', 'Observation')).status, 200);
  const writer = as('system/Observation.cud');
  t.equal((await writer('PUT', 'Observation?_id=in', observation('in', 'survey'))).status, 403, 'a conditional write asks what is there');
  t.equal((await writer('DELETE', 'Observation?_id=in')).status, 403);
  t.equal((await writer('POST', 'Observation', observation('x', 'survey'), { 'if-none-exist': 'code=mood' })).status, 403);
  t.equal((await writer('PUT', 'Observation/in', observation('in', 'survey', { status: 'amended' }))).status, 200);
});

t.test('auditors see how records are used and nothing of them', async (t) => {
  const { as, system } = await world(t);
  for (const [id, more] of [['single', { type: 'individual', subject: ref('Patient/ann') }], ['counted', { type: 'summary' }]] as const) {
    const report = await system('PUT', `MeasureReport/${id}`, { resourceType: 'MeasureReport', id, status: 'complete', measure: 'urn:test:m', period: { start: '2026-01-01' }, ...more });
    t.equal(report.status, 201, report.text.slice(0, 200));
  }
  const auditor = as('system/AuditEvent.rs system/MeasureReport.rs');
  t.ok((await auditor('GET', 'AuditEvent')).body.entry.length > 0);
  t.same(ids(await auditor('GET', 'MeasureReport')), ['counted']);
  t.equal((await auditor('GET', 'MeasureReport/single')).status, 404);
  t.equal((await system('GET', 'MeasureReport/single')).status, 200);
  for (const path of ['Patient', 'Observation/in', 'Patient/ann/$progress', 'Patient?_has:AuditEvent:patient:action=R']) t.ok([400, 403].includes((await auditor('GET', path)).status), path);
});

t.test('in memory and in the index a criterion holds for the same', async (t) => {
  const { system, as } = await world(t);
  const stored = new Map<string, Resource>((await system('GET', 'Observation?_count=100')).body.entry.map(({ resource }: any) => [resource.id, resource]));
  const part = fc.constantFrom(survey, 'category=vital-signs', 'category=|survey', `category=${categories}|`, 'code=urn:test|mood', 'code=none', 'status=final', 'status=final,amended', 'patient=ann', 'patient=Patient/ben', 'subject=Patient/ann', 'performer=Patient/ann',
    'performer=ann,ben', 'derived-from=Observation/out', 'derived-from=out', 'has-member=Observation/in', '_id=in,left', '_id=none', 'combo-code=urn:test|mood', '_tag=a', 'identifier=x');
  let some = 0;
  await fc.assert(fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 3 }), async (parts) => {
    const criterion = parseCriterion('Observation', parts.join('&'));
    if (criterion === undefined) throw new Error(`not understood: ${parts.join('&')}`);
    const found = ids(await as(`system/Observation.rs?${parts.join('&')}`)('GET', 'Observation?_count=100'));
    const held = [...stored].flatMap(([id, resource]) => (fulfils(resource, [criterion]) ? [id] : [])).toSorted((a, b) => a.localeCompare(b));
    if (JSON.stringify(found) !== JSON.stringify(held)) throw new Error(`${parts.join('&')}: ${found.join()} in the index, ${held.join()} in memory`);
    some += found.length;
  }), { numRuns: 60 });
  t.ok(some > 60, `${some} matches`);
});
