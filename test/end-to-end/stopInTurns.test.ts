// The program is stopped while a bot behind an endpoint is in its turns.

import assert from 'node:assert/strict';
import { HttpBot } from '../fakes/httpBot.js';
import { Shop, until } from '../fakes/shop.js';
import { Widget } from '../fakes/widget.js';

describe('a stop while a bot is in a turn', () => {
  it('takes the answer of that turn, begins no further one, and goes on where it was after the next start', async () => {
    const bot = await HttpBot.start();
    const options = { shaky: bot.endpoint, steady: bot.endpoint };
    let shop = await Shop.open(options);
    const widget = await Widget.start({ url: shop.url });
    try {
      let answer = () => {};
      const released = new Promise<void>((resolve) => (answer = resolve));
      const statuses: number[] = [];
      bot.script = async ({ activity, reply }) => {
        if (activity.type !== 'message') return;
        await released;
        const { status } = await reply(`Echo: ${activity.text}`);
        statuses.push(status);
        if (status >= 300) throw new Error(`The answer was refused with ${status}.`);
      };
      const id = widget.conversationId;
      await widget.say('one');
      await widget.say('two');
      await bot.next('one');
      const stopped = shop.close();
      await widget.disconnected();
      answer();
      await stopped;
      assert.deepEqual(statuses, [200]);
      shop = await Shop.open({ ...options, directory: shop.directory });
      await until('both are answered', async () => (await shop.sees(id)).length === 4);
      assert.deepEqual(
        (await shop.sees(id)).filter((text) => text.includes('Echo')),
        ['bot: Echo: one', 'bot: Echo: two'],
      );
      assert.equal((await shop.state(id)).phase, 'bot');
    } finally {
      await widget.close();
      await shop.remove();
      await bot.stop();
    }
  });
});
