import { loinc } from '../fhir/canonical.ts';
import { instrumentDefinition, type InstrumentDefinition, type ItemDefinition, type ScaleDefinition } from './instrument.ts';
import { isLoincAnswerCode, isLoincCode } from './loinc.ts';

/**
 * @returns `candidate` as an instrument whose parts fit together.
 * @param warnings receives what deserves a second look but is not certainly wrong.
 * @throws Error that names the instrument and every field that is wrong.
 */
export function checkInstrument(candidate: unknown, warnings: string[]): InstrumentDefinition {
  const { id } = (candidate ?? {}) as { id?: unknown };
  const name = typeof id === 'string' ? id : 'without id';
  const parsed = instrumentDefinition.safeParse(candidate);
  if (!parsed.success) {
    throw new Error(`Instrument ${name}: ${parsed.error.issues.map(({ path, message }) => `${fieldPath(path)}: ${message}`).join('; ')}`);
  }
  const wrong = [...codeFaults(parsed.data, warnings), ...itemFaults(parsed.data), ...scaleFaults(parsed.data), ...safetyFaults(parsed.data), ...renderingFaults(parsed.data)];
  if (wrong.length > 0) throw new Error(`Instrument ${name}: ${wrong.join('; ')}`);
  return parsed.data;
}

/** `scales[0].bands.list`, as in the file. */
const fieldPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`), '') || '(file)';

function codeFaults({ id, form, formVersion, licence, panel, items, unscored, scales, answerLists }: InstrumentDefinition, warnings: string[]): string[] {
  const wrong: string[] = [];
  if (form !== undefined && formVersion !== undefined) wrong.push('formVersion: its form has a version of its own');
  if (licence.shipItemText && !['A', 'B', 'OWN'].includes(licence.class)) wrong.push(`licence.shipItemText: class ${licence.class} does not allow to publish the items`);
  const lint = (field: string, system: string, code: string): void => {
    if (system === loinc && !isLoincCode(code)) wrong.push(`${field}: ${code} is not a LOINC code (form or check digit)`);
  };
  if (panel !== undefined) lint('panel.code', loinc, panel.code);
  for (const [list, each] of [['items', items], ['unscored', unscored]] as const) {
    each.forEach((item, i) => lint(`${list}[${i}].code`, item.system ?? loinc, item.code));
  }
  scales.forEach((scale, i) => {
    scale.codes.forEach(({ system, code }, j) => lint(`scales[${i}].codes[${j}]`, system, code));
    scale.acceptAsTotal.forEach(({ system, code }, j) => lint(`scales[${i}].acceptAsTotal[${j}]`, system, code));
  });
  for (const { options } of answerLists) {
    for (const { system, code } of options) {
      if ((system ?? loinc) === loinc && !isLoincAnswerCode(code)) warnings.push(`${id}: answer code ${code} has an unusual check digit`);
    }
  }
  return wrong;
}

function itemFaults({ items, unscored, answerLists, skips = [] }: InstrumentDefinition): string[] {
  const wrong: string[] = [];
  const seen = new Set<string>();
  const lists = new Map(answerLists.map((list) => [list.id, list]));
  [...items, ...unscored].forEach((item, i) => {
    const scored = i < items.length;
    const field = scored ? `items[${i}]` : `unscored[${i - items.length}]`;
    for (const key of new Set([item.linkId, item.code])) {
      if (seen.has(key)) wrong.push(`${field}: ${key} is used twice`);
      seen.add(key);
    }
    if ([item.answers, item.numeric, scored ? undefined : item.free].filter((way) => way !== undefined).length !== 1 || (scored && item.free !== undefined)) {
      wrong.push(`${field}: must have ${scored ? 'either answers or numeric' : 'one of answers, numeric and free'}`);
    }
    if (item.numeric !== undefined && !(item.numeric.min < item.numeric.max)) wrong.push(`${field}.numeric: min must be below max`);
    if (item.answers === undefined) return;
    const list = lists.get(item.answers);
    if (list === undefined) wrong.push(`${field}.answers: there is no answer list ${item.answers}`);
    else if (scored && list.options.some(({ score }) => score === undefined)) wrong.push(`${field}.answers: every option of ${item.answers} needs a score`);
  });
  for (const linkId of skips.flatMap((skip) => [...skip.when, ...skip.items])) {
    if (!items.some((item) => item.linkId === linkId)) wrong.push(`skips: ${linkId} is no item`);
  }
  return wrong;
}

function scaleFaults(definition: InstrumentDefinition): string[] {
  return definition.scales.flatMap((scale, i) => {
    const field = `scales[${i}]`;
    const named = [...scale.items ?? [], ...(scale.criteria ?? []).flatMap(({ items }) => items), ...(scale.remarks ?? []).flatMap(({ zero }) => zero ?? []), ...Object.entries(scale.weights ?? {}).flat()];
    const unknown = named.filter((linkId) => ![...definition.items, ...definition.unscored].some((item) => item.linkId === linkId));
    if (unknown.length > 0) return [`${field}.items: ${unknown.join(', ')} is no item`];
    return [...bandFaults(scale, field), ...rangeFaults(definition, scale, field), ...useFaults(scale, field), ...interpretationFaults(scale, field)];
  });
}

/** Names of bands in order of how much they say is the matter: a scale on which more is worse must run that way, any other against it. */
const grades: readonly (readonly string[])[] = [
  ['healthy', 'none', 'minimal', 'normal', 'subclinical'], ['low'], ['mild'], ['moderate'], ['moderately-severe', 'moderate-severe'], ['severe'], ['extremely-severe'],
];
const gradeOf = (code: string): number => grades.findIndex((codes) => codes.includes(code));

function bandFaults({ bands, min, max, direction }: ScaleDefinition, field: string): string[] {
  if (bands === undefined) return [];
  const { list } = bands;
  const wrong: string[] = [];
  if (list[0]!.low !== min || list.at(-1)!.high !== max) wrong.push(`${field}.bands: must cover ${min} to ${max}`);
  list.forEach(({ low, high }, i) => {
    if (high < low) wrong.push(`${field}.bands.list[${i}]: high is below low`);
    const next = list[i + 1];
    if (next !== undefined && next.low <= high) wrong.push(`${field}.bands.list[${i + 1}]: overlaps the band before`);
    if (next !== undefined && Number.isInteger(high) && next.low > high + 1) wrong.push(`${field}.bands.list[${i + 1}]: leaves a gap after ${high}`);
    const [grade, above] = [gradeOf(list[i]!.code), next === undefined ? -1 : gradeOf(next.code)];
    if (grade >= 0 && above >= 0 && (direction === 'higher-worse' ? above <= grade : above >= grade)) wrong.push(`${field}.bands.list[${i + 1}]: ${next!.code} above ${list[i]!.code} does not fit ${direction}`);
  });
  return wrong;
}

/** The range that the file states must be the one that its items and its formula give. */
function rangeFaults(definition: InstrumentDefinition, scale: ScaleDefinition, field: string): string[] {
  const { formula, min, max } = scale;
  if ((formula === 'table') !== (scale.table !== undefined) || (formula === 'criteria') !== (scale.criteria !== undefined)) return [`${field}: table and criteria belong to the formulas of these names`];
  if (formula === 'table' && scale.tableSource === undefined) return [`${field}.tableSource: says where the table is from`];
  if (formula === 'criteria') return min === 0 && max === 1 ? [] : [`${field}: criteria are met (1) or not (0)`];
  const ranges = definition.items.filter(({ linkId }) => scale.items?.includes(linkId) ?? true).map((item) => scoreRange(definition, item));
  if (ranges.some((range) => range === undefined)) return [];
  const [lowest, highest] = [0, 1].map((end) => ranges.reduce((sum, range) => sum + range![end]!, 0)) as [number, number];
  if (formula === 'goal-attainment') return min < max && lowest === -highest ? [] : [`${field}: levels must run from as far below 0 as above`];
  if (formula === 'difference') {
    if (ranges.length !== 2) return [`${field}.items: a difference is of two items`];
    const [[least, most], [from, to]] = ranges as [[number, number], [number, number]];
    return min === least - to && max === most - from ? [] : [`${field}: min and max are ${min} and ${max}, its items give ${least - to} and ${most - from}`];
  }
  const factor = scale.factor ?? 1;
  if (formula === 'table') {
    const missing = [];
    for (let raw = lowest; raw <= highest; raw += 1) if (scale.table?.[raw] === undefined) missing.push(raw);
    if (missing.length > 0) return [`${field}.table: has no value for the raw sum ${missing.join(', ')}`];
    const falls = Object.keys(scale.table!).map(Number).sort((a, b) => a - b).filter((raw) => raw > lowest && scale.table![raw]! <= scale.table![raw - 1]!);
    if (falls.length > 0) return [`${field}.table: must rise at the raw sum ${falls.join(', ')}`];
    return scale.table![lowest] === min && scale.table![highest] === max ? [] : [`${field}: min and max are not the ends of its table`];
  }
  const [low, high] = [lowest, highest].map((sum) => (formula === 'mean' ? sum / ranges.length : sum) * factor) as [number, number];
  return low === min && high === max ? [] : [`${field}: min and max are ${min} and ${max}, its items give ${low} and ${high}`];
}

function scoreRange(definition: InstrumentDefinition, item: ItemDefinition): [number, number] | undefined {
  if (item.numeric !== undefined) return [item.numeric.min, item.numeric.max];
  const scores = optionScores(definition, item);
  return scores.length === 0 ? undefined : [Math.min(...scores), Math.max(...scores)];
}

/** Whether more than one would hold for a person. */
const areSeveral = (list: readonly { readonly sex?: string | undefined }[]): boolean =>
  list.length > 1 && (list.some(({ sex }) => sex === undefined) || new Set(list.map(({ sex }) => sex)).size < list.length);

function useFaults({ cutoffs, reliableChange, direction, min, max }: ScaleDefinition, field: string): string[] {
  const wrong: string[] = [];
  const decides = ({ use }: { readonly use: string }): boolean => use === 'class';
  if (areSeveral(cutoffs.filter(decides))) wrong.push(`${field}.cutoffs: only one may decide the class (use: class)`);
  if (areSeveral(reliableChange.filter(decides).map(() => ({})))) wrong.push(`${field}.reliableChange: only one may decide the class (use: class)`);
  cutoffs.forEach(({ op, value }, i) => {
    if (op.startsWith('>') !== (direction === 'higher-worse')) wrong.push(`${field}.cutoffs[${i}].op: ${op} does not fit ${direction}`);
    if (value < min || value > max) wrong.push(`${field}.cutoffs[${i}].value: ${value} is outside ${min} to ${max}`);
    else if (value === { '>=': min, '<': min, '<=': max, '>': max }[op]) wrong.push(`${field}.cutoffs[${i}].value: ${op} ${value} has every score on one side`);
  });
  return wrong;
}

/** What a score says of its cut-off must follow from one cut-off, and agree with its band. */
function interpretationFaults({ bands, cutoffs, direction }: ScaleDefinition, field: string): string[] {
  const wrong: string[] = [];
  const interpreting = cutoffs.filter(({ interprets }) => interprets !== undefined);
  if (areSeveral(interpreting) || new Set(interpreting.map(({ interprets }) => interprets)).size > 1) wrong.push(`${field}.cutoffs: a score is interpreted by one only, or by one for each sex, of the same kind (interprets)`);
  if (interpreting.length === 0 && cutoffs.some(({ use }) => use === 'class')) wrong.push(`${field}.cutoffs: one decides the class of a change, and none interprets a score (interprets)`);
  // A band on both sides would say one thing and the side of the cut-off another.
  const ends = (op: string, value: number): boolean => bands === undefined || bands.list.some(({ low, high }) => (op === '>=' || op === '<' ? low === value : high === value));
  interpreting.forEach(({ id, op, value }) => {
    if (!ends(op, value)) wrong.push(`${field}.cutoffs: ${id} (${op} ${value}) divides a band; ${direction === 'higher-worse' ? 'a band begins' : 'a band ends'} where a score is interpreted`);
  });
  return wrong;
}

function safetyFaults(definition: InstrumentDefinition): string[] {
  return definition.safety.flatMap(({ linkId, levels, minutes, unread, words }, i) => {
    const item = definition.items.find((each) => each.linkId === linkId);
    if (item === undefined) return [`safety[${i}].linkId: ${linkId} is no item`];
    const scores = optionScores(definition, item);
    return [
      ...Object.keys(levels).filter((score) => !scores.includes(Number(score))).map((score) => `safety[${i}].levels: no answer scores ${score}`),
      ...words.flatMap(({ answers }, at) => (answers === undefined || answers.length === scores.length ? [] : [`safety[${i}].words[${at}].answers: one list of words for each answer`])),
      ...[...Object.values(levels), unread].filter((priority) => minutes[priority] === undefined).map((priority) => `safety[${i}].minutes: ${priority} is missing`),
    ];
  });
}

function renderingFaults({ renderings = [], items, unscored, ...definition }: InstrumentDefinition): string[] {
  const linkIds = new Set([...items, ...unscored].map(({ linkId }) => linkId));
  const scores = new Set(items.flatMap((item) => optionScores({ ...definition, items, unscored }, item)));
  return renderings.flatMap(({ linkIds: theirs = {}, answers }, i) => [
    ...Object.values(theirs).filter((linkId) => !linkIds.has(linkId)).map((linkId) => `renderings[${i}].linkIds: ${linkId} is no item`),
    ...Object.values(answers?.scores ?? {}).filter((score) => !scores.has(score)).map((score) => `renderings[${i}].answers: no answer scores ${score}`),
  ]);
}

const optionScores = ({ answerLists }: InstrumentDefinition, { answers }: ItemDefinition): number[] =>
  (answerLists.find(({ id }) => id === answers)?.options ?? []).flatMap(({ score }) => (score === undefined ? [] : [score]));

/** @returns the maps from an answer to the item score, reversed where the item runs against the scale. Both are empty for a number that scores itself. */
export function itemScores(definition: InstrumentDefinition, item: ItemDefinition): { byCode: Map<string, number>; byNumber: Map<number, number>; answerSystem: string } {
  const options = definition.answerLists.find(({ id }) => id === item.answers)?.options ?? [];
  const printed = optionScores(definition, item);
  const turn = (score: number): number => (item.reverse === true ? Math.min(...printed) + Math.max(...printed) - score : score);
  return {
    answerSystem: options[0]?.system ?? loinc,
    byCode: new Map([...options, ...item.alsoAccept ?? []].map(({ code, score }) => [code, turn(score!)])),
    byNumber: new Map(printed.map((score) => [score, turn(score)])),
  };
}
