// Which of a bot's outgoing activities are signals, in all four dialects; nothing behind this file knows a dialect.

import type { Activity } from './activity.js';
import { isObject, readVariables, variable, type ContextVariables } from './context.js';

/**
 * handoffProtocol: event `handoff.initiate`, `endOfConversation` · commandTags: a JSON string in `channelData.tags` ·
 * wholeString: `channelData` itself is a JSON string · closeOmnichannel: Copilot Studio's `CloseOmnichannelConversation`.
 */
export type Dialect = 'handoffProtocol' | 'commandTags' | 'wholeString' | 'closeOmnichannel';

export type TranscriptPart = { activities: Activity[] } | { contentUrl: string } | { unreadable: string };

export type Signal =
  | {
      kind: 'escalate';
      dialect: Dialect;
      /** For staff only: the customer never reads it. */
      summary?: string;
      variables: ContextVariables;
      warnings: string[];
      transcript?: TranscriptPart;
    }
  | { kind: 'end'; dialect: Dialect; variables: ContextVariables; summary?: string; warnings: string[] }
  | { kind: 'setContext'; variables: ContextVariables; warnings: string[] }
  /** `trace` says why something that looks like a command is none. */
  | { kind: 'none'; trace?: string };

/** An inline transcript above this is not parsed: the hub's own log is the truth, the copy only fills gaps. */
export const MAX_TRANSCRIPT_BYTES = 262_144;

const NONE: Signal = { kind: 'none' };

/** Reads what a BOT sends; the same bytes from a customer are plain content. Never throws. */
export function readSignal(activity: Activity): Signal {
  switch (activity.type) {
    case 'endOfConversation':
      return { kind: 'end', dialect: 'handoffProtocol', variables: {}, warnings: [] };
    case 'event':
      if (activity.name === 'handoff.initiate') return readInitiate(activity);
      if (activity.name === 'setContext') return { kind: 'setContext', ...readVariables(activity.value) };
      return NONE;
    case 'message':
      return readCommand(activity);
    default:
      // Activity types are an open set: every other one, `handoff` and invokes included, is content.
      return NONE;
  }
}

/** Whether the bot marked the activity as meant for the customer (the only ones that reach them with bridging `strict`). */
export function isBridged(activity: Activity): boolean {
  const data = channelDataOf(activity).data;
  if (data === undefined) return false;
  return saysBridged(data['deliveryMode']) || (isObject(data['tags']) && saysBridged(data['tags']['deliveryMode']));
}

function saysBridged(mode: unknown): boolean {
  return typeof mode === 'string' && mode.toLowerCase() === 'bridged';
}

// ------------------------------------------------------------------------------------------------ handoff.initiate

function readInitiate(activity: Activity): Signal {
  const { value } = activity;
  const { variables, warnings } = readInitiateContext(value);
  const note = isObject(value) ? (own(value, 'MessageToAgent') ?? own(value, 'va_AgentMessage')) : undefined;
  const summary = textOf(isObject(note) ? own(note, 'value') : note);
  if (closes(variables) || (isObject(value) && closes(readVariables(value).variables))) {
    return { kind: 'end', dialect: 'closeOmnichannel', variables, ...(summary && { summary }), warnings };
  }
  const transcript = readTranscript(activity.attachments, warnings);
  return {
    kind: 'escalate',
    dialect: 'handoffProtocol',
    variables,
    warnings,
    ...(summary !== undefined && { summary }),
    ...(transcript !== undefined && { transcript }),
  };
}

/** Fields of an Omnichannel bot's value that are not context but read elsewhere. */
const READ_ELSEWHERE = ['Context', 'MessageToAgent', 'va_AgentMessage', 'CloseOmnichannelConversation'];

function readInitiateContext(value: unknown): { variables: ContextVariables; warnings: string[] } {
  if (value === undefined || value === null) return { variables: {}, warnings: [] };
  if (!isObject(value)) return readVariables({ value });
  const context = own(value, 'Context');
  if (!isObject(context)) return readVariables(value);
  const read = readVariables(context);
  const beside = Object.keys(value).filter((name) => !READ_ELSEWHERE.includes(name));
  if (beside.length > 0) {
    read.warnings.push(
      `handoff.initiate has an object Context: ${beside.join(', ')} beside it were not read as context`,
    );
  }
  return read;
}

function closes(variables: ContextVariables): boolean {
  const value = variable(variables, 'CloseOmnichannelConversation')?.value;
  return value === true || (typeof value === 'string' && value.toLowerCase() === 'true');
}

