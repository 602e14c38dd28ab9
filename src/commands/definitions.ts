/**
 * Writes the data files of `schemas/r4` that the service validates, searches and summarises by, from the StructureDefinitions,
 * value sets and SearchParameters of FHIR R4. Run at development time (`npm run definitions`), the results are committed,
 * so that the 93 MB of definitions are neither shipped nor read at start.
 */
import { writeFile } from 'node:fs/promises';
import { writeSearchParameters } from './definitions/search-parameters.ts';
import { validationTexts } from './definitions/structures.ts';
import { writeSummaryElements } from './definitions/summary-elements.ts';

const folder = new URL('../../schemas/r4/', import.meta.url);

const { structures, valueSets } = await validationTexts();
await writeFile(new URL('structures.json', folder), structures);
await writeFile(new URL('value-sets.json', folder), valueSets);
await writeSearchParameters();
await writeSummaryElements();
