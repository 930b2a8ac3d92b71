// A bot that goes on listening while a person has the conversation: it drafts, the person decides.

import assert from 'node:assert/strict';
import {
  accepts,
  ANA,
  botSays,
  customerSays,
  escalates,
  givenIn,
  KIM,
  offeredTo,
  withAna,
  withBot,
  type Happening,
} from './world.js';
import type { Directory } from '../../src/core/directory.js';

const listening = {
  change: (directory: Directory): Directory => ({
    ...directory,
    bots: {
      ...directory.bots,
      demo: { ...directory.bots['demo'], draftsWhileHeld: true } as Directory['bots'][string],
    },
  }),
};
const demo = { bot: 'demo' };

describe('a bot that drafts while a person holds the conversation', () => {
  it('gets what the customer says, and what it answers is for the person only', () => {
    const held = givenIn(listening, withAna);
    const said = held.when(customerSays('it is broken'));
    assert.deepEqual(said.effects, [{ to: demo, send: 'activity' }]);
    const { version } = said.state;
    held
      .when(customerSays('it is broken'), botSays('Turn it off', version))
      .then('said', { type: 'drafted', why: 'suggested', audience: 'staff', answers: version });
  });

  it('does nothing by what it asks for there: no escalation, no end, no context', () => {
    const held: Happening = [withAna, customerSays('it is broken')];
    const { version } = givenIn(listening, held).state;
    for (const command of [
      escalates(version),
      { type: 'endByBot', bot: 'demo', answers: version },
      { type: 'setContext', by: { role: 'bot', id: 'demo' }, answers: version, variables: { vip: { value: true } } },
      { type: 'botFailed', bot: 'demo', answers: version, cause: 'timeout' },
    ] as const) {
      const { state, events } = givenIn(listening, held).when(command);
      assert.ok(state.phase === 'agent' && state.context['vip'] === undefined);
      assert.ok(events.every(({ type, audience }) => type === 'drafted' && audience === 'staff'));
    }
  });

  it('never goes past the person, not even where unasked words are let through', () => {
    const letThrough = { ...listening, workStream: { proactiveWhileHeld: 'deliver' as const } };
    givenIn(letThrough, withAna).when(botSays('unasked')).then({ type: 'drafted', why: 'suggested' });
    givenIn({ workStream: letThrough.workStream }, withAna).when(botSays('unasked')).then({ type: 'said' });
  });

  it('hears messages only, and each once', () => {
    const held = givenIn(listening, withAna);
    for (const type of ['typing', 'event', 'messageReaction'])
      assert.deepEqual(held.when({ type: 'say', by: KIM, activity: { type } }).effects, [], type);
    assert.deepEqual(held.when({ type: 'say', by: KIM, activity: { type: 'invoke' } }).effects, [
      { to: demo, send: 'activity' },
    ]);
  });

  it('listens from the moment a person has it until nobody does, and again after it was parked', () => {
    const words = customerSays('hello?');
    const heard = (...happenings: Happening[]) => givenIn(listening, ...happenings).when(words).effects.length;
    assert.equal(heard(withBot, escalates()), 0);
    assert.equal(heard(withBot, escalates(), offeredTo('ana')), 0);
    assert.equal(heard(withAna, { type: 'end', by: ANA }), 0);
    assert.equal(heard(withAna, { type: 'park', by: ANA }, { type: 'resume', agent: 'ana' }), 1);
    assert.equal(
      heard(withAna, { type: 'transfer', by: ANA, to: { queue: 'Cards' } }, offeredTo('ben'), accepts('ben')),
      1,
    );
  });

  it('sends late what it answered before the person came as an ordinary draft', () => {
    givenIn(listening, withAna).when(botSays('late', 4)).then({ type: 'drafted', why: 'notHolder' });
  });

  it('is not there without the setting', () => {
    assert.deepEqual(givenIn({}, withAna).when(customerSays('x')).effects, []);
  });
});
