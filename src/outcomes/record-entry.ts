import type { Coding } from './instrument.ts';

/**
 * One line of what the outcome engine knows of a patient: a projection of one resource, kept in table `record_entry`.
 * It may be rebuilt from the resources at any time (`recordEntries` in project.ts).
 */
export interface RecordEntry {
  readonly kind: 'score' | 'imported' | 'session' | 'episode' | 'goal' | 'task' | 'impression' | 'person';
  /** score, imported: score key (`phq-9`, the canonical of a form that weighs its answers); task: canonical of the questionnaire without version; else ''. */
  readonly key: string;
  /** Id of the resource that it is projected from. */
  readonly id: string;
  /** ISO 8601 instant in UTC, for the eye and for the store; the engine reads the times in `data`. */
  readonly at: string | null;
  /** score: the total. PostgreSQL's numeric may come back as text. */
  readonly value: string | number | null;
  /** Compact JSON of the data type that belongs to `kind`. */
  readonly data: string;
}

/** An entry as it is read: its data may be parsed already. */
export type ReadEntry = Omit<RecordEntry, 'data'> & { readonly data: string | object };

/** What a form that weighs its answers says of its total. */
export interface FormTotal { readonly title: string; readonly version?: string; readonly min: number; readonly max: number; readonly codings: readonly Coding[] }

/** What is kept of one answered instrument (kind `score`), or of a total from elsewhere (kind `imported`). */
export interface ScoreData {
  readonly status: 'in-progress' | 'completed' | 'amended' | 'stopped';
  /** QuestionnaireResponse.authored as written; where it is absent, the time the response was stored. */
  readonly authored?: string;
  /** Whether the whole panel was recognised; false: only its safety item was. */
  readonly panel: boolean;
  readonly answered: number;
  readonly items: number;
  readonly prorated: boolean;
  /** Highest total that these answers could have reached. */
  readonly maxScore: number;
  /** The total came as an Observation of another system; absent: computed from a response. */
  readonly source?: 'Observation';
  /** The responses (ids) that such a total says it was computed from. */
  readonly of?: readonly string[];
  /** The form, where it is none of the registry. */
  readonly form?: FormTotal;
  /** How many items the form leaves out after the answers before them; absent: none. */
  readonly skipped?: number;
  /** Ids of the remarks of the scale that hold for these answers. */
  readonly remarks?: readonly string[];
  /** Item scores of the safety items by linkId; null: not answered, or not in a way that can be read. */
  readonly safety?: Readonly<Record<string, number | null>>;
  /** Whether an answer to a safety item is there, or seems to be, and cannot be read. */
  readonly unread?: true;
  /** What a rating of the alliance says beside its total; absent: nothing. */
  readonly alliance?: AllianceAnswers;
  /** Reference of QuestionnaireResponse.encounter. */
  readonly encounter?: string;
  /** Security labels of the response: what is derived from it is no more visible than it is. */
  readonly security?: readonly Coding[];
}

/** What a rating of the alliance says beside its total. No text of an answer is kept. */
export interface AllianceAnswers {
  /** linkIds of the items that are as low as the limit of the instrument. */
  readonly lowItems?: readonly string[];
  /** linkIds of what was asked beside the scored items and answered: own words, or that there is something to talk about. */
  readonly feedback?: readonly string[];
}

/** A finished therapy session (Encounter finished, class AMB or VR). */
export interface SessionData {
  readonly start: string;
  readonly episode?: string;
  /** `system|value` of each of its identifiers: a session that was sent twice is one. */
  readonly identifiers?: readonly string[];
}

/** An EpisodeOfCare that has begun. */
export interface EpisodeData { readonly start?: string; readonly end?: string; readonly status: string }

/**
 * A Goal that is accepted or active and has a target measured by a known score: its first such target.
 * Met when low <= score <= high and above < score < below, an end that is absent being open.
 */
export interface GoalData {
  readonly scale: string;
  readonly start?: string;
  readonly low?: number;
  readonly high?: number;
  readonly above?: number;
  readonly below?: number;
  readonly due?: string;
}

/** A therapist's impression of risk (form with the item `risk-impression`). */
export interface ImpressionData { readonly authored?: string; readonly code: string }

/** A request to answer a questionnaire (SDC complete-questionnaire) that is open, or that was answered. */
export interface TaskData {
  readonly authoredOn?: string;
  readonly status: string;
  /** Since when it is to be answered, where that was agreed. */
  readonly start?: string;
  /** Ids of the responses that answered it. */
  readonly responses?: readonly string[];
}

/** What the rules look at of the Patient; an element that is not there says nothing. */
export interface PersonData { readonly zone?: string; readonly gender?: string }

const typeOfKind = {
  score: 'QuestionnaireResponse',
  imported: 'Observation',
  session: 'Encounter',
  episode: 'EpisodeOfCare',
  goal: 'Goal',
  task: 'Task',
  impression: 'QuestionnaireResponse',
  person: 'Patient',
} as const satisfies Record<RecordEntry['kind'], string>;

/** @returns the kinds of entry that a resource of `type` may project to: what the store replaces when it changes. */
export function kindsOf(type: string): RecordEntry['kind'][] {
  return (Object.keys(typeOfKind) as RecordEntry['kind'][]).filter((kind) => typeOfKind[kind] === type);
}
