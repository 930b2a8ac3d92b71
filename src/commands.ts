// What each command of `handoff` does: flags in, answer on standard output, faults on standard error with exit code 1.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { checkConfiguration, directoryOf, readConfiguration, warningsOf, type Configuration } from './config.js';
import { SigningKeys } from './connector/trust/keys.js';
import { createTicket, mintPersonToken, putPairingCode } from './console/console.js';
import { mintControlToken, SERVER_FILE } from './control.js';
import { renderTranscript, transcriptFacts, TRANSCRIPT_FORMATS, type TranscriptFormat } from './core/transcript.js';
import type { Activity } from './core/activity.js';
import type { DoctorHub } from './doctorTrust.js';
import { ConfigError } from './errors.js';
import { helpOf } from './help.js';
import { importActivities, readTranscripts, type Imported } from './imports.js';
import type { Clock } from './hub/ports.js';
import { Tokens } from './hub/tokens.js';
import { SqliteStore } from './store/sqlite/sqliteStore.js';
import { verify } from './verify.js';

/** Characters of JSON sent to a running server at once. */
const IMPORT_BATCH_LENGTH = 2_000_000;

const USAGE = `Usage: handoff <command> [flags]

  start [--port 3978] [--demo]       serve widgets, people and operators until stopped
  config check                       is the file right?
  config plan                        how does the file differ from the configuration in force?
  config apply                       put the file in force
  config export                      print the configuration in force
  token <person>                     print a bearer token for scripts
  sign-in <person>                   print a path of the server that signs this person in once
  pairing-code <person>              print a code with which this person signs in from the Emulator or Teams
  keys [revoke <key>]                list the keys that sign for bots; believe one of them no more
  transcript <conversation> [--format transcript|jsonl|text|html]
  import <file or folder> …          take .transcript files into the record, each activity once
  verify                             check every log and every promise the record makes
  doctor --bot <endpoint>            look at a bot and at this server from outside; says which setting to change
                                     [--app-id ID] [--tenant ID] [--authority URL]
                                     [--secret NAME of the variable with the app's secret in Microsoft Entra]

Every command takes --config handoff.yaml, --data ./data and --json. "handoff <command> --help" explains one; --version prints the version.`;

const ENTRIES_PER_READ = 5_000;
const SYSTEM_CLOCK: Clock = { now: () => Date.now() };

interface Flags {
  config: string | undefined;
  data: string;
  json: boolean;
  demo: boolean;
  port: number | undefined;
  format: string | undefined;
  bot: string | undefined;
  appId: string | undefined;
  tenant: string | undefined;
  secret: string | undefined;
  authority: string | undefined;
}

