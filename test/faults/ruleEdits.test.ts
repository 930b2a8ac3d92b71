// The rules are edited while customers stream in: each decision is made by one version of them, and says by which.

import assert from 'node:assert/strict';
import { directoryOf, readConfiguration, checkConfiguration, type Configuration } from '../../src/config.js';
import type { HandoffHub } from '../../src/createHub.js';
import type { Directory } from '../../src/core/directory.js';
import { routeInFull, shortened, type RouteReceipt } from '../../src/core/routing.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { fullReceipt, type FullReceipt } from '../../src/hub/receipts.js';
import { until } from '../fakes/shop.js';
import { Hubs } from './nodes.js';
import { configurationOf, describeFaults, leftBehind, randomFor, report } from './rig.js';
import { sized } from './size.js';

const CUSTOMERS = sized({ full: 5_000, short: 400 });
const EDITS = sized({ full: 200, short: 20 });
const QUEUES = ['North', 'South', 'East', 'West'] as const;
const TOPICS = ['cards', 'loans'] as const;

/** Rules of an edition that never hold: more than a receipt lists. */
const IDLE_RULES = 40;

/** Which topic goes where, in which order the rules stand, and what the idle ones before them look for, changes with every edition. */
function edition(random: () => number): Configuration {
  const some = (): string => QUEUES[Math.floor(random() * QUEUES.length)] ?? 'North';
  const rules = TOPICS.map((value) => ({
    when: { variable: 'Topic', operator: 'equals' as const, value },
    queue: some(),
  }));
  if (random() < 0.5) rules.reverse();
  const idle = Array.from({ length: IDLE_RULES }, () => ({
    when: { variable: 'Topic', operator: 'equals' as const, value: `topic ${random()}` },
    queue: some(),
  }));
  const configuration = readConfiguration(configurationOf({ agents: 4, capacity: 3 }));
  return {
    ...configuration,
    queues: [...(configuration.queues ?? []), ...QUEUES.map((id, index) => ({ id, members: [`agent${index}`] }))],
    workStreams: [{ id: 'web', fallbackQueue: some(), rules: [...idle, ...rules] }],
  };
}

/** Decides once more on what the receipt says was known, with the rules of the version that it cites. */
function decidedAgain(receipt: RouteReceipt, directory: Directory, topic: string): RouteReceipt {
  const workStream = directory.workStreams['web'];
  assert.ok(workStream !== undefined);
  const context = { Topic: { value: topic } };
  const request = { at: receipt.at, workStream, directory, context, facts: {}, needsPeople: false, triedBots: [] };
  return routeInFull(request);
}

/** Of each conversation the receipt as a hub gives it to who asks for all of it, by the versions that the record has. */
async function inFull(hub: HandoffHub, ids: Iterable<string>): Promise<Map<string, FullReceipt>> {
  const found = new Map<string, FullReceipt>();
  const read = new Map<number, Promise<Directory | undefined>>();
  const directoryAt = (version: number): Promise<Directory | undefined> => {
    const directory = read.get(version) ?? hub.directoryAt(version);
    read.set(version, directory);
    return directory;
  };
  for (const id of ids) {
    const log = await hub.entries(id, 0, 1_000);
    const seq = log.find(({ event }) => event.type === 'routed')?.seq ?? 0;
    const full = await fullReceipt(log, seq, directoryAt);
    if (full !== undefined) found.set(id, full);
  }
  return found;
}

describeFaults('rules that are edited under load', (place) => {
  it('decide by one version each, which the receipt names and agrees with', async () => {
    const random = randomFor('ruleEdits');
    const hubs = await Hubs.open(place(), { agents: 4, capacity: 3 });
    const versions = new Map<number, Directory>();
    const apply = async (): Promise<void> => {
      const configuration = edition(random);
      const version = await hubs.of(versions.size).applyConfiguration(configuration, 'ada');
      versions.set(version, directoryOf(checkConfiguration(configuration), version));
    };
    const topics = new Map<string, string>();
    let full: Map<string, FullReceipt>;
    try {
      await apply();
      const [first] = versions.keys();
      // Until a node has heard of it, what it opened with is in force there.
      await until('all go by it', () => hubs.all.every(({ directory }) => directory.version === first));
      let started = 0;
      const arrive = async (): Promise<void> => {
        while (started < CUSTOMERS) {
          const topic = [...TOPICS, 'other'][started % 3] as string;
          started += 1;
          const id = newConversationId();
          topics.set(id, topic);
          const variables = { Topic: { value: topic } };
          await hubs.of(started).handle(id, {
            type: 'start',
            id,
            workStream: 'web',
            channel: { id: 'directline' },
            customer: id,
            variables,
          });
        }
      };
      const edit = async (): Promise<void> => {
        for (let edits = 1; edits < EDITS; edits += 1) {
          const enough = started + CUSTOMERS / EDITS / 2;
          while (started < Math.min(enough, CUSTOMERS)) await new Promise((resolve) => setImmediate(resolve));
          await apply();
        }
      };
      await Promise.all([edit(), ...Array.from({ length: 8 }, arrive)]);
      full = await inFull(hubs.of(0), topics.keys());
    } finally {
      await hubs.stop();
    }
    const { logs, faults } = await leftBehind(place());
    assert.deepEqual(faults, []);
    const cited = new Set<number>();
    let decisions = 0;
    for (const [id, log] of logs)
      for (const { event } of log) {
        if (event.type !== 'routed') continue;
        const receipt = event.body?.receipt as RouteReceipt;
        assert.equal(receipt.ruleSetVersion, event.ruleSetVersion);
        const directory = versions.get(event.ruleSetVersion);
        assert.ok(directory !== undefined, `version ${event.ruleSetVersion} was once in force`);
        const topic = topics.get(id) ?? '';
        const again = decidedAgain(receipt, directory, topic);
        assert.deepEqual(receipt, shortened(again));
        assert.ok(receipt.omitted !== undefined);
        assert.deepEqual(full.get(id), { receipt: again });
        assert.equal(event.queue, receipt.queue);
        cited.add(event.ruleSetVersion);
        decisions += 1;
      }
    assert.equal(decisions, CUSTOMERS);
    assert.ok(cited.size > EDITS / 4, `${cited.size} versions decided something`);
    report({ decisions, edits: EDITS, 'versions cited': cited.size, 'receipts that disagree': 0 });
  });
});
