// The rules about files that no compiler checks: who may import whom, how long a file gets, what the lock file holds.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const projectFolder = fileURLToPath(new URL('../..', import.meta.url));

/** Single files that serve every edge. */
const serving = ['errors', 'http', 'json', 'activityJson', 'addresses', 'neighbours', 'sdk'];

/** What each part of src/ may import besides itself. A file directly in src/ is a part of its own. */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  errors: ['core'],
  hub: ['core', 'errors'],
  json: ['errors'],
  activityJson: ['core', 'errors'],
  addresses: [],
  neighbours: ['addresses', 'errors', 'http'],
  sdk: ['errors'],
  httpRequest: ['errors', 'json', 'addresses'],
  http: ['core', 'hub', 'errors', 'json', 'addresses', 'httpRequest'],
  config: ['core', 'errors', 'addresses'],
  store: ['core', 'hub', ...serving],
  directline: ['core', 'hub', ...serving],
  connector: ['core', 'hub', ...serving],
  middleware: ['core', 'hub', ...serving],
  console: ['core', 'hub', ...serving],
  testing: ['core', 'hub', ...serving],
};

/** Longer than 500 lines, and why it is not two files. */
const longFiles: Record<string, string> = {
  'test/store/store.contract.ts': 'the one list of what a store must do, read from top to bottom',
};

/** Everything that users of the library may rely on. Whoever changes it writes a line in CHANGELOG.md. */
const publicNames = [
  'Activity',
  'AgentsDirectLineAdapter',
  'AssignReceipt',
  'Attachment',
  'BadRequest',
  'BotAdapterOf',
  'BotConnection',
  'BotTurn',
  'BotTurnContext',
  'ChannelAccount',
  'ChannelConnection',
  'Clock',
  'CloudAdapterOf',
  'Command',
  'ConfigError',
  'Configuration',
  'Conflict',
  'ContextVariable',
  'ContextVariables',
  'Conversation',
  'ConversationEvent',
  'CreateHubOptions',
  'DeliveryFailed',
  'DirectLineAdapter',
  'DirectLineAdapterOptions',
  'Directory',
  'Entry',
  'EscalateOptions',
  'Handled',
  'HandoffHub',
  'HandoffMiddleware',
  'HandoffMiddlewareOptions',
  'HandoffTranscriptStore',
  'HandoffTranscriptStoreOptions',
  'ListenOptions',
  'Log',
  'MessagesOptions',
  'MiddlewareTexts',
  'Observer',
  'Outlook',
  'Party',
  'Phase',
  'PostgresStore',
  'PostgresStoreOptions',
  'Rejected',
  'RouteReceipt',
  'SessionSummary',
  'Signal',
  'SqliteStore',
  'SqliteStoreOptions',
  'Store',
  'StoreUnavailable',
  'Transcript',
  'TranscriptPage',
  'VariableValue',
  'Watcher',
  'canEscalate',
  'configurationSchema',
  'createHub',
  'endConversation',
  'escalate',
  'handoffMiddleware',
  'readConfiguration',
  'serveMessages',
];

interface Import {
  from: string;
  to: string;
  specifier: string;
}

const files = filesBelow('src', /\.ts$/);
const imports = files.flatMap(importsOf);

describe('the architecture', () => {
  it('lets nothing be imported against the direction core, hub, edges, program', () => {
    const wrong = imports.filter(({ from, to }) => {
      const allowed = mayImport[partOf(from)];
      return to.startsWith('src/') && partOf(from) !== partOf(to) && allowed && !allowed.includes(partOf(to));
    });
    assert.deepEqual(
      wrong.map(({ from, to }) => `${from} imports ${to}`),
      [],
    );
  });

  it('keeps the core free of everything but itself', () => {
    const outside = imports.filter(({ from, to }) => partOf(from) === 'core' && partOf(to) !== 'core');
    assert.deepEqual(
      outside.map(({ from, specifier }) => `${from} imports ${specifier}`),
      [],
    );
  });

  it('knows restify in http.ts only', () => {
    const importers = imports.filter(({ specifier }) => /^restify(\/|$)/.test(specifier)).map(({ from }) => from);
    assert.deepEqual([...new Set(importers)], ['src/http.ts']);
  });

  it('has no import cycle, not even one of types', () => {
    assert.deepEqual(findCycles(imports), []);
    assert.deepEqual(findCycles(filesBelow('web', /\.tsx?$/).flatMap(importsOf)), []);
  });

  it('finds a cycle where there is one', () => {
    const of = (from: string, to: string): Import => ({ from, to, specifier: to });
    assert.deepEqual(findCycles([of('a', 'b'), of('b', 'c'), of('c', 'a'), of('d', 'a')]), ['a > b > c > a']);
    assert.deepEqual(findCycles([of('a', 'b'), of('a', 'c'), of('b', 'd'), of('c', 'd')]), []);
  });

  it('offers the names that were agreed on, each by name', () => {
    const source = ts.createSourceFile('index.ts', read('src/index.ts'), ts.ScriptTarget.ES2023);
    const names = source.statements.flatMap((statement) => {
      assert.ok(
        ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause),
        'src/index.ts holds named exports from other files and nothing else',
      );
      return statement.exportClause.elements.map(({ name }) => name.text);
    });
    assert.deepEqual(names.sort(), publicNames);
  });

  it('keeps files below 500 lines, but for those with a reason', () => {
    const long = ['src', 'test', 'web', 'bench', 'scripts']
      .flatMap((folder) => filesBelow(folder, /\.(ts|tsx|mjs|cjs|css)$/))
      .filter((file) => read(file).split('\n').length - 1 > 500);
    assert.deepEqual(long, Object.keys(longFiles));
  });

  it('records no download address in package-lock.json', () => {
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { resolved?: string }> };
    assert.ok(Object.keys(lock.packages).length > 500, 'the lock file lists every package');
    const addresses = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined);
    assert.deepEqual(addresses, []);
  });
});

function read(file: string): string {
  return readFileSync(join(projectFolder, file), 'utf8');
}

function filesBelow(folder: string, ending: RegExp): string[] {
  return readdirSync(join(projectFolder, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name) && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(projectFolder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/** `src/hub/hub.ts` belongs to hub, `src/http.ts` to http, `node:fs` and packages to themselves. */
function partOf(file: string): string {
  return /^src\/([^/.]+)/.exec(file)?.[1] ?? file;
}

function importsOf(from: string): Import[] {
  return ts.preProcessFile(read(from), true, true).importedFiles.map(({ fileName: specifier }) => ({
    from,
    to: specifier.startsWith('.') ? sourceOf(join(dirname(from), specifier).replaceAll('\\', '/')) : specifier,
    specifier,
  }));
}

/** The file that compiles to `path`. */
function sourceOf(path: string): string {
  const source = path.replace(/\.js$/, '.tsx');
  return existsSync(join(projectFolder, source)) ? source : path.replace(/\.js$/, '.ts');
}

/** Each cycle once, as `a > b > a`, found by walking depth first. */
function findCycles(all: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of all) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) cycles.push([...path.slice(start), file].join(' > '));
    if (start >= 0 || done.has(file)) return;
    for (const to of next.get(file) ?? []) walk(to, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return cycles;
}
