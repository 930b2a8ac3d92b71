// Every customer's socket is cut at the same moment, and all of them come back at once.

import assert from 'node:assert/strict';
import { readConfiguration } from '../../src/config.js';
import { openSite, SECRET, type Site } from '../directline/site.js';
import { FunctionBot, openHub, TestClock } from '../fakes/hub.js';
import { Widget } from '../fakes/widget.js';
import { faultsOf, History } from './history.js';
import { asksForPeople } from './nodes.js';
import { configurationOf, describeFaults, leftBehind, randomFor, report, seqOf } from './rig.js';
import { sized } from './size.js';

const SOCKETS = sized({ full: 5_000, short: 300 });
/** Customers who do something at the same time. */
const AT_ONCE = 100;

describeFaults('a storm of reconnections', (place) => {
  it('brings everybody exactly what they missed, once and in order', async () => {
    const random = randomFor('reconnectStorm');
    const history = new History();
    const sites: Site[] = [];
    const of = (index: number): Site => sites[index % sites.length] as Site;
    const shared = { clock: new TestClock(), bot: new FunctionBot(asksForPeople) };
    // Everything comes from one address here.
    const perAddress = { burst: 100_000, perSecond: 100_000 };
    const widgets: Widget[] = [];
    const storm = { ms: 0 };
    try {
      while (sites.length < place().nodes) {
        const configuration = readConfiguration(configurationOf({ agents: 1, capacity: 1 }));
        const hub = await openHub({ ...shared, configuration, store: place().store() });
        sites.push(await openSite({ hub, rates: { perAddress, perToken: perAddress } }));
      }
      await together(
        Array.from({ length: SOCKETS }, (_, n) => n),
        async (n) => {
          const user = { id: `dl_${n}`, name: `Customer ${n}` };
          widgets[n] = await Widget.start({ url: of(n).url, secret: SECRET, user, keepAlive: false });
        },
      );
      // Taken at another node than the one that has the socket.
      const say = async (widget: Widget, text: string): Promise<void> => {
        const { conversationId, userId } = widget;
        history.sent('customer', conversationId, text);
        const by = { role: 'customer', id: userId } as const;
        await of(widgets.indexOf(widget) + 1).hub.handle(conversationId, {
          type: 'say',
          by,
          activity: { type: 'message', text, from: { id: userId } },
        });
        history.acknowledged('customer', conversationId, text);
      };
      await together(widgets, (widget) => say(widget, 'one'));
      await together(widgets, async (widget) => void (await widget.next('Echo: one', 60_000)));
      for (const site of sites) site.cutConnections();
      await Promise.all(widgets.map((widget) => widget.disconnected()));
      // What is said while nobody listens: to each another number of texts.
      const missed = widgets.map(() => 1 + Math.floor(random() * 3));
      await together(widgets, async (widget) => {
        for (let n = 0; n < (missed[widgets.indexOf(widget)] ?? 0); n += 1) await say(widget, `missed ${n}`);
      });
      for (const { hub } of sites) await hub.settled();
      const started = performance.now();
      await Promise.all(widgets.map((widget, index) => comeBack(widget, of(index + 1).url)));
      for (const [index, widget] of widgets.entries())
        await widget.next(`Echo: missed ${(missed[index] ?? 0) - 1}`, 120_000);
      storm.ms = performance.now() - started;
      for (const { conversationId, received } of widgets)
        for (const { id, text, type } of received)
          if (type === 'message') history.received('customer', conversationId, text ?? '', seqOf(id) ?? 0);
    } finally {
      await Promise.all(widgets.map((widget) => widget.close()));
      for (const site of sites) await site.close();
    }
    const { logs, faults } = await leftBehind(place());
    assert.deepEqual(faults, []);
    assert.deepEqual(faultsOf(history, { logs }), []);
    // The bot answered everybody: nobody was told that it failed, or that people were asked.
    const shown = new Set(widgets.flatMap(({ received }) => received.flatMap(({ text = '' }) => text)));
    assert.deepEqual(
      [...shown].filter((text) => !/^(Echo: )?(one|missed \d)$/.test(text)),
      [],
    );
    report({
      sockets: SOCKETS,
      'caught up after': `${Math.round(storm.ms)} ms`,
      received: history.count('received'),
      lost: 0,
      doubled: 0,
    });
  });
});

/** As Web Chat does, and through a proxy to any node: who is not answered in time tries again. */
async function comeBack(widget: Widget, url: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await widget.reconnect(url);
    } catch (error) {
      if (tries === 20) throw error;
    }
  }
}

/** As many at a time as one machine can open. */
async function together<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const one = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}
