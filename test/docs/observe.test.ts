// docs/observe.md: its configuration on a real hub, and its example report, which is what the command prints for such a week.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { show } from '../../src/commands/observed.js';
import { checkConfiguration, directoryOf } from '../../src/config.js';
import { summed, type ObservedEscalation } from '../../src/core/observed.js';
import { readQuestion } from '../../src/hub/observed.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';
import { configurationIn } from './snippets.js';

const HOUR = 3_600_000;
const configuration = configurationIn('observe.md', 'observe');

/** Five days from nine to five, busier at noon: the same every time. */
function week(): ObservedEscalation[] {
  let state = 1;
  const random = () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
  const escalations: ObservedEscalation[] = [];
  for (let day = 0; day < 5; day += 1) {
    for (let hour = 9; hour < 17; hour += 1) {
      const customers = Math.floor((hour === 12 ? 14 : 6) * (0.5 + random()));
      for (let index = 0; index < customers; index += 1) {
        const conversation = `${day}/${hour}/${index}`;
        const one = {
          at: Date.UTC(2026, 0, 5 + day, hour) + random() * HOUR,
          conversation,
          chat: conversation,
          reason: random() < 0.8 ? 'signal' : 'trigger:phrase',
          ...(random() < 0.02 ? {} : { queue: random() < 0.7 ? 'Desk' : 'Complaints' }),
          limitMs: 20 * 60_000,
        } as const;
        escalations.push(one);
        if (random() < 0.1) escalations.push({ ...one, at: one.at + 3 * 60_000 });
      }
    }
  }
  return escalations;
}

function exampleReport(): string {
  const directory = directoryOf(checkConfiguration(configuration), 1);
  const read = readQuestion({ people: '1-6' }, (field) => field, 0);
  assert.ok('question' in read);
  const parts = summed(week(), read.question);
  for (;;) {
    const part = parts.next();
    if (part.done === true) return show({ ...part.value, conversations: 2_140, truncated: false }, directory);
  }
}

describe('docs/observe.md', () => {
  let test: TestHub;
  let bot: FunctionBot;
  beforeEach(async () => {
    bot = new FunctionBot(({ type, text = '' }) => {
      if (type !== 'message') return [];
      return text === 'human' ? [handoff()] : [`Shop: ${text}`];
    });
    test = await openHub({ configuration, bot });
  });
  afterEach(() => test.close());

  it('switches a work stream to observing: the customer keeps the bot, and the record says what would have been done', async () => {
    const id = await test.startConversation();
    for (const text of ['hello', 'human', 'an agent, please']) await test.says(id, text);
    assert.deepEqual(await test.customerSees(id), [
      'hello',
      'Shop: hello',
      'human',
      'an agent, please',
      'Shop: an agent, please',
    ]);
    const seen = (await test.log(id)).flatMap(({ event }) =>
      event.type === 'escalationObserved' ? [[event.reason, event.queue]] : [],
    );
    assert.deepEqual(seen, [
      ['signal', 'Desk'],
      ['trigger:phrase', 'Complaints'],
    ]);
    assert.equal((await test.state(id)).phase, 'bot');
  });

  it('shows the report that the command prints', () => {
    const page = readFileSync(new URL('../../../docs/observe.md', import.meta.url), 'utf8');
    const shown = /```text\n([\s\S]*?)\n```/.exec(page)?.[1];
    assert.equal(shown, exampleReport());
  });
});
