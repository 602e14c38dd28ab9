import { metricTable, type MetricId } from '../metrics.ts';
import { coarse, coarseShare, smallest } from '../suppression.ts';

/** One number of the outcomes of a caseload, how it is hidden, and how a table of them is written (docs/measures.md). Pure. */

/** A number with its limits; `value` null: not shown, for the reason that `note` says. */
export interface Line {
  readonly scale: string;
  readonly statistic: string;
  /** The rule that it comes from. */
  readonly metric: MetricId;
  /** What it rests on. */
  readonly n: number | null;
  readonly value: number | null;
  readonly low?: number;
  readonly high?: number;
  readonly note?: string;
  /** The one course that it is about: never where numbers are suppressed. */
  readonly episode?: string;
  readonly class?: string;
  /** Counts beside `n` that could be had from the number. */
  readonly tells?: readonly number[];
  /** `value` and its limits are shares of `n`. */
  readonly isShare?: boolean;
  /** `value` is a count of courses. */
  readonly isCount?: boolean;
  /** Places after the point that may be shown where numbers are suppressed; 1 without it. */
  readonly places?: number;
}

/**
 * @returns the lines for somebody who may know the caseload and not the people in it: nothing about one course, nothing that tells a
 * count below five, counts to the nearest five, and other numbers with so few digits that the counts cannot be had from them.
 */
export const suppressedLines = (lines: readonly Line[]): Line[] => lines.filter(({ episode }) => episode === undefined).map(suppressedLine);

function suppressedLine(line: Line): Line {
  const { scale, statistic, metric, n, tells = [], isCount = false, isShare = false, places = 1 } = line;
  if (n === null || [n, ...tells].some((count) => count < smallest)) return { scale, statistic, metric, n: null, value: null, note: 'hidden: small numbers' };
  const shown = (number: number): number => (isCount ? coarse(number) : isShare ? coarseShare(number, n) : Math.round(number * 10 ** places) / 10 ** places);
  const blurred = Object.fromEntries((['value', 'low', 'high'] as const).flatMap((key) => (line[key] == null ? [] : [[key, shown(line[key])]])));
  return { ...line, ...blurred, n: coarse(n) };
}

/** @returns the number of a line as every form of the answer shows it: six digits, and at most six places after the point. */
export const digits = (value: number): number => Number(Number(value.toPrecision(6)).toFixed(6)) + 0; // never -0

/** The columns of the table, in order. A column more comes last. */
const columns = ['scale', 'statistic', 'n', 'value', 'low', 'high', 'note', 'method', 'episode', 'class'] as const;

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** @returns the lines as CSV (RFC 4180), with a header; `method` is the rule and its version. */
export function linesAsCsv(lines: readonly Line[]): string {
  const cell = (value: string | number | null | undefined): string => (value == null ? '' : quoted(typeof value === 'number' ? String(digits(value)) : value));
  const row = (line: Line): string => columns.map((column) => cell(column === 'method' ? `${line.metric}|${metricTable[line.metric].version}` : line[column])).join(',');
  return `${[columns.join(','), ...lines.map(row)].join('\r\n')}\r\n`;
}
