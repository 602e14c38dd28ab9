/** The verbs of a SMART v2 scope: create, read (with vread and instance history), update (with patch), delete, search (with type history). */
export type Verb = 'c' | 'r' | 'u' | 'd' | 's';

/** Whose records a caller may reach. */
export type Reach =
  | { readonly kind: 'none' }
  | { readonly kind: 'all' }
  | { readonly kind: 'patient'; readonly patient: string }
  | { readonly kind: 'practitioner'; readonly reference: string };

/**
 * What a caller may see and do: the only value in which authorization and storage meet.
 * It starts from nothing; every table reference of every query carries it.
 */
export interface Visibility {
  /** Binds paging tokens and idempotency keys to the one who got them. */
  readonly caller: string;
  readonly reach: Reach;
  /** Granted verbs by resource type; a type that is absent is not granted. */
  readonly grants: ReadonlyMap<string, ReadonlySet<Verb>>;
  /** Whether resources whose `meta.security` says restricted are visible. */
  readonly restricted: boolean;
}

/** @returns whether `visibility` grants `verb` on `type`. */
export function grants(visibility: Visibility, type: string, verb: Verb): boolean {
  return visibility.grants.get(type)?.has(verb) === true;
}
