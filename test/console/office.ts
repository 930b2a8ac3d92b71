// An office: a real hub, store and HTTP server, with people who call the staff API by bearer token or by cookie.

import http from 'node:http';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { readConfiguration, type Configuration } from '../../src/config.js';
import { mintPersonToken, serveConsole, type Console, type ConsoleOptions } from '../../src/console/console.js';
import { HttpServer } from '../../src/http.js';
import { Tokens } from '../../src/hub/tokens.js';
import { Arrivals } from '../fakes/arrivals.js';
import { FunctionBot, handoff, openHub, SILENT, type TestHub } from '../fakes/hub.js';
import { request, type Answer } from '../fakes/request.js';

/** Ana and Ben serve cards, Ben alone serves loans, Cleo serves nothing but is there; Sam supervises, Ada administers. */
export const CONFIGURATION = readConfiguration(`
bots:
  - { id: demo, name: Demo Bot, connect: inProcess }
queues:
  - { id: BotQueue, members: [demo] }
  - { id: CreditCardQueue, members: [ana, ben] }
  - { id: HomeLoanQueue, members: [ben] }
workStreams:
  - id: web
    context: [{ name: BotHandoffTopic, type: text, displayable: true }]
    fallbackQueue: CreditCardQueue
    rules:
      - { when: { variable: BotHandoffTopic, operator: hasNoData }, queue: BotQueue }
      - { when: { variable: BotHandoffTopic, operator: equals, value: CreditCard }, queue: CreditCardQueue }
      - { when: { variable: BotHandoffTopic, operator: equals, value: HomeLoan }, queue: HomeLoanQueue }
people:
  - { id: ana, name: Ana, roles: [agent], capacity: 2 }
  - { id: ben, name: Ben, roles: [agent], capacity: 2 }
  - { id: cleo, name: Cleo, roles: [agent], capacity: 2 }
  - { id: sam, name: Sam, roles: [supervisor] }
  - { id: ada, name: Ada, roles: [administrator] }
`);

/** Escalates on `human [topic]` with a private summary, and echoes everything else. */
export function officeBot(): FunctionBot {
  return new FunctionBot((activity) => {
    if (activity.type === 'conversationUpdate') return ['Welcome'];
    if (activity.type !== 'message') return [];
    const [command, topic] = (activity.text ?? '').split(' ');
    if (command !== 'human') return [`Echo: ${activity.text ?? ''}`];
    return [handoff({ ...(topic !== undefined && { BotHandoffTopic: topic }), va_AgentMessage: 'card lost' })];
  });
}

export interface Office extends TestHub {
  url: string;
  server: HttpServer;
  console: Console;
  tokens: Tokens;
  as(person: string): Promise<Desk>;
  /** A customer who asked for a person: waits in the queue, or is offered where somebody is available. */
  customerAsks(topic?: string, customer?: string): Promise<string>;
}

export async function openOffice(
  options: Partial<ConsoleOptions> & { configuration?: Configuration; bot?: FunctionBot } = {},
): Promise<Office> {
  const { configuration = CONFIGURATION, bot = officeBot(), ...more } = options;
  const test = await openHub({ configuration, bot });
  const server = new HttpServer({ log: SILENT });
  const tokens = await Tokens.open(test.store, test.clock);
  let url = '';
  const served = serveConsole(server, test.hub, { tokens, publicUrl: () => url, ...more });
  url = await server.listen(0, '127.0.0.1');
  const desks: Desk[] = [];
  return {
    ...test,
    url,
    server,
    console: served,
    tokens,
    async as(person) {
      const desk = new Desk(url, await mintPersonToken(tokens, person));
      desks.push(desk);
      return desk;
    },
    async customerAsks(topic, customer = 'kim') {
      const id = await test.startConversation(customer);
      await test.says(id, topic === undefined ? 'human' : `human ${topic}`, customer);
      return id;
    },
    async close() {
      for (const desk of desks) desk.close();
      await served.close();
      await server.close();
      await test.close();
    },
  };
}

/** What came over an events socket. */
export interface Notice {
  type: string;
  conversationId?: string;
  [field: string]: unknown;
}

/** A conversation as the API shows it. */
export interface Shown {
  id: string;
  phase: string;
  queue?: string;
  agent?: { id: string; name: string };
  [field: string]: unknown;
}

/** One person's programs: REST and live events. */
export class Desk {
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #sockets: WebSocket[] = [];

  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return request(method, `${this.url}/api/v1${path}`, {
      agent: this.#agent,
      token: this.token,
      body,
      timeoutMs: 10_000,
    });
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  /** A command on a conversation. */
  asks(conversationId: string, verb: string, body?: unknown): Promise<Answer> {
    return this.call('POST', `/conversations/${conversationId}/${verb}`, body);
  }

  says(conversationId: string, text: string, more: Record<string, unknown> = {}): Promise<Answer> {
    return this.asks(conversationId, 'messages', { type: 'message', text, ...more });
  }

  async present(presence = 'available'): Promise<void> {
    const { status } = await this.call('PUT', '/me/presence', { presence });
    if (status !== 200) throw new Error(`presence: ${status}`);
  }

  /** An open events socket, past its hello. */
  async listens(): Promise<Listener> {
    const { body } = await this.call('POST', '/ticket');
    const { ticket } = body as { ticket: string };
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/api/v1/events?ticket=${ticket}`);
    this.#sockets.push(socket);
    const listener = new Listener(socket);
    await once(socket, 'open');
    await listener.next('hello');
    return listener;
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
    this.#agent.destroy();
  }
}

export class Listener {
  readonly #arrivals = new Arrivals<Notice>('Listener', (notice) => JSON.stringify(notice));

  constructor(readonly socket: WebSocket) {
    socket.on('message', (text: Buffer) => this.#arrivals.add(JSON.parse(text.toString()) as Notice));
    socket.on('error', () => undefined);
  }

  /** The next notice of this type (and about this conversation). */
  next(type: string, conversationId?: string): Promise<Notice> {
    return this.#arrivals.next(
      (notice) => notice.type === type && (conversationId === undefined || notice.conversationId === conversationId),
    );
  }

  get heard(): readonly Notice[] {
    return this.#arrivals.all;
  }

  /** The close code. */
  async closed(): Promise<number> {
    const [code] = (await once(this.socket, 'close')) as [number];
    return code;
  }
}

export function shownIn(answer: Answer): Shown {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body as Shown;
}

export function errorIn(answer: Answer): { code: string; message: string; [detail: string]: unknown } {
  return (answer.body as { error: { code: string; message: string } }).error;
}
