import assert from 'node:assert/strict';
import { DEFAULT_WORK_STREAM, type Directory, type RoutingRule, type WorkStream } from '../../src/core/directory.js';
import { MAX_RECEIPT_RULES, route, type RouteReceipt } from '../../src/core/routing.js';

interface Setting {
  queues: Record<string, string[]>;
  rules?: RoutingRule[];
  fallbackQueue?: string;
  defaultQueue?: string;
  context?: Record<string, string | number>;
  needsPeople?: boolean;
  triedBots?: string[];
}

const BOTS = ['demo', 'sales'];
const PEOPLE: Record<string, number> = { ana: 3, ben: 3, sam: 0 };

function directoryOf(setting: Setting): { directory: Directory; workStream: WorkStream } {
  const workStream: WorkStream = {
    ...DEFAULT_WORK_STREAM,
    id: 'web',
    name: 'Web',
    rules: setting.rules ?? [],
    ...(setting.fallbackQueue !== undefined && { fallbackQueue: setting.fallbackQueue }),
  };
  const directory: Directory = {
    version: 7,
    bots: Object.fromEntries(
      BOTS.map((id) => [id, { id, name: id, bridging: 'open', transport: { kind: 'inProcess' } as const }]),
    ),
    queues: Object.fromEntries(
      Object.entries(setting.queues).map(([id, members]) => [
        id,
        { id, name: id, members, method: 'highestCapacity' as const },
      ]),
    ),
    workStreams: { web: workStream },
    people: Object.fromEntries(
      Object.entries(PEOPLE).map(([id, capacity]) => [id, { id, name: id, roles: ['agent' as const], capacity }]),
    ),
    ...(setting.defaultQueue !== undefined && { defaultQueue: setting.defaultQueue }),
  };
  return { directory, workStream };
}

function routed(setting: Setting): RouteReceipt {
  return route({
    at: 1_000,
    ...directoryOf(setting),
    context: Object.fromEntries(
      Object.entries(setting.context ?? {}).map(([name, value]) => [name, { value, displayable: false }]),
    ),
    facts: {},
    needsPeople: setting.needsPeople ?? false,
    triedBots: setting.triedBots ?? [],
  });
}

function outcome({ by, queue, bot }: RouteReceipt): unknown {
  return { by, ...(queue !== undefined && { queue }), ...(bot !== undefined && { bot }) };
}

const topicIs = (value: string): RoutingRule['when'] => ({ variable: 'topic', operator: 'equals', value });
const NO_TOPIC: RoutingRule['when'] = { variable: 'topic', operator: 'hasNoData' };

const DEMO: Pick<Setting, 'queues' | 'rules' | 'fallbackQueue'> = {
  queues: { BotQueue: ['demo'], CreditCardQueue: ['ana', 'ben'], HomeLoanQueue: ['ben'] },
  rules: [
    { when: NO_TOPIC, queue: 'BotQueue' },
    { when: topicIs('CreditCard'), queue: 'CreditCardQueue' },
    { when: topicIs('HomeLoan'), queue: 'HomeLoanQueue', priority: 5 },
  ],
  fallbackQueue: 'CreditCardQueue',
};

