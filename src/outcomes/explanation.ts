import { extensionUrl } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { answerArithmetic, changeArithmetic, classArithmetic, dropArithmetic, lowArithmetic, scoringFormula, shareArithmetic, sumArithmetic, totalArithmetic } from './arithmetic.ts';
import type { Source } from './cause.ts';
import { eventArithmetic, type Given } from './event-arithmetic.ts';
import { answerParts, value, type Coding, type Valued } from './explained-answers.ts';
import { formAnswers, formRule } from './form-total.ts';
import { instant } from './instant.ts';
import { dayIn } from './local-time.ts';
import { number, type Part } from './parts.ts';
import { marks } from './plain-words.ts';
import { importedTotal } from './imported.ts';
import { metricTable, type MetricId } from './metrics.ts';
import { readingForClient, readingForClinician, type Counted, type Read } from './reading.ts';
import { recognise } from './recognise.ts';
import { scaleForSex, type Registry, type Scale } from './registry.ts';
import { comparable, itemScores } from './score.ts';

/** The full derivation of a computed Observation, for `Observation/$explain` (docs/operations-fhir.md). Pure. */

export interface ExplanationContext {
  readonly registry: Registry;
  /** What the Observation was derived from, and what that was, as far as the reader may see it, by reference. */
  readonly inputs: ReadonlyMap<string, Resource>;
  /** The form of a response, where it is stored, by the response's reference. */
  readonly forms: ReadonlyMap<string, Resource>;
  /** Where the client lives (the dates of what is written in UTC are those of that zone; absent: UTC), and Patient.gender, as far as the reader may know. */
  readonly person?: { readonly zone?: string; readonly gender?: string };
  /** Who reads: a client gets the words for clients. */
  readonly reader: 'client' | 'clinician';
  /** The version of the Observation before the one that is explained, where there is one that the reader may see, and what led from it to this one. */
  readonly previous?: Resource;
  readonly sources?: readonly Source[];
}

interface Computed {
  readonly code?: { readonly text?: string; readonly coding?: readonly Coding[] };
  readonly method?: { readonly coding?: readonly Coding[] };
  readonly derivedFrom?: readonly { readonly reference?: string }[];
  readonly component?: readonly (Valued & { readonly code?: { readonly text?: string; readonly coding?: readonly Coding[] } })[];
  readonly note?: readonly { readonly text?: string; readonly extension?: readonly { readonly url?: string; readonly valueCode?: string }[] }[];
  readonly effectiveDateTime?: string;
  readonly extension?: readonly { readonly url?: string; readonly extension?: readonly { readonly url?: string; readonly valueDecimal?: number }[] }[];
}

/** Depth of what is explained: a class rests on scores, a score on answers. */
const deepest = 3;

/**
 * @param observation one that the service computed
 * @returns a Parameters resource: the value, the words for the reader, a reading of it in sections without codes, the rule with its
 * version, source and mark, the formula with the numbers filled in, and the inputs with their values, each explained in turn. What a
 * client gets has no names of classes, states and limits: they are for clinicians.
 */
export function explanation(observation: Resource, context: ExplanationContext): Resource {
  return { resourceType: 'Parameters', parameter: partsOf(observation as Resource & Computed, context, deepest) };
}

function partsOf(observation: Resource & Computed, context: ExplanationContext, depth: number): Part[] {
  const general = scaleOf(observation, context.registry, context.inputs);
  const scale = general && scaleForSex(general, context.person?.gender);
  const formula = arithmetic(observation, scale, context);
  const inputs = (observation.derivedFrom ?? []).flatMap(({ reference }) => reference ?? []);
  const isForClient = context.reader === 'client';
  const at = observation.meta?.lastUpdated;
  return [
    { name: 'observation', valueReference: { reference: `Observation/${observation.id}` } },
    ...versionPart(observation),
    { name: 'status', valueCode: observation.status },
    ...(observation.code === undefined || isForClient ? [] : [{ name: 'code', valueCodeableConcept: observation.code }]),
    ...(observation.effectiveDateTime === undefined ? [] : [{ name: 'effective', valueDateTime: observation.effectiveDateTime }]),
    ...(typeof at === 'string' ? [{ name: 'computed', valueInstant: at }] : []), ...(depth < deepest ? [] : (context.sources ?? []).map(({ reference }) => ({ name: 'changed-by', valueReference: { reference } }))),
    ...(isForClient && observation['valueCodeableConcept'] !== undefined ? [] : value('value', observation)),
    ...words(observation, context.reader),
    ...(depth < deepest ? [] : [readingPart({ observation, zone: context.person?.zone ?? 'UTC', scale, totalOf: (input) => countedIn(input, scale, context.registry), formTitle: (response) => context.forms.get(`${response.resourceType}/${response.id}`)?.['title'] as string | undefined, inputs: inputs.map((reference) => context.inputs.get(reference)), formula, previous: context.previous, sources: context.sources }, context.reader)]),
    ...(isForClient ? [] : [
      ...(observation.method?.coding ?? []).map((coding) => rulePart(coding, scale)),
      ...(formula === undefined ? [] : [{ name: 'formula-with-numbers', valueString: formula }]),
      ...(observation.component ?? []).map(componentPart),
    ]),
    ...inputs.flatMap((reference) => inputPart(reference, scale, context, depth)),
    ...(isForClient ? [] : limitParts(scale)),
  ];
}

