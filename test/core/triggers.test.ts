// Handing over without the bot's doing: what customers say, what bots do not understand, bots that fail.

import assert from 'node:assert/strict';
import { loadsOf } from '../../src/core/conversation.js';
import type { Triggers, WorkStream } from '../../src/core/directory.js';
import { isFallback, phraseIn } from '../../src/core/triggers.js';
import {
  accepts,
  ANA,
  botSays,
  customerSays,
  directoryWith,
  escalates,
  given,
  givenIn,
  KIM,
  offered,
  offeredTo,
  started,
  startedOnTeams,
  text,
  told,
  withAna,
  withBot,
  wrappedUp,
  type Happening,
} from './world.js';

const demo = { bot: 'demo' };
const phrases = (...says: string[]): Partial<WorkStream> => ({
  triggers: { phrases: [{ says, match: 'contains' }] },
});
const fallbacks = (count: number): Partial<WorkStream> => ({
  triggers: {
    phrases: [],
    fallbacks: { count, texts: ['did not understand'], patterns: ['^what\\?+$'], topics: ['Fallback'] },
  },
});
const botErrors = (count: number): Partial<WorkStream> => ({ triggers: { phrases: [], botErrors: count } });
const fails = { type: 'botFailed', bot: 'demo', cause: 'timeout' } as const;
/** Only bots: nobody to hand over to. */
const NOBODY: Partial<WorkStream> = {
  rules: [{ when: { variable: 'none', operator: 'hasNoData' }, queue: 'Bots' }],
  fallbackQueue: 'Bots',
};

