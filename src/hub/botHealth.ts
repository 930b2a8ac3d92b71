// How a bot is doing at one node, and how it is doing at all of them together.

import type { BotFault } from './botFaults.js';
import type { Breaker, Outage } from './breaker.js';

/** Something a person should change although turns may still succeed. */
export interface BotWarning {
  /** One per cause: what is warned about again under the same code replaces what was said before. */
  readonly code: string;
  /** What is wrong and what to do, in a sentence each. Never a secret, never what a customer wrote. */
  readonly text: string;
  /** Last time it was noticed, epoch milliseconds. */
  readonly at: number;
}

export interface BotHealth {
  readonly breaker: Breaker['state'];
  /** Since the first failure after the last good turn, epoch milliseconds. */
  readonly failingSince?: number;
  /** Stays when the bot has recovered: `lastAnswerAt` tells. */
  readonly lastError?: Pick<BotFault, 'kind' | 'what' | 'cure'> & { readonly at: number };
  readonly lastAnswerAt?: number;
  /** How long the bot took for customers' messages of the last 15 minutes, the last 500 at most. */
  readonly latency: { readonly turns: number; readonly p50Ms?: number; readonly p99Ms?: number };
  readonly warnings: readonly BotWarning[];
}

export interface BreakerChange {
  readonly bot: string;
  readonly state: 'open' | 'closed';
}

/** What one node tells the others of its breaker, and they need not believe. */
export type BreakerNews =
  | { readonly bot: string; readonly state: 'open'; readonly outage: Outage; readonly what: string }
  | { readonly bot: string; readonly state: 'closed' };

/** How the bot is doing at one of several nodes. */
export interface NodeHealth {
  readonly node: string;
  /** Name of the machine. */
  readonly host: string;
  readonly health: BotHealth;
}

/** Of all nodes: the worst state, the last error, the slowest latency. */
export interface WholeHealth extends BotHealth {
  /** Where the last error happened. */
  readonly lastErrorAt?: { readonly node: string; readonly host: string };
}

const WORST: readonly Breaker['state'][] = ['open', 'halfOpen', 'closed'];

/** @param nodes at least one. */
export function wholeHealth(nodes: readonly NodeHealth[]): WholeHealth {
  const all = nodes.map(({ health }) => health);
  const latest = nodes
    .filter(({ health }) => health.lastError !== undefined)
    .reduce<NodeHealth | undefined>((last, one) => (errorAt(one) > errorAt(last) ? one : last), undefined);
  const failingSince = least(all.map((health) => health.failingSince));
  const lastAnswerAt = most(all.map((health) => health.lastAnswerAt));
  const [p50Ms, p99Ms] = [most(all.map(({ latency }) => latency.p50Ms)), most(all.map(({ latency }) => latency.p99Ms))];
  const warnings = new Map<string, BotWarning>();
  for (const warning of all.flatMap((health) => health.warnings))
    if (warning.at >= (warnings.get(warning.code)?.at ?? -Infinity)) warnings.set(warning.code, warning);
  return {
    breaker: WORST.find((state) => all.some(({ breaker }) => breaker === state)) ?? 'closed',
    ...(failingSince === undefined ? {} : { failingSince }),
    ...(latest?.health.lastError === undefined
      ? {}
      : { lastError: latest.health.lastError, lastErrorAt: { node: latest.node, host: latest.host } }),
    ...(lastAnswerAt === undefined ? {} : { lastAnswerAt }),
    latency: {
      turns: all.reduce((sum, { latency }) => sum + latency.turns, 0),
      ...(p50Ms === undefined ? {} : { p50Ms }),
      ...(p99Ms === undefined ? {} : { p99Ms }),
    },
    warnings: [...warnings.values()],
  };
}

function errorAt(node: NodeHealth | undefined): number {
  return node?.health.lastError?.at ?? -Infinity;
}

function known(times: readonly (number | undefined)[]): number[] {
  return times.filter((time) => time !== undefined);
}

function least(times: readonly (number | undefined)[]): number | undefined {
  return known(times).sort((a, b) => a - b)[0];
}

function most(times: readonly (number | undefined)[]): number | undefined {
  return known(times).sort((a, b) => b - a)[0];
}
