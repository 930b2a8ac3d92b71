// Customers, a bot behind an endpoint and people who talk through the processes of a place while something is done to those.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry, Role } from '../../src/core/conversation.js';
import type { Desk } from '../console/office.js';
import { HttpBot } from '../fakes/httpBot.js';
import { request } from '../fakes/request.js';
import { until } from '../fakes/shop.js';
import { faultsOf, History } from './history.js';
import { Nodes } from './nodes.js';
import { sized } from './size.js';
import { AGAIN_MS, configurationOf, Customer, leftBehind, overdue, personSays, type Place } from './rig.js';

const PEOPLE = ['agent0', 'agent1'];
const CAPACITY = 3;
/** How far the clocks of nodes on one database, which each measures by itself, may be apart on a busy machine. */
const CLOCKS_DIFFER_MS = 250;

/** Until something that must go on by itself has. */
const PATIENCE_MS = 60_000;

/** How much is said before a fault and after it, by a number from 0 up to 1. */
export function stretch(number: number): number {
  return sized({ full: 20 + Math.floor(number * 80), short: 5 + Math.floor(number * 20) });
}

export class Crowd {
  readonly history = new History();
  readonly customers: Customer[] = [];
  /** For what the bot was found failing, by the logs; known with the verdict. */
  readonly botFailures: string[] = [];
  readonly #desks = new Map<string, Desk>();
  #bot!: HttpBot;
  #nodes!: Nodes;
  #said = 0;

  private constructor(private readonly place: Place) {}

  /** `env`: what the environment of each process must say besides, by its index. */
  static async start(
    place: Place,
    { customers, env }: { customers: number; env?: (index: number) => Record<string, string> },
  ): Promise<Crowd> {
    const crowd = new Crowd(place);
    try {
      await crowd.#begin(customers, env);
    } catch (error) {
      await crowd.end();
      throw error;
    }
    return crowd;
  }

  get nodes(): Nodes {
    return this.#nodes;
  }

