import { setTimeout as delay } from 'node:timers/promises';
import { gad7, phq9, spread } from '../kit/answers.ts';
import type { Attempt, Ledger, Operation } from '../kit/ledger.ts';

const local = 'https://intersession.example/fhir/CodeSystem';
const sdc = 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp';

/** Numbers that look random and are the same in every run: a failure can be repeated. */
export function sequence(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Own { readonly id: string; readonly body: Record<string, unknown> }

/** Where the service is at present; the clients outlive it. */
export interface Address { readonly base: string; token: string }

/**
 * One therapy app that never ends: posts responses with identifiers or keys, amends and withdraws them, writes goals and
 * homework, sends what must be refused, and repeats every write until it knows what became of it.
 */
export class Writer {
  readonly #ledger: Ledger;
  readonly #address: Address;
  readonly #next: (below: number) => number;
  readonly #patients: readonly string[];
  readonly #name: string;
  readonly #responses: Own[] = [];
  readonly #tasks: Own[] = [];
  #count = 0;

  constructor(ledger: Ledger, address: Address, number: number, patients: readonly string[]) {
    this.#ledger = ledger;
    this.#address = address;
    this.#name = `w${number}`;
    this.#next = sequence(number + 1);
    this.#patients = patients;
  }

  /** Writes until `signal`, then until the last write is settled. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#write();
      await delay(20 + this.#next(40));
    }
  }

  #pick<T>(list: readonly T[]): T { return list[this.#next(list.length)]!; }

  async #write(): Promise<void> {
    const what = this.#next(100);
    if (what < 45 || this.#responses.length === 0) return this.#answer(true);
    if (what < 55) return this.#answer(false);
    if (what < 70) return this.#amend(this.#pick(this.#responses));
    if (what < 76) return this.#goal();
    if (what < 84) return this.#homework();
    if (what < 90) return this.#request();
    return this.#refused(this.#pick(this.#responses));
  }

  #response(patient: string, more: Record<string, unknown>): Record<string, unknown> {
    const authored = new Date(Date.UTC(2025, this.#next(24), 1 + this.#next(28), 8 + this.#next(10), this.#next(60))).toISOString();
    if (this.#next(2) === 0) return gad7(patient, spread(this.#next(19), 7, this.#next(3)), authored, more);
    const last = this.#next(8) === 0 ? 1 + this.#next(3) : 0;
    return phq9(patient, spread(last + this.#next(20), 9, last), authored, more);
  }

  async #answer(identified: boolean): Promise<void> {
    const own = `${this.#name}-${this.#count++}`;
    const body = this.#response(this.#pick(this.#patients), identified ? { identifier: { system: 'urn:app', value: own } } : {});
    const settled = await this.#settle(this.#ledger.intend('POST', 'QuestionnaireResponse', body, identified ? {} : { 'idempotency-key': own }));
    if (settled.outcome === 'acked') this.#responses.push({ id: (JSON.parse(settled.text) as { id: string }).id, body });
  }

  async #amend(own: Own): Promise<void> {
    const withdrawn = this.#next(6) === 0;
    const { subject: { reference }, identifier } = own.body as { subject: { reference: string }; identifier?: object };
    const body = withdrawn ? own.body : this.#response(reference.slice('Patient/'.length), identifier === undefined ? {} : { identifier });
    const sent = { ...body, id: own.id, status: withdrawn ? 'entered-in-error' : 'amended' };
    await this.#settle(this.#ledger.intend('PUT', `QuestionnaireResponse/${own.id}`, sent));
    if (withdrawn) this.#responses.splice(this.#responses.indexOf(own), 1);
  }

  async #goal(): Promise<void> {
    const goal = {
      resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'Feel better' }, subject: { reference: `Patient/${this.#pick(this.#patients)}` }, startDate: '2025-06-01',
      target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailQuantity: { value: 4 + this.#next(8), comparator: '<=' } }],
    };
    await this.#settle(this.#ledger.intend('POST', 'Goal', goal, { 'idempotency-key': `${this.#name}-${this.#count++}` }));
  }

  async #homework(): Promise<void> {
    const own = this.#next(2) === 0 ? undefined : this.#tasks.pop();
    const body = own?.body ?? {
      resourceType: 'Task', status: 'requested', intent: 'order', code: { coding: [{ system: `${local}/homework-type`, code: 'behavioural-experiment' }] },
      for: { reference: `Patient/${this.#pick(this.#patients)}` }, authoredOn: '2026-01-01T10:00:00Z', lastModified: '2026-01-01T10:00:00Z',
    };
    if (own !== undefined) {
      await this.#settle(this.#ledger.intend('PUT', `Task/${own.id}`, { ...body, id: own.id, status: 'accepted' }));
      return;
    }
    const settled = await this.#settle(this.#ledger.intend('POST', 'Task', body, { 'idempotency-key': `${this.#name}-${this.#count++}` }));
    if (settled.outcome === 'acked') this.#tasks.push({ id: (JSON.parse(settled.text) as { id: string }).id, body });
  }

  /** A request to answer the GAD-7: the service completes it with the next answer. */
  async #request(): Promise<void> {
    await this.#settle(this.#ledger.intend('POST', 'Task', {
      resourceType: 'Task', status: 'requested', intent: 'order', code: { coding: [{ system: sdc, code: 'complete-questionnaire' }] },
      for: { reference: `Patient/${this.#pick(this.#patients)}` }, authoredOn: '2025-01-01T10:00:00Z',
      input: [{ type: { coding: [{ system: sdc, code: 'questionnaire' }] }, valueCanonical: 'https://intersession.example/fhir/Questionnaire/gad-7' }],
    }, { 'idempotency-key': `${this.#name}-${this.#count++}` }));
  }

  async #refused({ id, body }: Own): Promise<void> {
    const other = this.#response('nobody', {});
    const { subject, identifier } = body as { subject: object; identifier?: object };
    const intents: (() => Operation)[] = [
      () => this.#ledger.intend('PUT', `QuestionnaireResponse/${id}`, { ...other, subject, id, status: 'amended' }, { 'if-match': 'W/"4711"' }), // 412
      () => this.#ledger.intend('POST', 'QuestionnaireResponse', other), // 422: no such subject
      () => this.#ledger.intend('POST', 'QuestionnaireResponse', { ...other, subject, item: [{ linkId: '/44250-9', answer: [{ valueString: 'x' }] }] }), // 422
    ];
    if (identifier !== undefined) intents.push(() => this.#ledger.intend('POST', 'QuestionnaireResponse', { ...other, subject, identifier })); // 409
    await this.#settle(this.#pick(intents)());
  }

  /** Repeats with the same content until the outcome is known. */
  async #settle(operation: Operation): Promise<Attempt> {
    for (;;) {
      const attempt = await this.#ledger.attempt(operation, this.#address.base, this.#address.token);
      if (attempt.outcome !== 'indeterminate') return attempt;
      await delay(50 + this.#next(100));
    }
  }
}
