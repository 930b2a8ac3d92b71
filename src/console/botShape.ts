// What the staff API says of a bot: how it is doing at all nodes together, and at each.

import { hostname } from 'node:os';
import type { Bot, Person } from '../core/directory.js';
import { withoutAddresses } from '../hub/botFaults.js';
import { wholeHealth, type NodeHealth } from '../hub/botHealth.js';
import type { Hub } from '../hub/hub.js';
import type { ToldStatus } from '../hub/ports.js';
import { time } from './shapes.js';

/**
 * A bot and how it is doing, at this node and those that are `others`. How it is reached, also where an error names it, only
 * those read who run it: supervisors and administrators.
 */
export function botShape(hub: Hub, bot: Bot, reader: Person, others: readonly ToldStatus[]): Record<string, unknown> {
  const runsBots = reader.roles.includes('supervisor') || reader.roles.includes('administrator');
  const shown = (text: string) => (runsBots ? text : withoutAddresses(text));
  const nodeShape = ({ node, host }: { node: string; host: string }) => ({
    id: node,
    host: runsBots ? host : undefined,
  });
  const elsewhere = others.flatMap(({ node, host, bots }): NodeHealth[] => {
    const health = bots[bot.id];
    return health === undefined ? [] : [{ node, host, health }];
  });
  const all = [{ node: hub.nodes?.node ?? '', host: hostname(), health: hub.botStatus.of(bot.id) }, ...elsewhere];
  const { breaker, failingSince, lastError, lastErrorAt, lastAnswerAt, latency, warnings } = wholeHealth(all);
  return {
    id: bot.id,
    name: bot.name,
    bridging: bot.bridging,
    // For all conversations, or for those of one channel.
    connected: hub.bots.has(bot.id) || [...hub.bots.keys()].some((name) => name.startsWith(`${bot.id} `)),
    breaker,
    failingSince: time(failingSince),
    lastError:
      lastError === undefined
        ? undefined
        : {
            at: time(lastError.at),
            kind: lastError.kind,
            what: shown(lastError.what),
            cure: shown(lastError.cure),
            node: hub.nodes === undefined || lastErrorAt === undefined ? undefined : nodeShape(lastErrorAt),
          },
    lastAnswerAt: time(lastAnswerAt),
    latency,
    warnings: warnings.map(({ code, text, at }) => ({ code, text: shown(text), at: time(at) })),
    nodes:
      hub.nodes === undefined
        ? undefined
        : all.map(({ node, host, health }) => ({
            ...nodeShape({ node, host }),
            breaker: health.breaker,
            failingSince: time(health.failingSince),
            lastErrorAt: time(health.lastError?.at),
            lastAnswerAt: time(health.lastAnswerAt),
          })),
    queues: Object.values(hub.directory.queues)
      .filter((queue) => queue.members.includes(bot.id))
      .map((queue) => queue.id),
  };
}
