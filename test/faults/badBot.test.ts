// A bot behind an endpoint that does everything wrong that a bot can do, while many customers talk to it.

import assert from 'node:assert/strict';
import { HttpBot, type BotAnswer, type Script } from '../fakes/httpBot.js';
import { until } from '../fakes/shop.js';
import type { Desk } from '../console/office.js';
import { faultsOf, History } from './history.js';
import { Nodes } from './nodes.js';
import { configurationOf, Customer, describeFaults, leftBehind, overdue, report } from './rig.js';
import { isFull, sized } from './size.js';

const CUSTOMERS = sized({ full: 50, short: 8 });
/** For bots that hang, so that nobody waits long; one that answers has the product's own time, also on a machine that is busy. */
const SHORT_PATIENCE = { BOT_TIMEOUT_MS: '3000' };
/** Until a slow bot answers. */
const SLOW_MS = 500;
const never = (): Promise<never> => new Promise(() => undefined);

/** What the customer ends up with: the bot's answer, or a place in line for a person. */
type Ending = 'answered' | 'inLine';

const replies = (body: unknown): BotAnswer => ({ status: 200, body });

/** What becomes of the customer's second message; to the first the bot always says hello. */
const MISBEHAVIOURS: Record<string, { script: Script; ending: Ending; delivery?: 'expectReplies' }> = {
  'is slow': {
    script: async ({ activity, reply }) => {
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
      await reply(`Echo: ${activity.text}`);
    },
    ending: 'answered',
  },
  hangs: { script: never, ending: 'inLine' },
  'answers and hangs': {
    script: async ({ activity, reply }) => {
      await reply(`Echo: ${activity.text}`);
      await never();
    },
    ending: 'inLine',
  },
  'answers 500': { script: () => ({ status: 500, body: { error: 'bug' } }), ending: 'inLine' },
  'answers with a web page': {
    script: () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }),
    ending: 'inLine',
  },
  'breaks the connection': { script: ({ hangUp }) => hangUp(), ending: 'inLine' },
  'answers with its replies': {
    script: ({ activity }) => replies({ activities: [{ type: 'message', text: `Echo: ${activity.text}` }] }),
    ending: 'answered',
    delivery: 'expectReplies',
  },
  'answers with half of its replies': {
    script: () => replies(Buffer.from('{"activities": [{"type": "message", "text": "Ec')),
    ending: 'inLine',
    delivery: 'expectReplies',
  },
  'answers with something other than replies': {
    script: () => replies({ activities: 'Echo' }),
    ending: 'inLine',
    delivery: 'expectReplies',
  },
  'answers with replies that are none': {
    script: () => replies({ activities: [{ type: 'message', text: 'Echo' }, 'Echo', { text: { nested: true } }] }),
    ending: 'inLine',
    delivery: 'expectReplies',
  },
};

/** Each needs processes of its own: the short form tries all of them on one store. */
const TRIED_EVERYWHERE = ['hangs', 'answers with half of its replies'];

