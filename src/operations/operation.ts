import type { Verb } from '../fhir/visibility.ts';
import type { Answer, Context } from '../interactions/context.ts';
import type { Query } from '../interactions/route.ts';

/** An operation as it was called. */
export interface Call { readonly name: string; readonly type?: string; readonly id?: string; readonly query: Query }

/** Where an operation may be called, what it reads, and what carries it out. */
export interface Operation {
  readonly level: 'system' | 'type' | 'instance';
  readonly type?: string;
  /** Scopes that it needs: what it reveals is never more than these. */
  readonly needs: readonly (readonly [type: string, verb: Verb])[];
  /** Canonical of its OperationDefinition. */
  readonly definition: string;
  readonly run: (context: Context, call: Call, body: string) => Promise<Answer>;
}
