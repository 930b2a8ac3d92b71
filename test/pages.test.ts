// The built pages over HTTP: what is there and nothing else, cached as long as its name allows, and running only its own scripts.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import http from 'node:http';
import { HttpServer } from '../src/http.js';
import { servePages, type PagesOptions } from '../src/pages.js';
import { SILENT } from './fakes/hub.js';

interface Got {
  status: number;
  headers: http.IncomingHttpHeaders;
  bytes: Buffer;
}

describe('pages', () => {
  const script = `console.log(${JSON.stringify('web chat '.repeat(1_000))});`;
  let folder: string;
  let server: HttpServer;
  let url: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-pages-'));
  });
  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function build(): Promise<void> {
    await mkdir(join(folder, 'web/assets'), { recursive: true });
    await mkdir(join(folder, 'web/console'), { recursive: true });
    await writeFile(join(folder, 'secret.txt'), 'not for the web');
    await writeFile(join(folder, 'web/index.html'), '<!doctype html><title>customer</title>');
    await writeFile(join(folder, 'web/console/index.html'), '<!doctype html><title>console</title>');
    await writeFile(join(folder, 'web/assets/app-1a2b3c.js'), script);
    await writeFile(join(folder, 'web/bank.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    await symlink(join(folder, 'secret.txt'), join(folder, 'web/link.txt'));
  }

  async function serve(options: Partial<PagesOptions> = {}): Promise<void> {
    server = new HttpServer({ log: SILENT });
    servePages(server, { directory: join(folder, 'web'), ...options });
    url = await server.listen(0, '127.0.0.1');
  }

  function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
    return new Promise((resolve, reject) => {
      const { port } = new URL(url);
      const sent = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes: Buffer.concat(chunks) }),
        );
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  it('shows the page of a folder, never from a cache, with scripts of its own only', async () => {
    await build();
    await serve();
    for (const [path, title] of [
      ['/', 'customer'],
      ['/console/', 'console'],
      ['/console/?view=all', 'console'],
    ] as const) {
      const { status, headers, bytes } = await get(path);
      assert.equal(status, 200);
      assert.ok(bytes.toString().includes(`<title>${title}</title>`));
      assert.equal(headers['content-type'], 'text/html; charset=utf-8');
      assert.equal(headers['cache-control'], 'no-store');
      const policy = String(headers['content-security-policy']);
      assert.match(policy, /default-src 'none'; script-src 'self';/);
      assert.match(policy, /frame-ancestors 'none'$/);
      assert.ok(!/script-src[^;]*unsafe/.test(policy));
    }
    const folderless = await get('/console');
    assert.deepEqual([folderless.status, folderless.headers.location], [308, '/console/']);
  });

  it('may be framed by those the operator names', async () => {
    await build();
    await serve({ frameAncestors: 'https://teams.microsoft.com' });
    const { headers } = await get('/console/');
    assert.match(String(headers['content-security-policy']), /frame-ancestors https:\/\/teams\.microsoft\.com$/);
  });

  it('lets browsers keep hashed files for good and ask about the others', async () => {
    await build();
    await serve();
    const asset = await get('/assets/app-1a2b3c.js');
    assert.equal(asset.headers['content-type'], 'text/javascript; charset=utf-8');
    assert.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(asset.headers['x-content-type-options'], 'nosniff');
    const etag = String(asset.headers.etag);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await get('/assets/app-1a2b3c.js', { 'if-none-match': known });
      assert.deepEqual([again.status, again.bytes.length], [304, 0], known);
    }
    assert.equal((await get('/assets/app-1a2b3c.js', { 'if-none-match': '"other"' })).status, 200);
    assert.equal((await get('/bank.svg')).headers['cache-control'], 'public, max-age=3600');
  });

  it('compresses for whoever can read it, each in its own entity', async () => {
    await build();
    await serve();
    const path = '/assets/app-1a2b3c.js';
    const [br, gz, none, refused] = await Promise.all([
      get(path, { 'accept-encoding': 'gzip, deflate, br' }),
      get(path, { 'accept-encoding': 'gzip;q=0.8' }),
      get(path),
      get(path, { 'accept-encoding': 'br;q=0, gzip;q=0' }),
    ]);
    assert.deepEqual([br.headers['content-encoding'], gz.headers['content-encoding']], ['br', 'gzip']);
    assert.equal(brotliDecompressSync(br.bytes).toString(), script);
    assert.equal(gunzipSync(gz.bytes).toString(), script);
    assert.ok(br.bytes.length < script.length / 10);
    for (const plain of [none, refused]) {
      assert.equal(plain.headers['content-encoding'], undefined);
      assert.equal(plain.bytes.toString(), script);
    }
    assert.equal(new Set([br, gz, none].map(({ headers }) => headers.etag)).size, 3);
    for (const answer of [br, gz, none]) assert.equal(answer.headers.vary, 'accept-encoding');
    const head = await get(path, { 'accept-encoding': 'br' }, 'HEAD');
    assert.deepEqual(
      [head.status, head.bytes.length, head.headers['content-length']],
      [200, 0, String(br.bytes.length)],
    );
  });

  it('serves nothing that is not in its folder, however it is asked for', async () => {
    await build();
    await serve();
    for (const path of [
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/assets/../../secret.txt',
      '/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
      '/..%5csecret.txt',
      '//secret.txt',
      '/link.txt',
      '/%00',
      '/%ff',
      '/console/nothing',
    ]) {
      const { status, bytes } = await get(path);
      assert.equal(status, 404, path);
      assert.ok(!bytes.toString().includes('not for the web'), path);
    }
    const raw = await rawGet('/../../../etc/passwd');
    assert.match(raw, /^HTTP\/1\.1 404/);
  });

  /** As a client that does not tidy its paths. */
  function rawGet(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(Number(new URL(url).port), '127.0.0.1', () =>
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
      );
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
      socket.on('error', reject);
    });
  }

  it('answers programs in JSON: calls that do not exist, and methods that pages do not have', async () => {
    await build();
    await serve();
    for (const [method, path] of [
      ['GET', '/api/v1/nothing'],
      ['GET', '/v3/directline/nothing'],
      ['POST', '/console/'],
      ['DELETE', '/index.html'],
    ] as const) {
      const { status, bytes } = await get(path, {}, method);
      assert.equal(status, 404);
      assert.equal((JSON.parse(bytes.toString()) as { error: { code: string } }).error.code, 'NotFound');
    }
  });

  it('says how to build the pages while there are none, and shows them once there are', async () => {
    await serve();
    for (const path of ['/', '/console/', '/console']) {
      const { status, bytes } = await get(path);
      assert.equal(status, 503, path);
      assert.match(bytes.toString(), /npm run build:web/);
    }
    assert.equal((await get('/bank.svg')).status, 404);
    await build();
    assert.equal((await get('/')).status, 200);
  });
});
