import { gad7Items, phq9Items, spread } from './answers.ts';

/** A caseload that looks random: two episodes, borders of years, clocks of several places, entries in error, private ones, changes of practitioner. */

const base = 'https://intersession.example/fhir';
const day = 86_400_000;
const hour = 3_600_000;
const ambulatory = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

export type Raw = Record<string, any> & { resourceType: string; id: string };

/** @returns people, each the list of what is stored of them, the Patient first; the same for the same seed. */
export function randomCaseload(seed: number, size: number): Raw[][] {
  let state = seed >>> 0;
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * n);
  };
  const chance = (p: number): boolean => below(1000) < 1000 * p;
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const iso = (at: number): string => new Date(at).toISOString();
  const written = (at: number): string => {
    if (chance(0.8)) return iso(at);
    const minutes = pick([-720, -300, 60, 330, 840]);
    return `${iso(at + minutes * 60_000).slice(0, 19)}${minutes < 0 ? '-' : '+'}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0')}:${String(Math.abs(minutes) % 60).padStart(2, '0')}`;
  };
  const border = (): number => pick([Date.UTC(2025, 0, 1), Date.UTC(2026, 0, 1)]) + pick([-day, -12 * hour, -hour, -1000, 0, 1000, hour, 12 * hour]);

  return Array.from({ length: size }, (_, number): Raw[] => {
    const id = `r${number}`;
    const subject = { reference: `Patient/${id}` };
    const therapist = pick(['ann', 'ben', 'cat']);
    const list: Raw[] = [];
    const add = (resourceType: string, more: object): Raw => {
      const resource = { resourceType, id: `${id}-${list.length}`, ...more } as Raw;
      list.push(resource);
      return resource;
    };
    const zone = chance(0.3) ? { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode: pick(['America/New_York', 'Asia/Tokyo', 'Pacific/Kiritimati']) }] } : {};
    add('Patient', { id, generalPractitioner: [{ reference: `Practitioner/${therapist}` }], ...zone });
    const problem = add('Condition', { subject, code: pick<object>([{ text: 'Low mood' }, { coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code: 'F41.1', display: 'Worry' }] }]) });
    const label = (): object => (chance(0.12) ? { meta: { security: [{ system: `${base}/CodeSystem/sharing`, code: 'private' }] } } : {});
    let start = Date.UTC(2024, 9, 1) + below(300) * day;
    for (let episodes = 1 + below(2); episodes > 0; episodes -= 1) {
      const end = chance(0.3) ? Math.max(border(), start + 20 * day) : start + (3 + below(12)) * 7 * day;
      const episode = add('EpisodeOfCare', {
        status: chance(0.85) ? 'finished' : pick(['cancelled', 'entered-in-error', 'onhold']), patient: subject,
        period: { start: iso(start).slice(0, 10), end: chance(0.6) ? iso(end).slice(0, 10) : written(end) },
        ...(chance(0.9) ? { careManager: { reference: `Practitioner/${chance(0.8) ? therapist : pick(['ann', 'ben', 'cat'])}` } } : {}),
        ...(chance(0.7) ? { team: [{ reference: `CareTeam/${pick(['red', 'blue'])}` }] } : {}), ...(chance(0.7) ? { diagnosis: [{ condition: { reference: `Condition/${problem.id}` } }] } : {}),
      });
      for (let at = start + below(5) * day, k = 0; at < end && k < 5; at += 7 * day * (1 + below(3)), k += 1) {
        const session = add('Encounter', {
          status: chance(0.85) ? 'finished' : pick(['cancelled', 'entered-in-error']), class: { system: ambulatory, code: chance(0.9) ? pick(['AMB', 'VR']) : 'IMP' }, subject,
          period: { start: chance(0.2) ? iso(at).slice(0, 10) : written(at + (9 + below(10)) * hour) },
          ...(chance(0.5) ? { episodeOfCare: [{ reference: `EpisodeOfCare/${episode.id}` }] } : {}), ...(chance(0.15) ? { identifier: [{ system: 'urn:test', value: `${id}-${below(2)}` }] } : {}),
          ...(chance(0.06) ? { type: [{ coding: [{ system: `${base}/CodeSystem/encounter-type`, code: 'administrative' }] }] } : {}),
        });
        if (chance(0.3)) {
          add('QuestionnaireResponse', {
            questionnaire: `${base}/Questionnaire/bs-alliance`, status: 'completed', subject, authored: iso(Date.parse(session['period'].start) + pick([0, hour, 3 * day, 3 * day + 1000, -3 * day, 4 * day])), ...label(),
            ...(chance(0.3) ? { encounter: { reference: `Encounter/${session.id}` } } : {}),
            item: ['heard', 'topics', 'way', 'agree', 'trust', 'overall'].map((linkId) => ({ linkId, answer: [{ valueInteger: 10 }] })),
          });
        }
      }
      for (const [form, items, most] of [['phq-9', phq9Items, 24], ['gad-7', gad7Items, 18]] as const) {
        const first = 4 + below(most - 3);
        const days = new Set(Array.from({ length: 1 + below(4) }, () => Math.floor(start / day) + 2 * below((end - start) / day / 2 + 20) - 20));
        for (const at of days) {
          const answers = spread(Math.max(0, Math.min(most, first + below(25) - 20)), items.length);
          const skipped = chance(0.15) ? 1 + below(3) : 0;
          add('QuestionnaireResponse', {
            questionnaire: `${base}/Questionnaire/${form}`, status: chance(0.9) ? pick(['completed', 'amended']) : pick(['entered-in-error', 'in-progress']), subject, ...label(),
            authored: chance(0.2) ? iso(at * day).slice(0, 10) : written(at * day + (6 + below(8)) * hour), item: items.map((code, i) => ({ linkId: `/${code}`, answer: [{ valueInteger: answers[i] }] })).slice(skipped),
          });
        }
      }
      start = end + pick([1, 13, 15, 40]) * day;
    }
    for (let tasks = below(4); tasks > 0; tasks -= 1) {
      const at = chance(0.4) ? border() : Date.UTC(2024, 11, 1) + below(400) * day;
      const status = pick(['requested', 'completed', 'completed', 'in-progress', 'rejected', 'on-hold', 'entered-in-error']);
      add('Task', {
        status, intent: 'order', for: subject, authoredOn: iso(at - 10 * day), requester: { reference: `Practitioner/${therapist}` }, ...(status === 'rejected' || status === 'on-hold' ? { statusReason: { text: 'away' } } : {}),
        code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: pick(['reading', 'thought-record']) }] }, restriction: { period: { end: chance(0.6) ? iso(at).slice(0, 10) : written(at) } },
      });
    }
    return list;
  });
}
