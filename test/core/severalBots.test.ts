// Several bots: from one to the next, and to people when all of them have had their chance.

import assert from 'node:assert/strict';
import type { Directory } from '../../src/core/directory.js';
import {
  accepts,
  ANA,
  botSays,
  customerSays,
  escalates,
  given,
  givenIn,
  offeredTo,
  queued,
  SAM,
  started,
  told,
  withAna,
  withBot,
  type Happening,
} from './world.js';

const demo = { bot: 'demo' };
const sales = { bot: 'sales' };

/** Only these queues; the first one is the work stream's fallback, and there is no rule. */
function onlyQueues(queues: Record<string, string[]>, change: Partial<Directory> = {}) {
  const [fallbackQueue] = Object.keys(queues);
  return {
    workStream: { rules: [], ...(fallbackQueue !== undefined && { fallbackQueue }) },
    change: (directory: Directory): Directory => ({
      ...directory,
      queues: Object.fromEntries(
        Object.entries(queues).map(([id, members]) => [id, { id, name: id, members, method: 'highestCapacity' }]),
      ),
      ...change,
    }),
  };
}

describe('one queue with a bot and people, and no rule', () => {
  const mixed = onlyQueues({ Desk: ['demo', 'ana'] });

  it('gives the customer to the bot, and after its escalation to a person of the same queue', () => {
    assert.ok(givenIn(mixed, withBot).state.phase === 'bot');
    const { state, events } = givenIn(mixed, withBot).when(escalates(), offeredTo('ana'), accepts());
    assert.ok(state.phase === 'agent' && state.agent === 'ana' && state.queue === 'Desk');
    const routed = events.find(({ type }) => type === 'routed')?.body?.receipt;
    assert.ok(routed?.kind === 'route' && routed.by === 'fallback');
    assert.deepEqual(routed.candidates, [{ id: 'demo', excluded: 'loopGuard' }]);
  });

  it('does so without a fallback too: it is the only queue there is', () => {
    const { workStream, change } = mixed;
    const without = { change, workStream: { rules: workStream.rules } };
    const { state } = givenIn(
      {
        ...without,
        change: (directory) => {
          const { fallbackQueue: _, ...web } = change(directory).workStreams['web'] ?? {};
          return { ...change(directory), workStreams: { web } as Directory['workStreams'] };
        },
      },
      withBot,
    ).when(escalates());
    assert.ok(state.phase === 'queued' && state.queue === 'Desk');
  });

  it('gives it back to the bot, which may escalate as often as it likes', () => {
    const round: Happening = [escalates(), offeredTo('ana'), accepts(), { type: 'return', by: ANA }];
    const { state } = givenIn(mixed, withBot, round, round, round).when(escalates());
    assert.ok(state.phase === 'queued' && state.queue === 'Desk');
  });
});

describe('rules that lead back to the queue of the bot that escalated', () => {
  const loop = {
    ...onlyQueues({ Desk: ['demo', 'ana'], Others: ['ben'] }),
    workStream: {
      rules: [{ when: { variable: 'topic', operator: 'equals' as const, value: 'card' }, queue: 'Desk' }],
      fallbackQueue: 'Desk',
    },
  };

  it('come to the people of that queue, never to the bot again', () => {
    const { state, events } = givenIn(loop, withBot).when(escalates());
    assert.ok(state.phase === 'queued' && state.queue === 'Desk');
    assert.equal(
      events.some(({ type }) => type === 'botConnected'),
      false,
    );
    const receipt = events.find(({ type }) => type === 'routed')?.body?.receipt;
    assert.ok(receipt?.kind === 'route' && receipt.by === 'rule');
    assert.deepEqual(receipt.candidates, [{ id: 'demo', excluded: 'loopGuard' }]);
  });
});

