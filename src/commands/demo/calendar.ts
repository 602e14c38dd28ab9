const day = 86_400_000;

/** The weeks of the demonstration, counted from the Monday or other day on which they begin. */
export interface Calendar {
  /** Date `days` after the beginning, e.g. `2026-04-06`. */
  readonly date: (days: number) => string;
  /** Instant at `minutes` after midnight (UTC) of that date. */
  readonly instant: (days: number, minutes: number) => string;
}

/** @param now the date that ends the weeks, `YYYY-MM-DD`: nothing but this one date tells the time. */
export function calendar(now: string, weeks: number): Calendar {
  const start = Date.parse(now) - weeks * 7 * day;
  const instant = (days: number, minutes: number): string => new Date(start + days * day + minutes * 60_000).toISOString();
  return { instant, date: (days) => instant(days, 0).slice(0, 10) };
}
