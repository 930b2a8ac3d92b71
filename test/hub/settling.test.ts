// What is delivered is marked as settled: together, with the next append where one comes soon, and never forgotten.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { OutboxRow, Settlement, Store } from '../../src/hub/ports.js';
import { Settling } from '../../src/hub/settling.js';

describe('settlements', () => {
  let calls: string[][];
  let refuses: boolean;
  let warned: number;
  let settling: Settling;

  beforeEach(() => {
    calls = [];
    refuses = false;
    warned = 0;
    const settle = (settlements: readonly Settlement[]): Promise<void> => {
      if (refuses) return Promise.reject(new Error('the disk is full'));
      calls.push(settlements.map(({ id }) => id));
      return Promise.resolve();
    };
    const log = { info() {}, warn: () => (warned += 1), error() {}, debug() {} };
    settling = new Settling({ settle } as unknown as Store, log);
  });

  const done = (id: string): Settlement => ({ id, outcome: 'done' });
  const row = (id: string) => ({ id }) as OutboxRow;

  it('go together with the next append, in the order in which they came', async () => {
    settling.settle(done('a/1/0'));
    settling.settle(done('b/1/0'));
    assert.deepEqual(calls, [], 'they wait for an append');
    settling.write();
    assert.deepEqual(calls, [['a/1/0', 'b/1/0']], 'before the append itself is given to the store');
    await settling.settled();
    assert.deepEqual(calls, [['a/1/0', 'b/1/0']], 'and once');
  });

  it('are written by themselves when nothing is appended', async () => {
    settling.settle(done('a/1/0'));
    assert.equal(settling.isIdle, false);
    while (!settling.isIdle) await setTimeout(1);
    assert.deepEqual(calls, [['a/1/0']]);
  });

  it('are written at once for whoever must know that they are', async () => {
    settling.settle(done('a/1/0'));
    const settled = settling.settled();
    assert.deepEqual(calls, [['a/1/0']]);
    await settled;
    assert.equal(settling.isIdle, true);
  });

  it('that the store could not take are owed no more here, and are written when it can', async () => {
    refuses = true;
    settling.settle(done('a/1/0'));
    await settling.settled();
    assert.equal(warned, 1);
    await assert.rejects(settling.catchUp(), /full/);
    assert.deepEqual(await settling.stillOwed(() => Promise.resolve([row('a/1/0'), row('a/2/0')])), [row('a/2/0')]);
    refuses = false;
    await settling.catchUp();
    assert.deepEqual(calls, [['a/1/0']]);
  });

  it('that come while the record is read are not taken for owed', async () => {
    const rows = await settling.stillOwed(async () => {
      settling.settle(done('a/1/0'));
      await settling.settled();
      return [row('a/1/0'), row('b/1/0')];
    });
    assert.deepEqual(rows, [row('b/1/0')]);
  });

  it('that are gathered when the record is read, too', async () => {
    settling.settle(done('a/1/0'));
    const rows = await settling.stillOwed(() => Promise.resolve([row('a/1/0'), row('b/1/0')]));
    assert.deepEqual(rows, [row('b/1/0')]);
  });

  it('that are being written when the record is read, too', async () => {
    settling.settle(done('a/1/0'));
    const settled = settling.settled();
    const rows = await settling.stillOwed(async () => {
      await settled;
      return [row('a/1/0'), row('b/1/0')];
    });
    assert.deepEqual(rows, [row('b/1/0')]);
  });

  it('of a row that was to be tried again and is delivered meanwhile count until the last is written', async () => {
    settling.settle({ id: 'a/1/0', outcome: 'retry', attempts: 1, dueAt: 0 });
    const written = settling.settled();
    settling.settle(done('a/1/0'));
    await written;
    assert.equal(settling.isIdle, false);
    assert.deepEqual(await settling.stillOwed(() => Promise.resolve([row('a/1/0')])), []);
    await settling.settled();
    assert.equal(settling.isIdle, true);
  });

  it('that the store could not take are written with the next that it takes', async () => {
    refuses = true;
    settling.settle(done('a/1/0'));
    await settling.settled();
    refuses = false;
    settling.settle(done('b/1/0'));
    await settling.settled();
    assert.deepEqual(calls, [['b/1/0'], ['a/1/0']]);
  });
});
