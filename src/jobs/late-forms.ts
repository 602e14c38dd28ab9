import type { Resource } from '../fhir/resource.ts';
import { listsIn, withAnswerLists } from '../interactions/questionnaires.ts';
import { isWeighed } from '../outcomes/form-total.ts';
import type { Committer } from '../store/commit.ts';
import type { Database } from '../store/database.ts';
import { formsSince, unscoredResponses } from '../store/late-forms.ts';
import { recomputePatients } from '../store/recompute.ts';
import type { Job } from './schedule.ts';

const minute = 60_000;
/** How long ago a form may have been written: a service that stood still catches up. */
const lookedBack = 24 * 60 * minute;
/** Responses of one form in one run. */
const together = 1000;

/**
 * Scores the responses that came before the form that weighs their answers, or before the list of answers that does (docs/clinical.md 2). What has a score already keeps it,
 * and nothing else of a record is touched.
 */
export function lateForms({ database, committer, questionnaire }: { readonly database: Database; readonly committer: Committer; readonly questionnaire: (response: Resource) => Promise<Resource | undefined> }): Job {
  return {
    name: 'late-forms',
    everyMs: minute,
    async run(at, signal) {
      const { registry } = committer.rules;
      for (const body of await formsSince(database, new Date(at - lookedBack).toISOString())) {
        const form = JSON.parse(body) as Resource & { readonly url?: string; readonly version?: string };
        if (form.url === undefined || registry.byCanonical.has(form.url) || !isWeighed(await withAnswerLists(form, listsIn(database)))) continue;
        for (const [patient, only] of await unscoredResponses(database, form.url, form.version, together)) {
          signal.throwIfAborted();
          await recomputePatients([patient], {
            database, rules: committer.rules, questionnaire, requester: { client: 'intersession', requestId: 'late-forms' }, apply: true, only, activity: 'Computed when the form came that weighs the answers',
          });
        }
      }
    },
  };
}
