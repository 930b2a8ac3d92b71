/** The server is killed with -9 under load, ten times on one data directory: what it acknowledged must be there, once, in order. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runCommand, ServerProcess } from '../fakes/server.js';
import { Widget } from '../fakes/widget.js';

const rounds = 10;
const customerCount = 8;
const secret = 'the-direct-line-secret-of-the-kill-test';
/** Acknowledgements in a round before the kill, which so always hits a server that is writing. */
const acknowledgedPerRound = 80;

interface Sent {
  text: string;
  clientActivityID: string;
  /** Known once the server has answered 200. */
  id?: string;
}

/** A customer who sends one message after another and repeats what was not acknowledged, as Web Chat's "Retry" does. */
class Customer {
  readonly sent: Sent[] = [];

  constructor(
    readonly widget: Widget,
    private readonly name: string,
  ) {}

  /** Sends until the server dies. */
  async talk(onAcknowledged: () => void): Promise<void> {
    for (;;) {
      let message = this.sent.at(-1);
      if (message === undefined || message.id !== undefined) {
        const text = `${this.name} says ${this.sent.length}`;
        message = { text, clientActivityID: `${this.name}-${this.sent.length}` };
        this.sent.push(message);
      }
      try {
        message.id = await this.widget.say(message.text, message);
      } catch {
        // The server is gone. Whether it stored this message is unknown: it is sent again in the next round.
        return;
      }
      onAcknowledged();
    }
  }
}

describe('A server that is killed', function () {
  this.timeout(90_000);
  let data: string;
  let server: ServerProcess | undefined;
  const customers: Customer[] = [];

  beforeEach(async () => {
    data = await mkdtemp(path.join(os.tmpdir(), 'handoff-kill-'));
  });

  afterEach(async () => {
    for (const { widget } of customers) await widget.close();
    await server?.kill();
    await rm(data, { recursive: true, force: true });
  });

  const start = (port?: number): Promise<ServerProcess> =>
    ServerProcess.start({ data, port, env: { DIRECT_LINE_SECRET: secret } });

  it('has lost, doubled and reordered nothing that it acknowledged, after ten kills under load', async () => {
    server = await start();
    const { port, url } = server;
    for (let n = 0; n < customerCount; n++) {
      const widget = await Widget.start({ url, secret, user: { id: `dl_customer${n}`, name: `Customer ${n}` } });
      customers.push(new Customer(widget, `customer${n}`));
    }
    // One of them waits for a person all along: being queued survives as well.
    const [waiting, ...withBot] = customers as [Customer, ...Customer[]];
    await waiting.widget.say('human CreditCard');

    for (let round = 0; round < rounds; round++) {
      await killUnderLoad(server, customers);
      server = await start(port);
      for (const { widget } of customers) await widget.reconnect();
    }

    // What the last kill left unanswered is sent again, and the bot answers what it still owes.
    for (const { widget, sent } of customers) {
      const last = sent.at(-1) as Sent;
      last.id ??= await widget.say(last.text, last);
    }
    for (const { widget, sent } of withBot) await widget.next(`Echo: ${sent.at(-1)?.text}`, 20_000);

    for (const customer of customers) {
      const { widget, sent } = customer;
      const log = await widget.read();
      const own = log.filter(({ from }) => from?.id === widget.userId);
      const opening = customer === waiting ? ['human CreditCard'] : [];
      assert.deepEqual(textsOf(own), [...opening, ...textsOf(sent)], 'every message is in the log once, in order');
      assert.deepEqual(
        own.slice(opening.length).map(({ id }) => id),
        sent.map(({ id }) => id),
        'under the id that was acknowledged',
      );
      const replies = textsOf(log).filter((text) => text?.startsWith('Echo: '));
      const due = customer === waiting ? [] : textsOf(sent).map((text) => `Echo: ${text}`);
      assert.deepEqual(replies, due, 'the bot answered every message it was due once, in order');
      // Places in line are shown as they change and never kept: their ids have no number.
      const shown = widget.received.filter(({ id }) => /\|\d{7}$/.test(id ?? ''));
      assert.deepEqual(
        shown.map(({ id }) => id),
        log.map(({ id }) => id),
        'the socket, through all reconnections, showed just that',
      );
    }

    assert.equal(await server.stop(), 0);
    const verified = await runCommand(['verify', '--data', data]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
});

/** Everybody talks; after some acknowledgements the server is killed in the middle of it. */
async function killUnderLoad(server: ServerProcess, customers: Customer[]): Promise<void> {
  let acknowledged = 0;
  const talks: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    const count = (): void => {
      if (++acknowledged === acknowledgedPerRound) resolve();
    };
    for (const customer of customers) talks.push(customer.talk(count));
  });
  await server.kill();
  await Promise.all(talks);
}

function textsOf(messages: readonly { text?: string }[]): (string | undefined)[] {
  return messages.map(({ text }) => text);
}
