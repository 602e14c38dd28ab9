/** Renews the tables of instruments and of metrics in docs/clinical.md. Run at development time (`npm run clinical`); a test compares. */
import { readFile, writeFile } from 'node:fs/promises';
import { readInstruments } from '../instruments.ts';
import { withInstruments } from '../outcomes/instrument-table.ts';
import { withMetrics } from '../outcomes/metrics.ts';
import { instrumentRegistry } from '../outcomes/registry.ts';

const document = new URL('../../docs/clinical.md', import.meta.url);
const registry = instrumentRegistry(readInstruments(new URL('../../schemas/instruments/', import.meta.url)));
await writeFile(document, withInstruments(withMetrics(await readFile(document, 'utf8')), registry));