const readingPart = (read: Read, reader: ExplanationContext['reader']): Part => ({
  name: 'reading',
  part: (reader === 'client' ? readingForClient(read) : readingForClinician(read)).map(({ title, lines }) => ({
    name: 'section', part: [{ name: 'title', valueString: title }, ...lines.map((line) => ({ name: 'line', valueString: line }))],
  })),
});

/** The scale that an Observation is about: by its code, or by the scale in the identifier of what was computed from scores. */
function scaleOf({ code, identifier, derivedFrom }: Resource & Computed, { byMeasure, bySafetyItem, scales }: Registry, inputs?: ExplanationContext['inputs']): Scale | undefined {
  const direct = code?.coding?.map(({ system, code: each }) => byMeasure.get(`${system}|${each}`)).find((found) => found !== undefined);
  if (direct !== undefined) return direct;
  const asked = code?.coding?.map(({ code: each }) => bySafetyItem.get(each ?? '')?.scales[0]).find((found) => found !== undefined);
  if (asked !== undefined) return asked;
  const named = ((identifier ?? []) as { value?: string }[])[0]?.value?.split(':')[0];
  if (named !== undefined && scales.has(named)) return scales.get(named);
  for (const { reference } of derivedFrom ?? []) {
    const input = inputs?.get(reference ?? '') as (Resource & Computed) | undefined;
    if (input?.resourceType === 'Observation') return scaleOf(input, { byMeasure, bySafetyItem, scales } as Registry);
  }
  return undefined;
}

function rulePart({ code, version, display }: Coding, scale: Scale | undefined): Part {
  const metric = code !== undefined && Object.hasOwn(metricTable, code) ? metricTable[code as MetricId] : undefined;
  const definition = scale?.instrument.definition.id === code ? scale?.instrument.definition : undefined;
  const current = metric?.version ?? definition?.version;
  return {
    name: 'rule',
    part: [
      { name: 'id', valueString: code }, ...(version === undefined ? [] : [{ name: 'version', valueString: version }]), ...(display === undefined ? [] : [{ name: 'title', valueString: display }]),
      ...(current === undefined || current === version ? [] : [{ name: 'present-version', valueString: current }]),
      ...(metric === undefined ? [] : [
        { name: 'formula', valueString: metric.formula }, { name: 'source', valueString: metric.source }, ...marked(metric.verification),
      ]),
      ...(code !== formRule.id ? [] : [{ name: 'formula', valueString: formRule.formula }, { name: 'source', valueString: formRule.source }, ...marked(formRule.verification)]),
      ...(definition === undefined || scale === undefined ? [] : [{ name: 'formula', valueString: scoringFormula(scale) }, { name: 'source', valueString: definition.scoring.source }, ...marked(definition.scoring.verification)]),
    ],
  };
}

const marked = (verification: string): Part[] => [
  { name: 'verification', valueCode: verification }, ...(Object.hasOwn(marks, verification) ? [{ name: 'verification-text', valueString: marks[verification as keyof typeof marks] }] : []),
];

const componentPart = (component: NonNullable<Computed['component']>[number]): Part => ({
  name: 'component',
  part: [{ name: 'code', valueCodeableConcept: component.code }, ...value('value', component)],
});

/** Limits of the scale with how sure each is: those that decided and those that are only shown. */
function limitParts(scale: Scale | undefined): Part[] {
  if (scale === undefined) return [];
  const part = (name: string, id: string, op: string, limit: number, use: string, source: string, verification: string, more: readonly Part[] = []): Part => ({
    name, part: [{ name: 'id', valueString: id }, { name: 'operator', valueString: op }, number('value', limit), { name: 'use', valueCode: use }, ...more, { name: 'source', valueString: source }, ...marked(verification)],
  });
  return [
    ...scale.thresholds.map(({ id, op, value: limit, definition: { use, source, verification } }) => part('threshold', id, op, limit, use, source, verification)),
    ...scale.definition.cutoffs.map(({ id, op, value: limit, use, source, verification, interprets }) => part('cut-off', id, op, limit, use, source, verification, interprets === undefined ? [] : [{ name: 'interprets', valueCode: interprets }])),
  ];
}

