// handoffMiddleware: the hub between a bot and its channel, inside the bot's own process, on any adapter of either SDK.

import { AsyncResource } from 'node:async_hooks';
import type { Conversation } from '../core/conversation.js';
import { observes } from '../core/floor.js';
import { ConfigError } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import type { BotTurn } from '../hub/ports.js';
import { addressOf, isContinuation, type Address } from './address.js';
import { botConnection, channelConnection, putIn, type RunOutside, type WaitingTurn } from './connections.js';
import { appIdOf, callerOf, type BotAdapterOf, type BotTurnContext, type Reference } from './host.js';
import { Intake, SAYS_LITTLE, type Heard } from './intake.js';
import { LiveSends } from './liveSends.js';
import { ObservedTurns } from './observedTurns.js';
import { isStoreUnavailable, Outgoing, type Recorded, type Refusal } from './outgoing.js';
import { Reach, type Next } from './reach.js';
import { DEFAULT_TEXTS, refusalStatus, refusalText, type MiddlewareTexts } from './refusals.js';
import { fromSdk } from './sdkActivity.js';
import { linkTurn } from './turnLink.js';

/** `C` is the TurnContext of the adapter's SDK. */
export interface HandoffMiddlewareOptions<C extends BotTurnContext = BotTurnContext> {
  /** The adapter that uses the middleware, of botbuilder or of the Agents SDK: what people say goes out through it. */
  adapter: BotAdapterOf<C>;
  /** The bot's id in the hub's configuration. */
  botId: string;
  /**
   * The bot's Microsoft App ID, empty where the channel asks for none. Unless set: what the Agents SDK's adapter was made
   * with, for botbuilder `MicrosoftAppId` of the environment.
   */
  appId?: string;
  /** The bot: `(context) => bot.run(context)`. The hub calls it when no customer did: context, outcome of a handoff. */
  run: (context: C) => Promise<unknown>;
  /** The work stream conversations belong to; the only one there is, unless set. */
  workStream?: string;
  /**
   * While the store cannot be written: `passThrough` (unless set) lets customers whom the bot holds talk to it, unrecorded;
   * `refuse` tells everybody to come back later.
   */
  onHubUnavailable?: 'passThrough' | 'refuse';
  /** Texts for customers whom the hub cannot serve; an empty one is not told. */
  texts?: Partial<MiddlewareTexts>;
}

export type { MiddlewareTexts } from './refusals.js';

export type HandoffMiddleware<C extends BotTurnContext = BotTurnContext> = (context: C, next: Next) => Promise<void>;

/**
 * Use it before all other middleware, and before `hub.start()`. Every activity of a customer is recorded first; the bot's
 * turn runs while the bot holds the conversation; what the bot and people say is recorded before it is sent. When the bot
 * throws in a customer's turn, `adapter.onTurnError` is called here, so that its words come before the hub's own.
 * @throws ConfigError when the hub's configuration has no such bot or work stream.
 */
export function handoffMiddleware<C extends BotTurnContext>(
  hub: Hub,
  options: HandoffMiddlewareOptions<C>,
): HandoffMiddleware<C> {
  // Every context that comes in is one of the adapter's.
  const proxy = new BotProxy(hub, options as unknown as HandoffMiddlewareOptions);
  return (context, next) => proxy.onTurn(context, next);
}

class BotProxy {
  readonly #botId: string;
  readonly #reach: Reach;
  readonly #sends: LiveSends;
  readonly #texts: MiddlewareTexts;
  readonly #passThrough: boolean;
  readonly #run: (context: BotTurnContext) => Promise<void>;
  readonly #intake: Intake;
  readonly #observed: ObservedTurns;

