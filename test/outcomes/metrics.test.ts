import { readFileSync } from 'node:fs';
import t from 'tap';
import { z } from 'zod';
import { metricTable, ruleOf, withMetrics } from '../../src/outcomes/metrics.ts';
import { judgingWords, verdictWords } from './words.ts';

const text = z.string().min(3);
const metric = z.strictObject({
  version: z.string().regex(/^\d+$/), section: z.string().regex(/^\d+(\.\d+)?(, \d+(\.\d+)?)*$/),
  title: z.strictObject({ clinician: text, client: text }), formula: text, source: text,
  verification: z.enum(['verified', 'secondary', 'memory', 'service']), caution: text,
});

t.test('every metric has a version, a rule, a source and how well that is known', async (t) => {
  for (const [id, entry] of Object.entries(metricTable)) t.equal(metric.safeParse(entry).error?.message, undefined, id);
  t.match(ruleOf('reliable-change'), { code: 'reliable-change', version: metricTable['reliable-change'].version });
});

t.test('the table of metrics in docs/clinical.md is current (else: npm run clinical)', async (t) => {
  const document = readFileSync(new URL('../../docs/clinical.md', import.meta.url), 'utf8');
  t.equal(document, withMetrics(document));
  t.throws(() => withMetrics('# no marks'), /missing/);
});

t.test('names for clients judge nobody; names for clinicians claim no diagnosis', async (t) => {
  for (const [id, { title, caution, formula }] of Object.entries(metricTable)) {
    t.notMatch(caution, verdictWords, id);
    t.notMatch(formula, /\bsee section/, `${id}: the rule itself`);
    t.notMatch(title.client, judgingWords, id);
    t.notMatch(title.clinician, verdictWords, id);
  }
});