describe('routing by rules', () => {
  it('gives a new conversation to the bot of the first queue whose rule matches', () => {
    assert.deepEqual(outcome(routed(DEMO)), { by: 'rule', queue: 'BotQueue', bot: 'demo' });
  });

  it('gives an escalated conversation to the people of the queue that its context asks for', () => {
    const receipt = routed({ ...DEMO, context: { topic: 'HomeLoan' }, needsPeople: true, triedBots: ['demo'] });
    assert.deepEqual(outcome(receipt), { by: 'rule', queue: 'HomeLoanQueue' });
    assert.equal(receipt.priority, 5);
  });

  it('lets the first of two matching rules win', () => {
    const rules = [
      { when: topicIs('x'), queue: 'HomeLoanQueue' },
      { when: topicIs('x'), queue: 'CreditCardQueue' },
    ];
    assert.equal(routed({ ...DEMO, rules, context: { topic: 'x' } }).queue, 'HomeLoanQueue');
  });

  it('passes over a queue without people after an escalation, and says so', () => {
    const receipt = routed({ ...DEMO, needsPeople: true, triedBots: ['demo'] });
    assert.deepEqual(outcome(receipt), { by: 'fallback', queue: 'CreditCardQueue' });
    assert.equal(receipt.rules[0]?.matched, true);
    assert.equal(receipt.rules[0]?.skipped, 'no people after an escalation');
  });

  it('goes on to the next rule after one that was passed over', () => {
    const rules = [
      { when: NO_TOPIC, queue: 'BotQueue' },
      { when: NO_TOPIC, queue: 'HomeLoanQueue' },
    ];
    const receipt = routed({ ...DEMO, rules, needsPeople: true, triedBots: ['demo'] });
    assert.deepEqual(outcome(receipt), { by: 'rule', queue: 'HomeLoanQueue' });
  });

  it('does not count people who have no capacity at all', () => {
    const receipt = routed({
      queues: { Q: ['demo', 'sam'], R: ['ana'] },
      rules: [{ when: NO_TOPIC, queue: 'Q' }],
      needsPeople: true,
    });
    assert.deepEqual(outcome(receipt), { by: 'only', queue: 'R' });
  });

  it('passes over a rule whose queue does not exist', () => {
    const receipt = routed({ ...DEMO, rules: [{ when: NO_TOPIC, queue: 'Gone' }] });
    assert.deepEqual(outcome(receipt), { by: 'fallback', queue: 'CreditCardQueue' });
    assert.match(receipt.rules[0]?.skipped ?? '', /Gone/);
  });

  it('passes over a queue that has no members', () => {
    const receipt = routed({
      queues: { Empty: [], Q: ['ana'] },
      rules: [{ when: NO_TOPIC, queue: 'Empty' }],
      fallbackQueue: 'Q',
    });
    assert.deepEqual(outcome(receipt), { by: 'fallback', queue: 'Q' });
    assert.equal(receipt.rules[0]?.skipped, 'no members');
  });
});

describe('routing without a matching rule', () => {
  it("uses the work stream's fallback queue", () => {
    assert.deepEqual(outcome(routed({ ...DEMO, context: { topic: 'Other' } })), {
      by: 'fallback',
      queue: 'CreditCardQueue',
    });
  });

  it('uses the default queue when the fallback has nobody suitable', () => {
    const receipt = routed({
      queues: { B: ['demo'], P: ['ana'], Q: ['ben'] },
      fallbackQueue: 'B',
      defaultQueue: 'Q',
      needsPeople: true,
    });
    assert.deepEqual(outcome(receipt), { by: 'default', queue: 'Q' });
  });

  it('uses the only queue there is', () => {
    assert.deepEqual(outcome(routed({ queues: { Q: ['ana'] } })), { by: 'only', queue: 'Q' });
  });

  it('has nowhere to go when several queues would do and nothing says which', () => {
    const receipt = routed({ queues: { P: ['ana'], Q: ['ben'] } });
    assert.deepEqual(outcome(receipt), { by: 'none' });
    assert.equal(receipt.priority, 0);
  });

  it('has nowhere to go when there are no people after an escalation', () => {
    assert.deepEqual(outcome(routed({ queues: { B: ['demo'] }, needsPeople: true, triedBots: ['demo'] })), {
      by: 'none',
    });
  });

  it('has nowhere to go without queues', () => {
    assert.deepEqual(outcome(routed({ queues: {} })), { by: 'none' });
  });
});

describe('one queue with a bot and people and no rule', () => {
  const setting: Setting = { queues: { Support: ['ana', 'demo', 'ben'] } };

  it('gives a new conversation to the bot', () => {
    assert.deepEqual(outcome(routed(setting)), { by: 'only', queue: 'Support', bot: 'demo' });
  });

  it('gives the escalated conversation to the people of the same queue', () => {
    const receipt = routed({ ...setting, needsPeople: true, triedBots: ['demo'] });
    assert.deepEqual(outcome(receipt), { by: 'only', queue: 'Support' });
    assert.deepEqual(receipt.candidates, [{ id: 'demo', excluded: 'loopGuard' }]);
  });
});

describe('one queue with a bot, one with people, and no rule', () => {
  const setting: Setting = { queues: { Bots: ['demo'], People: ['ana'] } };

  it('gives a new conversation to the bot and the escalated one to the people', () => {
    assert.deepEqual(outcome(routed(setting)), { by: 'only', queue: 'Bots', bot: 'demo' });
    assert.deepEqual(outcome(routed({ ...setting, needsPeople: true, triedBots: ['demo'] })), {
      by: 'only',
      queue: 'People',
    });
  });
});

