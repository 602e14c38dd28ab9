import type { Issue } from '../fhir/outcome.ts';
import type { Registry } from '../outcomes/registry.ts';
import type { SafetySettings } from '../outcomes/safety-settings.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { AuditLog } from '../store/audit.ts';
import type { Committer } from '../store/commit.ts';
import type { Database } from '../store/database.ts';
import type { ReferenceSource } from '../store/derived.ts';
import type { Requester } from '../store/unit.ts';
import type { ProfileFinder } from './profiles.ts';
import type { QuestionnaireFinder } from './questionnaires.ts';

/** What the process gives to every interaction. */
export interface Parts {
  readonly database: Database;
  readonly committer: Committer;
  readonly audit: AuditLog;
  /** Clients that administer the service: who may erase. */
  readonly administrators: ReadonlySet<string>;
  /** `http://host:port/fhir/R4`, without a slash at the end. */
  readonly baseUrl: string;
  /** Signs paging tokens. */
  readonly pageKey: Buffer;
  /** How long an access in an emergency lasts. */
  readonly emergencyMinutes: number;
  /** Where the days of clients begin and end who do not say where they live. */
  readonly zone: string;
  /** The instruments of this deployment. */
  readonly registry: Registry;
  /** What the course of closed episodes was, as this process knows it. */
  readonly reference: ReferenceSource;
  /** What the organisation decided about safety reviews. */
  readonly safety: SafetySettings;
  /** `Device/...` of this version of the service: what computed resources name. */
  readonly device: string;
  /** The CapabilityStatement as text. */
  readonly capabilities: string;
  /** Finds the Questionnaire that a response answers. */
  readonly questionnaire: QuestionnaireFinder;
  /** Finds the profiles that a resource says it meets. */
  readonly profiles: ProfileFinder;
}

/** What the request says beside its URL and body (http://hl7.org/fhir/R4/http.html). */
export interface Preferences {
  /** Not said: a single write answers with the resource, a transaction without. */
  readonly return?: 'minimal' | 'representation' | 'OperationOutcome';
  readonly handling: 'strict' | 'lenient';
}

/** One authorized request on its way through an interaction. */
export interface Context extends Parts {
  readonly visibility: Visibility;
  readonly requester: Requester;
  readonly prefer: Preferences;
  /** Media type that is asked for, where it is not JSON: only operations that have it are called with one. */
  readonly format?: string;
  /** Of a read of a Binary: whether content of a media type is wanted as it is; undefined of one that is not wanted at all. */
  readonly native?: (contentType: string) => boolean | undefined;
  readonly ifMatch?: number;
  readonly ifNoneMatch?: string;
  readonly ifModifiedSince?: string;
  readonly ifNoneExist?: string;
  readonly idempotencyKey?: string;
}

/** What an interaction answers; `body` is JSON text that is sent as it is. */
export interface Answer {
  readonly status: number;
  readonly body?: string;
  /** Sent instead of `body`, with the media type that `headers` say. */
  readonly content?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the sender of something that was stored should know of it, where the answer is an entry of a Bundle and has room for it. */
  readonly remarks?: () => readonly Issue[];
}
