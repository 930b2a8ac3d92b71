// Files a person sends in the chat: fetched from their channel at once and kept here, where the customer can open them.

import http from 'node:http';
import https from 'node:https';
import type { Activity, Attachment } from '../../core/activity.js';
import { isObject } from '../../core/context.js';
import { Attachments, contentUrl, type IncomingFile } from '../../hub/attachments.js';
import type { Hub } from '../../hub/hub.js';

export interface FileSource {
  /** The channel's own address, which serves what is sent through it. */
  readonly serviceUrl: string;
  /** For files that only the bot may read; sent to `serviceUrl` and nowhere else. */
  readonly token?: () => Promise<string | undefined>;
}

export interface KeptFiles {
  readonly attachments: Attachment[];
  /** Why a file was not passed on, a sentence each. */
  readonly refused: string[];
}

export const FILE_LIMIT_BYTES = 4 * 1_048_576;
const MOST_FILES = 10;
const FETCH_WITHIN_MS = 15_000;
/** Where Teams keeps what is sent as a file; the address carries its own permission. */
const TEAMS_FILE = 'application/vnd.microsoft.teams.file.download.info';
const TEAMS_FILE_HOST = /\.sharepoint(-df)?\.(com|us|cn)$/;

/** Attachments that carry a file. Teams repeats each formatted message as text/html; that is no file. */
export function hasFiles(activity: Activity): boolean {
  return attachmentsOf(activity).length > 0;
}

export async function keepFiles(
  hub: Pick<Hub, 'store' | 'clock'>,
  conversationId: string,
  activity: Activity,
  source: FileSource,
  origin: string,
): Promise<KeptFiles> {
  const kept: KeptFiles = { attachments: [], refused: [] };
  const files = new Attachments(hub.store, hub.clock);
  for (const [index, attachment] of attachmentsOf(activity).entries()) {
    const name = typeof attachment.name === 'string' && attachment.name !== '' ? attachment.name : 'file';
    try {
      if (index >= MOST_FILES) throw new NotKept(`more than ${MOST_FILES} files in one message`);
      const file = await fileOf(attachment, name, source);
      const { id, name: clean, contentType } = await files.keep(conversationId, file);
      kept.attachments.push({ contentType, contentUrl: contentUrl(origin, id), name: clean });
    } catch (error) {
      if (!(error instanceof NotKept)) throw error;
      kept.refused.push(`${name} was not passed on: ${error.message}.`);
    }
  }
  return kept;
}

class NotKept extends Error {}

function attachmentsOf({ attachments }: Activity): Attachment[] {
  if (!Array.isArray(attachments)) return [];
  return attachments.filter(
    (one) => isObject(one) && typeof one.contentType === 'string' && one.contentType !== 'text/html',
  );
}

async function fileOf(attachment: Attachment, name: string, source: FileSource): Promise<IncomingFile> {
  const { contentType, contentUrl: url, content } = attachment;
  if (contentType === TEAMS_FILE) {
    const download = isObject(content) ? content['downloadUrl'] : undefined;
    const address = typeof download === 'string' && URL.canParse(download) ? new URL(download) : undefined;
    if (address?.protocol !== 'https:' || !TEAMS_FILE_HOST.test(address.hostname))
      throw new NotKept('it does not lie where Teams keeps files');
    return { name, ...(await fetchFile(address)) };
  }
  if (typeof url !== 'string') throw new NotKept('only files can be passed on, not cards');
  if (url.startsWith('data:')) return { name, contentType, bytes: decodeData(url) };
  const address = URL.canParse(url) ? new URL(url) : undefined;
  // Whatever else a message names is not fetched: this server reaches places that who writes to it may not.
  if (address === undefined || address.origin !== new URL(source.serviceUrl).origin)
    throw new NotKept('it does not lie with your channel; send the link instead');
  const fetched = await fetchFile(address, await source.token?.());
  return { name, contentType: contentType.includes('*') ? fetched.contentType : contentType, bytes: fetched.bytes };
}

function decodeData(url: string): Buffer {
  const [, encoded] = /^data:[^,]*;base64,([A-Za-z0-9+/=\s]*)$/.exec(url) ?? [];
  if (encoded === undefined) throw new NotKept('its data address cannot be read');
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length > FILE_LIMIT_BYTES) throw tooLarge();
  return bytes;
}

/** One GET without redirects. */
function fetchFile(url: URL, token?: string): Promise<{ bytes: Buffer; contentType: string }> {
  return new Promise((resolve, reject) => {
    const { get } = url.protocol === 'https:' ? https : http;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const request = get(url, { headers, signal: AbortSignal.timeout(FETCH_WITHIN_MS) }, (response) => {
      const refuse = (error: NotKept) => {
        response.destroy();
        reject(error);
      };
      if (response.statusCode !== 200) return refuse(new NotKept(`your channel answered ${response.statusCode}`));
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > FILE_LIMIT_BYTES) refuse(tooLarge());
        else chunks.push(chunk);
      });
      response.on('end', () =>
        resolve({
          bytes: Buffer.concat(chunks),
          contentType: response.headers['content-type'] ?? 'application/octet-stream',
        }),
      );
      response.on('error', () => reject(new NotKept('your channel broke off')));
    });
    request.on('error', () => reject(new NotKept('your channel could not be reached')));
  });
}

function tooLarge(): NotKept {
  return new NotKept(`it is larger than ${FILE_LIMIT_BYTES / 1_048_576} MB`);
}
