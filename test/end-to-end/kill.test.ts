/** The server is killed with -9 under load, ten times on one data directory: what it acknowledged must be there, once, in order. */
import assert from 'node:assert/strict';
import { handoff, startProgram, withData, type Program } from '../fakes/program.js';
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

  it('has lost, doubled and reordered nothing that it acknowledged, after ten kills under load', () =>
    withData(async (data) => {
      const customers: Customer[] = [];
      let server = await start(data, 0);
      try {
        const { url } = server;
        for (let n = 0; n < customerCount; n++) {
          const widget = await Widget.start({ url, secret, user: { id: `dl_customer${n}`, name: `Customer ${n}` } });
          customers.push(new Customer(widget, `customer${n}`));
        }
        // One of them waits for a person all along: being queued survives as well.
        const [waiting, ...withBot] = customers as [Customer, ...Customer[]];
        await waiting.widget.say('human CreditCard');

        for (let round = 0; round < rounds; round++) {
          await killUnderLoad(server, customers);
          server = await start(data, Number(new URL(url).port));
          for (const { widget } of customers) await widget.reconnect();
        }
        await settle(customers, withBot);

        await expectAllKept(waiting, ['human CreditCard'], []);
        for (const customer of withBot) {
          await expectAllKept(
            customer,
            [],
            textsOf(customer.sent).map((text) => `Echo: ${text}`),
          );
        }
        assert.equal(await server.stop(), 0);
        const verified = await handoff(['verify', '--data', data]);
        assert.equal(verified.code, 0, verified.out + verified.err);
      } finally {
        for (const { widget } of customers) await widget.close();
        await server.stop('SIGKILL');
      }
    }));
});

function start(data: string, port: number): Promise<Program> {
  return startProgram(data, ['--demo', '--port', String(port)], { DIRECT_LINE_SECRET: secret });
}

/** What the last kill left unanswered is sent again, and the bot answers what it still owes. */
async function settle(customers: Customer[], withBot: Customer[]): Promise<void> {
  for (const { widget, sent } of customers) {
    const last = sent.at(-1) as Sent;
    last.id ??= await widget.say(last.text, last);
  }
  for (const { widget, sent } of withBot) await widget.next(`Echo: ${sent.at(-1)?.text}`, 20_000);
}

async function expectAllKept({ widget, sent }: Customer, opening: string[], replies: string[]): Promise<void> {
  const log = await widget.read();
  const own = log.filter(({ from }) => from?.id === widget.userId);
  assert.deepEqual(textsOf(own), [...opening, ...textsOf(sent)], 'every message is in the log once, in order');
  assert.deepEqual(
    own.slice(opening.length).map(({ id }) => id),
    sent.map(({ id }) => id),
    'under the id that was acknowledged',
  );
  assert.deepEqual(
    textsOf(log).filter((text) => text?.startsWith('Echo: ')),
    replies,
    'the bot answered every message it was due once, in order',
  );
  // Places in line are shown as they change and never kept: their ids have no number.
  const shown = widget.received.filter(({ id }) => /\|\d{7}$/.test(id ?? ''));
  assert.deepEqual(
    shown.map(({ id }) => id),
    log.map(({ id }) => id),
    'the socket, through all reconnections, showed just that',
  );
}

/** Everybody talks; after some acknowledgements the server is killed in the middle of it. */
async function killUnderLoad(server: Program, customers: Customer[]): Promise<void> {
  let acknowledged = 0;
  const talks: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    const count = (): void => {
      if (++acknowledged === acknowledgedPerRound) resolve();
    };
    for (const customer of customers) talks.push(customer.talk(count));
  });
  await server.stop('SIGKILL');
  await Promise.all(talks);
}

function textsOf(messages: readonly { text?: string }[]): (string | undefined)[] {
  return messages.map(({ text }) => text);
}
