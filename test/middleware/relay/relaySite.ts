// A hub that relays one bot: the bot behind an endpoint of its own, its channel in front, all over HTTP.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHub, type HandoffHub } from '../../../src/createHub.js';
import { readConfiguration, type Configuration } from '../../../src/config.js';
import type { Conversation, Entry } from '../../../src/core/conversation.js';
import { SqliteStore } from '../../../src/store/sqlite/sqliteStore.js';
import { AzureChannel } from '../../fakes/azureChannel.js';
import { HttpBot } from '../../fakes/httpBot.js';

const CONFIGURATION = (endpoint: string, bot: string, expert: string, workStream: string) => `
bots:
  - { id: shop, name: Shop Bot, endpoint: '${endpoint}'${bot} }
  - { id: expert, name: Expert Bot, endpoint: '${expert}', auth: none }
queues:
  - { id: BotQueue, members: [shop] }
  - { id: CreditCardQueue, members: [ana] }
workStreams:
  - id: teams
    fallbackQueue: CreditCardQueue
    ${workStream}
people:
  - { id: ana, name: Ana, roles: [agent], capacity: 3 }
`;

export class RelaySite {
  hub!: HandoffHub;

  private constructor(
    private readonly directory: string,
    readonly bot: HttpBot,
    /** Another bot, which no channel calls. */
    readonly expert: HttpBot,
    readonly channel: AzureChannel,
    private readonly settings: string,
    private readonly workStream: string,
  ) {}

  /** `settings`: more of the bot's own, `workStream`: more of the work stream's, as YAML. */
  static async start(settings = ', auth: none, relay: {}', workStream = ''): Promise<RelaySite> {
    const directory = await mkdtemp(join(tmpdir(), 'handoff-relay-'));
    const site = new RelaySite(
      directory,
      await HttpBot.start(),
      await HttpBot.start(),
      await AzureChannel.start(),
      settings,
      workStream,
    );
    await site.begin();
    return site;
  }

  /** Also again: the store's configuration rules then. */
  async begin({ withBot = true } = {}): Promise<void> {
    const store = new SqliteStore({ directory: this.directory });
    this.hub = createHub({ store, configuration: this.#configuration(withBot ? this.settings : undefined) });
    const url = await this.hub.listen({ port: 0, host: '127.0.0.1' });
    this.channel.endpoint = `${url.replace('localhost', '127.0.0.1')}/api/messages/shop`;
  }

  /** Puts other settings of the bot in force. */
  async apply(settings: string): Promise<void> {
    await this.hub.applyConfiguration(this.#configuration(settings), 'test');
  }

  async takeBotOut(): Promise<void> {
    await this.hub.applyConfiguration(this.#configuration(undefined), 'test');
  }

  /** Without the bot where there are no settings of it. */
  #configuration(settings: string | undefined): Configuration {
    const yaml = CONFIGURATION(this.bot.endpoint, settings ?? '', this.expert.endpoint, this.workStream);
    return readConfiguration(
      settings === undefined ? yaml.replace(/.*id: shop.*\n/, '').replace('[shop]', '[expert]') : yaml,
    );
  }

  async state(customer = 'kim'): Promise<Conversation> {
    const { items } = await this.hub.store.list({ customer: `29:${customer}` }, 1);
    if (items[0] === undefined) throw new Error(`the hub knows no conversation of ${customer}`);
    return (await this.hub.conversation(items[0].id)) as Conversation;
  }

  async log(customer = 'kim'): Promise<Entry[]> {
    return this.hub.entries((await this.state(customer)).id, 0, 10_000);
  }

  async drafts(): Promise<(string | undefined)[]> {
    return (await this.log()).flatMap(({ event }) =>
      event.type === 'drafted' ? [event.body?.activity?.text ?? event.body?.activity?.name] : [],
    );
  }

  /** Has the bot escalate, and gives the chat to ana. */
  async giveToAna(text = 'human'): Promise<Conversation> {
    await this.hub.people.setPresence('ana', 'available');
    await this.channel.post(text);
    await this.hub.settled();
    const { id } = await this.state();
    await this.hub.handle(id, { type: 'accept', agent: 'ana' });
    await this.hub.settled();
    return this.state();
  }

  async ana(command: 'return' | { says: string }): Promise<void> {
    const { id } = await this.state();
    const by = { role: 'agent', id: 'ana' } as const;
    if (command === 'return') await this.hub.handle(id, { type: 'return', by });
    else await this.hub.handle(id, { type: 'say', by, activity: { type: 'message', text: command.says } });
    await this.hub.settled();
  }

  async stop(): Promise<void> {
    await this.hub.stop();
    await this.bot.stop();
    await this.expert.stop();
    await this.channel.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
