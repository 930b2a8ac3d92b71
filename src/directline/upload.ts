// Operation 7 of Direct Line: files with or without an activity, as multipart or as one raw body.

import busboy from 'busboy';
import type { Readable } from 'node:stream';
import { isRecord, parseActivity } from '../activityJson.js';
import { activityId, type Activity, type Attachment } from '../core/activity.js';
import type { Conversation } from '../core/conversation.js';
import { BadRequest } from '../errors.js';
import { BODY_LIMIT_BYTES, parseJson, type HttpRequest, type HttpResponse } from '../http.js';
import { cleanName, contentUrl, type Attachments, type IncomingFile } from '../hub/attachments.js';
import { speakerOf, submit } from './activities.js';
import { authenticateFor, type Caller } from './callers.js';
import { findConversation, type ConversationContext } from './conversations.js';
import { idempotencyKey } from './inbound.js';
import type { UploadRoom } from '../hub/uploadRoom.js';

export interface UploadContext extends ConversationContext {
  readonly attachments: Attachments;
  /** Of one file. */
  readonly uploadLimitBytes: number;
  readonly uploadRoom: UploadRoom;
}

const MAX_FILES = 10;
/** Of one request, in files of the largest size. */
const MAX_FULL_FILES = 4;
const ACTIVITY_PART = 'activity';
const ACTIVITY_TYPE = 'application/vnd.microsoft.activity';

interface Parts {
  activity: Activity | undefined;
  files: IncomingFile[];
}

/** POST /conversations/{id}/upload?userId=: nothing is stored unless all of it is in order. */
export async function upload(context: UploadContext, request: HttpRequest): Promise<HttpResponse> {
  const conversationId = request.params['id'] ?? '';
  const caller = await authenticateFor(context, request, conversationId);
  const state = await findConversation(context, caller, conversationId);
  const leave = context.uploadRoom.take(conversationId, largestBody(context, request));
  try {
    return await receive(context, request, caller, state);
  } finally {
    leave();
  }
}

/** As many bytes as the body says it has, or may have where it does not say. */
function largestBody({ uploadLimitBytes }: UploadContext, request: HttpRequest): number {
  const most = uploadLimitBytes * MAX_FULL_FILES + BODY_LIMIT_BYTES;
  const said = request.header('content-length');
  return said === undefined ? most : Math.min(Number(said) || 0, most);
}

async function receive(
  context: UploadContext,
  request: HttpRequest,
  caller: Caller,
  state: Conversation,
): Promise<HttpResponse> {
  const conversationId = state.id;
  const isMultipart = /^multipart\/form-data\b/i.test(request.header('content-type') ?? '');
  const { activity = { type: 'message' }, files } = isMultipart
    ? await readMultipart(request, context.uploadLimitBytes)
    : await readSingle(request, context.uploadLimitBytes);
  const userId = request.query.get('userId') ?? undefined;
  const from = activity.from ?? (userId === undefined ? undefined : { id: userId });
  const speaker = speakerOf(context, caller, state, from);
  const key = idempotencyKey(speaker.by.id, activity);
  const known = key === undefined ? undefined : await context.hub.store.findEntry(conversationId, { key });
  if (known !== undefined) return { body: { id: activityId(conversationId, known.seq) } };
  if (state.phase === 'closed')
    throw new BadRequest(400, 'conversationClosed', 'This conversation is closed. Start a new one.', {
      reason: state.reason,
    });
  const kept: Attachment[] = [];
  for (const file of files) {
    const { id, name, contentType } = await context.attachments.keep(conversationId, file);
    kept.push({ contentType, contentUrl: contentUrl(context.publicUrl(), id), name });
  }
  const attachments = withFiles(activity.attachments ?? [], kept);
  return { body: { id: await submit(context, caller, state, { ...activity, attachments }, speaker) } };
}

/**
 * Files belong to the activity's attachments by name, whatever the order of the parts; files nobody announced come after
 * them. An announced attachment whose file is missing and that has no content of its own would show as broken: it is left out.
 */
export function withFiles(announced: readonly Attachment[], kept: readonly Attachment[]): Attachment[] {
  const left = [...kept];
  const attachments = announced.flatMap((template): Attachment[] => {
    const at = left.findIndex((file) => file.name === cleanName(template.name ?? ''));
    const [file] = at < 0 ? [] : left.splice(at, 1);
    if (file !== undefined)
      return [{ ...template, contentType: template.contentType || file.contentType, contentUrl: file.contentUrl }];
    return template.content === undefined && template.contentUrl === undefined ? [] : [template];
  });
  return [...attachments, ...left];
}

