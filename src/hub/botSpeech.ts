// What a bot sends, turned into commands: the one place where texts, signals and typing are told apart.

import { createHash } from 'node:crypto';
import { activityId, seqOf, type Activity } from '../core/activity.js';
import type { Command } from '../core/commands.js';
import { holderOf, type Conversation, type Entry, type Party } from '../core/conversation.js';
import { readSignal, type TranscriptPart } from '../core/escalation.js';
import { fence } from '../core/plan.js';
import { Rejected } from '../core/rejected.js';
import type { BotTurnContext, Engine } from './engine.js';

/** Bytes of one activity's JSON. */
export const ACTIVITY_LIMIT_BYTES = 262_144;
/** Turns of an inline transcript that are merged at most; the log has its own. */
const IMPORTED_TURNS = 500;

export class BotSpeech {
  constructor(private readonly hub: Engine) {}

  async say(
    conversationId: string,
    botId: string,
    activities: readonly Activity[],
    turn: BotTurnContext,
  ): Promise<{ id: string }[]> {
    const state = await this.hub.conversation(conversationId);
    if (state === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
    const by: Party = { role: 'bot', id: botId };
    const ids: { id: string }[] = activities.map(() => ({ id: '' }));
    const commands: Spoken[] = [];
    for (const [index, activity] of activities.entries()) {
      const answers = turn.answers ?? seqOf(conversationId, activity.replyToId);
      if (activity.type === 'typing') {
        // An unasked hand-over and what follows it must not come apart; typing may be dropped.
        if (commands.some(({ command }) => isUnaskedEscalation(command))) continue;
        // Anything said before it in this batch goes first.
        await this.#flush(conversationId, commands.splice(0), ids);
        await this.hub.signal(conversationId, by, activity, answers);
      } else if (activity.type !== 'trace' && activity.type !== 'delay' && activity.type !== 'invokeResponse') {
        const command = await this.#commandOf(
          state,
          botId,
          normalise(conversationId, botId, activity, answers),
          answers,
        );
        commands.push({ command: { ...command, ...keyOf(turn, activity) }, index });
      }
    }
    await this.#flush(conversationId, inOneTurn(botId, commands), ids);
    return ids;
  }

  /** The bot changes what it said. `id` is ours or the channel's own. @returns the seq of the change. */
  async edit(
    conversationId: string,
    botId: string,
    id: string,
    activity: Activity,
  ): Promise<{ seq: number | undefined }> {
    const { seq, event } = await this.#entryOf(conversationId, id);
    const answers = 'answers' in event ? event.answers : undefined;
    const { seqs } = await this.hub.handle(conversationId, {
      type: 'edit',
      by: { role: 'bot', id: botId },
      target: seq,
      author: event.by,
      audience: event.audience,
      activity: normalise(conversationId, botId, activity, answers),
    });
    return { seq: seqs[0] };
  }

  /** The bot takes back what it said. */
  async remove(conversationId: string, botId: string, id: string): Promise<{ seq: number | undefined }> {
    const { seq, event } = await this.#entryOf(conversationId, id);
    const by = { role: 'bot', id: botId } as const;
    const { seqs } = await this.hub.handle(conversationId, {
      type: 'delete',
      by,
      target: seq,
      author: event.by,
      audience: event.audience,
    });
    return { seq: seqs[0] };
  }

  /** Typing reaches the customer under the same fence as texts. */
  maySignal(state: Conversation, by: Party, answers: number | undefined): boolean {
    switch (by.role) {
      case 'customer':
      case 'system':
        return true;
      case 'bot':
        return fence(state, by.id, answers) === 'through';
      case 'agent':
      case 'supervisor': {
        const holder = holderOf(state);
        return holder?.role === 'agent' && holder.id === by.id;
      }
    }
  }

  async #entryOf(conversationId: string, id: string): Promise<Entry> {
    const seq = seqOf(conversationId, id);
    const entry =
      seq === undefined
        ? await this.hub.store.findEntry(conversationId, { channelActivityId: id })
        : (await this.hub.entries(conversationId, seq - 1, 1))[0];
    if (entry === undefined) throw new Rejected('notFound', `There is no activity "${id}" in this conversation.`);
    return entry;
  }

  async #flush(conversationId: string, batch: readonly Spoken[], ids: { id: string }[]): Promise<void> {
    if (batch.length === 0) return;
    const { seqs } = await this.hub.handle(
      conversationId,
      batch.map(({ command }) => command),
    );
    for (const [position, { index }] of batch.entries()) {
      const seq = seqs[position];
      if (index !== undefined) ids[index] = { id: seq === undefined ? '' : activityId(conversationId, seq) };
    }
  }

  async #commandOf(
    state: Conversation,
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
          activity: withoutTranscript(activity),
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
          variables: signal.variables,
          warnings: signal.warnings,
        };
      case 'none':
        return { type: 'say', by: { role: 'bot', id: bot }, activity, ...about };
    }
  }

  /** Our own log is the transcript; of what the bot sends along only turns that never passed here are merged. */
  async #unseen(
    state: Conversation,
    transcript: TranscriptPart | undefined,
  ): Promise<{ activities: Activity[]; warnings: string[] }> {
    if (transcript === undefined) return { activities: [], warnings: [] };
    if ('contentUrl' in transcript)
      return { activities: [], warnings: ['The transcript came as a link and was not fetched; this log has its own.'] };
    if ('unreadable' in transcript)
      return { activities: [], warnings: [`The transcript is not readable: ${transcript.unreadable}`] };
    const activities: Activity[] = [];
    for (const activity of transcript.activities.slice(0, IMPORTED_TURNS)) {
      if (typeof activity.id !== 'string' || activity.type !== 'message') continue;
      const seq = seqOf(state.id, activity.id);
      if (seq !== undefined && seq <= state.version) continue;
      if (await this.hub.store.findEntry(state.id, { channelActivityId: activity.id })) continue;
      activities.push(activity);
    }
    return { activities, warnings: [] };
  }
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

function withoutTranscript(activity: Activity): Activity {
  if (activity.attachments === undefined) return activity;
  const attachments = activity.attachments.filter((attachment) => !/^tran?s?scr?ipt$/i.test(attachment.name ?? ''));
  return { ...activity, attachments };
}

function keyOf(turn: BotTurnContext, activity: Activity): { key?: string } {
  const json = JSON.stringify(activity);
  if (json.length > ACTIVITY_LIMIT_BYTES)
    throw new Rejected('tooLarge', `An activity may have ${ACTIVITY_LIMIT_BYTES} bytes; this one has ${json.length}.`);
  if (turn.turn === undefined) return {};
  const { type, text, name, value, attachments } = activity;
  const content = createHash('sha1')
    .update(JSON.stringify([type, text, name, value, attachments]))
    .digest('base64url');
  return { key: `turn:${turn.turn.id}:${turn.turn.next()}:${content}` };
}
