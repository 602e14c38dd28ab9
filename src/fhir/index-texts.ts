import { addString, type Indexer } from './index-values.ts';
import type { IndexRows } from './index-rows.ts';
import type { Node } from './paths.ts';

/** The texts beside codes and references, as `:text` searches them. */

const add = (value: unknown, param: number, rows: IndexRows): void => {
  if (typeof value === 'string' && value !== '') addString(rows, param, value);
};

const display: Indexer = (value, param, rows) => add((value as Node)['display'], param, rows);

const codeableConcept: Indexer = (value, param, rows) => {
  const { text, coding } = value as Node;
  add(text, param, rows);
  if (Array.isArray(coding)) for (const each of coding) if (each !== null) display(each, param, rows);
};

const identifier: Indexer = (value, param, rows) => {
  const { type } = value as { type?: Node };
  if (typeof type === 'object' && type !== null) add(type['text'], param, rows);
};

/** How the text of an element of this FHIR type is indexed; types that are not here have none. */
export const textIndexers: Readonly<Partial<Record<string, Indexer>>> = { Coding: display, CodeableConcept: codeableConcept, Identifier: identifier, Reference: display };
