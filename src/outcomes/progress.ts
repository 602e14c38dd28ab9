import { audienceOf } from '../fhir/labels.ts';
import type { Resource } from '../fhir/resource.ts';
import { adherence } from './adherence.ts';
import { seriesOf, isLater, type Series, type Valid } from './baseline.ts';
import { normCutoffs } from './change.ts';
import { changeSentence, classSentence, scoreSentence } from './explain.ts';
import { scaleFor } from './form-total.ts';
import { goalRule, goalStatus, humanAchievement, type GoalStatus } from './goals.ts';
import { changeOf, changeRuleVersion, observationId, scoreReference } from './observations.ts';
import { sourceOf, type PatientRecord, type Score } from './record.ts';
import type { Registry, Scale } from './registry.ts';
import { bandOf } from './score.ts';
import { changeClassDisplay } from './terminology.ts';

/** Content of `GET Patient/{id}/$progress`: every number with its inputs, its rule, the version of the rule and a plain sentence. */
export interface ProgressContext {
  readonly registry: Registry;
  readonly now: string;
  /** `Patient/...` */
  readonly patient: string;
  /** The Goals that the caller may see. */
  readonly goals: readonly Resource[];
  /** The Tasks that the caller may see; homework among them is summed up. */
  readonly tasks: readonly Resource[];
  /** Active Flags and open safety-review Tasks that the caller may see. */
  readonly alerts: readonly Resource[];
  /** Who reads: the scores of responses that are for the other side only are left out. */
  readonly reader: 'any' | 'clinician' | 'client';
}

interface Part { readonly name: string; readonly part?: readonly Part[]; readonly [value: `value${string}`]: unknown }

/** @returns the Parameters resource that shows where a patient stands. Pure: nothing is read or stored. */
export function progress(record: PatientRecord, context: ProgressContext): Resource {
  const visible = withoutHidden(record, context.reader);
  const scales = [...visible.scores.keys()].sort().flatMap((key) => scaleFor(context.registry, key, visible) ?? []);
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'patient', valueReference: { reference: context.patient } },
      { name: 'computed', valueInstant: context.now },
      ...scales.flatMap((scale) => seriesOf(visible, scale.key).map((series) => instrumentPart(scale, series))),
      ...goalParts(record, visible, context),
      homeworkPart(context),
      ...context.alerts.map(alertPart),
    ],
  };
}

/** @returns `record` without the scores of responses that are not for this reader (fhir/labels.ts): clinicians' notes in a client's access, what a client keeps private in a clinician's. */
export function withoutHidden(record: PatientRecord, reader: ProgressContext['reader']): PatientRecord {
  if (reader === 'any') return record;
  const isHidden = ({ data }: Score): boolean => {
    const { restricted, private: kept } = audienceOf('Observation', data.security);
    return reader === 'client' ? restricted && !kept : kept;
  };
  return { ...record, scores: new Map([...record.scores].map(([key, list]) => [key, list.filter((score) => !isHidden(score))])) };
}

const reference = (name: string, target: string): Part => ({ name, valueReference: { reference: target } });
const number = (name: string, value: number): Part => (Number.isInteger(value) ? { name, valueInteger: value } : { name, valueDecimal: Math.round(value * 10_000) / 10_000 });

const explanation = (rule: string, version: string, text: string, inputs: readonly string[]): Part => ({
  name: 'explanation',
  part: [
    ...inputs.map((input) => reference('input', input)),
    { name: 'rule', valueString: rule },
    { name: 'rule-version', valueString: version },
    { name: 'text', valueString: text },
  ],
});

const response = sourceOf;

function scorePart(name: string, scale: Scale, score: Valid): Part {
  const { definition } = scale.instrument;
  const band = bandOf(scale, score.value);
  const { answered, items, prorated, maxScore, authored } = score.data;
  return {
    name,
    part: [
      { name: 'effective', valueDateTime: authored },
      number('value', score.value),
      ...(band === undefined ? [] : [
        { name: 'band', valueCodeableConcept: { coding: [{ code: band.code, display: band.clinicianLabel }], text: band.clinicianLabel } },
        { name: 'band-for-client', valueString: band.clientLabel },
      ]),
      ...(score.data.source === 'Observation' ? [{ name: 'imported', valueBoolean: true }] : [reference('response', response(score))]),
      reference('observation', scoreReference(scale, score)),
      { name: 'quality', part: [number('answered', answered), number('total', items), { name: 'prorated', valueBoolean: prorated }, number('maxScore', maxScore)] },
      explanation(definition.id, definition.version, scoreSentence(scale, score, band), [response(score)]),
    ],
  };
}

function instrumentPart(scale: Scale, series: Series): Part {
  const { definition, instrument, codings } = scale;
  const latest = series.scores.at(-1)!;
  return {
    name: 'instrument',
    part: [
      { name: 'code', valueCodeableConcept: { coding: codings, text: definition.title } },
      { name: 'version', valueString: instrument.definition.version },
      { name: 'direction', valueCode: definition.direction },
      ...(series.episode === null ? [] : [reference('episode', `EpisodeOfCare/${series.episode.id}`)]),
      ...series.scores.map((score) => scorePart('score', scale, score)),
      scorePart('baseline', scale, series.baseline),
      scorePart('latest', scale, latest),
      ...limitParts(scale),
      ...(isLater(latest, series) && definition.compared !== false ? [changePart(scale, series.baseline, latest)] : []),
    ],
  };
}

