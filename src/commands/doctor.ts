// `handoff doctor`: a bot and this server looked at from outside.

import { ConfigError } from '../errors.js';
import type { Flags } from './flags.js';

export async function doctor({ bot, appId, tenant, secret, authority, json }: Flags): Promise<number> {
  if (bot === undefined)
    throw new ConfigError(['Name the bot: handoff doctor --bot https://bot.example.com/api/messages']);
  if (secret !== undefined && (process.env[secret] ?? '') === '')
    throw new ConfigError([
      '--secret takes the name of an environment variable that holds the client secret; no such variable is set.',
    ]);
  const { examine, show } = await import('../doctor.js');
  const publicUrl = process.env['PUBLIC_URL'];
  const findings = await examine({
    bot,
    ...(appId === undefined ? {} : { appId }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(secret === undefined ? {} : { secret }),
    ...(authority === undefined ? {} : { authority: authority.replace(/\/+$/, '') }),
    ...(publicUrl === undefined || publicUrl === '' ? {} : { publicUrl }),
    env: process.env,
    now: () => Date.now(),
  });
  console.log(json ? JSON.stringify({ findings }) : show(findings));
  return findings.some(({ is }) => is === 'wrong') ? 1 : 0;
}
