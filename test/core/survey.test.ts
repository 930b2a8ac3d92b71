// After a person has ended: a bot asks the customer how it was, while the person wraps up.

import assert from 'node:assert/strict';
import { loadsOf, omnichannelState } from '../../src/core/conversation.js';
import {
  accepts,
  ANA,
  botSays,
  customerSays,
  escalates,
  given,
  givenIn,
  KIM,
  offeredTo,
  SAM,
  tick,
  TIMERS,
  told,
  withAna,
  type Happening,
} from './world.js';

const sales = { bot: 'sales' };
const surveyed = { workStream: { surveyBot: 'sales' } };
const ends = { type: 'end', by: ANA } as const;
const closes = { type: 'close', by: ANA } as const;
const asked: Happening = [withAna, ends];
const since = givenIn(surveyed, asked).state.sessionSeq;
const botEnds = { type: 'endByBot', bot: 'sales', answers: since } as const;

describe('a survey after the talk with a person', () => {
  it('begins when the person ends: the bot is introduced, hears the context and the summary', () => {
    const happened = givenIn(surveyed, withAna).when(ends);
    happened.then('ended', { type: 'told', text: 'agentLeft' }, { type: 'surveyStarted', bot: 'sales', welcome: true });
    assert.deepEqual(
      happened.effects.filter(({ to }) => to !== 'channel' && to.bot === 'sales').map(({ send }) => send),
      ['members', 'context', 'status'],
    );
    const status = happened.effects.find((effect) => effect.send === 'status' && effect.to !== 'channel');
    assert.ok(status?.send === 'status' && status.state === 'completed');
  });

  it('lets bot and customer talk, for everyone to read, while the person wraps up', () => {
    const { state } = givenIn(surveyed, asked);
    assert.ok(state.phase === 'wrapUp' && state.agent === 'ana' && state.survey === 'sales');
    assert.equal(omnichannelState(state.phase), 'Wrap-up');
    assert.deepEqual(loadsOf(state), { ana: 1 });
    givenIn(surveyed, asked)
      .when(botSays('How was it?', since, 'sales'))
      .then({ type: 'said', audience: 'everyone' });
    const answer = givenIn(surveyed, asked).when(customerSays('fine'));
    answer.then({ type: 'said', by: KIM, audience: 'everyone' });
    assert.deepEqual(answer.effects, [{ to: sales, send: 'activity' }]);
  });

  it('lets the bot keep answers as context, and nobody else speak', () => {
    const { state } = givenIn(surveyed, asked).when({
      type: 'setContext',
      by: { role: 'bot', id: 'sales' },
      answers: since,
      variables: { rating: { value: 5 } },
    });
    assert.equal(state.context['rating']?.value, 5);
    givenIn(surveyed, asked).when(botSays('me too')).then({ type: 'drafted', why: 'notHolder' });
    givenIn(surveyed, asked)
      .when({ type: 'say', by: ANA, activity: { type: 'message', text: 'bye' } })
      .thenRejected('notHolder');
  });

  it('ends by the bot, and the person goes on wrapping up', () => {
    const over = givenIn(surveyed, asked).when(botEnds);
    over.then({ type: 'surveyEnded', reason: 'botEnded' });
    assert.ok(over.state.phase === 'wrapUp' && over.state.survey === undefined);
    assert.deepEqual(over.state.timers, { wrapUpEnds: givenIn(surveyed, asked).state.timers.wrapUpEnds });
    assert.deepEqual(loadsOf(over.state), { ana: 1 });
    const done = givenIn(surveyed, asked, botEnds).when(closes);
    assert.ok(done.state.phase === 'closed' && done.state.reason === 'agentEnded');
    givenIn(surveyed, asked, botEnds)
      .when(botSays('one more', since, 'sales'))
      .then({ type: 'drafted' });
  });

  it('outlives the wrap-up without holding anybody, and then the conversation ends with it', () => {
    for (const over of [closes, [TIMERS.surveyMs, customerSays('…'), TIMERS.wrapUpMs - TIMERS.surveyMs, tick]]) {
      const quick = { workStream: { ...surveyed.workStream, timers: { ...TIMERS, surveyMs: 14 * 60_000 } } };
      const { state, events } = givenIn(quick, asked).when(over as Happening);
      assert.ok(state.phase === 'bot' && state.bot === 'sales' && state.survey === true, state.phase);
      assert.deepEqual(loadsOf(state), {});
      assert.deepEqual(told(events), []);
    }
    const going = givenIn(surveyed, asked, closes);
    going.when(botSays('How was it?', since, 'sales')).then({ type: 'said', audience: 'everyone' });
    going.when(customerSays('fine')).then('said');
    const { state, events } = going.when(botEnds);
    assert.ok(state.phase === 'closed' && state.reason === 'botEnded');
    assert.deepEqual(told(events), ['closed']);
  });

  it('is over when nobody says anything for some time, counted from the last message', () => {
    const silent = givenIn(surveyed, asked, TIMERS.surveyMs).when(tick);
    silent.then({ type: 'surveyEnded', reason: 'inactive' });
    givenIn(surveyed, asked, TIMERS.surveyMs - 1, customerSays('wait'), 2)
      .when(tick)
      .thenNothing();
    const { state } = givenIn(surveyed, asked, closes, TIMERS.surveyMs).when(tick);
    assert.ok(state.phase === 'closed' && state.reason === 'inactive');
  });

  it('is over when the customer leaves or the bot fails', () => {
    const leave = { type: 'leave' } as const;
    givenIn(surveyed, asked).when(leave).then({ type: 'surveyEnded', reason: 'customerLeft' });
    assert.equal(givenIn(surveyed, asked, closes).when(leave).state.phase, 'closed');
    const fails = { type: 'botFailed', bot: 'sales', cause: 'timeout' } as const;
    const failed = givenIn(surveyed, asked).when(fails);
    failed.then('botFailed', { type: 'surveyEnded', reason: 'botFailed' });
    assert.deepEqual(told(failed.events), []);
    const later = givenIn(surveyed, asked, closes).when(fails);
    assert.ok(later.state.phase === 'closed' && later.state.reason === 'botFailed');
  });

  it('hands over to nobody: what the bot or the customer asks for is no new request', () => {
    const workStream = {
      ...surveyed.workStream,
      triggers: { phrases: [{ says: ['agent'], match: 'exact' as const }] },
    };
    for (const going of [asked, [asked, closes]]) {
      givenIn({ workStream }, going)
        .when(escalates(since, 'card', 'sales'))
        .then({ type: 'drafted', why: 'command' });
      givenIn({ workStream }, going).when(customerSays('agent')).then('said');
    }
  });

  it('does not run for a customer who is gone, nor where no person was', () => {
    const gone = { type: 'disconnect', party: 'customer' } as const;
    givenIn(surveyed, withAna, gone).when(ends).then('ended', { type: 'told', text: 'agentLeft' });
    givenIn(surveyed, withAna).when({ type: 'leave' }).then('ended');
    givenIn(surveyed, withAna, TIMERS.agentSilentMs).when(tick).then('ended', 'told');
    given(withAna).when(ends).then('ended', 'told');
  });

  it('introduces a bot that had the conversation before to nobody again, and tells it once', () => {
    const { effects, events } = givenIn({ workStream: { surveyBot: 'demo' } }, withAna).when(ends);
    assert.ok(events.some((event) => event.type === 'surveyStarted' && !event.welcome));
    assert.deepEqual(
      effects.map(({ send }) => send),
      ['status', 'context'],
    );
  });

  it('is no obstacle to whoever closes twice, closes by force, or takes it on', () => {
    givenIn(surveyed, asked, closes).when(closes).thenNothing();
    givenIn(surveyed, asked, closes).when(ends).thenNothing();
    for (const going of [asked, [asked, closes]]) {
      const { state } = givenIn(surveyed, going).when({ type: 'close', by: SAM });
      assert.ok(state.phase === 'closed' && state.reason === 'forced');
    }
    const taken = givenIn(surveyed, asked, closes).when({ type: 'transfer', by: SAM, to: { queue: 'Cards' } });
    assert.equal(taken.state.phase, 'queued');
    givenIn(surveyed, asked, closes, { type: 'transfer', by: SAM, to: { queue: 'Cards' } }, offeredTo('ana'), accepts())
      .when(ends)
      .then('ended', 'told', { type: 'surveyStarted', welcome: false });
  });
});
