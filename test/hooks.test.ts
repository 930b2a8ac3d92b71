// The test run itself: a leak fails the test that leaked, the run still ends, and its last line says the truth.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const projectFolder = fileURLToPath(new URL('../..', import.meta.url));

describe('a test run', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-hooks-'));
  });

  after(() => rm(folder, { recursive: true }));

  /** Runs mocha with this repository's own settings on files given as text. */
  async function runMocha(
    files: Record<string, string>,
    ...flags: string[]
  ): Promise<{ code: number | null; output: string }> {
    const paths = await Promise.all(
      Object.entries(files).map(async ([name, text]) => {
        const path = join(folder, name);
        await writeFile(path, text);
        return path;
      }),
    );
    const mocha = join(projectFolder, 'node_modules/mocha/bin/mocha.js');
    const child = spawn(process.execPath, [mocha, '--no-color', ...flags, ...paths], {
      cwd: projectFolder,
      timeout: 60_000,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, output };
  }

  it('names the test that left a server, a client socket, a child process or a worker open, and ends', async function () {
    this.timeout(60_000);
    const { code, output } = await runMocha({
      'server.test.mjs': `import net from 'node:net';
        describe('server', () => { it('leaks a server', (done) => void net.createServer().listen(0, done)); });`,
      'socket.test.mjs': `import net from 'node:net';
        describe('socket', () => {
          let server;
          before((done) => { server = net.createServer().listen(0, done); });
          after(() => { server.close(); });
          it('leaks a socket', (done) => { net.connect(server.address().port, done); });
        });`,
      'process.test.mjs': `import { spawn } from 'node:child_process';
        describe('process', () => {
          it('leaks a process', (done) => { spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)'], { stdio: 'ignore' }).on('spawn', done); });
        });`,
      'worker.test.mjs': `import { Worker } from 'node:worker_threads';
        describe('worker', () => {
          it('leaks a worker', (done) => { new Worker('setInterval(() => {}, 9)', { eval: true }).on('online', done); });
        });`,
    });
    for (const title of ['leaks a server', 'leaks a socket', 'leaks a process', 'leaks a worker'])
      assert.match(output, new RegExp(`"after each" hook: nothing is left open for "${title}"`), output);
    assert.match(output, /still open: server on \{/);
    assert.match(output, /still open: worker \d/);
    assert.notEqual(code, 0);
    assert.notEqual(code, null, 'the run had to be ended from outside');
  });

  it('names the file that left a timer running', async () => {
    const { code, output } = await runMocha({
      'timer.test.mjs': `describe('timer', () => { it('leaks', () => { setInterval(() => {}, 1000); }); });`,
    });
    assert.match(output, /"after all" hook: nothing is left open/);
    assert.match(output, /still open: 1 timer/);
    assert.equal(code, 1);
  });

  it('passes files whose servers are shared by their tests and closed afterwards', async () => {
    const { code, output } = await runMocha({
      'tidy.test.mjs': `import http from 'node:http';
        describe('tidy', () => {
          let server;
          before((done) => { server = http.createServer((q, r) => r.end('hello')).listen(0, done); });
          after((done) => { server.closeAllConnections(); server.close(done); });
          it('asks once', async () => { await (await fetch('http://127.0.0.1:' + server.address().port)).text(); });
          it('asks again', async () => { await (await fetch('http://127.0.0.1:' + server.address().port)).text(); });
        });`,
    });
    assert.equal(code, 0, output);
    assert.match(output, /2 passing[\s\S]*\n2 passed, 0 failed\n$/);
  });

  it('lets no test read tokens with the keys that an earlier server on its port had', async function () {
    this.timeout(60_000);
    const anchor = JSON.stringify(join(projectFolder, 'package.json'));
    const file = (name: string) => `import http from 'node:http';
      import { createRequire } from 'node:module';
      import { exportJWK, generateKeyPair, SignJWT } from ${JSON.stringify(import.meta.resolve('jose'))};
      const { JwtTokenExtractor } = createRequire(${anchor})('botframework-connector/lib/auth/jwtTokenExtractor');
      describe('${name}', () => {
        it('believes its own server', async () => {
          const { privateKey, publicKey } = await generateKeyPair('RS256');
          const jwk = { ...(await exportJWK(publicKey)), kid: 'same' };
          const server = http.createServer((req, res) => {
            res.end(JSON.stringify(req.url === '/keys' ? { keys: [jwk] } : { jwks_uri: origin + '/keys' }));
          });
          await new Promise((listening) => server.listen(globalThis.port ?? 0, '127.0.0.1', listening));
          globalThis.port = server.address().port;
          const origin = 'http://127.0.0.1:' + globalThis.port;
          try {
            const token = await new SignJWT({ iss: 'test', exp: 1e10 })
              .setProtectedHeader({ alg: 'RS256', kid: 'same' })
              .sign(privateKey);
            const extractor = new JwtTokenExtractor({ issuer: 'test' }, origin + '/metadata', ['RS256']);
            if ((await extractor.getIdentity('Bearer', token, 'test', [])) === null) throw new Error('not looked at');
          } finally {
            server.closeAllConnections();
            await new Promise((closed) => server.close(closed));
          }
        });
      });`;
    const { code, output } = await runMocha({ 'first.test.mjs': file('first'), 'second.test.mjs': file('second') });
    assert.equal(code, 0, output);
  });

  it('says how many passed and failed in its last line and with its exit code', async () => {
    const { code, output } = await runMocha({
      'mixed.test.mjs': `describe('mixed', () => {
        it('one', () => {}); it('two', () => {}); it('three', () => { throw new Error('on purpose'); });
      });`,
    });
    assert.equal(code, 1);
    assert.match(output, /2 passing[\s\S]*1 failing[\s\S]*\n2 passed, 1 failed\n$/);
  });

  it('fails and names the cases when none has the name that was asked for', async () => {
    const files = { 'some.test.mjs': `describe('something', () => { it('is so', () => {}); });` };
    const { code, output } = await runMocha(files, '--fail-zero', '-g', 'nothing like it');
    assert.equal(code, 1);
    assert.match(output, /No test has such a name\. The cases:\n {2}something\n0 passed, 0 failed\n$/);
  });
});
