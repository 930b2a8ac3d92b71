// One conversation of the hub with one bot behind Direct Line: what customers say is posted in order, what the bot says is kept before it counts as heard.

import { createHash } from 'node:crypto';
import type { Activity } from '../../core/activity.js';
import { setContextValue, type ContextVariables } from '../../core/context.js';
import { observes } from '../../core/floor.js';
import type { Conversation } from '../../core/conversation.js';
import type { Hub } from '../../hub/hub.js';
import { filesOf } from './files.js';
import { Hearing } from './hearing.js';
import { Ledger, lifeOf } from './ledger.js';
import { Listening, type Heard, type ListeningTimes } from './listening.js';
import { withSent, type LineRecords } from './record.js';
import { deliveryFailed, isFinal, leftOf, ServiceFailed } from './failure.js';
import type { ActivitySet, DirectLineService } from './service.js';
import { entryOf, fromPage, isPosted, posted } from './translate.js';

/** What all lines of one bot share. */
export interface Exchange {
  readonly hub: Hub;
  readonly botId: string;
  readonly service: DirectLineService;
  readonly records: LineRecords;
  readonly times: LineTimes;
  mayStream(line: Line): boolean;
  refusesSockets(): void;
}

export interface LineTimes extends ListeningTimes {
  /** Everything one delivery may take. */
  readonly turnMs: number;
  /** A bot that asked for people and then says nothing for this long has ended its turn. */
  readonly quietMs: number;
  /** A watermark may be this old on disk: what is heard again is recognised. */
  readonly saveMs: number;
  /** After something was said, a conversation counts as lively for so long. */
  readonly livelyMs: number;
}

export class Line implements Heard {
  /** The hub's conversation is closed. */
  isOver = false;
  /** `performance.now()` of the last post, and of the last thing said by anybody. */
  postedAt = Number.NEGATIVE_INFINITY;
  activeAt = performance.now();
  readonly #ledger: Ledger;
  readonly #hearing: Hearing;
  /** Whether something may have been posted or said that is not known here. */
  #isBehind = true;
  #listening: Listening | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #regaining: Promise<boolean> | undefined;
  #isClosed = false;

  constructor(
    private readonly exchange: Exchange,
    readonly conversationId: string,
  ) {
    const { hub, botId, records, times } = exchange;
    const ledger = new Ledger({ hub, botId, conversationId, records, saveMs: times.saveMs });
    const onSaid = () => (this.activeAt = performance.now());
    this.#ledger = ledger;
    this.#hearing = new Hearing({ hub, botId, conversationId, ledger, quietMs: times.quietMs, onSaid });
  }

  get isStreaming(): boolean {
    return this.#listening?.isStreaming === true;
  }

  get hasSocket(): boolean {
    return this.#listening?.hasSocket === true;
  }

  get isListening(): boolean {
    return this.#listening?.isRunning === true;
  }

  get isLively(): boolean {
    return performance.now() - this.activeAt < this.exchange.times.livelyMs;
  }

  get refreshAt(): number {
    return this.#ledger.current?.refreshAt ?? Number.POSITIVE_INFINITY;
  }