/** The version that is explained, or that was found of an input. */
const versionPart = ({ meta }: Resource): Part[] => (meta?.versionId === undefined ? [] : [{ name: 'version', valueString: meta.versionId }]);

function inputPart(reference: string, scale: Scale | undefined, context: ExplanationContext, depth: number): Part {
  const input = context.inputs.get(reference);
  const named = { name: 'reference', valueReference: { reference } };
  if (input === undefined) return { name: 'input', part: [named, { name: 'shown', valueBoolean: false }] };
  if (input.resourceType === 'Observation') {
    const own = input as Resource & Computed;
    // What another system computed has no derivation here.
    return { name: 'input', part: depth > 1 && own.method !== undefined ? partsOf(own, context, depth - 1) : [named, ...versionPart(input), ...value('value', own), ...(own.effectiveDateTime === undefined ? [] : [{ name: 'effective', valueDateTime: own.effectiveDateTime }])] };
  }
  return { name: 'input', part: [named, ...versionPart(input), { name: 'status', valueCode: input.status }, ...(input.authored === undefined ? [] : [{ name: 'authored', valueDateTime: input.authored }]), ...answerParts(input, reference, scale, context)] };
}

/** The formula of the rule with the numbers of this case; undefined where the words beside the number have them. */
function arithmetic(observation: Resource & Computed, scale: Scale | undefined, context: ExplanationContext): string | undefined {
  const metric = observation.method?.coding?.[0]?.code;
  const inputs = (observation.derivedFrom ?? []).map(({ reference }) => ({ reference: reference ?? '', resource: context.inputs.get(reference ?? '') }));
  const own = scale;
  const [first, second] = inputs;
  if (own === undefined) {
    const form = context.forms.get(first?.reference ?? '');
    return first?.resource === undefined || form === undefined ? undefined : sumArithmetic(formAnswers(first.resource, form).map(({ weight }) => weight));
  }
  if (first?.resource?.resourceType === 'QuestionnaireResponse') {
    const recognised = recognise(first.resource, context.registry, context.forms.get(first.reference)).find(({ instrument }) => instrument === own.instrument);
    if (recognised === undefined) return undefined;
    const { scores, notApplicable, skipped } = itemScores(recognised);
    const item = itemOf(observation, own);
    const coded = recognised.add === 0 ? '' : `on this form the numbers are others: each counts ${Math.abs(recognised.add)} ${recognised.add > 0 ? 'more' : 'less'}; `;
    return item === undefined ? `${coded}${totalArithmetic(own, scores, notApplicable, skipped)}` : itemArithmetic(own, item, scores.get(item));
  }
  if (metric !== undefined && !inputs.some(({ resource }) => resource === undefined)) {
    const told = eventArithmetic(metric, own, inputs.flatMap(({ resource }) => givenIn(resource, own, context)), {
      at: observation.effectiveDateTime ?? '', session: componentOf(observation, 'session-number'), expected: componentOf(observation, 'expected'), edge: componentOf(observation, 'watch-boundary'), boundary: componentOf(observation, 'boundary'), percentile: componentOf(observation, 'percentile'), n: componentOf(observation, 'n'),
    });
    if (told !== undefined) return told;
  }
  if (metric === 'alliance-low') return first?.resource && low(observation, first.resource, own, context);
  const [current, baseline] = [scoreIn(first?.resource, own, context.registry), scoreIn(second?.resource, own, context.registry)];
  if (current === undefined || baseline === undefined) return undefined;
  const code = observation.code?.coding?.find((coding) => Object.hasOwn(metricTable, coding.code ?? ''))?.code;
  if (code === 'change-from-baseline') return changeArithmetic(own, baseline, current);
  if (metric === 'reliable-change') return classArithmetic(own, baseline, current);
  if (metric === 'alliance-rupture') return drop(observation, own, inputs.flatMap(({ resource }) => givenIn(resource, own, context)));
  if (metric === 'response') return shareArithmetic(own, baseline, current);
  return undefined;
}

/** A low rating beside the limit of its total, and each low item beside that of items, as far as the reader may see the answers. */
function low({ component = [] }: Computed, rating: Resource & Computed, scale: Scale, { inputs, forms, registry }: ExplanationContext): string | undefined {
  const total = scoreIn(rating, scale, registry);
  const reference = rating.derivedFrom?.[0]?.reference ?? '';
  const response = inputs.get(reference);
  const recognised = response?.resourceType === 'QuestionnaireResponse' ? recognise(response, registry, forms.get(reference)).find(({ instrument }) => instrument === scale.instrument) : undefined;
  const scores = recognised && itemScores(recognised).scores;
  const items = component.flatMap(({ valueString }) => {
    const [place, score] = [scale.items.findIndex(({ linkId }) => linkId === valueString) + 1, scores?.get(valueString as string)];
    return place === 0 || score === undefined ? [] : [{ place, score }];
  });
  return total && lowArithmetic(scale, total.value, items);
}

