import type { Verb } from '../fhir/visibility.ts';
import type { Answer, Context } from '../interactions/context.ts';
import type { Query } from '../interactions/route.ts';

/** An operation as it was called; `version` where it was called on one version of an instance. */
export interface Call { readonly name: string; readonly method: string; readonly type?: string; readonly id?: string; readonly version?: number; readonly query: Query }

export type Level = 'system' | 'type' | 'instance';

/** Where an operation may be called, what it reads, and what carries it out. */
export interface Operation {
  readonly level: Level | readonly Level[];
  /** The types it is called on; `*`: every type that clients may write. */
  readonly type?: string | readonly string[];
  /** Whether it may be called on one version (`Type/id/_history/1/$name`). */
  readonly onVersion?: boolean;
  /** Whether it changes something: then it is not called with GET (http://hl7.org/fhir/R4/operations.html#executing). */
  readonly changes?: boolean;
  /** Scopes that it needs: what it reveals is never more than these. An operation on any type asks for those of the type itself. */
  readonly needs: readonly (readonly [type: string, verb: Verb])[];
  /** Canonical of its OperationDefinition. */
  readonly definition: string;
  readonly run: (context: Context, call: Call, body: string) => Promise<Answer>;
}

/** @returns whether `operation` is called on `type`, or on its instances. */
export function isOn({ type: on }: Operation, type: string, writtenByService: boolean): boolean {
  return on === '*' ? !writtenByService : typeof on === 'string' ? on === type : on?.includes(type) === true;
}

/** @returns whether `operation` may be called on `level`. */
export const isAt = ({ level: at }: Operation, level: Level): boolean => (typeof at === 'string' ? at === level : at.includes(level));