  /** One turn after another, in the order in which they are asked for. @throws DeliveryFailed */
  deliver(activity: Activity): Promise<void> {
    const deadline = performance.now() + this.exchange.times.turnMs;
    return this.#inTurn(async () => {
      try {
        await this.#deliver(activity, deadline);
      } catch (error) {
        throw deliveryFailed(error);
      }
    });
  }

  /** After a start: hears what came meanwhile, and goes on listening where the conversation is lively. */
  resume(listens: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const state = await this.exchange.hub.conversation(this.conversationId);
      await this.#ledger.load();
      if (state === undefined || this.#ledger.current === undefined) return;
      await this.#comeUpToDate(performance.now() + this.exchange.times.turnMs);
      if (listens && this.#ledger.current !== undefined) this.#listen();
      else this.#isBehind = true;
    });
  }

  /** Stops listening once no turn is under way, if that is right then; the next turn hears first what came meanwhile. */
  rest(isRight: () => boolean = () => true): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed || !isRight()) return;
      this.#listening?.close();
      this.#listening = undefined;
      this.#isBehind = true;
      await this.#ledger.save();
    });
  }

  /** The conversation is over: nothing needs to be known about it. */
  async forget(): Promise<void> {
    await this.#stop();
    await this.#ledger.remove();
  }

  /** Leaves everything on disk. */
  async close(): Promise<void> {
    await this.#stop();
    await this.#ledger.close();
  }

  beat(): void {
    this.#listening?.beat();
  }

  /** Before the token ends. Resolves also when it could not be done now. */
  async refresh(): Promise<void> {
    try {
      if (!(await this.regain())) this.lost();
    } catch (error) {
      this.trouble(error);
    }
  }

  // -------------------------------------------------------------------------------------------------------- listening

  async streamUrl(): Promise<string | undefined> {
    const { token, remote, watermark } = this.#ledger.expect();
    const { streamUrl, ...grant } = await this.exchange.service.reconnect(token, remote, watermark);
    this.#ledger.adopt(grant);
    return streamUrl;
  }

  async catchUp(): Promise<void> {
    await this.#catchUp(performance.now() + this.exchange.times.turnMs);
  }

  take(set: ActivitySet): Promise<void> {
    return this.#hearing.take(set);
  }

  regain(): Promise<boolean> {
    this.#regaining ??= this.#regain().finally(() => (this.#regaining = undefined));
    return this.#regaining;
  }

  lost(): void {
    this.#ledger.lose();
  }

  mayStream(): boolean {
    return this.exchange.mayStream(this);
  }

  refusesSockets(): void {
    this.exchange.refusesSockets();
  }

  trouble(error: unknown): void {
    if (this.#isClosed) return;
    this.exchange.hub.log.warn(
      { err: error, conversation: this.conversationId, bot: this.exchange.botId },
      "the bot's conversation could not be heard just now; it is tried again",
    );
  }

  // --------------------------------------------------------------------------------------------------------- one turn

  async #deliver(activity: Activity, deadline: number): Promise<void> {
    const { hub } = this.exchange;
    const state = await hub.conversation(this.conversationId);
    if (state === undefined || !(await this.#open(state, deadline))) {
      hub.log.debug(
        { conversation: this.conversationId },
        'the bot has no conversation any more that could be told this',
      );
      return;
    }
    if (!isPosted(activity)) return;
    const key = activity.id ?? `${this.conversationId}/${state.version}/unnamed`;
    const isCustomers = entryOf(this.conversationId, key)?.shown === true;
    if (!isCustomers && activity.name === 'omnichannelSetContext')
      await this.#tellContext(state, `${key}/context`, deadline);
    const content = isCustomers ? fromPage(activity, this.#contextOf(state)) : activity;
    if (content !== undefined) await this.#post(state, content, key, deadline);
  }

  /** @returns false when there is no conversation, and the bot is not owed one. */
  async #open(state: Conversation, deadline: number): Promise<boolean> {
    await this.#ledger.load();
    if (this.#ledger.current !== undefined && this.#isBehind) await this.#comeUpToDate(deadline);
    if (this.#ledger.current === undefined) {
      if (!this.#isHeldIn(state)) return false;
      await this.#startAnew(state, deadline);
    }
    this.#listen();
    if (this.#ledger.current?.opening !== 'done') await this.#sayOpening(state, deadline);
    return true;
  }

  /** Late messages come before the new turn, and an earlier try of the turn itself is recognised by its echo. */
  async #comeUpToDate(deadline: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#catchUp(deadline);
        this.#isBehind = false;
        return;
      } catch (error) {
        if (!(error instanceof ServiceFailed)) throw error;
        if (error.kind === 'forbidden' && attempt === 1 && (await this.regain())) continue;
        if (error.kind === 'forbidden' || error.kind === 'gone') return this.lost();
        // Nothing of this turn has been posted yet.
        throw new ServiceFailed(error.message, error.kind === 'notReached' ? 'notReached' : 'busy', {
          ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
          cause: error,
        });
      }
    }
  }

  async #catchUp(deadline: number): Promise<void> {
    for (;;) {
      const { token, remote, watermark } = this.#ledger.expect();
      const set = await this.exchange.service.read(token, remote, watermark, leftOf(deadline));
      await this.take(set);
      if (set.activities.length === 0 || set.watermark === undefined || set.watermark === watermark) return;
    }
  }

  async #startAnew(state: Conversation, deadline: number): Promise<void> {
    const { service, hub } = this.exchange;
    const before = this.#ledger.last;
    const user = before?.user ?? state.customer.id ?? anonymous(this.conversationId);
    const grant = await service.newToken(user, leftOf(deadline));
    const named = userIn(grant.token) ?? user;
    const about = { user: named, ...(state.locale === undefined ? {} : { locale: state.locale }) };
    const started = await service.start(grant.token, about, leftOf(deadline)).catch((error: unknown) => {
      if (!(error instanceof ServiceFailed) || (error.kind !== 'forbidden' && error.kind !== 'gone')) throw error;
      throw new ServiceFailed(error.message, 'refused', {
        cure: 'the token is not accepted there. Name the Direct Line of its region as baseUrl',
        cause: error,
      });
    });
    this.#listening?.close();
    this.#listening = undefined;
    await this.#ledger.begin({
      remote: started.conversationId,
      user: named,
      ...lifeOf(started, hub.clock.now()),
      watermark: '',
      opening: before === undefined || before.opening === 'greet' ? 'greet' : 'resume',
      sent: [],
    });
    this.#isBehind = false;
    if (!this.#isClosed) this.#listen(started.streamUrl);
  }

  /** The bot's greeting may need the context: it comes first. A bot that has greeted before is only told the context. */
  async #sayOpening(state: Conversation, deadline: number): Promise<void> {
    const value = setContextValue(this.#contextOf(state));
    const hasContext = Object.keys(value).length > 0;
    const key = `${this.conversationId}/${state.sessionSeq}`;
    try {
      await this.#tellContext(state, `${key}/openingContext`, deadline, true);
      if (this.#ledger.current?.opening === 'greet') {
        const start: Activity = {
          type: 'event',
          name: 'startConversation',
          ...(state.locale === undefined ? {} : { locale: state.locale }),
          localTimezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
          ...(hasContext ? { value } : {}),
        };
        await this.#post(state, start, `${key}/start`, deadline, true);
      } else if (hasContext) {
        await this.#post(
          state,
          { type: 'event', name: 'omnichannelSetContext', value },
          `${key}/resume`,
          deadline,
          true,
        );
      }
    } catch (error) {
      // A bot that fails to greet is asked no second time: what the customer says next must not wait for it.
      const isOver = error instanceof ServiceFailed && ['botFailed', 'late', 'refused'].includes(error.kind);
      if (isOver) this.#ledger.update((record) => ({ ...record, opening: 'done' }));
      throw error;
    }
    this.#ledger.update((record) => ({ ...record, opening: 'done' }));
  }

  /** What the hub tells the bot of it: nothing, where it only observes. */
  #contextOf(state: Conversation): ContextVariables {
    return observes(state, this.exchange.hub.directory) ? {} : state.context;
  }

  /** The event by which Copilot Studio sets its global variables of the same names; only when there is something new. */
  async #tellContext(state: Conversation, key: string, deadline: number, isOpening = false): Promise<void> {
    const value = setContextValue(this.#contextOf(state));
    const told = createHash('sha1').update(JSON.stringify(value)).digest('base64url');
    if (this.#ledger.current?.told === told) return;
    if (Object.keys(value).length > 0)
      await this.#post(state, { type: 'event', name: 'pvaSetContext', value }, key, deadline, isOpening);
    this.#ledger.update((record) => ({ ...record, told }));
  }

  /** `isOpening`: it is itself part of what a new conversation begins with. */
  async #post(
    state: Conversation,
    activity: Activity,
    key: string,
    deadline: number,
    isOpening = false,
  ): Promise<void> {
    const { service, hub } = this.exchange;
    const { content, files } = await filesOf(hub, this.conversationId, activity, service.fileLimitBytes);
    for (let attempt = 1; ; attempt += 1) {
      const { token, remote, user, sent } = this.#ledger.expect();
      // Posted before, and known by its echo: a crash or a broken connection kept us from hearing the answer.
      if (sent.some((one) => one.key === key)) return;
      try {
        this.postedAt = this.activeAt = performance.now();
        const id = await service.post(token, remote, posted(content, user, key), files, leftOf(deadline));
        this.#ledger.update((record) =>
          record.remote === remote ? withSent(record, { key, ...(id === undefined ? {} : { id }) }) : record,
        );
        this.#listen();
        return;
      } catch (error) {
        if (!(error instanceof ServiceFailed)) throw error;
        if (error.kind === 'unsure' || error.kind === 'late') {
          // Some services answer only when the bot has; the stream has shown meanwhile that the bot was asked.
          if (this.#ledger.current?.sent.some((one) => one.key === key) === true) return this.#listen();
          this.#isBehind = true;
        }
        if (error.kind === 'forbidden' && attempt === 1 && (await this.regain())) continue;
        if ((error.kind !== 'forbidden' && error.kind !== 'gone') || attempt > 2) throw error;
        this.lost();
        // Somebody else holds the conversation: the bot is told everything when it gets it back.
        if (!this.#isHeldIn(state)) return;
        await this.#startAnew(state, deadline);
        attempt = 2;
        if (!isOpening) await this.#sayOpening(state, deadline);
      }
    }
  }

  // ------------------------------------------------------------------------------------------------ token and record

  /** A token is refreshed while it is good; with a secret the conversation can be entered without one. */
  async #regain(): Promise<boolean> {
    const { service } = this.exchange;
    const record = this.#ledger.current;
    if (record === undefined) return false;
    const { token, remote, watermark } = record;
    try {
      this.#ledger.adopt(await service.refresh(token));
      return true;
    } catch (error) {
      if (!isFinal(error)) throw error;
    }
    if (service.secret === undefined) return false;
    try {
      const { streamUrl: _streamUrl, ...grant } = await service.reconnect(service.secret, remote, watermark);
      this.#ledger.adopt(grant);
      return true;
    } catch (error) {
      if (!isFinal(error)) throw error;
      return false;
    }
  }

  #listen(streamUrl?: string): void {
    if (this.#isClosed) return;
    if (this.#listening?.isRunning !== true) this.#listening = new Listening(this, this.exchange.times);
    this.#listening.start(streamUrl);
  }

  #stop(): Promise<void> {
    this.#isClosed = true;
    this.#listening?.close();
    return this.#hearing.close();
  }

  #isHeldIn(state: Conversation): boolean {
    return state.phase === 'bot' && state.bot === this.exchange.botId;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Of a customer who has told no id: one that says nothing about them and stays the same. */
function anonymous(conversationId: string): string {
  return `dl_${createHash('sha256').update(conversationId).digest('hex').slice(0, 24)}`;
}

/** A token may be bound to a user: then it is that user who speaks. Read, not verified: the service does that. */
function userIn(token: string): string | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
      user?: unknown;
    };
    return typeof claims.user === 'string' && claims.user !== '' ? claims.user : undefined;
  } catch {
    return undefined;
  }
}
