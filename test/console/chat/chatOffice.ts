// A real hub with its HTTP server, customers in widgets, and people who serve from chats beside the staff API.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Configuration } from '../../../src/config.js';
import { createHub, type HandoffHub } from '../../../src/createHub.js';
import type { Conversation } from '../../../src/core/conversation.js';
import { SqliteStore } from '../../../src/store/sqlite/sqliteStore.js';
import { mintPersonToken } from '../../../src/console/console.js';
import { Tokens } from '../../../src/hub/tokens.js';
import { ChatClient } from '../../fakes/chatClient.js';
import { TestClock } from '../../fakes/hub.js';
import { Widget } from '../../fakes/widget.js';
import { CONFIGURATION, Desk, officeBot } from '../office.js';

export class ChatOffice {
  readonly clock = new TestClock();
  hub!: HandoffHub;
  url = '';
  private readonly clients: ChatClient[] = [];
  private readonly widgets: Widget[] = [];
  private readonly desks: Desk[] = [];

  private constructor(
    readonly directory: string,
    private configuration: Configuration,
    private readonly settings: Record<string, string>,
  ) {}

  static async open(options: { configuration?: Configuration; settings?: Record<string, string> } = {}) {
    const directory = await mkdtemp(join(tmpdir(), 'handoff-test-'));
    const office = new ChatOffice(directory, options.configuration ?? CONFIGURATION, options.settings ?? {});
    await office.start();
    return office;
  }

  async start(): Promise<void> {
    const hub = createHub({
      store: new SqliteStore({ directory: this.directory }),
      configuration: this.configuration,
      clock: this.clock,
    });
    hub.connectBot('demo', officeBot());
    this.hub = hub;
    const port = this.url === '' ? 0 : Number(new URL(this.url).port);
    this.url = (
      await hub.listen({ port, host: '127.0.0.1', agentMessages: { settings: this.settings }, localSignIn: true })
    ).replace('localhost', '127.0.0.1');
  }

  /** As a process that ends and starts again on the same directory. */
  async restart(meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.hub.stop();
    await meanwhile();
    await this.start();
  }

  async apply(change: (configuration: Configuration) => unknown): Promise<void> {
    this.configuration = change(this.configuration) as Configuration;
    await this.hub.applyConfiguration(this.configuration, 'test');
  }

  async chat(user?: string, more?: Record<string, unknown>): Promise<ChatClient> {
    const client = await ChatClient.start(`${this.url}/api/agent-messages`, user, more);
    this.clients.push(client);
    return client;
  }

  /** A chat in which this person is signed in and has read the greeting. */
  async signedIn(person = 'ana', user = `${person}-emulator`, more?: Record<string, unknown>): Promise<ChatClient> {
    const client = await this.chat(user, more);
    await client.opens();
    await client.writes(`sign in ${await this.hub.createPairingCode(person)}`);
    await client.sees(/available|offline|busy/);
    return client;
  }

  async as(person: string): Promise<Desk> {
    const tokens = await Tokens.open(this.hub.store, this.clock);
    const desk = new Desk(this.url, await mintPersonToken(tokens, person));
    this.desks.push(desk);
    return desk;
  }

  async widget(name = 'Kim'): Promise<Widget> {
    const widget = new Widget({
      url: this.url,
      secret: await this.hub.store.secret('directLineSecret', () => ''),
      user: { id: `dl_${name}`, name },
    });
    this.widgets.push(widget);
    await widget.start();
    await widget.next('Welcome');
    return widget;
  }

  async state(id: string): Promise<Conversation> {
    const state = await this.hub.conversation(id);
    if (state === undefined) throw new Error(`no conversation ${id}`);
    return state;
  }

  async close(): Promise<void> {
    for (const desk of this.desks) desk.close();
    await Promise.all(this.widgets.map((widget) => widget.close()));
    await this.hub.stop();
    await Promise.all(this.clients.map((client) => client.stop()));
    await rm(this.directory, { recursive: true, force: true });
  }
}