describe('a phrase', () => {
  function found(said: string, triggers: Triggers['phrases'][number], locale?: string): string | undefined {
    return phraseIn({ phrases: [triggers] }, text(said), locale);
  }

  const exact = (...says: string[]) => ({ says, match: 'exact' as const });
  const contains = (...says: string[]) => ({ says, match: 'contains' as const });

  for (const [said, trigger, expected] of [
    ['talk to a person', exact('Talk to a person'), 'Talk to a person'],
    ['  TALK  to a\nperson!! ', exact('talk to a person'), 'talk to a person'],
    ['please talk to a person', exact('talk to a person'), undefined],
    ['please, talk to a person now', contains('talk to a person'), 'talk to a person'],
    ['Agent, please', contains('agent'), 'agent'],
    ['the reagent is empty', contains('agent'), undefined],
    ['my agency', contains('agent'), undefined],
    ['reagent? agent!', contains('agent'), 'agent'],
    ['I don’t want a bot', contains("don't want a bot"), "don't want a bot"],
    ['ICH WILL EINEN MENSCHEN', contains('einen Menschen'), 'einen Menschen'],
    ['ÇAĞRI merkezi', contains('çağri'), 'çağri'],
    ['我要人工客服谢谢', contains('人工客服'), '人工客服'],
    ['상담원과 이야기할래요', contains('상담원'), '상담원'],
    ['ｈｕｍａｎ', exact('human'), 'human'],
    ['c++ agent', contains('c++'), 'c++'],
    ['', contains('agent'), undefined],
    ['?!', exact('agent'), undefined],
  ] as const)
    it(`${expected === undefined ? 'is not in' : 'is in'} ${JSON.stringify(said)} as ${trigger.match} ${trigger.says.join()}`, () => {
      assert.equal(found(said, trigger), expected);
    });

  it('counts in its languages only, and where the language is not known', () => {
    const german = { ...contains('Mensch'), languages: ['de'] };
    assert.equal(found('Mensch!', german, 'de-AT'), 'Mensch');
    assert.equal(found('Mensch!', german, 'de'), 'Mensch');
    assert.equal(found('Mensch!', german, 'den'), undefined);
    assert.equal(found('Mensch!', german, 'en-GB'), undefined);
    assert.equal(found('Mensch!', german), 'Mensch');
    const said = { ...text('Mensch!'), locale: 'de-DE' };
    assert.equal(phraseIn({ phrases: [german] }, said, 'en'), 'Mensch', "the message's own language goes first");
  });

  it('hands over what the bot holds, with its reason, and the bot does not hear it', () => {
    const happened = givenIn({ workStream: phrases('agent') }, withBot).when(customerSays('an agent please'));
    happened.then(
      { type: 'said', by: KIM },
      { type: 'escalated', reason: 'trigger:phrase', bot: 'demo', by: { role: 'system', id: 'system' } },
      'routed',
      { type: 'queued', queue: 'Cards', cause: 'escalated' },
      { type: 'told', text: 'nextInLine' },
    );
    const { state, events } = happened;
    assert.ok(state.phase === 'queued');
    assert.equal(state.escalationReason, 'trigger:phrase');
    assert.equal(events[1]?.body?.note, 'agent');
    // What the bot was owed is of an epoch that is over: it goes to nobody.
    const said = happened.effects.find(({ send }) => send === 'activity');
    assert.deepEqual(said, { to: demo, send: 'activity' });
    assert.ok(state.epoch > given(withBot).state.epoch);
  });

  it('is a fact that rules route by, and the receipt says so', () => {
    const rules = [
      { when: { variable: 'topic', operator: 'equals' as const, value: 'none' }, queue: 'Cards' },
      {
        when: { fact: 'escalationReason' as const, operator: 'beginsWith' as const, value: 'trigger:' },
        queue: 'Loans',
      },
      { when: { variable: 'topic', operator: 'hasNoData' as const }, queue: 'Bots' },
    ];
    const { state, events } = givenIn({ workStream: { ...phrases('agent'), rules } }, withBot).when(
      customerSays('agent'),
    );
    assert.ok(state.phase === 'queued' && state.queue === 'Loans');
    const receipt = events.find(({ type }) => type === 'routed')?.body?.receipt;
    assert.ok(receipt?.kind === 'route');
    assert.equal(receipt.rules[1]?.conditions[0]?.actual, 'trigger:phrase');
  });

  it('lets the bot hear what came of it, as of its own escalation', () => {
    const asked = [withBot, customerSays('agent'), offeredTo('ana')] as const;
    const { effects } = givenIn({ workStream: phrases('agent') }, ...asked).when(accepts());
    assert.deepEqual(effects, [{ to: demo, send: 'status', state: 'accepted' }]);
    const back = givenIn({ workStream: phrases('agent') }, ...asked, accepts()).when({ type: 'return', by: ANA });
    assert.ok(back.effects.some((effect) => effect.send === 'status' && effect.state === 'completed'));
    assert.ok(back.state.phase === 'bot' && back.state.bot === 'demo');
  });

  it('works again after a return, and on a foreign channel', () => {
    const round: Happening = [customerSays('agent'), offeredTo('ana'), accepts(), { type: 'return', by: ANA }];
    const { state } = givenIn({ workStream: phrases('agent') }, startedOnTeams, round, round).when(
      customerSays('agent'),
    );
    assert.equal(state.phase, 'queued');
  });

  it('means nothing from a bot, to people, in line, or in another kind of activity', () => {
    const workStream = phrases('agent');
    assert.equal(givenIn({ workStream }, withBot).when(botSays('ask an agent')).state.phase, 'bot');
    givenIn({ workStream }, withAna).when(customerSays('agent')).then('said');
    givenIn({ workStream }, withBot, escalates()).when(customerSays('agent')).then('said');
    givenIn({ workStream }, withBot)
      .when({ type: 'say', by: KIM, activity: { type: 'event', name: 'x', text: 'agent' } })
      .then('said');
  });

  it('leaves the customer with the bot, which hears it, where nobody could take over; staff read why', () => {
    const happened = givenIn({ workStream: { ...phrases('agent'), ...NOBODY } }, withBot).when(customerSays('agent'));
    happened.then('said', { type: 'noted', kind: 'trace' });
    assert.deepEqual(happened.effects, [{ to: demo, send: 'activity' }]);
    assert.deepEqual(happened.state.triedBots, []);
  });
});

