import { canonicalBase } from '../../fhir/canonical.ts';
import type { Resource } from '../../fhir/resource.ts';
import { formOf, type Form } from './answers.ts';
import { clientOf, directory } from './people.ts';
import { storyOf, type Forms } from './story.ts';

/** A request to the FHIR API, `path` below its base; the answer is parsed. */
export type Send = (method: 'GET' | 'POST', path: string, body?: object) => Promise<{ readonly status: number; readonly body: any }>;

export interface Caseload {
  /** Number of clients. */
  readonly clients: number;
  /** `YYYY-MM-DD`, the end of the weeks. */
  readonly now: string;
}

/** What a run wrote, and of how many resources the caseload consists. */
export interface Loaded {
  readonly transactions: number;
  /** Resource versions sent by this run. */
  readonly sent: number;
  /** Resources of the whole caseload by type, whenever they were sent. */
  readonly caseload: ReadonlyMap<string, number>;
}

/** Clients that are written at the same time. */
const atOnce = 12;

/**
 * Writes the caseload through the FHIR API: every step of every client in one transaction, with ids of its own.
 * A step that is there already is not sent again, so a second run changes nothing and an interrupted one goes on.
 * @param progress called with the number of clients that are complete.
 * @throws Error of one line that says which step was refused and why.
 */
export async function load(send: Send, { clients, now }: Caseload, progress: (done: number) => void): Promise<Loaded> {
  const forms: Forms = { phq9: await published(send, 'phq-9'), gad7: await published(send, 'gad-7'), feedback: await published(send, 'bs-alliance') };
  const seen = new Map<string, Set<string>>();
  let transactions = 0, sent = 0, done = 0, next = 1;
  const write = async (name: string, resources: readonly Resource[]): Promise<void> => {
    await transact(send, name, resources);
    transactions += 1;
    sent += resources.length;
  };
  const note = (resources: readonly Resource[]): void => {
    for (const { resourceType, id } of resources) seen.set(resourceType, (seen.get(resourceType) ?? new Set()).add(id!));
  };
  note(directory());
  await write('directory', directory());
  const worker = async (): Promise<void> => {
    for (let number = next++; number <= clients; number = next++) {
      const { id } = clientOf(number);
      const appointments = await appointmentsOf(send, id);
      for (const { name, isDone, resources } of storyOf(number, now, forms)) {
        note(resources);
        if (!isDone(appointments)) await write(`${id}, ${name}`, resources);
      }
      progress(done += 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, clients) }, worker));
  return { transactions, sent, caseload: new Map([...seen].map(([type, ids]) => [type, ids.size])) };
}

async function published(send: Send, instrument: string): Promise<Form> {
  const { body } = await ask(send, `Questionnaire?url=${encodeURIComponent(`${canonicalBase}/Questionnaire/${instrument}`)}`);
  const questionnaire = body.entry?.[0]?.resource as Resource | undefined;
  if (questionnaire === undefined) throw new Error(`the service publishes no Questionnaire ${instrument}`);
  return formOf(questionnaire);
}

/** Status by id of a client's appointments; none when the client is not there. */
async function appointmentsOf(send: Send, id: string): Promise<Map<string, string>> {
  const { body } = await ask(send, `Appointment?patient=Patient/${id}&_count=100`);
  return new Map(((body.entry ?? []) as { resource: { id: string; status: string } }[]).map(({ resource }) => [resource.id, resource.status]));
}

/** A search or read that must succeed. */
export async function ask(send: Send, path: string): Promise<{ readonly body: any }> {
  const answer = await send('GET', path);
  if (answer.status !== 200) throw refusal(`GET ${path}`, answer);
  return answer;
}

async function transact(send: Send, name: string, resources: readonly Resource[]): Promise<void> {
  const entry = resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } }));
  const answer = await send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
  if (answer.status !== 200) throw refusal(name, answer);
}

function refusal(what: string, { status, body }: { status: number; body: any }): Error {
  const issue = body?.issue?.[0];
  return new Error(`${what} was refused with ${status}: ${issue?.details?.text ?? issue?.diagnostics ?? 'no reason given'}${issue?.expression === undefined ? '' : ` (${issue.expression.join(', ')})`}`);
}
