import assert from 'node:assert/strict';
import { loadsOf } from '../../src/core/conversation.js';
import {
  accepts,
  agentSays,
  ANA,
  BEN,
  botSays,
  closed,
  customerSays,
  DEMO,
  given,
  givenIn,
  MINUTE,
  offered,
  offeredTo,
  parked,
  queued,
  rejects,
  SAM,
  START,
  text,
  tick,
  TIMERS,
  told,
  withAna,
  withBot,
  wrappedUp,
} from './world.js';

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
      .then('transferred', { type: 'botConnected', bot: 'sales', welcome: true }, { type: 'told', text: 'botJoined' });
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
