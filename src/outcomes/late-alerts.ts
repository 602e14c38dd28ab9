import triggers from '../../schemas/safety/triggers.json' with { type: 'json' };
import type { Resource } from '../fhir/resource.ts';
import type { DeriveContext } from './derived-write.ts';
import { instant } from './instant.ts';
import { scoreId, type PatientRecord } from './record.ts';
import type { ReadEntry, ScoreData } from './record-entry.ts';
import type { Difference, Stored } from './recompute.ts';
import { alertId, alertsOf, alertsOfScores, type Alert } from './safety.ts';
import { alertResources, reviewAfterAmendment } from './safety-resources.ts';
import { defaultSafety } from './safety-settings.ts';
import { isOldImport } from './safety-writes.ts';

/** Alerts of answers that are heard now and were not when they came: their form, or a rule, was not known then (docs/clinical.md 7). Pure. */

const day = 86_400_000;
const dataOf = ({ data }: ReadEntry): ScoreData => (typeof data === 'string' ? JSON.parse(data) : data) as ScoreData;

/** How much an entry says: 2 a total, or what a safety item was answered with; 1 that such an answer cannot be read; 0 nothing. */
function says(entry: ReadEntry): number {
  if (entry.kind !== 'score' && entry.kind !== 'imported') return 0;
  const { safety = {}, unread = false } = dataOf(entry);
  if (entry.value !== null || Object.values(safety).some((value) => value !== null)) return 2;
  return unread ? 1 : 0;
}

/** @returns whether `after`, what a response or an Observation projects to, says more than `before`, its lines in the record. */
export function isNewlyRead(before: readonly ReadEntry[], after: readonly ReadEntry[]): boolean {
  const known = new Map(before.map((entry) => [entry.key, says(entry)]));
  return after.some((entry) => says(entry) > (known.get(entry.key) ?? 0));
}

/**
 * @param sources responses, and Observations of other systems, that are newly read.
 * @param record with them.
 * @returns the reviews, Flags and messages that they call for and that are not there, as for what another system sends: those of the last
 * two weeks, with a clock that starts now; no client is waiting. The review of an answer that could not be read is told of it.
 */
export function lateAlerts(sources: readonly Resource[], record: PatientRecord, stored: Stored, context: DeriveContext): Difference[] {
  const { registry, now, safety: settings = defaultSafety } = context;
  const people = { patient: context.patient, device: context.device, now, settings, careTeam: context.careTeam, patientResource: context.patientResource, ...(context.zone === undefined ? {} : { zone: context.zone }) };
  const isRecent = ({ resourceType, id, authored, meta }: Resource): boolean => (resourceType === 'Observation'
    ? ![...record.scores.values()].some((list) => list.some((score) => score.id === scoreId({ type: resourceType, id: id! }) && isOldImport(score, now)))
    : (instant((authored ?? meta?.lastUpdated) as string | undefined) ?? -Infinity) >= Date.parse(now) - triggers.imported.days * day);
  const called = (source: Resource): readonly Alert[] => (source.resourceType === 'Observation'
    ? alertsOfScores(record, scoreId({ type: source.resourceType, id: source.id! }), registry, settings) : alertsOf({ record, response: source, registry, settings }));
  const difference = (kind: Difference['kind'], resource: Resource): Difference => ({ kind, type: resource.resourceType, id: resource.id!, why: 'an answer is heard that was not heard when it came', resource });
  return sources.filter(isRecent).flatMap((response) => {
    const asked: Resource = { ...response, authored: now };
    const alerts = called(response).map((alert) => ({ ...alert, tellsClient: false }));
    const review = (trigger: string): Resource | undefined => stored.get(`Task/${alertId(response.id!, trigger, 'task')}`)?.resource;
    const raised = alerts.filter(({ trigger }) => review(trigger) === undefined).flatMap((alert) => alertResources(alert, asked, people));
    const answered = registry.instruments.flatMap(({ definition }) => definition.safety).map(({ trigger }) => `${trigger}-unread`)
      .filter((trigger) => !alerts.some((alert) => alert.trigger === trigger)).flatMap((trigger) => review(trigger) ?? []);
    return [...raised.map((resource) => difference('missing', resource)), ...answered.map((task) => difference('different', reviewAfterAmendment(task, undefined, asked, { now, settings })))];
  });
}
