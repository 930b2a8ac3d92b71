// The other nodes on the same record: each hears at once what was done elsewhere, and one of them keeps the house.
//
// Nothing here decides anything: every write is still compared with the version it was decided on, every claim with the
// agent's capacity. So two keepers at once, or a notice that is lost or late, cost time and never a wrong result.

import type { Conversation, State } from '../core/conversation.js';
import type { Signal } from './engine.js';
import type { BreakerNews } from './botHealth.js';
import type { Log, NodeStatus, Notice, SharedRecord, ToldStatus } from './ports.js';

export interface NodeTimes {
  /** Between two signs of life. */
  readonly beatMs: number;
  /** A node that gave none for this long is dead: what it had is taken over. */
  readonly silentMs: number;
  /** Between two looks at what a lost notice may have hidden. */
  readonly lookMs: number;
  /** Between two looks at the people and at what this node owes. */
  readonly recountMs: number;
}

export const NODE_TIMES: NodeTimes = { beatMs: 1_000, silentMs: 5_000, lookMs: 500, recountMs: 5_000 };

/** What the hub does about what other nodes did. */
export interface NodeWork {
  /** Another node committed entries `first` to `last`. */
  learn(id: string, first: number, last: number, moved: boolean): Promise<void>;
  /** Typing, seen at another node. */
  show(signal: Signal): void;
  /** Conversations that somebody here follows. */
  followed(): readonly string[];
  /** The last entry of a followed conversation that its followers were told of here. */
  told(id: string): number | undefined;
  /** The lines as they are known here. */
  waiting(): { count: number; versions: number };
  /** The lines are not what the record says. */
  standInLine(): Promise<void>;
  /** Presence, load or connections of people changed elsewhere. */
  recountPeople(): Promise<void>;
  /** Rows of the outbox of this node that it may not know of; of one conversation, or all. */
  takeOwed(conversationId?: string): Promise<void>;
  /** Others have taken over what this node owed. */
  letGo(): void;
  /** Others believe that the people who are connected here are gone. */
  returnPeople(): void;
  /** People whose node is dead: they are waited for from now on. */
  inheritPeople(): Promise<void>;
  configurationVersion(): number;
  useConfiguration(): Promise<void>;
  /** From now on this node keeps the house, or does not any more. */
  keep(isKeeper: boolean): Promise<void>;
  /** What others may read of this node. */
  status(): NodeStatus;
  /** A bot fails at another node, or answers again. */
  hearOfBot(news: BreakerNews): void;
  /** Another node asks for a grant that may be held here. */
  wanted(kind: string, id: string): void;
  /** This node has given its sign of life: what dead ones held can be taken. */
  lived(): void;
}

export class Nodes {
  #isKeeper = false;
  #heardAt = -Infinity;
  #unsubscribe: (() => void) | undefined;
  #timers: NodeJS.Timeout[] = [];
  /** Work of one kind at a time, and once more when it was asked for meanwhile. */
  readonly #again = new Map<string, boolean>();
  readonly #running = new Set<Promise<unknown>>();
  #lineDiffers = false;
  #stopped = false;

  constructor(
    private readonly shared: SharedRecord,
    private readonly work: NodeWork,
    private readonly log: Log,
    private readonly times: NodeTimes = NODE_TIMES,
  ) {}

  /** Whether deadlines and assignment are this node's work. */
  get isKeeper(): boolean {
    return this.#isKeeper;
  }

  /** Others cannot believe that this node is dead: what one node at a time does is this one's where it was. */
  get isHeard(): boolean {
    return performance.now() - this.#heardAt < this.times.silentMs;
  }

