// A bot's live stream: pieces shown as they come (typing with a text), and the message that replaces them.

import { withChannelData, type Activity } from './activity.js';
import { isObject } from './context.js';

/** What a piece says of its stream. */
const FIELDS = ['streamId', 'streamType', 'streamSequence', 'streamResult'] as const;

/**
 * SDKs write it into an entity, as Teams reads it; Web Chat up to 4.18 finds it in channelData only, and shows every piece
 * as a message of its own when it is not there. So readers get it in both.
 */
export function withStreamFields(activity: Activity): Activity {
  if (activity.type !== 'typing' && activity.type !== 'message') return activity;
  const info = inEntity(activity);
  if (info === undefined || inChannelData(activity) !== undefined) return activity;
  const fields = FIELDS.flatMap((field) => (info[field] === undefined ? [] : [[field, info[field]] as const]));
  return withChannelData(activity, Object.fromEntries(fields));
}

export interface StreamPiece {
  /** Of the first piece, under which its readers know it; bots learn it from the answer to that one. */
  readonly stream: string;
  readonly isFirst: boolean;
}

/** The piece of a live stream that this activity is, shown under `id`; undefined for plain typing. */
export function pieceOf(activity: Activity, id: string): StreamPiece | undefined {
  const info = inChannelData(activity) ?? inEntity(activity);
  if (activity.type !== 'typing' || info === undefined) return undefined;
  const { streamId, streamSequence } = info;
  const stream = typeof streamId === 'string' && streamId !== '' ? streamId : undefined;
  return { stream: stream ?? id, isFirst: stream === undefined || streamSequence === 1 };
}

function inChannelData({ channelData }: Activity): Record<string, unknown> | undefined {
  return isObject(channelData) && channelData['streamType'] !== undefined ? channelData : undefined;
}

function inEntity({ entities }: Activity): Record<string, unknown> | undefined {
  if (!Array.isArray(entities)) return undefined;
  return entities.find(
    (entity): entity is Record<string, unknown> =>
      isObject(entity) && typeof entity['type'] === 'string' && entity['type'].toLowerCase() === 'streaminfo',
  );
}
