// createHub with its server: who is handed the demo's sign-in links, and what a failed start leaves open.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readConfiguration } from '../src/config.js';
import { Rejected } from '../src/core/rejected.js';
import { createHub, type HandoffHub } from '../src/createHub.js';
import { StoreUnavailable } from '../src/errors.js';
import type { Store } from '../src/hub/ports.js';
import { PostgresStore } from '../src/store/postgres/postgresStore.js';
import { SqliteStore } from '../src/store/sqlite/sqliteStore.js';
import { remoteBots } from './connector/site.js';
import { FunctionBot, handoff } from './fakes/hub.js';
import { request } from './fakes/request.js';
import { freshSchema } from './store/cluster.js';

/** Of a port that is closed; a connection kept from before ends instead. */
const NOBODY_THERE = /ECONNREFUSED|ECONNRESET|socket hang up/;

describe("the demo's sign-in links on the customer's page", () => {
  let hub: HandoffHub;
  let directory: string;
  let url: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-test-'));
    hub = createHub({
      store: new SqliteStore({ directory }),
      configuration: readConfiguration(await readFile('handoff.yaml', 'utf8')),
    });
    hub.connectBot('demo', new FunctionBot());
    url = await hub.listen({ port: 0, host: '127.0.0.1', localSignIn: true });
  });
  after(async () => {
    await hub.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function linksFor(headers: Record<string, string>): Promise<string[] | undefined> {
    const { body } = await request('GET', `${url}/api/widget/config`, { headers });
    return (body as { signIn?: { id: string }[] }).signIn?.map(({ id }) => id);
  }

  it('are there under every name of this machine', async () => {
    const { port } = new URL(url);
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'LOCALHOST'])
      assert.deepEqual(await linksFor({ host }), ['ana', 'ben', 'sam', 'ada'], host);
  });

  it('are not given to a page whose DNS name was turned to this machine', async () => {
    const { port } = new URL(url);
    for (const host of [`evil.example:${port}`, 'evil.example', `localhost.evil.example:${port}`, '127.0.0.1.nip.io'])
      assert.equal(await linksFor({ host }), undefined, host);
  });

  it('are not given to whom a tunnel or proxy lets in', async () => {
    for (const name of ['x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via'])
      assert.equal(await linksFor({ [name]: '127.0.0.1' }), undefined, name);
  });
});

describe('a hub with a public https address', () => {
  let hub: HandoffHub;
  let directory: string;
  let url: string;
  const warnings: string[] = [];
  const open = async (trustProxy: boolean, publicUrl = 'https://chat.example.com') => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-test-'));
    const log = {
      info() {},
      error() {},
      debug() {},
      warn: (_: object, message: string) => void warnings.push(message),
    };
    hub = createHub({ store: new SqliteStore({ directory }), configuration: await remoteBots(), publicUrl, log });
    url = await hub.listen({ port: 0, host: '127.0.0.1', localSignIn: true, trustProxy });
  };
  beforeEach(() => (warnings.length = 0));
  afterEach(async () => {
    await hub.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const botCalls = (headers: Record<string, string> = {}) =>
    request('GET', `${url}/v3/conversations/unknown/members`, { headers });
  const post = () =>
    request('POST', `${url}/api/agent-messages`, { body: { type: 'message', serviceUrl: 'http://127.0.0.1:9/' } });

  it('takes nobody for a neighbour whom a silent proxy lets in, and says how the proxy is named', async () => {
    await open(false);
    const { status, body } = await botCalls();
    assert.equal(status, 401);
    assert.match(JSON.stringify(body), /Set TRUST_PROXY=true/);
    assert.equal(((await request('GET', `${url}/api/widget/config`)).body as { signIn?: unknown }).signIn, undefined);
    assert.equal((await post()).status, 403);
    assert.equal(warnings.filter((message) => message.includes('TRUST_PROXY=true')).length, 1);
  });

  it('believes what a trusted proxy says of its clients', async () => {
    await open(true);
    assert.equal((await botCalls({ 'x-forwarded-for': '10.1.2.3' })).status, 404, 'it is a bot');
    assert.equal((await botCalls({ 'x-forwarded-for': '203.0.113.9' })).status, 401);
    assert.deepEqual(warnings, []);
  });

  it('is no concern where the address is one of this machine', async () => {
    await open(false, 'https://localhost:8443');
    assert.equal((await botCalls()).status, 404);
    assert.deepEqual(warnings, []);
  });
});

describe("a hub's log", () => {
  it('has a line for each step of a hand-over; what is only said has one at debug', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'handoff-test-'));
    const lines: string[] = [];
    const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
      if (message === 'handled') lines.push(`${level} ${String(fields['command'])} ${String(fields['outcome'])}`);
    };
    const hub = createHub({
      store: new SqliteStore({ directory }),
      configuration: readConfiguration(await readFile('handoff.yaml', 'utf8')),
      log: { info: at('info'), debug: at('debug'), warn: at('warn'), error: at('error') },
    });
    hub.connectBot(
      'demo',
      new FunctionBot(({ text }) => (text === 'human' ? [handoff()] : text === undefined ? [] : [`Echo: ${text}`])),
    );
    await hub.start();
    try {
      const customer = { role: 'customer', id: 'kim' } as const;
      await hub.handle('c1', {
        type: 'start',
        id: 'c1',
        channel: { id: 'directline' },
        workStream: 'web',
        customer: 'kim',
      });
      await hub.settled();
      lines.length = 0;
      const say = (text: string) =>
        hub.handle('c1', { type: 'say', by: customer, activity: { type: 'message', text } });
      await say('hello');
      await hub.settled();
      assert.deepEqual(new Set(lines), new Set(['debug say done']));
      lines.length = 0;
      await say('human');
      await hub.settled();
      assert.ok(
        lines.some((line) => /^info escalate/.test(line)),
        lines.join(),
      );
      lines.length = 0;
      await hub.handle('c1', { type: 'leave' });
      await assert.rejects(say('too late'), Rejected);
      assert.ok(lines.includes('info say conversationClosed'), lines.join());
    } finally {
      await hub.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe('a hub that cannot start', () => {
  it('leaves no port open, and may be told to listen again', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'handoff-test-'));
    const store = new SqliteStore({ directory });
    const bot = new FunctionBot();
    const hub = createHub({ store, configuration: readConfiguration(await readFile('handoff.yaml', 'utf8')) });
    hub.connectBot('demo', bot);
    try {
      let port = 0;
      const options = { port, host: '127.0.0.1', agentMessages: false } as const;
      const owed = store.outbox.bind(store);
      store.outbox = () => {
        port = Number(new URL(hub.serviceUrl).port);
        return Promise.reject(new StoreUnavailable('The disk is gone.'));
      };
      await assert.rejects(hub.listen(options), StoreUnavailable);
      assert.notEqual(port, 0, 'it failed before the port was open');
      await assert.rejects(request('GET', `http://127.0.0.1:${port}/readyz`), NOBODY_THERE);

      store.outbox = owed;
      const url = await hub.listen({ ...options, port });
      assert.equal((await request('GET', `${url}/readyz`)).status, 200);
      await hub.handle('talk', {
        type: 'start',
        id: 'talk',
        channel: { id: 'directline' },
        workStream: 'web',
        customer: 'kim',
      });
      await hub.handle('talk', {
        type: 'say',
        by: { role: 'customer', id: 'kim' },
        activity: { type: 'message', text: 'hello', from: { id: 'kim' } },
      });
      await hub.settled();
      assert.deepEqual(
        bot.heard.flatMap(({ type, text }) => (type === 'message' ? [text] : [])),
        ['hello'],
      );
    } finally {
      await hub.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });
});

