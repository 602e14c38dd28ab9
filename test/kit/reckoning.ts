import type { Raw } from './random-caseload.ts';

/** Rates over a caseload, counted from what was stored by docs/measures.md and docs/clinical.md 3.0 to 3.5, 3.10 and 3.14, without the code of the service. */

const day = 86_400_000;

/** What a form is judged by; `least`: items that must be answered. */
const forms: Readonly<Record<string, { items: number; least: number; caseness: number; reliable: number; bands: readonly (readonly [number, string])[] }>> = {
  'phq-9': { items: 9, least: 7, caseness: 10, reliable: 6, bands: [[20, 'severe'], [15, 'moderately-severe'], [10, 'moderate'], [5, 'mild'], [0, 'minimal']] },
  'gad-7': { items: 7, least: 6, caseness: 8, reliable: 4, bands: [[15, 'severe'], [10, 'moderate'], [5, 'mild'], [0, 'minimal']] },
};

interface Total { readonly reference: string; readonly encounter: string | undefined; readonly timed: boolean; readonly at: number; readonly date: string; readonly value: number; readonly prorated: boolean }
interface Episode { readonly raw: Raw; readonly at: number; readonly from: number; readonly end: string | undefined }
interface Session { readonly raw: Raw; readonly timed: boolean; readonly at: number; readonly date: string; readonly episode: Episode | null }

/** What is counted once; `paired` undefined where the measure is not about first and last scores. */
export interface Unit { readonly patient: string; readonly strata: Readonly<Record<string, string>>; readonly evaluated: readonly string[]; readonly denominator: boolean; readonly numerator: boolean; readonly paired?: boolean }

