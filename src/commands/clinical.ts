/** Renews the table of metrics in docs/clinical.md. Run at development time (`npm run clinical`); a test compares. */
import { readFile, writeFile } from 'node:fs/promises';
import { withMetrics } from '../outcomes/metrics.ts';

const document = new URL('../../docs/clinical.md', import.meta.url);
await writeFile(document, withMetrics(await readFile(document, 'utf8')));