const ENGINES: Record<string, (directory: string) => Promise<Store>> = {
  SQLite: (directory) => Promise.resolve(new SqliteStore({ directory })),
  PostgreSQL: async () => new PostgresStore({ url: await freshSchema() }),
};
for (const [engine, storeIn] of Object.entries(ENGINES))
  describe(`the life of a hub on ${engine}`, () => {
    let hub: HandoffHub;
    let bot: FunctionBot;
    let store: Store;
    let directory: string;
    const options = { port: 0, host: '127.0.0.1', agentMessages: false } as const;
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'handoff-test-'));
      store = await storeIn(directory);
      hub = createHub({ store, configuration: readConfiguration(await readFile('handoff.yaml', 'utf8')) });
      bot = new FunctionBot();
      hub.connectBot('demo', bot);
    });
    afterEach(async () => {
      await hub.stop();
      await rm(directory, { recursive: true, force: true });
    });
    const ready = async (url: string) => (await request('GET', `${url}/readyz`)).status;

    it('has one port, however often it is told to listen', async () => {
      const [url, same] = await Promise.all([hub.listen(options), hub.listen(options)]);
      assert.equal(same, url);
      assert.equal(await hub.listen({ ...options, port: Number(new URL(url).port) }), url);
      assert.equal(await ready(url), 200);
      await hub.stop();
      await assert.rejects(ready(url), NOBODY_THERE);
    });

    it('is stopped by a stop while a start opens the store', async () => {
      const started = hub.start();
      await Promise.all([started, hub.stop()]);
      assert.equal(hub.running, false);
    });

    it('starts when its store can be opened, however often that failed before', async () => {
      const open = store.open.bind(store);
      store.open = () => Promise.reject(new StoreUnavailable('The database is away.'));
      for (let time = 0; time < 2; time += 1) await assert.rejects(hub.listen(options), StoreUnavailable);
      store.open = open;
      assert.equal(await ready(await hub.listen(options)), 200);
    });

    it('listens again after a stop, also after one before it ever listened', async () => {
      await hub.stop();
      for (const id of ['first', 'second']) {
        const url = await hub.listen(options);
        assert.equal(await ready(url), 200);
        const by = { role: 'customer', id: 'kim' } as const;
        await hub.handle(id, { type: 'start', id, channel: { id: 'directline' }, workStream: 'web', customer: 'kim' });
        await hub.handle(id, { type: 'say', by, activity: { type: 'message', text: id, from: { id: 'kim' } } });
        await hub.settled();
        await hub.stop();
        await assert.rejects(ready(url), NOBODY_THERE);
      }
      assert.deepEqual(
        bot.heard.flatMap(({ type, text }) => (type === 'message' ? [text] : [])),
        ['first', 'second'],
      );
    });

    it('ends no work under way before its time, however often it is told to stop', async () => {
      await hub.listen(options);
      const append = store.append.bind(store);
      let write = (): void => {};
      const isWriting = new Promise<void>((reached) => {
        store.append = async (what) => {
          reached();
          await new Promise<void>((resolve) => (write = resolve));
          return append(what);
        };
      });
      const start = {
        type: 'start',
        id: 'talk',
        channel: { id: 'directline' },
        workStream: 'web',
        customer: 'kim',
      } as const;
      const kept = hub.handle('talk', start);
      await isWriting;
      const stopped = Promise.all([hub.stop(), hub.stop()]);
      assert.equal(await Promise.race([kept, stopped, pause(200, 'both wait')]), 'both wait');
      write();
      assert.equal((await kept).state.id, 'talk');
      await stopped;
    });

    it('that is told to listen while it is being stopped does so afterwards', async () => {
      await hub.listen(options);
      const stopped = hub.stop();
      const again = hub.listen(options);
      await stopped;
      assert.equal(await ready(await again), 200);
    });
  });
