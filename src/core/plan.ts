// A decision while it is being made: the events so far and the state they lead to, with the steps several commands share.

import type { Activity } from './activity.js';
import type { Circumstances, Command } from './commands.js';
import {
  SYSTEM,
  type Audience,
  type Body,
  type CloseReason,
  type Conversation,
  type ConversationEvent,
  type EndReason,
  type EscalationReason,
  type OpenTurn,
  type Party,
  type Phase,
  type Place,
  type QueuedCause,
  type ReturnReason,
  type SessionSummary,
  type State,
  type SurveyEnd,
  type TimerPatch,
} from './conversation.js';
import { DEFAULT_TEXTS, type Directory, type TextName, type WorkStream } from './directory.js';
import { evolve } from './evolve.js';
import { isObservable } from './floor.js';
import { Rejected } from './rejected.js';
import { route, type Facts, type RouteReceipt } from './routing.js';

type EventContent<E> = E extends ConversationEvent ? Omit<E, 'v' | 'at' | 'by' | 'audience'> : never;
export type Content = EventContent<ConversationEvent>;

/** What a page shows besides the text, merged into channelData.handoff. */
type ToldKind =
  | 'queued'
  | 'nobodyAvailable'
  | 'agentJoined'
  | 'agentLeft'
  | 'botJoined'
  | 'backWithBot'
  | 'nobodyCame'
  | 'botFailed'
  | 'closed';

const TOLD_KINDS: Record<TextName, ToldKind> = {
  queued: 'queued',
  nextInLine: 'queued',
  transferred: 'queued',
  requeued: 'queued',
  nobodyAvailable: 'nobodyAvailable',
  agentJoined: 'agentJoined',
  agentLeft: 'agentLeft',
  botJoined: 'botJoined',
  backWithBot: 'backWithBot',
  nobodyCame: 'nobodyCame',
  botFailed: 'botFailed',
  closed: 'closed',
};

export interface Told {
  position?: number;
  agent?: string;
  bot?: string;
  queue?: string;
}

/** One event of a decision and the conversation as it is right after it. */
export interface Step {
  readonly event: ConversationEvent;
  readonly after: Conversation;
  /** Decided in a work stream that only observes. */
  readonly observed: boolean;
}

export class Plan {
  readonly steps: Step[] = [];
  readonly workStream: WorkStream;
  /** The work stream only observes, and nobody but a bot has the conversation. */
  readonly observes: boolean;
  private readonly at: number;
  #state: State;
  #key: string | undefined;

  constructor(
    state: State,
    readonly circumstances: Circumstances,
    command: Command,
  ) {
    this.#state = state;
    this.#key = command.key;
    const id = state.phase === 'none' ? (command.type === 'start' ? command.workStream : undefined) : state.workStream;
    const workStream = id === undefined ? undefined : circumstances.directory.workStreams[id];
    if (workStream === undefined && state.phase === 'none')
      throw new Rejected(
        'badCommand',
        `There is no work stream "${id}". Name one of the configuration's work streams.`,
      );
    // A work stream taken out of the configuration must not strand the conversations that came in by it.
    this.workStream = workStream ?? retired(id as string, circumstances.directory);
    this.observes = (circumstances.observed === true || this.workStream.observe) && isObservable(state);
    this.at = state.phase === 'none' ? circumstances.now : Math.max(circumstances.now, state.lastAt);
  }

  get state(): State {
    return this.#state;
  }