/** @returns the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const { words, flags, help, version } = parse(args);
    if (version) {
      console.log(await ownVersion());
      return 0;
    }
    if (help || words.length === 0) {
      console.log(helpOf(words[0] ?? '') ?? USAGE);
      return help ? 0 : 1;
    }
    return await dispatch(words, flags);
  } catch (error) {
    if (error instanceof ConfigError) for (const fault of error.faults) console.error(fault);
    else console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

async function dispatch(words: readonly string[], flags: Flags): Promise<number> {
  const [command = '', ...rest] = words;
  switch (command) {
    case 'start': {
      expectWords(rest, 0, 'start');
      const { start } = await import('./main.js');
      const { port, config, data, demo, json } = flags;
      await start({
        data,
        demo,
        json,
        ...(port === undefined ? {} : { port }),
        ...(config === undefined ? {} : { config }),
      });
      return 0;
    }
    case 'config':
      return configure(rest, flags);
    case 'token':
      expectWords(rest, 1, 'token <person>');
      return token(rest[0] as string, flags);
    case 'sign-in':
      expectWords(rest, 1, 'sign-in <person>');
      return signIn(rest[0] as string, flags);
    case 'pairing-code':
      expectWords(rest, 1, 'pairing-code <person>');
      return pairingCode(rest[0] as string, flags);
    case 'keys':
      return keys(rest, flags);
    case 'transcript':
      expectWords(rest, 1, 'transcript <conversation>');
      return transcript(rest[0] as string, flags);
    case 'import':
      if (rest.length === 0) throw new ConfigError(['Write: handoff import <file or folder> …']);
      return importFiles(rest, flags);
    case 'verify':
      expectWords(rest, 0, 'verify');
      return verifyStore(flags);
    case 'doctor':
      expectWords(rest, 0, 'doctor --bot https://bot.example.com/api/messages');
      return doctor(flags);
    case undefined:
    default:
      throw new ConfigError([`There is no command "${command}".\n\n${USAGE}`]);
  }
}

function parse(args: readonly string[]): { words: string[]; flags: Flags; help: boolean; version: boolean } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        data: { type: 'string', default: './data' },
        port: { type: 'string' },
        demo: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        format: { type: 'string' },
        bot: { type: 'string' },
        'app-id': { type: 'string' },
        tenant: { type: 'string' },
        secret: { type: 'string' },
        authority: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
      },
    });
    const { config, data, demo, json, format, bot, 'app-id': appId, tenant, secret, authority, help, version } = values;
    return {
      words: positionals,
      flags: { config, data, demo, json, format, bot, appId, tenant, secret, authority, port: portOf(values.port) },
      help,
      version,
    };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`]);
  }
}

async function ownVersion(): Promise<string> {
  const own = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(own) as { version: string }).version;
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new ConfigError([`--port takes a number from 0 to 65535, not "${text}".`]);
  return port;
}

function expectWords(words: readonly string[], count: number, usage: string): void {
  if (words.length !== count) throw new ConfigError([`Write: handoff ${usage}`]);
}

// --------------------------------------------------------------------------------------------------------- configuration

async function configure(words: readonly string[], flags: Flags): Promise<number> {
  expectWords(words, 1, 'config check|plan|apply|export');
  switch (words[0] as string) {
    case 'check': {
      const warnings = warningsOf(await readFileConfiguration(flags));
      if (flags.json) console.log(JSON.stringify({ valid: true, warnings }));
      else console.log(['The configuration is valid.', ...warnings.map((warning) => `Warning: ${warning}`)].join('\n'));
      return 0;
    }
    case 'plan': {
      const file = await readFileConfiguration(flags);
      const changes = await reading(flags, async (store) => {
        const kept = await store.configuration();
        return differences(kept === undefined ? {} : (kept.document as Record<string, unknown>), file);
      });
      if (flags.json) console.log(JSON.stringify({ changes }));
      else console.log(changes.length === 0 ? 'The file is in force as it is.' : changes.join('\n'));
      return 0;
    }
    case 'apply': {
      const version = await apply(await readFileConfiguration(flags), flags);
      console.log(flags.json ? JSON.stringify({ version }) : `Version ${version} is in force.`);
      return 0;
    }
    case 'export': {
      const kept = await reading(flags, (store) => store.configuration());
      if (kept === undefined)
        throw new ConfigError(['No configuration is in force yet: start the server once, or apply a file.']);
      console.log(flags.json ? JSON.stringify(kept.document) : stringify(kept.document).trimEnd());
      return 0;
    }
    case undefined:
    default:
      throw new ConfigError([`Write: handoff config check|plan|apply|export, not "${words[0]}".`]);
  }
}

async function readFileConfiguration({ config = 'handoff.yaml' }: Flags): Promise<Configuration> {
  if (!existsSync(config)) throw new ConfigError([`There is no file ${config}. Name one with --config.`]);
  return readConfiguration(await readFile(config, 'utf8'), config);
}

/** A running server takes it over at once; a store nobody serves is written directly. */
async function apply(configuration: Configuration, flags: Flags): Promise<number> {
  const answer = await askServer(flags, '/api/v1/control/configuration', configuration);
  if (answer !== undefined) return (answer as { version: number }).version;
  return writing(flags, async (store) => {
    const checked = checkConfiguration(configuration);
    const kept = await store.configuration();
    if (kept !== undefined && isDeepStrictEqual(kept.document, checked)) return kept.version;
    return (await store.saveConfiguration(checked, 'handoff config apply', Date.now(), kept?.version ?? 0)).version;
  });
}

/** One line per named thing that comes, goes or changes. */
function differences(before: Record<string, unknown>, after: Configuration): string[] {
  const changes: string[] = [];
  const keyed = (value: unknown) =>
    new Map((Array.isArray(value) ? (value as { id: string }[]) : []).map((item) => [item.id, item]));
  for (const kind of ['bots', 'queues', 'workStreams', 'people'] as const) {
    const was = keyed(before[kind]);
    const is = keyed(after[kind]);
    for (const [id, item] of is) {
      if (!was.has(id)) changes.push(`+ ${kind} ${id}`);
      else if (!isDeepStrictEqual(was.get(id), item)) changes.push(`~ ${kind} ${id}`);
    }
    for (const id of was.keys()) if (!is.has(id)) changes.push(`- ${kind} ${id}`);
  }
  if (before['defaultQueue'] !== after.defaultQueue) changes.push(`~ defaultQueue ${after.defaultQueue ?? 'none'}`);
  return changes;
}

// ---------------------------------------------------------------------------------------------------------------- people

async function token(person: string, flags: Flags): Promise<number> {
  const bearer = await reading(flags, async (store) => {
    await requirePerson(store, person);
    return mintPersonToken(await Tokens.open(store, SYSTEM_CLOCK), person);
  });
  console.log(flags.json ? JSON.stringify({ token: bearer }) : bearer);
  return 0;
}

