/** One issue of an OperationOutcome (http://hl7.org/fhir/R4/operationoutcome.html), before it is written as FHIR. */
export interface Issue {
  readonly severity: 'fatal' | 'error' | 'warning' | 'information';
  /** http://hl7.org/fhir/R4/valueset-issue-type.html */
  readonly code: IssueCode;
  /** One sentence: what is wrong and what would be right. Never a value from a patient's record. */
  readonly text: string;
  /** FHIRPath of the element, e.g. `QuestionnaireResponse.item[3].answer[0].value`; for a query: `http.query-name`. */
  readonly expression?: string;
}

export type IssueCode =
  | 'invalid' | 'structure' | 'required' | 'value' | 'invariant'
  | 'security' | 'login' | 'unknown' | 'expired' | 'forbidden' | 'suppressed'
  | 'processing' | 'not-supported' | 'duplicate' | 'multiple-matches' | 'not-found' | 'deleted'
  | 'too-long' | 'code-invalid' | 'extension' | 'too-costly' | 'business-rule' | 'conflict'
  | 'transient' | 'lock-error' | 'no-store' | 'exception' | 'timeout' | 'incomplete' | 'throttled' | 'informational';

/** The closed union of what can go wrong with a request. The category is chosen where it is found; HTTP knows nothing here. */
export type ProblemKind =
  | 'malformed'            // the bytes are not what they claim to be
  | 'unauthenticated'      // no token, or a token that is not valid
  | 'forbidden'            // the token does not grant this type or verb
  | 'not-found'            // not there, or not visible: the two are the same
  | 'gone'                 // deleted
  | 'method-not-allowed'
  | 'not-acceptable'
  | 'unsupported-media-type'
  | 'conflict'             // version or identity conflict
  | 'precondition-failed'  // If-Match, or a condition that matches several
  | 'invalid'              // the resource breaks FHIR's rules or the rules of this service
  | 'too-large'
  | 'too-costly'
  | 'not-supported'
  | 'throttled'            // too many requests of one caller
  | 'unavailable'          // try again later
  | 'internal';

/** A refusal: thrown by any stage, answered as an OperationOutcome with the status that `http/respond.ts` gives the kind. */
export class Problem extends Error {
  readonly kind: ProblemKind;
  readonly issues: readonly Issue[];
  /** Extra response headers the kind calls for (`WWW-Authenticate`, `Retry-After`, `Allow`). */
  readonly headers: Readonly<Record<string, string>>;

  constructor(kind: ProblemKind, issues: readonly Issue[] | Issue, headers: Record<string, string> = {}) {
    const list = Array.isArray(issues) ? (issues as readonly Issue[]) : [issues as Issue];
    super(list.map((issue) => issue.text).join('; '));
    this.name = 'Problem';
    this.kind = kind;
    this.issues = list;
    this.headers = headers;
  }
}

/** @returns a Problem of one error issue. */
export function problem(kind: ProblemKind, code: IssueCode, text: string, expression?: string, headers?: Record<string, string>): Problem {
  return new Problem(kind, { severity: 'error', code, text, ...(expression === undefined ? {} : { expression }) }, headers);
}

/** @returns the OperationOutcome resource for `issues`. */
export function operationOutcome(issues: readonly Issue[]): Record<string, unknown> {
  return {
    resourceType: 'OperationOutcome',
    issue: issues.map(({ severity, code, text, expression }) => ({
      severity,
      code,
      details: { text },
      ...(expression === undefined ? {} : { expression: [expression] }),
    })),
  };
}
