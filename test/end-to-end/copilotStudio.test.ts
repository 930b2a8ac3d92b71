/** The real program with a Copilot Studio bot: configured by handoff.yaml, met by a widget, and killed with -9 while replies are on their way. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configurationText, eventually, GREETING, Studio } from '../connector/directLineBot/studio.js';
import { handoff, startProgram, withData, type Program } from '../fakes/program.js';
import { Widget } from '../fakes/widget.js';

const SECRET = 'the-direct-line-secret-of-this-test';
const ROUNDS = 5;

describe('The program with a bot of Copilot Studio', function () {
  this.timeout(120_000);

  it('loses and doubles nothing that the bot says, although it is killed with -9 while replies are on their way', () =>
    withData(async (data) => {
      const studio = await Studio.open();
      let server: Program | undefined;
      let widget: Widget | undefined;
      try {
        const config = join(data, 'handoff.yaml');
        await writeFile(config, configurationText(studio));
        const start = (port: string) =>
          startProgram(data, ['--config', config, '--port', port], { DIRECT_LINE_SECRET: SECRET });
        server = await start('0');
        const { url } = server;
        widget = await Widget.start({ url, secret: SECRET, user: { id: 'dl_kim', name: 'Kim' } });
        await widget.next(GREETING, 20_000);
        const texts: string[] = [];
        for (let round = 1; round <= ROUNDS; round += 1) {
          texts.push(`round ${round}`);
          await widget.say(`later round ${round}`);
          // In odd rounds the bot has heard it and answers while nobody is there; in even ones the kill comes at once.
          if (round % 2 === 1) await eventually(() => assert.equal(studio.held.length, 1));
          await server.stop('SIGKILL');
          await studio.release();
          server = await start(new URL(url).port);
          await widget.reconnect();
          await eventually(() => assert.equal(studio.said.filter((text) => text === `later round ${round}`).length, 1));
          await studio.release();
          await widget.next(`Echo: round ${round}`, 20_000);
        }
        await widget.say('human');
        await widget.next('Please wait a moment', 20_000);

        const log = await widget.read();
        const fromBot = log.filter(({ from }) => from?.id === 'studio').map(({ text }) => text);
        assert.deepEqual(fromBot, [
          GREETING,
          ...texts.map((text) => `Echo: ${text}`),
          'I connect you with a person',
          'Please wait a moment',
        ]);
        assert.deepEqual(studio.said, ['startConversation', ...texts.map((text) => `later ${text}`), 'human']);
        assert.equal(studio.conversations.length, 1, 'all of it in one conversation of the bot');
        assert.equal(await server.stop(), 0);
        const verified = await handoff(['verify', '--data', data]);
        assert.equal(verified.code, 0, verified.out + verified.err);
      } finally {
        await widget?.close();
        await server?.stop('SIGKILL');
        await studio.close();
      }
    }));
});
