import type { ActivityDefinition, Duration, Expression, Period, Timing } from '@medplum/fhirtypes';
import { codeSystem } from '../fhir/canonical.ts';
import { putAt } from '../fhir/element-path.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { evaluate, UnsupportedExpression, type Typed } from '../fhir/simple-path.ts';
import { shifted } from './populate-links.ts';
import { canonicalOf } from './sdc.ts';

/** For whom and in what setting a definition is applied. */
export interface Setting {
  readonly subject: string;
  readonly encounter?: string;
  readonly practitioner?: string;
  readonly organization?: string;
  /** Values of `%name` in expressions. */
  readonly names: ReadonlyMap<string, readonly Typed[]>;
  /** FHIR instant. */
  readonly now: string;
}

/** What an action of a plan says about the activity it asks for. */
export interface ActionOverride {
  /** FHIRPath of the action. */
  readonly path?: string;
  readonly title?: string;
  readonly description?: string;
  readonly priority?: string;
  /** Who does it, instead of those that the activity names. */
  readonly participant?: ActivityDefinition['participant'];
  readonly timing?: { readonly key: string; readonly value: unknown };
  readonly dynamicValue?: readonly { readonly path?: string; readonly expression?: Expression }[];
}

const doNotPerform = 'http://hl7.org/fhir/StructureDefinition/request-doNotPerform';

/** @returns the value of `timing[x]`. */
export function timingOf(owner: object): { key: string; value: unknown } | undefined {
  const found = Object.entries(owner).find(([name]) => /^timing[A-Z]/.test(name));
  return found === undefined ? undefined : { key: found[0].slice('timing'.length), value: found[1] };
}

/**
 * The request that an ActivityDefinition describes (http://hl7.org/fhir/R4/activitydefinition.html#12.17.4.2): a draft Task, ServiceRequest
 * or CommunicationRequest for the subject, with what its dynamic values say.
 * @param expression FHIRPath of the definition, for what is refused.
 * @throws Problem `invalid` naming what this service cannot carry out: nothing is left out silently.
 */
export function applied(definition: Resource, setting: Setting, expression: string, action: ActionOverride = {}): Resource {
  const activity = { ...(definition as unknown as ActivityDefinition), ...(action.participant === undefined ? {} : { participant: action.participant }) };
  const timing = action.timing ?? timingOf(definition);
  const resource = realised(activity, setting, { expression, timing, action });
  for (const [owner, values] of [[expression, activity.dynamicValue ?? []], [action.path ?? expression, action.dynamicValue ?? []]] as const) {
    for (const [at, value] of values.entries()) dynamic(resource, value, setting, `${owner}.dynamicValue[${at}]`);
  }
  return resource;
}

interface Wanted { readonly expression: string; readonly timing: ReturnType<typeof timingOf>; readonly action: ActionOverride }

function realised(activity: ActivityDefinition, setting: Setting, wanted: Wanted): Resource {
  switch (activity.kind) {
    case 'Task': return task(activity, setting, wanted);
    case 'ServiceRequest': return serviceRequest(activity, setting, wanted);
    case 'CommunicationRequest': return communicationRequest(activity, setting, wanted);
    default: throw problem('invalid', 'not-supported', 'kind must be Task, ServiceRequest or CommunicationRequest: these are made here.', `${wanted.expression}.kind`);
  }
}

const optional = (name: string, value: unknown): object => (value === undefined ? {} : { [name]: value });
const reference = (to: string | undefined): object | undefined => (to === undefined ? undefined : { reference: to });
const canonical = (activity: ActivityDefinition): string | undefined => canonicalOf(activity as unknown as Resource);
const priorityOf = (activity: ActivityDefinition, { priority }: ActionOverride): string | undefined => priority ?? activity.priority;

/** Who is named by the kinds of participant: where a definition names none, the client does it. */
function performers({ participant = [] }: ActivityDefinition, { subject, practitioner }: Setting): string[] {
  if (participant.length === 0) return subject.startsWith('Patient/') ? [subject] : [];
  return [...new Set(participant.flatMap(({ type }) => (type === 'patient' ? [subject] : type === 'practitioner' && practitioner !== undefined ? [practitioner] : [])))];
}

