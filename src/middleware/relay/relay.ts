// The relay: Azure Bots whose messaging endpoint is the hub. The hub hears their channels, and the untouched bots hear the hub.

import { parseActivity } from '../../activityJson.js';
import type { Activity } from '../../core/activity.js';
import type { Bot, BotRelay, Directory } from '../../core/directory.js';
import { BadRequest, ConfigError } from '../../errors.js';
import type { HttpRequest, HttpResponse, HttpServer } from '../../http.js';
import type { Hub } from '../../hub/hub.js';
import type { ForeignAnswer, ForeignCall, ForeignCalls } from '../../hub/ports.js';
import { refusePages, requireNeighbour } from '../../neighbours.js';
import { BotCalls } from './botCalls.js';
import { ChannelHttp, type ChannelToken } from './channelHttp.js';
import { ChannelIdentity, type SdkSettings } from './channelIdentity.js';
import { RelayedBot } from './relayedBot.js';

export interface RelayOptions {
  /** The origin under which channels, bots and people reach the hub, without a trailing slash. */
  readonly publicUrl: () => string;
  /** The bot's token for its channels; undefined for a bot without an app id. @throws ConfigError. */
  readonly channelToken: (settings: BotRelay) => ChannelToken | undefined;
  /** Where the SDK finds what differs from Azure's public cloud (ChannelService and the like). */
  readonly env?: SdkSettings;
  readonly answerWithinMs?: number;
}

/** Who calls the Connector. */
export interface Callers {
  authenticate(request: HttpRequest): Promise<{ readonly botIds: ReadonlySet<string> }>;
}

interface Connected {
  readonly bot: Bot;
  readonly relayed: RelayedBot;
  readonly calls: BotCalls;
  readonly http: ChannelHttp;
  readonly identity: ChannelIdentity | undefined;
}

/** A bot that was taken out of the relay. Its channel's messages are heard until then: people may have its customers. */
interface Left {
  readonly bot: Bot;
  readonly until: number;
}

const LEFT = { kind: 'relayLeft', id: 'bots' } as const;
/** Time enough to end what people have begun, and to change the Azure Bot's messaging endpoint. */
const LEFT_MS = 30 * 24 * 60 * 60_000;

/** What only a channel has, and no conversation of the hub: teams and meetings. */
const CHANNELS_OWN = ['/v3/teams/*', '/v3/batch/*', '/v1/meetings/*'];

export class Relay implements ForeignCalls {
  readonly #connected = new Map<string, Connected>();
  #left: readonly Left[] = [];

  constructor(
    private readonly hub: Hub,
    private readonly options: RelayOptions,
  ) {}

  /** @throws ConfigError with everything that keeps a bot's channels from being reached. */
  check(directory: Directory): void {
    const faults: string[] = [];
    for (const { id, relay } of Object.values(directory.bots)) {
      try {
        if (relay !== undefined) this.options.channelToken(relay);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        faults.push(...error.faults.map((fault) => `Relay of bot "${id}": ${fault}`));
      }
    }
    if (faults.length > 0) throw new ConfigError(faults);
  }

