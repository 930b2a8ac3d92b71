// The demo as `npm start` serves it, with an Emulator on each side: codes by the command line, a crash in between, the record.

import assert from 'node:assert/strict';
import { ChatClient } from '../fakes/chatClient.js';
import { call, handoff, startProgram, withData } from '../fakes/program.js';

describe('the program, with an Emulator on each side', function () {
  this.timeout(120_000);

  it('hands a customer to a person in a chat, also across a crash, and exports what the Emulator opens', () =>
    withData(async (data) => {
      const clients: ChatClient[] = [];
      const emulator = async (url: string, path: string, user: string) => {
        const client = await ChatClient.start(`${url.replace('localhost', '127.0.0.1')}${path}`, user);
        clients.push(client);
        return client;
      };
      let program = await startProgram(data);
      try {
        const ana = await emulator(program.url, '/api/agent-messages', 'ana');
        await ana.opens();
        await ana.reads(/You are not signed in here/);
        const made = await handoff(['pairing-code', 'ana', '--data', data]);
        assert.equal(made.code, 0);
        assert.match(made.err, /sign in/);
        await ana.writes(`sign in ${made.out}`);
        await ana.sees(/Ana: available/);
        assert.match(
          program.output(),
          /Emulator: +\S+\/api\/messages \(customer\), \S+\/api\/agent-messages \(staff\)/,
        );

        const kim = await emulator(program.url, '/api/messages', 'kim');
        await kim.opens();
        await kim.reads(/^Welcome$/);
        await kim.writes('omnichannel CreditCard');
        const offer = await ana.sees(/Request #1 from User[^]*asked the demo bot for a person about CreditCard/);

        await program.stop('SIGKILL');
        program = await startProgram(data, ['--demo', '--port', new URL(program.url).port]);
        await ana.sees(/Request #1 from User/);
        await ana.presses(offer, 'Accept');
        await ana.sees(/what was said before/);
        await ana.writes('Hello, Ana here');
        await kim.reads(/^Hello, Ana here$/);
        await kim.writes('at last');
        assert.equal(await ana.reads(/at last/), '#1 User: at last');
        await ana.writes('end');
        await ana.presses(await ana.sees(/has ended/), 'Close');
        await ana.reads(/It is closed/);

        const { out: token } = await handoff(['token', 'sam', '--data', data]);
        const { body } = await call('GET', `${program.url}/api/v1/conversations`, token);
        const [conversation] = body['items'] as { id: string }[];
        const exported = await handoff([
          'transcript',
          conversation?.id ?? '',
          '--format',
          'transcript',
          '--data',
          data,
        ]);
        const activities = JSON.parse(exported.out) as { from: { role: string }; recipient: unknown; text?: string }[];
        assert.ok(
          activities.every(({ from, recipient }) => ['user', 'bot'].includes(from.role) && recipient !== undefined),
        );
        const said = activities.map(({ text }) => text);
        for (const words of ['Welcome', 'Hello, Ana here', 'at last']) assert.ok(said.includes(words), words);
      } finally {
        await program.stop();
        await Promise.all(clients.map((client) => client.stop()));
      }

      const { out: code } = await handoff(['pairing-code', 'ben', '--data', data, '--json']);
      assert.match((JSON.parse(code) as { code: string }).code, /^\w{4}-\w{4}-\w{4}$/);
      assert.equal((await handoff(['pairing-code', 'nobody', '--data', data])).code, 1);
      const { out: verified } = await handoff(['verify', '--data', data, '--json']);
      assert.deepEqual((JSON.parse(verified) as { faults: unknown[] }).faults, []);
    }));
});