describe('a bot that escalates into a queue whose next member is another bot', () => {
  const two = onlyQueues({ Desk: ['demo', 'sales', 'ana'] });

  it('hands the customer to that bot, which is introduced, hears the context, and is told to the customer', () => {
    const happened = givenIn(two, withBot).when(escalates(4));
    assert.ok(happened.state.phase === 'bot' && happened.state.bot === 'sales' && happened.state.queue === 'Desk');
    assert.deepEqual(told(happened.events), ['botJoined']);
    assert.deepEqual(happened.effects.slice(0, 2), [
      { to: sales, send: 'members', members: ['sales', 'kim'] },
      { to: sales, send: 'context' },
    ]);
  });

  it('hears that somebody took over', () => {
    assert.deepEqual(
      givenIn(two, withBot)
        .when(escalates(4))
        .effects.filter(({ to }) => to !== 'channel' && to.bot === 'demo'),
      [{ to: demo, send: 'status', state: 'accepted' }],
    );
  });

  it('finishes its turn in front of the customer, and is silent after it', () => {
    const turn = givenIn(two, withBot, escalates(4));
    turn.when(botSays('Sales will help you', 4)).then({ type: 'said', audience: 'everyone' });
    turn.when(botSays('unasked')).then({ type: 'drafted', why: 'notHolder' });
    turn.when({ type: 'endTurn', bot: 'demo', answers: 4 }, botSays('late', 4)).then('turnEnded', 'drafted');
  });

  it('neither ends nor fails nor escalates for the bot that took over, in what is left of its turn', () => {
    const turn = givenIn(two, withBot, escalates(4));
    turn.when({ type: 'endByBot', bot: 'demo', answers: 4 }).then({ type: 'drafted', why: 'command' });
    turn.when(escalates(4)).then({ type: 'drafted', why: 'command' });
    turn.when({ type: 'botFailed', bot: 'demo', answers: 4, cause: 'timeout' }).thenNothing();
  });

  it('is followed by the people of the queue when the other bot escalates as well', () => {
    const { state, events } = givenIn(two, withBot, escalates(), customerSays('a person!')).when(
      escalates(undefined, 'card', 'sales'),
    );
    assert.ok(state.phase === 'queued' && state.queue === 'Desk');
    assert.deepEqual(state.triedBots, ['demo', 'sales']);
    const receipt = events.find(({ type }) => type === 'routed')?.body?.receipt;
    assert.ok(receipt?.kind === 'route');
    assert.deepEqual(
      receipt.candidates.map(({ excluded }) => excluded),
      ['loopGuard', 'loopGuard'],
    );
  });

  it('is not the one that gets the conversation back: that is the bot the people had it from', () => {
    const back = givenIn(two, withBot, escalates(), escalates(undefined, 'card', 'sales'), offeredTo('ana'), accepts())
      .when({ type: 'return', by: ANA, outcome: 'solved', summary: 'sold it' })
      .then('told', { type: 'returned', bot: 'sales', welcome: false }, { type: 'told', text: 'backWithBot' });
    assert.deepEqual(
      back.effects.map(({ to, send }) => [to, send]),
      [
        [sales, 'context'],
        [sales, 'status'],
      ],
    );
  });

  it('gives it to people at once where the bot failed instead of asking: a person was needed then', () => {
    const { state } = givenIn(two, withBot).when({ type: 'botFailed', bot: 'demo', cause: 'timeout' });
    assert.ok(state.phase === 'queued' && state.queue === 'Desk');
  });

  it('does not take a customer out of the line for people into which it was asked again', () => {
    const { state } = givenIn(onlyQueues({ Desk: ['demo', 'ana'], More: ['sales'] }), withBot, escalates()).when(
      escalates(),
    );
    assert.ok(state.phase === 'queued' && state.queue === 'Desk');
  });

  it('is not sent to another bot where no rule and no fallback says so', () => {
    const { workStream: _, change } = onlyQueues({ Bots: ['demo'], More: ['sales'], People: ['ana'] });
    const { state } = givenIn(
      {
        workStream: { rules: [{ when: { variable: 'topic', operator: 'hasNoData' }, queue: 'Bots' }] },
        change: (directory) => {
          const { fallbackQueue: __, ...web } = change(directory).workStreams['web'] ?? {};
          return { ...change(directory), workStreams: { web } as Directory['workStreams'] };
        },
      },
      withBot,
    ).when(escalates());
    assert.ok(state.phase === 'queued' && state.queue === 'People');
  });
});