/** The raw form: the body is the file, its name is in Content-Disposition. */
async function readSingle(request: HttpRequest, limitBytes: number): Promise<Parts> {
  const bytes = await request.bytes(limitBytes);
  const contentType = request.header('content-type') ?? 'application/octet-stream';
  if (bytes.length === 0)
    throw new BadRequest(
      400,
      'MissingProperty',
      'The upload is empty. Send the file as the body, or multipart/form-data.',
    );
  return {
    activity: undefined,
    files: [{ name: fileNameOf(request.header('content-disposition')), contentType, bytes }],
  };
}

function fileNameOf(disposition = ''): string {
  const extended = /filename\*=UTF-8''([^;\s]+)/i.exec(disposition)?.[1];
  if (extended !== undefined) {
    try {
      return decodeURIComponent(extended);
    } catch {
      // Not what it says it is: the plain name is taken.
    }
  }
  const plain = /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1] ?? /filename=([^;\s]+)/i.exec(disposition)?.[1];
  // Header bytes are UTF-8 in practice and come in as Latin-1.
  return plain === undefined ? 'file' : Buffer.from(plain.replace(/\\(.)/g, '$1'), 'latin1').toString('utf8');
}

function readMultipart(request: HttpRequest, limitBytes: number): Promise<Parts> {
  const parts: Parts = { activity: undefined, files: [] };
  return new Promise<Parts>((resolve, reject) => {
    let reader: busboy.Busboy;
    try {
      reader = busboy({
        headers: request.raw.headers,
        defParamCharset: 'utf8',
        limits: {
          // One over the limit is noticed; a file that is exactly as large as allowed is not cut.
          fileSize: limitBytes + 1,
          files: MAX_FILES + 1,
          fieldSize: BODY_LIMIT_BYTES,
          fields: MAX_FILES,
          parts: 3 * MAX_FILES,
        },
      });
    } catch (cause) {
      return reject(notMultipart(cause));
    }
    let total = 0;
    let isOver = false;
    const fail = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      request.raw.unpipe(reader);
      // What is left of the body is read and thrown away, so that the client gets to read the answer.
      request.raw.resume();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const takeActivity = (json: Buffer): void => {
      try {
        parts.activity = parseActivity(parseJson(json));
      } catch (error) {
        fail(error);
      }
    };
    reader.on('field', (name, value, info) => {
      if (name !== ACTIVITY_PART && info.mimeType !== ACTIVITY_TYPE) return;
      if (info.valueTruncated) fail(tooLarge(`The activity part may have ${BODY_LIMIT_BYTES} bytes.`));
      else takeActivity(Buffer.from(value));
    });
    reader.on('file', (name, stream: Readable, info) => {
      const isActivity = name === ACTIVITY_PART || info.mimeType === ACTIVITY_TYPE;
      const chunks: Buffer[] = [];
      let size = 0;
      stream.on('data', (chunk: Buffer) => {
        size += chunk.length;
        total += chunk.length;
        if (isOver) return;
        if (isActivity && size > BODY_LIMIT_BYTES)
          fail(tooLarge(`The activity part may have ${BODY_LIMIT_BYTES} bytes.`));
        else if (size > limitBytes)
          fail(tooLarge(`A file may have ${limitBytes} bytes. "${info.filename}" has more; send a smaller one.`));
        else if (total > limitBytes * MAX_FULL_FILES)
          fail(tooLarge(`The files of one message may have ${limitBytes * MAX_FULL_FILES} bytes together.`));
        else chunks.push(chunk);
      });
      stream.on('error', (cause) => fail(notMultipart(cause)));
      stream.on('end', () => {
        if (isOver) return;
        const bytes = Buffer.concat(chunks, size);
        if (isActivity) takeActivity(bytes);
        else if (parts.files.length === MAX_FILES) fail(tooMany());
        else parts.files.push({ name: info.filename ?? 'file', contentType: info.mimeType, bytes });
      });
    });
    reader.on('filesLimit', () => fail(tooMany()));
    reader.on('partsLimit', () => fail(tooMany()));
    reader.on('error', (cause) => fail(notMultipart(cause)));
    reader.on('close', () => {
      if (isOver) return;
      if (parts.files.length === 0 && parts.activity === undefined)
        return fail(new BadRequest(400, 'MissingProperty', 'The upload holds neither a file nor an activity.'));
      isOver = true;
      resolve(parts);
    });
    request.raw.on('error', fail);
    request.raw.on('aborted', () => fail(notMultipart(undefined)));
    request.raw.pipe(reader);
  });
}

function tooLarge(message: string): BadRequest {
  return new BadRequest(413, 'RequestTooLarge', message);
}

function tooMany(): BadRequest {
  return new BadRequest(
    413,
    'RequestTooLarge',
    `One message takes at most ${MAX_FILES} files. Send the others in another one.`,
  );
}

function notMultipart(cause: unknown): BadRequest {
  const message =
    'The body is not complete multipart/form-data. Send every part with its headers and the closing boundary.';
  return new BadRequest(400, 'BadSyntax', message, {}, isRecord(cause) || cause instanceof Error ? { cause } : {});
}
