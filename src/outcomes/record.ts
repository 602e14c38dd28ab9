import type { Coding } from './instrument.ts';

/**
 * One line of what the outcome engine knows of a patient: a projection of one resource, kept in table `record_entry`.
 * It may be rebuilt from the resources at any time (`recordEntries` in project.ts).
 */
export interface RecordEntry {
  readonly kind: 'score' | 'imported' | 'session' | 'episode' | 'goal' | 'task' | 'impression';
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
  /** Ids of the remarks of the scale that hold for these answers. */
  readonly remarks?: readonly string[];
  /** Item scores of the safety items by linkId; null: not answered, or answered with something that cannot be read. */
  readonly safety?: Readonly<Record<string, number | null>>;
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

/** An open request to answer a questionnaire (SDC complete-questionnaire). */
export interface TaskData { readonly authoredOn?: string; readonly status: string }

export interface Projected<D> { readonly id: string; readonly key: string; readonly at: number | null; readonly data: D }

/** `id`: of the response, or for a total from elsewhere its reference, `Observation/...`. */
export interface Score extends Projected<ScoreData> {
  readonly value: number | null;
  /** Calendar date as the author's clock wrote it. */
  readonly date: string;
}
export type Session = Projected<SessionData>;
export type Episode = Projected<EpisodeData>;
export type MeasuredGoal = Projected<GoalData>;
export type QuestionnaireRequest = Projected<TaskData>;
export type Impression = Projected<ImpressionData>;

/** What the engine knows of one patient, each list in time order. */
export interface PatientRecord {
  /** By score key. */
  readonly scores: ReadonlyMap<string, readonly Score[]>;
  /** Totals from elsewhere of responses that are scored here: the same score a second time. */
  readonly duplicates?: readonly Score[];
  readonly sessions: readonly Session[];
  readonly episodes: readonly Episode[];
  readonly goals: readonly MeasuredGoal[];
  readonly tasks: readonly QuestionnaireRequest[];
  readonly impressions: readonly Impression[];
}

const typeOfKind = {
  score: 'QuestionnaireResponse',
  imported: 'Observation',
  session: 'Encounter',
  episode: 'EpisodeOfCare',
  goal: 'Goal',
  task: 'Task',
  impression: 'QuestionnaireResponse',
} as const satisfies Record<RecordEntry['kind'], string>;

/** @returns the kinds of entry that a resource of `type` may project to: what the store replaces when it changes. */
export function kindsOf(type: string): RecordEntry['kind'][] {
  return (Object.keys(typeOfKind) as RecordEntry['kind'][]).filter((kind) => typeOfKind[kind] === type);
}

/** @returns the record that `entries` describe; their order does not matter. */
export function patientRecord(entries: readonly ReadEntry[]): PatientRecord {
  const lists = empty();
  for (const entry of entries) place(lists, entry);
  return finish(lists);
}

/**
 * @returns `record` after the entries of the resource `source` were replaced by `entries` (none: it projects nothing any more).
 * Equal to `patientRecord` of the replaced list, without reading the unchanged entries again.
 */
export function withSource(record: PatientRecord, source: { type: string; id: string }, entries: readonly RecordEntry[]): PatientRecord {
  const kinds = kindsOf(source.type);
  if (kinds.length === 0) return record;
  const changed = empty();
  for (const entry of entries) place(changed, entry);
  // Lists that the source has no part in stay the same objects: what was computed from them holds (`sessionsOf`).
  const replaced = <T extends Projected<unknown>>(kind: RecordEntry['kind'], list: readonly T[], added: readonly T[]): T[] =>
    (kinds.includes(kind) ? [...list.filter(({ id }) => id !== source.id), ...added].sort(byTime) : list as T[]);
  return {
    ...(kinds.includes('score') || kinds.includes('imported') ? withScores(record, scoreId(source), changed.scores) : { scores: record.scores, duplicates: record.duplicates ?? [] }),
    sessions: replaced('session', record.sessions, changed.sessions),
    episodes: replaced('episode', record.episodes, changed.episodes),
    goals: replaced('goal', record.goals, changed.goals),
    tasks: replaced('task', record.tasks, changed.tasks),
    impressions: replaced('impression', record.impressions, changed.impressions),
  };
}

/** The scores of a record, those of the source `id` replaced by `added`. */
function withScores({ scores, duplicates = [] }: PatientRecord, id: string, added: ReadonlyMap<string, readonly Score[]>): Pick<PatientRecord, 'scores' | 'duplicates'> {
  const kept = new Map<string, readonly Score[]>(scores);
  const touched = new Set(added.keys());
  for (const [key, list] of scores) if (list.some((score) => score.id === id)) touched.add(key);
  // A total that was set aside counts again where the response that it repeats is gone.
  for (const { key } of duplicates) touched.add(key);
  const aside: Score[] = [];
  for (const key of touched) {
    const all = [...scores.get(key) ?? [], ...duplicates.filter((score) => score.key === key)].filter((score) => score.id !== id);
    const once = withoutDuplicates([...all, ...added.get(key) ?? []], aside).sort(byTime);
    if (once.length === 0) kept.delete(key);
    else kept.set(key, once);
  }
  return { scores: kept, duplicates: aside };
}

/** @returns `record` with the scores of further scales, none of which it has: `entries` are all of theirs. */
export function withScales(record: PatientRecord, entries: readonly ReadEntry[]): PatientRecord {
  if (entries.length === 0) return record;
  const { scores, duplicates = [] } = patientRecord(entries);
  return { ...record, scores: new Map([...record.scores, ...scores]), duplicates: [...record.duplicates ?? [], ...duplicates] };
}

/** @returns the id under which the scores of a resource are in a record. */
export const scoreId = ({ type, id }: { readonly type: string; readonly id: string }): string => (type === 'Observation' ? `Observation/${id}` : id);

/** @returns the reference of what a score was taken from. */
export const sourceOf = ({ id, data }: Score): string => (data.source === 'Observation' ? id : `QuestionnaireResponse/${id}`);

interface Lists {
  scores: Map<string, Score[]>;
  duplicates: Score[];
  sessions: Session[];
  episodes: Episode[];
  goals: MeasuredGoal[];
  tasks: QuestionnaireRequest[];
  impressions: Impression[];
}

const empty = (): Lists => ({ scores: new Map(), duplicates: [], sessions: [], episodes: [], goals: [], tasks: [], impressions: [] });

function place(lists: Lists, { kind, key, id, value, data }: ReadEntry): void {
  const parsed: unknown = typeof data === 'string' ? JSON.parse(data) : data;
  switch (kind) {
    case 'score':
    case 'imported': {
      const score = parsed as ScoreData;
      const list = lists.scores.get(key) ?? [];
      if (list.length === 0) lists.scores.set(key, list);
      list.push({
        id: kind === 'imported' ? scoreId({ type: 'Observation', id }) : id, key, data: score,
        at: instant(score.authored),
        value: value === null ? null : Number(value),
        date: score.authored?.slice(0, 10) ?? '',
      });
      return;
    }
    case 'session': lists.sessions.push({ id, key, at: instant((parsed as SessionData).start), data: parsed as SessionData }); return;
    case 'episode': lists.episodes.push({ id, key, at: instant((parsed as EpisodeData).start), data: parsed as EpisodeData }); return;
    case 'goal': lists.goals.push({ id, key, at: instant((parsed as GoalData).start), data: parsed as GoalData }); return;
    case 'impression': lists.impressions.push({ id, key, at: instant((parsed as ImpressionData).authored), data: parsed as ImpressionData }); return;
    case 'task': lists.tasks.push({ id, key, at: instant((parsed as TaskData).authoredOn), data: parsed as TaskData }); return;
  }
}

function finish(lists: Lists): PatientRecord {
  for (const [key, list] of lists.scores) {
    const once = withoutDuplicates(list, lists.duplicates);
    if (once.length === 0) lists.scores.delete(key);
    else lists.scores.set(key, once.sort(byTime));
  }
  for (const list of [lists.sessions, lists.episodes, lists.goals, lists.tasks, lists.impressions]) list.sort(byTime);
  return lists;
}

/** @returns the scores of one scale, less the totals from elsewhere of responses that are among them: those are added to `duplicates`. */
function withoutDuplicates(list: Score[], duplicates: Score[]): Score[] {
  if (!list.some(({ data }) => data.of !== undefined)) return list;
  const responses = new Set(list.map(({ id }) => id));
  const isDuplicate = ({ data }: Score): boolean => data.of?.some((id) => responses.has(id)) === true;
  duplicates.push(...list.filter(isDuplicate));
  return list.filter((score) => !isDuplicate(score));
}

/**
 * Entries without a time come first. Of two at the same instant what they say decides, and only of two that say the same their id:
 * ids of a server follow the order of arrival, which must not matter. Of scores the higher counts as the later.
 */
function byTime(a: Projected<unknown>, b: Projected<unknown>): number {
  const [one, other] = [a.at ?? -Infinity, b.at ?? -Infinity];
  if (one !== other) return one - other;
  return a.id === b.id ? 0 : valueOf(a) - valueOf(b) || compareText(said(a), said(b)) || compareText(a.id, b.id);
}

const valueOf = (entry: Projected<unknown>): number => (entry as Partial<Score>).value ?? -1000;

/** What an entry says, without the ids of others; of episodes the one that is open or ends later is the last. */
const said = ({ data }: Projected<unknown>): string =>
  `${(data as EpisodeData).end ?? '~'} ${JSON.stringify(data, (key, value: unknown) => (key === 'encounter' || key === 'episode' || key === 'of' ? undefined : value))}`;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** @returns milliseconds of a FHIR date, dateTime or instant (a date: its first moment in UTC), or null. */
export function instant(text: string | undefined): number | null {
  if (text === undefined) return null;
  const time = usual(text) ?? Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

/**
 * The time of `YYYY-MM-DDThh:mm:ss` with `Z` or an offset, where no part of it needs a second look; else undefined. A record
 * has hundreds of them: this takes 100 ns and Date.parse 260.
 */
function usual(text: string): number | undefined {
  const zulu = text.length === 20 && text.charCodeAt(19) === 90;
  const sign = text.length === 25 ? text.charCodeAt(19) : 0;
  if (!zulu && sign !== 43 && sign !== 45) return undefined;
  const [month, day, hour, minute, second] = [two(text, 5), two(text, 8), two(text, 11), two(text, 14), two(text, 17)];
  const offset = zulu ? 0 : (two(text, 20) * 60 + two(text, 23)) * (sign === 45 ? -60_000 : 60_000);
  const plain = month >= 1 && month <= 12 && day >= 1 && day <= 28 && hour <= 23 && minute <= 59 && second <= 59 && text.charCodeAt(10) === 84;
  return plain ? Date.UTC(two(text, 0) * 100 + two(text, 2), month - 1, day, hour, minute, second) - offset : undefined;
}

/** The number that two digits are; NaN or another number for what are none. */
const two = (text: string, at: number): number => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48;
