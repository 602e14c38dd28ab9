import { createHash } from 'node:crypto';
import { problem } from '../fhir/outcome.ts';
import { servedType, type ServedType } from '../fhir/types.ts';
import type { Criterion } from '../fhir/criteria.ts';
import { grants, type Limits, type Reach, type Verb, type Visibility } from '../fhir/visibility.ts';
import { insufficientScope } from './bearer.ts';
import type { Context, Grants, LimitedGrant } from './scopes.ts';
import type { Caller } from './token.ts';

/** From the narrowest to the widest. */
const narrowestFirst: readonly Context[] = ['patient', 'user', 'system'];

const none: ReadonlySet<Verb> = new Set();
const read: ReadonlySet<Verb> = new Set(['r', 's']);
const all: ReadonlySet<Verb> = new Set(['c', 'r', 'u', 'd', 's']);

/**
 * What a scope can grant at most, by reach and by what `schemas/r4/types.json` says of the type. A patient's app asking for
 * `patient/*.cruds` must not get to rewrite the questionnaires and practitioners that everybody shares, nor to close an
 * alert, to appoint who treats, or to state a diagnosis or where something came from in the patient's own record.
 */
function ceiling(reach: Reach['kind'], type: string, { access, byPatient }: ServedType): ReadonlySet<Verb> {
  switch (reach) {
    case 'none': return access === 'directory' ? read : none;
    case 'auditor': return read;
    case 'related': return access === 'system' ? none : read;
    case 'patient': {
      if (access !== 'patient') return access === 'directory' ? read : none;
      return byPatient === undefined ? read : read.union(new Set(byPatient.verbs.split('') as Verb[]));
    }
    case 'practitioner': return byOffice[type] ?? all;
    case 'all': return all;
  }
}

/**
 * What a practitioner does not do beside treating: say who belongs to which organisation, which Consents give access; and
 * delete a person, where the refusal would tell that there is something which the practitioner does not see.
 */
const byOffice: Readonly<Record<string, ReadonlySet<Verb>>> = { PractitionerRole: read, Patient: new Set(['c', 'r', 'u', 's']) };

/**
 * Decides what a caller may see and do. Starts from nothing. Contexts are not added up: with scopes of several, the narrowest
 * counts alone, so that no `system/` scope widens what a person's app was given.
 *
 * @returns the visibility that every query carries; without an understood scope it grants nothing
 * @throws Problem `forbidden` when the token has patient/ scopes and no patient
 */
export function visibility(caller: Caller): Visibility {
  const known = decided.get(caller);
  if (known !== undefined) return known;
  const fresh = decide(caller);
  decided.set(caller, fresh);
  return fresh;
}

/** A Caller never changes, and lives as long as its token is remembered. */
const decided = new WeakMap<Caller, Visibility>();

function decide(caller: Caller): Visibility {
  const { contexts, limited } = caller.scopes;
  const context = narrowestFirst.find((each) => contexts.has(each) || limited.has(each));
  const reach = context === undefined ? ({ kind: 'none' } as const) : reachOf(context, caller);
  const granted = context === undefined ? { grants: new Map() } : under(reach, contexts.get(context) ?? new Map(), limited.get(context) ?? []);
  return Object.freeze({
    caller: callerKey(caller, context, reach),
    reach,
    ...granted,
    // Notes for therapists only stay out of a patient's own app, whatever its scopes say.
    restricted: reach.kind === 'practitioner' || reach.kind === 'all',
  });
}

function reachOf(context: Context, { patient, fhirUser, scopes }: Caller): Reach {
  switch (context) {
    case 'patient':
      if (patient === undefined) {
        throw problem('forbidden', 'forbidden', 'The token has patient/ scopes but names no patient: it needs a launch with a patient in context.');
      }
      return { kind: 'patient', patient };
    case 'user': {
      const [type, id] = fhirUser?.split('/') ?? [];
      if (type === 'Practitioner' && fhirUser !== undefined) return { kind: 'practitioner', reference: fhirUser };
      if (type === 'Patient' && id !== undefined) return { kind: 'patient', patient: id };
      if (type === 'RelatedPerson' && fhirUser !== undefined) return { kind: 'related', reference: fhirUser };
      return { kind: 'none' };
    }
    case 'system':
      return { kind: isAuditor(scopes) ? 'auditor' : 'all' };
  }
}

/** Who may read the access log and, at most, reports beside it looks after how records are used: not into them. */
function isAuditor({ contexts, limited }: Caller['scopes']): boolean {
  const types = [...contexts.get('system')?.keys() ?? []];
  return types.includes('AuditEvent') && types.every((type) => type === 'AuditEvent' || type === 'MeasureReport') && !limited.has('system');
}

/** Verbs that the reach leaves of the scopes. A plain scope for a verb wins over granular ones, which add up. */
function under({ kind }: Reach, scoped: Grants, limited: readonly LimitedGrant[]): Pick<Visibility, 'grants' | 'limits'> {
  const granted = new Map<string, Set<Verb>>();
  const limits = new Map<string, Map<Verb, Criterion[]>>();
  const allow = (type: string, verbs: ReadonlySet<Verb>): ReadonlySet<Verb> => {
    const served = servedType(type);
    const allowed = served === undefined ? none : verbs.intersection(ceiling(kind, type, served));
    if (allowed.size > 0) granted.set(type, new Set([...(granted.get(type) ?? []), ...allowed]));
    return allowed;
  };
  for (const [type, verbs] of scoped) allow(type, verbs);
  for (const { type, verbs, criterion } of limited) {
    for (const verb of allow(type, verbs)) {
      if (scoped.get(type)?.has(verb) === true) continue;
      const ofType = limits.get(type) ?? new Map<Verb, Criterion[]>();
      limits.set(type, ofType);
      ofType.set(verb, [...(ofType.get(verb) ?? []), criterion]);
    }
  }
  return { grants: granted, ...(limits.size === 0 ? {} : { limits: limits satisfies ReadonlyMap<string, Limits> }) };
}

/** The same for every token of one client for one person in one context: it outlives the token, and is no secret. */
function callerKey({ client, subject }: Caller, context: Context | undefined, reach: Reach): string {
  return createHash('sha256').update(JSON.stringify([client, subject, context, reach])).digest('base64url');
}

/**
 * Requires that `visibility` grants `verb` on `type`.
 *
 * @throws Problem `forbidden` that names the scope that would be needed
 */
export function authorize(visibility: Visibility, type: string, verb: Verb): void {
  if (grants(visibility, type, verb)) return;
  const scope = `${contextFor(visibility.reach, type, verb)}/${type}.${verb}`;
  const person = visibility.reach.kind === 'none' ? ', in a token whose fhirUser is a Practitioner, Patient or RelatedPerson of this server' : '';
  throw insufficientScope(`The token does not grant this: the scope ${scope} would be needed${person}.`, scope);
}

/** The narrowest context, from the caller's own upwards, in which the scope would grant the verb. */
function contextFor(reach: Reach, type: string, verb: Verb): Context {
  const served = servedType(type);
  if (reach.kind === 'patient' && served !== undefined && ceiling('patient', type, served).has(verb)) return 'patient';
  return reach.kind === 'all' ? 'system' : 'user';
}