  constructor(
    private readonly hub: Hub,
    private readonly options: HandoffMiddlewareOptions,
  ) {
    const { adapter, botId, appId = appIdOf(adapter) ?? '', run, texts, onHubUnavailable = 'passThrough' } = options;
    this.#botId = botId;
    this.#texts = { ...DEFAULT_TEXTS, ...texts };
    this.#passThrough = onHubUnavailable === 'passThrough';
    this.#run = async (context) => {
      await run(context);
    };
    this.#reach = new Reach(adapter, appId);
    this.#sends = new LiveSends(hub);
    const faults = [...this.#botFaults(), ...this.#workStreamFaults()];
    if (faults.length > 0) throw new ConfigError(faults);
    const via = `adapter:${botId}`;
    this.#intake = new Intake(hub, { botId, via, workStream: options.workStream });
    this.#observed = new ObservedTurns(hub, botId, this.#intake);
    hub.connectChannel(via, channelConnection(this.#reach, this.#sends));
    const runOutside: RunOutside = (reference, turn, begin) => this.#outside(reference, turn, begin);
    hub.connectBot(botId, botConnection(hub, botId, this.#intake.waiting, runOutside), via);
  }

  async onTurn(context: BotTurnContext, next: Next): Promise<void> {
    const own = this.#reach.take();
    if (own !== undefined) return own(context, next);
    // Until it has started, the hub calls no bot: the turn would be over before it is the bot's.
    if (!this.hub.running) await this.hub.starting?.catch(() => undefined);
    const { activity } = context;
    const address = await this.#intake.placed(addressOf(activity, this.#botId, callerOf(context)));
    if (await this.#onlyObserves(address)) return this.#observed.run(context, next, address);
    if (address === undefined || address.isGroup) return this.#unrecorded(context, next, address);
    if (isContinuation(activity)) return this.#botSpeaksUp(context, next, address);
    if (SAYS_LITTLE.has(activity.type)) {
      const conversationId = await this.#intake.find(address).catch(ifUnavailable(undefined));
      if (conversationId === undefined) return this.#unrecorded(context, next, address);
      if (activity.type === 'typing') return this.#typing(context, next, address, conversationId);
      if (activity.type === 'endOfConversation') return this.#leaves(context, next, address, conversationId);
    }
    return this.#customerTurn(context, next, address);
  }

  /** Whether the turn goes as without the hub: unless people have the conversation since the time before. */
  async #onlyObserves(address: Address | undefined): Promise<boolean> {
    const { directory } = this.hub;
    const { workStream = Object.keys(directory.workStreams)[0] ?? '' } = this.options;
    if (directory.workStreams[workStream]?.observe !== true) return false;
    if (address === undefined || address.isGroup) return true;
    try {
      const id = await this.#intake.find(address);
      const state = id === undefined ? undefined : await this.hub.conversation(id);
      return state === undefined || observes(state, directory);
    } catch (error) {
      this.hub.log.warn({ err: error, bot: this.#botId }, 'the store does not say who has a conversation');
      return true;
    }
  }

  /** Recorded first; then the outbox says when, and whether, it is the bot's turn. */
  async #customerTurn(context: BotTurnContext, next: Next, address: Address): Promise<void> {
    const outgoing = this.#outgoing(context, address);
    const live = new LiveTurn((turn) => {
      outgoing.record(recordedIn(turn));
      this.#link(context, turn.conversationId);
      return this.#runBot(context, next, outgoing);
    });
    let heard: Heard | undefined;
    try {
      heard = await this.#intake.record(context.activity, address, live);
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      return this.#withoutHub(context, next, address, outgoing, error);
    }
    if (heard === undefined) return;
    try {
      await this.hub.outbox.attempted(heard.conversationId, `bot:${this.#botId}`, heard.seq);
      // Withdrawn before it is looked at: from here on the outbox reaches the bot outside of this turn.
      this.#intake.waiting.delete(heard.turnKey);
      await live.over();
    } catch (error) {
      if (!(error instanceof HandledByBot)) throw error;
    } finally {
      this.#intake.waiting.delete(heard.turnKey);
    }
    await this.#tellRefusal(outgoing, address);
  }

  /** Shown to whoever holds the conversation, never kept. */
  async #typing(context: BotTurnContext, next: Next, address: Address, conversationId: string): Promise<void> {
    await this.hub.signal(conversationId, { role: 'customer', id: address.customer.id }, fromSdk(context.activity));
    if (this.#holds(await this.hub.conversation(conversationId)))
      await this.#unasked(context, next, address, conversationId);
  }

  /** The customer goes; the bot that held the conversation hears of it, and speaks to nobody any more. */
  async #leaves(context: BotTurnContext, next: Next, address: Address, conversationId: string): Promise<void> {
    const held = this.#holds(await this.hub.conversation(conversationId));
    await this.hub.handle(conversationId, await this.#intake.said(conversationId, context.activity, address));
    if (held) await this.#unasked(context, next, address, conversationId);
  }

  /** The bot's own continueConversationAsync: what it says unasked reaches the customer while the bot holds. */
  async #botSpeaksUp(context: BotTurnContext, next: Next, address: Address): Promise<void> {
    const conversationId = await this.#intake.find(address).catch(ifUnavailable(undefined));
    if (conversationId === undefined) return this.#unrecorded(context, next, address);
    return this.#unasked(context, next, address, conversationId);
  }

  async #unasked(context: BotTurnContext, next: Next, address: Address, conversationId: string): Promise<void> {
    const outgoing = this.#outgoing(context, address);
    outgoing.record(this.#unaskedIn(conversationId));
    this.#link(context, conversationId);
    await through(next, outgoing);
    await this.#tellRefusal(outgoing, address);
  }

  /** Turns the hub has no conversation for: groups, a bot that was added alone, somebody's typing before any word. */
  async #unrecorded(context: BotTurnContext, next: Next, address: Address | undefined): Promise<void> {
    const outgoing = this.#outgoing(context, address);
    this.#link(context, undefined);
    await through(next, outgoing);
    await this.#tellRefusal(outgoing, address);
  }

  async #withoutHub(
    context: BotTurnContext,
    next: Next,
    address: Address,
    outgoing: Outgoing,
    error: unknown,
  ): Promise<void> {
    this.hub.log.warn({ err: error, bot: this.#botId }, 'an activity of a customer could not be recorded');
    const state = this.#intake.known(address);
    const withPeople = state !== undefined && state.phase !== 'closed' && !this.#holds(state);
    this.#link(context, undefined);
    if (this.#passThrough && !withPeople) {
      await through(next, outgoing);
      return this.#tellRefusal(outgoing, address);
    }
    const { hubUnavailable } = this.#texts;
    if (context.activity.type === 'message' && hubUnavailable !== '') await context.sendActivity(hubUnavailable);
  }

  /** What the hub itself tells the bot, and what a crash kept from it. */
  async #outside(
    reference: Reference,
    turn: BotTurn,
    begin: (context: BotTurnContext) => { answerable: boolean },
  ): Promise<void> {
    await this.#reach.turn(
      reference,
      async (context, next) => {
        const { answerable } = begin(context);
        const outgoing = this.#outgoing(context, undefined);
        outgoing.record(recordedIn(turn), !answerable);
        this.#link(context, turn.conversationId);
        // Of the hub's own events no customer knows: what onTurnError tells customers would answer nothing.
        await (turn.answers === undefined ? through(next, outgoing) : this.#runBot(context, next, outgoing));
      },
      this.#run,
    );
  }

  /** @throws HandledByBot when the bot's own handler took care of the failure: the hub must still learn of it. */
  async #runBot(context: BotTurnContext, next: Next, outgoing: Outgoing): Promise<void> {
    try {
      await next();
    } catch (error) {
      const { adapter } = this.options;
      if (typeof adapter.onTurnError !== 'function') throw error;
      await adapter.onTurnError(context, error as Error);
      throw new HandledByBot(error);
    } finally {
      await outgoing.finished();
    }
  }

  #outgoing(context: BotTurnContext, address: Address | undefined): Outgoing {
    const { hub } = this;
    const opens = address !== undefined && !address.isGroup;
    return new Outgoing(context, {
      hub,
      botId: this.#botId,
      sends: this.#sends,
      passThrough: this.#passThrough,
      refusal: (why) => this.#refusalText(why, address),
      why: address?.isGroup === true ? 'groupConversation' : 'hubUnavailable',
      ...(opens ? { open: async () => this.#unaskedIn(await this.#intake.open(context.activity, address)) } : {}),
    });
  }

  #unaskedIn(conversationId: string): Recorded {
    return {
      conversationId,
      answers: undefined,
      say: (activities) => this.hub.botSays(conversationId, this.#botId, activities),
    };
  }

  async #refusalText(why: Refusal, address: Address | undefined): Promise<string | undefined> {
    const group = address && ([this.#botId, address.channelId, address.reference.conversation?.id ?? ''] as const);
    return refusalText(this.hub, why, group, this.#texts);
  }

  /** The bot hears that its escalation came to nothing, as it would from a queue nobody serves. */
  async #tellRefusal({ refused }: Outgoing, address: Address | undefined): Promise<void> {
    if (refused === undefined || address === undefined) return;
    const status = refusalStatus(refused);
    try {
      await this.#reach.turn(
        address.reference,
        async (context, next) => {
          putIn(context, status, address.reference, this.#botId);
          const outgoing = new Outgoing(context, {
            hub: this.hub,
            botId: this.#botId,
            sends: this.#sends,
            passThrough: true,
            refusal: () => Promise.resolve(undefined),
            why: refused,
          });
          await through(next, outgoing);
        },
        this.#run,
      );
    } catch (error) {
      this.hub.log.warn({ err: error, bot: this.#botId }, 'the bot could not be told that its escalation was refused');
    }
  }

  #link(context: BotTurnContext, conversationId: string | undefined): void {
    linkTurn(context, { hub: this.hub, botId: this.#botId, conversationId });
  }

  #holds(state: Conversation | undefined): boolean {
    return state?.phase === 'bot' && state.bot === this.#botId;
  }

  #botFaults(): string[] {
    const { bots } = this.hub.directory;
    if (bots[this.#botId] !== undefined) return [];
    const named = Object.keys(bots).join(', ');
    return [
      `handoffMiddleware: there is no bot "${this.#botId}". Use one of ${named}, or add { id: ${this.#botId}, connect: inProcess } to bots.`,
    ];
  }

  #workStreamFaults(): string[] {
    const { workStream } = this.options;
    const ids = Object.keys(this.hub.directory.workStreams);
    if (workStream === undefined ? ids.length === 1 : ids.includes(workStream)) return [];
    const said = workStream === undefined ? 'name the work stream' : `there is no work stream "${workStream}"`;
    return [`handoffMiddleware: ${said}. Set workStream to one of ${ids.join(', ')}.`];
  }
}

/** A customer's turn as the channel brought it. Run at most once. */
class LiveTurn implements WaitingTurn {
  readonly #go: (turn: BotTurn) => Promise<void>;
  #running: Promise<void> | undefined;

  constructor(go: (turn: BotTurn) => Promise<void>) {
    // The outbox runs it in whichever turn woke it; what the bot keeps per request must be this request's.
    this.#go = AsyncResource.bind(go);
  }

  run(turn: BotTurn): Promise<void> {
    return (this.#running ??= this.#go(turn));
  }

  /** Resolves when the bot has finished, at once when it was never its turn. @throws what the bot threw. */
  async over(): Promise<void> {
    await this.#running;
  }
}

class HandledByBot extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function recordedIn(turn: BotTurn): Recorded {
  const { conversationId, answers } = turn;
  return { conversationId, answers, say: (activities) => turn.respond(activities) };
}

async function through(next: Next, outgoing: Outgoing): Promise<void> {
  try {
    await next();
  } finally {
    await outgoing.finished();
  }
}

function ifUnavailable<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (isStoreUnavailable(error)) return instead;
    throw error;
  };
}
