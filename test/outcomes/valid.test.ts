import t from 'tap';
import { codeSystem } from '../../src/fhir/canonical.ts';
import { recordedBy, type Recorder } from '../../src/fhir/consent.ts';
import { validate } from '../../src/fhir/validate.ts';
import { formTotalCode } from '../../src/outcomes/form-total.ts';
import { progress } from '../../src/outcomes/progress.ts';
import { provenance } from '../../src/outcomes/provenance.ts';
import { shippedResources } from '../../src/outcomes/questionnaires.ts';
import { gad7, phq9, registry, totalling, World } from '../kit/record.ts';

t.test('everything that the engine writes is valid R4', async (t) => {
  const world = new World();
  world.careTeam = { resourceType: 'CareTeam', participant: [{ member: { reference: 'Practitioner/x' } }] };
  world.write({ resourceType: 'EpisodeOfCare', id: 'ep', status: 'active', patient: { reference: 'Patient/p' }, period: { start: '2024-01-01' } });
  world.write({
    resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/p' }, startDate: '2024-01-01',
    target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailInteger: 9 }],
  });
  world.write(phq9('q1', '2024-01-02T10:00:00Z', totalling(6, 1)));
  world.write(phq9('q2', '2024-01-09T10:00:00Z', totalling(20, 3)));
  world.write(phq9('q3', '2024-02-09T10:00:00Z', [1, 1]));
  world.write(phq9('q4', '2024-03-09T10:00:00Z', [1, 1, 1, 1, 1, 1, 1, 1, null]));
  world.write(gad7('g1', '2024-01-02T10:00:00Z', [1, 1, 1, 1, 1, 1, 1]));
  world.write(gad7('g2', '2024-03-02T10:00:00Z', [0, 0, 0, 0, 0, 0, 1]));
  world.write(phq9('q2', '2024-01-09T10:00:00Z', totalling(20, 2), { status: 'amended' }));
  world.write(phq9('q1', '2024-01-02T10:00:00Z', totalling(6, 1), { status: 'entered-in-error' }));
  const written = ['Observation', 'Flag', 'Task', 'Communication', 'Goal'].flatMap((type) => world.all(type));
  t.ok(written.length > 15);
  for (const resource of written) t.same(validate(resource), [], `${resource.resourceType} ${String(resource.id)}`);
  const context = { registry, now: world.now, patient: 'Patient/p', goals: world.all('Goal'), tasks: world.all('Task'), alerts: world.all('Flag'), reader: 'any' as const };
  t.same(validate(progress(world.record, context)), [], '$progress');
  const codings: { system?: string; code?: string }[] = [];
  JSON.parse(JSON.stringify([written, progress(world.record, context)]), (key, value: unknown) => {
    if (key === 'coding') codings.push(...value as { system?: string; code?: string }[]);
    return value;
  });
  t.ok(codings.length > 100);
  t.same(codings.filter(({ system }) => system === undefined), [], 'a code without its system says nothing');
  const recorders: readonly Recorder[] = ['patient', 'system', 'break-glass', 'practitioner'];
  const published = new Map(shippedResources(registry).filter(({ resourceType }) => resourceType === 'CodeSystem').map(({ url, concept }) => [url, new Set((concept as { code: string }[]).map(({ code }) => code))]));
  t.same([...codings, formTotalCode, ...recorders.map((code) => ({ system: recordedBy, code }))].filter(({ system, code }) => system!.startsWith(codeSystem('')) && published.get(system)?.has(code!) !== true), [], 'a code of this service is in its published system');
  t.same(validate(provenance({ id: 'x', targets: ['Observation/1/_history/1'], sources: world.all('QuestionnaireResponse'), now: world.now, device: 'Device/d', registry, patient: 'Patient/p' })), [], 'Provenance');
});

t.test('everything that is shipped from the registry is valid R4', async (t) => {
  const shipped = shippedResources(registry);
  t.ok(shipped.length > 20);
  for (const resource of shipped) {
    t.same(validate(resource), [], `${resource.resourceType} ${String(resource.id)}`);
    if (resource.url !== undefined) t.ok(resource['publisher'], `${resource.resourceType} ${String(resource.id)} names its publisher`);
  }
});
