// What each command of `handoff` does: flags in, answer on standard output, faults on standard error with exit code 1.

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadDotenv } from '../dotenv.js';
import { ConfigError } from '../errors.js';
import { keys, pairingCode, signIn, token } from './access.js';
import { configure } from './configuration.js';
import { doctor } from './doctor.js';
import { expectWords, type Flags } from './flags.js';
import { COMMAND_NAMES, flagsOf, helpOf } from './help.js';
import { observed } from './observed.js';
import { importFiles, transcript, verifyStore } from './record.js';
import { nearest } from './words.js';

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
  copy --from PLACE --to PLACE       copy a whole record into an empty place; PLACE is a data directory or postgres://…
  observed [--since 7d]              what a work stream that only observes has seen, and how long customers
           [--people 1-8]            would wait with so many people, a mean handling time and so many chats each
           [--handling 8m] [--capacity 1]
  verify                             check every log and every promise the record makes
  doctor --bot <endpoint>            look at a bot and at this server from outside; says which setting to change
                                     [--app-id ID] [--tenant ID] [--authority URL]
                                     [--secret NAME of the variable with the app's secret in Microsoft Entra]

Every command takes --config handoff.yaml, --data ./data and --json. "handoff <command> --help" explains one; --version prints the version.`;

/** @returns the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    loadDotenv();
    const { words, flags, help, version } = parse(args);
    if (version) {
      console.log(await ownVersion());
      return 0;
    }
    const [command] = words;
    if (command === undefined) {
      console.log(USAGE);
      return help ? 0 : 1;
    }
    const explained = help ? helpOf(command) : undefined;
    if (explained === undefined) return await dispatch(words, flags);
    console.log(explained);
    return 0;
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
      const { start } = await import('../main.js');
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
    case 'copy':
      expectWords(rest, 0, 'copy --from ./data --to postgres://…');
      return (await import('./copy.js')).copyStore(flags);
    case 'observed':
      expectWords(rest, 0, 'observed');
      return observed(flags);
    case 'verify':
      expectWords(rest, 0, 'verify');
      return verifyStore(flags);
    case 'doctor':
      expectWords(rest, 0, 'doctor --bot https://bot.example.com/api/messages');
      return doctor(flags);
    case undefined:
    default:
      throw new ConfigError([
        `There is no command "${command}".${meant(command, COMMAND_NAMES)}`,
        `The commands: ${COMMAND_NAMES.join(', ')}. "handoff <command> --help" explains one.`,
      ]);
  }
}

const OPTIONS = {
  config: { type: 'string' },
  data: { type: 'string', default: './data' },
  port: { type: 'string' },
  demo: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  format: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  bot: { type: 'string' },
  'app-id': { type: 'string' },
  tenant: { type: 'string' },
  secret: { type: 'string' },
  authority: { type: 'string' },
  since: { type: 'string' },
  people: { type: 'string' },
  handling: { type: 'string' },
  capacity: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', default: false },
} as const;
/** Taken by every command, also by those that have no use for it. */
const COMMON = ['config', 'data', 'json', 'help', 'version'];

function parse(args: readonly string[]): { words: string[]; flags: Flags; help: boolean; version: boolean } {
  refuseFlags(args);
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
    const { 'app-id': appId, port, help, version, ...flags } = values;
    return { words: positionals, flags: { ...flags, appId, port: portOf(port) }, help, version };
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof Error)) throw error;
    throw new ConfigError(
      [`${error.message.replace(/\.?$/, '.')} "handoff <command> --help" lists a command's flags.`],
      { cause: error },
    );
  }
}

/** @throws ConfigError naming the first flag that there is not, or that is another command's. */
function refuseFlags(args: readonly string[]): void {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true });
  const command = tokens.find((token) => token.kind === 'positional')?.value ?? '';
  const own = flagsOf(command);
  const taken = [...(own ?? Object.keys(OPTIONS)), ...COMMON];
  const help = `"handoff ${own === undefined ? '<command>' : command} --help" lists the flags.`;
  for (const token of tokens) {
    if (token.kind !== 'option' || taken.includes(token.name)) continue;
    if (Object.hasOwn(OPTIONS, token.name)) throw new ConfigError([`${command} takes no --${token.name}. ${help}`]);
    throw new ConfigError([`There is no flag ${token.rawName}.${meant(token.name, taken, '--')} ${help}`]);
  }
}

function meant(word: string, known: readonly string[], before = ''): string {
  const near = nearest(word, known);
  return near === undefined ? '' : ` Did you mean ${before}${near}?`;
}

async function ownVersion(): Promise<string> {
  const own = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(own) as { version: string }).version;
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new ConfigError([`--port takes a number from 0 to 65535, not "${text}".`]);
  return port;
}
