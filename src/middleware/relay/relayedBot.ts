// One bot behind the relay: what its channels bring is recorded like any customer's, and the bot hears it as if they had called it.

import type { Activity } from '../../core/activity.js';
import { readSignal } from '../../core/escalation.js';
import { BadRequest, DeliveryFailed } from '../../errors.js';
import type { HttpResponse } from '../../http.js';
import type { Hub } from '../../hub/hub.js';
import type { BotConnection, BotTurn, InvokeResponse } from '../../hub/ports.js';
import { addressOf, type Address } from '../address.js';
import { addressing, channelIdOf, turnKey, type WaitingTurn } from '../connections.js';
import type { Reference, SdkActivity } from '../host.js';
import { Intake, SAYS_LITTLE, type Heard } from '../intake.js';
import { LiveSends } from '../liveSends.js';
import { isStoreUnavailable } from '../outgoing.js';
import { refusalStatus, refusalText } from '../refusals.js';
import { addressed, ChannelSide } from './channelSide.js';
import type { ChannelHttp } from './channelHttp.js';
import { ChannelFiles } from './channelFiles.js';
import { Places, type Place } from './places.js';

export interface RelayedBotOptions {
  readonly botId: string;
  /** The work stream its conversations belong to; the first one unless set. */
  readonly workStream: string | undefined;
  readonly http: ChannelHttp;
  /** The origin under which people and bots reach the hub, without a trailing slash. */
  readonly publicUrl: () => string;
  /** Within this time a channel is answered that waits for the bot: Azure Bot Service waits 15 s. */
  readonly answerWithinMs?: number;
}

const ANSWER_WITHIN_MS = 14_000;

export class RelayedBot {
  readonly botId: string;
  readonly via: string;
  readonly places: Places;
  readonly sends: LiveSends;
  readonly channel: ChannelSide;
  readonly intake: Intake;
  /** The bot's turns under way, by conversation and the entry they answer. */
  readonly #running = new Map<string, BotTurn>();
  readonly #answerWithinMs: number;
  readonly #workStream: string | undefined;

  constructor(
    readonly hub: Hub,
    options: RelayedBotOptions,
  ) {
    const { botId, http, publicUrl, workStream, answerWithinMs = ANSWER_WITHIN_MS } = options;
    this.botId = botId;
    this.via = `relay:${botId}`;
    this.#answerWithinMs = answerWithinMs;
    this.#workStream = workStream;
    this.places = new Places(hub.store, hub.clock, botId);
    this.sends = new LiveSends(hub);
    this.channel = new ChannelSide(http, this.places, this.sends);
    const files = new ChannelFiles(hub, http, publicUrl);
    const prepare = (activity: SdkActivity, conversationId: string) =>
      files.fetch(activity as unknown as Activity, conversationId) as unknown as Promise<SdkActivity>;
    this.intake = new Intake(hub, { botId, via: this.via, workStream, prepare });
  }

  /** Nothing is the hub's: what the bot sends goes on as it is. */
  get onlyObserves(): boolean {
    const { workStreams } = this.hub.directory;
    return workStreams[this.#workStream ?? Object.keys(workStreams)[0] ?? '']?.observe === true;
  }

  /** Its conversations go this way, others keep their own. */
  connect(): void {
    const connection: BotConnection = {
      hearsTyping: true,
      deliver: (activity, turn) => this.#deliver(activity, turn),
    };
    this.hub.connectChannel(this.via, this.channel);
    this.hub.connectBot(this.botId, connection, this.via);
  }

  /** An activity of a channel whose identity is certain. @returns what the channel hears. */
  async receive(activity: Activity): Promise<HttpResponse> {
    const said = placeOf(activity);
    const address = await this.intake.placed(addressOf(activity as unknown as SdkActivity, this.botId));
    const staysOneToOne = said.isGroup && address?.isGroup === false;
    const place = staysOneToOne ? placeOf(activity, address) : said;
    await this.#learn(place, activity);
    if (address === undefined || address.isGroup) return this.passOn(activity, place);
    if (SAYS_LITTLE.has(activity.type)) {
      const conversationId = await this.intake.find(address).catch(ifUnavailable(undefined));
      if (conversationId === undefined) return this.passOn(activity, place);
      const by = { role: 'customer', id: address.customer.id } as const;
      if (activity.type === 'typing') {
        await this.hub.signal(conversationId, by, { type: 'typing' });
        return {};
      }
      if (activity.type === 'endOfConversation') return this.#leaves(activity, place, address, conversationId);
    }
    return this.#hear(activity, place, address);
  }

  /** Turns the hub has no conversation for: groups, a bot that was added alone, somebody's typing before any word. */
  async passOn(activity: Activity, place: Place): Promise<HttpResponse> {
    if (this.#isGone)
      throw new BadRequest(
        404,
        'NotFound',
        `Bot "${this.botId}" was taken out of the configuration. Change the messaging endpoint of the Azure Bot.`,
      );
    const waitsForReplies = activity.deliveryMode === 'expectReplies';
    const gathered = waitsForReplies ? this.channel.gather(place.conversation.id) : undefined;
    try {
      const response = await this.#bot().deliver(this.#forBot(activity), {
        conversationId: '',
        botId: this.botId,
        answers: undefined,
        respond: async (replies) => {
          const ids: { id: string }[] = [];
          for (const reply of replies) ids.push({ id: (await this.sayUnrecorded(place, reply)) ?? '' });
          return ids;
        },
      });
      return answerOf(response, gathered?.take());
    } finally {
      gathered?.take();
    }
  }

