import assert from 'node:assert/strict';
import type { Command } from '../../src/core/commands.js';
import { NOT_STARTED, type State } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import { Rejected } from '../../src/core/rejected.js';
import {
  accepts,
  ANA,
  botSays,
  circumstancesAt,
  closed,
  customerSays,
  DEMO,
  directoryWith,
  escalates,
  given,
  givenIn,
  KIM,
  MINUTE,
  offered,
  offeredTo,
  parked,
  queued,
  SAM,
  START,
  started,
  startedAtDesk,
  startedOnTeams,
  text,
  tick,
  TIMERS,
  told,
  withAna,
  withBot,
  wrappedUp,
} from './world.js';

describe('starting a conversation', () => {
  it('gives it to the bot its rules name, which is introduced', () => {
    given().when(started).then({ type: 'started', by: KIM }, 'routed', {
      type: 'botConnected',
      bot: 'demo',
      queue: 'Bots',
      welcome: true,
    });
  });

  it('puts it into a queue where the work stream has people only', () => {
    const { state, events } = given().when(startedAtDesk);
    assert.equal(state.phase, 'queued');
    assert.deepEqual(told(events), ['nextInLine']);
  });

  it('introduces no bot whose own channel does that', () => {
    given().when(startedOnTeams).then('started', 'routed', { type: 'botConnected', welcome: false });
  });

  it('leaves the bot that already speaks with the customer in place, ungreeted', () => {
    given()
      .when({ ...started, adoptedBot: 'sales' })
      .then({ type: 'started', adopted: true }, { type: 'botConnected', bot: 'sales', welcome: false });
  });

  it('happens once', () => {
    given(started).when(started).thenNothing();
  });

  it('is refused where the work stream leads nowhere, with the cure', () => {
    const rejected = decide(NOT_STARTED, started, circumstancesAt(START, { ...directoryWith(), queues: {} }));
    assert.ok(rejected instanceof Rejected && rejected.code === 'badCommand');
    assert.match(rejected.message, /fallbackQueue/);
  });

  it('is refused for an unknown work stream, and nothing else goes before it', () => {
    given()
      .when({ ...started, workStream: 'nope' })
      .thenRejected('badCommand');
    given().when(tick).thenRejected('conversationUnknown');
  });

  it('keeps the context that came with it, typed and displayable as declared', () => {
    const { state } = given().when({ ...started, variables: { topic: { value: 7 }, tier: { value: 'gold' } } });
    assert.deepEqual(state.context, {
      topic: { value: '7', displayable: true },
      tier: { value: 'gold', displayable: false },
    });
  });
});

describe('a bot that holds the conversation', () => {
  it('speaks to the customer', () => {
    given(withBot).when(botSays('hello', 4)).then({ type: 'said', by: DEMO, audience: 'everyone', answers: 4 });
  });

  it('speaks unasked as well', () => {
    given(withBot).when(botSays('news')).then({ type: 'said', audience: 'everyone' });
  });

  it('keeps silent words of a strict bot from the customer unless they are bridged', () => {
    const strict = given({ ...started, adoptedBot: 'strict' });
    const words = botSays('internal', undefined, 'strict');
    strict.when(words).then({ type: 'drafted', why: 'notBridged', audience: 'staff' });
    const bridged = { ...text('hello'), channelData: { deliveryMode: 'bridged' } };
    strict
      .when({ type: 'say', by: { role: 'bot', id: 'strict' }, activity: bridged })
      .then({ type: 'said', audience: 'everyone' });
  });

  it('sets context', () => {
    const { state } = given(withBot)
      .when({ type: 'setContext', by: DEMO, variables: { tier: { value: 'gold' } } })
      .then({ type: 'contextSet', by: DEMO });
    assert.deepEqual(state.context['tier'], { value: 'gold', displayable: false });
  });

  it('ends the conversation', () => {
    given(withBot)
      .when({ type: 'endByBot', bot: 'demo' })
      .then({ type: 'told', text: 'closed' }, { type: 'closed', reason: 'botEnded', from: 'bot' });
  });

  it('does not keep it for ever when nobody writes', () => {
    given(withBot, TIMERS.botIdleMs).when(tick).then('told', { type: 'closed', reason: 'inactive' });
    given(withBot, TIMERS.botIdleMs - 1)
      .when(tick)
      .thenNothing();
    given(withBot, TIMERS.botIdleMs - 1, customerSays('still here'), 2)
      .when(tick)
      .thenNothing();
  });
});

