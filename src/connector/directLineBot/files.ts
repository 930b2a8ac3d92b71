// What customers sent as files goes to the bot as bytes: the bot's service need not be able to reach this server.

import type { Activity, Attachment } from '../../core/activity.js';
import type { Hub } from '../../hub/hub.js';
import type { UploadedFile } from './service.js';

const FILE_PATH = /^\/v3\/attachments\/([\w-]{1,100})\/views\/original$/;

/** Files of this conversation up to the limit; everything else stays in the activity as it is. */
export async function filesOf(
  hub: Hub,
  conversationId: string,
  activity: Activity,
  limitBytes: number,
): Promise<{ content: Activity; files: UploadedFile[] }> {
  if (activity.type !== 'message' || !Array.isArray(activity.attachments)) return { content: activity, files: [] };
  const files: UploadedFile[] = [];
  const attachments: Attachment[] = [];
  for (const attachment of activity.attachments) {
    const id = fileIdOf(attachment.contentUrl, hub.serviceUrl);
    const file = id === undefined ? undefined : await hub.store.getAttachment(id);
    if (file === undefined || file.conversationId !== conversationId || file.bytes.length > limitBytes) {
      attachments.push(attachment);
      continue;
    }
    const { contentUrl: _contentUrl, ...announced } = attachment;
    // The service finds the file that belongs to an announced attachment by its name.
    const name = uniqueName(announced.name ?? file.name, files);
    attachments.push({ ...announced, name });
    files.push({ name, contentType: file.contentType, bytes: file.bytes });
  }
  return files.length === 0 ? { content: activity, files } : { content: { ...activity, attachments }, files };
}

function fileIdOf(contentUrl: string | undefined, serviceUrl: string): string | undefined {
  if (contentUrl === undefined || !URL.canParse(contentUrl)) return undefined;
  const { origin, pathname } = new URL(contentUrl);
  return origin === new URL(serviceUrl).origin ? FILE_PATH.exec(pathname)?.[1] : undefined;
}

function uniqueName(name: string, files: readonly { name: string }[]): string {
  const isTaken = (candidate: string) => files.some((file) => file.name === candidate);
  for (let n = 2, candidate = name; ; n += 1) {
    if (!isTaken(candidate)) return candidate;
    candidate = `${n}-${name}`;
  }
}
