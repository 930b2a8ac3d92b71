// A client that goes from one node to another, which has not heard yet what the client has seen.

import assert from 'node:assert/strict';
import { openHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';
import { SharedPlace } from '../fakes/sharedRecord.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Widget } from '../fakes/widget.js';
import { openSite, type Site } from './site.js';

describe('a client that comes back at another node', () => {
  let directory: string;
  let store: SqliteStore;
  let place: SharedPlace;
  let sites: [Site, Site];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-nodes-'));
    store = new SqliteStore({ directory });
    await store.open();
    place = new SharedPlace(store);
    const open = async (name: string): Promise<Site> => openSite({ hub: await openHub({ store: place.as(name) }) });
    sites = [await open('one'), await open('two')];
  });
  afterEach(async () => {
    for (const site of sites) await site.close();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('is given what it has missed and nothing twice, also where that node knows less than the client', async () => {
    const [one, two] = sites;
    place.loses = () => true;
    const widget = await one.widget();
    const { conversationId } = widget;
    // Node two remembers for a moment how far the conversation was.
    await two.hub.conversation(conversationId);
    await widget.say('hello');
    await widget.next('Echo: hello');
    const seen = widget.received.length;
    const { body } = await two.call(
      'GET',
      `/conversations/${conversationId}/activities?watermark=${widget.watermark}`,
      {
        token: widget.token,
      },
    );
    assert.deepEqual((body as { activities: unknown[] }).activities, []);
    await two.hub.settled();
    await widget.reconnect(two.url);
    await widget.say('again');
    await widget.next('Echo: again');
    assert.deepEqual(
      widget.received.slice(seen).map(({ text }) => text),
      ['again', 'Echo: again'],
    );
  });

  it('is there: the node it left does not go on saying that it is gone', async () => {
    const [one, two] = sites;
    const widget = await one.widget();
    const { conversationId } = widget;
    await widget.reconnect(two.url);
    await two.hub.handle(conversationId, { type: 'escalate', bot: 'demo', dialect: 'handoffProtocol', variables: {} });
    for (let said = 0; said < 10; said += 1) {
      const text = `still here ${said}`;
      await widget.say(text);
      await widget.next(text);
      await Promise.all([one.hub.settled(), two.hub.settled()]);
    }
    const events = (await two.log(conversationId)).map(({ event }) => event.type);
    assert.ok(events.filter((type) => type === 'disconnected').length <= 1, events.join());
    assert.equal((await two.state(conversationId)).customerGone, false);
  });

  it('is there also when it came and went at the node it left while that was still writing that it is gone', async () => {
    const [one, two] = sites;
    const widget = await one.widget();
    const { conversationId } = widget;
    await one.hub.handle(conversationId, { type: 'escalate', bot: 'demo', dialect: 'handoffProtocol', variables: {} });
    const append = store.append.bind(store);
    let write: (() => void) | undefined;
    store.append = async (what) => {
      if (what.events[0]?.type === 'disconnected') {
        store.append = append;
        await new Promise<void>((resolve) => (write = resolve));
      }
      return append(what);
    };
    widget.drop();
    await until('it is being written', () => write !== undefined);
    await widget.reconnect(one.url);
    widget.drop();
    await until('both sockets are closed', () => one.directLine.figures.open === 0);
    write?.();
    await until('gone', async () => (await one.state(conversationId)).customerGone);
    await Promise.all([one.hub.settled(), two.hub.settled()]);
    await widget.reconnect(two.url);
    await until('there', async () => !(await two.state(conversationId)).customerGone);
    await widget.say('still here');
    await widget.next('still here');
    await Promise.all([one.hub.settled(), two.hub.settled()]);
    const events = (await two.log(conversationId)).map(({ event }) => event.type);
    assert.equal(events.filter((type) => type === 'disconnected').length, 1, events.join());
  });

  describe('a customer whose sockets are at two nodes', () => {
    const escalation = { type: 'escalate', bot: 'demo', dialect: 'handoffProtocol', variables: {} } as const;
    const comings = async (id: string) =>
      (await sites[0].log(id)).flatMap(({ event }) =>
        event.type === 'disconnected' || event.type === 'reconnected' ? [event.type] : [],
      );
    const settled = () => Promise.all(sites.map(({ hub }) => hub.settled()));
    const isGone = async (id: string) => (await store.conversation(id))?.customerGone === true;

    async function tabs(): Promise<[Widget, Widget]> {
      const first = await sites[0].widget();
      const second = await sites[1].widget({ token: first.token, user: { id: first.userId } });
      assert.equal(second.conversationId, first.conversationId);
      return [first, second];
    }
    const closed = async (widget: Widget, site: Site) => {
      widget.drop();
      await until('the socket is closed', () => site.directLine.figures.open === 0);
    };

    it('is there while one is open, whichever closes first, and gone when both are closed', async () => {
      for (const first of [0, 1] as const) {
        const last = first === 0 ? 1 : 0;
        const open = await tabs();
        const id = open[0].conversationId;
        await sites[0].hub.handle(id, escalation);
        await closed(open[first], sites[first]);
        await until('its end is told, and that the other is open', async () => (await comings(id)).length === 2);
        await open[last].say('still here');
        await open[last].next('still here');
        await settled();
        assert.deepEqual(await comings(id), ['disconnected', 'reconnected']);
        assert.equal(await isGone(id), false);
        await closed(open[last], sites[last]);
        await until('the customer is gone', () => isGone(id));
        await settled();
        assert.deepEqual(await comings(id), ['disconnected', 'reconnected', 'disconnected']);
      }
    });

    it('is there while one is open, also where one closed before people came in', async () => {
      const [here, there] = await tabs();
      const id = here.conversationId;
      await closed(here, sites[0]);
      await settled();
      assert.deepEqual(await comings(id), []);
      await sites[1].hub.handle(id, escalation);
      await until('the open one is told of', async () => (await comings(id)).at(-1) === 'reconnected');
      await closed(there, sites[1]);
      await until('the customer is gone', () => isGone(id));
      await settled();
      assert.deepEqual(await comings(id), ['disconnected', 'reconnected', 'disconnected']);
    });

    it('is gone once when both were closed before people came in, and back once', async () => {
      const [here, there] = await tabs();
      const id = here.conversationId;
      await Promise.all([closed(here, sites[0]), closed(there, sites[1])]);
      // The other node hears of the escalation no sooner than of its customer's absence.
      place.loses = () => true;
      await sites[0].hub.handle(id, escalation);
      await until('the customer is gone', () => sites[1].hub.known(id)?.customerGone === true);
      place.loses = () => false;
      await here.say('I am back');
      for (let read = 0; read < 5; read += 1) {
        await here.read();
        await settled();
      }
      assert.deepEqual(await comings(id), ['disconnected', 'reconnected']);
      assert.equal(await isGone(id), false);
    });

    it('is gone when both close in the same moment', async () => {
      for (let round = 0; round < 10; round += 1) {
        const [here, there] = await tabs();
        const id = here.conversationId;
        await sites[1].hub.handle(id, escalation);
        await Promise.all([closed(here, sites[0]), closed(there, sites[1])]);
        await until('the customer is gone', async () => {
          await settled();
          return isGone(id);
        });
        const told = await comings(id);
        assert.ok(told.length <= 3 && told.at(-1) === 'disconnected', told.join());
      }
    });

    it('is back at the first call of a client that goes on without a socket', async () => {
      const [here, elsewhere] = [await sites[0].widget(), sites[1]];
      const id = here.conversationId;
      await sites[0].hub.handle(id, escalation);
      await closed(here, sites[0]);
      await until('the customer is gone', () => isGone(id));
      const poll = async () => {
        const path = `/conversations/${id}/activities?watermark=${here.watermark}`;
        assert.equal((await elsewhere.call('GET', path, { token: here.token })).status, 200);
        await settled();
      };
      await until('the node of the call knows', async () => {
        await poll();
        return !(await isGone(id));
      });
      for (let round = 0; round < 5; round += 1) await poll();
      assert.deepEqual(await comings(id), ['disconnected', 'reconnected']);
      assert.equal(await isGone(id), false);
    });
  });
});
