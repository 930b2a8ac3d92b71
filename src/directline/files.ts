// GET /v3/attachments: what customers, bots and people sent as files, by ids nobody can guess.

import { BadRequest } from '../errors.js';
import type { HttpRequest, HttpServer } from '../http.js';
import { fileHeaders, type Attachments } from '../hub/attachments.js';
import { corsHeaders } from './origins.js';

/** The only view of a file: as it came. */
const ORIGINAL = 'original';

export function serveFiles(http: HttpServer, attachments: Attachments): void {
  http.area('/v3/attachments', { headers: corsHeaders });
  http.get('/v3/attachments/:id', async (request) => {
    const { name, contentType, bytes } = await find(attachments, request);
    return { body: { name, type: contentType, views: [{ viewId: ORIGINAL, size: bytes.length }] } };
  });
  http.get('/v3/attachments/:id/views/:view', async (request) => {
    if (request.params['view'] !== ORIGINAL)
      throw new BadRequest(404, 'BadArgument', `There is no such view. Ask for "${ORIGINAL}".`);
    const file = await find(attachments, request);
    return {
      headers: fileHeaders(file),
      body: Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.bytes.byteLength),
    };
  });
}

async function find(attachments: Attachments, request: HttpRequest) {
  const id = request.params['id'] ?? '';
  const file = /^[\w-]{1,100}$/.test(id) ? await attachments.get(id) : undefined;
  if (file === undefined)
    throw new BadRequest(404, 'BadArgument', 'There is no such attachment. It may have been erased.');
  return file;
}
