import assert from 'node:assert/strict';
import { loadsOf, NOT_STARTED, type State } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import { Rejected } from '../../src/core/rejected.js';
import {
  accepts,
  agentSays,
  ANA,
  BEN,
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
  rejects,
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

describe('an offer', () => {
  it('reserves capacity and lapses back into the same place', () => {
    const offer = given(queued, MINUTE, offeredTo('ana'));
    assert.deepEqual(loadsOf(offer.state), { ana: 1 });
    const { state } = given(queued, MINUTE, offeredTo('ana'), TIMERS.offerMs)
      .when(tick)
      .then({ type: 'lapsed', agents: ['ana'], why: 'time' });
    assert.ok(state.phase === 'queued' && state.waitingSince === START && !state.front);
    assert.deepEqual(loadsOf(state), {});
  });

  it('declined goes back into the same place and is remembered', () => {
    const { state } = given(offered).when(rejects()).then({ type: 'declined', agent: 'ana' });
    assert.ok(state.phase === 'queued' && state.waitingSince === START);
    assert.deepEqual(state.declines, { ana: 1 });
  });

  it('declined twice by the same person is a success without a new event, wherever it went since', () => {
    given(offered, rejects()).when(rejects()).thenNothing();
    given(offered, rejects(), offeredTo('ben')).when(rejects()).thenNothing();
    given(offered, rejects(), offeredTo('ben'), accepts('ben')).when(rejects()).thenNothing();
  });

  it('to several goes to the first who accepts; the others are withdrawn in the same decision', () => {
    const several = given(queued, offeredTo('ana', 'ben'));
    assert.deepEqual(loadsOf(several.state), { ana: 1, ben: 1 });
    const { state, events } = several.when(accepts('ben'));
    assert.deepEqual(
      events.map(({ type }) => type),
      ['withdrawn', 'accepted', 'told'],
    );
    assert.deepEqual(loadsOf(state), { ben: 1 });
    const rejected = several.when(accepts('ana')).thenRejected('offerGone');
    assert.deepEqual(rejected.details['owner'], { id: 'ben', name: 'Ben' });
    assert.match(String(rejected.details['at']), /^2026-/);
  });

  it('to several stays with the others when one declines', () => {
    const { state } = given(queued, offeredTo('ana', 'ben')).when(rejects('ana'));
    assert.ok(state.phase === 'offered');
    assert.deepEqual(loadsOf(state), { ben: 1 });
    assert.equal(state.dueAt, START + TIMERS.offerMs);
  });

  it('lapses for a person whose connection is lost', () => {
    given(offered).when({ type: 'lapse', agent: 'ana' }).then({ type: 'lapsed', why: 'agentGone' });
    given(offered).when({ type: 'lapse', agent: 'ben' }).thenNothing();
  });

  it('is gone for somebody it was never made to, and after it lapsed', () => {
    given(offered).when(accepts('ben')).thenRejected('offerGone');
    given(offered, TIMERS.offerMs, tick).when(accepts()).thenRejected('offerGone');
  });

  it('is made only for what waits', () => {
    for (const phase of [withBot, offered, withAna, wrappedUp, closed]) {
      given(phase).when(offeredTo('ben')).thenRejected('wrongPhase');
    }
  });

  it('keeps what the customer writes meanwhile', () => {
    const { state } = given(offered).when(customerSays('hello?')).then({ type: 'said', audience: 'everyone' });
    assert.equal(state.phase, 'offered');
  });
});

describe('taking a conversation', () => {
  it('accepted twice by the same person is a success without a new event', () => {
    given(withAna).when(accepts()).thenNothing();
  });

  it('tells the customer who joined', () => {
    assert.deepEqual(told(given(offered).when(accepts()).events), ['agentJoined']);
  });

  it('by hand is for members of the queue', () => {
    assert.equal(given(queued).when({ type: 'pick', agent: 'ben' }).state.phase, 'agent');
    given(queued).when({ type: 'pick', agent: 'sam' }).thenRejected('notAllowed');
    given(offered).when({ type: 'pick', agent: 'ben' }).thenRejected('offerGone');
    given(withAna).when({ type: 'pick', agent: 'ben' }).thenRejected('offerGone');
  });

  it('by force is for supervisors, and the receipt says so', () => {
    const assign = { type: 'assign', by: SAM, agent: 'ben' } as const;
    const { events } = given(offered).when(assign);
    const accepted = events.find((event) => event.type === 'accepted');
    assert.equal(accepted?.how, 'assign');
    assert.match(JSON.stringify(accepted?.body?.receipt), /assigned by sam, whatever the capacity/);
    given(queued)
      .when({ ...assign, by: ANA })
      .thenRejected('notAllowed');
    given(queued)
      .when({ ...assign, agent: 'nobody' })
      .thenRejected('notFound');
    given(withBot).when(assign).thenRejected('wrongPhase');
  });
});

describe('a person who holds the conversation', () => {
  it('speaks to the customer; nobody else does', () => {
    given(withAna).when(agentSays('Hello')).then({ type: 'said', by: ANA, audience: 'everyone' });
    const rejected = given(withAna).when(agentSays('Hello', 'ben')).thenRejected('notHolder');
    assert.equal(rejected.details['owner'], 'ana');
    given(withAna).when(botSays('me too')).then({ type: 'drafted', audience: 'staff', why: 'notHolder' });
  });

  it('mutes the bot, whatever it sends', () => {
    for (const type of ['message', 'event', 'endOfConversation', 'messageReaction']) {
      given(withAna)
        .when({ type: 'say', by: DEMO, activity: { type }, answers: 4 })
        .then({ type: 'drafted', activityType: type, audience: 'staff' });
    }
    given(withAna).when({ type: 'endByBot', bot: 'demo' }).then({ type: 'drafted', why: 'command' });
    given(withAna)
      .when({ type: 'setContext', by: DEMO, variables: { a: { value: 1 } } })
      .then({ type: 'drafted', why: 'command' });
  });

  it('hears unasked words of the bot where the work stream delivers them', () => {
    givenIn({ workStream: { proactiveWhileHeld: 'deliver' } }, withAna)
      .when(botSays('your parcel is here'), botSays('an answer', 4))
      .then({ type: 'said', audience: 'everyone' }, { type: 'drafted', audience: 'staff' });
  });

  it('writes notes that the customer does not see', () => {
    given(withAna)
      .when({ type: 'note', by: ANA, activity: text('careful') })
      .then({ type: 'noted', kind: 'note', audience: 'staff' });
  });

  it('changes own words only, and a changed note stays a note', () => {
    const edit = { type: 'edit', by: ANA, target: 9, author: ANA, audience: 'everyone', activity: text('x') } as const;
    given(withAna).when(edit).then({ type: 'edited', target: 9, audience: 'everyone' });
    given(withAna)
      .when({ ...edit, audience: 'staff' })
      .then({ type: 'edited', audience: 'staff' });
    given(withAna)
      .when({ type: 'delete', by: ANA, target: 9, author: ANA, audience: 'staff' })
      .then({ type: 'deleted', audience: 'staff' });
    given(withAna)
      .when({ ...edit, author: BEN })
      .thenRejected('notAllowed');
    given(withBot).when(edit).thenRejected('notHolder');
  });

  it('returns it to the same bot with a summary of the session', () => {
    const { state, events } = given(withAna, MINUTE, {
      type: 'setContext',
      by: ANA,
      variables: { tier: { value: 'gold' } },
    }).when({ type: 'return', by: ANA, outcome: 'solved', summary: 'refunded' });
    const returned = events.find((event) => event.type === 'returned');
    assert.deepEqual(
      { ...returned, body: undefined, timers: undefined },
      {
        v: 1,
        at: START + MINUTE,
        by: ANA,
        audience: 'staff',
        type: 'returned',
        bot: 'demo',
        reason: 'returned',
        welcome: false,
        body: undefined,
        timers: undefined,
      },
    );
    assert.deepEqual(returned?.body?.session, {
      outcome: 'solved',
      agent: { id: 'ana', name: 'Ana' },
      startedAt: new Date(START).toISOString(),
      endedAt: new Date(START + MINUTE).toISOString(),
      queue: 'Cards',
      contextChanged: ['tier'],
      summary: 'refunded',
    });
    assert.equal(state.phase, 'bot');
    assert.deepEqual(told(events), ['agentLeft', 'backWithBot']);
  });

  it('introduces a bot that has not had it, never the one that has', () => {
    const returned = (bot?: string) =>
      given(withAna)
        .when({ type: 'return', by: ANA, ...(bot !== undefined && { bot }) })
        .events.find((event) => event.type === 'returned');
    assert.equal(returned('sales')?.welcome, true);
    assert.equal(returned('demo')?.welcome, false);
    assert.equal(returned()?.bot, 'demo');
    given(withAna).when({ type: 'return', by: ANA, bot: 'nope' }).thenRejected('badCommand');
  });

  it('hears nothing of a reply that the bot computed before it lost the conversation', () => {
    given(withAna, { type: 'return', by: ANA })
      .when(botSays('stale', 4))
      .then({ type: 'drafted', why: 'earlierSession', audience: 'staff' });
  });

  it('transfers it to a queue, a person or a bot', () => {
    const toQueue = given(withAna, MINUTE).when({ type: 'transfer', by: ANA, to: { queue: 'Loans' } });
    assert.ok(toQueue.state.phase === 'queued' && toQueue.state.queue === 'Loans');
    assert.equal(toQueue.state.waitingSince, START + MINUTE);
    const toBen = given(withAna).when({ type: 'transfer', by: ANA, to: { agent: 'ben' } });
    assert.ok(toBen.state.phase === 'offered' && toBen.state.direct);
    assert.deepEqual(loadsOf(toBen.state), { ben: 1 });
    const toBot = given(withAna).when({ type: 'transfer', by: ANA, to: { bot: 'sales' } });
    assert.ok(toBot.state.phase === 'bot' && toBot.state.bot === 'sales');
  });

  it('whose transfer lapses or is declined puts it to the front of the queue it came from', () => {
    const direct = [withAna, { type: 'transfer', by: ANA, to: { agent: 'ben' } } as const];
    for (const outcome of [
      given(direct, TIMERS.offerMs).when(tick),
      given(direct).when(rejects('ben')),
      given(direct).when({ type: 'lapse', agent: 'ben' }),
    ]) {
      assert.ok(outcome.state.phase === 'queued' && outcome.state.front && outcome.state.queue === 'Cards');
    }
  });

  it('cannot transfer it nowhere, to two places, to nobody known or to themselves', () => {
    const transfer = (to: { queue?: string; agent?: string; bot?: string }) =>
      given(withAna).when({ type: 'transfer', by: ANA, to });
    transfer({}).thenRejected('badCommand');
    transfer({ queue: 'Loans', agent: 'ben' }).thenRejected('badCommand');
    transfer({ agent: 'ana' }).thenRejected('badCommand');
    transfer({ queue: 'Nope' }).thenRejected('notFound');
    transfer({ agent: 'nope' }).thenRejected('notFound');
    transfer({ bot: 'nope' }).thenRejected('notFound');
    given(withAna)
      .when({ type: 'transfer', by: BEN, to: { queue: 'Loans' } })
      .thenRejected('notHolder');
    given(queued)
      .when({ type: 'transfer', by: ANA, to: { queue: 'Loans' } })
      .thenRejected('notHolder');
  });

  it('ends it into wrap-up, which holds the capacity until it is closed or over', () => {
    const ended = given(withAna).when({ type: 'end', by: ANA });
    assert.equal(ended.state.phase, 'wrapUp');
    assert.deepEqual(loadsOf(ended.state), { ana: 1 });
    given(wrappedUp).when({ type: 'end', by: ANA }).thenNothing();
    const closedByAna = given(wrappedUp).when({ type: 'close', by: ANA });
    assert.ok(closedByAna.state.phase === 'closed' && closedByAna.state.reason === 'agentEnded');
    const over = given(wrappedUp, TIMERS.wrapUpMs).when(tick);
    assert.ok(over.state.phase === 'closed' && over.state.reason === 'wrapUpOver');
    assert.deepEqual(loadsOf(over.state), {});
  });

  it('who is silent for half an hour is taken for done, or the customer for forgotten', () => {
    assert.equal(given(withAna, TIMERS.agentSilentMs).when(tick).state.phase, 'wrapUp');
    const requeue = givenIn({ workStream: { onAgentSilent: 'requeue' } }, withAna, TIMERS.agentSilentMs).when(tick);
    assert.ok(requeue.state.phase === 'queued' && requeue.state.front);
  });

  it('who is gone for three minutes loses it to the front of the queue, and the customer is told', () => {
    const gone = { type: 'disconnect', party: 'agent', agent: 'ana' } as const;
    const { state, events } = given(withAna, gone, TIMERS.agentGoneChatMs).when(tick);
    assert.ok(state.phase === 'queued' && state.front && state.queue === 'Cards');
    assert.deepEqual(told(events), ['requeued']);
    given(withAna, gone, { type: 'reconnect', party: 'agent', agent: 'ana' }, TIMERS.agentGoneChatMs)
      .when(tick)
      .thenNothing();
    given(withAna)
      .when({ ...gone, agent: 'ben' })
      .thenNothing();
  });

  it('parks it without holding capacity; the customer is served first on coming back', () => {
    const waiting = given(parked);
    assert.deepEqual(loadsOf(waiting.state), {});
    const { state } = waiting.when(customerSays('I am back'));
    assert.ok(state.phase === 'queued' && state.front);
    assert.equal(given(parked).when({ type: 'resume', agent: 'ana' }).state.phase, 'agent');
    given(parked).when({ type: 'resume', agent: 'ben' }).thenRejected('wrongPhase');
    assert.equal(given(parked, TIMERS.waitingMs).when(tick).state.phase, 'closed');
  });

  it('sends a draft of the bot as own words, or discards it', () => {
    const { events } = given(withAna, botSays('I suggest …')).when({
      type: 'resolveDraft',
      by: ANA,
      target: 12,
      activity: text('Try this'),
    });
    assert.deepEqual(
      events.map(({ type, by, audience }) => [type, by, audience]),
      [
        ['draftResolved', ANA, 'staff'],
        ['said', ANA, 'everyone'],
      ],
    );
    given(withAna).when({ type: 'resolveDraft', by: ANA, target: 12 }).then({ type: 'draftResolved', sent: false });
    given(withAna).when({ type: 'resolveDraft', by: BEN, target: 12 }).thenRejected('notHolder');
  });
});

describe('a supervisor', () => {
  it('closes any open conversation, and others do not', () => {
    for (const phase of [withBot, queued, offered, withAna, parked, wrappedUp]) {
      const { state } = given(phase).when({ type: 'close', by: SAM });
      assert.equal(state.phase, 'closed');
    }
    for (const phase of [withBot, queued, withAna])
      given(phase).when({ type: 'close', by: ANA }).thenRejected('wrongPhase');
  });

  it('hands what a bot holds to another bot, which is introduced, or to a queue', () => {
    const { state } = given(withBot)
      .when({ type: 'transfer', by: SAM, to: { bot: 'sales' } })
      .then('transferred', { type: 'botConnected', bot: 'sales', welcome: true });
    assert.equal(state.lastBot, 'sales');
    given(withBot, { type: 'transfer', by: SAM, to: { bot: 'sales' } })
      .when(botSays('late', 4))
      .then({ type: 'drafted', why: 'notHolder' });
    assert.equal(given(withBot).when({ type: 'transfer', by: SAM, to: { queue: 'Loans' } }).state.phase, 'queued');
    given(withBot)
      .when({ type: 'transfer', by: SAM, to: { bot: 'demo' } })
      .thenRejected('badCommand');
    given(withBot)
      .when({ type: 'transfer', by: SAM, to: { agent: 'ana' } })
      .thenRejected('badCommand');
    given(withBot)
      .when({ type: 'transfer', by: ANA, to: { bot: 'sales' } })
      .thenRejected('notHolder');
  });

  it('watches and lets others consult without taking capacity', () => {
    const joined = given(
      withAna,
      { type: 'join', agent: 'sam', as: 'monitoring' },
      { type: 'join', agent: 'ben', as: 'consulting' },
    );
    assert.deepEqual(loadsOf(joined.state), { ana: 1 });
    joined.when({ type: 'join', agent: 'ben', as: 'consulting' }).thenNothing();
    joined.when({ type: 'quit', agent: 'ben' }).then('left');
    joined.when({ type: 'quit', agent: 'ben' }).thenNothing();
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
