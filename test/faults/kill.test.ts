// A server is killed with -9 again and again while customers, a bot behind an endpoint and people talk through it.

import assert from 'node:assert/strict';
import type { Entry, Role } from '../../src/core/conversation.js';
import type { Desk } from '../console/office.js';
import { HttpBot } from '../fakes/httpBot.js';
import { until } from '../fakes/shop.js';
import { faultsOf, History } from './history.js';
import {
  configurationOf,
  Customer,
  describeFaults,
  leftBehind,
  Node,
  overdue,
  personSays,
  randomFor,
  report,
} from './rig.js';
import { sized } from './size.js';

const KILLS = sized({ full: 50, short: 3 });
const CUSTOMERS = sized({ full: 16, short: 6 });
const PEOPLE = ['agent0', 'agent1'];
const CAPACITY = 3;

describeFaults('a server that is killed under load', (place) => {
  it('loses, doubles and reorders nothing that it acknowledged, to customers, bot and people', async () => {
    const random = randomFor('kill');
    const history = new History();
    const bot = await HttpBot.start(async ({ activity, reply }) => {
      if (activity.type !== 'message') return;
      const conversation = activity.conversation?.id ?? '';
      if (activity.text?.includes('human') === true)
        return void (await reply({ type: 'event', name: 'handoff.initiate', value: {} }));
      const text = `Echo: ${activity.text}`;
      history.sent('bot:demo', conversation, text);
      const { status } = await reply(text);
      if (status === 200 || status === 201) history.acknowledged('bot:demo', conversation, text);
    });
    const configuration = configurationOf({ endpoint: bot.endpoint, agents: PEOPLE.length, capacity: CAPACITY });
    const nodes: Node[] = [];
    const customers: Customer[] = [];
    const desks = new Map<string, Desk>();
    try {
      while (nodes.length < place().nodes) nodes.push(await Node.start(place(), configuration));
      // Customers and people are spread over the nodes.
      const nodeOf = (index: number): Node => nodes[index % nodes.length] as Node;
      for (const [index, who] of [...PEOPLE, 'sam'].entries()) desks.set(who, await nodeOf(index).desk(who));
      for (let n = 0; n < CUSTOMERS; n += 1)
        customers.push(await Customer.start(history, nodeOf(n).url, `customer${n}`));
      for (let kill = 0; kill < KILLS; kill += 1) {
        const victim = nodeOf(Math.floor(random() * nodes.length));
        await killUnderLoad(victim, customers, desks, history, 20 + Math.floor(random() * 80));
        for (const { widget } of customers) await widget.reconnect();
      }
      for (const customer of customers) await customer.settle();
      // However the kills fell, and whoever had to take over: who wants a person gets one in the end.
      await customers[0]?.say('wants a human');
      await until('a person has taken a chat', () => anybodyTakes(PEOPLE.map((who) => desks.get(who) as Desk)));
      const sam = desks.get('sam') as Desk;
      for (const node of nodes) await node.settled();
      for (const customer of customers) await customer.caughtUp();
      assert.deepEqual(await overdue(sam), []);
      for (const node of nodes) assert.equal(await node.stop(), 0);

      const { logs, faults } = await leftBehind(place());
      assert.deepEqual(faults, []);
      const capacities = Object.fromEntries(PEOPLE.map((id) => [id, CAPACITY]));
      assert.deepEqual(faultsOf(history, { logs, capacities }), []);
      for (const log of logs.values())
        if (!log.some(({ event }) => event.type === 'escalated'))
          assert.deepEqual(
            saidBy(log, 'bot'),
            saidBy(log, 'customer').map((text) => `Echo: ${text}`),
            'the bot heard and answered all of it, once, in order',
          );
      const entries = [...logs.values()].flat();
      const accepted = entries.filter(({ event }) => event.type === 'accepted').length;
      assert.ok(accepted > 0, 'people had a part in it');
      report({
        kills: KILLS,
        sent: history.count('sent'),
        acknowledged: history.count('acknowledged'),
        received: history.count('received'),
        accepted,
        lost: 0,
        doubled: 0,
        reordered: 0,
      });
    } finally {
      for (const { widget } of customers) await widget.close();
      for (const desk of desks.values()) desk.close();
      for (const node of nodes) await node.end();
      await bot.stop();
    }
  });
});

/** Everybody talks; after so many acknowledgements the server dies in the middle of it and starts again. */
async function killUnderLoad(
  node: Node,
  customers: readonly Customer[],
  desks: ReadonlyMap<string, Desk>,
  history: History,
  after: number,
): Promise<void> {
  let acknowledged = 0;
  let isUp = true;
  const goesOn = (): boolean => isUp;
  let enough: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (enough = resolve));
  const count = (): void => {
    acknowledged += 1;
    if (acknowledged === after) enough();
  };
  const [wanting, ...others] = customers as [Customer, ...Customer[]];
  const talks = [
    ...others.map((customer) => customer.talk(goesOn, count)),
    // One of them asks for a person whenever the bot has the chat.
    wanting.talk(goesOn, count, 'wants a human'),
    ...PEOPLE.map((who) => serve(desks.get(who) as Desk, who, history, goesOn)),
  ];
  await reached;
  await node.killAndStart(() => (isUp = false));
  await Promise.all(talks);
}

/** @returns whether one of them has a chat now. */
async function anybodyTakes(desks: readonly Desk[]): Promise<boolean> {
  for (const desk of desks) {
    await desk.present();
    const { body } = await desk.get('/conversations?agent=me&phase=offered&phase=agent');
    for (const { id, phase } of (body as { items: { id: string; phase: string }[] }).items)
      if (phase === 'agent' || (await desk.asks(id, 'accept')).status === 200) return true;
  }
  return false;
}

let said = 0;

/** A person takes what is offered, says two things in each chat and gives it back, until the server is gone. */
async function serve(desk: Desk, who: string, history: History, goesOn: () => boolean): Promise<void> {
  try {
    await desk.present();
    while (goesOn()) {
      const { body } = await desk.get('/conversations?agent=me&phase=offered&phase=agent');
      for (const { id, phase } of (body as { items: { id: string; phase: string }[] }).items) {
        if (phase === 'offered') await desk.asks(id, 'accept');
        for (let n = 0; n < 2; n += 1) {
          said += 1;
          await personSays(history, desk, who, id, `${who} says ${said}`);
        }
        await desk.asks(id, 'return');
      }
    }
  } catch {
    // The server is gone; the next round goes on.
  }
}

function saidBy(log: readonly Entry[], role: Role): string[] {
  return log.flatMap(({ event }) =>
    event.type === 'said' && event.by.role === role ? (event.body?.activity?.text ?? []) : [],
  );
}
