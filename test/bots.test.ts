// The bots of the configuration and their connections: made with the secrets that are there, changed and closed with it.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkConfiguration } from '../src/config.js';
import { createHub, type HandoffHub } from '../src/createHub.js';
import { ConfigError } from '../src/errors.js';
import { newConversationId } from '../src/hub/conversationId.js';
import { SqliteStore } from '../src/store/sqlite/sqliteStore.js';
import { HttpBot } from './fakes/httpBot.js';
import { FunctionBot } from './fakes/hub.js';

const APP = '00000000-0000-0000-0000-0000000000aa';

describe('the bots of the configuration', () => {
  let directory: string;
  let hub: HandoffHub;
  let first: HttpBot;
  let second: HttpBot;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-bots-'));
    first = await HttpBot.start();
    second = await HttpBot.start();
  });
  afterEach(async () => {
    await hub.stop();
    await Promise.all([first.stop(), second.stop()]);
    await rm(directory, { recursive: true, force: true });
    delete process.env['BOTS_TEST_SECRET'];
  });

  const configuration = (bot: Record<string, unknown> | undefined) =>
    checkConfiguration({
      bots: bot === undefined ? [] : [{ id: 'shop', ...bot }],
      queues: [
        { id: 'Bots', members: bot === undefined ? [] : ['shop'] },
        { id: 'People', members: ['ana'] },
      ],
      workStreams: [{ id: 'web', fallbackQueue: bot === undefined ? 'People' : 'Bots' }],
      people: [{ id: 'ana' }],
    });
  const open = (bot: Record<string, unknown>) =>
    (hub = createHub({ store: new SqliteStore({ directory }), configuration: configuration(bot) }));

  async function start(): Promise<string> {
    const id = newConversationId();
    await hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer: 'kim' });
    return id;
  }
  async function say(id: string, text: string): Promise<void> {
    const by = { role: 'customer', id: 'kim' } as const;
    await hub.handle(id, { type: 'say', by, activity: { type: 'message', text } });
    await hub.settled();
  }
  const texts = (bot: HttpBot) => bot.received.filter(({ type }) => type === 'message').map(({ text }) => text);

  it('are called where they are, and elsewhere as soon as the configuration says so', async () => {
    await open({ endpoint: first.endpoint }).listen({ port: 0, host: '127.0.0.1' });
    const id = await start();
    await say(id, 'one');
    await hub.applyConfiguration(configuration({ endpoint: second.endpoint }), 'test');
    await say(id, 'two');
    assert.deepEqual([texts(first), texts(second)], [['one'], ['two']]);
    const entries = await hub.entries(id, 0, 100);
    const said = entries.flatMap(({ event }) => (event.by.role === 'bot' ? (event.body?.activity?.text ?? []) : []));
    assert.deepEqual(said, ['Echo: one', 'Echo: two']);
  });

  it('are not called any more when they are gone, and people take over', async () => {
    await open({ endpoint: first.endpoint }).listen({ port: 0, host: '127.0.0.1' });
    const id = await start();
    await say(id, 'one');
    await hub.applyConfiguration(configuration(undefined), 'test');
    await say(id, 'two');
    assert.deepEqual(texts(first), ['one']);
    assert.equal((await hub.conversation(id))?.phase, 'queued');
  });

  it('stay as a program has connected them', async () => {
    open({ endpoint: first.endpoint });
    const own = new FunctionBot();
    hub.connectBot('shop', own);
    await hub.listen({ port: 0, host: '127.0.0.1' });
    const id = await start();
    await say(id, 'one');
    assert.deepEqual([texts(first).length, own.heard.filter(({ type }) => type === 'message').length], [0, 1]);
  });

  const faults = async (run: () => Promise<unknown>): Promise<string> => {
    try {
      await run();
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.faults.join('\n');
    }
    assert.fail('should have been refused');
  };
  const signed = { endpoint: 'https://shop.example.com/api/messages', appId: APP };
  const secret = { ...signed, auth: { issuer: 'hub', secret: '${BOTS_TEST_SECRET}' } };

  it('are refused at the start when a secret is not there, by its name', async () => {
    open(secret);
    assert.match(await faults(() => hub.open()), /Bot "shop": the environment variable BOTS_TEST_SECRET is not set/);
  });

  it('are refused when a secret can be guessed', async () => {
    process.env['BOTS_TEST_SECRET'] = 'short';
    open(secret);
    const told = await faults(() => hub.open());
    assert.match(told, /BOTS_TEST_SECRET is short: use at least 16/);
    assert.ok(!told.includes('"short"'));
  });

  it('are left as they are when a new configuration names a secret that is not there', async () => {
    await open({ endpoint: first.endpoint }).listen({ port: 0, host: '127.0.0.1' });
    const id = await start();
    const told = await faults(() => hub.applyConfiguration(configuration(secret), 'test'));
    assert.match(told, /BOTS_TEST_SECRET/);
    assert.equal((await hub.store.configuration())?.version, 1);
    await say(id, 'one');
    assert.deepEqual(texts(first), ['one']);
  });

  it('have a time of their own for a turn', async () => {
    await open({ endpoint: first.endpoint, timeoutSeconds: 0.2 }).listen({ port: 0, host: '127.0.0.1' });
    let finish: (() => void) | undefined;
    first.script = ({ activity }) =>
      activity.type === 'message' ? new Promise<void>((resolve) => (finish = resolve)) : undefined;
    const id = await start();
    await say(id, 'one');
    finish?.();
    const failed = (await hub.entries(id, 0, 100)).find(({ event }) => event.type === 'deliveryFailed');
    assert.match(JSON.stringify(failed), /200 ms/);
  });
});
