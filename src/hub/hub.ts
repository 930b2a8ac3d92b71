// The engine: takes commands, decides by the rules of core, commits, and only then tells everybody who holds a cursor.

import { hostname } from 'node:os';
import type { Activity } from '../core/activity.js';
import type { Circumstances, Command } from '../core/commands.js';
import { NOT_STARTED, type Conversation, type Entry, type Party, type State } from '../core/conversation.js';
import type { Directory } from '../core/directory.js';
import { Rejected } from '../core/rejected.js';
import { Conflict } from '../errors.js';
import { appendOf, decideAll, rowsOf } from './appends.js';
import { Assigner } from './assigner.js';
import { answerBot } from './botQuestions.js';
import { BotSpeech } from './botSpeech.js';
import { BotStatus } from './botStatus.js';
import { Busy } from './busy.js';
import type { BotTurnContext, Engine, Handled, HandleOptions, Observer, Watcher } from './engine.js';
import { Followers } from './followers.js';
import { Handling } from './handling.js';
import { Lines } from './lines.js';
import { hasMoved, Nodes, type NodeWork } from './nodes.js';
import type { HubOptions } from './options.js';
import { Outbox } from './outbox.js';
import { within } from './patience.js';
import { People } from './people.js';
import { Positions } from './positions.js';
import type { Append, BotConnection, ChannelConnection, Clock, InvokeResponse, Log, Store } from './ports.js';
import { KnownStates } from './states.js';
import { standInLine } from './standing.js';
import { Strays, takesOut } from './strays.js';
import { Ticker } from './ticker.js';
import { Turns } from './turns.js';

export type { BotTurnContext, Engine, Handled, Observer, Signal, Watcher } from './engine.js';

/** Each fails only because somebody else's commit came first. */
const DECIDE_ATTEMPTS = 50;

export class Hub implements Engine {
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  /** Public origin with a trailing slash: what bots see as serviceUrl. */
  serviceUrl: string;
  readonly lines = new Lines();
  readonly people: People;
  readonly handling: Handling;
  readonly outbox: Outbox;
  readonly botStatus: BotStatus;
  readonly bots = new Map<string, BotConnection>();
  readonly channels = new Map<string, ChannelConnection>();
  /** What bots say, change and report. */
  readonly speech: BotSpeech;
  /** Where several nodes share the record: the others. */
  readonly nodes: Nodes | undefined;
  readonly #assigner: Assigner;
  readonly #ticker: Ticker;
  readonly #positions: Positions;
  readonly #strays: Strays;
  readonly #observers = new Set<Observer>();
  readonly #followers = new Followers();
  readonly #states = new KnownStates();
  /** One command at a time per conversation: decisions of one process never race each other. */
  readonly #turns = new Turns();
  #directory: Directory;
  #life: 'stopped' | 'starting' | 'running' = 'stopped';
  #starting: Promise<void> | undefined;
  readonly #busy = new Busy();

