// The disk becomes full while customers talk: they are told to try again, and it goes on by itself when there is room.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSite, SECRET } from '../directline/site.js';
import { openHub } from '../fakes/hub.js';
import { Widget } from '../fakes/widget.js';
import { faultsOf, History } from './history.js';
import { logsOf, report, seqOf } from './rig.js';
import { sized } from './size.js';

const ROUNDS = sized({ full: 10, short: 2 });
const CUSTOMERS = 5;

/** On a disk of its own, so on the embedded store only: a database server has its own. */
describe('a full disk', function () {
  this.timeout(300_000);
  let directory: string;
  beforeEach(async function () {
    directory = await mkdtemp(join(tmpdir(), 'handoff-disk-'));
    // Needs the right to mount; that the store refuses and keeps what it has is tried in test/store/sqlite.test.ts without.
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=0700', 'tmpfs', directory]);
    if (mounted.status !== 0) {
      await rm(directory, { recursive: true });
      this.skip();
    }
  });
  afterEach(async () => {
    if (spawnSync('umount', [directory]).status !== 0) throw new Error(`${directory} is still in use`);
    await rm(directory, { recursive: true });
  });

  it('refuses with 503 what it cannot keep, loses nothing it acknowledged, and goes on by itself', async () => {
    const history = new History();
    const hub = await openHub({ directory: join(directory, 'data') });
    const site = await openSite({ hub });
    const widgets: Widget[] = [];
    let refused = 0;
    try {
      for (let n = 0; n < CUSTOMERS; n += 1)
        widgets.push(
          await Widget.start({ url: site.url, secret: SECRET, user: { id: `dl_${n}`, name: `Customer ${n}` } }),
        );
      let sent = 0;
      const say = async (widget: Widget, length: number): Promise<number> => {
        const text = `${(sent += 1)} ${'x'.repeat(length)}`;
        history.sent('customer', widget.conversationId, text);
        const { status, body } = await widget.post({ type: 'message', text });
        if (status === 200) history.acknowledged('customer', widget.conversationId, text);
        else assert.match(JSON.stringify(body), /StoreUnavailable.*Nothing was stored; please send it again/);
        return status;
      };
      const ballast = join(directory, 'ballast');
      for (let round = 0; round < ROUNDS; round += 1) {
        await fillUp(ballast);
        let statuses: number[] = [];
        for (let tries = 0; tries < 200 && !statuses.includes(503); tries += 1)
          statuses = await Promise.all(widgets.map((widget) => say(widget, 10_000)));
        assert.ok(statuses.includes(503), 'the disk is full');
        refused += statuses.filter((status) => status === 503).length;
        await rm(ballast);
        for (const widget of widgets)
          assert.equal(await say(widget, 10), 200, 'there is room again, nobody restarts anything');
        await hub.hub.settled();
      }
      for (const widget of widgets) {
        const last = (await widget.read()).at(-1)?.id;
        await widget.next(({ id }) => id === last, 20_000);
        for (const { id, text, type } of widget.received)
          if (type === 'message') history.received('customer', widget.conversationId, text ?? '', seqOf(id) ?? 0);
      }
      const logs = await logsOf(hub.store);
      for (const id of logs.keys()) assert.deepEqual((await hub.store.audit(id))?.faults, []);
      assert.deepEqual(faultsOf(history, { logs }), []);
      report({ rounds: ROUNDS, sent: history.count('sent'), refused, lost: 0, doubled: 0 });
    } finally {
      for (const widget of widgets) await widget.close();
      await site.close();
    }
  });
});

/** Leaves less than a few messages of room. */
async function fillUp(file: string): Promise<void> {
  for (let bytes = 6_000_000; bytes > 0; bytes -= 100_000) {
    try {
      await writeFile(file, Buffer.alloc(bytes));
      return;
    } catch {
      // Not that much.
    }
  }
}
