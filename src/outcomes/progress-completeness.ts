import type { Resource } from '../fhir/resource.ts';
import { answeredShare, covered, prompts, type Prompt } from './completeness.ts';
import { dueOf } from './adherence.ts';
import { metricTable } from './metrics.ts';
import { explanation, known, number, reference, type Part } from './parts.ts';
import { counted } from './plain-words.ts';
import { instant } from './instant.ts';
import { sourceOf, type Episode, type PatientRecord } from './record.ts';
import type { Registry } from './registry.ts';
import { episodeAt, sessionsOf } from './sessions.ts';

/** What `$progress` says of how complete the data of an episode are (docs/clinical.md 3.14). */

interface CompletenessContext { readonly registry: Registry; readonly tasks: readonly Resource[]; readonly now: string; readonly zone: string }

/** @returns the part `completeness` of one episode: sessions with a score, questionnaires that were answered, and where each of the others stands. */
export function completenessPart(record: PatientRecord, episode: Episode, { registry, tasks, now, zone }: CompletenessContext): Part {
  const sessions = covered(record, sessionsOf(record, episode));
  const scored = sessions.filter(({ score }) => score !== null);
  const asked = prompts(tasks, now, zone).filter(({ task }) => {
    const at = instant(task['authoredOn'] as string | undefined);
    return at !== null && episodeAt(record.episodes, at)?.id === episode.id;
  });
  const share = sessions.length === 0 ? null : scored.length / sessions.length;
  const words = {
    clinician: sessions.length === 0 ? 'No finished session yet.' : `${scored.length} of ${counted(sessions.length, 'finished session')} ${scored.length === 1 || sessions.length === 1 ? 'has' : 'have'} a score at most three days away (${Math.round(100 * share!)} %). Any rate of outcomes is only as sure as its data are complete.`,
    client: sessions.length === 0 ? 'There are no finished sessions yet.' : scored.length === 0 ? `There are no answers of yours yet for ${sessions.length === 1 ? 'your session' : `your ${sessions.length} sessions`}.` : scored.length === sessions.length ? `There are answers of yours for ${sessions.length === 1 ? 'your session' : `each of your ${sessions.length} sessions`}.` : `There are answers of yours for ${scored.length} of your ${counted(sessions.length, 'session')}.`,
  };
  return {
    name: 'completeness',
    part: [
      reference('episode', `EpisodeOfCare/${episode.id}`),
      number('sessions', sessions.length), number('sessions-with-score', scored.length), ...known('session-completeness', share),
      explanation('session-completeness', metricTable['session-completeness'].version, words, sessions.flatMap(({ session, score }) => [`Encounter/${session.id}`, ...(score === null ? [] : [sourceOf(score)])])),
      ...[...Map.groupBy(asked, ({ questionnaire }) => questionnaire)].map(([questionnaire, list]) => schedulePart(questionnaire, list, registry, zone)),
    ],
  };
}

function schedulePart(questionnaire: string, list: readonly Prompt[], registry: Registry, zone: string): Part {
  const count = (state: Prompt['state']): number => list.filter((each) => each.state === state).length;
  const share = answeredShare(list);
  const title = registry.byCanonical.get(questionnaire)?.definition.shortTitle ?? questionnaire;
  const over = count('answered') + count('overdue') + count('skipped');
  const words = {
    clinician: `${title}: asked for ${counted(list.length, 'time')}; answered: ${count('answered')}${share === null ? '' : `, ${Math.round(100 * share)} % of ${over} whose time is over`}; may be answered now: ${count('due')}, later: ${count('open')}, overdue: ${count('overdue')}, skipped: ${count('skipped')}.`,
    client: `${title}: you answered ${count('answered')} of ${list.length}${count('due') + count('overdue') === 0 ? '.' : `; ${count('due') + count('overdue')} still open, if you like to answer.`}`,
  };
  return {
    name: 'schedule',
    part: [
      { name: 'questionnaire', valueCanonical: questionnaire },
      number('prompts', list.length), ...(['answered', 'due', 'open', 'overdue', 'skipped'] as const).map((state) => number(state, count(state))), ...known('answered-share', share),
      explanation('prompt-completeness', metricTable['prompt-completeness'].version, words, list.map(({ task }) => `Task/${task.id}`)),
      ...list.filter(({ state }) => state !== 'answered').map((prompt) => promptPart(prompt, zone)),
    ],
  };
}

function promptPart({ task, state, reason }: Prompt, zone: string): Part {
  const due = dueOf(task, zone);
  return {
    name: 'prompt',
    part: [
      reference('task', `Task/${task.id}`), { name: 'state', valueCode: state },
      ...(due === null ? [] : [{ name: 'until', valueInstant: new Date(due).toISOString() }]), ...(reason === null ? [] : [{ name: 'reason', valueString: reason }]),
    ],
  };
}
