// The stream socket: replay, live, catching up, coming and going.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Activity } from '../../src/core/activity.js';
import { StoreUnavailable } from '../../src/errors.js';
import { FunctionBot, handoff } from '../fakes/hub.js';
import type { ActivitySet, Grant, Widget } from '../fakes/widget.js';
import { openSite, SECRET, type Site } from './site.js';

/** Sets and keep-alives of one socket, as they came. */
class Stream {
  readonly sets: ActivitySet[] = [];
  empty = 0;
  readonly socket: WebSocket;

  constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on('message', (frame: Buffer) => {
      if (frame.length === 0) this.empty += 1;
      else this.sets.push(JSON.parse(frame.toString()) as ActivitySet);
    });
    this.socket.on('error', () => undefined);
  }

  get texts(): (string | undefined)[] {
    return this.sets.flatMap(({ activities }) => activities).map(({ text }) => text);
  }

  get activities(): Activity[] {
    return this.sets.flatMap(({ activities }) => activities);
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, 'close');
    this.socket.terminate();
    await closed;
  }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 8_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('the stream', () => {
  let site: Site;
  let streams: Stream[];
  beforeEach(async () => {
    site = await openSite();
    streams = [];
  });
  afterEach(async () => {
    for (const stream of streams) await stream.close();
    await site.close();
  });

  async function open(url: string): Promise<Stream> {
    const stream = new Stream(url);
    streams.push(stream);
    await once(stream.socket, 'open');
    return stream;
  }

  const again = async ({ conversationId, token }: { conversationId: string; token: string }, watermark = '') =>
    (await site.call('GET', `/conversations/${conversationId}?watermark=${watermark}`, { token })).body as Grant & {
      streamUrl: string;
    };

  const say = async (grant: { conversationId: string; token: string }, activity: Record<string, unknown>) => {
    const { status, body } = await site.call('POST', `/conversations/${grant.conversationId}/activities`, {
      token: grant.token,
      body: { type: 'message', ...activity },
    });
    assert.equal(status, 200, JSON.stringify(body));
    return (body as { id: string }).id;
  };

  it('shows the customer’s own message before any answer, with its client id and the id of the answer to the call', async () => {
    const grant = await site.start();
    const stream = await open(grant.streamUrl);
    const id = await say(grant, { text: 'hello', channelData: { clientActivityID: 'abc' } });
    await until('the answer', () => stream.texts.length === 2);
    assert.deepEqual(stream.texts, ['hello', 'Echo: hello']);
    assert.equal(stream.activities[0]?.id, id);
    assert.deepEqual(stream.activities[0]?.channelData, { clientActivityID: 'abc' });
    assert.equal(stream.activities[1]?.replyToId, id);
  });

  it('replays what was said since the watermark and goes on live', async () => {
    const grant = await site.start();
    await say(grant, { text: 'one' });
    await site.hub.settled();
    const first = await open(grant.streamUrl);
    await until('the replay', () => first.texts.length === 2);
    const { watermark } = first.sets.at(-1) as ActivitySet;
    await say(grant, { text: 'two' });
    await site.hub.settled();
    const second = await open((await again(grant, watermark)).streamUrl);
    await until('the replay', () => second.texts.length === 2);
    await say(grant, { text: 'three' });
    await until('what is live', () => first.texts.length === 6 && second.texts.length === 4);
    assert.deepEqual(second.texts, ['two', 'Echo: two', 'three', 'Echo: three']);
    assert.deepEqual(first.texts, ['one', 'Echo: one', ...second.texts]);
    const marks = first.sets.map((set) => Number(set.watermark));
    assert.deepEqual(
      marks,
      [...marks].sort((a, b) => a - b),
    );
  });

  it('starts from the beginning at a watermark it does not know', async () => {
    const grant = await site.start();
    await say(grant, { text: 'one' });
    await site.hub.settled();
    for (const watermark of ['', '-', 'null', '99999']) {
      const stream = await open((await again(grant, watermark)).streamUrl);
      await until('the replay', () => stream.texts.length === 2);
    }
  });

  it('feeds several sockets of one conversation alike', async () => {
    const grant = await site.start();
    const tabs = [await open(grant.streamUrl), await open(grant.streamUrl), await open((await again(grant)).streamUrl)];
    for (const text of ['one', 'two']) await say(grant, { text });
    await until('everything', () => tabs.every(({ texts }) => texts.length === 4));
    for (const { texts } of tabs) assert.deepEqual(texts, tabs[0]?.texts);
    assert.equal(site.directLine.figures.open, 3);
  });

  it('loses and repeats nothing however often it is cut while both sides talk', async function () {
    this.timeout(30_000);
    const widget = await site.widget({ user: { id: 'dl_kim' } });
    const expected: string[] = [];
    let talking = true;
    const cutting = (async () => {
      for (let cut = 0; talking; cut += 1) {
        await until('something', () => !talking || widget.received.length > cut * 7);
        if (talking) await widget.reconnect();
      }
    })();
    for (let number = 0; number < 60; number += 1) {
      await widget.say(`m${number}`);
      expected.push(`m${number}`, `Echo: m${number}`);
    }
    talking = false;
    await cutting;
    await site.hub.settled();
    await until('everything', () => widget.received.length >= expected.length);
    const texts = widget.received.map(({ text }) => text);
    assert.deepEqual([...texts].sort(), [...expected].sort());
    const ids = widget.received.map(({ id }) => id as string);
    assert.deepEqual(ids, [...ids].sort(), 'in the order of the log');
  });

  it('shows a bot’s typing at once and without a watermark; the customer’s own goes to nobody’s screen of theirs', async () => {
    const grant = await site.start();
    const stream = await open(grant.streamUrl);
    await until('live', () => site.directLine.figures.open === 1);
    await say(grant, { text: 'one' });
    await until('the answer', () => stream.texts.length === 2);
    await say(grant, { type: 'typing' });
    await site.hub.botSays(grant.conversationId, 'demo', [
      { type: 'typing', channelData: { streamType: 'streaming', streamSequence: 1 }, text: 'par' },
    ]);
    await until('the typing', () => stream.sets.length > 2);
    const set = stream.sets.at(-1) as ActivitySet;
    assert.equal('watermark' in set, false);
    const [typing] = set.activities;
    assert.deepEqual(typing?.from, { id: 'demo', name: 'Demo Bot', role: 'bot' });
    assert.deepEqual(typing?.channelData, { streamType: 'streaming', streamSequence: 1 });
    assert.equal(typeof typing?.id, 'string');
    const replay = await open((await again(grant)).streamUrl);
    await until('the replay', () => replay.texts.length === 2);
    assert.deepEqual(
      replay.activities.map(({ type }) => type),
      ['message', 'message'],
    );
  });

  it('shows an edit under the id of what was edited: live, and to who comes later only the latest', async () => {
    const grant = await site.start();
    const [{ id } = { id: '' }] = await site.hub.botSays(grant.conversationId, 'demo', [
      { type: 'message', text: 'helo' },
    ]);
    const target = Number(id.split('|')[1]);
    const early = await open((await again(grant)).streamUrl);
    await until('the original', () => early.texts.length === 1);
    const by = { role: 'bot', id: 'demo' } as const;
    const activity = { type: 'message', text: 'hello' };
    await site.hub.handle(grant.conversationId, {
      type: 'edit',
      by,
      author: by,
      audience: 'everyone',
      target,
      activity,
    });
    await until('the edit', () => early.texts.length === 2);
    assert.deepEqual(
      early.activities.map((shown) => [shown.id, shown.text]),
      [
        [id, 'helo'],
        [id, 'hello'],
      ],
    );
    const late = await open((await again(grant)).streamUrl);
    await until('the replay', () => late.texts.length === 1);
    assert.deepEqual(late.texts, ['hello']);
  });

  it('opens within a minute of its token and stays open ever after', async () => {
    const grant = await site.start();
    const stream = await open(grant.streamUrl);
    site.clock.advance(61_000);
    const late = new WebSocket(grant.streamUrl);
    late.on('error', () => undefined);
    const [, response] = (await once(late, 'unexpected-response')) as [unknown, { statusCode: number; resume(): void }];
    response.resume();
    assert.equal(response.statusCode, 403);
    late.terminate();
    const fresh = await again(grant);
    await say(fresh, { text: 'hello' });
    await until('the answer', () => stream.texts.length === 2);
  });

  it('is wss:// when the server is reached by https', async () => {
    await site.close();
    site = await openSite({ publicUrl: () => 'https://chat.example' });
    assert.match((await site.start()).streamUrl, /^wss:\/\/chat\.example\/v3\/directline\/conversations\//);
  });

  it('takes activities as frames, on either path; empty frames and rubbish change nothing', async () => {
    const grant = await site.start();
    const stream = await open(grant.streamUrl.replace('/stream?', '/stream/multimodal?'));
    stream.socket.send('');
    stream.socket.send('{');
    stream.socket.send('[]');
    stream.socket.send(Buffer.from([1, 2, 3]));
    stream.socket.send(JSON.stringify({ type: 'message', text: 'one', from: { id: 'ana', role: 'bot' } }));
    stream.socket.send(JSON.stringify({ type: 'message', text: 'two' }));
    await until('the answers', () => stream.texts.length === 4);
    const own = stream.activities.filter(({ from }) => from?.role === 'user');
    assert.deepEqual(
      own.map(({ text, from }) => [text, from?.id]),
      [
        ['one', 'dl_kim'],
        ['two', 'dl_kim'],
      ],
    );
  });

  it('keeps the line open with empty frames', async () => {
    await site.close();
    site = await openSite({ keepAliveMs: 20 });
    const stream = await open((await site.start()).streamUrl);
    await until('three of them', () => stream.empty >= 3);
    assert.equal(stream.socket.readyState, WebSocket.OPEN);
  });

  it('cuts a socket whose other end is gone without a word', async () => {
    await site.close();
    site = await openSite({ keepAliveMs: 50 });
    const stream = await open((await site.start()).streamUrl);
    // Reads nothing any more: pings stay without an answer.
    stream.socket.pause();
    await until('it is cut', () => site.directLine.figures.dropped === 1);
    await until('it is forgotten', () => site.directLine.figures.open === 0);
  });

  it('stops feeding a socket that does not read, with little memory, and brings it up to date when it reads on', async function () {
    this.timeout(30_000);
    const grant = await site.start();
    const slow = await open(grant.streamUrl);
    const quick = await open(grant.streamUrl);
    await until('both are live', () => site.directLine.figures.open === 2);
    slow.socket.pause();
    const count = 150;
    const filler = 'x'.repeat(100_000);
    let highest = 0;
    for (let number = 0; number < count; number += 1) {
      await site.hub.botSays(grant.conversationId, 'demo', [{ type: 'message', text: `${number} ${filler}` }]);
      highest = Math.max(highest, site.directLine.figures.bufferedBytes);
    }
    await until('the quick one has all', () => quick.texts.length === count);
    assert.equal(site.directLine.figures.paused, 1, 'the slow one was taken off');
    assert.ok(slow.texts.length < count);
    assert.ok(highest < 1_500_000, `${highest} bytes were buffered`);
    slow.socket.resume();
    await until('the slow one has all', () => slow.texts.length >= count, 20_000);
    assert.deepEqual(
      slow.texts.map((text = '') => Number(text.split(' ')[0])),
      [...Array(count).keys()],
    );
    await say(grant, { text: 'live again' });
    await until('live', () => slow.texts.includes('Echo: live again'));
    assert.equal(site.directLine.figures.dropped, 0);
  });

  it('cuts a socket that takes nothing for too long', async function () {
    this.timeout(30_000);
    await site.close();
    site = await openSite({ stallMs: 100 });
    const grant = await site.start();
    const stuck = await open(grant.streamUrl);
    stuck.socket.pause();
    const filler = 'x'.repeat(200_000);
    for (let number = 0; site.directLine.figures.paused === 0 && number < 400; number += 1)
      await site.hub.botSays(grant.conversationId, 'demo', [{ type: 'message', text: filler }]);
    await until('it is cut', () => site.directLine.figures.dropped === 1);
  });

  it('tells every client to come back when the server goes, and takes nobody for gone', async () => {
    site.bot.script = (activity) => (activity.text === 'human' ? [handoff({ BotHandoffTopic: 'CreditCard' })] : []);
    const grant = await site.start();
    const stream = await open(grant.streamUrl);
    await say(grant, { text: 'human' });
    await site.hub.settled();
    const closed = once(stream.socket, 'close') as Promise<[number]>;
    await site.directLine.close();
    assert.equal((await closed)[0], 1001);
    await site.hub.settled();
    const state = await site.state(grant.conversationId);
    assert.equal(state.phase, 'queued');
    assert.equal(state.customerGone, false);
  });

  describe('coming and going', () => {
    const comings = async (conversationId: string) =>
      (await site.log(conversationId))
        .map(({ event }) => event.type)
        .filter((type) => type === 'disconnected' || type === 'reconnected');

    beforeEach(async () => {
      await site.close();
      site = await openSite({
        bot: new FunctionBot((activity) =>
          activity.text === 'human' ? [handoff({ BotHandoffTopic: 'CreditCard' })] : ['Echo'],
        ),
      });
    });

    async function queued(): Promise<Widget> {
      const widget = await site.widget({ user: { id: 'dl_kim' } });
      await widget.say('human');
      await until('the line', async () => (await site.state(widget.conversationId)).phase === 'queued');
      return widget;
    }

    it('counts a waiting customer as gone with the last socket and as back with the next', async () => {
      const widget = await queued();
      const tab = await open((await again(widget)).streamUrl);
      await tab.close();
      await until('the tab is closed', () => site.directLine.figures.open === 1);
      await site.hub.settled();
      assert.deepEqual(await comings(widget.conversationId), []);
      widget.drop();
      await until('gone', async () => (await site.state(widget.conversationId)).customerGone);
      await widget.reconnect();
      await until('back', async () => !(await site.state(widget.conversationId)).customerGone);
      assert.deepEqual(await comings(widget.conversationId), ['disconnected', 'reconnected']);
    });

    it('notes nothing while a bot has the conversation', async () => {
      const widget = await site.widget({ user: { id: 'dl_kim' } });
      widget.drop();
      await until('the socket is closed', () => site.directLine.figures.open === 0);
      await widget.reconnect();
      await site.hub.settled();
      assert.deepEqual(await comings(widget.conversationId), []);
    });

    it('does not let people wait for a customer who left while the bot was still asking for them', async () => {
      const widget = await site.widget({ user: { id: 'dl_kim' } });
      let escalate: (() => void) | undefined;
      site.bot.script = () =>
        new Promise((resolve) => (escalate = () => resolve([handoff({ BotHandoffTopic: 'CreditCard' })])));
      await widget.say('human');
      await until('the bot', () => escalate !== undefined);
      widget.drop();
      await until('the socket is closed', () => site.directLine.figures.open === 0);
      escalate?.();
      await until('gone', async () => (await site.state(widget.conversationId)).customerGone);
      assert.equal((await site.state(widget.conversationId)).phase, 'queued');
      assert.notEqual((await site.state(widget.conversationId)).timers.customerGone, undefined);
    });

    it('says later what could not be recorded at once: who left is gone, and who has a socket is there', async () => {
      await site.close();
      site = await openSite({
        bot: new FunctionBot(() => [handoff({ BotHandoffTopic: 'CreditCard' })]),
        keepAliveMs: 20,
      });
      const { store } = site;
      const append = store.append.bind(store);
      let failed = 0;
      const failOnceTo = (type: string): void => {
        store.append = (what) => {
          if (what.events[0]?.type !== type) return append(what);
          store.append = append;
          failed += 1;
          return Promise.reject(new StoreUnavailable('The database is away.'));
        };
      };
      const left = await queued();
      failOnceTo('disconnected');
      left.drop();
      await until('gone', async () => (await site.state(left.conversationId)).customerGone, 5_000);
      const there = await queued();
      failOnceTo('reconnected');
      await site.hub.handle(there.conversationId, { type: 'disconnect', party: 'customer' });
      await until('there', async () => !(await site.state(there.conversationId)).customerGone, 5_000);
      assert.equal(failed, 2);
    });

    it('ends well when customers come and go in the same moment', async () => {
      const widget = await queued();
      for (let round = 0; round < 20; round += 1) await widget.reconnect();
      await until('only the last one is open', () => site.directLine.figures.open === 1);
      await until('there', async () => !(await site.state(widget.conversationId)).customerGone);
      await site.hub.settled();
      assert.equal((await site.state(widget.conversationId)).customerGone, false);
    });
  });

  it('lets the oldest go when one client piles up sockets', async function () {
    this.timeout(20_000);
    const grant = await site.start();
    const oldest = await open(grant.streamUrl);
    const closed = once(oldest.socket, 'close') as Promise<[number]>;
    for (let number = 0; number < 32; number += 1) await open(grant.streamUrl);
    assert.equal((await closed)[0], 1001);
    assert.equal(site.directLine.figures.open, 32);
  });

  it('forgets a conversation nobody listens to', async () => {
    const grant = await site.start();
    const stream = await open(grant.streamUrl);
    assert.equal(site.hub.isWatched(grant.conversationId), true);
    await say(grant, { type: 'endOfConversation' });
    await stream.close();
    await until('forgotten', () => !site.hub.isWatched(grant.conversationId));
  });

  it('starts with the secret’s own reading, too', async () => {
    const grant = await site.start();
    const { streamUrl } = await again({ conversationId: grant.conversationId, token: SECRET });
    const stream = await open(streamUrl);
    await say(grant, { text: 'hello' });
    await until('the answer', () => stream.texts.length === 2);
  });
});