const clocks = new Map<string, Intl.DateTimeFormat>();
/** What a clock in `zone` shows, as YYYY-MM-DDThh:mm:ss. */
function clock(at: number, zone: string): string {
  if (!clocks.has(zone)) clocks.set(zone, new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }));
  const part = Object.fromEntries(clocks.get(zone)!.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${part['year']}-${part['month']}-${part['day']}T${part['hour']}:${part['minute']}:${part['second']}`;
}
const midnight = (date: string, zone: string): number => {
  const wanted = Date.parse(date);
  const guess = wanted - (Date.parse(`${clock(wanted, zone)}Z`) - wanted);
  return guess - (Date.parse(`${clock(guess, zone)}Z`) - wanted);
};
const isTimed = (text: string): boolean => text.length > 10;
const dateIn = (text: string, zone: string): string => (isTimed(text) && text.endsWith('Z') ? clock(Date.parse(text), zone) : text).slice(0, 10);
const instantIn = (text: string, zone: string): number => (isTimed(text) ? Date.parse(text) : midnight(text, zone));
const later = (date: string, days: number): string => new Date(Date.parse(date) + days * day).toISOString().slice(0, 10);

/** The record of one person, as somebody who may not see private entries, or who may, has it. */
class Chart {
  readonly raws: readonly Raw[];
  readonly zone: string;
  readonly episodes: readonly Episode[];
  readonly #sessions: readonly Session[];
  readonly #withPrivate: boolean;

  constructor(raws: readonly Raw[], withPrivate: boolean) {
    this.raws = raws;
    this.#withPrivate = withPrivate;
    this.zone = raws[0]!['extension']?.[0].valueCode ?? 'UTC';
    this.episodes = this.of('EpisodeOfCare').filter(({ status }) => ['active', 'onhold', 'finished'].includes(status)).map((raw) => ({
      raw, at: instantIn(raw['period'].start, this.zone), from: midnight(later(dateIn(raw['period'].start, this.zone), -14), this.zone), end: dateIn(raw['period'].end, this.zone),
    })).sort((a, b) => a.at - b.at);
    this.#sessions = this.of('Encounter').filter(({ status, class: { code }, type }) => status === 'finished' && code !== 'IMP' && type === undefined).map((raw): Session => {
      const { start } = raw['period'];
      const at = instantIn(start, this.zone);
      return { raw, timed: isTimed(start), at, date: dateIn(start, this.zone), episode: this.episodes.find(({ raw: { id } }) => `EpisodeOfCare/${id}` === raw['episodeOfCare']?.[0].reference) ?? this.#episodeAt(at) };
    }).sort((a, b) => a.at - b.at);
  }

  of(type: string): Raw[] { return this.raws.filter(({ resourceType }) => resourceType === type); }

  #episodeAt(at: number): Episode | null { return this.episodes.findLast(({ from }) => from <= at) ?? null; }

  /** Sessions of an episode, of those that share an identifier the first. */
  sessions(episode: Episode | null): Session[] {
    const own = this.#sessions.filter((session) => session.episode === episode);
    const number = ({ raw }: Session): string | undefined => raw['identifier']?.[0].value;
    return own.filter((session, i) => number(session) === undefined || own.findIndex((each) => number(each) === number(session)) === i);
  }

  totals(form: string): Total[] {
    return this.of('QuestionnaireResponse').filter((raw) => raw['questionnaire'].endsWith(`/${form}`) && ['completed', 'amended'].includes(raw['status']) && (this.#withPrivate || raw['meta'] === undefined)).flatMap((raw): Total[] => {
      const given: number[] = raw['item'].map(({ answer }: any) => answer[0].valueInteger);
      const { items, least } = forms[form] ?? { items: given.length, least: given.length };
      if (given.length < least) return [];
      const sum = given.reduce((all, each) => all + each, 0);
      return [{
        reference: `QuestionnaireResponse/${raw.id}`, encounter: raw['encounter']?.reference, timed: isTimed(raw['authored']), at: instantIn(raw['authored'], this.zone), date: dateIn(raw['authored'], this.zone),
        value: Math.floor((sum * items) / given.length + 0.5), prorated: given.length < items,
      }];
    }).sort((a, b) => a.at - b.at);
  }

  series(form: string, episode: Episode): Total[] { return this.totals(form).filter(({ at }) => this.#episodeAt(at) === episode); }

  /** First and last score of a course: the last one around the first session, else the first; the last one up to the end, of another date. */
  pair(form: string, episode: Episode): [Total, Total] | undefined {
    const list = this.series(form, episode);
    const first = this.sessions(episode)[0];
    const isAround = ({ timed, at, date }: Total): boolean => first !== undefined
      && (timed && first.timed ? at >= first.at - 14 * day && at <= first.at + 7 * day : date >= later(first.date, -14) && date <= later(first.date, 7));
    const start = list.findLast(isAround) ?? list[0];
    const last = list.findLast(({ date }) => date <= episode.end!);
    return start === undefined || last === undefined || last.at <= start.at || last.date === start.date ? undefined : [start, last];
  }

  strata(episode: Episode | null, form?: string): Record<string, string> {
    const raw = episode?.raw;
    const problem = this.of('Condition').find(({ id }) => `Condition/${id}` === raw?.['diagnosis']?.[0].condition.reference)?.['code'];
    const start = form === undefined || episode === null ? undefined : this.pair(form, episode)?.[0].value;
    return {
      practitioner: raw?.['careManager']?.reference ?? 'unknown', team: raw?.['team']?.[0].reference ?? 'unknown', problem: problem?.text ?? problem?.coding[0].display ?? 'unknown',
      'baseline-band': start === undefined ? 'unknown' : forms[form!]!.bands.find(([low]) => start >= low)![1],
    };
  }
}

const rates: Readonly<Record<string, (form: string, x: number, y: number) => readonly [boolean, boolean]>> = {
  'reliable-improvement': (form, x, y) => [true, x - y >= forms[form]!.reliable], 'reliable-deterioration': (form, x, y) => [true, y - x >= forms[form]!.reliable],
  'recovery': (form, x, y) => [x >= forms[form]!.caseness, y < forms[form]!.caseness],
  'reliable-recovery': (form, x, y) => [x >= forms[form]!.caseness, y < forms[form]!.caseness && x - y >= forms[form]!.reliable],
  'response': (form, x, y) => [x >= forms[form]!.caseness, 2 * (x - y) >= x], 'remission': (_form, x, y) => [x >= 5, y < 5],
};

type Counted = Pick<Unit, 'strata' | 'evaluated' | 'denominator' | 'numerator' | 'paired'>;

function outcome(chart: Chart, episode: Episode, rate: string, form: string): Counted {
  const pair = chart.pair(form, episode);
  const [denominator, numerator] = pair === undefined ? [false, false] : rates[rate]!(form, pair[0].value, pair[1].value);
  return { strata: chart.strata(episode, form), evaluated: [`EpisodeOfCare/${episode.raw.id}`, ...(pair ?? []).map(({ reference }) => reference)], denominator, numerator, paired: pair !== undefined };
}

function together(chart: Chart, episode: Episode, rate: string): Counted[] {
  if (chart.sessions(episode).length < 2) return [];
  const judged = ['phq-9', 'gad-7'].flatMap((form) => {
    const list = chart.series(form, episode).filter(({ date, prorated }) => date <= episode.end! && !prorated);
    return list.length < 2 ? [] : [{ ...forms[form]!, list, first: list[0]!.value, last: list.at(-1)!.value }];
  });
  const isCase = judged.some(({ first, caseness }) => first >= caseness);
  const [better, worse] = [judged.some(({ first, last, reliable }) => first - last >= reliable), judged.some(({ first, last, reliable }) => last - first >= reliable)];
  const recovered = judged.length === 2 && isCase && judged.every(({ last, caseness }) => last < caseness);
  const numerator = { 'recovery': recovered, 'reliable-recovery': recovered && better && !worse, 'reliable-improvement': better && !worse, 'reliable-deterioration': worse && !better }[rate]!;
  return [{
    strata: chart.strata(episode, 'phq-9'), evaluated: [`EpisodeOfCare/${episode.raw.id}`, ...judged.flatMap(({ list }) => [list[0]!.reference, list.at(-1)!.reference])],
    denominator: !rate.endsWith('recovery') || judged.length === 0 || isCase, numerator, paired: judged.length > 0,
  }];
}

function completeness(chart: Chart, episode: Episode): Counted {
  const found = ['phq-9', 'gad-7', 'bs-alliance'].flatMap((form) => {
    const list = chart.series(form, episode).filter(({ date }) => date <= episode.end!);
    return list.length === 0 || list[0]!.date === list.at(-1)!.date ? [] : [list[0]!.reference, list.at(-1)!.reference];
  });
  return { strata: chart.strata(episode), evaluated: [`EpisodeOfCare/${episode.raw.id}`, ...found], denominator: true, numerator: found.length > 0 };
}

function covered(chart: Chart, session: Session, of: readonly string[]): Counted {
  const far = ({ timed, at, date }: Total): number => (timed && session.timed ? Math.abs(at - session.at) : Math.abs(Date.parse(date) - Date.parse(session.date)));
  const all = of.flatMap((form) => chart.totals(form));
  const named = all.find(({ encounter }) => encounter === `Encounter/${session.raw.id}`);
  const best = named ?? all.filter((total) => far(total) <= 3 * day).sort((a, b) => Math.abs(a.at - session.at) - Math.abs(b.at - session.at))[0];
  return { strata: chart.strata(session.episode), evaluated: [`Encounter/${session.raw.id}`, ...(best === undefined ? [] : [best.reference])], denominator: true, numerator: best !== undefined };
}

/** @returns what `measure` counts of one person from the first to the last day of a period. */
export function reckon(measure: string, raws: readonly Raw[], first: string, last: string, withPrivate: boolean): Unit[] {
  const chart = new Chart(raws, withPrivate);
  const isIn = (date: string | undefined): boolean => date !== undefined && date >= first && date <= last;
  const finished = chart.episodes.filter(({ raw, end }) => raw['status'] === 'finished' && isIn(end));
  const counted = (): Counted[] => {
    const [, rate, form] = /^(.*)-(phq-9|gad-7)$/.exec(measure) ?? [];
    if (rate !== undefined) return finished.map((episode) => outcome(chart, episode, rate, form!));
    if (measure.startsWith('talking-therapies-')) return finished.flatMap((episode) => together(chart, episode, measure.slice(18)));
    if (measure === 'paired-data-completeness') return finished.map((episode) => completeness(chart, episode));
    const sessions = [...chart.episodes, null].flatMap((episode) => chart.sessions(episode)).filter(({ date }) => isIn(date));
    if (measure === 'session-completeness') return sessions.map((session) => covered(chart, session, ['phq-9', 'gad-7']));
    if (measure === 'alliance-coverage') return sessions.map((session) => covered(chart, session, ['bs-alliance']));
    return chart.of('Task').filter(({ status, restriction: { period: { end } } }) => ['requested', 'in-progress', 'completed'].includes(status) && isIn(isTimed(end) ? clock(Date.parse(end) - 1, chart.zone).slice(0, 10) : end)).map((task) => ({
      strata: { 'homework-type': task['code'].coding[0].code, practitioner: task['requester'].reference }, evaluated: [`Task/${task.id}`], denominator: true, numerator: task['status'] === 'completed',
    }));
  };
  return counted().map((unit) => ({ ...unit, numerator: unit.denominator && unit.numerator, patient: raws[0]!.id }));
}
