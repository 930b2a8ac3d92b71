// The engine: takes commands, decides by the rules of core, commits, and only then tells everybody who holds a cursor.

import { randomUUID } from 'node:crypto';
import { decide } from '../core/decide.js';
import type { Activity } from '../core/activity.js';
import type { Circumstances, Command } from '../core/commands.js';
import { NOT_STARTED, type Conversation, type Entry, type Party, type State } from '../core/conversation.js';
import type { Directory } from '../core/directory.js';
import { Rejected } from '../core/rejected.js';
import { Conflict } from '../errors.js';
import { appendOf, ownStep, rowsOf, type Decided } from './appends.js';
import { Assigner } from './assigner.js';
import { answerBot } from './botQuestions.js';
import { BotSpeech } from './botSpeech.js';
import { BotStatus } from './botStatus.js';
import type { BotTurnContext, Engine, Handled, Observer, Watcher } from './engine.js';
import { Lines } from './lines.js';
import { Outbox } from './outbox.js';
import { People } from './people.js';
import { Positions } from './positions.js';
import type { Append, BotConnection, ChannelConnection, Clock, InvokeResponse, Log, Store } from './ports.js';
import { Ticker } from './ticker.js';

export type { BotTurnContext, Engine, Handled, Observer, Signal, Watcher } from './engine.js';

export interface HubOptions {
  store: Store;
  directory: Directory;
  log: Log;
  /** Unless set: the store's, if it has one, else the process's. */
  clock?: Clock;
  /** Public origin with a trailing slash: what bots see as serviceUrl. */
  serviceUrl?: string;
  /** A bot that has not finished a turn after this time counts as failed. */
  botTimeoutMs?: number;
}

/** States kept in memory; the rest is read from the store when somebody speaks (100,000 idle conversations must not stay). */
const CACHED_STATES = 2_000;
const DECIDE_ATTEMPTS = 5;
const BOT_TIMEOUT_MS = 15_000;

export class Hub implements Engine {
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  /** Public origin with a trailing slash: what bots see as serviceUrl. */
  serviceUrl: string;
  readonly lines = new Lines();
  readonly people: People;
  readonly outbox: Outbox;
  readonly botStatus: BotStatus;
  readonly bots = new Map<string, BotConnection>();
  readonly channels = new Map<string, ChannelConnection>();
  /** What bots say, change and report. */
  readonly speech: BotSpeech;
  readonly #assigner: Assigner;
  readonly #ticker: Ticker;
  readonly #positions: Positions;
  readonly #observers = new Set<Observer>();
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #states = new Map<string, Conversation>();
  readonly #turns = new Map<string, Promise<unknown>>();
  #directory: Directory;
  #running = false;
  #busy = 0;
  #idle: (() => void)[] = [];

  constructor(options: HubOptions) {
    this.store = options.store;
    this.log = options.log;
    this.clock = options.clock ?? options.store.clock ?? { now: () => Date.now() };
    this.serviceUrl = options.serviceUrl ?? 'http://localhost/';
    this.#directory = options.directory;
    this.people = new People(this);
    this.botStatus = new BotStatus(this, options.botTimeoutMs ?? BOT_TIMEOUT_MS);
    this.outbox = new Outbox(this);
    this.speech = new BotSpeech(this);
    this.#assigner = new Assigner(this, this.lines, this.people);
    this.#ticker = new Ticker(this, this.people);
    this.#positions = new Positions(this, this.lines);
  }

