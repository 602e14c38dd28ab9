/**
 * What the authorization server did or refused, for the access log. It names clients, people and records by id, and holds no
 * password, code, token or secret.
 */
export interface AuthorizationEvent {
  readonly kind: 'login' | 'logout' | 'authorization' | 'token' | 'revocation' | 'introspection' | 'launch' | 'patient-list';
  readonly refused: boolean;
  readonly client?: string;
  /** `Practitioner/x` or `Patient/x`. */
  readonly fhirUser?: string;
  /** Surrogate ids of Patients whose names were shown. */
  readonly patients?: readonly bigint[];
  /** Id of the Patient in context. */
  readonly patient?: string;
  /** A closed code: `password`, `too-many`, `invalid_grant`. */
  readonly reason?: string;
  readonly address?: string;
}

/** Where events go: an answer that shows records leaves after its event is kept. */
export type AuthorizationAudit = (event: AuthorizationEvent) => Promise<void>;