  /** The conversation as it is after the events so far. */
  get open(): Conversation {
    if (this.#state.phase === 'none') throw new Rejected('conversationUnknown', 'There is no such conversation.');
    return this.#state;
  }

  get now(): number {
    return this.circumstances.now;
  }

  emit(content: Content, by: Party = SYSTEM, audience: Audience = 'staff'): void {
    const main = content.type !== 'memberJoined' && content.type !== 'imported';
    const key = main ? this.#key : undefined;
    if (main) this.#key = undefined;
    const event = {
      v: 1,
      at: this.at,
      by,
      audience,
      ...content,
      ...(key === undefined ? {} : { key }),
    } as ConversationEvent;
    const after = evolve(this.#state, event);
    this.#state = after;
    this.steps.push({ event, after, observed: this.observes });
  }

  /** Tells the customer one of the work stream's texts; none, where it only observes. */
  tell(text: TextName, about: Told = {}): void {
    if (this.observes) return;
    const { directory } = this.circumstances;
    const names: Record<string, string> = {
      position: String(about.position ?? ''),
      agent: nameIn(directory.people, about.agent),
      bot: nameIn(directory.bots, about.bot),
      queue: nameIn(directory.queues, about.queue),
      workStream: this.workStream.name,
    };
    const words = this.workStream.texts[text].replace(/\{(\w+)\}/g, (slug, name: string) => names[name] ?? slug);
    const kind = TOLD_KINDS[text];
    const handoff = {
      kind,
      ...(about.position === undefined ? {} : { position: about.position }),
      ...(about.queue === undefined ? {} : { queue: about.queue }),
      ...(about.agent === undefined ? {} : { agent: { id: about.agent, name: names['agent'] } }),
      ...(about.bot === undefined ? {} : { bot: { id: about.bot, name: names['bot'] } }),
    };
    const from = { id: SYSTEM.id, name: this.workStream.sender, role: 'bot' };
    const activity: Activity =
      words === ''
        ? { type: 'event', name: `handoff.${kind}`, from, channelData: { handoff } }
        : { type: 'message', text: words, from, channelData: { handoff } };
    this.emit(
      { type: 'told', text, ...(about.position === undefined ? {} : { position: about.position }), body: { activity } },
      SYSTEM,
      'everyone',
    );
  }

  setContext(variables: Body['variables'], by: Party): void {
    if (variables !== undefined && Object.keys(variables).length > 0)
      this.emit({ type: 'contextSet', body: { variables } }, by);
  }

  /** Staff read why something that looks like a command was none, or what was wrong with it. */
  trace(notes: readonly string[] | undefined): void {
    for (const note of notes ?? [])
      this.emit({
        type: 'noted',
        kind: 'trace',
        body: { activity: { type: 'message', text: note, from: { id: SYSTEM.id } } },
      });
  }

  /**
   * Runs the routing rules and puts the conversation where they lead.
   * @returns false when there is nowhere to go; nothing but the receipt is then recorded.
   */
  route(cause: QueuedCause, needsPeople: boolean, openTurn?: OpenTurn): boolean {
    const state = this.open;
    const { directory } = this.circumstances;
    const receipt = route({
      at: this.at,
      workStream: this.workStream,
      directory,
      context: state.context,
      facts: factsOf(state),
      needsPeople,
      triedBots: state.triedBots,
    });
    this.emit({
      type: 'routed',
      ruleSetVersion: receipt.ruleSetVersion,
      ...(receipt.queue === undefined ? {} : { queue: receipt.queue }),
      ...(receipt.bot === undefined ? {} : { bot: receipt.bot }),
      body: { receipt },
    });
    if (receipt.bot !== undefined) {
      const { bot } = receipt;
      const first = cause === 'started';
      // At the start a foreign channel introduces its own bot; nobody but the hub introduces a later one.
      const welcome = first ? state.channel.key === undefined : !state.bots.includes(bot);
      this.connectBot(bot, receipt.queue, welcome, openTurn);
      if (!first) this.tell('botJoined', { bot });
      return true;
    }
    if (receipt.queue === undefined) return false;
    const waits = state.phase === 'queued' ? state : undefined;
    if (
      waits !== undefined &&
      waits.queue === receipt.queue &&
      waits.priority === receipt.priority &&
      sameSkills(waits.skills, receipt.skills)
    )
      return true;
    this.queue(receipt.queue, cause, {
      priority: receipt.priority,
      waitingSince: waits?.waitingSince ?? this.at,
      front: waits?.front ?? false,
      skills: receipt.skills,
      ...(openTurn === undefined ? {} : { openTurn }),
    });
    return true;
  }

  /** Where the rules would lead now; `bot` = the one that asks, or that people take over from. */
  prospect(needsPeople: boolean, escalationReason?: EscalationReason, bot?: string): RouteReceipt {
    const state = this.open;
    return route({
      at: this.at,
      workStream: this.workStream,
      directory: this.circumstances.directory,
      context: state.context,
      facts: { ...factsOf(state), ...(escalationReason === undefined ? {} : { escalationReason }) },
      needsPeople,
      triedBots: bot === undefined ? state.triedBots : [...state.triedBots, bot],
    });
  }

  queue(queue: string, cause: QueuedCause, place: Partial<Omit<Place, 'queue'>> & { openTurn?: OpenTurn } = {}): void {
    const { priority = 0, waitingSince = this.at, front = false, skills, openTurn } = place;
    const leaving = this.open.phase === 'agent' ? this.open.agent : undefined;
    const { queues } = this.circumstances;
    const position = front ? 1 : queues.place(queue, priority, waitingSince);
    this.emit({
      type: 'queued',
      queue,
      priority,
      waitingSince,
      front,
      cause,
      ...(skills === undefined ? {} : { skills }),
      ...(openTurn === undefined ? {} : { openTurn }),
      timers: this.waitingTimers(waitingSince),
    });
    const about = { position, queue };
    if (cause === 'agentGone' || cause === 'silent')
      this.tell('requeued', { ...about, ...(leaving === undefined ? {} : { agent: leaving }) });
    else if (queues.online(queue, this.workStream.id, skills) === 0) this.tell('nobodyAvailable', about);
    else if (cause === 'transferred') this.tell('transferred', about);
    else this.tell(position === 1 ? 'nextInLine' : 'queued', about);
  }

  /** Back to the front of the queue it came from, on the terms on which it waited there. */
  queueAgain(cause: QueuedCause): void {
    const state = this.open;
    if (state.phase !== 'agent' && state.phase !== 'waiting') return;
    const { queue, priority, skills } = state;
    this.queue(queue, cause, { priority, front: true, skills });
  }

  /** A new holder from the start or by another bot's work: introduced with `welcome`. */
  connectBot(bot: string, queue: string | undefined, welcome: boolean, openTurn?: OpenTurn): void {
    this.emit({
      type: 'botConnected',
      bot,
      ...(queue === undefined ? {} : { queue }),
      welcome,
      ...this.#askedBefore(bot),
      ...(openTurn === undefined ? {} : { openTurn }),
      timers: this.botTimers(),
    });
  }

  returnToBot(
    bot: string,
    reason: ReturnReason,
    by: Party,
    more: { message?: string; session?: SessionSummary } = {},
  ): void {
    const welcome = !this.open.bots.includes(bot);
    this.emit(
      {
        type: 'returned',
        bot,
        reason,
        welcome,
        ...(more.message === undefined ? {} : { message: more.message }),
        ...this.#askedBefore(bot),
        timers: this.botTimers(),
        ...(more.session === undefined ? {} : { body: { session: more.session } }),
      },
      by,
    );
    this.tell(welcome ? 'botJoined' : 'backWithBot', { bot });
  }

  /** The bot that asked for people and hears the outcome, where it is not the one that gets the conversation. */
  #askedBefore(bot: string): { asked?: string } {
    const asked = this.#state.phase === 'none' ? undefined : this.#state.escalatedBy;
    return asked === undefined || asked === bot ? {} : { asked };
  }

  accept(agent: string, how: 'offer' | 'pick' | 'assign', cost: number, by: Party, receipt?: Body['receipt']): void {
    const state = this.open;
    const waitingSince = 'waitingSince' in state ? state.waitingSince : this.at;
    const queue = 'queue' in state ? state.queue : undefined;
    if (state.phase === 'offered') {
      const others = state.offers.map((offer) => offer.agent).filter((id) => id !== agent);
      if (others.length > 0)
        this.emit({ type: 'withdrawn', agents: others, timers: this.waitingTimers(state.waitingSince) });
    }
    this.emit(
      {
        type: 'accepted',
        agent,
        how,
        cost,
        waitingSince,
        ...this.assistant(),
        timers: { agentSilent: this.now + this.workStream.timers.agentSilentMs, ...this.keptTimers() },
        ...(receipt === undefined ? {} : { body: { receipt } }),
      },
      by,
    );
    this.tell('agentJoined', { agent, ...(queue === undefined ? {} : { queue }) });
  }

  /** The bot it comes from goes on hearing the customer, where it is set to draft replies for people. */
  assistant(): { assistant?: string } {
    const { lastBot } = this.open;
    const bot = lastBot === undefined ? undefined : this.circumstances.directory.bots[lastBot];
    return bot?.draftsWhileHeld === true ? { assistant: bot.id } : {};
  }

  end(reason: EndReason, by: Party, tellCustomer: boolean): void {
    const state = this.open;
    if (state.phase !== 'agent') return;
    const session = this.sessionSummary(reason);
    this.emit(
      {
        type: 'ended',
        reason,
        timers: { wrapUpEnds: this.now + this.workStream.timers.wrapUpMs },
        ...(session === undefined ? {} : { body: { session } }),
      },
      by,
    );
    if (tellCustomer) this.tell('agentLeft', { agent: state.agent });
    if (reason === 'agentEnded' && !state.customerGone) this.#startSurvey(session);
  }

  /** Whose customer is asked is still wrapping up: that goes its way beside the survey. */
  #startSurvey(session: SessionSummary | undefined): void {
    const { surveyBot, timers } = this.workStream;
    if (surveyBot === undefined || this.circumstances.directory.bots[surveyBot] === undefined) return;
    this.emit({
      type: 'surveyStarted',
      bot: surveyBot,
      welcome: !this.open.bots.includes(surveyBot),
      timers: { surveyEnds: this.now + timers.surveyMs },
      ...(session === undefined ? {} : { body: { session } }),
    });
  }

