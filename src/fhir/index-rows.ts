/** Index rows of one resource as extracted from its search parameters, before rid and patient are known. */
export interface IndexRows {
  readonly token: TokenRow[];
  readonly reference: ReferenceRow[];
  readonly date: DateRow[];
  readonly string: StringRow[];
  readonly uri: UriRow[];
  readonly quantity: QuantityRow[];
}

/** `system` is `hash64(systemUri)`, 0n when there is none. */
export interface TokenRow { readonly param: number; readonly code: string; readonly system: bigint }
/** Local references: type and id without version. Others: the whole URL as id, type null. */
export interface ReferenceRow { readonly param: number; readonly targetId: string; readonly targetType: string | null }
/** Half-open [low, high) in ISO 8601 UTC with microseconds; `-infinity` and `infinity` for open ends. */
export interface DateRow { readonly param: number; readonly low: string; readonly high: string }
export interface StringRow { readonly param: number; readonly value: string; readonly exact: string }
export interface UriRow { readonly param: number; readonly value: string; readonly version: string | null }
/** `low` and `high` are decimal strings: the same number twice, or the ends of a Range or of what a comparator says. */
export interface QuantityRow { readonly param: number; readonly code: string; readonly system: bigint; readonly low: string; readonly high: string }

/** What of a resource goes into the typed columns of its own row. */
export interface HotColumns {
  /** Logical id of the one Patient whose record this is (for Patient: its own id), else null. */
  readonly patient: string | null;
  readonly status: string | null;
  readonly dateLow: string | null;
  readonly dateHigh: string | null;
  /** meta.security carries v3-Confidentiality R or V, or v3-ActCode PSYTHPN. */
  readonly restricted: boolean;
  /** meta.security says that the client keeps it private. */
  readonly private: boolean;
}
