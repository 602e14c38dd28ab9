import { dayAfter, dayIn, instantAt, momentOf } from './local-time.ts';
import { kindsOf, type EpisodeData, type GoalData, type ImpressionData, type PersonData, type ReadEntry, type RecordEntry, type ScoreData, type SessionData, type TaskData } from './record-entry.ts';

export interface Projected<D> {
  readonly id: string;
  readonly key: string;
  readonly at: number | null;
  /** Calendar date, on the clock of its author or where the client lives (`dayIn`); '' without a time. */
  readonly date: string;
  readonly data: D;
}

/** `id`: of the response, or for a total from elsewhere its reference, `Observation/...`. */
export interface Score extends Projected<ScoreData> {
  readonly value: number | null;
}
export type Session = Projected<SessionData>;
export interface Episode extends Projected<EpisodeData> {
  /** Calendar date of its end. */
  readonly lastDate?: string;
  /** Since when a score may come before it and still be part of it; null without a start. */
  readonly leadsFrom: number | null;
}
export type MeasuredGoal = Projected<GoalData>;
export type QuestionnaireRequest = Projected<TaskData>;
export type Impression = Projected<ImpressionData>;

/** Whose record it is, as far as rules look at that. */
export interface Person {
  readonly gender?: string;
  /** Time zone in which the days of the client begin and end. */
  readonly zone: string;
  /** The same for clients who do not say where they live. */
  readonly deployment: string;
}