describe('bots in queues', () => {
  const several: Setting = { queues: { Q: ['ana', 'demo', 'sales'] } };

  it('take a conversation before people do, in the order of membership', () => {
    const receipt = routed(several);
    assert.equal(receipt.bot, 'demo');
    assert.deepEqual(receipt.candidates, [{ id: 'demo' }, { id: 'sales', excluded: 'laterMember' }]);
  });

  it('do not get a conversation they escalated; the next bot does', () => {
    const receipt = routed({ ...several, triedBots: ['demo'] });
    assert.equal(receipt.bot, 'sales');
    assert.deepEqual(receipt.candidates, [{ id: 'demo', excluded: 'loopGuard' }, { id: 'sales' }]);
  });

  it('leave it to the people of the queue when each of them has had it', () => {
    assert.deepEqual(outcome(routed({ ...several, triedBots: ['demo', 'sales'] })), { by: 'only', queue: 'Q' });
  });

  it('are never chosen after an escalation, tried or not', () => {
    const receipt = routed({ ...several, needsPeople: true, triedBots: ['demo'] });
    assert.deepEqual(outcome(receipt), { by: 'only', queue: 'Q' });
    assert.deepEqual(receipt.candidates, [
      { id: 'demo', excluded: 'loopGuard' },
      { id: 'sales', excluded: 'escalation' },
    ]);
  });

  it('do not loop when a rule points back to the queue of the bot that escalated', () => {
    const receipt = routed({
      queues: { BotQueue: ['demo'], People: ['ana'] },
      rules: [{ when: NO_TOPIC, queue: 'BotQueue' }],
      triedBots: ['demo'],
    });
    assert.deepEqual(outcome(receipt), { by: 'only', queue: 'People' });
    assert.match(receipt.rules[0]?.skipped ?? '', /every bot of the queue has had it/);
  });
});

describe('the receipt of a routing decision', () => {
  it('shows every rule up to the deciding one with what each condition saw', () => {
    const receipt = routed({ ...DEMO, context: { topic: 'CreditCard' }, needsPeople: true, triedBots: ['demo'] });
    assert.equal(receipt.at, 1_000);
    assert.equal(receipt.ruleSetVersion, 7);
    assert.deepEqual(receipt.rules, [
      {
        rule: 1,
        matched: false,
        queue: 'BotQueue',
        conditions: [{ variable: 'topic', operator: 'hasNoData', actual: 'CreditCard', result: false }],
      },
      {
        rule: 2,
        matched: true,
        queue: 'CreditCardQueue',
        conditions: [
          { variable: 'topic', operator: 'equals', expected: 'CreditCard', actual: 'CreditCard', result: true },
        ],
      },
    ]);
  });

  it('shows all rules when none matched', () => {
    assert.deepEqual(
      routed({ ...DEMO, context: { topic: 'Other' } }).rules.map(({ rule, matched }) => [rule, matched]),
      [
        [1, false],
        [2, false],
        [3, false],
      ],
    );
  });

  it('lists the first of many rules that do not hold, and every rule that does', () => {
    const rules = Array.from({ length: 200 }, (_none, index) => ({
      when: { variable: 'topic', operator: 'equals' as const, value: `topic ${index + 1}` },
      queue: index === 149 ? 'Gone' : 'CreditCardQueue',
    }));
    const decided = { ...DEMO, rules: [...rules, { when: NO_TOPIC, queue: 'BotQueue' }] };
    const listed = (receipt: RouteReceipt) => receipt.rules.map(({ rule }) => rule);
    const firstOnes = Array.from({ length: MAX_RECEIPT_RULES }, (_none, index) => index + 1);
    const last = routed({ ...decided, context: { topic: 'topic 200' } });
    assert.deepEqual(listed(last), [...firstOnes, 200]);
    assert.equal(last.omitted, 199 - MAX_RECEIPT_RULES);
    const skipped = routed({ ...decided, context: { topic: 'topic 150' } });
    assert.deepEqual(listed(skipped), [...firstOnes, 150], 'with why its queue was passed over');
    assert.equal(routed({ ...decided, context: { topic: 'topic 25' } }).omitted, undefined);
  });

  it('is plain JSON', () => {
    const receipt = routed({ ...DEMO, needsPeople: true, triedBots: ['demo'] });
    assert.deepEqual(JSON.parse(JSON.stringify(receipt)), receipt);
  });
});