const roles = ({ participant = [] }: ActivityDefinition): object[] => participant.flatMap(({ role }) => (role === undefined ? [] : [role]));

function task(activity: ActivityDefinition, setting: Setting, { expression, timing, action }: Wanted): Resource {
  const { restriction, times } = restrictionOf(timing, setting.now, expression);
  const [owner] = performers(activity, setting);
  const named = roles(activity);
  return {
    resourceType: 'Task',
    ...(activity.doNotPerform === true ? { modifierExtension: [{ url: doNotPerform, valueBoolean: true }] } : {}),
    ...optional('instantiatesCanonical', canonical(activity)),
    status: 'draft', intent: activity.intent === undefined || activity.intent === 'directive' ? 'proposal' : activity.intent,
    ...optional('priority', priorityOf(activity, action)), ...optional('code', activity.code),
    ...optional('description', action.description ?? activity.description ?? action.title ?? activity.title),
    for: reference(setting.subject), ...optional('encounter', reference(setting.encounter)),
    authoredOn: setting.now, lastModified: setting.now,
    ...optional('requester', reference(setting.practitioner ?? setting.organization)),
    ...(named.length === 0 ? {} : { performerType: named }), ...optional('owner', reference(owner)),
    ...optional('location', activity.location),
    ...(restriction === undefined ? {} : { restriction }),
    ...(times === undefined ? {} : { input: [{ type: { coding: [{ system: codeSystem('task-input'), code: 'expected-occurrences', display: 'Expected number of times' }] }, valueInteger: times }] }),
  };
}

function serviceRequest(activity: ActivityDefinition, setting: Setting, { expression, timing, action }: Wanted): Resource {
  const doing = performers(activity, setting);
  return {
    resourceType: 'ServiceRequest', ...(canonical(activity) === undefined ? {} : { instantiatesCanonical: [canonical(activity)] }),
    status: 'draft', intent: activity.intent ?? 'proposal', ...optional('priority', priorityOf(activity, action)), ...optional('doNotPerform', activity.doNotPerform),
    ...optional('code', activity.code), ...(activity.quantity === undefined ? {} : { quantityQuantity: activity.quantity }),
    subject: reference(setting.subject), ...optional('encounter', reference(setting.encounter)),
    ...occurrence(timing, ['Timing', 'DateTime', 'Period'], setting.now, expression), authoredOn: setting.now,
    ...optional('requester', reference(setting.practitioner ?? setting.organization)), ...optional('performerType', roles(activity)[0]),
    ...(doing.length === 0 ? {} : { performer: doing.map(reference) }),
    ...(activity.location === undefined ? {} : { locationReference: [activity.location] }), ...optional('bodySite', activity.bodySite),
    ...optional('patientInstruction', action.description ?? activity.description),
  };
}

function communicationRequest(activity: ActivityDefinition, setting: Setting, { expression, timing, action }: Wanted): Resource {
  const text = action.description ?? activity.description ?? action.title ?? activity.title;
  return {
    resourceType: 'CommunicationRequest', status: 'draft', ...(activity.code === undefined ? {} : { category: [activity.code] }),
    ...optional('priority', priorityOf(activity, action)), ...optional('doNotPerform', activity.doNotPerform),
    subject: reference(setting.subject), ...optional('encounter', reference(setting.encounter)),
    ...(text === undefined ? {} : { payload: [{ contentString: text }] }),
    ...occurrence(timing, ['DateTime', 'Period'], setting.now, expression), authoredOn: setting.now,
    ...optional('requester', reference(setting.practitioner ?? setting.organization)), recipient: performers(activity, setting).map(reference),
  };
}

function unusableTiming(expression: string, text: string): Error {
  return problem('invalid', 'not-supported', text, `${expression}.timing`);
}

/** When a request is due: as it is written, or a Duration from now on as a Period. */
function occurrence(timing: ReturnType<typeof timingOf>, allowed: readonly string[], now: string, expression: string): object {
  if (timing === undefined) return {};
  if (allowed.includes(timing.key)) return { [`occurrence${timing.key}`]: timing.value };
  if (timing.key === 'Duration') return { occurrencePeriod: fromNow(timing.value as Duration, now, expression) };
  throw unusableTiming(expression, `The timing must be one of ${[...allowed, 'Duration'].join(', ')} here.`);
}