/** What the engine knows of one patient, each list in time order. */
export interface PatientRecord {
  readonly person: Person;
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

/**
 * @param zone of the deployment: where the days begin and end of a client who does not say where they live.
 * @returns the record that `entries` describe; their order does not matter.
 */
export function patientRecord(entries: readonly ReadEntry[], zone = 'UTC'): PatientRecord {
  const lists = empty(personIn(entries, zone));
  for (const entry of entries) place(lists, entry);
  return finish(lists);
}

function personIn(entries: readonly ReadEntry[], deployment: string): Person {
  const found = entries.find(({ kind }) => kind === 'person');
  const { zone, gender } = found === undefined ? {} : parsed<PersonData>(found);
  return { zone: zone ?? deployment, deployment, ...(gender === undefined ? {} : { gender }) };
}

/** @returns `record` as that of a person about whom something else is known; another zone puts all that has a time on other dates. */
function withPerson(record: PatientRecord, entries: readonly ReadEntry[]): PatientRecord {
  const person = personIn(entries, record.person.deployment);
  if (person.zone !== record.person.zone) return patientRecord([...entriesOf(record), ...entries], person.deployment);
  return person.gender === record.person.gender ? record : { ...record, person };
}

/** The entries that a record was made from, but for that of the person. */
function entriesOf({ scores, duplicates = [], ...record }: PatientRecord): ReadEntry[] {
  const read = (kind: RecordEntry['kind']) => ({ id, key, data }: Projected<object>): ReadEntry => ({ kind, id, key, at: null, value: null, data });
  return [
    ...[...scores.values(), duplicates].flat().map(({ id, key, value, data }): ReadEntry =>
      ({ ...(data.source === 'Observation' ? { kind: 'imported', id: id.slice('Observation/'.length) } : { kind: 'score', id }), key, at: null, value, data })),
    ...record.sessions.map(read('session')), ...record.episodes.map(read('episode')), ...record.goals.map(read('goal')),
    ...record.tasks.map(read('task')), ...record.impressions.map(read('impression')),
  ];
}

/**
 * @returns `record` after the entries of the resource `source` were replaced by `entries` (none: it projects nothing any more).
 * Equal to `patientRecord` of the replaced list, without reading the unchanged entries again.
 */
export function withSource(record: PatientRecord, source: { type: string; id: string }, entries: readonly RecordEntry[]): PatientRecord {
  const kinds = kindsOf(source.type);
  if (kinds.length === 0) return record;
  if (source.type === 'Patient') return withPerson(record, entries);
  const changed = empty(record.person);
  for (const entry of entries) place(changed, entry);
  // Lists that the source has no part in stay the same objects: what was computed from them holds (`sessionsOf`).
  const replaced = <T extends Projected<unknown>>(kind: RecordEntry['kind'], list: readonly T[], added: readonly T[]): T[] =>
    (kinds.includes(kind) ? [...list.filter(({ id }) => id !== source.id), ...added].sort(byTime) : list as T[]);
  return {
    person: record.person,
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
  const lists = empty(record.person);
  for (const entry of entries) place(lists, entry);
  const { scores, duplicates = [] } = finish(lists);
  return { ...record, scores: new Map([...record.scores, ...scores]), duplicates: [...record.duplicates ?? [], ...duplicates] };
}

/** @returns the id under which the scores of a resource are in a record. */
export const scoreId = ({ type, id }: { readonly type: string; readonly id: string }): string => (type === 'Observation' ? `Observation/${id}` : id);

/** @returns the reference of what a score was taken from. */
export const sourceOf = ({ id, data }: Score): string => (data.source === 'Observation' ? id : `QuestionnaireResponse/${id}`);

interface Lists {
  readonly person: Person;
  scores: Map<string, Score[]>;
  duplicates: Score[];
  sessions: Session[];
  episodes: Episode[];
  goals: MeasuredGoal[];
  tasks: QuestionnaireRequest[];
  impressions: Impression[];
}

const empty = (person: Person): Lists => ({ person, scores: new Map(), duplicates: [], sessions: [], episodes: [], goals: [], tasks: [], impressions: [] });

const parsed = <D>({ data }: ReadEntry): D => (typeof data === 'string' ? JSON.parse(data) : data) as D;

function place(lists: Lists, entry: ReadEntry): void {
  const { kind, key, id, value } = entry;
  const { zone } = lists.person;
  switch (kind) {
    case 'score':
    case 'imported': {
      const data = parsed<ScoreData>(entry);
      const score = {
        id: kind === 'imported' ? scoreId({ type: 'Observation', id }) : id, key, data, at: momentOf(data.authored, zone), date: dateIn(data.authored, zone),
        value: value === null ? null : Number(value),
      };
      const list = lists.scores.get(key);
      if (list === undefined) lists.scores.set(key, [score]);
      else list.push(score);
      return;
    }
    case 'session': lists.sessions.push(projected<SessionData>(entry, ({ start }) => start, zone)); return;
    case 'episode': lists.episodes.push(episode(projected<EpisodeData>(entry, ({ start }) => start, zone), zone)); return;
    case 'goal': lists.goals.push(projected<GoalData>(entry, ({ start }) => start, zone)); return;
    case 'impression': lists.impressions.push(projected<ImpressionData>(entry, ({ authored }) => authored, zone)); return;
    case 'task': lists.tasks.push(projected<TaskData>(entry, ({ authoredOn }) => authoredOn, zone)); return;
    case 'person': return;
  }
}

function projected<D extends object>(entry: ReadEntry, time: (data: D) => string | undefined, zone: string): Projected<D> {
  const data = parsed<D>(entry);
  const written = time(data);
  return { id: entry.id, key: entry.key, data, at: momentOf(written, zone), date: dateIn(written, zone) };
}

const dateIn = (written: string | undefined, zone: string): string => (written === undefined ? '' : dayIn(written, zone));

/** A score of the 14 days before an episode is part of it, the first of them as a whole (docs/clinical.md 3.0). */
function episode(projected: Projected<EpisodeData>, zone: string): Episode {
  const { at, date, data: { end } } = projected;
  return { ...projected, ...(end === undefined ? {} : { lastDate: dayIn(end, zone) }), leadsFrom: at === null ? null : instantAt(dayAfter(date, -14), 0, zone) };
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

/** @returns the scores of one scale, less those from elsewhere that repeat a response among them: those are added to `duplicates`. */
function withoutDuplicates(list: Score[], duplicates: Score[]): Score[] {
  if (!list.some(({ data }) => data.of !== undefined)) return list;
  const responses = new Map(list.map((score) => [score.id, score]));
  const isDuplicate = (score: Score): boolean => score.data.of?.some((id) => repeats(score, responses.get(id))) === true;
  duplicates.push(...list.filter(isDuplicate));
  return list.filter((score) => !isDuplicate(score));
}

/** Whether a response says all that a copy of it does: a total that is not in it, or an answer to a safety item that is not in it or is less there, is another one. */
const repeats = ({ value: total, data: { safety = {} } }: Score, response: Score | undefined): boolean => response !== undefined && (total === null || response.value !== null)
  && Object.entries(safety).every(([linkId, value]) => (response.data.safety?.[linkId] ?? -1) >= (value ?? 0));

/**
 * Entries without a time come first. Of two at the same instant what they say decides, and only of two that say the same their id:
 * ids of a server follow the order of arrival, which must not matter. Of scores the higher counts as the later.
 */
function byTime(a: Projected<unknown>, b: Projected<unknown>): number {
  const one = a.at ?? -Infinity, other = b.at ?? -Infinity;
  if (one !== other) return one - other;
  return a.id === b.id ? 0 : valueOf(a) - valueOf(b) || compareText(said(a), said(b)) || compareText(a.id, b.id);
}

const valueOf = (entry: Projected<unknown>): number => (entry as Partial<Score>).value ?? -1000;

/** What an entry says, without the ids of others; of episodes the one that is open or ends later is the last. */
const said = ({ data }: Projected<unknown>): string =>
  `${(data as EpisodeData).end ?? '~'} ${JSON.stringify(data, (key, value: unknown) => (key === 'encounter' || key === 'episode' || key === 'of' ? undefined : value))}`;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
