import type { Resource } from '../fhir/resource.ts';
import type { Registry } from './registry.ts';
import type { SafetySettings } from './safety-settings.ts';
import type { TrajectoryReference } from './trajectory-reference.ts';

/** One write of a resource that may change what is derived. */
export interface Change {
  /** As stored, with id and meta.versionId; for a deletion the version that was deleted. */
  readonly resource: Resource;
  /** The version before; absent for a resource that is new. */
  readonly previous?: Resource;
  readonly deleted: boolean;
  /** The Questionnaire that the response names, where it is stored here. */
  readonly questionnaire?: Resource;
}

export interface DeriveContext {
  readonly registry: Registry;
  /** Instant, from the database. */
  readonly now: string;
  /** `Device/...` of this version of the service. */
  readonly device: string;
  /** `Patient/...` */
  readonly patient: string;
  /** Time zone of the deployment, for a record that is made anew and for clients who do not say where they live; absent: UTC. */
  readonly zone?: string;
  readonly careTeam?: Resource;
  /** The Patient itself. */
  readonly patientResource?: Resource;
  /** What the organisation decided about safety reviews; absent: the service's defaults. */
  readonly safety?: SafetySettings;
  /** What the course of closed episodes was; null or absent: there is no benchmark yet. */
  readonly reference?: TrajectoryReference | null;
  /** Told by a rule that it looks at scores of other scales (keys) than those that the change touches; absent: the record has all scores. */
  readonly looksAt?: (scales: readonly string[]) => void;
}

/** Only where this resource is there and `holds`; the same derivation must change it, so that it is read. */
export interface WrittenWhen { readonly type: string; readonly id: string; readonly holds: (current: Resource) => boolean }

/**
 * What the store writes in the transaction of the change.
 * put: create or next version, skipped when equal to what is stored (meta aside).
 * once: created if absent, never overwritten.
 * change: the current resource is read, changed and written; null leaves it; nothing happens when it is not there.
 * `answeredBy`: the id of the response that answers the Task, so that another response of the same unit answers another.
 * `mayExist` false: the id cannot exist yet, so no look-up is needed.
 */
export type DerivedWrite =
  | { readonly kind: 'put'; readonly resource: Resource; readonly mayExist: boolean }
  | { readonly kind: 'once'; readonly resource: Resource; readonly mayExist: boolean; readonly when?: WrittenWhen }
  | { readonly kind: 'change'; readonly type: string; readonly id: string; readonly change: (current: Resource) => Resource | null; readonly answeredBy?: string };
