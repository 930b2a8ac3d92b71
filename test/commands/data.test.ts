// How commands find the server of a data directory: one that answers late is there, one that was killed is not.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { serverUrl } from '../../src/commands/data.js';
import { SERVER_FILE } from '../../src/control.js';
import { ConfigError } from '../../src/errors.js';

describe('the server of a data directory', () => {
  let data: string;
  let url: string;
  let server: Server;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await writeFile(join(data, SERVER_FILE), JSON.stringify({ url, pid: 4711 }));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await rm(data, { recursive: true });
  });

  it('is waited for when it answers late', async () => {
    const found = serverUrl({ data });
    const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
    await setTimeout(2_500);
    response.end();
    assert.equal(await found, url);
  });

  it('is never taken for stopped while it takes connections and does not answer', async () => {
    await assert.rejects(serverUrl({ data }, 50), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      for (const part of [url, 'process 4711', '0.05 s', 'nothing was done', join(data, SERVER_FILE)])
        assert.ok(error.message.includes(part), error.message);
      return true;
    });
  });

  it('is not guessed from a file that does not say where it is', async () => {
    for (const text of ['', '{"url":', 'null', '{"url":"nowhere"}']) {
      await writeFile(join(data, SERVER_FILE), text);
      await assert.rejects(serverUrl({ data }), {
        name: 'ConfigError',
        message: /server\.json does not say.*delete the file/,
      });
    }
  });

  it('was killed when nobody listens any more, and never ran when there is no file', async () => {
    await new Promise((closed) => server.close(closed));
    assert.equal(await serverUrl({ data }), undefined);
    await rm(join(data, SERVER_FILE));
    assert.equal(await serverUrl({ data }), undefined);
  });
});
