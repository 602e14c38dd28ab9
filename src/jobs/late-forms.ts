import type { Resource } from '../fhir/resource.ts';
import { listsIn, withAnswerLists } from '../interactions/questionnaires.ts';
import { isWeighed } from '../outcomes/form-total.ts';
import { formCodes } from '../outcomes/item-code.ts';
import { asksSafetyOf } from '../outcomes/safety-questions.ts';
import type { Committer } from '../store/commit.ts';
import type { Database } from '../store/database.ts';
import { formsWritten, unscoredResponses, type Stretch } from '../store/late-forms.ts';
import { commitHorizon } from '../store/load.ts';
import { recomputePatients } from '../store/recompute.ts';
import { readSetting, writeSetting } from '../store/setting.ts';
import type { Job } from './schedule.ts';

const minute = 60_000;
/** How far the first run of a deployment looks back. */
const atFirst = 24 * 60 * minute;
/** As long as a process may take a form for what it was before (src/app.ts), and a response that it checked so may take to be stored: what is younger is left for the next run. */
const settled = minute / 2;
/** Until when forms were looked at. */
const lookedUntil = 'late-forms until';

/**
 * Scores the responses that came before the form that says by codes what it asks, or weighs their answers, or before the list of answers that does (docs/clinical.md 2),
 * and hears those of which the form tells by words, or by its name, that a safety item is among them (7.1). What has a score already keeps it, unless it came in the last two weeks and a safety item is among it that was not heard,
 * and nothing else of a record is touched. Each version of a form, and of a list, is looked at once, whether or not responses got a score by it.
 */
export function lateForms({ database, committer, questionnaire }: { readonly database: Database; readonly committer: Committer; readonly questionnaire: (response: Resource) => Promise<Resource | undefined> }): Job {
  const scoreResponses = async (body: string, find: ReturnType<typeof listsIn>, signal: AbortSignal): Promise<void> => {
    const form = JSON.parse(body) as Resource & { readonly url?: string; readonly version?: string };
    const { registry } = committer.rules;
    const { byCanonical, codes } = registry;
    if (form.url === undefined || byCanonical.get(form.url)?.canonical === form.url) return;
    const isCoded = [...formCodes(form['item']).values()].some((code) => codes.has(code));
    const safety = [...asksSafetyOf(form, registry)].map(({ scales }) => scales[0]!.key);
    if (!isCoded && safety.length === 0 && !isWeighed(await withAnswerLists(form, find))) return;
    for await (const responses of unscoredResponses(database, form.url, form.version, safety)) {
      for (const [patient, only] of responses) {
        signal.throwIfAborted();
        await recomputePatients([patient], {
          database, rules: committer.rules, questionnaire, requester: { client: 'intersession', requestId: 'late-forms' }, apply: true, only, activity: 'Computed when the form came that says what the answers stand for',
        });
      }
    }
  };
  return {
    name: 'late-forms',
    everyMs: minute,
    async run(at, signal) {
      const stretch = await nextStretch(database, at);
      if (stretch.since >= stretch.until) return;
      for await (const bodies of formsWritten(database, stretch)) {
        const find = listsIn(database);
        for (const body of bodies) await scoreResponses(body, find, signal);
      }
      await writeSetting(database, lookedUntil, stretch.until);
    },
  };
}

/** What was written since the last run, and is seen by everybody: a version whose transaction is still open is of a later stretch. */
async function nextStretch(database: Database, at: number): Promise<Stretch> {
  const horizon = Date.parse(await commitHorizon(database));
  const until = new Date(Math.min(horizon, at - settled)).toISOString();
  return { since: await readSetting(database, lookedUntil) ?? new Date(horizon - atFirst).toISOString(), until };
}