describeFaults('a bot that', (place, { isShared }) => {
  let bot: HttpBot;
  let nodes: Nodes;
  let sam: Desk;
  let history: History;
  const customers: Customer[] = [];
  /** Customers whom the bot has answered once. */
  async function begin(env: Record<string, string> = {}, delivery?: 'expectReplies'): Promise<void> {
    const staffing = { endpoint: bot.endpoint, agents: 1, capacity: CUSTOMERS };
    const configuration = configurationOf(delivery === undefined ? staffing : { ...staffing, delivery });
    nodes = await Nodes.start(place(), configuration, () => env);
    sam = await nodes.of(1).desk('sam');
    history = new History();
    for (let n = 0; n < CUSTOMERS; n += 1)
      customers.push(await Customer.start(history, nodes.of(n).url, `customer${n}`));
    for (const customer of customers) await customer.widget.next(`Echo: ${await customer.say()}`, 20_000);
  }
  beforeEach(async () => {
    bot = await HttpBot.start();
  });
  afterEach(async () => {
    for (const { widget } of customers.splice(0)) await widget.close();
    (sam as Desk | undefined)?.close();
    await (nodes as Nodes | undefined)?.end();
    await bot.stop();
  });

  async function phaseOf({ id }: Customer): Promise<string> {
    return ((await sam.get(`/conversations/${id}`)).body as { phase: string }).phase;
  }

  /** Everything was kept, nobody is stuck. */
  async function expectAllKept(): Promise<void> {
    for (const customer of customers) await customer.caughtUp();
    assert.deepEqual(await overdue(sam), []);
    await nodes.stop();
    const { logs, faults } = await leftBehind(place());
    assert.deepEqual(faults, []);
    assert.deepEqual(faultsOf(history, { logs }), []);
  }

  const tried = Object.entries(MISBEHAVIOURS).filter(
    ([what]) => isFull || !isShared || TRIED_EVERYWHERE.includes(what),
  );
  for (const [what, { script, ending, delivery }] of tried)
    it(`${what} leaves no customer without an answer or a person, and no message is lost`, async () => {
      await begin(ending === 'inLine' ? SHORT_PATIENCE : {}, delivery);
      bot.script = async (turn) => (turn.activity.type === 'message' ? await script(turn) : undefined);
      const texts = await Promise.all(customers.map((customer) => customer.say()));
      for (const [index, customer] of customers.entries()) {
        if (ending === 'answered') await customer.widget.next(`Echo: ${texts[index]}`, 60_000);
        else await until(`${customer.name} is in line`, async () => (await phaseOf(customer)) === 'queued', 60_000);
      }
      await expectAllKept();
      report({ bot: what, customers: CUSTOMERS, [ending]: CUSTOMERS, lost: 0 });
    });

  it('says everything twice is heard twice: what a bot sends is not guessed at', async () => {
    await begin();
    bot.script = async ({ activity, reply }) => {
      if (activity.type !== 'message') return;
      await Promise.all([reply(`Echo: ${activity.text}`), reply(`Echo: ${activity.text}`)]);
    };
    const texts = await Promise.all(customers.map((customer) => customer.say()));
    for (const [index, customer] of customers.entries())
      for (let time = 0; time < 2; time += 1) await customer.widget.next(`Echo: ${texts[index]}`, 20_000);
    await expectAllKept();
  });

  it('goes on answering after a person has accepted reaches no customer, only staff', async () => {
    await begin(SHORT_PATIENCE);
    let mayAnswer: () => void = () => undefined;
    const accepted = new Promise<void>((resolve) => (mayAnswer = resolve));
    let late = 0;
    bot.script = async ({ activity, reply }) => {
      if (activity.type !== 'message') return;
      await reply({ type: 'event', name: 'handoff.initiate', value: {} });
      await accepted;
      for (let n = 0; n < 3; n += 1) {
        // Kept for staff: acknowledged to the bot like every other reply.
        assert.ok((await reply(`late ${n}`)).status < 300);
        late += 1;
      }
    };
    const agent = await nodes.of(0).desk('agent0');
    try {
      await agent.present();
      await Promise.all(customers.map((customer) => customer.say()));
      for (const customer of customers) {
        await until('the chat is offered', async () => (await phaseOf(customer)) === 'offered', 60_000);
        assert.equal((await agent.asks(customer.id, 'accept')).status, 200);
      }
      mayAnswer();
      await until('the bot has said all of it', () => late === CUSTOMERS * 3);
      await Promise.all(customers.map((customer) => customer.say()));
    } finally {
      agent.close();
    }
    for (const { widget } of customers) {
      const read = await widget.read();
      assert.deepEqual(
        read.filter(({ text }) => text?.startsWith('late ')),
        [],
      );
    }
    await expectAllKept();
    report({ 'late replies': late, 'that reached a customer': 0 });
  });
});
