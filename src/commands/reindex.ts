// Computes anew the columns, index rows and record entries of a store: npm run reindex [-- --dry-run --batch=N]
// For a store that an earlier version filled. The service may run meanwhile. Ctrl-C ends it after the batch under way; the next run goes on there.
// Exit code: 0 done (or, of a dry run, nothing differs), 1 a dry run found rows that differ, 2 ended or failed before the end.
import { parseArgs } from 'node:util';
import { loadConfig, originOf } from '../config.ts';
import { readInstruments } from '../instruments.ts';
import { questionnaireForOutcomes } from '../interactions/accept.ts';
import { profileFinder } from '../interactions/profiles.ts';
import { questionnaireFinder } from '../interactions/questionnaires.ts';
import { instrumentRegistry } from '../outcomes/registry.ts';
import { StartRefusal } from '../start-refusal.ts';
import { openDatabase } from '../store/database.ts';
import { reindex, type Differences } from '../store/reindex.ts';
import { ownerDatabase } from './owner-database.ts';

const say = ({ columns, surplus, missing }: Differences): string => `${columns} resources with other columns, ${surplus} rows too many, ${missing} rows missing`;

async function run(dryRun: boolean, batch: number): Promise<Differences | undefined> {
  const config = loadConfig();
  const { url, stop } = await ownerDatabase(config);
  const database = openDatabase({ url, connections: 4, namedStatements: false, statementTimeoutMs: 3_600_000 });
  const ending = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ending.abort());
  try {
    const registry = instrumentRegistry(readInstruments(new URL('../../schemas/instruments/', import.meta.url)));
    const clock = (): number => performance.now();
    const parts = { registry, baseUrl: `${originOf(config, config.port)}/fhir/R4`, questionnaire: questionnaireFinder(database, 60_000, clock), profiles: profileFinder(database, 60_000, clock) };
    let said = clock();
    return await reindex({
      database, rules: { registry }, dryRun, batch, signal: ending.signal, questionnaire: (response) => questionnaireForOutcomes(response, parts),
      report: ({ phase, done, differences }) => {
        if (clock() - said < 5000) return;
        said = clock();
        process.stdout.write(`${phase}: ${done} looked at; ${say(differences)} so far\n`);
      },
    });
  } finally {
    await database.close();
    await stop();
  }
}

try {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false }, batch: { type: 'string', default: '500' } } });
  const batch = Number(values.batch);
  if (!Number.isInteger(batch) || batch < 1 || batch > 10_000) throw new StartRefusal('--batch takes a number from 1 to 10000.');
  const found = await run(values['dry-run'], batch);
  const differs = found !== undefined && found.columns + found.surplus + found.missing > 0;
  process.stdout.write(found === undefined ? 'Ended before the end: the next run goes on from here.\n' : `${values['dry-run'] ? 'Nothing was changed' : 'Done'}: ${say(found)}.\n`);
  process.exitCode = found === undefined ? 2 : values['dry-run'] && differs ? 1 : 0;
} catch (error) {
  process.stderr.write(`reindex: ${error instanceof StartRefusal ? error.message : `the database cannot be reached or refuses (${(error as { code?: string }).code ?? (error as Error).name})`}\n`);
  process.exitCode = 2;
}