describe('escalating', () => {
  it('sets the context first, then routes by it, and queues in the same decision', () => {
    const { state, events } = given(withBot).when(escalates(4, 'loan'));
    assert.deepEqual(
      events.map(({ type }) => type),
      ['contextSet', 'noted', 'escalated', 'routed', 'queued', 'told'],
    );
    assert.ok(state.phase === 'queued');
    assert.equal(state.queue, 'Loans');
    assert.equal(state.priority, 5);
    assert.equal(state.summary, 'angry');
    assert.equal(state.escalatedBy, 'demo');
    assert.deepEqual(state.triedBots, ['demo']);
  });

  it('keeps the summary from the customer', () => {
    for (const event of given(withBot).when(escalates()).events) {
      assert.equal(event.audience, event.type === 'told' ? 'everyone' : 'staff', event.type);
    }
  });

  it('lets the bot finish the turn in which it escalated, and nothing after it', () => {
    const turn = given(withBot, escalates(4));
    turn.when(botSays('bye for now', 4)).then({ type: 'said', audience: 'everyone' });
    turn.when(botSays('late', 2)).then({ type: 'drafted', audience: 'staff' });
    turn.when(botSays('unasked')).then({ type: 'drafted', audience: 'staff' });
    turn.when({ type: 'endTurn', bot: 'demo', answers: 4 }).then('turnEnded');
    turn.when(botSays('too late', 4)).then({ type: 'drafted', audience: 'staff' });
  });

  it('drafts the rest of the turn once a person has accepted', () => {
    given(withBot, escalates(4), offeredTo('ana'), accepts())
      .when(botSays('bye for now', 4))
      .then({ type: 'drafted', why: 'notHolder' });
  });

  it('a second time while queued merges context and does not queue twice', () => {
    const { state, events } = given(queued).when({
      ...escalates(),
      variables: { topic: { value: 'card' }, tier: { value: 'gold' } },
    } as ReturnType<typeof escalates>);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['contextSet', 'noted', 'escalated', 'routed'],
    );
    assert.equal(state.context['tier']?.value, 'gold');
  });

  it('a second time for another topic moves to the other queue with the place in time kept', () => {
    const scenario = given(queued, MINUTE);
    const { state } = scenario.when(escalates(undefined, 'loan'));
    assert.ok(state.phase === 'queued');
    assert.equal(state.queue, 'Loans');
    assert.equal(state.waitingSince, START);
  });

  it('a second time while offered leaves the offer standing', () => {
    const { state } = given(offered).when(escalates(undefined, 'loan'));
    assert.ok(state.phase === 'offered');
    assert.deepEqual(
      state.offers.map(({ agent }) => agent),
      ['ana'],
    );
  });

  it('is a draft from a bot that does not hold the conversation', () => {
    given(withAna).when(escalates()).then({ type: 'drafted', why: 'command', audience: 'staff' });
    given(withBot)
      .when(escalates(undefined, 'card', 'sales'))
      .then({ type: 'drafted', why: 'command' });
    given(queued)
      .when(escalates(undefined, 'card', 'sales'))
      .then({ type: 'drafted', why: 'command' });
    given(closed).when(escalates()).then({ type: 'drafted', why: 'command' });
  });

  it('is a draft when it answers something from before the present session', () => {
    const again = given(withBot, escalates(4), { type: 'cancel' });
    again.when(escalates(4)).then({ type: 'drafted', why: 'command' });
  });

  it('fails at once, and the bot hears why, where there are no people at all', () => {
    const { events, state } = givenIn(
      {
        workStream: {
          rules: [{ when: { variable: 'none', operator: 'hasNoData' }, queue: 'Bots' }],
          fallbackQueue: 'Bots',
        },
      },
      withBot,
    ).when(escalates());
    assert.deepEqual(told(events), ['nobodyCame', 'backWithBot']);
    assert.ok(
      events.some((event) => event.type === 'returned' && event.reason === 'failed' && event.message === 'noQueue'),
    );
    assert.equal(state.phase, 'bot');
  });

  it('tells the customer where in line they are, or that nobody is there', () => {
    assert.deepEqual(told(given(withBot).when(escalates()).events), ['nextInLine']);
    assert.deepEqual(told(givenIn({ online: 0 }, withBot).when(escalates()).events), ['nobodyAvailable']);
  });

  it('goes to the person again after a return, as often as the bot likes', () => {
    const again = given(withAna, { type: 'return', by: ANA }, customerSays('again'));
    assert.equal(again.when(escalates()).state.phase, 'queued');
  });
});

