/**
 * Fails the test that leaves a server, socket, child process, worker or timer open, so that mocha ends by itself.
 *
 * After each test: what is open and was not before it. After each file: the same against the start of the run, timers
 * included (a server shared by a file's tests may arm timers meanwhile). `TRACE_LEAKS=1` adds where each was opened.
 *
 * After each test: the Bot Framework SDK forgets the keys it read. It keeps them by URL for a day, and the system hands
 * one port to several servers of a run, each with keys of its own: the later one's tokens would have no valid signature.
 */
import { createHook } from 'node:async_hooks';
import type { ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { Server, Socket } from 'node:net';
import type { RootHookObject } from 'mocha';
import type { Worker } from 'node:worker_threads';
import { stopServer } from './store/cluster.js';

/** Sockets and processes need a moment to finish closing. */
const graceMs = 2_000;
const pollMs = 5;
// Taken before any test replaces the clock.
const { setTimeout, setImmediate } = globalThis;
const now = performance.now.bind(performance);

const workers = new Set<Worker>();
process.on('worker', (worker) => {
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
});

const openedAt = new WeakMap<object, string>();
const timers = new Map<number, NodeJS.Timeout>();
if (process.env['TRACE_LEAKS']) traceOrigins();

interface Open {
  handles: Set<object>;
  timers: number;
}

function whatIsOpen(): Open {
  // Undocumented, but the only list that names its members; it holds exactly what would keep this process alive.
  const handles = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
  return {
    handles: new Set([...handles, ...workers]),
    timers: process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length,
  };
}

function leaksSince(before: Open, options: { timers: boolean }): string[] {
  const after = whatIsOpen();
  const leaks = [...after.handles]
    // A connection accepted by a server that is meant to outlive the test goes when that server closes.
    .filter((handle) => !before.handles.has(handle) && !before.handles.has(acceptedBy(handle) ?? handle))
    .map(describeHandle);
  const timersLeft = after.timers - before.timers;
  if (options.timers && timersLeft > 0) leaks.push(`${timersLeft} timer(s)${timerOrigins()}`);
  return leaks;
}

async function expectNothingLeft(before: Open, options: { timers: boolean }): Promise<void> {
  const deadline = now() + graceMs;
  if (options.timers) await turn();
  for (;;) {
    const leaks = leaksSince(before, options);
    if (leaks.length === 0) return;
    if (now() > deadline) {
      leaked = true;
      throw new Error(
        `still open: ${leaks.join('; ')}. Close what the test opened (TRACE_LEAKS=1 shows where that was).`,
      );
    }
    await turn();
  }
}

/**
 * Waits a little, and ends outside of any timer's callback: a timer counts as running until its callback has returned.
 * Mocha guards an asynchronous hook by a timer of its own, once the hook has returned its promise: every look at the
 * timers comes after a turn, so that this one is in all of them.
 */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), pollMs));
}

const require = createRequire(import.meta.url);
const extractorPath = require.resolve('botframework-connector/lib/auth/jwtTokenExtractor');

function forgetKeys(): void {
  // Only a test that loaded the SDK pays for it.
  const loaded = require.cache[extractorPath]?.exports as
    { JwtTokenExtractor: { openIdMetadataCache: Map<string, unknown> } } | undefined;
  loaded?.JwtTokenExtractor.openIdMetadataCache.clear();
}

let leaked = false;

export const mochaHooks: RootHookObject = {
  async beforeAll(this: Mocha.Context) {
    // Hung onto each file's own suites: a failing root hook would end the whole run, this one ends only the file.
    const root = this.test?.parent;
    await turn();
    let atStart = whatIsOpen();
    for (const suite of root?.suites ?? []) {
      let beforeTest = atStart;
      let reported = false;
      // The first of all beforeEach hooks, so that what the others open counts as the test's.
      suite.beforeEach('note what is open', () => {
        beforeTest = whatIsOpen();
      });
      const hooks = (suite as unknown as { _beforeEach: unknown[] })._beforeEach;
      hooks.unshift(hooks.pop());
      suite.afterEach('the keys of other servers are forgotten', forgetKeys);
      suite.afterEach('nothing is left open', async function () {
        this.timeout(graceMs * 2);
        reported = true;
        await expectNothingLeft(beforeTest, { timers: false });
        reported = false;
      });
      suite.afterAll('nothing is left open', async function () {
        this.timeout(graceMs * 2);
        try {
          if (!reported) await expectNothingLeft(atStart, { timers: true });
        } finally {
          // Reported once: the files after this one are not blamed for it.
          if (leaked) atStart = whatIsOpen();
        }
      });
    }
  },
  async afterAll() {
    // Every test shares it, so none of them ends it.
    await stopServer();
    // The leak has failed its test already; what it left must not keep the run from ending.
    if (leaked) setTimeout(() => process.exit(), 500).unref();
  },
};

function acceptedBy(handle: object): object | undefined {
  return handle instanceof Socket ? (handle as Socket & { server?: Server }).server : undefined;
}

function describeHandle(handle: object): string {
  const wrapped = (handle as { _handle?: object })._handle;
  const origin = openedAt.get(wrapped ?? handle) ?? openedAt.get(handle) ?? '';
  return nameHandle(handle) + origin;
}

function nameHandle(handle: object): string {
  if (handle instanceof Server) return `server on ${JSON.stringify(handle.address())}`;
  if (handle instanceof Socket) {
    return handle.remotePort ? `socket ${handle.localPort} to ${handle.remoteAddress}:${handle.remotePort}` : 'pipe';
  }
  if ('spawnfile' in handle) return `process ${(handle as ChildProcess).spawnfile} ${(handle as ChildProcess).pid}`;
  if ('threadId' in handle) return `worker ${(handle as Worker).threadId}`;
  return handle.constructor.name;
}

function timerOrigins(): string {
  return [...timers.values()]
    .filter((timer) => timer.hasRef())
    .map((timer) => openedAt.get(timer) ?? '')
    .join('');
}

/** Costs a hook on every asynchronous step, hence only on demand. */
function traceOrigins(): void {
  const traced = /^(TCPWRAP|TCPSERVERWRAP|PIPEWRAP|PROCESSWRAP|WORKER|Timeout)$/;
  createHook({
    init(id, type, _trigger, resource) {
      if (!traced.test(type)) return;
      const stack = new Error().stack
        ?.split('\n')
        .filter((line) => line.includes('file:') && !line.includes('/hooks.js'));
      openedAt.set(resource, `\n${stack?.slice(0, 6).join('\n') ?? ''}\n`);
      if (type === 'Timeout') timers.set(id, resource as NodeJS.Timeout);
    },
    destroy: (id) => timers.delete(id),
  }).enable();
}
