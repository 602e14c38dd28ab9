import type { Duration, QuestionnaireItem } from '@medplum/fhirtypes';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { extension, itemsOf, sdcExtension } from './sdc.ts';

/** An item that the newest Observation with one of its codes answers. */
export interface LinkedItem {
  readonly linkId: string;
  /** Token search values, `system|code`. */
  readonly codes: readonly string[];
  /** The earliest time of the Observation, as a FHIR instant. */
  readonly since: string;
}

/** Seconds of a unit; a month and a year are taken by the calendar. */
const seconds: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86_400, wk: 604_800 };

/**
 * The questions with a code that say, themselves or by an item above or the form, how far back an Observation answers them
 * (observationLinkPeriod, http://hl7.org/fhir/uv/sdc/populate.html#obs-pop).
 * @param now FHIR instant in UTC.
 */
export function linkedItems(questionnaire: Resource, now: string): { linked: LinkedItem[]; unusable: Issue[] } {
  const linked: LinkedItem[] = [];
  const unusable: Issue[] = [];
  const sinceOf = (owner: object, above: string | undefined, expression: string): string | undefined => {
    const period = extension(owner, sdcExtension.observationLinkPeriod)?.valueDuration;
    if (period === undefined) return above;
    const since = shifted(now, period, -1);
    if (since === undefined) unusable.push({ severity: 'warning', code: 'value', text: 'observationLinkPeriod must be a duration in UCUM units (s, min, h, d, wk, mo, a): Observations are not used here.', expression });
    return since;
  };
  const walk = (questions: readonly QuestionnaireItem[], above: string | undefined, path: string): void => questions.forEach((question, at) => {
    const here = `${path}.item[${at}]`;
    const since = sinceOf(question, above, here);
    const codes = (question.code ?? []).filter(({ code }) => code !== undefined).map(({ system, code }) => `${system === undefined ? '' : `${escaped(system)}|`}${escaped(code!)}`);
    if (since !== undefined && codes.length > 0 && question.type !== 'group' && question.type !== 'display') linked.push({ linkId: question.linkId, codes, since });
    walk(itemsOf(question), since, here);
  });
  walk(itemsOf(questionnaire), sinceOf(questionnaire, undefined, 'Questionnaire'), 'Questionnaire');
  return { linked, unusable };
}

/** http://hl7.org/fhir/R4/search.html#escaping */
const escaped = (text: string): string => text.replace(/[\\|$,]/g, (character) => `\\${character}`);

/** @returns the instant that lies `period` after `now` (`sign` 1) or before it (-1); undefined when the duration has no usable unit or is no time. */
export function shifted(now: string, { value, code, unit, comparator }: Duration, sign: 1 | -1): string | undefined {
  const key = code ?? unit ?? '';
  if (value === undefined || value < 0 || comparator !== undefined) return undefined;
  const moment = new Date(now);
  if (key === 'mo' || key === 'a') {
    if (!Number.isInteger(value)) return undefined;
    const day = moment.getUTCDate();
    moment.setUTCMonth(moment.getUTCMonth() + sign * value * (key === 'a' ? 12 : 1));
    if (moment.getUTCDate() !== day) moment.setUTCDate(0); // 31 May less a month is the last of April
  } else {
    const length = Object.hasOwn(seconds, key) ? seconds[key] : undefined;
    if (length === undefined) return undefined;
    moment.setTime(moment.getTime() + sign * value * length * 1000);
  }
  const year = moment.getUTCFullYear();
  return Number.isNaN(year) || year < 1 || year > 9999 ? undefined : moment.toISOString();
}
