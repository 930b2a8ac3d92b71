// The server is killed with -9 while turns of a bot behind an endpoint are open: the turns are run again, nothing is said twice.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HttpBot } from '../fakes/httpBot.js';
import { handoff, startProgram, withData, type Program } from '../fakes/program.js';
import { Widget } from '../fakes/widget.js';

const CUSTOMERS = 12;
const SECRET = 'the-direct-line-secret-of-this-test';
const WAIT_MS = 30_000;

describe('a bot behind an endpoint, when the server is killed in its turns', function () {
  this.timeout(120_000);
  let bot: HttpBot;
  let server: Program | undefined;
  const widgets: Widget[] = [];
  beforeEach(async () => {
    bot = await HttpBot.start();
  });
  afterEach(async () => {
    await Promise.all(widgets.splice(0).map((widget) => widget.close()));
    await server?.stop('SIGKILL');
    await bot.stop();
  });

  async function start(data: string, port: number): Promise<Program> {
    const config = join(data, 'bots.yaml');
    await writeFile(
      config,
      `bots: [{ id: shop, name: Shop, endpoint: '${bot.endpoint}', auth: none }]
queues: [{ id: Bots, members: [shop] }, { id: People, members: [ana] }]
workStreams:
  - id: web
    fallbackQueue: People
    rules: [{ when: { variable: Topic, operator: hasNoData }, queue: Bots }]
people: [{ id: ana, name: Ana, roles: [agent], capacity: 3 }]
`,
    );
    const args = ['--config', config, '--port', String(port)];
    return (server = await startProgram(data, args, { DIRECT_LINE_SECRET: SECRET, HOST: '127.0.0.1' }));
  }

  it('runs them again under the same activity, and the customer reads every reply once', () =>
    withData(async (data) => {
      let holds = true;
      bot.script = async ({ activity, reply }) => {
        if (activity.type !== 'message') return;
        await reply(`${activity.text}: first`);
        if (holds) await new Promise(() => undefined);
        await reply(`${activity.text}: second`);
        // The same words once more, on purpose.
        await reply(`${activity.text}: second`);
      };
      const { url } = await start(data, 0);
      for (let customer = 0; customer < CUSTOMERS; customer += 1) {
        const user = { id: `dl_customer${customer}`, name: `Customer ${customer}` };
        widgets.push(await Widget.start({ url, secret: SECRET, user }));
      }
      await Promise.all(widgets.map((widget, customer) => widget.say(`order ${customer}`)));
      for (const [customer, widget] of widgets.entries()) await widget.next(`order ${customer}: first`, WAIT_MS);
      await server?.stop('SIGKILL');
      holds = false;
      await start(data, Number(new URL(url).port));
      for (const [customer, widget] of widgets.entries()) {
        await widget.reconnect();
        for (let time = 0; time < 2; time += 1) await widget.next(`order ${customer}: second`, WAIT_MS);
      }
      for (const [customer, widget] of widgets.entries()) {
        const said = (await widget.read()).flatMap(({ text }) => text ?? []);
        const order = `order ${customer}`;
        assert.deepEqual(said, [order, `${order}: first`, `${order}: second`, `${order}: second`]);
        const runs = bot.received.filter(({ text }) => text === order).map(({ id }) => id);
        assert.equal(runs.length, 2);
        assert.equal(new Set(runs).size, 1, 'under the same id');
      }
      assert.equal(await server?.stop(), 0);
      const verified = await handoff(['verify', '--data', data]);
      assert.equal(verified.code, 0, verified.out + verified.err);
    }));

  it('goes on where a bot was down: what it is owed reaches it after kill and start', () =>
    withData(async (data) => {
      const { url } = await start(data, 0);
      const widget = await Widget.start({ url, secret: SECRET, user: { id: 'dl_kim', name: 'Kim' } });
      widgets.push(widget);
      await widget.say('hello');
      await widget.next('Echo: hello', WAIT_MS);
      const { port } = bot;
      await bot.stop();
      await widget.say('are you there?');
      await server?.stop('SIGKILL');
      bot = await HttpBot.start(undefined, port);
      await start(data, Number(new URL(url).port));
      await widget.reconnect();
      await widget.next('Echo: are you there?', WAIT_MS);
      const said = (await widget.read()).flatMap(({ text }) => text ?? []);
      assert.deepEqual(said, ['hello', 'Echo: hello', 'are you there?', 'Echo: are you there?']);
    }));
});