async function signIn(person: string, flags: Flags): Promise<number> {
  const server = await serverUrl(flags);
  const answer = await askServer(flags, '/api/v1/control/sign-in', { person });
  const path =
    answer !== undefined
      ? (answer as { path: string }).path
      : await writing(flags, async (store) => {
          await requirePerson(store, person);
          return createTicket(store, person, Date.now());
        });
  const url = server === undefined ? undefined : `${server}${path}`;
  if (flags.json) console.log(JSON.stringify({ path, ...(url !== undefined && { url }) }));
  // Whoever sits at the terminal wants the one thing to click; scripts read the path.
  else if (process.stdout.isTTY) console.log(url ?? path);
  else {
    console.log(path);
    if (url !== undefined) console.error(url);
  }
  return 0;
}

async function pairingCode(person: string, flags: Flags): Promise<number> {
  const answer = await askServer(flags, '/api/v1/control/pairing-code', { person });
  const code =
    answer !== undefined
      ? (answer as { code: string }).code
      : await writing(flags, async (store) => {
          await requirePerson(store, person);
          return putPairingCode(store, person, Date.now());
        });
  console.log(flags.json ? JSON.stringify({ code }) : code);
  if (!flags.json) console.error(`Write to the bot for staff within ten minutes: sign in ${code}`);
  return 0;
}

async function keys(words: readonly string[], flags: Flags): Promise<number> {
  const [verb, revoke] = words;
  if (verb !== undefined) expectWords(verb === 'revoke' ? words : [], 2, 'keys, or: handoff keys revoke <key>');
  const asked = revoke === undefined ? {} : { revoke };
  const answer = await askServer(flags, '/api/v1/control/keys', asked);
  const list =
    answer !== undefined
      ? (answer as { keys: Awaited<ReturnType<SigningKeys['list']>> }).keys
      : await writing(flags, async (store) => {
          const signing = new SigningKeys(store, SYSTEM_CLOCK);
          if (revoke !== undefined) await signing.revoke(revoke);
          return signing.list();
        });
  const line = ({ kid, from, signs }: (typeof list)[number]) =>
    `${kid}  from ${new Date(from).toISOString().slice(0, 10)}${signs ? '  signs now' : ''}`;
  console.log(flags.json ? JSON.stringify({ keys: list }) : list.map(line).join('\n'));
  return 0;
}

async function requirePerson(store: SqliteStore, person: string): Promise<void> {
  const kept = await store.configuration();
  if (kept === undefined)
    throw new ConfigError(['Nobody is known here yet: start the server once, or apply a configuration.']);
  const people = checkConfiguration(kept.document).people ?? [];
  if (!people.some(({ id }) => id === person))
    throw new ConfigError([`There is no person "${person}"; there are ${people.map(({ id }) => id).join(', ')}.`]);
}

// ---------------------------------------------------------------------------------------------------------------- record

async function transcript(conversationId: string, flags: Flags): Promise<number> {
  const format = (flags.format ?? 'text') as TranscriptFormat;
  if (!TRANSCRIPT_FORMATS.includes(format))
    throw new ConfigError([`--format takes one of ${TRANSCRIPT_FORMATS.join(', ')}.`]);
  const text = await reading(flags, async (store) => {
    const state = await store.conversation(conversationId);
    if (state === undefined) throw new ConfigError([`There is no conversation "${conversationId}".`]);
    const entries = [];
    for (;;) {
      const page = await store.entries(conversationId, entries.length, ENTRIES_PER_READ);
      entries.push(...page);
      if (page.length < ENTRIES_PER_READ) break;
    }
    const kept = await store.configuration();
    if (kept === undefined)
      throw new ConfigError(['This data directory has no configuration: its record is not whole.']);
    const directory = directoryOf(checkConfiguration(kept.document), kept.version);
    return renderTranscript(transcriptFacts(state, directory), entries, format, 'staff');
  });
  console.log(flags.json ? JSON.stringify({ conversationId, format, transcript: text }) : text);
  return 0;
}

async function importFiles(paths: readonly string[], flags: Flags): Promise<number> {
  const ids = new Set<string>();
  let added = 0;
  let known = 0;
  const add = (imported: Imported) => {
    imported.conversations.forEach((id) => ids.add(id));
    added += imported.added;
    known += imported.known;
  };
  const activities = await readTranscripts(paths);
  if ((await serverUrl(flags)) !== undefined) {
    for (const some of inBatches(activities))
      add((await askServer(flags, '/api/v1/control/transcripts', { activities: some })) as Imported);
  } else {
    await writing(flags, async (store) => {
      const kept = await store.configuration();
      if (kept === undefined)
        throw new ConfigError([
          'This data directory has no configuration yet: start the server once, or apply a file.',
        ]);
      const { workStreams } = directoryOf(checkConfiguration(kept.document), kept.version);
      add(await importActivities(store, Object.keys(workStreams)[0] ?? '', activities, Date.now()));
    });
  }
  if (flags.json) console.log(JSON.stringify({ conversations: [...ids], added, known }));
  else console.log([`${added} activities imported, ${known} were there already. Conversations:`, ...ids].join('\n'));
  return 0;
}