function readTranscript(attachments: unknown, warnings: string[]): TranscriptPart | undefined {
  if (!Array.isArray(attachments)) return undefined;
  const attachment = (attachments as unknown[])
    .filter(isObject)
    .find((candidate) => isTranscriptName(candidate['name']));
  if (attachment === undefined) return undefined;
  const content = own(attachment, 'content');
  if (content === undefined || content === null || content === '') {
    const contentUrl = textOf(own(attachment, 'contentUrl'));
    return contentUrl === undefined ? { unreadable: 'the Transcript attachment is empty' } : { contentUrl };
  }
  const part = parseTranscript(content, warnings);
  if ('unreadable' in part) warnings.push(`the bot's transcript was not read: ${part.unreadable}`);
  return part;
}

/** The SDK writes `Transcript`; some of its releases misspelt it. */
function isTranscriptName(name: unknown): boolean {
  return typeof name === 'string' && /^(transcript|trasnscript)$/i.test(name.trim());
}

function parseTranscript(content: unknown, warnings: string[]): TranscriptPart {
  let text: string | undefined;
  try {
    text = typeof content === 'string' ? content : JSON.stringify(content);
  } catch {
    return { unreadable: 'it is not JSON' };
  }
  const bytes = Buffer.byteLength(text ?? '', 'utf8');
  if (bytes > MAX_TRANSCRIPT_BYTES) return { unreadable: `${bytes} bytes are more than ${MAX_TRANSCRIPT_BYTES}` };
  const parsed = typeof content === 'string' ? parsedJson(content) : content;
  if (parsed === undefined) return { unreadable: 'it is not valid JSON' };
  const list = Array.isArray(parsed) ? (parsed as unknown[]) : isObject(parsed) ? parsed['activities'] : undefined;
  if (!Array.isArray(list)) return { unreadable: 'it has no list of activities' };
  const activities = (list as unknown[]).filter(
    (item): item is Activity => isObject(item) && typeof item['type'] === 'string',
  );
  const skipped = list.length - activities.length;
  if (skipped > 0) warnings.push(`${skipped} of ${list.length} items of the bot's transcript are no activities`);
  return { activities };
}

// -------------------------------------------------------------------------------------------- Omnichannel's commands

interface Command {
  type: unknown;
  context: unknown;
  dialect: Dialect;
  where: string;
}

function readCommand(activity: Activity): Signal {
  const { data, fault } = channelDataOf(activity);
  if (data === undefined) return fault === undefined ? NONE : { kind: 'none', trace: fault };
  const command = wholeStringCommand(data) ?? tagsCommand(data);
  if (command === undefined) return NONE;
  if ('trace' in command) return { kind: 'none', trace: command.trace };
  const { type, context, dialect, where } = command;
  if (typeof type !== 'string') return { kind: 'none', trace: `${where} has no command type` };
  const read = readVariables(context);
  const summary = textOf(activity.text);
  switch (type.toLowerCase()) {
    case 'escalate':
      return { kind: 'escalate', dialect, ...read, ...(summary !== undefined && { summary }) };
    case 'endconversation':
      return { kind: 'end', dialect, ...read, ...(summary !== undefined && { summary }) };
    default:
      return {
        kind: 'none',
        trace: `${where}: ${JSON.stringify(type.slice(0, 60))} is no command; Escalate and EndConversation are`,
      };
  }
}

function wholeStringCommand(data: Record<string, unknown>): Command | undefined {
  const command = own(data, 'command');
  if (!isObject(command)) return undefined;
  return {
    type: own(command, 'type'),
    context: own(command, 'value'),
    dialect: 'wholeString',
    where: 'channelData.command',
  };
}

/** `tags` is overloaded: customer traffic carries a comma list such as `ChannelId-lcw,FromCustomer`, never a command. */
function tagsCommand(data: Record<string, unknown>): Command | { trace: string } | undefined {
  const tags = own(data, 'tags');
  const where = 'channelData.tags';
  if (typeof tags === 'string') {
    if (!tags.trimStart().startsWith('{')) return undefined;
    const parsed = parsedJson(tags);
    if (!isObject(parsed)) return { trace: `${where} looks like a command but is not valid JSON` };
    return { type: own(parsed, 'type'), context: own(parsed, 'context'), dialect: 'commandTags', where };
  }
  // Some bots forget to stringify; without a type it is somebody's own data.
  if (!isObject(tags) || own(tags, 'type') === undefined) return undefined;
  return { type: own(tags, 'type'), context: own(tags, 'context'), dialect: 'commandTags', where };
}

/** channelData as an object, also where it is that object written as a JSON string. */
function channelDataOf(activity: Activity): { data?: Record<string, unknown>; fault?: string } {
  const { channelData } = activity;
  if (isObject(channelData)) return { data: channelData };
  if (typeof channelData !== 'string' || !channelData.trimStart().startsWith('{')) return {};
  const parsed = parsedJson(channelData);
  if (isObject(parsed)) return { data: parsed };
  return { fault: 'channelData looks like a command but is not valid JSON' };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function own(object: Record<string, unknown>, field: string): unknown {
  return Object.hasOwn(object, field) ? object[field] : undefined;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  return value;
}
