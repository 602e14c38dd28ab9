import { z } from 'zod';

/** A FHIR Coding as instruments carry it. */
export interface Coding { readonly system?: string; readonly version?: string; readonly code?: string; readonly display?: string }

/**
 * How well a value is known: read in its source, read in a secondary page, recalled and to be checked before use,
 * or defined by this service.
 */
const verification = z.enum(['verified', 'secondary', 'memory', 'service']);
const marked = { source: z.string().min(1), verification };

/**
 * `class`: decides the change class; `remission`: marks remission; `shown`: computed and shown beside it.
 * `sex`: holds for that sex only; where a scale has such cut-offs and the sex is not known, the more cautious one holds (`scaleForSex`).
 * `interprets`: a score says on which side of it it is: of a screening (a reason for a closer look), or of the boundary between the
 * clinical and the functional range (Jacobson and Truax, caseness).
 */
const cutoff = z.strictObject({
  id: z.string(), op: z.enum(['>=', '>', '<=', '<']), value: z.number(), use: z.enum(['class', 'remission', 'shown']),
  interprets: z.enum(['screening', 'clinical-range']).optional(), sex: z.enum(['female', 'male']).optional(), ...marked,
});
const publishedThreshold = z.strictObject({
  id: z.string(), value: z.number().positive(), op: z.enum(['>=', '>']), use: z.enum(['class', 'shown']), ...marked,
});
const computedThreshold = z.strictObject({
  id: z.string(), sd: z.number().positive(), r: z.number().min(0).lt(1), reliability: z.enum(['alpha', 'retest']), z: z.number().positive(),
  op: z.enum(['>=', '>']), use: z.enum(['class', 'shown']), ...marked,
});
const lowLimit = z.strictObject({ op: z.enum(['<=', '<']), value: z.number() });
const moments = z.strictObject({ mean: z.number(), sd: z.number().positive() });

const totalCoding = z.strictObject({ system: z.url(), code: z.string(), display: z.string(), ...marked });
/** A code under which totals of other systems arrive; ours is theirs times `multiply` plus `add` (raw WHO-5: 4; K10 from 0 to 40: 10). */
const importedTotal = totalCoding.extend({ multiply: z.number().positive().optional(), add: z.number().optional() });
const option = z.strictObject({ system: z.url().optional(), code: z.string(), display: z.string(), score: z.number() });

const scale = z.strictObject({
  /** `total`, or the name of a subscale. */
  id: z.string().regex(/^[a-z0-9-]+$/),
  title: z.string(),
  /** What a client calls it; absent: the short name of the instrument for a total, else the title. */
  clientTitle: z.string().optional(),
  /** What the better and the worse end stand for, in words for clients; absent: an easier and a harder time. */
  towards: z.strictObject({ better: z.string(), worse: z.string() }).optional(),
  /** linkIds; absent: all items. */
  items: z.array(z.string()).min(1).optional(),
  /**
   * `difference`: the first of two items less the second. `criteria`: 1 when every one of `criteria` is met, else 0. `goal-attainment`: the T score of `items` (levels) with their
   * `weights`; what is not scored is left out.
   */
  formula: z.enum(['sum', 'mean', 'table', 'difference', 'criteria', 'goal-attainment']),
  /** At least `count` of `items` score `atLeast` or more; `title` is what the items are about together. */
  criteria: z.array(z.strictObject({ title: z.string(), items: z.array(z.string()).min(1), atLeast: z.number(), count: z.int().positive() })).optional(),
  /** linkId of a level -> linkId of its weight, which is 1 where it is not given. */
  weights: z.record(z.string(), z.string()).optional(),
  /** The result of the formula is multiplied by it (WHO-5: 4). */
  factor: z.number().positive().optional(),
  /** For `table`: raw sum -> scale value. */
  table: z.record(z.string(), z.number()).optional(),
  tableSource: z.strictObject(marked).optional(),
  min: z.number(), max: z.number(),
  direction: z.enum(['higher-worse', 'higher-better']),
  codes: z.array(totalCoding),
  acceptAsTotal: z.array(importedTotal),
  /** false: each score stands for itself and is not compared with a baseline (a mood of the moment, a pattern of answers). */
  compared: z.boolean().optional(),
  /** Whether there is no score where an item is left open, instead of one without a value: questions that may be passed over. */
  optional: z.boolean().optional(),
  /** `clinician`: the score is labelled so that the client's own access does not show it. */
  audience: z.literal('clinician').optional(),
  /** Sentences that go with a score: where all of `zero` score 0, and the score is within `atLeast` and `atMost`. */
  remarks: z.array(z.strictObject({
    id: z.string(), zero: z.array(z.string()).optional(), atLeast: z.number().optional(), atMost: z.number().optional(), text: z.string(), ...marked,
  })).optional(),
  /** The score says how two people work together (docs/clinical.md 3.13). */
  alliance: z.strictObject({
    /** A total, and an item, as low as that is a reason to talk. */
    low: z.strictObject({ total: lowLimit.optional(), item: lowLimit.optional() }).optional(),
    /** Standard deviation in a sample; absent: a drop is measured by the person's own spread alone. */
    sampleSd: z.number().positive().optional(),
    /** A smaller drop is none, however even the ratings were before. */
    leastDrop: z.number().positive().optional(),
    ...marked,
  }).optional(),
  missing: z.strictObject({ max: z.int().min(0), method: z.enum(['none', 'mean-impute']), round: z.enum(['half-up', '1dp', 'none']), ...marked }),
  bands: z.strictObject({
    ...marked,
    list: z.array(z.strictObject({ low: z.number(), high: z.number(), code: z.string(), clinicianLabel: z.string(), clientLabel: z.string() })).min(1),
  }).optional(),
  cutoffs: z.array(cutoff),
  reliableChange: z.array(z.union([publishedThreshold, computedThreshold])),
  minimalImportant: z.array(z.strictObject({ value: z.number().positive(), ...marked })),
  norms: z.strictObject({ clinical: moments, functional: moments, ...marked }).optional(),
});

