// What one reader sees of a log entry: the customer, a person's chat pane, or an export for staff.

import { activityId, seqOf, type Activity, type ChannelAccount } from './activity.js';
import { isObject } from './context.js';
import type { ConversationEvent, Entry, EventOf, Party } from './conversation.js';
import { inert, offeredChoices } from './inert.js';
import { withStreamFields } from './liveStream.js';

/**
 * `customer` reads what everyone may read, `staff` all of it. `{agent}` is that person's chat pane: all of it with the
 * roles turned round, so that a chat client shows the person's own entries as its user's and everybody else's as a bot's.
 */
export type Viewer = 'customer' | 'staff' | { readonly agent: string };

export interface Reader {
  readonly viewer: Viewer;
  /** Display names, from the directory in force; undefined for an unknown party. */
  readonly nameOf: (party: Party) => string | undefined;
  /**
   * The entry an edit or a deletion is about. With it the new content keeps the original's sender and time, which is how
   * chat clients keep it in its place; without it the time is that of the edit.
   */
  readonly original?: (seq: number) => Entry | undefined;
}

/** What the hub adds to an activity's channelData under `handoff`; nobody else's field of that name gets through. */
export interface HandoffMark {
  audience?: 'staff';
  kind?: string;
  /** Titles of buttons and suggestions the customer had, for a reader who must not press them. */
  choices?: string[];
  [field: string]: unknown;
}

/** Types that are no part of what people read: membership, invokes, what is only shown at once and never kept. */
const NEVER_SHOWN = new Set([
  'conversationUpdate',
  'contactRelationUpdate',
  'installationUpdate',
  'invoke',
  'invokeResponse',
  'typing',
  'trace',
  'handoff',
]);

/**
 * The activity `reader` knows this entry by, or undefined when the entry shows that reader nothing. An edit comes as the
 * edited activity's id with the new content; a deletion as that id with no content left.
 */
export function projectActivity(entry: Entry, reader: Reader): Activity | undefined {
  const { event } = entry;
  if (reader.viewer === 'customer' && event.audience !== 'everyone') return undefined;
  const { conversationId, seq } = entry;
  if (!isChange(event)) {
    const activity = contentOf(event);
    return activity && addressed(conversationId, seq, activity, entry, reader);
  }
  if (event.target >= seq) return undefined;
  const original = reader.original?.(event.target);
  // A staff-only entry stays one: nothing about it reaches the customer, whatever the later entry says.
  if (original !== undefined && (isChange(original.event) || projectActivity(original, reader) === undefined)) {
    return undefined;
  }
  const shown = original ?? entry;
  if (event.type === 'deleted') return deletedActivity(conversationId, event.target, shown, reader);
  const activity = contentOf(event);
  return activity && addressed(conversationId, event.target, activity, shown, reader);
}

/** Edits and deletions are about what was said, never about one another. */
function isChange(event: ConversationEvent): event is EventOf<'edited'> | EventOf<'deleted'> {
  return event.type === 'edited' || event.type === 'deleted';
}

/** Typing or a piece of a live stream: shown at once, never an entry. */
export interface ShownSignal {
  readonly conversationId: string;
  readonly by: Party;
  readonly activity: Activity;
  readonly audience: 'everyone' | 'staff';
}

/** The signal under the id and at the time given, or undefined when it is not for this reader: nobody is shown their own typing. */
export function projectSignal(signal: ShownSignal, id: string, at: number, reader: Reader): Activity | undefined {
  const { by, activity, audience, conversationId } = signal;
  if (reader.viewer === 'customer' && (audience !== 'everyone' || by.role === 'customer')) return undefined;
  if (typeof reader.viewer === 'object' && by.id === reader.viewer.agent && isStaff(by)) return undefined;
  const { serviceUrl: _url, recipient: _recipient, replyToId: _replyToId, callerId: _caller, ...content } = activity;
  const shown: Activity = {
    ...content,
    id,
    timestamp: new Date(at).toISOString(),
    conversation: { id: conversationId },
    from: senderOf({ type: 'said', by }, activity, reader),
  };
  return withMark(withStreamFields(shown), audience === 'staff' ? { audience } : undefined);
}

