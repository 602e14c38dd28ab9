import type { Asked } from './momentary.ts';
import { codeSystem } from '../fhir/canonical.ts';
import { isLater, type Valid } from './baseline.ts';
import { normCutoffs } from './change.ts';
import type { ChangeIndexCode } from './change-index.ts';
import { changeForClient, classForClient, scoreForClient } from './client-words.ts';
import type { Course } from './course.ts';
import { changeSentence, classSentence, scoreSentence } from './explain.ts';
import { changeOf, changeRuleVersion, observationId, scoreReference } from './observations.ts';
import { explanation, number, reference, type Part } from './parts.ts';
import { courseParts, momentaryParts } from './progress-course.ts';
import { indexPart } from './progress-index.ts';
import { sourceOf } from './record.ts';
import type { Scale } from './registry.ts';
import { bandOf, comparable } from './score.ts';
import { sideOf } from './side.ts';
import { changeClassDisplay } from './terminology.ts';
import type { TrajectoryReference } from './trajectory-reference.ts';

/** What `$progress` says of one instrument. */

const response = sourceOf;

function scorePart(name: string, scale: Scale, score: Valid): Part {
  const { definition } = scale.instrument;
  const [band, side] = [bandOf(scale, score.value), sideOf(scale, score.value)];
  const { answered, items, prorated, maxScore, authored } = score.data;
  return {
    name,
    part: [
      { name: 'effective', valueDateTime: authored },
      number('value', score.value),
      ...(band === undefined ? [] : [
        { name: 'band', valueCodeableConcept: { coding: [{ system: codeSystem('score-band'), code: band.code, display: band.clinicianLabel }], text: band.clinicianLabel } },
        { name: 'band-for-client', valueString: band.clientLabel },
      ]),
      ...(side === undefined ? [] : [{ name: 'side', valueCodeableConcept: side.concept }]),
      ...(score.data.source === 'Observation' ? [{ name: 'imported', valueBoolean: true }] : [reference('response', response(score))]),
      reference('observation', scoreReference(score)),
      ...(items === 0 ? [] : [{ name: 'quality', part: [number('answered', answered), number('total', items), { name: 'prorated', valueBoolean: prorated }, number('maxScore', maxScore), ...(maxScore === scale.definition.max ? [] : [number('whole-scale', comparable(scale, score.value, maxScore))])] }]),
      explanation(definition.id, definition.version, { clinician: scoreSentence(scale, score, band), client: scoreForClient(scale, score, band) }, [response(score)]),
    ],
  };
}

/** What else a course is told with. */
export interface Beside {
  /** What the course of closed episodes was; null: there is no benchmark. */
  readonly benchmark: TrajectoryReference | null;
  /** Indices of change that are asked for beside the one that decides the class. */
  readonly indices?: readonly ChangeIndexCode[];
  /** When the form was asked for. */
  readonly asked?: readonly Asked[];
}

/** @returns the course of one instrument within one episode: scores, limits, change (by further indices too, where they are asked for), and what stands out. */
export function instrumentPart(scale: Scale, course: Course, { benchmark, indices = [], asked = [] }: Beside): Part {
  const { series } = course;
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
      ...(definition.compared === false ? momentaryParts(scale, series, asked) : comparedParts(scale, course, benchmark, indices)),
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
    ...scale.definition.cutoffs.map(({ id, value, op, source, verification, use, interprets }): Part => ({
      name: 'cut-off', part: [{ name: 'id', valueString: id }, number('value', value), ...limitSource(op, source, verification, use), ...(interprets === undefined ? [] : [{ name: 'interprets', valueCode: interprets }])],
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

/** The rules that compare scores; with scores of one date only they say that nothing was compared yet. */
function comparedParts(scale: Scale, course: Course, benchmark: TrajectoryReference | null, indices: readonly ChangeIndexCode[]): Part[] {
  const { series } = course;
  const latest = series.scores.at(-1)!;
  if (!isLater(latest, series)) {
    const words = { clinician: 'A change needs two valid scores of different dates; there is one date so far.', client: 'There is one date with answers so far; a second one shows what moved.' };
    return [{ name: 'change', part: [{ name: 'data-absent-reason', valueCode: 'not-performed' }, explanation('reliable-change', changeRuleVersion, words, [response(latest)])] }];
  }
  return [changePart(scale, series.baseline, latest), ...indices.map((code) => indexPart(scale, series.baseline, latest, code)), ...courseParts(course, benchmark)];
}

function changePart(scale: Scale, baseline: Valid, latest: Valid): Part {
  const change = changeOf(scale, baseline, latest);
  return {
    name: 'change',
    part: [
      number('delta', change.delta),
      number('improvement', change.improvement),
      { name: 'class', valueCodeableConcept: { coding: [{ system: codeSystem('change-class'), code: change.class, display: changeClassDisplay[change.class] }], text: changeClassDisplay[change.class] } },
      { name: 'crossed-without-reliable-change', valueBoolean: change.crossedWithoutReliable },
      reference('observation', `Observation/${observationId('reliable-change', scale, latest.id)}`),
      { name: 'four-way-class', valueCode: change.fourWay },
      explanation('reliable-change', changeRuleVersion, {
        clinician: `${changeSentence(scale, latest, baseline, change, 'classed')} ${classSentence(scale, change)}`,
        client: `${changeForClient(scale, latest, baseline, change)} ${classForClient(scale, change)}`,
      }, [response(baseline), response(latest)]),
    ],
  };
}