/** The thresholds and cut-offs of the scale, those that decide and those that are only shown, with their sources. */
function limitParts(scale: Scale): Part[] {
  const norms = normCutoffs(scale);
  return [
    ...scale.thresholds.map(({ id, value, op, definition: { source, verification, use } }): Part => ({
      name: 'threshold', part: [{ name: 'id', valueString: id }, number('value', value), ...limitSource(op, source, verification, use)],
    })),
    ...scale.definition.cutoffs.map(({ id, value, op, source, verification, use }): Part => ({
      name: 'cut-off', part: [{ name: 'id', valueString: id }, number('value', value), ...limitSource(op, source, verification, use)],
    })),
    ...(norms === undefined ? [] : Object.entries(norms).map(([id, value]): Part => ({
      name: 'cut-off',
      part: [{ name: 'id', valueString: `jacobson-truax-${id}` }, number('value', value), ...limitSource(scale.sign === 1 ? '>=' : '<=', scale.definition.norms!.source, scale.definition.norms!.verification, 'shown')],
    }))),
  ];
}

const limitSource = (op: string, source: string, verification: string, use: string): Part[] => [
  { name: 'operator', valueString: op }, { name: 'use', valueCode: use }, { name: 'source', valueString: source }, { name: 'verification', valueCode: verification },
];

function changePart(scale: Scale, baseline: Valid, latest: Valid): Part {
  const change = changeOf(scale, baseline, latest);
  return {
    name: 'change',
    part: [
      number('delta', change.delta),
      number('improvement', change.improvement),
      { name: 'class', valueCodeableConcept: { coding: [{ code: change.class, display: changeClassDisplay[change.class] }], text: changeClassDisplay[change.class] } },
      { name: 'crossed-without-reliable-change', valueBoolean: change.crossedWithoutReliable },
      reference('observation', `Observation/${observationId('reliable-change', scale, latest.id)}`),
      explanation('reliable-change', changeRuleVersion, `${changeSentence(scale, latest, baseline, change)} ${classSentence(scale, change)}`, [response(baseline), response(latest)]),
    ],
  };
}

/** The status follows from all scores; those that the caller may not see are counted and not shown. */
function goalParts(record: PatientRecord, visible: PatientRecord, { goals, registry, now }: ProgressContext): Part[] {
  return goals.flatMap((goal): Part[] => {
    const human = humanAchievement(goal);
    const measured = record.goals.find(({ id }) => id === goal.id);
    const computed = measured === undefined ? null : goalStatus(measured, record, registry, now);
    if (human === undefined && computed === null) return [];
    return [{
      name: 'goal',
      part: [
        reference('reference', `Goal/${goal.id}`),
        { name: 'status', valueCode: human ?? computed!.status },
        { name: 'set-by', valueCode: human === undefined ? 'service' : 'person' },
        ...(computed === null ? [] : [goalExplanation(computed, visible)]),
      ],
    }];
  });
}

function goalExplanation({ ratings, scale, why }: GoalStatus, visible: PatientRecord): Part {
  const shown = ratings.filter(({ id }) => visible.scores.get(scale.key)?.some((score) => score.id === id) === true);
  const hidden = ratings.length - shown.length;
  const text = hidden === 0 ? why : `Computed from ${ratings.length} scores of ${scale.definition.title}, ${hidden} of which are not shown to you.`;
  return explanation(goalRule.id, goalRule.version, text, shown.map(response));
}

function homeworkPart({ tasks, now }: ProgressContext): Part {
  const { eligible, completed, completionRate, onTime, quantity, acceptance } = adherence(tasks, now);
  const text = eligible.length === 0 ? 'No homework has been due so far.' : `${completed} of ${eligible.length} exercises that were due are completed, ${onTime} of them within a day of being due.`;
  return {
    name: 'homework',
    part: [
      number('eligible', eligible.length), number('completed', completed), number('on-time', onTime),
      ...(completionRate === null ? [] : [number('completion-rate', completionRate)]),
      ...(quantity === null ? [] : [number('quantity', quantity)]),
      ...(acceptance === null ? [] : [number('acceptance', acceptance)]),
      explanation('homework-adherence', '1', text, eligible.map(({ id }) => `Task/${id}`)),
    ],
  };
}

function alertPart(alert: Resource): Part {
  const { resourceType, id, status, priority, code, restriction } = alert as Resource & { status?: string; priority?: string; restriction?: { period?: { end?: string } } };
  const due = restriction?.period?.end;
  return {
    name: 'alert',
    part: [
      reference('resource', `${resourceType}/${id}`),
      { name: 'status', valueCode: status },
      ...(code === undefined ? [] : [{ name: 'code', valueCodeableConcept: code }]),
      ...(priority === undefined ? [] : [{ name: 'priority', valueCode: priority }]),
      ...(due === undefined ? [] : [{ name: 'due', valueDateTime: due }]),
    ],
  };
}
