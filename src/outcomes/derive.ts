import { withoutVersion } from '../fhir/canonical.ts';
import { allianceWrites } from './alliance-writes.ts';
import { checkInKeys } from './check-in-week.ts';
import { checkInWrites, courseWrites } from './course-difference.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { scaleFor } from './form-total.ts';
import { goalStatus, isPast, withAchievement } from './goals.ts';
import { observationWrites } from './difference.ts';
import { instant } from './instant.ts';
import { scoreId, type PatientRecord } from './record.ts';
import type { Registry, Scale } from './registry.ts';
import { completed, requestFor } from './requests.ts';
import { safetyWrites } from './safety-writes.ts';

export type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';

/**
 * @returns the difference between what `before` and `after` imply, for the one `change` between them. Deterministic: ids come from
 * the source and the rule, so the same change twice writes the same, and a record in which nothing differs implies no write.
 * Of scores the record needs those of the instruments that `change` touches; of everything else all.
 */
export function derive(before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): DerivedWrite[] {
  const { resourceType } = change.resource;
  const touched = touchedScales(before, after, change, context.registry);
  const writes: DerivedWrite[] = [];
  for (const scale of touched) {
    observationWrites(writes, scale, before, after, change, context);
    courseWrites(writes, scale, before, after, change, context);
    allianceWrites(writes, scale, before, after, change, context);
  }
  if (touched.some(({ key }) => checkInKeys.includes(key))) {
    for (const scale of otherScales(after, touched, context.registry)) checkInWrites(writes, scale, before, after, change, context);
  }
  safetyWrites(writes, before, after, change, context);
  goalWrites(writes, before, after, change, touched, context);
  if (resourceType === 'QuestionnaireResponse') requestWrites(writes, after, change, context);
  return writes;
}

/** A response touches its own scores; a session or an episode may move the baseline of every score, and so may where the client lives. */
function touchedScales(before: PatientRecord, after: PatientRecord, { resource: { resourceType, id } }: Change, registry: Registry): Scale[] {
  const keys = new Set([...before.scores.keys(), ...after.scores.keys()]);
  const moves = resourceType === 'Encounter' || resourceType === 'EpisodeOfCare' || (resourceType === 'Patient' && before.person !== after.person);
  if (!moves && resourceType !== 'QuestionnaireResponse' && resourceType !== 'Observation') return [];
  const own = scoreId({ type: resourceType, id: id! });
  // As a rule it is the last one.
  const holds = (record: PatientRecord, key: string): boolean => record.scores.get(key)?.findLast((score) => score.id === own) !== undefined;
  return [...keys].filter((key) => moves || holds(after, key) || holds(before, key)).flatMap((key) => scaleFor(registry, key, after, before) ?? []);
}

/** The scales with scores that a change does not touch itself. */
const otherScales = ({ scores }: PatientRecord, touched: readonly Scale[], { scales }: Registry): Scale[] =>
  [...scores.keys()].flatMap((key) => scales.get(key) ?? []).filter((scale) => !touched.includes(scale));

function goalWrites(writes: DerivedWrite[], before: PatientRecord, after: PatientRecord, change: Change, touched: readonly Scale[], { registry, now }: DeriveContext): void {
  const { resourceType, id } = change.resource;
  for (const goal of after.goals) {
    const itself = resourceType === 'Goal' && goal.id === id;
    if (!itself && !touched.some(({ key }) => key === goal.data.scale)) continue;
    const status = goalStatus(goal, after, registry, now);
    // Time alone moves a goal past its due date, so that a record that did not change may imply another status than is stored.
    if (!itself && !isPast(goal, after, now) && goalStatus(goal, before, registry, now)?.status === status?.status) continue;
    writes.push({ kind: 'change', type: 'Goal', id: goal.id, change: (current) => withAchievement(current, status) });
  }
}

const answered: readonly unknown[] = ['completed', 'amended'];

/** A response answers a request for its questionnaire when it is completed, or when it is corrected to be of another time or form. */
function requestWrites(writes: DerivedWrite[], record: PatientRecord, { resource, previous, deleted }: Change, { now }: DeriveContext): void {
  if (deleted || !answered.includes(resource.status) || typeof resource.questionnaire !== 'string') return;
  if (answered.includes(previous?.status) && previous?.authored === resource.authored && previous?.questionnaire === resource.questionnaire) return;
  const at = instant(resource.authored as string | undefined) ?? Date.parse(now);
  const request = requestFor(record, withoutVersion(resource.questionnaire), resource.id!, at);
  if (request === undefined) return;
  writes.push({ kind: 'change', type: 'Task', id: request.id, answeredBy: resource.id!, change: (task) => completed(task, `QuestionnaireResponse/${resource.id}`, now) });
}