  constructor(options: HubOptions) {
    this.store = options.store;
    this.log = options.log;
    this.clock = options.clock ?? options.store.clock ?? { now: () => Date.now() };
    this.serviceUrl = options.serviceUrl ?? 'http://localhost/';
    this.#directory = options.directory;
    this.people = new People(this);
    this.handling = new Handling(this);
    this.botStatus = new BotStatus(this, options.botTimeoutMs);
    this.outbox = new Outbox(this);
    this.speech = new BotSpeech(this);
    this.#assigner = new Assigner(this, this.lines, this.people);
    this.#ticker = new Ticker(this, this.people);
    this.#positions = new Positions(this, this.lines);
    const { shared } = options.store;
    this.nodes = shared === undefined ? undefined : new Nodes(shared, this.#nodeWork(), options.log, options.nodeTimes);
    this.#strays = new Strays(this);
  }

  /** Picks up where the record stands: lines, loads, deadlines, what is still owed. Idempotent; one that failed may be tried again. */
  async start(): Promise<void> {
    await (this.#starting ??= this.#start().catch((error) => this.#end(0).then(() => Promise.reject(error as Error))));
  }

  /** Stops taking work, lets running turns finish for at most `graceMs`, and leaves the rest on disk. Idempotent. */
  async stop(graceMs = 5_000): Promise<void> {
    // A start that is under way would go on beside it, and deliver.
    await this.#starting?.catch(() => undefined);
    await this.#end(graceMs);
  }

  async #start(): Promise<void> {
    this.#life = 'starting';
    await this.people.start();
    await this.handling.start();
    await standInLine(this, this.lines, this.#states);
    await this.outbox.start();
    if (this.nodes === undefined) await this.#keep(true);
    else await this.nodes.start();
    this.#life = 'running';
    this.outbox.deliver();
  }

  async #end(graceMs: number): Promise<void> {
    if (this.#life === 'stopped') return;
    this.#life = 'stopped';
    this.#starting = undefined;
    // Before this node leaves: whoever takes over what it owes would send again what is on its way.
    await this.outbox.stop(graceMs);
    this.#ticker.stop();
    await this.nodes?.stop();
    this.people.stop();
    this.#positions.stop();
    await Promise.all([this.#assigner.stop(), this.#strays.stop()]);
    await within(graceMs, this.#busy.quiet());
    await this.handling.settled();
  }

  /** Everything from before is picked up, and work is taken. */
  get running(): boolean {
    return this.#life === 'running';
  }

  get starting(): Promise<unknown> | undefined {
    return this.#starting;
  }

  get directory(): Directory {
    return this.#directory;
  }

  /** What decisions that cite this version went by; undefined where it is not kept. @throws ConfigError where it cannot be read. */
  directoryAt(version: number): Promise<Directory | undefined> {
    return Promise.resolve(version === this.#directory.version ? this.#directory : undefined);
  }

  /** From now on decisions cite this version. */
  async useDirectory(directory: Directory): Promise<void> {
    const lost = takesOut(this.#directory, directory);
    this.#directory = directory;
    await this.people.useDirectory();
    if (this.#life !== 'stopped') await standInLine(this, this.lines, this.#states);
    if (this.#life !== 'stopped' && lost && this.#isKeeper) this.#strays.look();
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
  async handle(
    conversationId: string,
    command: Command | readonly Command[],
    options: HandleOptions = {},
  ): Promise<Handled> {
    const commands: readonly Command[] = 'type' in command ? [command] : command;
    const started = performance.now();
    this.#busy.begin();
    let outcome = 'done';
    let events = 0;
    try {
      const handled = await this.#turns.run(conversationId, () =>
        this.#decideAndAppend(conversationId, commands, options),
      );
      events = handled.repeated ? 0 : handled.entries.length;
      if (handled.repeated) outcome = 'repeated';
      return handled;
    } catch (error) {
      outcome = error instanceof Rejected ? error.code : 'failed';
      throw error;
    } finally {
      this.#report(conversationId, commands, events, performance.now() - started, outcome);
      this.#busy.end();
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
    options?: HandleOptions,
  ): Promise<{ seq: number | undefined }> {
    return this.speech.edit(conversationId, botId, id, activity, options);
  }

  botDeletes(
    conversationId: string,
    botId: string,
    id: string,
    options?: HandleOptions,
  ): Promise<{ seq: number | undefined }> {
    return this.speech.remove(conversationId, botId, id, options);
  }

  /** A bot asks the hub something and waits for the answer: an invoke activity, `handoff/canEscalate`. @throws Rejected. */
  botAsks(conversationId: string, botId: string, activity: Activity): Promise<InvokeResponse> {
    return answerBot(this, conversationId, botId, activity);
  }

  /** The state as of the last commit known here. `atLeast`: the seq of an entry that is there, perhaps of another node. */
  async conversation(conversationId: string, atLeast = 0): Promise<Conversation | undefined> {
    const known = this.nodes === undefined ? this.#states.get(conversationId) : this.#states.fresh(conversationId);
    return known !== undefined && known.version >= atLeast ? known : this.#read(conversationId);
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
    return this.#followers.add(conversationId, watcher);
  }

  isWatched(conversationId: string): boolean {
    return this.#followers.has(conversationId);
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
    const signal = { conversationId, by, activity, audience } as const;
    this.#followers.show(signal);
    // What the hub itself shows (places in line), every node shows by itself.
    if (by.role !== 'system') this.nodes?.signalled(signal);
    if (by.role === 'customer' && state.phase === 'bot') this.outbox.signal(state, activity);
    if (by.role === 'agent' && state.channel.key !== undefined) this.outbox.signalChannel(state, activity);
  }

  /** Work for the assigner: somebody waits, or somebody has room. */
  nudge(): void {
    if (this.#life !== 'stopped' && this.#isKeeper) this.#assigner.nudge();
  }

  /** Resolves when nothing is being handled, delivered or assigned: the signal tests wait for. */
  async settled(): Promise<void> {
    do {
      await this.#busy.quiet();
      await Promise.all([
        this.#strays.settled(),
        this.outbox.settled(),
        this.#assigner.settled(),
        this.people.settled(),
        this.handling.settled(),
        this.nodes?.settled(),
      ]);
    } while (!this.#busy.isQuiet || !this.outbox.isIdle || !this.#assigner.isIdle);
  }

  /** Fires what is due now; the ticker calls it, tests with their own clock too. */
  tick(): Promise<void> {
    return this.#ticker.fire();
  }

  /** Whether deadlines and assignment are this process's work. */
  get #isKeeper(): boolean {
    return this.nodes?.isKeeper !== false;
  }

  /** Deadlines and assignment are this process's work from now on, or not any more. */
  async #keep(isKeeper: boolean): Promise<void> {
    if (!isKeeper) {
      this.#ticker.stop();
      return this.#assigner.stop();
    }
    await this.#ticker.start();
    this.#strays.look();
    this.nudge();
  }

  /** What other nodes do, and what is done about it here. */
  #nodeWork(): NodeWork {
    return {
      learn: (id, first, last, moved) => this.#learn(id, first, last, moved),
      show: (signal) => this.#followers.show(signal),
      followed: () => this.#followers.ids(),
      told: (id) => this.#followers.told(id),
      waiting: () => this.lines.sum(),
      standInLine: () => standInLine(this, this.lines, this.#states),
      recountPeople: () => this.people.recount(),
      takeOwed: (id) => this.outbox.take(id),
      letGo: () => this.outbox.letGo(),
      returnPeople: () => this.people.announce(),
      inheritPeople: () => this.people.inherit(),
      configurationVersion: () => this.#directory.version,
      useConfiguration: () => this.useConfiguration(),
      keep: (isKeeper) => this.#keep(isKeeper),
      status: () => ({ host: hostname(), bots: this.botStatus.told() }),
      hearOfBot: (news) => {
        if (this.botStatus.heard(news)) this.outbox.botHeard(news.bot);
      },
      wanted: (kind, id) => this.notify('wanted', kind, id),
      lived: () => this.notify('lived'),
    };
  }

  /** Another node put a configuration in force. */
  protected useConfiguration(): Promise<void> {
    return Promise.resolve();
  }

  /** Another node committed these entries: in turn with what is committed here, so that followers hear all in order. */
  async #learn(id: string, first: number, last: number, moved: boolean): Promise<void> {
    if (this.#life === 'stopped') return;
    if (!moved && !this.#followers.has(id) && this.#states.get(id) === undefined) return;
    await this.#turns.run(id, async () => {
      const known = this.#states.get(id);
      const state = known !== undefined && known.version >= last ? known : await this.store.conversation(id);
      if (state === undefined) return;
      const after = Math.min(first - 1, this.#followers.told(id) ?? Infinity);
      const entries = this.#followers.has(id) ? await this.store.entries(id, after, last - after) : [];
      this.#learned(known !== undefined && known.version < first ? known : NOT_STARTED, state, entries);
    });
  }

  #learned(before: State, read: Conversation, entries: readonly Entry[]): void {
    const state = this.#states.remember(read);
    this.#followers.tell(state, entries);
    const queues = this.lines.update(state, this.#directory);
    this.#ticker.expect(state.dueAt);
    this.handling.learned(state);
    this.people.seen(state);
    for (const observer of this.#observers) observer.learned?.(state, before);
    for (const queue of queues) this.notify('line', queue);
    if (before.phase !== 'none' && before.epoch !== state.epoch) this.outbox.holderChanged(state.id);
    if (queues.length > 0) this.nudge();
    this.#positions.changed(queues);
  }

  async #decideAndAppend(
    conversationId: string,
    commands: readonly Command[],
    { observed = false }: HandleOptions,
  ): Promise<Handled> {
    let open = commands.map((command, index) => ({ command, index }));
    const seqs: (number | undefined)[] = commands.map(() => undefined);
    for (let attempt = 0; attempt < DECIDE_ATTEMPTS; attempt += 1) {
      const known = this.#states.get(conversationId);
      const before: State = known ?? (await this.#read(conversationId)) ?? NOT_STARTED;
      const decided = decideAll(before, open, this.#circumstances(observed));
      // What writes nothing is not compared with the record: where others write, too, it is decided on what that says now.
      if (!('steps' in decided) || decided.steps.length === 0) {
        if (this.nodes !== undefined && known !== undefined && (await this.#isOutdated(known))) continue;
      }
      if (!('steps' in decided)) throw decided;
      if (decided.steps.length === 0) {
        if (decided.state.phase === 'none') throw new Rejected('conversationUnknown', 'There is no such conversation.');
        return { state: decided.state, entries: [], seqs, repeated: true };
      }
      const state = decided.state as Conversation;
      const all = appendOf(conversationId, before, decided, state, this.clock.now());
      const append = observed ? { ...all, outbox: [] } : all;
      this.outbox.appending();
      const appended = await this.people.whileClaiming(append.claims, () => this.store.append(append));
      switch (appended.outcome) {
        case 'done':
          for (const { index, seq } of decided.own) seqs[index] = seq;
          this.#committed(before, state, appended.entries, append, appended);
          return { state, entries: appended.entries, seqs, repeated: false };
        case 'conflict':
          this.#states.forget(conversationId);
          if (appended.current !== undefined) this.#states.remember(appended.current);
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

  async #isOutdated(known: Conversation): Promise<boolean> {
    const read = await this.store.conversation(known.id);
    return read !== undefined && this.#states.remember(read).version > known.version;
  }

  async #current(conversationId: string): Promise<Conversation> {
    const state = await this.conversation(conversationId);
    if (state === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
    return state;
  }

  #circumstances(observed: boolean): Circumstances {
    return {
      now: this.clock.now(),
      directory: this.#directory,
      observed,
      queues: {
        place: (queue, priority, waitingSince) => this.lines.place(queue, priority, waitingSince),
        online: (queue, workStream, skills) => this.people.online(queue, workStream, skills),
      },
    };
  }

  /** Everything after the commit: readers first (a widget sees its own echo before any reply), then what is owed outside. */
  #committed(
    before: State,
    state: Conversation,
    entries: Entry[],
    append: Append,
    { elsewhere = [], behind }: { elsewhere?: readonly string[]; behind?: readonly string[] } = {},
  ): void {
    this.#states.remember(state);
    if (!this.#followers.tell(state, entries)) this.nodes?.missed(state.id, state.version);
    const queues = this.lines.update(state, this.#directory);
    for (const claim of append.claims) this.people.claimed(claim);
    this.handling.committed(before, state);
    this.#ticker.expect(state.dueAt);
    this.people.heard(entries, state);
    for (const observer of this.#observers) observer.committed?.(entries, state, before);
    for (const queue of queues) this.notify('line', queue);
    if (before.phase !== 'none' && before.epoch !== state.epoch) this.outbox.holderChanged(state.id);
    if (append.outbox.length > 0) {
      const rows = rowsOf(append, this.clock.now()).filter(({ id }) => !elsewhere.includes(id));
      if (!this.outbox.add(rows, entries, behind)) this.nodes?.owedHere(state.id);
    }
    if (this.nodes !== undefined) {
      const [first = state.version] = entries.map(({ seq }) => seq);
      this.nodes.committed(state.id, first, state.version, hasMoved(before, state, queues.length > 0));
      for (const { agent } of append.claims) this.nodes.personChanged(agent);
      if (elsewhere.length > 0) this.nodes.owedElsewhere(state.id);
    }
    if (queues.length > 0 || append.claims.some((claim) => claim.delta < 0)) this.nudge();
    this.#positions.changed(queues);
  }

  async #read(conversationId: string): Promise<Conversation | undefined> {
    const state = await this.store.conversation(conversationId);
    return state === undefined ? this.#states.get(conversationId) : this.#states.remember(state);
  }

  #report(conversationId: string, commands: readonly Command[], events: number, ms: number, outcome: string): void {
    const command = commands.map(({ type }) => type).join('+');
    for (const observer of this.#observers) observer.handled?.({ conversationId, command, events, ms, outcome });
  }
}