/** A drop with the ratings before it, whose spread it is measured by, and those after it. */
function drop(observation: Resource & Computed, scale: Scale, [at, before, ...others]: readonly Given[]): string | undefined {
  const reference = componentOf(observation, 'reference-sd');
  if (at === undefined || before === undefined || reference === undefined) return undefined;
  // By the instant: offsets differ within one course.
  const time = (each: Given): number => instant(each.at)!;
  const values = (list: readonly Given[]): number[] => [...list].sort((a, b) => time(a) - time(b)).map(({ value: each }) => each);
  const earlier = others.filter((each) => time(each) < time(at));
  return dropArithmetic({
    at: at.value, before: before.value, reference, spreadOf: earlier.length === 0 ? [] : values([...earlier, before]), later: values(others.filter((each) => time(each) > time(at))), least: scale.definition.alliance?.leastDrop,
    size: (observation['valueCodeableConcept'] as { coding?: { code?: string }[] } | undefined)?.coding?.[0]?.code,
  });
}

/** A score on the whole scale with its time; `rating`: of another scale than the Observation that is explained. */
function givenIn(resource: Resource | undefined, scale: Scale, { registry, person }: ExplanationContext): Given[] {
  const of = resource === undefined ? scale : scaleOf(resource as Resource & Computed, registry) ?? scale;
  const found = scoreIn(resource, of, registry);
  const at = (resource as Computed | undefined)?.effectiveDateTime;
  return found === undefined || at === undefined ? [] : [{ value: comparable(of, found.value, found.maxScore), at, date: dayIn(at, person?.zone ?? 'UTC'), ...(of.key === scale.key ? {} : { rating: of.key }) }];
}

/** The number of a component of ours. */
function componentOf({ component = [] }: Computed, code: string): number | undefined {
  const found = component.find(({ code: concept }) => concept?.coding?.some((coding) => coding.code === code)) as { valueInteger?: number; valueQuantity?: { value?: number } } | undefined;
  return found?.valueInteger ?? found?.valueQuantity?.value;
}

/** The safety item that an Observation is the answer to: its code is that of an item and of no score. */
const itemOf = ({ code }: Computed, { instrument, codings }: Scale): string | undefined =>
  code?.coding?.flatMap(({ code: each }) => (each === undefined || codings.some((own) => own.code === each) ? [] : instrument.linkIdOf.get(each) ?? []))[0];

function itemArithmetic({ instrument }: Scale, linkId: string, score: number | undefined): string | undefined {
  const { items, answerLists } = instrument.definition;
  const list = items.find((each) => each.linkId === linkId)?.answers;
  const words = answerLists.find(({ id }) => id === list)?.options.find((option) => option.score === score)?.display;
  return score === undefined ? undefined : answerArithmetic(score, instrument.items.get(linkId)!.max, words);
}

/** A score with the scale that it is of. */
function countedIn(input: Resource, scale: Scale | undefined, registry: Registry): Counted | undefined {
  const own = scaleOf(input as Resource & Computed, registry) ?? scale;
  const found = own && scoreIn(input, own, registry);
  return found && { ...found, scale: own };
}

/** A score out of the highest that it could have been. A total of another system counts as it joined the series, whatever its type and coding. */
function scoreIn(resource: Resource | undefined, scale: Scale, registry: Registry): { value: number; maxScore: number } | undefined {
  const total = resource === undefined ? undefined : importedTotal(resource, registry);
  if (total !== undefined) return { value: total.value, maxScore: total.data.maxScore };
  const { valueInteger, valueQuantity, extension } = (resource ?? {}) as Computed & { valueInteger?: number; valueQuantity?: { value?: number } };
  const found = valueInteger ?? valueQuantity?.value;
  const highest = extension?.find(({ url }) => url === extensionUrl('score-quality'))?.extension?.find(({ url }) => url === 'maxScore')?.valueDecimal;
  return found === undefined ? undefined : { value: found, maxScore: highest ?? scale.definition.max };
}

function words({ note = [] }: Computed, reader: ExplanationContext['reader']): Part[] {
  const isForClient = ({ extension = [] }: NonNullable<Computed['note']>[number]): boolean => extension.some(({ url, valueCode }) => url === extensionUrl('audience') && valueCode === 'client');
  return note.filter((each) => each.text !== undefined && (reader === 'clinician' || isForClient(each)))
    .map((each) => ({ name: isForClient(each) ? 'text-for-client' : 'text', valueString: each.text }));
}