/** In order, each small enough for one request. */
function* inBatches(activities: readonly Activity[]): Generator<Activity[]> {
  let batch: Activity[] = [];
  let size = 0;
  for (const activity of activities) {
    const length = JSON.stringify(activity).length;
    if (batch.length > 0 && size + length > IMPORT_BATCH_LENGTH) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(activity);
    size += length;
  }
  if (batch.length > 0) yield batch;
}

async function verifyStore(flags: Flags): Promise<number> {
  const running = (await serverUrl(flags)) !== undefined;
  const { conversations, entries, faults } = await reading(flags, (store) =>
    verify(store, running ? () => Date.now() : undefined),
  );
  if (flags.json) console.log(JSON.stringify({ conversations, entries, faults }));
  else if (faults.length === 0)
    console.log(`${conversations} conversations with ${entries} entries: everything holds.`);
  else console.log([...faults, `${faults.length} faults in ${conversations} conversations.`].join('\n'));
  return faults.length === 0 ? 0 : 1;
}

// ---------------------------------------------------------------------------------------------------------------- doctor

async function doctor(flags: Flags): Promise<number> {
  const { bot, appId, tenant, secret, authority, json } = flags;
  if (bot === undefined)
    throw new ConfigError(['Name the bot: handoff doctor --bot https://bot.example.com/api/messages']);
  if (secret !== undefined && (process.env[secret] ?? '') === '')
    throw new ConfigError([
      '--secret takes the name of an environment variable that holds the client secret; no such variable is set.',
    ]);
  const [{ examine, show }, { withConfiguredBot }] = await Promise.all([
    import('./doctor.js'),
    import('./configuredBot.js'),
  ]);
  const publicUrl = process.env['PUBLIC_URL'];
  const origin = publicUrl === undefined || publicUrl === '' ? await serverUrl(flags) : publicUrl.replace(/\/+$/, '');
  const examined = (hub: DoctorHub | undefined) =>
    examine({
      bot,
      ...(hub === undefined ? {} : { hub }),
      ...(appId === undefined ? {} : { appId }),
      ...(tenant === undefined ? {} : { tenant }),
      ...(secret === undefined ? {} : { secret }),
      ...(authority === undefined ? {} : { authority: authority.replace(/\/+$/, '') }),
      ...(publicUrl === undefined || publicUrl === '' ? {} : { publicUrl }),
      env: process.env,
      now: () => Date.now(),
    });
  const findings = await withConfiguredBot(bot, flags.data, origin, examined);
  console.log(json ? JSON.stringify({ findings }) : show(findings));
  return findings.some(({ is }) => is === 'wrong') ? 1 : 0;
}

// ----------------------------------------------------------------------------------------------------------------- store

/** Beside a running server: reads see what is on disk. */
async function reading<T>(flags: Flags, work: (store: SqliteStore) => Promise<T>): Promise<T> {
  return using(new SqliteStore({ directory: resolve(flags.data), readOnly: true }), work);
}

/** Only while no server runs on the directory: the store says so itself otherwise. */
async function writing<T>(flags: Flags, work: (store: SqliteStore) => Promise<T>): Promise<T> {
  return using(new SqliteStore({ directory: resolve(flags.data) }), work);
}

async function using<T>(store: SqliteStore, work: (store: SqliteStore) => Promise<T>): Promise<T> {
  await store.open();
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Where a server on this data directory listens; a file left by one that was killed does not count. */
async function serverUrl(flags: Flags): Promise<string | undefined> {
  const file = join(resolve(flags.data), SERVER_FILE);
  if (!existsSync(file)) return undefined;
  const { url } = JSON.parse(await readFile(file, 'utf8')) as { url: string };
  try {
    await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
    return url;
  } catch {
    return undefined;
  }
}

/** @returns undefined when no server runs. */
async function askServer(flags: Flags, path: string, body: unknown): Promise<unknown> {
  const url = await serverUrl(flags);
  if (url === undefined) return undefined;
  const bearer = await reading(flags, (store) => mintControlToken(store, SYSTEM_CLOCK));
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { error?: { message: string } };
  if (!response.ok) throw new ConfigError([answer.error?.message ?? `The server answered ${response.status}.`]);
  return answer;
}
