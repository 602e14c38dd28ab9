import { nameForClient } from './client-words.ts';
import { seriesOf } from './baseline.ts';
import { metricTable } from './metrics.ts';
import { explanation, flag, known, number, reference, type Part } from './parts.ts';
import { explained } from './progress-course.ts';
import type { Episode, PatientRecord } from './record.ts';
import type { Registry } from './registry.ts';
import { counted, limitOf, marks, shown } from './plain-words.ts';
import { sessionsOf } from './sessions.ts';
import { pairOutcome, talkingTherapiesRules, type Judged, type PairOutcome } from './talking-therapies.ts';

/** What `$progress` says of an episode as a whole: its sessions, and the outcome of its pair of measures by national rules. */
export function episodeParts(record: PatientRecord, episode: Episode, registry: Registry, descriptor: string | null): Part[] {
  const sessions = sessionsOf(record, episode);
  const words = {
    clinician: `${counted(sessions.length, 'finished session')}. Of groups, not of one person: half were reliably better after 13 to 18 sessions (Hansen 2002, ${marks.secondary}).`,
    client: `${counted(sessions.length, 'session')} so far. How many a person wants differs widely.`,
  };
  const pair = pairOutcome(registry, (key) => seriesOf(record, key).find((series) => series.episode?.id === episode.id), descriptor);
  return [{
    name: 'episode',
    part: [
      reference('reference', `EpisodeOfCare/${episode.id}`),
      number('sessions', sessions.length),
      explanation('session-number', metricTable['session-number'].version, words, sessions.map(({ id }) => `Encounter/${id}`)),
      ...(pair === null ? [] : [pairPart(pair)]),
    ],
  }];
}

function pairPart(pair: PairOutcome): Part {
  const { descriptor, measures, caseAtStart, recovery, reliableImprovement, reliableDeterioration, reliableRecovery } = pair;
  return {
    name: 'talking-therapies',
    part: [
      ...(descriptor === null ? [] : [{ name: 'problem', valueCode: descriptor }]),
      ...measures.map(measurePart),
      ...flag('case-at-start', caseAtStart), ...flag('recovery', recovery), ...flag('reliable-improvement', reliableImprovement),
      ...flag('reliable-deterioration', reliableDeterioration), ...flag('reliable-recovery', reliableRecovery),
      ...(recovery === null ? [{ name: 'data-absent-reason', valueCode: 'not-performed' }] : []),
      explained('talking-therapies', { clinician: `${sentence(pair)} ${talkingTherapiesRules.note}`, client: pairForClient(pair) }, measures.flatMap(({ first, last }) => [first, last])),
    ],
  };
}

/** The scores of the pair, without saying what they come to. */
const pairForClient = ({ measures }: PairOutcome): string => `Your first and your last scores, side by side: ${measures.map(({ scale, first, last }) => `${nameForClient(scale)} ${shown(first.value)} and ${shown(last.value)}`).join(', ')}.`;

const measurePart = ({ scale, first, last, cutoff, threshold, reliable }: Judged): Part => ({
  name: 'measure',
  part: [
    { name: 'code', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } },
    number('first', first.value), number('last', last.value), ...known('case-cut-off', cutoff.value), number('reliable-change', threshold.value), { name: 'change', valueCode: reliable },
  ],
});

function sentence({ measures, caseAtStart, recovery, reliableImprovement, reliableDeterioration }: PairOutcome): string {
  const each = measures.map(({ scale, first, last, cutoff, threshold }) =>
    `${scale.definition.title} ${shown(first.value)} to ${shown(last.value)} (at the cut-off: ${limitOf(cutoff)}; a reliable change: ${limitOf(threshold)})`).join(', ');
  const end = recovery === null ? 'recovery cannot be told from one measure' : recovery ? 'both below the cut-offs at the end (recovery)' : caseAtStart ? 'not both below the cut-offs at the end' : 'so recovery does not arise';
  const moved = reliableImprovement ? 'reliable improvement' : reliableDeterioration ? 'reliable deterioration'
    : measures.some(({ reliable }) => reliable === 'better') ? 'one measure reliably better and the other reliably worse, which counts as neither improvement nor deterioration' : measures.length === 1 ? 'no reliable change' : 'no reliable change of the pair';
  return `First and last recorded: ${each}. ${caseAtStart ? 'At a cut-off at the start' : 'Below the cut-offs at the start'}; ${end}; ${moved}.`;
}
