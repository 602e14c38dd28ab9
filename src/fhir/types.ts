import registry from '../../schemas/r4/types.json' with { type: 'json' };

/** What the service knows of a served type: one line of `schemas/r4/types.json`. */
export interface ServedType {
  /** `patient`: part of one Patient's record; `directory`: not about a patient; `system`: never for a patient's own app. */
  readonly access: 'patient' | 'directory' | 'system';
  /** Element that names the Patient (`id` for Patient itself). */
  readonly patient?: string;
  /** Search parameter whose value is kept in `resource.date_low/date_high`. */
  readonly date?: string;
  /** Element kept in `resource.status`. */
  readonly status?: string;
  /** Written by the service only: clients read and search it. */
  readonly writtenBy?: 'service';
  /** What a patient's own app may write of the type; absent: it only reads. */
  readonly byPatient?: {
    /** Verbs that its scopes can grant at most. A record is not deleted by an app: what is wrong is marked entered-in-error. */
    readonly verbs: string;
    /** Element that may name nobody but the patient, in what is written and in what it replaces. */
    readonly author?: string;
    /** Without an author the resource counts as the patient's own. */
    readonly unsigned?: boolean;
    /** Elements that stay as they are, or name the patient: who ordered, who treats. */
    readonly keeps?: readonly string[];
  };
}

const types: ReadonlyMap<string, ServedType> = new Map(Object.entries(registry.types) as [string, ServedType][]);

/** @returns what is known of `type`, or undefined when this service does not serve it. */
export function servedType(type: string): ServedType | undefined {
  return types.get(type);
}

/** All served resource types, in the order of the registry. */
export const servedTypes: readonly string[] = [...types.keys()];