describe('a bot that fails', () => {
  const failed = (answers?: number) =>
    ({ type: 'botFailed', bot: 'demo', cause: 'timeout', ...(answers !== undefined && { answers }) }) as const;

  it('is replaced by people, and the customer is told', () => {
    const { events, state } = given(withBot).when(failed());
    assert.deepEqual(told(events), ['botFailed', 'nextInLine']);
    assert.ok(events.some((event) => event.type === 'escalated' && event.reason === 'botUnavailable'));
    assert.equal(state.phase, 'queued');
  });

  it('is replaced once', () => {
    given(withBot, failed()).when(failed()).thenNothing();
  });

  it('keeps a conversation in which the customer has said nothing', () => {
    const { state } = given(started).when(failed()).then('botFailed');
    assert.equal(state.phase, 'bot');
  });

  it('ends the conversation where the work stream says so', () => {
    const { state } = givenIn({ workStream: { onBotFailure: 'close' } }, withBot).when(failed());
    assert.ok(state.phase === 'closed' && state.reason === 'botFailed');
  });

  it('is not blamed for a turn of an earlier session', () => {
    given(withBot, escalates(4), { type: 'cancel' }).when(failed(4)).thenNothing();
  });
});

describe('waiting in line', () => {
  it('ends when the customer asks to leave it, by command or by word', () => {
    for (const way of [{ type: 'cancel' } as const, customerSays(' Never mind ')]) {
      const { state, events } = given(queued).when(way);
      assert.equal(state.phase, 'bot');
      assert.ok(events.some((event) => event.type === 'returned' && event.reason === 'cancelled'));
      assert.deepEqual(told(events), ['backWithBot']);
    }
    assert.equal(given(offered).when({ type: 'cancel' }).state.phase, 'bot');
    assert.equal(given(queued).when(customerSays('never')).state.phase, 'queued');
  });

  it('without a bot to go back to ends the conversation', () => {
    const { state } = given(startedAtDesk).when({ type: 'cancel' });
    assert.ok(state.phase === 'closed' && state.reason === 'customerLeft');
  });

  it('goes back to the bot when the time is up and people were there', () => {
    const { state, events } = given(queued, TIMERS.queueLimitMs).when(tick);
    assert.equal(state.phase, 'bot');
    assert.deepEqual(told(events), ['nobodyCame', 'backWithBot']);
    assert.ok(
      events.some((event) => event.type === 'returned' && event.reason === 'failed' && event.message === 'queueLimit'),
    );
  });

  it('goes on when nobody is online: that is no failure', () => {
    const { state } = givenIn({ online: 0 }, queued, TIMERS.queueLimitMs).when(tick).then('waitExtended');
    assert.equal(state.dueAt, START + 2 * TIMERS.queueLimitMs);
  });

  it('ends when the time is up and there is no bot', () => {
    const { state } = given(startedAtDesk, TIMERS.queueLimitMs).when(tick);
    assert.ok(state.phase === 'closed' && state.reason === 'queueLimit');
  });

  it('ends for a customer who is gone for three minutes, not for two', () => {
    const gone = { type: 'disconnect', party: 'customer' } as const;
    given(queued, gone, 2 * MINUTE)
      .when(tick)
      .thenNothing();
    given(queued, gone, 2 * MINUTE, { type: 'reconnect', party: 'customer' }, 2 * MINUTE)
      .when(tick)
      .thenNothing();
    const { state } = given(queued, gone, 4 * MINUTE).when(tick);
    assert.ok(state.phase === 'closed' && state.reason === 'customerGone');
  });

  it('counts an absence that began earlier from when somebody would be waiting', () => {
    const gone = { type: 'disconnect', party: 'customer' } as const;
    const back = given(queued, gone, { type: 'cancel' }, 10 * MINUTE, escalates());
    assert.equal(back.state.timers.customerGone, START + 10 * MINUTE + TIMERS.customerGoneMs);
  });

  it('keeps its time when a supervisor moves it to another queue', () => {
    const { state } = given(queued, MINUTE).when({ type: 'transfer', by: SAM, to: { queue: 'Loans' } });
    assert.ok(state.phase === 'queued');
    assert.deepEqual([state.queue, state.waitingSince], ['Loans', START]);
  });

  it('keeps the front when the topic changes the queue', () => {
    const front = given(withAna, { type: 'disconnect', party: 'agent', agent: 'ana' }, TIMERS.agentGoneChatMs, tick);
    const { state } = front.when(escalates(undefined, 'loan'));
    assert.ok(state.phase === 'queued' && state.queue === 'Loans' && state.front);
  });
});

