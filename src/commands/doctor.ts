// `handoff doctor`: a bot and this server looked at from outside.

import type { Finding } from '../doctor/calls.js';
import { doubtsOfDotenv } from '../dotenv.js';
import { VARIABLES } from '../environment.js';
import { ConfigError } from '../errors.js';
import type { DoctorHub } from '../doctor/trust.js';
import { reading } from '../openStore.js';
import { serverUrl } from './data.js';
import type { Flags } from './flags.js';

export async function doctor(flags: Flags): Promise<number> {
  const { bot, appId, tenant, secret, authority, json } = flags;
  if (bot === undefined)
    throw new ConfigError(['Name the bot: handoff doctor --bot https://bot.example.com/api/messages']);
  requireUrl('--bot', bot, 'https://bot.example.com/api/messages');
  if (authority !== undefined) requireUrl('--authority', authority, 'https://login.microsoftonline.us');
  if (secret !== undefined && (process.env[secret] ?? '') === '')
    throw new ConfigError([
      '--secret takes the name of an environment variable that holds the client secret; no such variable is set.',
    ]);
  const [{ examine, show }, { withConfiguredBot }] = await Promise.all([
    import('../doctor/doctor.js'),
    import('../doctor/configuredBot.js'),
  ]);
  const publicUrl = process.env['PUBLIC_URL'];
  const running = await serverUrl(flags);
  const origin = publicUrl === undefined || publicUrl === '' ? running : publicUrl.replace(/\/+$/, '');
  const examined = (hub: DoctorHub | undefined) =>
    examine({
      bot,
      ...(hub === undefined ? {} : { hub }),
      ...(appId === undefined ? {} : { appId }),
      ...(tenant === undefined ? {} : { tenant }),
      ...(secret === undefined ? {} : { secret }),
      ...(authority === undefined ? {} : { authority: authority.replace(/\/+$/, '') }),
      ...(publicUrl === undefined || publicUrl === '' ? {} : { publicUrl }),
      ownUrl: running ?? `http://localhost:${process.env['PORT'] || VARIABLES.PORT.unset}`,
      env: process.env,
      now: () => Date.now(),
    });
  const findings = await withConfiguredBot(bot, flags.data, origin, examined);
  findings.push(...doubtsOfDotenv(await configurationOf(flags)).map(asFinding));
  console.log(json ? JSON.stringify({ findings }) : show(findings));
  return findings.some(({ is }) => is === 'wrong') ? 1 : 0;
}

function asFinding(text: string): Finding {
  return { check: '.env', is: 'doubtful', text };
}

/** @returns undefined where there is no record to read: the doctor does without. */
async function configurationOf(flags: Flags): Promise<unknown> {
  try {
    return (await reading(flags, (store) => store.configuration()))?.document;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

function requireUrl(flag: string, text: string, example: string): void {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new ConfigError([
      `${flag} takes a URL that begins with http:// or https://, such as ${example}, not "${text}".`,
    ]);
}