  /** The person is done; a survey that runs goes on without anybody's capacity, else the conversation is over. */
  endWrapUp(reason: 'agentEnded' | 'wrapUpOver', by: Party): void {
    const state = this.open;
    if (state.phase !== 'wrapUp') return;
    if (state.survey === undefined) return this.close(reason, by);
    const { surveyEnds = this.now + this.workStream.timers.surveyMs } = state.timers;
    this.emit({ type: 'wrapUpEnded', reason, timers: { surveyEnds } }, by);
  }

  /** In wrap-up the person still has the conversation; afterwards it ends with the survey. */
  endSurvey(reason: SurveyEnd, by: Party): void {
    const state = this.open;
    if (state.phase === 'wrapUp') this.emit({ type: 'surveyEnded', reason, timers: { surveyEnds: null } }, by);
    else this.close(reason, by);
  }

  close(reason: CloseReason, by: Party, tellCustomer = true): void {
    const state = this.open;
    if (state.phase === 'closed') return;
    if (tellCustomer) this.tell('closed');
    const from: Exclude<Phase, 'closed'> = state.phase;
    const session = this.sessionSummary(reason);
    // Where the hub only observes, a foreign channel's conversation goes on: only the record of it ends.
    const isQuiet = this.observes && state.channel.key !== undefined;
    const activity = { type: 'endOfConversation', from: { id: SYSTEM.id, name: this.workStream.sender, role: 'bot' } };
    this.emit(
      {
        type: 'closed',
        reason,
        from,
        body: { ...(isQuiet ? {} : { activity }), ...(session === undefined ? {} : { session }) },
      },
      by,
      isQuiet ? 'staff' : 'everyone',
    );
  }