function fromNow(duration: Duration, now: string, expression: string): Period {
  const end = shifted(now, duration, 1);
  if (end === undefined) throw unusableTiming(expression, 'A duration must have a value and a UCUM unit of time (s, min, h, d, wk, mo, a).');
  return { start: now, end };
}

const days: Readonly<Record<string, number>> = { s: 1 / 86_400, min: 1 / 1440, h: 1 / 24, d: 1, wk: 7 };

/** By when a Task is done and how often: what Task.restriction can say of a timing. */
function restrictionOf(timing: ReturnType<typeof timingOf>, now: string, expression: string): { restriction?: object; times?: number } {
  if (timing === undefined) return {};
  switch (timing.key) {
    case 'Period': return { restriction: { period: timing.value } };
    case 'DateTime': return { restriction: { period: { end: timing.value } } };
    case 'Duration': return { restriction: { period: fromNow(timing.value as Duration, now, expression) } };
    case 'Timing': return repeated(timing.value as Timing, now, expression);
    default: throw unusableTiming(expression, 'The timing of a Task must be a dateTime, Period, Duration or Timing.');
  }
}

function repeated({ repeat, event }: Timing, now: string, expression: string): { restriction?: object; times?: number } {
  if (event !== undefined || repeat === undefined) throw unusableTiming(expression, 'The timing of a Task must say how it repeats.');
  const period = repeat.boundsPeriod ?? (repeat.boundsDuration === undefined ? undefined : fromNow(repeat.boundsDuration, now, expression));
  if (repeat.boundsRange !== undefined) throw unusableTiming(expression, 'The bounds of a Task must be a Period or a Duration.');
  const times = repeat.count ?? timesWithin(repeat);
  return { times, restriction: { ...(times === undefined ? {} : { repetitions: times }), ...(period === undefined ? {} : { period }) } };
}

/** `frequency` per `period` over a bounding duration, where that is a whole number. */
function timesWithin({ boundsDuration, frequency = 1, period, periodUnit }: NonNullable<Timing['repeat']>): number | undefined {
  const unit = days[periodUnit ?? ''];
  const bound = days[boundsDuration?.code ?? ''];
  if (unit === undefined || bound === undefined || period === undefined || boundsDuration?.value === undefined) return undefined;
  const times = Math.round(((boundsDuration.value * bound) / (period * unit)) * frequency * 1e6) / 1e6;
  return Number.isInteger(times) && times > 0 ? times : undefined;
}

/** Puts a dynamic value at its path. @throws Problem `invalid` for an expression that is not evaluated here, or a path that cannot hold the value. */
function dynamic(resource: Resource, { path, expression }: { path?: string; expression?: Expression }, setting: Setting, where: string): void {
  const values = valuesOf(expression, setting, where);
  if (path === undefined) throw problem('invalid', 'required', 'A dynamic value needs the path of the element that it sets.', where);
  const full = path.startsWith(`${resource.resourceType}.`) ? path : `${resource.resourceType}.${path.replace(/^%?resource\./, '')}`;
  const top = full.split('.')[1]!.replace('[x]', '');
  if (values.length > 0 && full.split('.').length === 2) for (const key of Object.keys(resource)) if (key === top) delete resource[key];
  for (const value of values) {
    const fault = putAt(resource, full, value);
    if (fault !== undefined) throw problem('invalid', 'value', `The dynamic value cannot be set: ${fault}`, `${where}.path`);
  }
}

/** @returns the values of an expression. @throws Problem `invalid` (not-supported) for one that this service does not evaluate. */
export function valuesOf(expression: Expression | undefined, { names, now }: Setting, where: string): readonly Typed[] {
  try {
    if (expression?.language !== 'text/fhirpath' || expression.expression === undefined) throw new UnsupportedExpression('its language is not text/fhirpath');
    return evaluate(expression.expression, { names, now });
  } catch (error) {
    if (!(error instanceof UnsupportedExpression)) throw error;
    throw problem('invalid', 'not-supported', `The expression is not evaluated here: ${error.message}.`, `${where}.expression`);
  }
}
