// The tokens that relayed bots' channels are shown: each bot's own, as Microsoft Entra gives them to its app.

import { channelResourceOf, entraTokens } from './connector/trust/entra.js';
import type { BotRelay } from './core/directory.js';
import type { Clock } from './hub/ports.js';
import type { ChannelToken } from './middleware/relay/channelHttp.js';

/** A channel that refuses every token is no reason to ask Entra each time. */
const FRESH_MS = 60_000;

/** @returns undefined where nobody authenticates. @throws ConfigError when the credential is not there. */
export function channelToken(
  { app }: BotRelay,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): ChannelToken | undefined {
  if (app === undefined) return undefined;
  const tokens = entraTokens(app, env);
  const resource = channelResourceOf(app);
  let freshAt = Number.NEGATIVE_INFINITY;
  return (refused) => {
    const now = clock.now();
    const fresh = refused !== undefined && now - freshAt >= FRESH_MS;
    if (fresh) freshAt = now;
    return tokens.token(resource, fresh);
  };
}
