/** A FHIR resource as plain JSON: what every stage handles before a typed view of `@medplum/fhirtypes` is taken of it. */
export interface Resource {
  resourceType: string;
  id?: string;
  meta?: Meta;
  [element: string]: unknown;
}

/** Resource.meta as far as the service reads and writes it. */
export interface Meta {
  versionId?: string;
  lastUpdated?: string;
  profile?: string[];
  security?: { system?: string; code?: string }[];
  tag?: { system?: string; code?: string }[];
  source?: string;
  [element: string]: unknown;
}

/** A resource that is stored: id and version are certain. */
export interface Stored {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly rid: bigint;
  /** Exactly the text that a read returns; null for a deletion. */
  readonly body: string | null;
  readonly lastUpdated: Date;
}
