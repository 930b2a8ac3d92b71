// What a bot sends, turned into commands: the one place where texts, signals and typing are told apart.

import { createHash, randomUUID } from 'node:crypto';
import { activityId, seqOf, type Activity } from '../core/activity.js';
import type { Command, CommandOf, UnseenTurn } from '../core/commands.js';
import { holderOf, type Conversation, type Entry, type Party } from '../core/conversation.js';
import { readSignal, type TranscriptPart } from '../core/escalation.js';
import { reaches } from '../core/floor.js';
import { Rejected } from '../core/rejected.js';
import type { BotTurnContext, Engine, HandleOptions } from './engine.js';

/** Bytes of one activity's JSON. */
export const ACTIVITY_LIMIT_BYTES = 262_144;
/** Turns of an inline transcript that are merged at most; the log has its own. */
const IMPORTED_TURNS = 500;
/** Turns of an uploaded history in one append. */
const IMPORTED_AT_ONCE = 200;
/** Between a bot and its adapter: nobody in the conversation sees them. */
const NEVER_SAID = new Set(['trace', 'delay', 'invokeResponse']);
/** Entries read at once to see whether something was deleted since. */
const PAGE_ENTRIES = 500;

export class BotSpeech {
  constructor(private readonly hub: Engine) {}

  async say(
    conversationId: string,
    botId: string,
    activities: readonly Activity[],
    turn: BotTurnContext,
  ): Promise<{ id: string }[]> {
    const state = await this.#stateOf(conversationId);
    const by: Party = { role: 'bot', id: botId };
    // Of what is not kept, too: the pieces of a live stream name the first one, as its readers saw it.
    const ids = activities.map(() => ({ id: passingId(conversationId) }));
    const commands: Spoken[] = [];
    for (const [index, activity] of activities.entries()) {
      const answers = turn.answers ?? answeredBy(state, activity);
      if (activity.type === 'typing') {
        // An unasked hand-over and what follows it must not come apart; typing may be dropped.
        if (commands.some(({ command }) => isUnaskedEscalation(command))) continue;
        // Anything said before it in this batch goes first.
        await this.#flush(conversationId, commands.splice(0), ids);
        await this.hub.signal(conversationId, by, { ...activity, ...ids[index] }, answers);
      } else if (!NEVER_SAID.has(activity.type)) {
        requireSize(activity);
        const said = normalise(conversationId, botId, activity, answers);
        const command = await this.#commandOf(state, botId, said, answers);
        const key =
          turn.key ?? turn.keys?.[index] ?? (turn.turn === undefined ? undefined : replyKey(turn.turn, activity));
        const channelActivityId = turn.observed?.channelActivityIds[index];
        const named = command.type === 'say' && channelActivityId !== undefined ? { channelActivityId } : {};
        commands.push({ command: { ...command, ...named, ...(key === undefined ? {} : { key }) } as Command, index });
      }
    }
    await this.#flush(conversationId, inOneTurn(botId, commands), ids, { observed: turn.observed !== undefined });
    return ids;
  }