  /** What a bot says where the hub keeps no log. Nobody can be asked to take over there. @returns the channel's id of it. */
  async sayUnrecorded(place: Place, activity: Activity, replyToId?: string): Promise<string | undefined> {
    const { kind } = readSignal(activity);
    if (kind === 'escalate' && !this.onlyObserves) return this.#refuse(place);
    if (kind === 'setContext' && !this.onlyObserves) return undefined;
    const answers = replyToId ?? (typeof activity.replyToId === 'string' ? activity.replyToId : undefined);
    const to = this.onlyObserves ? { serviceUrl: place.serviceUrl } : addressed(place, activity.from?.name);
    return this.channel.post(place, { ...activity, ...to }, answers);
  }

  /** The turn of the bot that answers this entry, while it is under way. */
  running(conversationId: string, answers: number | undefined): BotTurn | undefined {
    return answers === undefined ? undefined : this.#running.get(`${conversationId} ${answers}`);
  }

  /** Recorded first; then the outbox says when, and whether, it is a bot's turn. */
  async #hear(activity: Activity, place: Place, address: Address): Promise<HttpResponse> {
    const gathers = activity.deliveryMode === 'expectReplies';
    let gathered: { take(): Activity[] } | undefined;
    const live = new LiveTurn((turn) => {
      if (gathers) gathered = this.channel.gather(place.conversation.id);
      return this.#tell(this.#forBot(activity), turn);
    });
    let heard: Heard | undefined;
    try {
      heard = await this.intake.record(activity as unknown as SdkActivity, address, live);
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      return this.#withoutHub(activity, place, address, error);
    }
    if (heard === undefined) return {};
    const { conversationId, seq, turnKey: place_ } = heard;
    const { outbox } = this.hub;
    const attempted = outbox.attempted(conversationId, `bot:${this.#hearing(conversationId)}`, seq);
    const isInvoke = activity.type === 'invoke';
    if (attempted === undefined) {
      this.intake.waiting.delete(place_);
      if (isInvoke) return { status: 501 };
      return answerOf(undefined, gathers ? [] : undefined);
    }
    const response = isInvoke ? outbox.invokeResponse(conversationId, seq) : Promise.resolve(undefined);
    const over = attempted.finally(() => this.intake.waiting.delete(place_));
    // On disk: nobody needs to wait for the bot.
    if (!isInvoke && !gathers) {
      over.catch(() => undefined);
      return {};
    }
    const sent = gathers ? over.then(() => this.#sent(conversationId, seq)) : Promise.resolve();
    const answer = await within(Promise.all([response, sent]), this.#answerWithinMs);
    const replies = gathers ? (gathered?.take() ?? []) : undefined;
    if (!isInvoke) return answerOf(undefined, replies);
    if (answer === LATE) return unanswered(504, 'The bot has not answered in time.');
    if (answer[0] === undefined) return unanswered(502, 'The bot did not answer.');
    return answerOf(answer[0], replies);
  }

  /** The customer goes; the bot that held the conversation hears of it, and speaks to nobody any more. */
  async #leaves(activity: Activity, place: Place, address: Address, conversationId: string): Promise<HttpResponse> {
    const state = await this.hub.conversation(conversationId);
    const held = state?.phase === 'bot' && state.bot === this.botId;
    await this.hub.handle(
      conversationId,
      await this.intake.said(conversationId, activity as unknown as SdkActivity, address),
    );
    return held ? this.passOn(activity, place) : {};
  }

