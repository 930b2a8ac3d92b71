// A hub that signs for its bots, on a real port: what it gives out, and what it takes.

import { createHash } from 'node:crypto';
import { checkConfiguration, type Configuration } from '../../../src/config.js';
import { createHub, type HandoffHub } from '../../../src/createHub.js';
import { newConversationId } from '../../../src/hub/conversationId.js';
import { SqliteStore } from '../../../src/store/sqlite/sqliteStore.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FunctionBot, TestClock } from '../../fakes/hub.js';
import { request, type Answer } from '../../fakes/request.js';

export const APP_A = '00000000-0000-0000-0000-00000000000a';
export const APP_B = '00000000-0000-0000-0000-00000000000b';
/** By bot; in the environment while a site is open. */
export const SECRETS = { a: 'secret-of-the-first-bot', b: 'secret-of-the-second-bot' };

const NOWHERE = 'http://127.0.0.1:9/api/messages';

export interface TrustSite {
  hub: HandoffHub;
  clock: TestClock;
  url: string;
  /** A token as a bot gets it with its managed identity. */
  tokenOf(bot: 'a' | 'b'): Promise<string>;
  /** A customer's token, as the page gets it. */
  widgetToken(): Promise<string>;
  /** A conversation that the bot holds. */
  conversationOf(bot: 'a' | 'b'): Promise<string>;
  /** The bot speaks up in a conversation, with this token. */
  speak(conversationId: string, token: string | undefined): Promise<Answer>;
  metric(reason: string): Promise<number>;
  close(): Promise<void>;
}

export function bots(auth: (bot: 'a' | 'b') => unknown): Configuration {
  return checkConfiguration({
    bots: [
      { id: 'a', endpoint: NOWHERE, appId: APP_A, auth: auth('a') },
      { id: 'b', endpoint: NOWHERE, appId: APP_B, auth: auth('b') },
    ],
    queues: [
      { id: 'A', members: ['a'] },
      { id: 'B', members: ['b'] },
    ],
    workStreams: [
      { id: 'a', fallbackQueue: 'A' },
      { id: 'b', fallbackQueue: 'B' },
    ],
  });
}

export const hubsBots = () => bots((bot) => ({ issuer: 'hub', secret: `\${TRUST_TEST_${bot.toUpperCase()}}` }));

export async function openTrust(configuration: Configuration = hubsBots()): Promise<TrustSite> {
  process.env['TRUST_TEST_A'] = SECRETS.a;
  process.env['TRUST_TEST_B'] = SECRETS.b;
  const directory = await mkdtemp(join(tmpdir(), 'handoff-trust-'));
  const clock = new TestClock(Date.now());
  const hub = createHub({ store: new SqliteStore({ directory }), configuration, clock });
  for (const bot of ['a', 'b']) hub.connectBot(bot, new FunctionBot(() => []));
  const url = await hub.listen({ port: 0, host: '127.0.0.1' });
  return {
    hub,
    clock,
    url,
    async tokenOf(bot) {
      const query = `resource=${encodeURIComponent('https://api.botframework.com')}&client_id=${bot === 'a' ? APP_A : APP_B}`;
      const answer = await request('GET', `${url}/msi/token?api-version=2019-08-01&${query}`, {
        headers: { 'x-identity-header': SECRETS[bot] },
      });
      return (answer.body as { access_token: string }).access_token;
    },
    async widgetToken() {
      return ((await request('POST', `${url}/api/widget/token`)).body as { token: string }).token;
    },
    async conversationOf(bot) {
      const id = newConversationId();
      await hub.handle(id, { type: 'start', id, workStream: bot, channel: { id: 'directline' }, customer: 'kim' });
      await hub.settled();
      return id;
    },
    speak: (conversationId, token) =>
      request('POST', `${url}/v3/conversations/${conversationId}/activities`, {
        body: { type: 'message', text: `said ${createHash('sha1').update(String(token)).digest('hex')}` },
        ...(token === undefined ? {} : { token }),
      }),
    async metric(reason) {
      const { body } = await request('GET', `${url}/metrics`);
      const line = new RegExp(`^handoff_bot_calls_refused_total\\{reason="${reason}"\\} (\\d+)$`, 'm');
      return Number(line.exec(String(body))?.[1] ?? 0);
    },
    async close() {
      await hub.stop();
      await rm(directory, { recursive: true, force: true });
      delete process.env['TRUST_TEST_A'];
      delete process.env['TRUST_TEST_B'];
    },
  };
}