/** One activity of a full reading, in its original place and with its latest content. */
export interface ReadActivity {
  readonly seq: number;
  readonly entry: Entry;
  readonly activity: Activity;
  readonly edited: boolean;
}

/**
 * Reads a stretch of the log at once: edits are applied to what is in the stretch, deleted activities are left out. An
 * edit or deletion of something before the stretch comes at its own place, for a reader who already has the original.
 */
export function readActivities(entries: Iterable<Entry>, reader: Reader): ReadActivity[] {
  const bySeq = new Map<number, Entry>();
  const read = new Map<number, ReadActivity>();
  const original = (seq: number): Entry | undefined => bySeq.get(seq) ?? reader.original?.(seq);
  for (const entry of entries) {
    bySeq.set(entry.seq, entry);
    const { event } = entry;
    const activity = projectActivity(entry, { ...reader, original });
    if (activity === undefined) continue;
    if (!isChange(event)) {
      read.set(entry.seq, { seq: entry.seq, entry, activity, edited: false });
      continue;
    }
    const target = bySeq.get(event.target);
    if (target === undefined) {
      read.set(entry.seq, { seq: entry.seq, entry, activity, edited: event.type === 'edited' });
    } else if (event.type === 'deleted') {
      read.delete(event.target);
    } else if (read.has(event.target)) {
      read.set(event.target, { seq: event.target, entry: target, activity, edited: true });
    }
  }
  return [...read.values()];
}

function contentOf(event: ConversationEvent): Activity | undefined {
  const { body } = event;
  // Who reads is told of an escalation by the summary noted beside it; traces are for the log's readers.
  if (body === undefined || event.type === 'escalated' || (event.type === 'noted' && event.kind === 'trace')) {
    return undefined;
  }
  const words = event.type === 'noted' ? (body.note ?? body.summary) : undefined;
  const activity = body.activity ?? (words === undefined ? undefined : { type: 'message', text: words });
  return activity === undefined || NEVER_SHOWN.has(activity.type) ? undefined : activity;
}

function addressed(conversationId: string, seq: number, activity: Activity, shown: Entry, reader: Reader): Activity {
  const { event } = shown;
  const { serviceUrl: _url, recipient: _recipient, replyToId, callerId: _caller, ...content } = activity;
  const reply = visibleReply(conversationId, seq, replyToId, event, reader.viewer);
  const projected: Activity = {
    // A literal that begins with a full object costs V8 (of Node 20) 1 µs for each field it adds, with an empty one a tenth of all.
    ...{},
    ...content,
    id: activityId(conversationId, seq),
    timestamp: new Date(event.at).toISOString(),
    conversation: { id: conversationId },
    from: senderOf(event, activity, reader),
    ...(reply !== undefined && { replyToId: reply }),
  };
  const marked = withMark(withStreamFields(projected), markOf(event, activity, reader.viewer));
  return typeof reader.viewer === 'object' ? forPane(marked, event, reader.viewer.agent) : marked;
}

/**
 * Chat clients hold an activity back until the one it replies to is there, so a customer's reader only gets replies to
 * entries of the same conversation that a turn was about; what the hub itself told a bot has no such entry.
 */
function visibleReply(
  conversationId: string,
  seq: number,
  replyToId: string | undefined,
  event: ConversationEvent,
  viewer: Viewer,
): string | undefined {
  const target = seqOf(conversationId, replyToId);
  if (target === undefined || target >= seq) return undefined;
  if (viewer !== 'customer' || event.by.role === 'customer') return replyToId;
  return event.type === 'said' && event.answers === target ? replyToId : undefined;
}

function senderOf(event: Pick<ConversationEvent, 'type' | 'by'>, activity: Activity, reader: Reader): ChannelAccount {
  const { by } = event;
  const own = typeof activity.from?.name === 'string' && activity.from.name !== '' ? activity.from.name : undefined;
  if (event.type === 'imported') {
    // The bot reports who said what before the hub was there; nobody of this hub is meant.
    const role = activity.from?.role === 'user' && typeof reader.viewer === 'string' ? 'user' : 'bot';
    return { id: activity.from?.id ?? 'unknown', ...(own !== undefined && { name: own }), role };
  }
  // Customers say their own name; everybody else's comes from the directory, whatever the activity claims.
  const name = by.role === 'customer' ? (own ?? reader.nameOf(by)) : (reader.nameOf(by) ?? own ?? by.id);
  const role = roleFor(by, reader.viewer);
  return { id: by.id, ...(name !== undefined && { name }), role };
}

