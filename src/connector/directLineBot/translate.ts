// Between the hub's log and the bot's own conversation: what is posted, which activity is our own echo, and what a reply answers.

import { activityId, seqOf, withChannelData, type Activity } from '../../core/activity.js';
import { isObject, variable, type ContextVariables } from '../../core/context.js';
import { openTurnOf, type Conversation } from '../../core/conversation.js';
import { readSignal } from '../../core/escalation.js';
import type { LineRecord } from './record.js';

/** Types that a Direct Line client cannot post, or that say nothing to a bot there. */
const NOT_POSTED = new Set([
  'conversationUpdate',
  'installationUpdate',
  'messageUpdate',
  'messageDelete',
  'messageReaction',
  'typing',
]);
/** From the service to its clients: nothing a bot says. */
const NOT_SAID = new Set([
  'conversationUpdate',
  'contactRelationUpdate',
  'installationUpdate',
  'trace',
  'invoke',
  'invokeResponse',
]);

export function isPosted({ type }: Activity): boolean {
  return !NOT_POSTED.has(type);
}

/**
 * Of what a customer's page sends: pages made for Copilot Studio start the conversation and set variables themselves. The
 * start is the hub's to tell, or the bot would greet twice; and what the hub knows, no page may overwrite.
 * @returns undefined when nothing is left to post.
 */
export function fromPage(activity: Activity, context: ContextVariables): Activity | undefined {
  if (activity.type !== 'event') return activity;
  if (activity.name === 'startConversation') return undefined;
  if (activity.name !== 'pvaSetContext' || !isObject(activity.value)) return activity;
  const own = Object.entries(activity.value).filter(([name]) => variable(context, name) === undefined);
  return own.length === 0 ? undefined : { ...activity, value: Object.fromEntries(own) };
}

/** The activity as the customer's client posts it, under a key by which its echo is known again. */
export function posted(activity: Activity, user: string, key: string): Activity {
  const {
    id: _id,
    timestamp: _timestamp,
    serviceUrl: _serviceUrl,
    conversation: _conversation,
    recipient: _recipient,
    channelId: _channelId,
    replyToId: _replyToId,
    callerId: _callerId,
    deliveryMode: _deliveryMode,
    from,
    ...content
  } = activity;
  const name = from?.role === 'user' ? from.name : undefined;
  return withChannelData(
    { ...content, type: activity.type, from: { id: user, ...(name === undefined ? {} : { name }), role: 'user' } },
    { clientActivityID: key },
  );
}

/** The key of one of our own activities; undefined for what the bot says. */
export function echoedKey({ channelData }: Activity): string | undefined {
  const id = isObject(channelData) ? channelData['clientActivityID'] : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/** The customer's own, as the bot's conversation repeats it: known by key or id, else by its sender. */
export function isOwn(activity: Activity, record: LineRecord, conversationId: string): boolean {
  const key = echoedKey(activity);
  if (key !== undefined && entryOf(conversationId, key) !== undefined) return true;
  if (activity.id !== undefined && record.sent.some(({ id }) => id === activity.id)) return true;
  // The SDK writes the customer into `from` of an escalation; only a bot asks for people.
  if (activity.type === 'event' && activity.name === 'handoff.initiate') return false;
  return activity.from?.role === 'user' || activity.from?.id === record.user;
}

/** The entry of the hub's log that a key stands for. `shown`: the customer's client knows it by its id. */
export interface OwnEntry {
  readonly seq: number;
  readonly shown: boolean;
}

/** Keys are ids of entries (`{conversation}|0000012`) or of what the hub itself owes a bot (`{conversation}/12/0`). */
export function entryOf(conversationId: string, key: string): OwnEntry | undefined {
  const shown = seqOf(conversationId, key);
  if (shown !== undefined) return { seq: shown, shown: true };
  if (!key.startsWith(`${conversationId}/`)) return undefined;
  const seq = Number(key.slice(conversationId.length + 1).split('/')[0]);
  return Number.isSafeInteger(seq) && seq > 0 ? { seq, shown: false } : undefined;
}

/** What an activity of the bot is about, as far as Direct Line tells. */
export interface Attribution {
  /** The entry it names as what it replies to. */
  readonly named?: OwnEntry;
  /** The last of ours before it in the bot's conversation. */
  readonly after?: OwnEntry;
}

/**
 * An unknown `replyToId` counts as a reply to the latest of ours that is not younger: ids of one conversation grow, and the
 * fence must not take a late reply to something long ago for a new one.
 */
export function attribute(conversationId: string, record: LineRecord, activity: Activity): Attribution {
  const entries = record.sent.flatMap(({ key, id }) => {
    const entry = entryOf(conversationId, key);
    return entry === undefined ? [] : [{ entry, id }];
  });
  const at = seqOf(record.remote, activity.id);
  const before = entries.filter(({ id }) => at === undefined || (seqOf(record.remote, id) ?? 0) < at);
  const after = before.at(-1)?.entry;
  const known = entries.find(({ id }) => id !== undefined && id === activity.replyToId)?.entry;
  const named = known ?? olderThan(record.remote, activity.replyToId, entries);
  return { ...(named === undefined ? {} : { named }), ...(after === undefined ? {} : { after }) };
}

function olderThan(
  remote: string,
  replyToId: unknown,
  entries: readonly { entry: OwnEntry; id: string | undefined }[],
): OwnEntry | undefined {
  const replied = seqOf(remote, replyToId);
  if (replied === undefined) return undefined;
  const older = entries.filter(({ id }) => {
    const seq = seqOf(remote, id);
    return seq !== undefined && seq <= replied;
  });
  return (older.at(-1) ?? entries[0])?.entry;
}

/**
 * The bot's activity as the hub is told it. `replyToId` becomes the id of the entry that it answers, so that the hub's fence
 * knows the session it belongs to, or goes away for what answers nothing the customer has seen.
 */
export function heard(
  state: Conversation,
  botId: string,
  activity: Activity,
  about: Attribution,
  isPassedOn = false,
): Activity {
  const { replyToId: _replyToId, ...content } = isPassedOn ? activity : withoutTranscript(activity);
  const answered = answeredEntry(state, botId, activity, about);
  return answered === undefined ? content : { ...content, replyToId: activityId(state.id, answered) };
}

function answeredEntry(
  state: Conversation,
  botId: string,
  activity: Activity,
  { named, after }: Attribution,
): number | undefined {
  if (named?.shown === true) return named.seq;
  const last = named ?? after;
  if (last === undefined) return undefined;
  const isHeld = state.phase === 'bot' && state.bot === botId;
  // Said in an earlier session and read in this one: it must not pass for something new.
  if (isHeld && last.seq < state.sessionSeq) return last.seq;
  if (after === undefined || !after.shown || named !== undefined) return undefined;
  // Without a replyToId, the turn in which a bot asks for people is known by its place: the rest of it belongs to it.
  if (isHeld) return readSignal(activity).kind === 'escalate' ? after.seq : undefined;
  const turn = openTurnOf(state);
  return turn?.bot === botId && turn.answers === after.seq ? after.seq : undefined;
}

export function isSaid({ type }: Activity): boolean {
  return !NOT_SAID.has(type);
}

/** Everything the bot and the customer said passes through the hub: its own log is the transcript. */
function withoutTranscript(activity: Activity): Activity {
  if (activity.type !== 'event' || activity.name !== 'handoff.initiate' || !Array.isArray(activity.attachments))
    return activity;
  const attachments = activity.attachments.filter(({ name }) => !/^tran?s?scr?ipt$/i.test(name ?? ''));
  return { ...activity, attachments };
}
