// People who serve from a chat while several processes share one PostgreSQL: any of them hears them, and one tells them, once.

import assert from 'node:assert/strict';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { verify } from '../../src/verify.js';
import { CONFIGURATION, officeBot } from '../console/office.js';
import { ChatClient, wordsOf } from '../fakes/chatClient.js';
import { until } from '../fakes/shop.js';
import { Widget } from '../fakes/widget.js';
import { ask, freshSchema, inSchema } from '../store/cluster.js';

const SECRET = 'the-secret-of-two-nodes';
const TIMES = { beatMs: 50, silentMs: 600, lookMs: 50, recountMs: 300 };

describe('people in a chat with several nodes', () => {
  let url: string;
  let hubs: HandoffHub[];
  let urls: string[];
  let ana: ChatClient;
  let widgets: Widget[];

  beforeEach(async () => {
    url = await freshSchema();
    hubs = [];
    urls = [];
    widgets = [];
    for (let n = 0; n < 2; n += 1) await startNode();
    ana = await ChatClient.start('');
  });
  afterEach(async () => {
    await Promise.all(widgets.map((widget) => widget.close()));
    await Promise.all(hubs.map((hub) => hub.stop()));
    await ana.stop();
  });

  async function startNode(): Promise<void> {
    const hub = createHub({ store: new PostgresStore({ url }), configuration: CONFIGURATION, nodeTimes: TIMES });
    hub.connectBot('demo', officeBot());
    hubs.push(hub);
    const options = { port: 0, host: '127.0.0.1', directLineSecrets: [SECRET], agentMessages: { settings: {} } };
    urls.push((await hub.listen(options)).replace('localhost', '127.0.0.1'));
  }
  const hubAt = (node: number) => hubs[node] as HandoffHub;
  /** From now on the proxy leads the person there. */
  const leadTo = (node: number) => void (ana.channel.endpoint = `${urls[node]}/api/agent-messages`);

  async function signInAt(node: number, person = 'ana'): Promise<void> {
    leadTo(node);
    await ana.writes(`sign in ${await hubAt(node).createPairingCode(person)}`);
    await ana.sees(/available/);
  }
  async function customerAt(node: number, name = 'Kim'): Promise<Widget> {
    const user = { id: `dl_${name}`, name };
    const widget = await Widget.start({ url: urls[node] as string, secret: SECRET, user });
    widgets.push(widget);
    await widget.next('Welcome');
    return widget;
  }
  async function servedAt(node: number): Promise<Widget> {
    const kim = await customerAt(node);
    await kim.say('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
    await ana.sees(/what was said before/);
    return kim;
  }

  /** The process is gone: nothing of it runs any more, and it has said goodbye to nobody. */
  async function die(node: number): Promise<void> {
    const hub = hubAt(node);
    const shared = hub.store.shared as { leave: () => Promise<void> };
    shared.leave = () => Promise.resolve();
    await hub.stop(0);
  }
  /** It gives no sign of life until the returned function is called, and goes on otherwise. */
  function silence(node: number): () => void {
    const shared = hubAt(node).store.shared as { beat: (silentMs: number) => Promise<unknown> };
    const beat = shared.beat.bind(shared);
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    shared.beat = async (silentMs) => {
      await asleep;
      return beat(silentMs);
    };
    return wake;
  }

  /** New messages; a card may be changed afterwards. */
  const seen = (wanted: RegExp) =>
    ana.channel.delivered.flatMap((one) => (one.method === 'POST' && wanted.test(wordsOf(one)) ? [wordsOf(one)] : []));
  const numbered = (what: string, count: number) => Array.from({ length: count }, (_, index) => `${what} ${index + 1}`);

  it('hear a person wherever they are led, and tell everything once and in order', async () => {
    await signInAt(0);
    leadTo(1);
    const kim = await servedAt(0);
    for (let count = 1; count <= 12; count += 1) {
      leadTo(count % 2);
      await Promise.all([kim.say(`question ${count}`), ana.writes(`answer ${count}`)]);
    }
    await kim.next('answer 12');
    await ana.reads(/question 12$/);
    assert.deepEqual(
      seen(/question/),
      numbered('question', 12).map((words) => `#1 Kim: ${words}`),
    );
    assert.deepEqual(
      kim.received.flatMap(({ text }) => (text?.startsWith('answer') === true ? [text] : [])),
      numbered('answer', 12),
    );
    leadTo(0);
    await ana.writes('end');
    await ana.presses(await ana.sees(/has ended/), 'Close');
    await ana.reads(/It is closed since/);
    for (const once of [/Request #1 from Kim/, /you are talking with Kim/, /has ended/])
      assert.equal(seen(once).length, 1, String(once));
    assert.doesNotMatch(ana.everything.join('\n'), /Something went wrong/);
    assert.deepEqual((await verify(hubAt(0).store)).faults, []);
  });

  it('keep telling a person whose node died, from where it stopped, and hear them there', async () => {
    await signInAt(0);
    const kim = await servedAt(1);
    await kim.say('before');
    await ana.reads(/#1 Kim: before$/);
    await die(0);
    await kim.say('meanwhile');
    assert.equal(await ana.reads(/meanwhile/), '#1 Kim: meanwhile');
    leadTo(1);
    await ana.writes('still here');
    await kim.next('still here');
    await kim.say('good');
    await ana.reads(/#1 Kim: good$/);
    for (const once of [/Request #1 from Kim/, /you are talking with Kim/, /Kim: before$/, /Kim: meanwhile$/])
      assert.equal(seen(once).length, 1, String(once));
  });

  it('show a request once that was made while the node that would have told of it was dead', async () => {
    await signInAt(0);
    const kim = await customerAt(1);
    await die(0);
    await kim.say('human CreditCard');
    const request = await ana.sees(/Request #1 from Kim/);
    leadTo(1);
    await ana.presses(request, 'Accept');
    await kim.next('Ana joined the conversation.');
    assert.equal(seen(/Request #1/).length, 1);
  });

  it('pass a person on when a node is stopped, without asking them anything again', async () => {
    await signInAt(0);
    const kim = await customerAt(1);
    await kim.say('human CreditCard');
    const request = await ana.sees(/Request #1 from Kim/);
    await hubAt(0).stop();
    await startNode();
    leadTo(2);
    await ana.presses(request, 'Accept');
    await kim.next('Ana joined the conversation.');
    assert.equal(seen(/Request #1/).length, 1);
  });

  it('say once what the channel posts at two of them, and once that it is noted', async () => {
    await signInAt(0);
    const kim = await servedAt(0);
    const message = { type: 'message', text: 'only once', id: 'same' };
    const posted = [0, 1, 1, 0].map((node) => {
      leadTo(node);
      return ana.posts(message);
    });
    await Promise.all(posted);
    await ana.writes('and this');
    await kim.next('and this');
    assert.equal(kim.received.filter(({ text }) => text === 'only once').length, 1);
  });

  it('wait for a message that is under way at another node before they answer', async () => {
    await signInAt(0);
    const kim = await servedAt(0);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const underWay = new Promise<void>((resolve) => {
      ana.channel.refuse = async ({ activity }) => {
        if (activity.text?.endsWith('slow one') === true) {
          resolve();
          await held;
        }
        return undefined as unknown as number;
      };
    });
    await kim.say('slow one');
    await underWay;
    leadTo(1);
    const answered = ana.writes('list');
    await kim.say('next one');
    release();
    await answered;
    await ana.reads(/next one$/);
    const order = ana.everything.filter((words) => /slow one$|next one$|talking with you/.test(words));
    assert.match(order.at(0) ?? '', /slow one$/);
    assert.deepEqual([seen(/slow one$/).length, seen(/next one$/).length], [1, 1]);
  });

  it('tell nothing twice when a node wakes that others took for dead', async () => {
    await signInAt(0);
    const kim = await servedAt(1);
    const wake = silence(0);
    await until('the other node takes it for dead', () => hubAt(1).nodes?.isKeeper === true);
    await kim.say('in between');
    await ana.reads(/in between$/);
    wake();
    await until('it lives again', () => hubAt(0).nodes?.isKeeper === false);
    for (const node of [0, 1]) {
      await kim.say(`after ${node}`);
      await ana.reads(new RegExp(`after ${node}$`));
      leadTo(node);
      await ana.writes(`heard at ${node}`);
      await kim.next(`heard at ${node}`);
    }
    for (const once of [/in between$/, /after 0$/, /after 1$/]) assert.equal(seen(once).length, 1, String(once));
  });

  it('give the seat also when every notice between them is lost', async () => {
    for (const hub of hubs) (hub.store.shared?.bus as { publish: unknown }).publish = () => undefined;
    await signInAt(0);
    leadTo(1);
    const kim = await servedAt(0);
    leadTo(0);
    await ana.writes('from the first');
    await kim.next('from the first');
    await kim.say('thank you');
    await ana.reads(/thank you$/);
    assert.equal(seen(/Request #1/).length, 1);
  });

  it('sign one account in once when two codes come at two nodes at the same moment', async () => {
    const codes = [await hubAt(0).createPairingCode('ana'), await hubAt(1).createPairingCode('ben')];
    const asked = codes.map((code, node) => {
      leadTo(node);
      return ana.writes(`sign in ${code}`);
    });
    await Promise.all(asked);
    assert.equal(seen(/^Hello /).length, 1);
    assert.equal(seen(/^You are signed in as (Ana|Ben)\./).length, 1);
    await ana.writes('sign out');
    await ana.reads(/^You are signed out\.$/);
    leadTo(0);
    await ana.writes('status');
    await ana.reads(/You are not signed in here/);
  });

  it('sign out who asks for it at one while another asks for the seat', async () => {
    await signInAt(0);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { people } = hubAt(0);
    const attended = people.attended.bind(people);
    const underWay = new Promise<void>((resolve) => {
      people.attended = async (person) => {
        resolve();
        await held;
        return attended(person);
      };
    });
    const out = ana.writes('sign out');
    await underWay;
    leadTo(1);
    const listed = ana.writes('list');
    await until('the seat is asked for', async () => {
      const wanted = await ask(inSchema(url), 'SELECT 1 FROM holding WHERE wanted_by IS NOT NULL');
      return wanted.length > 0;
    });
    release();
    await Promise.all([out, listed]);
    await ana.writes('status');
    await ana.reads(/You are not signed in here/);
  });

  it('keep the conversation with who closes the console at one and writes in the chat at another', async () => {
    await signInAt(0);
    const kim = await servedAt(0);
    hubAt(1).people.connected('ana');
    await hubAt(1).settled();
    await ana.writes('I go on here');
    await kim.next('I go on here');
    hubAt(1).people.disconnected('ana');
    await hubAt(1).settled();
    const entries = await hubAt(0).store.entries(kim.conversationId, 0, 1_000);
    assert.ok(!entries.some(({ event }) => event.type === 'disconnected'));
  });
});