describe('a bot that does not understand', () => {
  const turn = (reply: string): Happening => [customerSays('hm'), botSays(reply)];
  const lost = turn('Sorry, I did not understand that.');

  it('is recognised by texts, patterns and the topic of a Copilot Studio bot', () => {
    const trigger = fallbacks(1).triggers?.fallbacks;
    assert.ok(trigger !== undefined);
    const traced = (topicId: string) => ({ DialogTraceDetail: { actions: [{ topicId, actionType: 'SendActivity' }] } });
    for (const [activity, expected] of [
      [text('Sorry: I DID NOT understand that!'), true],
      [text('What??'), true],
      [text('What now?'), false],
      [text('I understood'), false],
      [{ ...text('Hm.'), channelData: traced('cr1_shop.topic.Fallback') }, true],
      [{ ...text('Hm.'), channelData: traced('cr1_shop.topic.Greeting') }, false],
      [{ ...text('Hm.'), channelData: traced('cr1_shop.topic.NoFallback') }, false],
      [{ ...text('Hm.'), channelData: { DialogTraceDetail: { actions: 'none' } } }, false],
      [{ type: 'event', name: 'DialogTracing', value: { actions: [{ topicId: 'x.topic.fallback' }] } }, true],
      [{ type: 'event', name: 'other', value: { actions: [{ topicId: 'x.topic.fallback' }] } }, false],
      [{ type: 'typing' }, false],
    ] as const)
      assert.equal(isFallback(trigger, activity), expected, JSON.stringify(activity));
  });

  it('hands over after so many turns in a row, when its last reply is out', () => {
    const { events, state } = givenIn({ workStream: fallbacks(3) }, withBot, lost, lost).when(lost);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['said', 'said', 'escalated', 'routed', 'queued', 'told'],
    );
    assert.deepEqual([events[1]?.audience, state.escalationReason], ['everyone', 'trigger:fallback']);
    assert.equal(givenIn({ workStream: fallbacks(3) }, withBot, lost).when(lost).state.phase, 'bot');
  });

  it('begins again after a turn that it understood, and after a return', () => {
    const workStream = fallbacks(2);
    assert.equal(givenIn({ workStream }, withBot, lost, turn('Of course.')).when(lost).state.phase, 'bot');
    const back: Happening = [lost, lost, offeredTo('ana'), accepts(), { type: 'return', by: ANA }];
    assert.equal(givenIn({ workStream }, withBot, back).when(lost).state.phase, 'bot');
    assert.equal(givenIn({ workStream }, withBot, back, lost).when(lost).state.phase, 'queued');
  });

  it('misses once in a turn, in however many texts it says so, in whatever order', () => {
    const workStream = fallbacks(2);
    const wordy: Happening = [
      customerSays('hm'),
      botSays('One moment.'),
      botSays('I did not understand.'),
      botSays('What?'),
      botSays('Try asking about cards.'),
    ];
    assert.equal(givenIn({ workStream }, withBot).when(wordy).state.phase, 'bot');
    assert.equal(givenIn({ workStream }, withBot, wordy).when(wordy).state.phase, 'queued');
  });

  it('is not blamed twice for two messages that it answers late', () => {
    const late: Happening = [customerSays('a'), customerSays('b'), botSays('What?'), botSays('What?')];
    assert.equal(givenIn({ workStream: fallbacks(2) }, withBot).when(late).state.phase, 'bot');
  });

  it('finishes the turn that was the last straw', () => {
    const asked = givenIn({ workStream: fallbacks(1) }, withBot, customerSays('hm'), botSays('What?', 4));
    assert.equal(asked.state.phase, 'queued');
    asked.when(botSays('Somebody will help you.', 4)).then({ type: 'said', audience: 'everyone' });
    asked.when(botSays('unasked')).then({ type: 'drafted' });
  });

  it('keeps a customer who has said nothing, and one whom nobody could take', () => {
    assert.equal(givenIn({ workStream: fallbacks(1) }, started).when(botSays('What?')).state.phase, 'bot');
    const { state } = givenIn({ workStream: { ...fallbacks(1), ...NOBODY } }, withBot).when(lost, lost);
    assert.equal(state.phase, 'bot');
  });
});