describe('a customer', () => {
  it('who leaves closes it, or leaves a person to wrap up', () => {
    for (const phase of [withBot, queued, offered, parked]) {
      assert.equal(given(phase).when({ type: 'leave' }).state.phase, 'closed');
    }
    assert.equal(given(withAna).when({ type: 'leave' }).state.phase, 'wrapUp');
    given(wrappedUp).when({ type: 'leave' }).thenNothing();
    given(closed).when({ type: 'leave' }).thenNothing();
  });

  it('may write while it is wrapped up, not when it is closed', () => {
    given(wrappedUp).when(customerSays('thanks')).then({ type: 'said', audience: 'everyone' });
    given(closed).when(customerSays('hello?')).thenRejected('conversationClosed');
  });

  it('who is new to the conversation becomes a member before the first word', () => {
    const { customer: _unknown, ...anonymous } = started;
    given(anonymous).when(customerSays('hi')).then({ type: 'memberJoined', member: 'kim' }, 'said');
  });

  it('stays small when a page speaks under a new name each time: what is said is kept, the newcomers are not introduced', () => {
    const strangers = Array.from({ length: 300 }, (_, index): Command => ({
      type: 'say',
      by: { role: 'customer', id: `stranger ${index}` },
      activity: text('hi'),
    }));
    const { state } = given(withBot, ...strangers);
    assert.ok(state.phase === 'bot' && state.members.length === 100, String(state.phase));
    given(withBot, ...strangers.slice(0, 150))
      .when(strangers[150] as Command)
      .then({ type: 'said', audience: 'everyone' });
  });

  it('is not shown what is only for the record', () => {
    for (const type of ['invoke', 'conversationUpdate', 'installationUpdate']) {
      given(withBot)
        .when({ type: 'say', by: KIM, activity: { type, name: 'x' } })
        .then({ type: 'said', audience: 'staff' });
    }
  });
});

describe('a work stream that is gone from the configuration', () => {
  it('strands nobody: who came in by it is served on', () => {
    const { web, ...others } = directoryWith().workStreams;
    assert.ok(web !== undefined);
    const without = circumstancesAt(START + MINUTE, { ...directoryWith(), workStreams: others });
    let { state } = given(withBot) as { state: State };
    for (const command of [customerSays('hi'), escalates(undefined, 'other'), offeredTo('ana')]) {
      const decided = decide(state, command, without);
      assert.ok(!(decided instanceof Rejected), decided instanceof Rejected ? decided.message : '');
      state = decided.state;
    }
    assert.equal(state.phase, 'offered');
  });
});
