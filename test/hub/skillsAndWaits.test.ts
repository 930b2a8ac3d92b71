// docs/skills-and-waits.md on a real hub: who is given what requires skills, and what a bot hears that asks how long it would be.

import assert from 'node:assert/strict';
import type { Outlook } from '../../src/hub/outlook.js';
import { configurationIn } from '../docs/snippets.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';

const MINUTE = 60_000;

/** Hands over on `french` and `any`. */
const bot = () =>
  new FunctionBot(({ type, text }) =>
    type === 'message' ? [handoff({ language: text === 'french' ? 'fr' : 'en', topic: 'card' })] : [],
  );

describe('docs/skills-and-waits.md', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub({ configuration: configurationIn('skills-and-waits.md', 'skills'), bot: bot() });
  });
  afterEach(() => test.close());

  async function comes(customer: string, text: 'french' | 'any'): Promise<string> {
    const id = await test.startConversation(customer);
    await test.says(id, text, customer);
    return id;
  }

  async function asks(value: { queue?: string; skills?: string[] } = {}): Promise<Outlook> {
    const id = await test.startConversation('asker');
    const { status, body } = await test.hub.botAsks(id, 'front', {
      type: 'invoke',
      name: 'handoff/canEscalate',
      value,
    });
    assert.equal(status, 200, JSON.stringify(body));
    return body as Outlook;
  }

  async function available(...people: string[]): Promise<void> {
    for (const id of people) await test.hub.people.setPresence(id, 'available');
    await test.hub.settled();
  }

  /** Has the offered conversation for so many minutes, wrap-up included. */
  async function serves(agent: string, id: string, minutes: number): Promise<void> {
    await test.hub.handle(id, { type: 'accept', agent });
    test.clock.advance(minutes * MINUTE);
    await test.hub.handle(id, { type: 'end', by: { role: 'agent', id: agent } });
    await test.hub.handle(id, { type: 'close', by: { role: 'agent', id: agent } });
    await test.hub.settled();
  }

  async function fiveChats(minutes: readonly number[] = [2, 4, 5, 6, 8]): Promise<void> {
    for (const length of minutes) await serves('ben', await comes('before', 'french'), length);
  }

  it('offers what requires a skill to people who have it, and tells why others were passed over', async () => {
    await available('ana');
    const id = await comes('lee', 'french');
    assert.match((await test.customerSees(id)).at(-1) ?? '', /Nobody is available/, 'Ana is there, without French');
    const second = await comes('kim', 'any');
    assert.equal((await test.state(second)).phase, 'offered', 'who needs nothing is not held up');
    await available('ben');
    const state = await test.state(id);
    assert.ok(state.phase === 'offered' && state.offers[0]?.agent === 'ben');
    const offered = (await test.log(id)).find(({ event }) => event.type === 'offered');
    const receipt = offered?.event.body?.receipt;
    assert.ok(receipt?.kind === 'assign');
    assert.deepEqual(
      receipt.candidates.map((candidate) => [candidate.id, candidate.excluded]),
      [
        ['ben', undefined],
        ['ana', 'skill'],
      ],
    );
  });

  it('remembers what a waiting conversation requires beyond a restart', async () => {
    const id = await comes('lee', 'french');
    test = await test.restart();
    await available('ana');
    assert.equal((await test.state(id)).phase, 'queued');
    await available('ben');
    assert.equal((await test.state(id)).phase, 'offered');
  });

  it('routes anew who waits for what nobody has any more', async () => {
    const id = await comes('lee', 'french');
    const { people } = test.hub.directory;
    const { ben } = people;
    assert.ok(ben !== undefined);
    await test.hub.useDirectory({
      ...test.hub.directory,
      version: 2,
      people: { ...people, ben: { ...ben, skills: [] } },
    });
    await available('ana');
    assert.equal((await test.state(id)).phase, 'offered');
  });

  it('tells a bot who asks about skills what would come of it', async () => {
    await available('ana');
    const nothing = { fromMs: 0, toMs: 0 };
    assert.deepEqual(await asks(), {
      open: true,
      agentsOnline: 1,
      position: 1,
      queue: 'Desk',
      estimatedWaitMs: 0,
      range: nothing,
    });
    const closed = { open: false, agentsOnline: 0, position: 1, queue: 'Desk' };
    assert.deepEqual(await asks({ skills: ['french'] }), closed);
    assert.deepEqual(await asks({ queue: 'Desk', skills: ['klingon'] }), closed);
    await available('ben');
    assert.equal((await asks({ skills: ['french', 'loans'] })).agentsOnline, 1);
    assert.equal((await asks({ skills: [] })).agentsOnline, 2);
  });

  it('learns how long chats take, and estimates by it who has to wait', async () => {
    await available('ben');
    await fiveChats();
    const held = await comes('kim', 'french');
    assert.equal((await asks({ skills: ['french'] })).estimatedWaitMs, 5 * MINUTE, 'it was not accepted yet');
    await test.hub.handle(held, { type: 'accept', agent: 'ben' });
    test.clock.advance(4.5 * MINUTE);
    assert.deepEqual(await asks({ skills: ['french'] }), {
      open: true,
      agentsOnline: 1,
      position: 1,
      queue: 'Desk',
      estimatedWaitMs: 1.5 * MINUTE,
      range: { fromMs: 0.5 * MINUTE, toMs: 3.5 * MINUTE },
    });
    await comes('lee', 'french');
    const behind = await asks({ skills: ['french'] });
    assert.deepEqual([behind.position, (behind.estimatedWaitMs ?? 0) > 5 * MINUTE], [2, true]);
    await available('ana');
    assert.equal((await asks()).estimatedWaitMs, 0, 'Ana has room, and who waits before needs French');
  });

  it('says nothing about the wait before five chats have ended, or when nobody takes chats now', async () => {
    await available('ben');
    await fiveChats([2, 4, 5, 6]);
    const held = await comes('kim', 'french');
    assert.equal('estimatedWaitMs' in (await asks({ skills: ['french'] })), false);
    await serves('ben', held, 8);
    await comes('kim', 'french');
    assert.equal('estimatedWaitMs' in (await asks({ skills: ['french'] })), true);
    await test.hub.people.setPresence('ben', 'busy');
    const busy = await asks({ skills: ['french'] });
    assert.deepEqual([busy.open, 'estimatedWaitMs' in busy], [true, false]);
  });

  it('knows after a restart what it had learned, and since when chats are under way', async () => {
    await available('ben');
    await fiveChats();
    const held = await comes('kim', 'french');
    await test.hub.handle(held, { type: 'accept', agent: 'ben' });
    test.clock.advance(4.5 * MINUTE);
    const before = await asks({ skills: ['french'] });
    test = await test.restart();
    await available('ben');
    assert.deepEqual(await asks({ skills: ['french'] }), before);
  });

  it('counts who waits in another queue for the same person', async () => {
    await available('ben');
    await fiveChats();
    const held = await comes('kim', 'french');
    await test.hub.handle(held, { type: 'accept', agent: 'ben' });
    const alone = (await asks({ skills: ['french'] })).estimatedWaitMs ?? NaN;
    const elsewhere = await test.startConversation('lee');
    await test.hub.handle(elsewhere, {
      type: 'transfer',
      by: { role: 'supervisor', id: 'sam' },
      to: { queue: 'Loans' },
    });
    await test.hub.settled();
    const { position, estimatedWaitMs = NaN } = await asks({ skills: ['french'] });
    assert.equal(position, 1);
    assert.ok(estimatedWaitMs > alone, `${estimatedWaitMs} after ${alone}`);
  });
});
