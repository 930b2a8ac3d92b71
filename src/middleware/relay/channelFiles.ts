// Files that only the bot's token opens: fetched into the hub's store, so that people can see what the customer sent.

import type { Activity, Attachment } from '../../core/activity.js';
import { Attachments, contentUrl } from '../../hub/attachments.js';
import type { Hub } from '../../hub/hub.js';
import type { ChannelHttp } from './channelHttp.js';

/** As of files that widgets upload. */
const FILE_LIMIT_BYTES = 4 * 1_048_576;
const FILES_PER_ACTIVITY = 10;
/** The channel waits meanwhile: what takes longer stays a link that the bot alone can open. */
const FETCH_WITHIN_MS = 5_000;

export class ChannelFiles {
  readonly #attachments: Attachments;

  constructor(
    private readonly hub: Hub,
    private readonly http: ChannelHttp,
    private readonly publicUrl: () => string,
  ) {
    this.#attachments = new Attachments(hub.store, hub.clock);
  }

  /** The activity as it is recorded: each file on the channel's own host replaced by the hub's copy, where it could be had. */
  async fetch(activity: Activity, conversationId: string): Promise<Activity> {
    const { type, attachments, serviceUrl } = activity;
    if (type !== 'message' || !Array.isArray(attachments) || serviceUrl === undefined) return activity;
    const files = attachments.filter((one) => isOnHost(one, serviceUrl)).slice(0, FILES_PER_ACTIVITY);
    if (files.length === 0) return activity;
    const copies = new Map<Attachment, Attachment>();
    await Promise.all(
      files.map(async (file) => {
        const copy = await this.#copy(file, conversationId);
        if (copy !== undefined) copies.set(file, copy);
      }),
    );
    return { ...activity, attachments: attachments.map((one) => copies.get(one) ?? one) };
  }

  async #copy(file: Attachment, conversationId: string): Promise<Attachment | undefined> {
    try {
      const url = new URL(file.contentUrl as string);
      const fetched = await this.http.file(url, FILE_LIMIT_BYTES, FETCH_WITHIN_MS);
      if (fetched === undefined) return undefined;
      const { bytes, contentType } = fetched;
      const name = file.name ?? 'file';
      const { id } = await this.#attachments.keep(conversationId, { name, contentType, bytes });
      // Teams says image/*: what the host says can be shown.
      const kind = file.contentType.includes('*') ? contentType : file.contentType;
      return { ...file, contentType: kind, contentUrl: contentUrl(this.publicUrl(), id) };
    } catch (error) {
      this.hub.log.warn({ err: error, conversation: conversationId }, "a customer's file could not be fetched");
      return undefined;
    }
  }
}

/** The bot's token goes to the host its channel named in a token of its own, and to no other. */
function isOnHost(attachment: unknown, serviceUrl: string): attachment is Attachment {
  const { contentUrl: url, contentType } = (attachment ?? {}) as Partial<Attachment>;
  return (
    typeof url === 'string' &&
    typeof contentType === 'string' &&
    URL.canParse(url) &&
    new URL(url).origin === new URL(serviceUrl).origin
  );
}