  /** Picks up where the record stands: lines, loads, deadlines, what is still owed. Idempotent. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    await this.people.start();
    await this.#standInLine();
    await this.outbox.start();
    await this.#ticker.start();
    this.nudge();
  }

  /** Stops taking work, lets running turns finish for at most `graceMs`, and leaves the rest on disk. Idempotent. */
  async stop(graceMs = 5_000): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#ticker.stop();
    this.people.stop();
    this.#positions.stop();
    await this.#assigner.stop();
    await this.outbox.stop(graceMs);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.#whenQuiet(), new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))]);
    clearTimeout(timer);
  }

  get running(): boolean {
    return this.#running;
  }

  get directory(): Directory {
    return this.#directory;
  }

  /** From now on decisions cite this version. */
  async useDirectory(directory: Directory): Promise<void> {
    this.#directory = directory;
    await this.people.useDirectory();
    if (this.#running) await this.#standInLine();
    for (const observer of this.#observers) observer.directory?.(directory);
    this.nudge();
  }

  /** `via`: only for conversations that came in by the channel connection of this name. Connect before `start`. */
  connectBot(botId: string, connection: BotConnection, via?: string): void {
    this.bots.set(via === undefined ? botId : `${botId} ${via}`, connection);
  }

  /** By the channel's id as in activities, or by the name under which conversations come in. `*` serves all others. */
  connectChannel(name: string, connection: ChannelConnection): void {
    this.channels.set(name, connection);
  }

  /**
   * Decides and commits one command, or several as one append. Resolves when everything is on disk.
   * @throws Rejected when the rules refuse it, StoreUnavailable when nothing could be written.
   */
  async handle(conversationId: string, command: Command | readonly Command[]): Promise<Handled> {
    const commands: readonly Command[] = 'type' in command ? [command] : command;
    const started = performance.now();
    this.#busy += 1;
    let outcome = 'done';
    let events = 0;
    try {
      const handled = await this.#inTurn(conversationId, () => this.#decideAndAppend(conversationId, commands));
      events = handled.repeated ? 0 : handled.entries.length;
      if (handled.repeated) outcome = 'repeated';
      return handled;
    } catch (error) {
      outcome = error instanceof Rejected ? error.code : 'failed';
      throw error;
    } finally {
      this.#busy -= 1;
      this.#report(conversationId, commands, events, performance.now() - started, outcome);
      this.#checkQuiet();
    }
  }

  /** A bot's activities of one turn, in order: texts, escalations, context. One id comes back per activity. */
  botSays(
    conversationId: string,
    botId: string,
    activities: readonly Activity[],
    turn: BotTurnContext = {},
  ): Promise<{ id: string }[]> {
    return this.speech.say(conversationId, botId, activities, turn);
  }

  /** A bot changes what it said; what it may not change (another's, while somebody else holds) is refused or becomes a draft. */
  botEdits(
    conversationId: string,
    botId: string,
    id: string,
    activity: Activity,
  ): Promise<{ seq: number | undefined }> {
    return this.speech.edit(conversationId, botId, id, activity);
  }

  botDeletes(conversationId: string, botId: string, id: string): Promise<{ seq: number | undefined }> {
    return this.speech.remove(conversationId, botId, id);
  }

  /** A bot asks the hub something and waits for the answer: an invoke activity, `handoff/canEscalate`. @throws Rejected. */
  botAsks(conversationId: string, botId: string, activity: Activity): Promise<InvokeResponse> {
    return answerBot(this, conversationId, botId, activity);
  }

  /** The state as of the last commit known here. */
  async conversation(conversationId: string): Promise<Conversation | undefined> {
    return this.#states.get(conversationId) ?? this.#read(conversationId);
  }

  /** The state if it is in memory: for checks that must not wait. */
  known(conversationId: string): Conversation | undefined {
    return this.#states.get(conversationId);
  }

  entries(conversationId: string, after: number, limit: number): Promise<Entry[]> {
    return this.store.entries(conversationId, after, limit);
  }

  /** Follows one conversation until the returned function is called. */
  watch(conversationId: string, watcher: Watcher): () => void {
    const watchers = this.#watchers.get(conversationId) ?? new Set();
    this.#watchers.set(conversationId, watchers.add(watcher));
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watchers.get(conversationId) === watchers) this.#watchers.delete(conversationId);
    };
  }

  isWatched(conversationId: string): boolean {
    return this.#watchers.has(conversationId);
  }

  observe(observer: Observer): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  notify<K extends keyof Observer>(kind: K, ...facts: Parameters<NonNullable<Observer[K]>>): void {
    for (const observer of this.#observers) (observer[kind] as ((...facts: unknown[]) => void) | undefined)?.(...facts);
  }

  /** Shows typing or a piece of a live stream at once to everybody who may see it. Never stored, may be dropped. */
  async signal(conversationId: string, by: Party, activity: Activity, answers?: number): Promise<void> {
    const state = await this.conversation(conversationId);
    if (state === undefined || state.phase === 'closed') return;
    const audience = this.speech.maySignal(state, by, answers) ? 'everyone' : 'staff';
    if (by.role === 'agent' && audience === 'staff') return;
    for (const watcher of this.#watchers.get(conversationId) ?? [])
      watcher.signal?.({ conversationId, by, activity, audience });
    if (by.role === 'customer' && state.phase === 'bot') this.outbox.signal(state, activity);
    if (by.role === 'agent' && state.channel.key !== undefined) this.outbox.signalChannel(state, activity);
  }

  /** Work for the assigner: somebody waits, or somebody has room. */
  nudge(): void {
    if (this.#running) this.#assigner.nudge();
  }

  /** Resolves when nothing is being handled, delivered or assigned: the signal tests wait for. */
  async settled(): Promise<void> {
    do {
      await this.#whenQuiet();
      await Promise.all([this.outbox.settled(), this.#assigner.settled(), this.people.settled()]);
    } while (this.#busy > 0 || !this.outbox.isIdle || !this.#assigner.isIdle);
  }

  /** Fires what is due now; the ticker calls it, tests with their own clock too. */
  tick(): Promise<void> {
    return this.#ticker.fire();
  }

  /** Builds the lines anew; who waits in a queue that is gone is routed again. */
  async #standInLine(): Promise<void> {
    for (const state of await this.store.waiting()) {
      this.lines.update(this.#states.get(state.id) ?? state, this.#directory);
      if (state.phase === 'queued' && this.#directory.queues[state.queue] === undefined)
        await this.handle(state.id, { type: 'reroute' }).catch((error: unknown) => {
          this.log.error(
            { err: error, conversation: state.id },
            'a conversation in a queue that is gone could not be routed again',
          );
        });
    }
  }

  async #decideAndAppend(conversationId: string, commands: readonly Command[]): Promise<Handled> {
    let open = commands.map((command, index) => ({ command, index }));
    const seqs: (number | undefined)[] = commands.map(() => undefined);
    for (let attempt = 0; attempt < DECIDE_ATTEMPTS; attempt += 1) {
      const before: State = this.#states.get(conversationId) ?? (await this.#read(conversationId)) ?? NOT_STARTED;
      const decided = this.#decide(before, open);
      if (decided.steps.length === 0) {
        if (decided.state.phase === 'none') throw new Rejected('conversationUnknown', 'There is no such conversation.');
        return { state: decided.state, entries: [], seqs, repeated: true };
      }
      const state = decided.state as Conversation;
      const append = appendOf(conversationId, before, decided, state, this.clock.now());
      const appended = await this.store.append(append);
      switch (appended.outcome) {
        case 'done':
          for (const { index, seq } of decided.own) seqs[index] = seq;
          this.#committed(before, state, appended.entries, append);
          return { state, entries: appended.entries, seqs, repeated: false };
        case 'conflict':
          this.#states.delete(conversationId);
          if (appended.current !== undefined) this.#remember(appended.current);
          break;
        case 'duplicate': {
          const repeated = open.find(({ command }) => command.key === appended.key);
          if (repeated === undefined) throw new Conflict(`The key ${appended.key} is in the log already.`);
          seqs[repeated.index] = appended.entry.seq;
          open = open.filter((one) => one !== repeated);
          if (open.length === 0)
            return { state: await this.#current(conversationId), entries: [], seqs, repeated: true };
          attempt -= 1;
          break;
        }
        case 'channelTaken':
          throw new Rejected('conversationExists', 'This customer of the channel has an open conversation already.', {
            conversationId: appended.conversationId,
          });
        case 'noCapacity':
          throw new Rejected('noCapacity', 'There is no free capacity for one more conversation. End one first.', {
            agent: appended.agent,
          });
      }
    }
    throw new Conflict('The conversation kept changing while this was being decided. Please try again.');
  }

  async #current(conversationId: string): Promise<Conversation> {
    const state = await this.conversation(conversationId);
    if (state === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
    return state;
  }

  #decide(before: State, commands: readonly { command: Command; index: number }[]): Decided {
    const now = this.clock.now();
    const circumstances: Omit<Circumstances, 'now'> = {
      directory: this.#directory,
      queues: {
        place: (queue, priority, waitingSince) => this.lines.place(queue, priority, waitingSince),
        online: (queue, workStream) => this.people.online(queue, workStream),
      },
    };
    const decided: Decided = { steps: [], own: [], state: before, force: false, said: 0 };
    for (const { command, index } of commands) {
      // A client puts messages of one time in the order it gets them: a change of the first would go behind the others.
      const one = decide(decided.state, command, { ...circumstances, now: now + decided.said });
      if (one instanceof Rejected) throw one;
      const own = ownStep(one.steps, command);
      if (own !== undefined) {
        const channelActivityId = command.type === 'say' ? command.channelActivityId : undefined;
        decided.own.push({
          index,
          seq: own.after.version,
          ...(channelActivityId === undefined
            ? {}
            : { channelActivityId, step: decided.steps.length + one.steps.indexOf(own) }),
        });
      }
      decided.steps.push(...one.steps);
      decided.state = one.state;
      decided.force ||= command.type === 'assign';
      if (command.type === 'say') decided.said += 1;
    }
    return decided;
  }

  /** Everything after the commit: readers first (a widget sees its own echo before any reply), then what is owed outside. */
  #committed(before: State, state: Conversation, entries: Entry[], append: Append): void {
    this.#remember(state);
    for (const watcher of [...(this.#watchers.get(state.id) ?? [])]) watcher.entries(entries, state);
    const queues = this.lines.update(state, this.#directory);
    for (const claim of append.claims) this.people.claimed(claim);
    this.#ticker.expect(state.dueAt);
    this.people.heard(entries);
    for (const observer of this.#observers) observer.committed?.(entries, state, before);
    for (const queue of queues) this.notify('line', queue);
    if (before.phase !== 'none' && before.epoch !== state.epoch) this.outbox.holderChanged(state.id);
    if (append.outbox.length > 0) this.outbox.add(rowsOf(append, this.clock.now()), entries);
    if (queues.length > 0 || append.claims.some((claim) => claim.delta < 0)) this.nudge();
    this.#positions.changed(queues);
  }

  /** One command at a time per conversation: decisions of one process never race each other. */
  async #inTurn<T>(conversationId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(conversationId);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#turns.set(conversationId, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(conversationId) === turn) this.#turns.delete(conversationId);
    }
  }

  async #read(conversationId: string): Promise<Conversation | undefined> {
    const state = await this.store.conversation(conversationId);
    if (state !== undefined && !this.#states.has(conversationId)) this.#remember(state);
    return this.#states.get(conversationId) ?? state;
  }

  #remember(state: Conversation): void {
    const known = this.#states.get(state.id);
    if (known !== undefined && known.version > state.version) return;
    this.#states.delete(state.id);
    this.#states.set(state.id, state);
    if (this.#states.size > CACHED_STATES) {
      const oldest = this.#states.keys().next().value;
      if (oldest !== undefined) this.#states.delete(oldest);
    }
  }

  #report(conversationId: string, commands: readonly Command[], events: number, ms: number, outcome: string): void {
    const command = commands.map(({ type }) => type).join('+');
    for (const observer of this.#observers) observer.handled?.({ conversationId, command, events, ms, outcome });
  }

  #whenQuiet(): Promise<void> {
    return this.#busy === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #checkQuiet(): void {
    if (this.#busy > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}

/** A conversation id as Direct Line clients know them: URL-safe and unguessable. */
export function newConversationId(): string {
  return randomUUID().replaceAll('-', '').slice(0, 26);
}
