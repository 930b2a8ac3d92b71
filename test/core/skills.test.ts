// What a rule requires of people, from the rule to the line and back to it.

import assert from 'node:assert/strict';
import type { Directory } from '../../src/core/directory.js';
import { decide } from '../../src/core/decide.js';
import { Rejected } from '../../src/core/rejected.js';
import { route, type RouteReceipt } from '../../src/core/routing.js';
import {
  accepts,
  ANA,
  BEN,
  directoryWith,
  escalates,
  givenIn,
  offeredTo,
  SAM,
  START,
  tick,
  TIMERS,
  withBot,
  type Happening,
} from './world.js';

/** Ana and Ben serve cards; Ben speaks French. Who asks about a card is sent to who speaks it. */
function french({ people, ...directory }: Directory): Directory {
  const { ana, ben, ...others } = people;
  assert.ok(ana !== undefined && ben !== undefined);
  return { ...directory, people: { ...others, ana, ben: { ...ben, skills: ['french', 'loans'] } } };
}
const NO_TOPIC = { variable: 'topic', operator: 'hasNoData' } as const;
const rules = [
  { when: NO_TOPIC, queue: 'Bots' },
  { when: { variable: 'topic', operator: 'equals' as const, value: 'card' }, queue: 'Cards', skills: ['french'] },
];
const inFrench = (...happenings: Happening[]) => givenIn({ workStream: { rules }, change: french }, ...happenings);
const queued: Happening = [withBot, escalates()];
const withBen: Happening = [queued, offeredTo('ben'), accepts('ben')];

describe('a rule that requires skills', () => {
  it('puts the conversation in line with them, and they stay with it as long as it is in that queue', () => {
    const { state, events } = inFrench(withBot).when(escalates());
    assert.ok(events.some((event) => event.type === 'queued' && event.skills?.join() === 'french'));
    assert.ok(state.phase === 'queued' && state.skills?.join() === 'french');
    for (const [name, outcome] of [
      ['lapsed', inFrench(queued, offeredTo('ben'), TIMERS.offerMs).when(tick)],
      ['offered', inFrench(queued).when(offeredTo('ben'))],
      ['accepted', inFrench(queued, offeredTo('ben')).when(accepts('ben'))],
      [
        'lost',
        inFrench(withBen, { type: 'disconnect', party: 'agent', agent: 'ben' }, TIMERS.agentGoneChatMs).when(tick),
      ],
      [
        'written to again',
        inFrench(withBen, { type: 'park', by: BEN }).when({
          type: 'say',
          by: { role: 'customer', id: 'kim' },
          activity: { type: 'message', text: 'hi' },
        }),
      ],
      ['transferred within it', inFrench(withBen).when({ type: 'transfer', by: BEN, to: { queue: 'Cards' } })],
      [
        'transferred to a person in vain',
        inFrench(withBen, { type: 'transfer', by: BEN, to: { agent: 'ana' } }).when({ type: 'reject', agent: 'ana' }),
      ],
    ] as const)
      assert.deepEqual('skills' in outcome.state && outcome.state.skills, ['french'], name);
  });

  it('is forgotten in another queue, where a person decided to send the conversation', () => {
    for (const outcome of [
      inFrench(withBen).when({ type: 'transfer', by: BEN, to: { queue: 'Loans' } }),
      inFrench(queued).when({ type: 'transfer', by: SAM, to: { queue: 'Loans' } }),
    ])
      assert.ok(outcome.state.phase === 'queued' && outcome.state.skills === undefined);
  });

  it('hinders nobody who takes the conversation, or gives it to a person, by their own decision', () => {
    const held = { type: 'accepted', agent: 'ana' } as const;
    inFrench(queued).when({ type: 'pick', agent: 'ana' }).then(held, 'told');
    inFrench(queued).when({ type: 'assign', by: SAM, agent: 'ana' }).then(held, 'told');
    const offered = inFrench(withBen).when({ type: 'transfer', by: BEN, to: { agent: 'ana' } });
    assert.ok(offered.state.phase === 'offered' && offered.state.offers[0]?.agent === ANA.id);
  });

  it('asks for them when it looks who is there, in line and at the limit of the line', () => {
    const asked: unknown[] = [];
    const scenario = inFrench(withBot);
    const circumstances = {
      now: START,
      directory: french(directoryWith({ rules })),
      queues: { place: () => 1, online: (...about: unknown[]) => (asked.push(about), 0) },
    };
    const waiting = decide(scenario.state, escalates(), circumstances);
    assert.ok(!(waiting instanceof Rejected));
    assert.ok(waiting.steps.some(({ event }) => event.type === 'told' && event.text === 'nobodyAvailable'));
    decide(waiting.state, tick, { ...circumstances, now: START + TIMERS.queueLimitMs });
    assert.deepEqual(asked, [
      ['Cards', 'web', ['french']],
      ['Cards', 'web', ['french']],
    ]);
  });

  it('is passed over for people when nobody of its queue has them, and a bot of the queue needs none', () => {
    const directory = french(directoryWith());
    const routed = (queue: string, skills: string[], needsPeople: boolean): RouteReceipt =>
      route({
        at: START,
        directory,
        workStream: { ...directoryWith({ rules: [{ when: NO_TOPIC, queue, skills }] }).workStreams['web']! },
        context: {},
        facts: {},
        needsPeople,
        triedBots: [],
      });
    assert.deepEqual(routed('Loans', ['french', 'loans'], true).skills, ['french', 'loans']);
    const nobody = routed('Loans', ['german', 'french'], true);
    assert.deepEqual([nobody.by, nobody.queue, nobody.skills], ['fallback', 'Cards', undefined]);
    assert.equal(nobody.rules[0]?.skipped, 'nobody of the queue has german and french');
    assert.equal(routed('Sales', ['german'], false).bot, 'demo');
  });

  it('whom nobody can serve after a change of the configuration is routed again in the old place', () => {
    const without = (directory: Directory) => directoryWith({ rules: directory.workStreams['web']?.rules ?? [] });
    const before = inFrench(queued);
    const circumstances = {
      now: START + 1,
      directory: without(french(directoryWith({ rules }))),
      queues: { place: () => 1, online: () => 1 },
    };
    const after = decide(before.state, { type: 'reroute' }, circumstances);
    assert.ok(!(after instanceof Rejected) && after.state.phase === 'queued');
    assert.deepEqual([after.state.queue, after.state.skills, after.state.waitingSince], ['Cards', undefined, START]);
    inFrench(queued).when({ type: 'reroute' }).thenNothing();
  });
});