const priority = z.enum(['routine', 'urgent', 'asap', 'stat']);

const item = z.strictObject({
  linkId: z.string(), code: z.string(), system: z.url().optional(), text: z.string().optional(), verification,
  /** Exactly one of the three: an answer list; a number from `min` to `max` in steps; for what is not scored, free input. */
  answers: z.string().optional(),
  numeric: z.strictObject({ min: z.number(), max: z.number(), step: z.number().positive() }).optional(),
  free: z.enum(['string', 'text', 'date', 'boolean']).optional(),
  /** The question may not apply to a person (work, for somebody who has none): the others then make up the whole score. */
  notApplicable: z.boolean().optional(),
  /** The item's scores run against the scale: score = lowest + highest option - option. */
  reverse: z.boolean().optional(),
  alsoAccept: z.array(z.strictObject({ code: z.string(), display: z.string(), score: z.number(), ...marked })).optional(),
});

/** One file of `schemas/instruments`: everything the service knows of an instrument. docs/clinical.md explains the fields. */
export const instrumentDefinition = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  /** Of the scoring, and of what is said of a score: raised where either changes. */
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  /**
   * Of the form, where it was not raised with the scoring: requests and responses name a form with its version, and one whose
   * questions are the same must go on being found. Absent: `version`.
   */
  formVersion: z.string().regex(/^\d+\.\d+\.\d+$/).optional(),
  name: z.string().regex(/^[A-Z][A-Za-z0-9_]*$/),
  title: z.string(), shortTitle: z.string(), measures: z.string(),
  licence: z.strictObject({ class: z.enum(['A', 'B', 'C', 'D', 'E', 'OWN']), notice: z.string().min(1), shipItemText: z.boolean(), ...marked }),
  /** Where it is from how the answers make up the scores; what differs within it (missing items, bands, limits) has a source of its own. */
  scoring: z.strictObject(marked),
  panel: z.strictObject({ code: z.string(), display: z.string(), ...marked }).optional(),
  stem: z.string().optional(),
  answerLists: z.array(z.strictObject({ id: z.string(), title: z.string(), options: z.array(option.partial({ score: true })).min(2), ...marked })),
  items: z.array(item).min(1),
  /** The Questionnaire is a file of `schemas/questionnaires` with this id: none is made of the items. */
  form: z.literal('shipped').optional(),
  /** Where the answers to `when` sum up to 0, `items` are skipped: what is not answered of them scores 0, and nothing is missing. */
  skips: z.array(z.strictObject({ when: z.array(z.string()).min(1), items: z.array(z.string()).min(1), ...marked })).optional(),
  /** Forms of the instrument with names of their own. By naming the canonical a response declares them. */
  renderings: z.array(z.strictObject({
    canonicals: z.array(z.url()).min(1),
    /** They print other numbers beside the same answers; this turns theirs into ours. */
    add: z.number().optional(),
    /** Their linkIds, where their items carry no code of ours -> ours. */
    linkIds: z.record(z.string(), z.string()).optional(),
    /** The score of an item by their answer codes. */
    answers: z.strictObject({ system: z.url(), scores: z.record(z.string(), z.number()) }).optional(),
    ...marked,
  })).optional(),
  /**
   * What the weight (`itemWeight`, `ordinalValue`) that comes with an answer of another code is. `item-score`: the score of
   * the item, after any reversal. Absent: unknown, such an answer is refused. A code or number of ours never looks at it.
   */
  foreignWeights: z.literal('item-score').optional(),
  /** Asked with the instrument, never part of a score. */
  unscored: z.array(item),
  scales: z.array(scale).min(1),
  safety: z.array(z.strictObject({
    linkId: z.string(), trigger: z.string(), title: z.string(),
    /** Item score -> priority of the review. */
    levels: z.record(z.string(), priority),
    /** Priority -> minutes to acknowledge. */
    minutes: z.partialRecord(priority, z.number().positive()),
    /** A rise of at least this much since the last answer raises the priority by one level. */
    raiseWhenWorse: z.number().positive(),
    /** Priority of the review when the item is left out of a completed response. */
    missing: priority,
    /** Priority of the review when it is answered in a way that cannot be read. */
    unread: priority,
    /** Words of the question by which it is known on a form that gives it no code; `answers`: for each option of its list the words that it has in that language. */
    words: z.array(z.strictObject({ text: z.string().min(1), language: z.string(), answers: z.array(z.array(z.string().min(1))).optional(), ...marked })).min(1),
    /** Names by which a form is known to ask it. */
    names: z.array(z.string().regex(/\d/)).min(1),
    ...marked,
  })),
  /** Canonicals of other publishers' Questionnaires with the same items (by code). */
  alsoKnownAs: z.array(z.url()),
  recall: z.string(), cadence: z.string(), estimatedSeconds: z.int().positive(),
});

export type InstrumentDefinition = z.infer<typeof instrumentDefinition>;
export type ScaleDefinition = InstrumentDefinition['scales'][number];
export type ItemDefinition = InstrumentDefinition['items'][number];
export type Cutoff = z.infer<typeof cutoff>;
export type ReliableChange = ScaleDefinition['reliableChange'][number];
export type SafetyItem = InstrumentDefinition['safety'][number];
export type Band = NonNullable<ScaleDefinition['bands']>['list'][number];
export type Priority = z.infer<typeof priority>;
