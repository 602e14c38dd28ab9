import { seriesOf } from './baseline.ts';
import { courseOf, pointsOf, signalsOf, type Course } from './course.ts';
import { scoreReference } from './observations.ts';
import { number, reference, type Part } from './parts.ts';
import { signalPart, trendParts } from './progress-course.ts';
import type { PatientRecord } from './record.ts';
import type { Scale } from './registry.ts';
import { firstSignal, signalAt } from './trajectory.ts';
import { bandAt, leastEpisodes, type TrajectoryReference } from './trajectory-reference.ts';

/** Content of `EpisodeOfCare/{id}/$trajectory`: scores by session beside the line through them and what is expected. Pure. */

/** How far past the last session the expected course is shown, and how far at least. */
const ahead = 4, atLeast = 12;

/** @returns the part of one instrument; [] without scores in the episode. */
export function trajectoryParts(record: PatientRecord, scale: Scale, episodeId: string, benchmark: TrajectoryReference | null): Part[] {
  const series = seriesOf(record, scale.key).find(({ episode }) => episode?.id === episodeId);
  if (series === undefined || scale.definition.compared === false) return [];
  const course = courseOf(record, scale, series);
  return [{
    name: 'instrument',
    part: [
      { name: 'code', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } },
      { name: 'version', valueString: scale.instrument.definition.version },
      { name: 'direction', valueCode: scale.definition.direction },
      number('sessions', course.sessions.length),
      ...pointParts(course),
      ...trendParts(course),
      benchmarkPart(course, benchmark),
      ...expectedParts(course, benchmark),
      ...signalsOf(course, benchmark).map(({ placed, signal }) => signalPart(course, placed, signal)),
    ],
  }];
}

const pointParts = (course: Course): Part[] => pointsOf(course).map(({ score, session }) => ({
  name: 'point',
  part: [number('session', session), { name: 'effective', valueDateTime: score.data.authored }, number('value', score.value), reference('observation', scoreReference(score))],
}));

/** On what the expected course rests, or that there is nothing yet that it could rest on. */
function benchmarkPart({ scale, baseline }: Course, benchmark: TrajectoryReference | null): Part {
  const own = benchmark?.scales[scale.key];
  if (own === undefined || benchmark === null) {
    return { name: 'benchmark', part: [
      { name: 'status', valueCode: 'none-yet' },
      { name: 'text', valueString: `No benchmark yet: fewer than ${leastEpisodes} closed episodes here have a course on this instrument. Signals follow the rule without a reference.` },
      { name: 'text-for-client', valueString: 'There is nothing yet to show beside your scores: too few courses have ended here.' },
    ] };
  }
  const band = bandAt(own, scale, baseline.value);
  return { name: 'benchmark', part: [
    { name: 'status', valueCode: 'available' }, { name: 'reference-version', valueString: benchmark.version },
    number('episodes', own.episodes), number('episodes-in-band', band.episodes),
    { name: 'text', valueString: `The course of ${own.episodes} closed episodes here, ${band.episodes} of them with a baseline in the same band. It describes groups and promises nothing to one person.` },
    { name: 'text-for-client', valueString: 'Your scores are shown beside those of other people here. That describes groups and says little about one person.' },
  ] };
}

function expectedParts({ scale, baseline, placed }: Course, benchmark: TrajectoryReference | null): Part[] {
  const last = Math.max(atLeast, (placed.at(-1)?.session ?? 0) + ahead);
  return Array.from({ length: last - firstSignal + 1 }, (_, i) => i + firstSignal).flatMap((session): Part[] => {
    const found = signalAt(scale, baseline.value, baseline.value, session, benchmark);
    if (found?.reference === undefined) return [];
    const { expected, watchBeyond, notOnTrackBeyond, n } = found.reference;
    return [{ name: 'expected', part: [
      number('session', session), number('value', expected), number('watch-beyond', watchBeyond), number('not-on-track-beyond', notOnTrackBeyond), number('n', n), { name: 'basis', valueCode: found.basis },
    ] }];
  });
}