  async #withoutHub(activity: Activity, place: Place, address: Address, error: unknown): Promise<HttpResponse> {
    this.hub.log.warn({ err: error, bot: this.botId }, 'an activity of a customer could not be recorded');
    const state = this.intake.known(address);
    const withPeople = state !== undefined && state.phase !== 'closed' && state.phase !== 'bot';
    if (this.#isGone && !withPeople) throw error;
    if (!withPeople) return this.passOn(activity, place);
    // Meant for a person: the bot must not hear it, and the customer must know.
    const text = activity.type === 'message' ? await refusalText(this.hub, 'hubUnavailable', undefined) : undefined;
    if (text !== undefined) await this.channel.post(place, { type: 'message', text, ...addressed(place) });
    return {};
  }

  /** What the outbox owes the bot: as the channel brought it, while its call waits; from the log, otherwise. */
  async #deliver(activity: Activity, turn: BotTurn): Promise<InvokeResponse | undefined> {
    const place = turn.key === undefined ? undefined : turnKey(turn.conversationId, turn.key);
    const live = place === undefined ? undefined : this.intake.waiting.get(place);
    if (live instanceof LiveTurn && place !== undefined) {
      this.intake.waiting.delete(place);
      await live.run(turn);
      return live.response;
    }
    const state = await this.hub.conversation(turn.conversationId);
    const reference = (state?.reference ?? {}) as Reference;
    const known =
      turn.answers === undefined ? undefined : await channelIdOf(this.hub, turn.conversationId, turn.answers);
    const told = {
      ...activity,
      ...addressing(activity, reference, this.botId),
      ...(known === undefined ? {} : { id: known }),
    };
    try {
      return await this.#tell(this.#forBot(told), turn);
    } catch (error) {
      if (turn.answers !== undefined || (error instanceof DeliveryFailed && error.retry)) throw error;
      // A bot that was there before the hub need not understand the hub's own events: no customer waits for an answer.
      this.hub.log.warn(
        { err: error, bot: this.botId, event: activity.name ?? activity.type },
        'the bot did not take what the hub told it',
      );
      return undefined;
    }
  }

  async #tell(activity: Activity, turn: BotTurn): Promise<InvokeResponse | undefined> {
    if (turn.answers === undefined) return this.#bot().deliver(activity, turn);
    const name = `${turn.conversationId} ${turn.answers}`;
    this.#running.set(name, turn);
    try {
      return await this.#bot().deliver(activity, turn);
    } finally {
      if (this.#running.get(name) === turn) this.#running.delete(name);
    }
  }

  /** Everything stays as the channel said it; only the answers come to the hub. */
  #forBot({ deliveryMode: _channels, callerId: _caller, ...activity }: Activity): Activity {
    return { ...activity, serviceUrl: this.hub.serviceUrl };
  }

  #bot(): BotConnection {
    const bot = this.hub.bots.get(this.botId);
    if (bot !== undefined) return bot;
    throw new DeliveryFailed(`Bot "${this.botId}" is not connected. Set its endpoint.`, !this.#isGone);
  }

  get #isGone(): boolean {
    return this.hub.directory.bots[this.botId] === undefined;
  }

  /** Who hears what the customer just said, if it is a bot. */
  #hearing(conversationId: string): string {
    const state = this.hub.known(conversationId);
    return (state?.phase === 'bot' ? state.bot : state?.lastBot) ?? this.botId;
  }

  /** Everything that the customer is to see of what happened since is on its way. */
  async #sent(conversationId: string, after: number): Promise<void> {
    const state = this.hub.known(conversationId);
    for (let seq = after + 1; seq <= (state?.version ?? after); seq += 1)
      await this.hub.outbox.attempted(conversationId, 'channel', seq);
  }

  async #refuse(place: Place): Promise<undefined> {
    const why = place.isGroup ? 'groupConversation' : 'hubUnavailable';
    const group = [this.botId, place.channelId, place.conversation.id] as const;
    const text = await refusalText(this.hub, why, group).catch(ifUnavailable(undefined));
    if (text !== undefined) await this.channel.post(place, { type: 'message', text, ...addressed(place) });
    const status = { ...refusalStatus(why), ...addressing({ type: 'event' }, place, this.botId) };
    // The bot is in the middle of its turn: it hears of this when that is over.
    setImmediate(() => {
      this.passOn(status, place).catch((error: unknown) => {
        this.hub.log.warn({ err: error, bot: this.botId }, 'the bot could not be told that its escalation was refused');
      });
    });
    return undefined;
  }

  async #learn(place: Place, activity: Activity): Promise<void> {
    try {
      await this.places.learn(place);
      for (const id of teamsOf(activity)) await this.places.learnOf('team', id, place);
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
    }
  }
}