  /**
   * Everybody talks and repeats what nobody answered: until so many messages are acknowledged, while the fault goes on, and
   * until as many are acknowledged after it. `more` resolves when that many more are.
   */
  async talk(acknowledged: number, fault: (more: (count: number) => Promise<void>) => Promise<void>): Promise<void> {
    let goOn = true;
    let count = 0;
    const goesOn = (): boolean => goOn;
    const more = (wanted: number): Promise<void> => {
      const before = count;
      return until(`${wanted} more messages are acknowledged`, () => count >= before + wanted, PATIENCE_MS);
    };
    const heard = (): number => (count += 1);
    const [wanting, ...others] = this.customers as [Customer, ...Customer[]];
    const talks = [
      ...others.map((customer) => customer.talk(goesOn, heard)),
      // One of them asks for a person whenever the bot has the chat.
      wanting.talk(goesOn, heard, 'wants a human'),
      ...PEOPLE.map((who) => this.#serve(who, goesOn)),
    ];
    try {
      await more(acknowledged);
      await fault(more);
      await more(acknowledged);
    } finally {
      goOn = false;
      await Promise.all(talks);
    }
  }

  /** Every customer comes back, at the next node. */
  async moveOn(): Promise<void> {
    this.#moves += 1;
    for (const [index, { widget }] of this.customers.entries())
      await widget.reconnect(this.#nodes.of(index + this.#moves).url);
  }

  /** A customer says something at another node than their socket is at. @returns after how long the socket has it, in ms. */
  async sayElsewhere(index: number): Promise<number> {
    const { widget, name } = this.customers[index % this.customers.length] as Customer;
    const text = `${name} says elsewhere ${(this.#said += 1)}`;
    const { conversationId, token, userId } = widget;
    this.history.sent('customer', conversationId, text);
    const url = `${this.#nodes.of(index + this.#moves + 1).url}/v3/directline/conversations/${conversationId}/activities`;
    const answer = await request('POST', url, { token, body: { type: 'message', text, from: { id: userId } } });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    this.history.acknowledged('customer', conversationId, text);
    const since = performance.now();
    await widget.next(text, PATIENCE_MS);
    return performance.now() - since;
  }

  /** Stops the processes, and holds what everybody saw against what is left. @returns figures for the report. */
  async verdict(): Promise<Record<string, number>> {
    const { history, customers } = this;
    for (const customer of customers)
      await until(`${customer.name} has been heard`, () =>
        customer.settle().then(
          () => true,
          () => false,
        ),
      );
    // However the faults fell, and whoever had to take over: who wants a person gets one in the end.
    await customers[0]?.say('wants a human');
    await until('a person has taken a chat', () => this.#anybodyTakes());
    await this.#nodes.settled();
    for (const customer of customers) await customer.caughtUp();
    assert.deepEqual(await overdue(this.#desks.get('sam') as Desk), []);
    for (const code of await this.#nodes.stop()) assert.equal(code, 0);

    const { logs, faults } = await leftBehind(this.place);
    assert.deepEqual(faults, []);
    const capacities = Object.fromEntries(PEOPLE.map((id) => [id, CAPACITY]));
    const clocksDifferMs = this.place.nodes > 1 ? CLOCKS_DIFFER_MS : 0;
    assert.deepEqual(faultsOf(history, { logs, capacities, clocksDifferMs }), []);
    for (const log of logs.values())
      if (!log.some(({ event }) => event.type === 'escalated'))
        assert.deepEqual(
          saidBy(log, 'bot'),
          saidBy(log, 'customer').map((text) => `Echo: ${text}`),
          'the bot heard and answered all of it, once, in order',
        );
    const events = [...logs.values()].flatMap((log) => log.map(({ event }) => event));
    const accepted = events.filter(({ type }) => type === 'accepted').length;
    assert.ok(accepted > 0, 'people had a part in it');
    for (const event of events) if (event.type === 'botFailed') this.botFailures.push(event.cause);
    return {
      sent: history.count('sent'),
      acknowledged: history.count('acknowledged'),
      received: history.count('received'),
      accepted,
      lost: 0,
      doubled: 0,
      reordered: 0,
    };
  }

  /** Whatever happened: nothing is left running. */
  async end(): Promise<void> {
    for (const { widget } of this.customers) await widget.close();
    for (const desk of this.#desks.values()) desk.close();
    await (this.#nodes as Nodes | undefined)?.end();
    await (this.#bot as HttpBot | undefined)?.stop();
  }

  #moves = 0;

  async #begin(customers: number, env?: (index: number) => Record<string, string>): Promise<void> {
    const { history, place } = this;
    this.#bot = await HttpBot.start(async ({ activity, reply }) => {
      if (activity.type !== 'message') return;
      const isWanted = activity.text?.includes('human') === true;
      const conversation = activity.conversation?.id ?? '';
      const text = `Echo: ${activity.text}`;
      if (!isWanted) history.sent('bot:demo', conversation, text);
      const { status } = await reply(isWanted ? { type: 'event', name: 'handoff.initiate', value: {} } : text);
      // As a bot's SDK does: what the hub does not take is a failure of the turn.
      if (status !== 200 && status !== 201) throw new Error(`the hub answered ${status}`);
      if (!isWanted) history.acknowledged('bot:demo', conversation, text);
    });
    const configuration = configurationOf({ endpoint: this.#bot.endpoint, agents: PEOPLE.length, capacity: CAPACITY });
    this.#nodes = await Nodes.start(place, configuration, env);
    for (const [index, who] of [...PEOPLE, 'sam'].entries())
      this.#desks.set(who, await this.#nodes.of(index).desk(who));
    for (let n = 0; n < customers; n += 1)
      this.customers.push(await Customer.start(history, this.#nodes.of(n).url, `customer${n}`));
  }

  /** A person takes what is offered, says two things in each chat and gives it back. */
  async #serve(who: string, goesOn: () => boolean): Promise<void> {
    const desk = this.#desks.get(who) as Desk;
    while (goesOn()) {
      try {
        await desk.present();
        const { body } = await desk.get('/conversations?agent=me&phase=offered&phase=agent');
        const { items } = body as { items: { id: string; phase: string }[] };
        for (const { id, phase } of items) {
          if (phase === 'offered') await desk.asks(id, 'accept');
          for (let n = 0; n < 2; n += 1)
            await personSays(this.history, desk, who, id, `${who} says ${(this.#said += 1)}`);
          await desk.asks(id, 'return');
        }
        if (items.length === 0) await pause(AGAIN_MS);
      } catch {
        // Their node is gone, or cannot reach its record.
        await pause(AGAIN_MS);
      }
    }
  }

  /** @returns whether a person has a chat now. */
  async #anybodyTakes(): Promise<boolean> {
    for (const desk of PEOPLE.map((who) => this.#desks.get(who) as Desk)) {
      await desk.present();
      const { body } = await desk.get('/conversations?agent=me&phase=offered&phase=agent');
      for (const { id, phase } of (body as { items: { id: string; phase: string }[] }).items)
        if (phase === 'agent' || (await desk.asks(id, 'accept')).status === 200) return true;
    }
    return false;
  }
}

function saidBy(log: readonly Entry[], role: Role): string[] {
  return log.flatMap(({ event }) =>
    event.type === 'said' && event.by.role === role ? (event.body?.activity?.text ?? []) : [],
  );
}