  /** A bot opens a conversation, all or nothing with what it says first. */
  async start(
    command: CommandOf<'start'>,
    botId: string,
    first: Activity | undefined,
    key: string,
  ): Promise<{ activityId?: string }> {
    const commands: Command[] = [command];
    if (first !== undefined) {
      requireSize(first);
      const said = normalise(command.id, botId, first, undefined);
      commands.push({ ...(await this.#commandOf({ id: command.id, version: 0 }, botId, said, undefined)), key });
    }
    const { seqs } = await this.hub.handle(command.id, commands);
    const seq = seqs[1];
    return seq === undefined ? {} : { activityId: activityId(command.id, seq) };
  }

  /** Merges what the log has not seen, in order. @returns the seq of the last turn merged. */
  async importHistory(
    conversationId: string,
    botId: string,
    activities: readonly Activity[],
  ): Promise<{ merged: number; seq: number | undefined }> {
    const state = await this.#stateOf(conversationId);
    const by: Party = { role: 'bot', id: botId };
    const unseen = await this.#unseenOf(state, activities);
    let seq: number | undefined;
    for (let at = 0; at < unseen.length; at += IMPORTED_AT_ONCE) {
      const turns = unseen.slice(at, at + IMPORTED_AT_ONCE);
      const { seqs } = await this.hub.handle(
        conversationId,
        turns.map(({ activity, key }) => ({ type: 'import', by, activity, key })),
      );
      seq = seqs.at(-1) ?? seq;
    }
    return { merged: unseen.length, seq };
  }

  /** The bot changes what it said. `id` is ours or the channel's own. @returns the seq of the change. */
  async edit(
    conversationId: string,
    botId: string,
    id: string,
    activity: Activity,
    options?: HandleOptions,
  ): Promise<{ seq: number | undefined }> {
    requireSize(activity);
    const { seq, event } = await this.#entryOf(conversationId, id);
    const answers = 'answers' in event ? event.answers : undefined;
    const command = {
      type: 'edit',
      by: { role: 'bot', id: botId },
      target: seq,
      author: event.by,
      audience: event.audience,
      ...(answers === undefined ? {} : { answers }),
      activity: normalise(conversationId, botId, activity, answers),
    } as const;
    const { seqs } = await this.hub.handle(conversationId, command, options);
    return { seq: seqs[0] };
  }

  /** The bot takes back what it said. */
  async remove(
    conversationId: string,
    botId: string,
    id: string,
    options?: HandleOptions,
  ): Promise<{ seq: number | undefined }> {
    const { seq, event } = await this.#entryOf(conversationId, id);
    const by = { role: 'bot', id: botId } as const;
    const answers = 'answers' in event ? event.answers : undefined;
    const command = {
      type: 'delete',
      by,
      target: seq,
      author: event.by,
      audience: event.audience,
      ...(answers === undefined ? {} : { answers }),
    } as const;
    const { seqs } = await this.hub.handle(conversationId, command, options);
    return { seq: seqs[0] };
  }

  /** Typing reaches the customer under the same fence as texts. */
  maySignal(state: Conversation, by: Party, answers: number | undefined): boolean {
    switch (by.role) {
      case 'customer':
      case 'system':
        return true;
      case 'bot':
        return reaches(state, by.id, answers, this.hub.directory);
      case 'agent':
      case 'supervisor': {
        const holder = holderOf(state);
        return holder?.role === 'agent' && holder.id === by.id;
      }
    }
  }

  /** The entry of an activity: by our id, or by the one its channel gave it. */
  async entry(conversationId: string, id: string): Promise<Entry | undefined> {
    const seq = seqOf(conversationId, id);
    return seq === undefined
      ? this.hub.store.findEntry(conversationId, { channelActivityId: id })
      : (await this.hub.entries(conversationId, seq - 1, 1))[0];
  }

  async #entryOf(conversationId: string, id: string): Promise<Entry> {
    const entry = await this.entry(conversationId, id);
    if (entry === undefined) throw new Rejected('notFound', `There is no activity "${id}" in this conversation.`);
    if (await this.#isDeleted(entry))
      throw new Rejected('notFound', `The activity "${id}" was deleted. Send a new one instead.`);
    return entry;
  }

  async #isDeleted({ conversationId, seq }: Entry): Promise<boolean> {
    for (let after = seq; ;) {
      const entries = await this.hub.entries(conversationId, after, PAGE_ENTRIES);
      if (entries.some(({ event }) => event.type === 'deleted' && event.target === seq)) return true;
      if (entries.length < PAGE_ENTRIES) return false;
      after = entries.at(-1)?.seq ?? Infinity;
    }
  }

  async #stateOf(conversationId: string): Promise<Conversation> {
    const state = await this.hub.conversation(conversationId);
    if (state === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
    return state;
  }

  async #flush(
    conversationId: string,
    batch: readonly Spoken[],
    ids: { id: string }[],
    options?: HandleOptions,
  ): Promise<void> {
    if (batch.length === 0) return;
    const { seqs } = await this.hub.handle(
      conversationId,
      batch.map(({ command }) => command),
      options,
    );
    for (const [position, { index }] of batch.entries()) {
      const seq = seqs[position];
      if (index !== undefined && seq !== undefined) ids[index] = { id: activityId(conversationId, seq) };
    }
  }

  async #commandOf(
    state: Pick<Conversation, 'id' | 'version'>,
    bot: string,
    activity: Activity,
    answers: number | undefined,
  ): Promise<Command> {
    const about = answers === undefined ? {} : { answers };
    const signal = readSignal(activity);
    switch (signal.kind) {
      case 'escalate': {
        const unseen = await this.#unseen(state, signal.transcript);
        return {
          type: 'escalate',
          bot,
          ...about,
          dialect: signal.dialect,
          ...(signal.summary === undefined ? {} : { summary: signal.summary }),
          variables: signal.variables,
          activity,
          unseen: unseen.activities,
          warnings: [...signal.warnings, ...unseen.warnings],
        };
      }
      case 'end':
        return { type: 'endByBot', bot, ...about, activity };
      case 'setContext':
        return {
          type: 'setContext',
          by: { role: 'bot', id: bot },
          ...about,
          activity,
          variables: signal.variables,
          warnings: signal.warnings,
        };
      case 'none':
        return { type: 'say', by: { role: 'bot', id: bot }, activity, ...about };
    }
  }

