import { codeSystem } from './canonical.ts';
import { periodRange } from './dates.ts';
import type { Resource } from './resource.ts';
import { servedType } from './types.ts';

/** Code system of the tag that says who recorded a Consent; the service sets it on every write (src/resources/consent.ts). */
export const recordedBy = codeSystem('consent-recorded-by');

/** Who recorded a Consent. Only what the first three recorded may widen what somebody sees. */
export type Recorder = 'patient' | 'system' | 'break-glass' | 'practitioner';

export interface Label { readonly system: string | undefined; readonly code: string }

/** One provision of a Consent as it bears on reading now: who, of whose record, which resources. */
export interface ConsentRule {
  /** rid of the Patient. */
  readonly patient: bigint;
  readonly kind: 'permit' | 'deny';
  /** Absent: of every type. */
  readonly types?: readonly string[];
  /** `Type/id` of single resources; absent: all. */
  readonly instances?: readonly string[];
  /** Security labels of which the resource has one; absent: whatever its labels. */
  readonly labels?: readonly Label[] | undefined;
  /** Set where it is an access in an emergency: its purpose (v3-ActReason). */
  readonly emergency?: string | undefined;
  /** What a provision within a deny excepts from it. */
  readonly except: readonly ConsentRule[];
}

interface Coding { readonly system?: string; readonly code?: string }
interface Provision {
  readonly type?: string;
  readonly period?: { readonly start?: string; readonly end?: string };
  readonly actor?: readonly { readonly reference?: { readonly reference?: string } }[];
  readonly action?: readonly { readonly coding?: readonly Coding[] }[];
  readonly securityLabel?: readonly Coding[];
  readonly purpose?: readonly Coding[];
  readonly class?: readonly Coding[];
  readonly code?: readonly unknown[];
  readonly dataPeriod?: unknown;
  readonly data?: readonly { readonly meaning?: string; readonly reference?: { readonly reference?: string } }[];
  readonly provision?: readonly Provision[];
}

const resourceTypes = new Set(['http://hl7.org/fhir/resource-types', 'http://hl7.org/fhir/defined-types', 'http://hl7.org/fhir/fhir-types']);
/** Scopes of a Consent that are about something else than who may see the record. */
const otherMatters = new Set(['research', 'treatment', 'adr']);
/** Purposes (v3-ActReason) for which a practitioner or a relative looks at a record here. */
const purposes = new Set(['TREAT', 'CAREMGT', 'COC', 'ETREAT', 'BTG', 'FAMRQT', 'PWATRNY', 'PATRQT']);
const looking = new Set(['access', 'use']);

/** What is in force at a node of the tree of provisions: what is said above it, and narrowed by it. */
interface Reading {
  readonly actors: readonly string[] | null;
  readonly types?: readonly string[];
  readonly instances?: readonly string[];
  readonly labels?: readonly Label[];
  /** Something narrows it that is not evaluated here: a permit is then not given, a deny holds for more. */
  readonly unread: boolean;
  /** The period or the purpose leaves nothing now. */
  readonly over: boolean;
}

/** References that a Consent names as actors, at any depth; `null` where a provision of a kind names nobody and so concerns everybody. */
export function actorsOf(consent: Resource): { readonly named: ReadonlySet<string>; readonly everybody: boolean } {
  const named = new Set<string>();
  let everybody = false;
  const visit = (provision: Provision, above: boolean): void => {
    const own = actorReferences(provision);
    for (const reference of own) named.add(reference);
    const names = above || own.length > 0;
    if (provision.type === 'deny' && !names) everybody = true;
    for (const inner of provision.provision ?? []) visit(inner, names);
  };
  if (typeof consent['provision'] === 'object' && consent['provision'] !== null) visit(consent['provision'] as Provision, false);
  return { named, everybody };
}

const actorReferences = ({ actor }: Provision): string[] => (actor ?? []).map(({ reference }) => (reference?.reference ?? '').split('/_history/', 1)[0]!);

/**
 * What a Consent says at `now` of what `persons` may see: the rules by which a query is answered (docs/access.md).
 *
 * The root provision may have a type or not (R4 leaves it out, most implementers write it); provisions below are exceptions to
 * what is above them. What narrows a provision in a way that is not evaluated makes a permit void, and not a deny.
 *
 * @param patient rid of the Patient whose Consent it is
 * @param persons references that stand for the caller: the person, roles, organisations
 * @param now FHIR instant in UTC
 * @param mayWiden whether it was recorded by somebody who can give access; a deny holds in any case
 */
