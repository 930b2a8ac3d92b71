// A routing decision made once more from its log comes out as it did, whatever had happened before it and has since.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { NOT_STARTED, type Conversation, type Entry, type State } from '../../src/core/conversation.js';
import type { RoutingRule, WorkStream } from '../../src/core/directory.js';
import { factsOf } from '../../src/core/plan.js';
import { requestOf, type RoutingEvent } from '../../src/core/retracing.js';
import {
  evaluate,
  MAX_RECEIPT_RULES,
  route,
  routeInFull,
  type ConditionResult,
  type RouteReceipt,
} from '../../src/core/routing.js';
import { impulses, runTraffic, settings, type Traffic } from './randomTraffic.js';
import { directoryWith } from './world.js';

/** They look at all that is known, and seldom hold. */
const FILLING: RoutingRule[] = Array.from({ length: 12 }, (_none, index): RoutingRule[] => [
  {
    when: {
      all: [
        { variable: `v${index % 5}`, operator: 'equals', value: index * 83 },
        { fact: 'bot', operator: 'equals', value: index % 2 === 0 ? 'demo' : 'sales' },
        { fact: 'escalationReason', operator: 'notEquals', value: 'signal' },
      ],
    },
    queue: index % 2 === 0 ? 'Bots' : 'Sales',
  },
  { when: { variable: 'topic', operator: 'equals', value: `topic ${index}` }, queue: 'Loans' },
  { when: { fact: 'returning', operator: 'equals', value: true }, queue: 'Sales' },
]).flat();

const WITH_MANY_RULES = settings.map((setting): Partial<WorkStream> => ({
  ...setting,
  rules: [...FILLING, ...(setting.rules ?? directoryWith().workStreams['web']?.rules ?? [])],
}));

interface Decision {
  seq: number;
  event: RoutingEvent;
  receipt: RouteReceipt;
  /** The conversation when the rules were looked at. */
  state: Conversation;
}

function decisionsIn({ history }: Traffic, conversation: number): Decision[] {
  return history
    .filter((happened) => happened.conversation === conversation)
    .flatMap(({ before, steps }) => {
      const states: State[] = [before, ...steps.map(({ after }) => after)];
      return steps.flatMap(({ event, after }, index): Decision[] => {
        if (event.type !== 'routed' && event.type !== 'escalationObserved') return [];
        const isAtStart = event.type === 'escalationObserved' && event.reason === 'start';
        const state = states[isAtStart ? index - 1 : index] ?? NOT_STARTED;
        assert.ok(state.phase !== 'none');
        return [{ seq: after.version, event, receipt: event.body?.receipt as RouteReceipt, state }];
      });
    });
}

/** As a store has it: without the bodies that were erased. */
function asKept(log: readonly Entry[]): Entry[] {
  const erased = new Set(log.flatMap(({ event }) => (event.type === 'erased' ? event.targets : [])));
  const kept = log.map((entry) => {
    if (!erased.has(entry.seq)) return entry;
    const { body: _body, ...envelope } = entry.event;
    return { ...entry, event: envelope };
  });
  return JSON.parse(JSON.stringify(kept)) as Entry[];
}

/** Of each rule up to the last one looked at, what its conditions find in that state. */
function conditionsIn({ state, event, receipt }: Decision, rules: readonly RoutingRule[]): ConditionResult[][] {
  const isObserved = event.type === 'escalationObserved' && event.reason !== 'start';
  const facts = { ...factsOf(state), ...(isObserved && { escalationReason: event.reason }) };
  const looked = receipt.by === 'rule' ? (receipt.rules.at(-1)?.rule ?? 0) : rules.length;
  return rules.slice(0, looked).map(({ when }) => evaluate(when, state.context, facts).conditions);
}

describe('a routing decision made once more from its log', function () {
  this.timeout(60_000);

  for (const observe of [false, true])
    it(`agrees with its receipt and gives every rule${observe ? ', where the hub only observes' : ''}`, () => {
      const met = { decisions: 0, cut: 0, erasedBefore: 0, erasedSince: 0, forPeople: 0 };
      fc.assert(
        fc.property(impulses, WITH_MANY_RULES, (given, workStream) => {
          const traffic = runTraffic(given, { ...workStream, observe });
          const { directory } = traffic;
          for (const [conversation, whole] of traffic.logs.entries()) {
            const log = asKept(whole);
            const erasedAt = whole.filter(({ event }) => event.type === 'erased').map(({ seq }) => seq);
            for (const decision of decisionsIn(traffic, conversation)) {
              const { seq, event, receipt, state } = decision;
              const request = requestOf(log, seq, event, directory);
              if (erasedAt.some((at) => at > seq)) {
                met.erasedSince += 1;
                assert.equal(request, undefined);
                continue;
              }
              assert.ok(request !== undefined);
              assert.deepEqual(route(request), receipt);
              const full = routeInFull(request);
              const { rules, omitted = 0, ...rest } = receipt;
              assert.equal(full.rules.length, rules.length + omitted);
              assert.deepEqual(
                { ...full, rules: full.rules.filter((one) => rules.some((r) => r.rule === one.rule)) },
                {
                  ...rest,
                  rules,
                },
              );
              assert.deepEqual(
                full.rules.map(({ conditions }) => conditions),
                conditionsIn(decision, directory.workStreams[state.workStream]?.rules ?? []),
              );
              met.decisions += 1;
              if (omitted > 0) met.cut += 1;
              if (request.needsPeople) met.forPeople += 1;
              if (erasedAt.some((at) => at < seq)) met.erasedBefore += 1;
            }
          }
        }),
        { numRuns: 200 },
      );
      for (const [what, times] of Object.entries(met)) assert.ok(times > 0, what);
    });

  it('goes by the conversation’s work stream where that has been taken out of the configuration', () => {
    const { directory, ...traffic } = runTraffic([], { rules: FILLING });
    const [decision] = decisionsIn({ directory, ...traffic }, 0);
    assert.ok(decision !== undefined && decision.receipt.omitted === FILLING.length - MAX_RECEIPT_RULES);
    const { web: _gone, ...workStreams } = directory.workStreams;
    const request = requestOf(traffic.logs[0] ?? [], decision.seq, decision.event, { ...directory, workStreams });
    assert.deepEqual(request?.workStream.rules, []);
    assert.equal(request.workStream.id, 'web');
  });
});
