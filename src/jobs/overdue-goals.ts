import type { Committer } from '../store/commit.ts';
import type { Database } from '../store/database.ts';
import { patientsWithOverdueGoals, recomputePatients, type RecomputeOptions } from '../store/recompute.ts';
import type { Job } from './schedule.ts';

const hour = 3_600_000;
const day = 24 * hour;
/** How much earlier than in UTC a day may be over. */
const furthestEast = 14 * hour;
/** How long ago a due day may have been for its goal to be looked at: a service that stood still catches up. */
const lookedBack = 60 * day;

export interface OverdueGoalsOptions {
  readonly database: Database;
  readonly committer: Committer;
  /** Finds the form that a response answers: without it the scores of other publishers' forms would not be known. */
  readonly questionnaire: RecomputeOptions['questionnaire'];
}

/**
 * Looks again at goals whose due day is over: time alone makes a goal one that was not reached by then, and no write tells
 * (docs/clinical.md 3.12). Nothing else of a record is touched.
 */
export function overdueGoals({ database, committer, questionnaire }: OverdueGoalsOptions): Job {
  return {
    name: 'overdue-goals',
    everyMs: hour,
    async run(at, signal) {
      const date = (time: number): string => new Date(time).toISOString().slice(0, 10);
      for (const patient of await patientsWithOverdueGoals(database, date(at - lookedBack), date(at + furthestEast))) {
        signal.throwIfAborted();
        await recomputePatients([patient], {
          database, rules: committer.rules, questionnaire, requester: { client: 'intersession', requestId: 'overdue-goals' }, apply: true, only: 'Goal',
        });
      }
    },
  };
}
