import { codeSystem } from '../fhir/canonical.ts';
import { parseJson } from '../fhir/json.ts';
import { Problem, problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import { escalated, escalationMessage, stepDue } from '../outcomes/escalation.ts';
import { recipients, type Recipients } from '../outcomes/safety-recipients.ts';
import type { SafetySettings } from '../outcomes/safety-settings.ts';
import type { Committer } from '../store/commit.ts';
import type { Database } from '../store/database.ts';
import { readNewest } from '../store/read.ts';
import { readOfPatient } from '../store/record.ts';
import { search, type Cursor, type Row } from '../store/search.ts';
import { serviceVisibility } from '../store/shipped.ts';
import type { Job } from './schedule.ts';

/** What the escalation of reviews needs. */
export interface EscalationOptions {
  readonly database: Database;
  readonly committer: Committer;
  /** `Device/...` of this version of the service. */
  readonly device: string;
  readonly settings: SafetySettings;
}

/** The clock of a review runs in minutes; a step is late by this much at most. */
const everyMs = 30_000;

/**
 * Tells a second clinician, and then the duty lead, of reviews that nobody acknowledged in their time (docs/clinical.md 7).
 * The queue is the stored Tasks themselves. Each step is one transaction: the Task says that it was taken, and the message has an id
 * that follows from both, so that an interruption or another process at the same work neither loses a step nor takes it twice.
 */
export function escalation(options: EscalationOptions): Job {
  return {
    name: 'safety-escalation',
    everyMs,
    async run(at, signal) {
      let failed: unknown;
      for await (const row of overdue(options.database, at)) {
        signal.throwIfAborted();
        try {
          await escalate(options, row, at);
        } catch (error) {
          failed ??= error; // one record that cannot be written must not keep the others waiting
        }
      }
      if (failed !== undefined) throw failed;
    },
  };
}

/** Reviews that nobody acknowledged, whose limit is reached, and of which not everybody has heard. */
async function* overdue(database: Database, at: number): AsyncGenerator<Row> {
  const plan = parseSearch('Task', [
    ['code', `${codeSystem('task-type')}|safety-review`], ['status', 'requested'], ['due', `eb${new Date(at + 1).toISOString()}`],
    ['business-status:not', `${codeSystem('review-escalation')}|duty-lead`], ['_count', '200'],
  ], { handling: 'strict' });
  let page: Cursor | undefined;
  do {
    const found = await search(database, plan, serviceVisibility, page);
    yield* found.matches;
    page = found.next;
  } while (page !== undefined);
}

/** Takes the steps that are due for one review: both, where the service was away for long. */
async function escalate(options: EscalationOptions, { id, patient, body }: Row, at: number): Promise<void> {
  const now = new Date(at).toISOString();
  let task = JSON.parse(body) as Resource;
  let to: Recipients | undefined;
  for (let step = stepDue(task, at); step !== undefined; step = stepDue(task, at)) {
    const taken = step;
    const told = to ??= await recipientsFor(options, task, patient, at);
    const change = (text: string) => {
      const { value, stored } = parseJson(text);
      if (stepDue(value as Resource, at) !== taken) throw problem('conflict', 'conflict', 'The review was acknowledged, or the step was taken, a moment ago.');
      return { value: escalated(value as Resource, taken, told, now), stored: escalated(stored as Resource, taken, told, now) };
    };
    const message = escalationMessage(task, taken, told, { device: options.device, now });
    try {
      await options.committer.commit({
        visibility: serviceVisibility, internal: true, interaction: 'update', requester: { client: 'intersession', requestId: 'safety-escalation' },
        writes: [
          { kind: 'patch', type: 'Task', id, patient: patientIdOf(task), change },
          { kind: 'update', type: 'Communication', id: message.id!, incoming: { value: message, stored: message }, ifNoneMatch: '*' },
        ],
      });
    } catch (error) {
      if (error instanceof Problem && (error.kind === 'conflict' || error.kind === 'precondition-failed' || error.kind === 'gone')) return; // somebody was quicker
      throw error;
    }
    task = escalated(task, taken, told, now);
  }
}

const patientIdOf = (task: Resource): string | null => (task.for as { reference?: string } | undefined)?.reference?.split('/')[1] ?? null;

async function recipientsFor({ database, settings }: EscalationOptions, task: Resource, patient: bigint | null, at: number): Promise<Recipients> {
  const [teams, person] = await Promise.all([
    patient === null ? [] : readOfPatient(database, serviceVisibility, patient, 'CareTeam', ['active']),
    readNewest(database, serviceVisibility, 'Patient', patientIdOf(task) ?? ''),
  ]);
  const parsed = (body: string | null | undefined): Resource | undefined => (body === null || body === undefined ? undefined : (JSON.parse(body) as Resource));
  return recipients(parsed(teams[0]), parsed(person?.body), at, settings.dutyLead);
}