export function consentRules(consent: Resource, { patient, persons, now, mayWiden }: { patient: bigint; persons: ReadonlySet<string>; now: string; mayWiden: boolean }): ConsentRule[] {
  const root = consent['provision'] as Provision | undefined;
  if (consent['status'] !== 'active' || root === undefined || aboutOther(consent)) return [];
  const visit = (provision: Provision, above: Reading): ConsentRule[] => {
    const reading = narrowed(above, provision, now);
    const inner = (provision.provision ?? []).flatMap((each) => visit(each, reading));
    const concerns = reading.actors === null ? provision.type === 'deny' : reading.actors.some((actor) => persons.has(actor));
    if (reading.over || !concerns || (provision.type !== 'permit' && provision.type !== 'deny')) return inner;
    if (provision.type === 'permit' && (reading.unread || !mayWiden)) return inner;
    const { types, instances, labels } = reading;
    const except = provision.type === 'deny' ? inner.filter(({ kind }) => kind === 'permit') : [];
    return [{ patient, kind: provision.type, except, ...(types === undefined ? {} : { types }), ...(instances === undefined ? {} : { instances }), ...(labels === undefined ? {} : { labels }) }, ...inner];
  };
  return visit(root, { actors: null, unread: false, over: false });
}

function aboutOther({ scope }: Resource): boolean {
  const { coding } = (scope ?? {}) as { coding?: readonly Coding[] };
  return coding?.some(({ code }) => otherMatters.has(code ?? '')) === true && coding.some(({ code }) => code === 'patient-privacy') === false;
}

const both = <T>(above: readonly T[] | undefined, own: readonly T[] | undefined, same: (a: T, b: T) => boolean = (a, b) => a === b): readonly T[] | undefined =>
  (above === undefined ? own : own === undefined ? above : own.filter((each) => above.some((other) => same(each, other))));

function narrowed(above: Reading, provision: Provision, now: string): Reading {
  const actors = actorReferences(provision);
  const classes = provision.class?.map(({ system, code }) => (resourceTypes.has(system ?? '') && servedType(code ?? '') !== undefined ? code! : null));
  const types = classes?.filter((type) => type !== null);
  const data = provision.data?.map(({ meaning, reference }) => (meaning === 'instance' ? (reference?.reference ?? '').split('/_history/', 1)[0]! : null));
  const instances = data?.filter((reference) => reference !== null);
  const labels = provision.securityLabel?.map(({ system, code }) => ({ system, code: code ?? '' }));
  const deny = provision.type === 'deny';
  const unread = above.unread || classes?.includes(null) === true || data?.includes(null) === true || provision.code !== undefined || provision.dataPeriod !== undefined;
  return {
    actors: both(above.actors ?? undefined, actors.length === 0 ? undefined : actors) ?? null,
    // of a deny what could not be read does not narrow it
    ...present('types', both(above.types, deny && classes?.includes(null) === true ? undefined : types)),
    ...present('instances', both(above.instances, deny && data?.includes(null) === true ? undefined : instances)),
    ...present('labels', both(above.labels, labels, (a, b) => a.system === b.system && a.code === b.code)),
    unread,
    over: above.over || !isNow(provision.period, now) || !isLooking(provision),
  };
}

const present = <Key extends string, T>(key: Key, value: T | undefined): { readonly [K in Key]?: T } => (value === undefined ? {} : { [key]: value } as { [K in Key]: T });

function isNow(period: Provision['period'], now: string): boolean {
  if (period === undefined) return true;
  const range = periodRange(period);
  return range !== undefined && range.low <= now && now < range.high;
}

/** Whether a provision is about looking at the record, for one of the purposes for which it is looked at here. */
function isLooking({ action, purpose }: Provision): boolean {
  const acts = (action ?? []).flatMap(({ coding }) => (coding ?? []).map(({ code }) => code ?? ''));
  const ends = (purpose ?? []).map(({ code }) => code ?? '');
  return (acts.length === 0 || acts.some((code) => looking.has(code))) && (ends.length === 0 || ends.some((code) => purposes.has(code)));
}

/** @returns the first purpose of a Consent. */
export const purposeOf = ({ provision }: Resource): string | undefined => (provision as Provision | undefined)?.purpose?.[0]?.code;

/** A resource as far as a rule looks at it. */
export interface Ruled { readonly type: string; readonly id: string; readonly patient: bigint | null; readonly security: readonly Label[] }

/** @returns whether `rule` is about `resource`; what it excepts is not. The same as the condition of store/consents.ts on its row. */
export function concerns(rule: ConsentRule, resource: Ruled): boolean {
  const { patient, types, instances, labels, except } = rule;
  return resource.patient === patient
    && (types === undefined || types.includes(resource.type))
    && (instances === undefined || instances.includes(`${resource.type}/${resource.id}`))
    && (labels === undefined || resource.security.some((label) => labels.some(({ system, code }) => code === label.code && (system === undefined || system === label.system))))
    && !except.some((inner) => concerns(inner, resource));
}

/** @returns whether a permit names what it is about so that it opens also what is restricted: single resources, or labels. */
export const isExplicit = ({ instances, labels }: ConsentRule): boolean => instances !== undefined || labels !== undefined;