  /** Connects what is new or changed, before decisions cite the directory. @throws StoreUnavailable. */
  async connect(directory: Directory): Promise<void> {
    const isRelayed = (id: string) => directory.bots[id]?.relay !== undefined;
    await this.#remember(
      [...this.#connected.values()].map(({ bot }) => bot),
      isRelayed,
    );
    for (const bot of Object.values(directory.bots)) if (bot.relay !== undefined) this.#connect(bot, bot.relay);
    for (const { bot } of this.#left) this.#connectLeft(bot, directory);
    for (const [id, { http }] of this.#connected) {
      if (isRelayed(id) || this.#left.some(({ bot }) => bot.id === id)) continue;
      http.retire();
      this.#connected.delete(id);
    }
  }

  /** Who leaves now joins those that left before, for which the store is asked: it may have been another process's time. */
  async #remember(connected: readonly Bot[], isRelayed: (id: string) => boolean): Promise<void> {
    const { store, clock } = this.hub;
    const now = clock.now();
    const kept = await store.getGrant(LEFT.kind, LEFT.id, now);
    const before = (kept?.value['bots'] ?? []) as readonly Left[];
    const still = before.filter(({ bot, until }) => until > now && !isRelayed(bot.id));
    const leaving = connected.filter(({ id }) => !isRelayed(id) && !before.some(({ bot }) => bot.id === id));
    this.#left = [...still, ...leaving.map((bot) => ({ bot, until: now + LEFT_MS }))];
    if (leaving.length === 0 && still.length === before.length) return;
    const expiresAt = Math.max(now, ...this.#left.map(({ until }) => until));
    await store.putGrant({ ...LEFT, value: { bots: this.#left }, expiresAt });
  }

  /** The hub stops. */
  close(): void {
    for (const { http } of this.#connected.values()) http.close();
  }

  serve(http: HttpServer, callers: Callers): void {
    http.post('/api/messages/:botId', (request) => this.#receive(request));
    const passOn = (request: HttpRequest) => this.#passOn(request, callers);
    for (const path of CHANNELS_OWN) {
      http.get(path, passOn);
      http.post(path, passOn);
      http.put(path, passOn);
      http.delete(path, passOn);
    }
  }

  async take(call: ForeignCall): Promise<ForeignAnswer | undefined> {
    // Several bots may sit in one group: each speaks there as itself.
    const isOwn = ({ bot }: Connected) => call.botIds.has(bot.id);
    const all = [...this.#connected.values()];
    for (const { calls } of [...all.filter(isOwn), ...all.filter((one) => !isOwn(one))]) {
      const answer = await calls.take(call);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  async #receive(request: HttpRequest): Promise<HttpResponse> {
    const botId = request.params['botId'] ?? '';
    const connected = this.#connected.get(botId);
    const left = this.#left.find(({ bot }) => bot.id === botId);
    if (connected === undefined || (left !== undefined && left.until <= this.hub.clock.now()))
      throw new BadRequest(
        404,
        'NotFound',
        `No bot "${botId}" is relayed here. Add relay: to it in the configuration.`,
      );
    const { identity, relayed } = connected;
    if (identity === undefined) refusePages(request);
    // A channel that is who it says it is may still send what no page can show: it is told, and nothing is recorded.
    const activity = parseActivity(await request.json());
    if (identity === undefined) requireNeighbour(request, activity, `the appId of bot "${botId}"`);
    else await this.#believe(identity, activity, request);
    return relayed.receive(activity);
  }

  async #believe(identity: ChannelIdentity, activity: Activity, request: HttpRequest): Promise<void> {
    try {
      await identity.require(activity, request.header('authorization'));
    } catch (error) {
      if (error instanceof BadRequest) this.hub.notify('callRefused', { reason: 'channel' });
      throw error;
    }
  }

  async #passOn(request: HttpRequest, callers: Callers): Promise<HttpResponse> {
    const { botIds } = await callers.authenticate(request);
    const contentType = request.header('content-type');
    const answer = await this.take({
      botIds,
      method: request.method,
      url: request.raw.url ?? '/',
      speaks: false,
      body: await request.bytes(),
      ...(contentType === undefined ? {} : { contentType }),
    });
    if (answer === undefined)
      throw new BadRequest(404, 'NotFound', 'No channel of this bot is known that this could be asked of.');
    return answer;
  }

  /** Without its credential nothing can be sent to its channel; then nothing is taken from it either. */
  #connectLeft(bot: Bot, { workStreams }: Directory): void {
    const { workStream, ...settings } = bot.relay ?? {};
    const isThere = workStream !== undefined && workStreams[workStream] !== undefined;
    try {
      this.#connect(bot, isThere ? { ...settings, workStream } : settings);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.hub.log.warn(
        { err: error, bot: bot.id },
        'the channels of a bot that is relayed no more cannot be served: set its credential while people have its customers',
      );
    }
  }

  #connect(bot: Bot, settings: BotRelay): void {
    const before = this.#connected.get(bot.id);
    if (before !== undefined && JSON.stringify(before.bot) === JSON.stringify(bot)) return;
    before?.http.retire();
    this.#connected.delete(bot.id);
    this.#connected.set(bot.id, this.#connectionOf(bot, settings));
  }

  #connectionOf(bot: Bot, settings: BotRelay): Connected {
    const { hub } = this;
    const { publicUrl, channelToken, env = process.env, answerWithinMs } = this.options;
    const appId = bot.transport.kind === 'http' ? bot.transport.appId : undefined;
    const http = new ChannelHttp(channelToken(settings) ?? (() => Promise.resolve(undefined)));
    const relayed = new RelayedBot(hub, {
      botId: bot.id,
      workStream: settings.workStream,
      http,
      publicUrl,
      ...(answerWithinMs === undefined ? {} : { answerWithinMs }),
    });
    relayed.connect();
    const identity = appId === undefined ? undefined : new ChannelIdentity(appId, env);
    return { bot, relayed, calls: new BotCalls(relayed), http, identity };
  }
}
