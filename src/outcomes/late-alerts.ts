import triggers from '../../schemas/safety/triggers.json' with { type: 'json' };
import type { Resource } from '../fhir/resource.ts';
import type { DeriveContext } from './derived-write.ts';
import { instant } from './instant.ts';
import type { PatientRecord } from './record.ts';
import type { ReadEntry, ScoreData } from './record-entry.ts';
import type { Difference, Stored } from './recompute.ts';
import { alertId, alertsOf } from './safety.ts';
import { alertResources, reviewAfterAmendment } from './safety-resources.ts';
import { defaultSafety } from './safety-settings.ts';

/** Alerts of answers that can be read now and could not when they came: their form was not known then (docs/clinical.md 7). Pure. */

const day = 86_400_000;
const dataOf = ({ data }: ReadEntry): ScoreData => (typeof data === 'string' ? JSON.parse(data) : data) as ScoreData;

/** Whether an entry says something of an answer: a total, or what a safety item was answered with. */
const says = (entry: ReadEntry): boolean => entry.kind === 'score' && (entry.value !== null || Object.values(dataOf(entry).safety ?? {}).some((value) => value !== null));

/** @returns whether `after`, what a response projects to, says what `before`, its lines in the record, did not. */
export function isNewlyRead(before: readonly ReadEntry[], after: readonly ReadEntry[]): boolean {
  const known = new Set(before.filter(says).map(({ key }) => key));
  return after.some((entry) => says(entry) && !known.has(entry.key));
}

/**
 * @param responses that are newly read.
 * @param record with them.
 * @returns the reviews, Flags and messages that they call for and that are not there, as for what another system sends: those of the last
 * two weeks, with a clock that starts now; no client is waiting. The review of an answer that could not be read is told of it.
 */
export function lateAlerts(responses: readonly Resource[], record: PatientRecord, stored: Stored, context: DeriveContext): Difference[] {
  const { registry, now, safety: settings = defaultSafety } = context;
  const people = { patient: context.patient, device: context.device, now, settings, careTeam: context.careTeam, patientResource: context.patientResource, ...(context.zone === undefined ? {} : { zone: context.zone }) };
  const isRecent = ({ authored, meta }: Resource): boolean => (instant((authored ?? meta?.lastUpdated) as string | undefined) ?? -Infinity) >= Date.parse(now) - triggers.imported.days * day;
  const difference = (kind: Difference['kind'], resource: Resource): Difference => ({ kind, type: resource.resourceType, id: resource.id!, why: 'an answer can be read that could not be read when it came', resource });
  return responses.filter(isRecent).flatMap((response) => {
    const asked: Resource = { ...response, authored: now };
    const alerts = alertsOf({ record, response, registry, settings }).map((alert) => ({ ...alert, tellsClient: false }));
    const review = (trigger: string): Resource | undefined => stored.get(`Task/${alertId(response.id!, trigger, 'task')}`)?.resource;
    const raised = alerts.filter(({ trigger }) => review(trigger) === undefined).flatMap((alert) => alertResources(alert, asked, people));
    const answered = registry.instruments.flatMap(({ definition }) => definition.safety).map(({ trigger }) => `${trigger}-unread`)
      .filter((trigger) => !alerts.some((alert) => alert.trigger === trigger)).flatMap((trigger) => review(trigger) ?? []);
    return [...raised.map((resource) => difference('missing', resource)), ...answered.map((task) => difference('different', reviewAfterAmendment(task, undefined, asked, { now, settings })))];
  });
}
