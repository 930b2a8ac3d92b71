// The built pages: served from a list of what is there, with what browsers need to cache them long and run nothing else.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { BadRequest } from './errors.js';
import type { Handler, HttpRequest, HttpResponse, HttpServer } from './http.js';

export interface PagesOptions {
  /** Where `npm run build:web` puts them. */
  directory: string;
  /**
   * Origin of the calls that tokens name; asked when needed. A page opened under another name of the same machine may
   * call it, too.
   */
  publicUrl?: () => string;
  /** Who may show these pages in a frame, as in the Content-Security-Policy; nobody by default. */
  frameAncestors?: string;
}

interface Page {
  bytes: Buffer;
  type: string;
  /** Entity tag of the uncompressed bytes, without quotes. */
  tag: string;
  cacheControl: string;
  compressed: Map<Encoding, Promise<Buffer>>;
}

type Encoding = 'br' | 'gzip';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};

/** Smaller files do not become smaller by compressing. */
const COMPRESS_FROM_BYTES = 1_024;
const COMPRESSIBLE = /^(text\/|application\/(json|manifest|wasm)|image\/svg)/;
/** Web Chat's 2 MB take 0.1 s at this level and several seconds at the best one, for a tenth less. */
const BROTLI_LEVEL = 5;

/**
 * Serves everything in the directory at its path, `index.html` at its folder's.
 * @returns the same as a handler, for a route that decides first whether to show the page.
 */
export function servePages(http: HttpServer, options: PagesOptions): Handler {
  const { directory, publicUrl, frameAncestors = "'none'" } = options;
  let pages: Map<string, Page> | undefined;
  let reading: Promise<Map<string, Page>> | undefined;

  /** Read once; pages that were not there yet are looked for again. */
  async function known(): Promise<Map<string, Page>> {
    if (pages !== undefined) return pages;
    reading ??= readPages(directory).finally(() => (reading = undefined));
    const read = await reading;
    if (read.size > 0) pages = read;
    return read;
  }

  async function serve(request: HttpRequest): Promise<HttpResponse> {
    // Programs that call what does not exist get an answer they can read.
    if (isCall(request)) throw new BadRequest(404, 'NotFound', `There is no call ${request.method} ${request.path}.`);
    const all = await known();
    const page = all.get(request.path) ?? all.get(`${request.path}index.html`);
    if (page !== undefined) return answer(request, page, policy(frameAncestors, publicUrl?.()));
    if (all.has(`${request.path}/index.html`)) return { status: 308, headers: { location: `${request.path}/` } };
    if (all.size === 0 && (request.path === '/' || request.path === '/console/' || request.path === '/console'))
      return plain(
        503,
        'The pages are not built. Run "npm run build:web" and reload; everything else works without them.',
      );
    return plain(404, 'There is no such page.');
  }

  http.otherwise(serve);
  return serve;
}

function isCall({ method, path }: HttpRequest): boolean {
  return (method !== 'GET' && method !== 'HEAD') || path.startsWith('/api/') || path.startsWith('/v3/');
}

async function answer(request: HttpRequest, page: Page, contentSecurityPolicy: string): Promise<HttpResponse> {
  const encoding = encodingFor(request, page);
  const tag = `"${page.tag}${encoding === undefined ? '' : `-${encoding}`}"`;
  const headers: Record<string, string> = {
    'content-type': page.type,
    'cache-control': page.cacheControl,
    etag: tag,
    'referrer-policy': 'same-origin',
    ...(isCompressible(page) && { vary: 'accept-encoding' }),
    ...(page.type.startsWith('text/html') && { 'content-security-policy': contentSecurityPolicy }),
    // An SVG opened by itself is a document that could run scripts.
    ...(page.type.startsWith('image/svg') && {
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }),
  };
  const known = request
    .header('if-none-match')
    ?.split(',')
    .map((one) => one.trim().replace(/^W\//, ''));
  if (known !== undefined && (known.includes(tag) || known.includes('*'))) return { status: 304, headers };
  if (encoding === undefined) return { headers, body: page.bytes };
  return { headers: { ...headers, 'content-encoding': encoding }, body: await compressed(page, encoding) };
}

/**
 * Scripts only from here. Web Chat and Fluent write their styles while running, Web Chat reads a file to be uploaded back
 * from the blob it made of it and shrinks pictures in a worker made of one, and Adaptive Cards show pictures and media
 * from wherever the bot has them.
 */
function policy(frameAncestors: string, publicUrl: string | undefined): string {
  const origin = publicUrl === undefined ? '' : ` ${new URL(publicUrl).origin}`;
  // Not every browser takes 'self' for WebSockets, too.
  const sockets = origin.replace(/^ http/, ' ws');
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    `connect-src 'self' blob:${origin}${sockets}`,
    `img-src 'self'${origin} https: data: blob:`,
    `media-src 'self'${origin} https: data: blob:`,
    "font-src 'self' data:",
    "worker-src 'self' blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${frameAncestors}`,
  ].join('; ');
}

/** What a URL can name is this list: no path is ever put together from a request. */
async function readPages(directory: string): Promise<Map<string, Page>> {
  const pages = new Map<string, Page>();
  let files;
  try {
    files = await readdir(directory, { recursive: true, withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return pages;
    throw error;
  }
  await Promise.all(
    files.map(async (file) => {
      if (!file.isFile()) return;
      const place = join(file.parentPath, file.name);
      const path = `/${relative(directory, place).split(sep).join('/')}`;
      const bytes = await readFile(place);
      const type = TYPES[extname(file.name)] ?? 'application/octet-stream';
      const tag = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
      pages.set(path, { bytes, type, tag, cacheControl: cacheControl(path, type), compressed: new Map() });
    }),
  );
  return pages;
}

/** Names under /assets/ carry a digest of their content; pages name them and must always be the newest. */
function cacheControl(path: string, type: string): string {
  if (path.startsWith('/assets/')) return 'public, max-age=31536000, immutable';
  return type.startsWith('text/html') ? 'no-store' : 'public, max-age=3600';
}

function isCompressible({ bytes, type }: Page): boolean {
  return bytes.length >= COMPRESS_FROM_BYTES && COMPRESSIBLE.test(type);
}

function encodingFor(request: HttpRequest, page: Page): Encoding | undefined {
  if (!isCompressible(page)) return undefined;
  const accepted = new Set(
    (request.header('accept-encoding') ?? '')
      .split(',')
      .map((part) =>
        part
          .trim()
          .toLowerCase()
          .split(/\s*;\s*/),
      )
      .filter(([, quality]) => quality === undefined || !/^q=0(\.0*)?$/.test(quality))
      .map(([name]) => name),
  );
  return accepted.has('br') ? 'br' : accepted.has('gzip') ? 'gzip' : undefined;
}

/** Compressed at the first request and kept. */
function compressed(page: Page, encoding: Encoding): Promise<Buffer> {
  const known = page.compressed.get(encoding);
  if (known !== undefined) return known;
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants;
  const params = { [BROTLI_PARAM_QUALITY]: BROTLI_LEVEL, [BROTLI_PARAM_SIZE_HINT]: page.bytes.length };
  const made = encoding === 'br' ? promisify(brotliCompress)(page.bytes, { params }) : promisify(gzip)(page.bytes);
  page.compressed.set(encoding, made);
  return made;
}

function plain(status: number, text: string): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${text}\n` };
}