/** A customer's turn as the channel brought it. Run at most once. */
class LiveTurn implements WaitingTurn {
  response: InvokeResponse | undefined;

  constructor(private readonly go: (turn: BotTurn) => Promise<InvokeResponse | undefined>) {}

  async run(turn: BotTurn): Promise<void> {
    this.response = await this.go(turn);
  }
}

const LATE = Symbol('late');

async function within<T>(work: Promise<T>, ms: number): Promise<T | typeof LATE> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof LATE>((resolve) => (timer = setTimeout(() => resolve(LATE), ms)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function answerOf(response: InvokeResponse | undefined, replies?: readonly Activity[]): HttpResponse {
  if (replies !== undefined) {
    const invoked = response === undefined ? [] : [{ type: 'invokeResponse', value: response }];
    return { body: { activities: [...replies, ...invoked] } };
  }
  if (response === undefined) return {};
  return { status: response.status, ...(response.body === undefined ? {} : { body: response.body }) };
}

function unanswered(status: 502 | 504, message: string): HttpResponse {
  return { status, body: { error: { code: 'BotError', message } } };
}

/** @throws BadRequest 400 for what no channel sends. */
function placeOf(activity: Activity, known?: Address): Place {
  const { id, channelId, serviceUrl, conversation, recipient, from } = activity;
  const { membersAdded } = activity as { membersAdded?: unknown };
  const hasId = (value: unknown): value is { id: string } =>
    typeof (value as { id?: unknown } | undefined)?.id === 'string' && (value as { id: string }).id !== '';
  if (typeof channelId !== 'string' || typeof serviceUrl !== 'string' || !hasId(conversation) || !hasId(recipient))
    throw new BadRequest(
      400,
      'BadSyntax',
      'An activity of a channel has channelId, serviceUrl, conversation.id and recipient.id.',
    );
  const isAccount = (one: unknown) => typeof one === 'object' && one !== null;
  if (membersAdded !== undefined && membersAdded !== null)
    if (!Array.isArray(membersAdded) || !membersAdded.every(isAccount))
      throw new BadRequest(400, 'BadSyntax', '"membersAdded" must be an array of accounts.');
  if (id !== undefined && id !== null && typeof id !== 'string')
    throw new BadRequest(400, 'BadSyntax', 'The "id" of an activity must be a string.');
  const address = known ?? addressOf(activity as unknown as SdkActivity, '');
  const isGroup = address === undefined ? hasId(from) && isGroupOf(conversation) : address.isGroup;
  const user = isGroup ? undefined : (address?.reference.user as Place['user']);
  return {
    channelId,
    serviceUrl,
    conversation: conversation as unknown as Place['conversation'],
    bot: recipient as Place['bot'],
    ...(user === undefined ? {} : { user }),
    isGroup,
  };
}

function isGroupOf(conversation: object): boolean {
  const { isGroup, conversationType } = conversation as { isGroup?: boolean; conversationType?: string };
  return isGroup === true || conversationType === 'groupChat' || conversationType === 'channel';
}

/** Teams: the team and the channel in it are what bots ask about. */
function teamsOf({ channelId, channelData }: Activity): string[] {
  if (channelId !== 'msteams' || typeof channelData !== 'object' || channelData === null) return [];
  const { team, channel } = channelData as { team?: { id?: unknown }; channel?: { id?: unknown } };
  return [team?.id, channel?.id].filter((id): id is string => typeof id === 'string' && id !== '');
}

function ifUnavailable<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (isStoreUnavailable(error)) return instead;
    throw error;
  };
}
