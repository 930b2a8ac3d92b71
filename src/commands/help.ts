// What `handoff <command> --help` says: the command's own arguments and flags.

const DATA = '--data ./data          data directory of the server';
const CONFIG = '--config handoff.yaml  configuration file';
const JSON_FLAG = '--json                 answer as JSON, for programs';

/** By command: how it is written, what it does, its lines of arguments and flags. */
const COMMANDS: Readonly<Record<string, { usage: string; does: string; lines: readonly string[] }>> = {
  start: {
    usage: 'start [--port 3978] [--demo]',
    does: 'Serves widgets, bots, people and operators until it is stopped (Ctrl+C).',
    lines: [
      '--port 3978            TCP port; 0 takes a free one',
      "--demo                 the package's own configuration and bot, on this machine only",
      CONFIG,
      DATA,
      '--json                 print the addresses as one line of JSON',
    ],
  },
  config: {
    usage: 'config check|plan|apply|export',
    does: 'Looks at the configuration file, compares it with what is in force, puts it in force, prints what is in force.',
    lines: [CONFIG, DATA, JSON_FLAG],
  },
  token: {
    usage: 'token <person>',
    does: 'Prints a bearer token with which scripts call the staff API as this person.',
    lines: ['<person>               id of a person of the configuration, such as ana', DATA, JSON_FLAG],
  },
  'sign-in': {
    usage: 'sign-in <person>',
    does: 'Prints the address that signs this person in at the console, once, within ten minutes.',
    lines: [
      '<person>               id of a person of the configuration, such as ana',
      DATA,
      '--json                 path and address as JSON',
      '',
      'In a pipe, standard output has the path alone (/console/?ticket=…), for scripts that know the server.',
    ],
  },
  'pairing-code': {
    usage: 'pairing-code <person>',
    does: 'Prints a code with which this person signs in from the Emulator or Teams, once, within ten minutes.',
    lines: ['<person>               id of a person of the configuration, such as ana', DATA, JSON_FLAG],
  },
  keys: {
    usage: 'keys [revoke <key>]',
    does: 'Lists the keys that sign for bots, or ends one: what it signed is believed no more.',
    lines: [
      '<key>                  id of a key as listed, or as much of its beginning as no other key has',
      DATA,
      JSON_FLAG,
    ],
  },
  transcript: {
    usage: 'transcript <conversation> [--format text]',
    does: 'Prints a conversation as staff see it.',
    lines: [
      '<conversation>         its id; the console shows it below Context',
      '--format text          text, html, jsonl (one activity per line), or transcript (opens in the Emulator)',
      DATA,
      JSON_FLAG,
    ],
  },
  import: {
    usage: 'import <file or folder> …',
    does: 'Takes .transcript files into the record, each activity once.',
    lines: ['<file or folder>       .transcript files, or folders that hold them', DATA, JSON_FLAG],
  },
  copy: {
    usage: 'copy --from PLACE --to PLACE',
    does: 'Copies a whole record into an empty place and compares the two; nobody writes to the first one meanwhile.',
    lines: ['--from PLACE           a data directory, or postgres://…', '--to PLACE             likewise', JSON_FLAG],
  },
  observed: {
    usage: 'observed [--since 7d] [--people 1-8] [--handling 8m] [--capacity 1]',
    does: 'Tells what a work stream that only observes has seen, and how long customers would wait for people.',
    lines: [
      '--since 7d             how far back: a date, or a time such as 7d or 12h',
      '--people 1-8           with so many people: a number, or from-to',
      '--handling 8m          mean time that one chat takes',
      '--capacity 1           chats that each person holds at once',
      DATA,
      JSON_FLAG,
    ],
  },
  verify: {
    usage: 'verify',
    does: 'Reads every conversation again and checks what the record promises; exits with 1 when something is wrong.',
    lines: [DATA, JSON_FLAG],
  },
  doctor: {
    usage: 'doctor --bot <endpoint>',
    does: 'Looks at a bot and at this server from outside and says which setting to change; exits with 1 when something is wrong.',
    lines: [
      "--bot <endpoint>       the bot's messaging endpoint, such as https://bot.example.com/api/messages",
      '--data ./data          a bot configured there with issuer: hub is shown what this hub signs',
      "--app-id <id>          the bot's Microsoft app id",
      "--tenant <id>          the app's tenant in Microsoft Entra; a multi-tenant app has none",
      '--authority <url>      where Microsoft Entra is, for other clouds',
      "--secret <NAME>        name of the environment variable that holds the app's secret in Microsoft Entra",
      JSON_FLAG,
    ],
  },
};

export const COMMAND_NAMES = Object.keys(COMMANDS);

/** Flags that a command takes, as its help lists them; undefined for a word that is no command. */
export function flagsOf(command: string): string[] | undefined {
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  return known?.lines.flatMap((line) => /^--([a-z-]+)/.exec(line)?.[1] ?? []);
}

/** @returns undefined for a word that is no command. */
export function helpOf(command: string): string | undefined {
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (known === undefined) return undefined;
  const { usage, does, lines } = known;
  return [`Usage: handoff ${usage}`, '', does, '', ...lines.map((line) => (line === '' ? '' : `  ${line}`))].join('\n');
}