describe('a bot in several queues', () => {
  it('is not handed a conversation again through another of them', () => {
    const several = onlyQueues({ Desk: ['demo', 'ana'], Night: ['demo', 'sales', 'ben'] });
    const rules = [{ when: { variable: 'topic', operator: 'equals' as const, value: 'night' }, queue: 'Night' }];
    const { state } = givenIn({ ...several, workStream: { rules, fallbackQueue: 'Desk' } }, withBot).when(
      escalates(undefined, 'night'),
    );
    assert.ok(state.phase === 'bot' && state.bot === 'sales' && state.queue === 'Night');
  });
});

describe('a transfer to a bot', () => {
  const toSales = (by: typeof ANA | typeof SAM) => ({ type: 'transfer', by, to: { bot: 'sales' } }) as const;

  it('by the person who holds it: the bot gets context and summary, the one that asked learns the outcome too', () => {
    const { effects, events, state } = given(withAna).when(toSales(ANA));
    assert.ok(state.phase === 'bot' && state.bot === 'sales');
    assert.deepEqual(told(events), ['agentLeft', 'botJoined']);
    assert.deepEqual(
      effects.map((effect) => [effect.to, effect.send === 'status' ? effect.state : effect.send]),
      [
        [sales, 'members'],
        [sales, 'context'],
        [sales, 'completed'],
        [demo, 'completed'],
      ],
    );
  });

  it('by a supervisor, out of the line: to the bot that asked for a person the request has failed', () => {
    for (const waiting of [queued, [queued, offeredTo('ana')]] as const) {
      const { effects, state } = given(waiting).when(toSales(SAM));
      assert.ok(state.phase === 'bot' && state.bot === 'sales');
      const statuses = effects.flatMap((effect) =>
        effect.send === 'status' ? [[effect.to, effect.state, effect.message]] : [],
      );
      assert.deepEqual(statuses, [
        [sales, 'failed', 'transferred'],
        [demo, 'failed', 'transferred'],
      ]);
    }
    given(queued).when(toSales(ANA)).thenRejected('notHolder');
  });

  it('back to the bot it came from greets nobody again', () => {
    const { effects, events } = given(withAna).when({ type: 'transfer', by: ANA, to: { bot: 'demo' } });
    assert.deepEqual(told(events), ['agentLeft', 'backWithBot']);
    assert.deepEqual(
      effects.map(({ to, send }) => [to, send]),
      [
        [demo, 'context'],
        [demo, 'status'],
      ],
    );
  });

  it('is possible to a bot that had escalated it before', () => {
    const { state } = given(withAna, toSales(ANA), { ...toSales(SAM), to: { bot: 'demo' } }).when(customerSays('hi'));
    assert.ok(state.phase === 'bot' && state.bot === 'demo');
  });
});

describe('what a bot sends unasked in one batch with its escalation', () => {
  const batch: Happening = [
    started,
    botSays('before'),
    { ...(escalates() as Extract<ReturnType<typeof escalates>, { type: 'escalate' }>), continues: true },
    botSays('after'),
  ];

  it('reaches the customer, and what it sends later does not', () => {
    const { state } = given(batch).when({ type: 'endTurn', bot: 'demo' }).then({ type: 'turnEnded' });
    assert.ok(state.phase === 'queued' && state.openTurn === undefined);
    given(batch).when(botSays('more')).then({ type: 'said', audience: 'everyone' });
    given(batch, { type: 'endTurn', bot: 'demo' }).when(botSays('late')).then({ type: 'drafted' });
    given(batch).when(botSays('of another turn', 3)).then({ type: 'drafted' });
  });
});

describe('a draft that a person decides on', () => {
  const drafted: Happening = [withAna, botSays('try turning it off')];
  const target = given(drafted).state.version;

  it('is sent once, however often that is asked', () => {
    const send = { type: 'resolveDraft', by: ANA, target, activity: { type: 'message', text: 'x' } } as const;
    given(drafted).when(send).then({ type: 'draftResolved', target, sent: true }, { type: 'said', by: ANA });
    given(drafted, send).when(send).thenNothing();
    given(drafted, { type: 'resolveDraft', by: ANA, target }).when(send).thenNothing();
  });
});
