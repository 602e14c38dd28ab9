import { Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import type { Visibility } from '../fhir/visibility.ts';

/** A resource on its way into the store: `value` is what rules read, `stored` what is written (numbers keep their text). */
export interface Incoming {
  readonly value: Resource;
  readonly stored: Readonly<Record<string, unknown>>;
  /** Its meta has all the profiles, tags and security labels that remain ($meta-delete): others of the version before are taken away. */
  readonly relabels?: true;
}

/**
 * Set where other writes of the unit refer to a create by its id: whether that id is new, or of what was found to exist.
 * When the transaction finds it otherwise, the create is refused with `ExistsElsewhere`: the others would refer to nothing.
 */
export type Linked = 'new' | 'existing';

/**
 * What a condition or a create is about turned out to be another resource than a moment ago, or not to be there any more:
 * the write is to be made anew.
 */
export class ExistsElsewhere extends Problem {
  /** Where it is; null: nowhere, or to be looked up. */
  readonly id: string | null;

  constructor(id: string | null) {
    super('conflict', { severity: 'error', code: 'lock-error', text: 'What this is about is another resource than a moment ago. Try again.' });
    this.id = id;
  }
}

/**
 * The search that chose what a write is about, and what it found when the write was made. The transaction looks again, under
 * the lock of what was found, or of the condition where nothing was; where the answer differs, the write is refused with `ExistsElsewhere`.
 */
export interface Condition {
  readonly plan: SearchPlan;
  /** Logical ids; none: the write creates. */
  readonly found: readonly string[];
  /** Set where the condition may choose several: all that were found are written in one unit. */
  readonly several?: true;
}

/** One write as an interaction asks for it. Nothing in it is trusted to be current: the transaction decides. */
export type WriteRequest =
  | { readonly kind: 'create'; readonly type: string; readonly id: string; readonly incoming: Incoming; readonly ifNoneExist?: SearchPlan; readonly questionnaire?: Resource; readonly linked?: Linked }
  | { readonly kind: 'update'; readonly type: string; readonly id: string; readonly incoming: Incoming; readonly ifMatch?: number; readonly ifNoneMatch?: '*'; readonly condition?: Condition; readonly questionnaire?: Resource }
  | { readonly kind: 'patch'; readonly type: string; readonly id: string; readonly patient: string | null; readonly ifMatch?: number; readonly change: (body: string) => Incoming; readonly condition?: Condition; readonly questionnaire?: Resource }
  | { readonly kind: 'delete'; readonly type: string; readonly id: string; readonly patient: string | null; readonly ifMatch?: number; readonly condition?: Condition };

/** Who asks, for the access log. */
export interface Requester {
  readonly client: string;
  /** `Practitioner/x`, `Patient/y` where the token names a user. */
  readonly agent?: string;
  readonly requestId: string;
  readonly address?: string;
  /** Patients (rid) whose record is open in an emergency, with the purpose: what is seen of it is logged so. */
  readonly emergencies?: ReadonlyMap<bigint, string>;
}

/** Writes that succeed or are refused as one. */
export interface Unit {
  readonly writes: readonly WriteRequest[];
  /** What conditional references of the writes were resolved by; it must still be so. */
  readonly references?: readonly Condition[];
  readonly visibility: Visibility;
  readonly requester: Requester;
  /** The interaction of the whole request: create, update, transaction, ... */
  readonly interaction: string;
  readonly idempotency?: { readonly key: string; readonly bodyHash: Buffer };
  /** Set by the service for what it ships: exempt from the rules that bind clients. */
  readonly internal?: boolean;
}

/** What became of one write. */
export interface Written {
  /** `existing`: a conditional or repeated create found it; `unchanged`: the content is what was stored. */
  readonly outcome: 'created' | 'updated' | 'deleted' | 'existing' | 'unchanged' | 'absent';
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly body: string | null;
  readonly lastUpdated: string;
  /** Id of the Communication that the client gets at once for what a response says. */
  readonly clientMessage?: string;
  /** Whose record it belongs to, where this unit did not write it: for the access log. */
  readonly patient?: bigint | null;
}

/** The current version of a resource as the transaction sees it. */
export interface Current {
  readonly type: string;
  readonly id: string;
  readonly rid: bigint;
  readonly version: number;
  readonly live: boolean;
  readonly patient: bigint | null;
  readonly restricted: boolean;
  readonly private: boolean;
  readonly lastUpdated: string;
  readonly body: string | null;
  /** A Patient that was erased: its id is used up. */
  readonly erased?: boolean;
}
