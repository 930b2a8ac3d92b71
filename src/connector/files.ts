// Files that bots upload: kept like those of customers, under ids that open them to everybody who knows one.

import { BadRequest } from '../errors.js';
import { BODY_LIMIT_BYTES, type HttpResponse } from '../http.js';
import { fieldsOf, placeOf, type Call, type CallContext } from './calls.js';
import type { OfConversation } from './operations.js';

/** A file and its thumbnail, each as large as a file may be. */
export function uploadBodyBytes({ uploadLimitBytes }: Pick<CallContext, 'uploadLimitBytes'>): number {
  return 2 * Math.ceil((uploadLimitBytes * 4) / 3) + BODY_LIMIT_BYTES;
}

/** POST …/attachments: AttachmentData. 200 with the id under which `GET /v3/attachments/{id}` gives it back. */
export async function uploadAttachment(
  context: CallContext,
  call: Call,
  { conversationId }: OfConversation,
): Promise<HttpResponse> {
  const { type, name, originalBase64, thumbnailBase64 } = fieldsOf(
    call,
    '{"type", "name", "originalBase64", "thumbnailBase64"}',
  );
  if (typeof type !== 'string' || type === '')
    throw new BadRequest(400, 'MissingProperty', 'There is no "type". Send the media type of the file.');
  const bytes = bytesIn(context, 'originalBase64', originalBase64);
  if (bytes === undefined)
    throw new BadRequest(400, 'MissingProperty', 'There is no "originalBase64". Send the file in base64.');
  const thumbnail = bytesIn(context, 'thumbnailBase64', thumbnailBase64);
  const { state } = await placeOf(context, call, conversationId);
  const file = { name: typeof name === 'string' ? name : '', contentType: type, bytes };
  const { id } = await context.attachments.keep(state.id, file, thumbnail);
  return { body: { id } };
}

/** Standard or URL-safe base64, padded or not. @throws BadRequest 400, 413 */
function bytesIn({ uploadLimitBytes }: CallContext, field: string, value: unknown): Buffer | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || !/^[\w+/-]+={0,2}$/.test(value))
    throw new BadRequest(400, 'BadArgument', `"${field}" must be a string in base64.`);
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length > uploadLimitBytes)
    throw new BadRequest(
      413,
      'RequestTooLarge',
      `A file may have ${uploadLimitBytes} bytes; "${field}" has ${bytes.length}.`,
    );
  return bytes;
}