describe('a bot that is taken out of the configuration', () => {
  const afterwards = (workStream: Partial<WorkStream>, ...before: Happening[]) => {
    const bots = { ...directoryWith().bots };
    const scenario = givenIn({ workStream, change: (directory) => ({ ...directory, bots }) }, ...before);
    delete bots['demo'];
    return scenario;
  };

  for (const [when, command] of [
    ['at once', { type: 'reroute' }],
    ['with the next word of the customer at the latest', customerSays('hello?')],
  ] as const)
    it(`leaves its customers to people ${when}`, () => {
      const { state, events } = afterwards({}, withBot).when(command);
      assert.deepEqual([state.phase, state.escalationReason], ['queued', 'botUnavailable']);
      assert.deepEqual(told(events), ['botFailed', 'nextInLine']);
    });

  it('leaves nobody in front of nothing: where no queue has people, the customer is told and it is over', () => {
    const { state, events } = afterwards(NOBODY, withBot).when({ type: 'reroute' });
    assert.ok(state.phase === 'closed' && state.reason === 'botFailed');
    assert.deepEqual(told(events), ['botFailed', 'closed']);
  });

  it('is followed by people when a customer who had said nothing says something', () => {
    const silent = afterwards({}, started);
    silent.when({ type: 'reroute' }).thenNothing();
    assert.equal(silent.when(customerSays('hi')).state.phase, 'queued');
  });

  it('ends the survey that it asked', () => {
    const { state } = afterwards({ surveyBot: 'demo' }, wrappedUp).when({ type: 'reroute' });
    assert.ok(state.phase === 'wrapUp' && state.survey === undefined);
  });

  it('changes nothing for whoever is with a person, or with another bot', () => {
    afterwards({}, withAna).when({ type: 'reroute' }).thenNothing();
    afterwards({}, withAna, { type: 'return', by: ANA, bot: 'sales' }).when({ type: 'reroute' }).thenNothing();
  });
});

describe('a person who is taken out of the configuration', () => {
  const afterwards = (...before: Happening[]) => {
    const people = { ...directoryWith().people };
    const scenario = givenIn({ change: (directory) => ({ ...directory, people }) }, ...before);
    delete people['ana'];
    return scenario;
  };

  it('leaves their customers at the front of the line', () => {
    const { state, events } = afterwards(withAna).when({ type: 'reroute' });
    assert.ok(state.phase === 'queued');
    assert.ok(events.some((event) => event.type === 'queued' && event.cause === 'agentGone'));
    assert.deepEqual(loadsOf(state), {});
  });

  it('leaves what was offered to them to others', () => {
    const { state } = afterwards(offered).when({ type: 'reroute' });
    assert.equal(state.phase, 'queued');
  });
});

describe('a bot that fails', () => {
  it('is forgiven as often as the work stream says; the customer is told once', () => {
    const workStream = botErrors(3);
    const { events, state } = givenIn({ workStream }, withBot).when(fails, fails);
    assert.deepEqual(told(events), ['botFailed']);
    assert.equal(state.phase, 'bot');
    const third = givenIn({ workStream }, withBot, fails, fails).when(fails);
    assert.deepEqual(told(third.events), ['nextInLine']);
    assert.equal(third.state.escalationReason, 'trigger:botError');
  });

  it('begins again when it answers', () => {
    const workStream = botErrors(2);
    const { state, events } = givenIn({ workStream }, withBot, fails, botSays('I am back')).when(fails);
    assert.equal(state.phase, 'bot');
    assert.deepEqual(told(events), ['botFailed']);
  });

  it('hands over at once where the work stream says nothing, and is told nothing: it was never asked', () => {
    const { events, state } = given(withBot).when(fails);
    assert.deepEqual(told(events), ['botFailed', 'nextInLine']);
    assert.deepEqual([state.escalationReason, state.escalatedBy], ['botUnavailable', undefined]);
  });

  it('keeps the chat where no queue has people, and the customer is told once until it answers', () => {
    const nobody = () => givenIn({ workStream: NOBODY }, withBot);
    const { events, state } = nobody().when(fails, fails, fails);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['botFailed', 'told', 'botFailed', 'botFailed'],
    );
    assert.ok(state.phase === 'bot');
    assert.deepEqual(told(nobody().when(fails, botSays('back'), fails).events), ['botFailed', 'botFailed']);
  });

  it('does not count failures to greet: whoever has said nothing is owed nothing', () => {
    const { events } = givenIn({ workStream: botErrors(2) }, started, fails, fails, customerSays('hi')).when(fails);
    assert.deepEqual(told(events), ['botFailed']);
  });
});
