// A client that goes from one node to another, which has not heard yet what the client has seen.

import assert from 'node:assert/strict';
import { openHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';
import { SharedPlace } from '../fakes/sharedRecord.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    const open = async (name: string): Promise<Site> =>
      openSite({ hub: await openHub({ store: place.as(name) }), keepAliveMs: 50 });
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
});