  /** Says that it lives, and listens. @throws StoreUnavailable when the record cannot be reached. */
  async start(): Promise<void> {
    this.#stopped = false;
    this.#unsubscribe = this.shared.bus.subscribe((notice) => {
      try {
        this.#hear(notice);
      } catch (error) {
        this.log.warn({ err: error, notice: notice.is }, 'a notice of another node could not be read');
      }
    });
    await this.#beat();
    const { beatMs, lookMs, recountMs } = this.times;
    const every = (ms: number, name: string, work: () => Promise<void>) =>
      this.#timers.push(setInterval(() => this.#once(name, work), ms).unref());
    every(beatMs, 'beat', () => this.#beat());
    every(lookMs, 'look', () => this.#look());
    every(recountMs, 'people', () => this.work.recountPeople());
    every(recountMs, 'owed', () => this.work.takeOwed());
  }

  /** Hands over at once what another node would else wait for. Idempotent. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unsubscribe?.();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    await Promise.all(this.#running);
    this.#isKeeper = false;
    await this.shared.leave().catch((error: unknown) => {
      this.log.warn({ err: error }, 'this node could not say that it leaves: the others notice by its silence');
    });
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Before entry `last`, which was committed here, others were committed elsewhere: who follows hears of all in order. */
  missed(id: string, last: number): void {
    this.#run(this.work.learn(id, last, last, false));
  }

  /** What was committed here. */
  committed(id: string, first: number, last: number, moved: boolean): void {
    this.shared.bus.publish({ is: 'entries', id, first, last, moved });
  }

  owedElsewhere(id: string): void {
    this.shared.bus.publish({ is: 'owed', id });
  }

  /** Another node has written what this one owes, of which it has not heard. */
  owedHere(id: string): void {
    this.#run(this.work.takeOwed(id));
  }

  personChanged(agent: string): void {
    this.shared.bus.publish({ is: 'person', agent });
  }

  configurationChanged(version: number): void {
    this.shared.bus.publish({ is: 'configuration', version });
  }

  signalled(signal: Signal): void {
    this.shared.bus.publish({ is: 'signal', signal });
  }

  breakerChanged(news: BreakerNews): void {
    this.shared.bus.publish({ is: 'breaker', news });
  }

  /** What the other nodes last told of themselves, each at most a second ago. @throws StoreUnavailable. */
  async others(): Promise<ToldStatus[]> {
    return (await this.shared.statuses()).filter(({ node }) => node !== this.shared.node);
  }

  get node(): string {
    return this.shared.node;
  }

  #hear(notice: Notice): void {
    switch (notice.is) {
      case 'entries':
        return this.#run(this.work.learn(notice.id, notice.first, notice.last, notice.moved));
      case 'owed':
        return this.#run(this.work.takeOwed(notice.id));
      case 'person':
        return this.#once('people', () => this.work.recountPeople());
      case 'configuration':
        return this.#once('configuration', () => this.#useConfiguration(notice.version));
      case 'breaker':
        return this.work.hearOfBot(notice.news);
      case 'wanted':
        return this.work.wanted(notice.kind, notice.id);
      case 'signal':
        return this.work.show(notice.signal);
    }
  }

  async #beat(): Promise<void> {
    const { silentMs } = this.times;
    const askedAt = performance.now();
    try {
      const { keeper, inherited, forgotten } = await this.shared.beat(silentMs, this.work.status());
      // After a silence what others took over is found out first: until the next sign of life nobody is told anything.
      if (!forgotten) this.#heardAt = askedAt;
      else {
        this.log.warn({ node: this.shared.node }, 'this node was silent for so long that others took over what it had');
        this.work.letGo();
        await this.work.standInLine();
        this.work.returnPeople();
        await this.work.recountPeople();
      }
      if (keeper !== this.#isKeeper) await this.#keep(keeper);
      if (inherited) {
        await this.work.takeOwed();
        await this.work.inheritPeople();
      }
      this.work.lived();
    } catch (error) {
      // Others may believe by now that this node is dead: it must not go on as if it were alone.
      if (this.#isKeeper && !this.isHeard) await this.#keep(false);
      throw error;
    }
  }

  async #keep(isKeeper: boolean): Promise<void> {
    this.#isKeeper = isKeeper;
    this.log.info({ node: this.shared.node }, isKeeper ? 'this node keeps the house' : 'another node keeps the house');
    await this.work.keep(isKeeper);
  }

  /** Whatever a lost notice would have told. */
  async #look(): Promise<void> {
    const followed = this.work.followed();
    const here = this.work.waiting();
    const { versions, configuration, waiting } = await this.shared.look(followed);
    for (const [id, version] of versions) {
      const told = this.work.told(id);
      if (told === undefined || told < version)
        this.#run(this.work.learn(id, (told ?? version - 1) + 1, version, true));
    }
    if (configuration > this.work.configurationVersion())
      this.#once('configuration', () => this.#useConfiguration(configuration));
    // Once may be a commit whose notice is on its way.
    const differs = waiting.count !== here.count || waiting.versions !== here.versions;
    if (differs && this.#lineDiffers) this.#once('line', () => this.work.standInLine());
    this.#lineDiffers = differs && !this.#lineDiffers;
  }

  async #useConfiguration(version: number): Promise<void> {
    if (version > this.work.configurationVersion()) await this.work.useConfiguration();
  }

  #once(name: string, work: () => Promise<void>): void {
    if (this.#stopped) return;
    if (this.#again.has(name)) return void this.#again.set(name, true);
    this.#again.set(name, false);
    this.#run(
      work().finally(() => {
        const again = this.#again.get(name) === true;
        this.#again.delete(name);
        if (again) this.#once(name, work);
      }),
    );
  }

  #run(work: Promise<unknown>): void {
    const done = work
      .catch((error: unknown) => {
        this.log.warn({ err: error }, 'what another node did could not be followed; the next look at the record will');
      })
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
  }
}

/** Whether more than those who follow the conversation must hear of a commit: its phase, holder or place changed, or who serves is gone. */
export function hasMoved(before: State, after: Conversation, lineChanged: boolean): boolean {
  if (lineChanged || before.phase !== after.phase || before.epoch !== after.epoch) return true;
  return before.phase === 'agent' && after.phase === 'agent' && before.agentGone !== after.agentGone;
}
