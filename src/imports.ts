// `handoff import`: transcripts that others wrote, read from files into the archive.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Activity } from './core/activity.js';
import { archivedPlace, recordedAt } from './core/archive.js';
import type { ChannelPlace } from './core/channelPlace.js';
import { isObject } from './core/context.js';
import { ConfigError } from './errors.js';
import { archiveIdOf, keepInArchive } from './hub/archive.js';
import type { Store } from './hub/ports.js';
import { parseJson } from './json.js';

export interface Imported {
  /** Under which ids they are now in the record. */
  conversations: string[];
  /** Activities that are new. */
  added: number;
  /** Activities that were there already. */
  known: number;
}

const TRANSCRIPT_FILE = /\.(transcript|json)$/i;

/**
 * All activities of these files, and of the `.transcript` and `.json` files in these folders. A file holds a transcript (an
 * array, as the Emulator writes it) or a single activity, as the SDK's file and blob stores keep them.
 * @throws ConfigError with every fault of every file, each with its place.
 */
export async function readTranscripts(paths: readonly string[]): Promise<Activity[]> {
  const faults: string[] = [];
  const whole: Activity[] = [];
  const single: Activity[] = [];
  for (const path of paths) {
    try {
      for (const file of await filesAt(path, faults)) {
        const { activities, isTranscript } = activitiesIn(await readFile(file), file, faults);
        (isTranscript ? whole : single).push(...activities);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      faults.push(`${path} cannot be read (${(error as Error).message}). Let this account read it, or leave it out.`);
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  // A transcript has its own order; activities in files of their own have only their times.
  single.sort((a, b) => (recordedAt(a) ?? 0) - (recordedAt(b) ?? 0));
  return [...whole, ...single];
}

/**
 * Files the activities under their channels' conversations, each once, at the times they name. What the hub carried itself is
 * in its log already.
 */
export async function importActivities(
  store: Store,
  workStream: string,
  activities: readonly Activity[],
  now: number,
): Promise<Imported> {
  const imported: Imported = { conversations: [], added: 0, known: 0 };
  for (const { place, said } of byPlace(activities)) {
    const own = await store.conversation(place.conversationId);
    const isOwn = own !== undefined && archivedPlace(own) === undefined;
    // Without times of its own a turn is filed with the one before.
    const began = said.map(recordedAt).find((at) => at !== undefined) ?? now;
    const added = isOwn ? 0 : await keepInArchive(store, place, workStream, said, began);
    imported.conversations.push(isOwn ? own.id : archiveIdOf(place));
    imported.added += added;
    imported.known += said.length - added;
  }
  return imported;
}

async function filesAt(path: string, faults: string[]): Promise<string[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (found === undefined) {
    faults.push(`There is no file or folder ${path}.`);
    return [];
  }
  if (!found.isDirectory()) return [path];
  const inside = await readdir(path, { recursive: true, withFileTypes: true });
  const files = inside
    .filter((entry) => entry.isFile() && TRANSCRIPT_FILE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) faults.push(`There is no .transcript and no .json file in ${path}.`);
  return files;
}

function activitiesIn(
  bytes: Buffer,
  file: string,
  faults: string[],
): { activities: Activity[]; isTranscript: boolean } {
  const none = { activities: [], isTranscript: true };
  let content: unknown;
  try {
    content = parseJson(withoutMark(bytes));
  } catch (error) {
    faults.push(`${file}${whereIn(bytes, error)}`);
    return none;
  }
  const isTranscript = Array.isArray(content) || (isObject(content) && Array.isArray(content['activities']));
  const items = (
    Array.isArray(content) ? content : isTranscript ? (content as never)['activities'] : [content]
  ) as unknown[];
  const wrong = items.flatMap((item, index) => {
    const fault = faultOf(item);
    return fault === undefined ? [] : [`${file}: ${isTranscript ? `activity ${index + 1}` : 'it'} ${fault}`];
  });
  faults.push(...wrong);
  return { activities: wrong.length > 0 ? [] : (items as Activity[]), isTranscript };
}

/** What keeps it from being filed. */
function faultOf(item: unknown): string | undefined {
  if (!isObject(item)) return 'is no activity: a transcript is an array of Bot Framework activities.';
  const { type, conversation, channelId, timestamp } = item;
  if (typeof type !== 'string' || type === '') return 'has no type.';
  if (typeof channelId !== 'string' || channelId === '') return 'has no channelId: name the channel it was said on.';
  if (!isObject(conversation) || typeof conversation['id'] !== 'string' || conversation['id'] === '')
    return 'has no conversation.id: without one it belongs to no conversation.';
  if (timestamp !== undefined && (typeof timestamp !== 'string' || Number.isNaN(Date.parse(timestamp))))
    return `has the timestamp ${JSON.stringify(timestamp)}: write it as 2026-01-31T12:00:00Z.`;
  return undefined;
}

function byPlace(activities: readonly Activity[]): { place: ChannelPlace; said: Activity[] }[] {
  const places = new Map<string, { place: ChannelPlace; said: Activity[] }>();
  for (const activity of activities) {
    const [channelId = ''] = (activity.channelId ?? '').split(':', 1);
    const place = { channelId, conversationId: activity.conversation?.id ?? '' };
    const id = archiveIdOf(place);
    const one = places.get(id) ?? { place, said: [] };
    one.said.push(activity);
    places.set(id, one);
  }
  return [...places.values()];
}

/** Editors of Windows put a mark before the text. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/** `:3:17: …` as compilers have it. */
function whereIn(bytes: Buffer, error: unknown): string {
  const { cause, message } = error as { cause?: unknown; message: string };
  if (!(cause instanceof SyntaxError)) return `: ${message}`;
  const text = withoutMark(bytes).toString('utf8');
  const offset = faultOffset(text);
  const before = text.slice(0, offset).split('\n');
  const found =
    offset >= text.length ? 'it ends too early' : `"${text.slice(offset, offset + 12).split('\n')[0]}" is out of place`;
  return `:${before.length}:${(before.at(-1)?.length ?? 0) + 1}: this is no JSON: ${found}.`;
}

const TOKEN =
  /\s*(?:([{}[\],:])|("(?:[^"\\\n\r\t]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null))/iy;

/** Where a text stops being JSON: the parser of Node 20 does not tell. */
function faultOffset(text: string): number {
  const open: ('{' | '[')[] = [];
  let next: 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'colon' | 'more' = 'value';
  TOKEN.lastIndex = 0;
  for (;;) {
    const begin = TOKEN.lastIndex;
    const token = TOKEN.exec(text);
    if (token === null) return begin + (/^\s*/.exec(text.slice(begin))?.[0].length ?? 0);
    const [all, mark, string, scalar] = token;
    const at = begin + all.length - (mark ?? string ?? scalar ?? '').length;
    const wantsValue = next === 'value' || next === 'valueOrEnd';
    const wantsKey = next === 'key' || next === 'keyOrEnd';
    if (wantsValue && (mark === '{' || mark === '[')) {
      open.push(mark);
      next = mark === '{' ? 'keyOrEnd' : 'valueOrEnd';
    } else if (wantsValue && (string !== undefined || scalar !== undefined)) {
      next = 'more';
    } else if (wantsKey && string !== undefined) {
      next = 'colon';
    } else if (next === 'colon' && mark === ':') {
      next = 'value';
    } else if (next === 'more' && mark === ',' && open.length > 0) {
      next = open.at(-1) === '{' ? 'key' : 'value';
    } else if (mark === ']' && open.at(-1) === '[' && (next === 'more' || next === 'valueOrEnd')) {
      open.pop();
      next = 'more';
    } else if (mark === '}' && open.at(-1) === '{' && (next === 'more' || next === 'keyOrEnd')) {
      open.pop();
      next = 'more';
    } else {
      return at;
    }
  }
}
