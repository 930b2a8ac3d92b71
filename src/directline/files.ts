// GET /v3/attachments: what customers, bots and people sent as files, by ids nobody can guess.

import { BadRequest } from '../errors.js';
import type { HttpRequest, HttpResponse, HttpServer } from '../http.js';
import { fileHeaders, type Attachments } from '../hub/attachments.js';
import type { StoredAttachment } from '../hub/ports.js';
import { corsHeaders } from './origins.js';

/** A file as it came, and what a bot sent to be shown in its place. */
type View = 'original' | 'thumbnail';

/** Asked for files that are not kept here. */
export type FilesElsewhere = (request: HttpRequest) => Promise<HttpResponse | undefined>;

export function serveFiles(http: HttpServer, attachments: Attachments, elsewhere?: FilesElsewhere): void {
  http.area('/v3/attachments', { headers: corsHeaders });
  http.get('/v3/attachments/:id', async (request) => {
    const [file, thumbnail] = [
      await find(attachments, request, 'original'),
      await find(attachments, request, 'thumbnail'),
    ];
    if (file === undefined) return (await elsewhere?.(request)) ?? noFile();
    const { name, contentType } = file;
    return {
      body: {
        name,
        type: contentType,
        views: [viewOf('original', file), ...(thumbnail ? [viewOf('thumbnail', thumbnail)] : [])],
      },
    };
  });
  http.get('/v3/attachments/:id/views/:view', async (request) => {
    const view = request.params['view'];
    const file = view === 'original' || view === 'thumbnail' ? await find(attachments, request, view) : undefined;
    if (file === undefined) return (await elsewhere?.(request)) ?? noFile();
    return {
      headers: fileHeaders(file),
      body: Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.bytes.byteLength),
    };
  });
}

function viewOf(viewId: View, { bytes }: StoredAttachment) {
  return { viewId, size: bytes.length };
}

async function find(attachments: Attachments, request: HttpRequest, view: View): Promise<StoredAttachment | undefined> {
  const id = request.params['id'] ?? '';
  if (!/^[\w-]{1,100}$/.test(id)) return undefined;
  return view === 'original' ? attachments.get(id) : attachments.thumbnail(id);
}

function noFile(): never {
  throw new BadRequest(
    404,
    'BadArgument',
    'There is no such attachment, or no such view of it. It may have been erased; GET /v3/attachments/{id} lists the views.',
  );
}