  /** Our own log is the transcript; of what the bot sends along only turns that never passed here are merged. */
  async #unseen(
    state: Pick<Conversation, 'id' | 'version'>,
    transcript: TranscriptPart | undefined,
  ): Promise<{ activities: UnseenTurn[]; warnings: string[] }> {
    if (transcript === undefined) return { activities: [], warnings: [] };
    if ('contentUrl' in transcript)
      return { activities: [], warnings: ['The transcript came as a link and was not fetched; this log has its own.'] };
    if ('unreadable' in transcript)
      return { activities: [], warnings: [`The transcript is not readable: ${transcript.unreadable}`] };
    // Without an id nobody can tell whether the log has it.
    const named = transcript.activities.filter(({ id }) => typeof id === 'string');
    return { activities: await this.#unseenOf(state, named.slice(0, IMPORTED_TURNS)), warnings: [] };
  }

  /** The messages among `activities` that the log has neither as its own nor from an earlier transcript. */
  async #unseenOf(state: Pick<Conversation, 'id' | 'version'>, activities: readonly Activity[]): Promise<UnseenTurn[]> {
    const unseen = new Map<string, UnseenTurn>();
    for (const activity of activities) {
      if (activity.type !== 'message') continue;
      const id = idOf(activity);
      const seq = seqOf(state.id, id);
      if (seq !== undefined && seq <= state.version) continue;
      const key = importKey(activity);
      if (unseen.has(key) || (await this.hub.store.findEntry(state.id, { key }))) continue;
      if (id !== undefined && (await this.hub.store.findEntry(state.id, { channelActivityId: id }))) continue;
      unseen.set(key, { activity, key });
    }
    return [...unseen.values()];
  }
}

/** The entry of ours that a bot's activity answers; ids from elsewhere, and those to come, answer nothing. */
function answeredBy(state: Conversation, { replyToId }: Activity): number | undefined {
  const seq = seqOf(state.id, replyToId);
  return seq !== undefined && seq <= state.version ? seq : undefined;
}

/** Of what is shown and not kept: nothing in the log has it. */
function passingId(conversationId: string): string {
  return `${conversationId}|${randomUUID()}`;
}

/** Histories come from outside, where ids may be anything. */
function idOf({ id }: Activity): string | undefined {
  return typeof id === 'string' ? id : undefined;
}

function importKey(activity: Activity): string {
  const { from, text, timestamp, attachments } = activity;
  const id = idOf(activity);
  const turn = id === undefined ? JSON.stringify([from?.id, text, timestamp, attachments]) : `id ${id}`;
  return `import:${createHash('sha256').update(turn).digest('base64url').slice(0, 32)}`;
}

/** A command of a batch; `index` = the activity it comes from. */
interface Spoken {
  command: Command;
  index?: number;
}

function isUnaskedEscalation(command: Command): boolean {
  return command.type === 'escalate' && command.answers === undefined;
}

/** What follows an escalation in a batch that answers nothing still belongs to it: the batch is a turn of its own. */
function inOneTurn(bot: string, batch: readonly Spoken[]): readonly Spoken[] {
  const at = batch.findIndex(({ command }) => isUnaskedEscalation(command));
  const escalation = batch[at];
  if (escalation === undefined || at === batch.length - 1) return batch;
  const opened = { ...escalation, command: { ...escalation.command, continues: true } as Command };
  return [...batch.slice(0, at), opened, ...batch.slice(at + 1), { command: { type: 'endTurn', bot } }];
}

/** Fields the hub answers for are set here; what the bot says stays as it is. */
function normalise(conversationId: string, botId: string, activity: Activity, answers: number | undefined): Activity {
  const {
    id: _id,
    timestamp: _timestamp,
    serviceUrl: _serviceUrl,
    conversation: _conversation,
    recipient: _recipient,
    replyToId: _replyToId,
    ...content
  } = activity;
  return {
    ...content,
    type: activity.type ?? 'message',
    from: { ...(activity.from?.name === undefined ? {} : { name: activity.from.name }), id: botId, role: 'bot' },
    // A client waits for the activity that a reply names: never name one it cannot have seen.
    ...(answers === undefined ? {} : { replyToId: activityId(conversationId, answers) }),
  };
}

function requireSize(activity: Activity): void {
  const { length } = JSON.stringify(activity);
  if (length > ACTIVITY_LIMIT_BYTES)
    throw new Rejected(
      'tooLarge',
      `An activity may have ${ACTIVITY_LIMIT_BYTES} bytes; this one has ${length}. Send files as attachments by URL.`,
    );
}

/** The key of the next reply in a turn: when the turn is run again after a crash, its replies are recognised. */
export function replyKey(turn: NonNullable<BotTurnContext['turn']>, activity: Activity): string {
  const { type, text, name, value, attachments } = activity;
  const content = createHash('sha1')
    .update(JSON.stringify([type, text, name, value, attachments]))
    .digest('base64url');
  return `turn:${turn.id}:${turn.next()}:${content}`;
}
