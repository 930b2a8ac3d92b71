// Two processes' worth of the whole product on one PostgreSQL: any of them serves anybody, and what one learns the other knows.

import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { checkConfiguration, readConfiguration, type Configuration } from '../../src/config.js';
import { mintPersonToken } from '../../src/console/console.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { DeliveryFailed } from '../../src/errors.js';
import { Tokens } from '../../src/hub/tokens.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { verify } from '../../src/verify.js';
import { Desk, errorIn, shownIn, officeBot, CONFIGURATION } from '../console/office.js';
import { until } from '../fakes/shop.js';
import { Widget } from '../fakes/widget.js';
import { freshSchema } from '../store/cluster.js';

const SECRET = 'the-secret-of-two-nodes';

describe('two nodes that serve together', () => {
  let url: string;
  let hubs: HandoffHub[];
  let urls: string[];
  const open: { close(): unknown }[] = [];

  beforeEach(async () => {
    url = await freshSchema();
    hubs = [];
    urls = [];
    for (let n = 0; n < 2; n += 1) {
      const hub = createHub({ store: new PostgresStore({ url }), configuration: CONFIGURATION });
      hub.connectBot('demo', officeBot());
      hubs.push(hub);
      urls.push(await hub.listen({ port: 0, host: '127.0.0.1', directLineSecrets: [SECRET], agentMessages: false }));
    }
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    for (const hub of hubs) await hub.stop();
  });

  const at = (node: number) => urls[node] as string;
  const hubAt = (node: number) => hubs[node] as HandoffHub;
  async function customerAt(node: number, id = 'dl_kim'): Promise<Widget> {
    const widget = await Widget.start({ url: at(node), secret: SECRET, user: { id, name: 'Kim' } });
    open.push(widget);
    return widget;
  }
  async function deskAt(node: number, person: string): Promise<Desk> {
    const { store, clock } = hubAt(node);
    const desk = new Desk(at(node), await mintPersonToken(await Tokens.open(store, clock), person));
    open.push(desk);
    return desk;
  }

  it('lead a customer at one to a person at the other, and back to the bot', async () => {
    const ana = await deskAt(1, 'ana');
    const listener = await ana.listens();
    await ana.present();
    const kim = await customerAt(0);
    await kim.say('human CreditCard');
    await listener.next('offer', kim.conversationId);
    assert.equal(shownIn(await ana.asks(kim.conversationId, 'accept')).phase, 'agent');
    await kim.next('Ana joined the conversation.');
    await ana.says(kim.conversationId, 'Good morning');
    await kim.next('Good morning');
    await kim.say('Hello Ana');
    await listener.next('conversation', kim.conversationId);
    const { body } = await ana.get(`/conversations/${kim.conversationId}/log?after=0`);
    const texts = (body as { entries: { activity?: { text?: string } }[] }).entries.map(
      ({ activity }) => activity?.text,
    );
    assert.ok(texts.includes('Hello Ana'), 'the other node has it, too');
    shownIn(await ana.asks(kim.conversationId, 'return', { outcome: 'done' }));
    await kim.say('anybody there');
    await kim.next('Echo: anybody there');
    assert.deepEqual((await verify(hubAt(0).store)).faults, []);
  });

  it('let a customer change between them with every call, and keep one message once', async () => {
    const kim = await customerAt(0);
    const elsewhere = new Widget({ url: at(1), token: kim.token, user: { id: 'dl_kim' } });
    elsewhere.conversationId = kim.conversationId;
    elsewhere.token = kim.token;
    open.push(elsewhere);
    const [first, second] = await Promise.all([
      kim.say('only once', { clientActivityID: 'c1' }),
      elsewhere.say('only once', { clientActivityID: 'c1' }),
    ]);
    assert.equal(first, second);
    await elsewhere.say('and this');
    await kim.next('Echo: and this');
    const seen = (await elsewhere.read()).filter(({ type, from }) => type === 'message' && from?.role === 'user');
    assert.deepEqual(
      seen.map(({ text }) => text),
      ['only once', 'and this'],
    );
  });

  it('give a chat that two people take at the same moment to one of them, and tell the other who has it', async () => {
    const [ana, ben] = [await deskAt(0, 'ana'), await deskAt(1, 'ben')];
    const kim = await customerAt(0);
    await kim.say('human CreditCard');
    await until('it waits', async () => (await hubAt(1).conversation(kim.conversationId))?.phase === 'queued');
    const answers = await Promise.all([ana.asks(kim.conversationId, 'pick'), ben.asks(kim.conversationId, 'pick')]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
    const [winner, loser] = answers[0]?.status === 200 ? answers : answers.toReversed();
    assert.ok(winner !== undefined && loser !== undefined);
    assert.deepEqual(errorIn(loser)['owner'], shownIn(winner).agent);
  });

  it('take over a new configuration from each other within a second, by a notice or without', async () => {
    const changed = (name: string): Configuration => {
      const text = JSON.stringify(CONFIGURATION).replace('"name":"Ana"', `"name":"${name}"`);
      return readConfiguration(text);
    };
    const version = await hubAt(0).applyConfiguration(changed('Anna'), 'ada');
    await until('the other node has it', () => hubAt(1).directory.version === version, 1_000);
    assert.equal(hubAt(1).directory.people['ana']?.name, 'Anna');
    // As a command does that writes to the database itself: nobody is told.
    const { store } = hubAt(0);
    const kept = await store.configuration();
    await saveBeside(url, changed('Annabel'), kept?.version ?? 0);
    await until('both have it', () => hubs.every((hub) => hub.directory.people['ana']?.name === 'Annabel'), 1_500);
  });

  it('begin at the same moment on an empty database, and both go by the configuration of the quicker one', async () => {
    for (let round = 0; round < 3; round += 1) {
      const empty = await freshSchema();
      const both = ['Anna', 'Annabel'].map((name) => {
        const configuration = readConfiguration(
          JSON.stringify(CONFIGURATION).replace('"name":"Ana"', `"name":"${name}"`),
        );
        const hub = createHub({ store: new PostgresStore({ url: empty }), configuration });
        hub.connectBot('demo', officeBot());
        return hub;
      });
      try {
        await Promise.all(both.map((hub) => hub.open()));
        const [one, two] = both.map(({ directory }) => [directory.version, directory.people['ana']?.name]);
        assert.deepEqual(one, two);
      } finally {
        await Promise.all(both.map((hub) => hub.stop()));
      }
    }
  });

  it('tell at each how a bot does at both, and where it failed last', async () => {
    const bots = async (person: string) => {
      const desk = await deskAt(0, person);
      return ((await desk.get('/bots')).body as { items: Record<string, unknown>[] }).items[0] ?? {};
    };
    await until('both are known', async () => isLength(await bots('sam'), 2));
    hubAt(1).connectBot('demo', {
      deliver: () =>
        Promise.reject(new DeliveryFailed('Bot "demo" at http://10.0.0.7 answered 401', false, { kind: 'untrusted' })),
    });
    for (const id of ['dl_a', 'dl_b', 'dl_c']) {
      const customer = new Widget({ url: at(1), secret: SECRET, user: { id } });
      open.push(customer);
      await customer.start();
      await customer.say('hello');
    }
    const there = hubAt(1).nodes?.node;
    await until(
      'it is told',
      async () => (await bots('sam'))['breaker'] === 'open' && (await bots('sam'))['lastError'] !== undefined,
    );
    const { lastError, nodes } = (await bots('sam')) as {
      lastError: { kind: string; what: string; node: { id: string; host: string } };
      nodes: { id: string; host?: string; lastErrorAt?: string }[];
    };
    assert.deepEqual([lastError.kind, lastError.node], ['untrusted', { id: there, host: hostname() }]);
    assert.deepEqual(nodes.map(({ id, lastErrorAt }) => [id === there, lastErrorAt !== undefined]).sort(), [
      [false, false],
      [true, true],
    ]);
    const shown = JSON.stringify(await bots('ana'));
    assert.ok(!shown.includes('10.0.0.7') && !shown.includes(hostname()), 'where things are is for those who run them');
  });

  it('notice at both that a person has gone from one', async () => {
    const ana = await deskAt(1, 'ana');
    await ana.listens();
    await ana.present();
    await until('the other node knows', () => hubAt(0).people.row('ana')?.presence === 'available');
    assert.equal(hubAt(0).people.isConnected('ana') || hubAt(1).people.isConnected('ana'), true);
  });
});

function isLength({ nodes }: Record<string, unknown>, length: number): boolean {
  return Array.isArray(nodes) && nodes.length === length;
}

/** As a program beside the nodes does that knows nothing of them. */
async function saveBeside(url: string, document: Configuration, version: number): Promise<void> {
  const store = new PostgresStore({ url });
  await store.open();
  try {
    await store.saveConfiguration(checkConfiguration(document), 'beside', Date.now(), version);
  } finally {
    await store.close();
  }
}
