// Files of a conversation: kept in the store under ids nobody can guess, and how a browser may be shown them.

import { randomBytes } from 'node:crypto';
import type { Clock, Store, StoredAttachment } from './ports.js';

/** What came in, before it has an id. */
export interface IncomingFile {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

const MEDIA_TYPE = /^[a-z\d][\w.+-]{0,100}\/[a-z\d][\w.+-]{0,100}(?:; ?charset=[\w-]{1,40})?$/i;
/** What a browser shows without running anything. Everything else is offered as a download. */
const PASSIVE_TYPE = /^(?:image\/(?:png|jpeg|gif|webp|bmp|avif)|(?:audio|video)\/[\w.+-]+|text\/plain)(?:;|$)/i;
const MAX_NAME_CHARACTERS = 200;

export class Attachments {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: Pick<Store, 'putAttachment' | 'getAttachment'>,
    private readonly clock: Clock,
  ) {}

  /** Resolves when the file, with its thumbnail where it has one, is on disk. */
  async keep(
    conversationId: string,
    { name, contentType, bytes }: IncomingFile,
    thumbnail?: Uint8Array,
  ): Promise<StoredAttachment> {
    const attachment: StoredAttachment = {
      // The id is the only key to the file: 192 bits.
      id: randomBytes(24).toString('base64url'),
      conversationId,
      name: cleanName(name),
      contentType: MEDIA_TYPE.test(contentType) ? contentType : 'application/octet-stream',
      bytes,
      at: this.clock.now(),
    };
    // One at a time: together they would be one commit of many megabytes, and everybody's messages wait for it (measured:
    // 3.4 s while one page sent 40 files of 4 MiB).
    const kept = this.#last.then(async () => {
      // First the thumbnail: a file that has an id is all there.
      if (thumbnail !== undefined)
        await this.store.putAttachment({ ...attachment, id: thumbnailOf(attachment.id), bytes: thumbnail });
      await this.store.putAttachment(attachment);
    });
    this.#last = kept.catch(() => undefined);
    await kept;
    return attachment;
  }

  get(id: string): Promise<StoredAttachment | undefined> {
    return this.store.getAttachment(id);
  }

  thumbnail(id: string): Promise<StoredAttachment | undefined> {
    return this.store.getAttachment(thumbnailOf(id));
  }
}

/** What the id of a thumbnail ends in, after the id of its original. */
export const THUMBNAIL = '-thumbnail';

function thumbnailOf(id: string): string {
  return `${id}${THUMBNAIL}`;
}

/** The file that a stored one belongs to: itself, or what it is a thumbnail of. They are erased together. */
export function originalOf(id: string): string {
  return id.endsWith(THUMBNAIL) ? id.slice(0, -THUMBNAIL.length) : id;
}

/** `origin` without a trailing slash. */
export function contentUrl(origin: string, id: string): string {
  return `${origin}/v3/attachments/${encodeURIComponent(id)}/views/original`;
}

/** Headers under which a stranger's file cannot run in our origin. */
export function fileHeaders({ name, contentType }: StoredAttachment): Record<string, string> {
  const disposition = PASSIVE_TYPE.test(contentType) ? 'inline' : 'attachment';
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  return {
    'content-type': contentType,
    'content-disposition': `${disposition}; filename="${ascii}"; filename*=UTF-8''${percentEncoded(name)}`,
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'cross-origin',
    'cache-control': 'private, max-age=3600',
  };
}

/** Marks that turn the reading direction: with one before "fdp.exe" a name seems to end in "exe.pdf". */
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A bare file name: no path, no control characters, well-formed. */
export function cleanName(name: string): string {
  const bare = (name.split(/[\\/]/).at(-1) ?? '')
    .replace(/\p{Cc}|\p{Cs}/gu, '')
    .replace(DIRECTION, '')
    .trim();
  return bare === '' ? 'file' : [...bare].slice(0, MAX_NAME_CHARACTERS).join('');
}

/** RFC 5987: what encodeURIComponent leaves alone but a header may not hold is encoded too. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