  /** What the people's stretch came to, for the bot; undefined while no person holds it. */
  sessionSummary(outcome: string, summary?: string): SessionSummary | undefined {
    const state = this.open;
    if (state.phase !== 'agent') return undefined;
    const person = this.circumstances.directory.people[state.agent];
    return {
      outcome,
      agent: { id: state.agent, name: person?.name ?? state.agent },
      startedAt: new Date(state.sessionAt).toISOString(),
      endedAt: new Date(this.at).toISOString(),
      queue: state.queue,
      contextChanged: [...state.changedWithPeople],
      ...(summary === undefined ? {} : { summary }),
    };
  }

  botTimers(): TimerPatch {
    return { botIdle: this.now + this.workStream.timers.botIdleMs };
  }

  /** The queue's limit counts from when waiting began; the customer's absence is remembered across phases. */
  waitingTimers(waitingSince: number): TimerPatch {
    return { queueLimit: waitingSince + this.workStream.timers.queueLimitMs, ...this.keptTimers() };
  }

  keptTimers(): TimerPatch {
    const { timers, customerGone } = this.open;
    if (timers.customerGone !== undefined) return { customerGone: timers.customerGone };
    // Lost while a bot held it, where nobody's time was wasted: now somebody would wait.
    return customerGone ? { customerGone: this.now + this.workStream.timers.customerGoneMs } : {};
  }
}

export function factsOf(state: Conversation): Facts {
  return {
    channel: state.channel.id,
    workStream: state.workStream,
    returning: state.previous !== undefined,
    ...(state.lastBot === undefined ? {} : { bot: state.lastBot }),
    ...(state.locale === undefined ? {} : { locale: state.locale }),
    ...(state.escalationReason === undefined ? {} : { escalationReason: state.escalationReason }),
  };
}

function sameSkills(some: readonly string[] = [], others: readonly string[] = []): boolean {
  return some.length === others.length && some.every((skill) => others.includes(skill));
}

function nameIn(named: Readonly<Record<string, { name: string }>>, id: string | undefined): string {
  return id === undefined ? '' : (named[id]?.name ?? id);
}

/** What a conversation goes on by when its work stream is not in the configuration any more. */
export function retired(id: string, directory: Directory): WorkStream {
  const any = Object.values(directory.workStreams)[0];
  if (any === undefined) throw new Rejected('badCommand', 'The configuration has no work stream; add one.');
  return { ...any, id, name: id, rules: [], texts: { ...DEFAULT_TEXTS, ...any.texts } };
}
