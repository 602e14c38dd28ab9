import { loinc } from '../fhir/canonical.ts';
import type { Instrument, Registry, Scale } from './registry.ts';

/** The tables of instruments in docs/clinical.md: written from the files of `schemas/instruments`, so that they cannot differ. */

const [begin, end] = ['<!-- instruments: written by `npm run clinical` from schemas/instruments -->', '<!-- /instruments -->'];

/** @returns `document` with the tables between the two marks renewed. @throws Error when the marks are not there. */
export function withInstruments(document: string, registry: Registry): string {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error('The marks of the tables of instruments are missing.');
  return `${document.slice(0, from + begin.length)}\n${tables(registry)}\n${document.slice(to)}`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const row = (cells: readonly string[]): string => `| ${cells.map((text) => (text === '' ? '-' : cell(text))).join(' | ')} |`;
const head = (cells: readonly string[]): string[] => [row(cells), `|${'---|'.repeat(cells.length)}`];
const mark = ({ verification }: { readonly verification: string }): string => `(\`${verification}\`)`;

function tables({ instruments, scales }: Registry): string {
  return [
    ...head(['instrument', 'licence', 'item text', 'panel', 'scoring', 'missing, skipped, reversed', 'recall, how often']),
    ...instruments.map((instrument) => row(instrumentCells(instrument))),
    '',
    ...head(['score', 'LOINC', 'range, better', 'formula', 'bands from', 'cut-off that decides', 'shown beside it', 'reliable change', 'minimal important']),
    ...[...scales.values()].map((scale) => row(scaleCells(scale))),
  ].join('\n');
}

function instrumentCells({ definition, items }: Instrument): string[] {
  const { id, version, shortTitle, licence, scoring, panel, scales, skips = [], recall, cadence } = definition;
  const { missing } = scales[0]!;
  const turned = [...items.values()].filter(({ linkId }) => definition.items.find((item) => item.linkId === linkId)?.reverse === true);
  const open = [...items.values()].filter(({ notApplicable }) => notApplicable);
  return [
    `${shortTitle} (\`${id}\` ${version})`,
    `${licence.class} ${mark(licence)}`,
    definition.form !== undefined || licence.shipItemText ? 'shipped' : 'placeholders',
    panel === undefined ? '' : `${panel.code} ${mark(panel)}`,
    `${scoring.source} ${mark(scoring)}`,
    [
      missing.method === 'none' || missing.max === 0 ? 'none missing' : `up to ${missing.max} missing: mean${missing.round === 'none' ? '' : `, ${missing.round}`} ${mark(missing)}`,
      ...(skips.length === 0 ? [] : [`${skips.length} rule${skips.length === 1 ? '' : 's'} of skipping ${mark(skips[0]!)}`]),
      ...(turned.length === 0 ? [] : [`reversed: ${turned.map(({ linkId }) => linkId).join(', ')}`]),
      ...(open.length === 0 ? [] : [`may not apply: ${open.map(({ linkId }) => linkId).join(', ')}`]),
    ].join('; '),
    `${recall}; ${cadence}`,
  ];
}

function scaleCells({ key, codings, thresholds, definition }: Scale): string[] {
  const { min, max, direction, formula, factor, bands, cutoffs, minimalImportant, table } = definition;
  const [deciding, shown] = [cutoffs.filter(({ use }) => use === 'class'), cutoffs.filter(({ use }) => use !== 'class')];
  const limits = (list: typeof cutoffs): string => list.map((cutoff) => `${cutoff.op} ${cutoff.value}${cutoff.sex === undefined ? '' : ` (${cutoff.sex})`}: ${cutoff.id} ${mark(cutoff)}${cutoff.interprets === undefined ? '' : `, **${cutoff.interprets}**`}`).join('; ');
  return [
    `\`${key}\``,
    codings.filter(({ system }) => system === loinc).map(({ code }) => code).join(', '),
    `${min} to ${max}, ${direction === 'higher-worse' ? 'lower' : 'higher'}`,
    `${formula}${factor === undefined ? '' : ` times ${factor}`}${table === undefined ? '' : ` ${mark(definition.tableSource!)}`}`,
    bands === undefined ? '' : `${bands.list.map(({ low }) => low).join(', ')} ${mark(bands)}`,
    limits(deciding), limits(shown),
    thresholds.map(({ id, op, value, definition: { use, verification } }) => `${op} ${Math.round(value * 100) / 100}: ${id}${use === 'class' ? ', decides' : ''} ${mark({ verification })}`).join('; '),
    minimalImportant.map((each) => `${each.value} ${mark(each)}`).join('; '),
  ];
}
