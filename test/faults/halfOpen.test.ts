// Connections that are dead and not closed: nothing passes any more, in neither direction, and nobody is told.

import assert from 'node:assert/strict';
import { mintPersonToken, serveConsole, type Console } from '../../src/console/console.js';
import { readConfiguration } from '../../src/config.js';
import { Tokens } from '../../src/hub/tokens.js';
import { Desk } from '../console/office.js';
import { openSite, SECRET, type Site } from '../directline/site.js';
import { FreezingProxy } from '../fakes/freezingProxy.js';
import { FunctionBot, openHub, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';
import { Widget } from '../fakes/widget.js';
import { faultsOf, History } from './history.js';
import { asksForPeople } from './nodes.js';
import { configurationOf, describeFaults, leftBehind, report, seqOf } from './rig.js';
import { sized } from './size.js';

const CUSTOMERS = sized({ full: 200, short: 20 });
const BEAT_MS = 1_000;

interface FrozenNode {
  site: Site;
  office: Console;
  proxy: FreezingProxy;
}

async function serveBehindProxy(hub: TestHub): Promise<FrozenNode> {
  let url = '';
  const publicUrl = (): string => url;
  const tokens = await Tokens.open(hub.store, { now: () => Date.now() });
  let office!: Console;
  const site = await openSite({
    hub,
    keepAliveMs: BEAT_MS,
    stallMs: 1_000,
    publicUrl,
    routes: (http) => {
      office = serveConsole(http, hub.hub, { tokens, publicUrl, beatMs: BEAT_MS });
    },
  });
  const proxy = await FreezingProxy.open(site.url);
  url = proxy.url;
  return { site, office, proxy };
}

describeFaults('connections that are half open', (place) => {
  const nodes: FrozenNode[] = [];
  const of = (index: number): FrozenNode => nodes[index % nodes.length] as FrozenNode;
  const freeze = (): void => nodes.forEach(({ proxy }) => proxy.freeze());
  beforeEach(async () => {
    const configuration = readConfiguration(
      configurationOf({ agents: 2, capacity: 3, timers: { agentGoneOfferSeconds: 1, agentGoneChatSeconds: 1 } }),
    );
    const clock = { now: () => Date.now() };
    const bot = new FunctionBot(asksForPeople);
    while (nodes.length < place().nodes)
      nodes.push(
        await serveBehindProxy(await openHub({ configuration, clock: clock as never, bot, store: place().store() })),
      );
  });
  afterEach(async () => {
    for (const { office, site, proxy } of nodes.splice(0)) {
      await office.close();
      await site.close();
      await proxy.close();
    }
  });

  it('are noticed by the server, and a customer who comes back is given exactly what was missed', async () => {
    const history = new History();
    const widgets: Widget[] = [];
    try {
      for (let n = 0; n < CUSTOMERS; n += 1) {
        const user = { id: `dl_${n}`, name: `Customer ${n}` };
        widgets.push(await Widget.start({ url: of(n).proxy.url, secret: SECRET, user }));
      }
      const says = async (widget: Widget, text: string): Promise<void> => {
        history.sent('customer', widget.conversationId, text);
        await widget.say(text);
        history.acknowledged('customer', widget.conversationId, text);
      };
      await Promise.all(widgets.map((widget) => says(widget, 'before')));
      for (const widget of widgets) await widget.next('Echo: before');
      const open = (): number => nodes.reduce((sum, { site }) => sum + site.directLine.figures.open, 0);
      assert.equal(open(), CUSTOMERS);
      freeze();
      // By new connections, as a browser's other tab has: the sockets are silent.
      await Promise.all(
        widgets.map(async (widget, index) => {
          const { site } = of(index + 1);
          const by = { role: 'customer', id: widget.userId } as const;
          history.sent('customer', widget.conversationId, 'while it was silent');
          const activity = { type: 'message', text: 'while it was silent', from: { id: widget.userId, role: 'user' } };
          await site.hub.handle(widget.conversationId, { type: 'say', by, activity });
          history.acknowledged('customer', widget.conversationId, 'while it was silent');
        }),
      );
      for (const { site } of nodes) await site.hub.settled();
      assert.ok(
        widgets.every(({ isConnected }) => isConnected),
        'no widget has noticed',
      );
      await until('the servers have given all of them up', () => open() === 0, 20_000);
      for (const [index, widget] of widgets.entries()) {
        await widget.close();
        await widget.reconnect(of(index + 1).proxy.url);
      }
      for (const widget of widgets) {
        await widget.next('Echo: while it was silent', 10_000);
        for (const { id, text, type } of widget.received)
          if (type === 'message') history.received('customer', widget.conversationId, text ?? '', seqOf(id) ?? 0);
      }
    } finally {
      for (const widget of widgets) await widget.close();
    }
    for (const { site } of nodes) await site.stop();
    const { logs, faults } = await leftBehind(place());
    assert.deepEqual(faults, []);
    assert.deepEqual(faultsOf(history, { logs }), []);
    report({
      sockets: CUSTOMERS,
      sent: history.count('sent'),
      received: history.count('received'),
      lost: 0,
      doubled: 0,
    });
  });

  it('of a person let the offer go to somebody else, and the chats go back to the front of the line', async () => {
    // One of them through the proxy, the other at another node and not through one.
    const [{ site, proxy }, { site: elsewhere }] = [of(0), of(1)];
    const tokens = await Tokens.open(site.store, { now: () => Date.now() });
    const gone = new Desk(proxy.url, await mintPersonToken(tokens, 'agent0'));
    const there = new Desk(elsewhere.url, await mintPersonToken(tokens, 'agent1'));
    const phaseIs = (id: string, phase: string): Promise<void> =>
      until(`it is ${phase}`, async () => (await site.state(id)).phase === phase, 20_000);
    try {
      await gone.present();
      await gone.listens();
      const [held, offered] = [await site.startConversation('kim'), await site.startConversation('lee')];
      await site.says(held, 'human', 'kim');
      await phaseIs(held, 'offered');
      assert.equal((await gone.asks(held, 'accept')).status, 200);
      await site.says(offered, 'human', 'lee');
      await phaseIs(offered, 'offered');
      await there.present();
      await there.listens();
      freeze();
      const isOffered = async (id: string): Promise<boolean> => {
        const state = await site.state(id);
        return state.phase === 'offered' && state.offers.some(({ agent }) => agent === 'agent1');
      };
      await until('the offer is made to the other person', () => isOffered(offered), 20_000);
      await until('and so is the chat', () => isOffered(held), 20_000);
    } finally {
      for (const desk of [gone, there]) desk.close();
    }
  });
});