function roleFor(by: Party, viewer: Viewer): 'user' | 'bot' {
  if (typeof viewer === 'object') return by.id === viewer.agent && isStaff(by) ? 'user' : 'bot';
  return by.role === 'customer' ? 'user' : 'bot';
}

function isStaff(by: Party): boolean {
  return by.role === 'agent' || by.role === 'supervisor';
}

function markOf(event: ConversationEvent, activity: Activity, viewer: Viewer): HandoffMark | undefined {
  // The hub itself marks what it tells and what people say; from anybody else the field is a claim.
  const isMarked = event.by.role === 'system' || (isStaff(event.by) && event.type === 'said');
  const told = isMarked && isObject(activity.channelData) ? activity.channelData['handoff'] : undefined;
  const mark: HandoffMark = isObject(told) ? { ...told } : {};
  if (event.audience === 'staff') {
    mark.audience = 'staff';
    mark.kind = staffKind(event);
  }
  if (typeof viewer === 'object') {
    const choices = offeredChoices(activity);
    if (choices.length > 0) mark.choices = choices;
  }
  return Object.keys(mark).length > 0 ? mark : undefined;
}

function staffKind(event: ConversationEvent): string {
  if (event.type === 'noted') return event.kind;
  if (event.type === 'drafted') return 'draft';
  return event.type === 'imported' ? 'imported' : 'note';
}

/** Sets the hub's own field of channelData and takes away anybody else's of that name; the sender's other fields stay. */
function withMark(activity: Activity, mark: HandoffMark | undefined): Activity {
  const { channelData } = activity;
  if (mark === undefined) {
    if (!isObject(channelData) || !Object.hasOwn(channelData, 'handoff')) return activity;
    const { handoff: _claimed, ...rest } = channelData;
    return { ...activity, channelData: rest };
  }
  const own = isObject(channelData)
    ? channelData
    : channelData === undefined || channelData === null
      ? {}
      : { value: channelData };
  return { ...activity, channelData: { ...own, handoff: mark } };
}

/** In a person's chat pane nothing that was meant for the customer can be pressed, and what the customer pressed is shown. */
function forPane(activity: Activity, event: ConversationEvent, agent: string): Activity {
  if (event.by.id === agent && isStaff(event.by)) return activity;
  return inert(event.by.role === 'customer' ? spelledOut(activity) : activity);
}

/** A pressed card button arrives as a value without text, which chat clients hide from the one who pressed it. */
function spelledOut(activity: Activity): Activity {
  const { channelData } = activity;
  if (activity.type !== 'message' || !isObject(channelData)) return withValueText(activity);
  const { postBack: _postBack, messageBack, ...rest } = channelData;
  const said =
    isObject(messageBack) && typeof messageBack['displayText'] === 'string' ? messageBack['displayText'] : undefined;
  return withValueText({ ...activity, channelData: rest, ...(said !== undefined && !activity.text && { text: said }) });
}

function withValueText(activity: Activity): Activity {
  const hasContent = Boolean(activity.text) || (Array.isArray(activity.attachments) && activity.attachments.length > 0);
  if (activity.type !== 'message' || hasContent || activity.value === undefined || activity.value === null)
    return activity;
  const { value } = activity;
  return { ...activity, text: typeof value === 'string' ? value : JSON.stringify(value) };
}

/** Chat clients replace an activity by id and show nothing of a message without text and attachments. */
function deletedActivity(conversationId: string, target: number, shown: Entry, reader: Reader): Activity {
  const gone = addressed(conversationId, target, { type: 'message', text: '' }, shown, reader);
  return withMark(gone, { ...(shown.event.audience === 'staff' && { audience: 'staff' as const }), kind: 'deleted' });
}
