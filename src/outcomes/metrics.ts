import metrics from '../../schemas/metrics.json' with { type: 'json' };
import { codeSystem } from '../fhir/canonical.ts';

/**
 * Every number that the service computes, as data: `schemas/metrics.json`. What Observations name as their `method`, what
 * `$progress` says of a rule and the table in docs/clinical.md all come from it. A metric more is an entry there and a pure function here.
 */
export interface Metric {
  /** Raised whenever the same input may give another result. */
  readonly version: string;
  /** Section of docs/clinical.md that explains it. */
  readonly section: string;
  /** Its name for clinicians, and in words that do not judge for clients. */
  readonly title: { readonly clinician: string; readonly client: string };
  readonly formula: string;
  readonly source: string;
  readonly verification: string;
  /** What the number does not mean. */
  readonly caution: string;
}

export type MetricId = keyof typeof metrics;

/** All metrics by id, in the order of docs/clinical.md. */
export const metricTable: Readonly<Record<MetricId, Metric>> = metrics;

/** Coding of a rule with its version, as `Observation.method` carries it. */
export interface RuleCoding { readonly system: string; readonly version: string; readonly code: string; readonly display: string }

/** @returns the coding that names the rule `id` in its present version. */
export function ruleOf(id: MetricId): RuleCoding {
  const { version, title } = metricTable[id];
  return { system: codeSystem('scoring-method'), version, code: id, display: title.clinician };
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** @returns the table of all metrics as docs/clinical.md prints it. */
export function metricsAsMarkdown(): string {
  const rows = Object.entries(metricTable).map(([id, { version, section, title, formula, source, verification }]) =>
    `| \`${id}\` ${version} | ${section} | ${title.clinician} / ${title.client} | ${cell(formula)} | ${source} (\`${verification}\`) |`);
  return ['| metric, version | section | name for clinicians / clients | rule | source |', '|---|---|---|---|---|', ...rows].join('\n');
}

const [begin, end] = ['<!-- metrics: written by `npm run clinical` from schemas/metrics.json -->', '<!-- /metrics -->'];

/** @returns `document` with the table between its two marks renewed. @throws Error when the marks are not there. */
export function withMetrics(document: string): string {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error('The marks of the table of metrics are missing.');
  return `${document.slice(0, from + begin.length)}\n${metricsAsMarkdown()}\n${document.slice(to)}`;
}
