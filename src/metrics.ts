// Prometheus figures: what an operator must see to know that customers are served.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BotHealth } from './hub/botHealth.js';
import type { Hub } from './hub/hub.js';

const NS_PER_SECOND = 1e9;
const MS_PER_SECOND = 1_000;
/** By the number that the figure shows. */
const BREAKER_STATES: readonly BotHealth['breaker'][] = ['closed', 'halfOpen', 'open'];

export interface Metrics {
  registry: Registry;
  stop(): void;
}

/** `sockets` = open sockets by kind, asked when the figures are read. */
export function measure(hub: Hub, sockets: () => Record<string, number>): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();

  new Gauge({
    name: 'handoff_conversations',
    help: 'Conversations by phase.',
    labelNames: ['phase'],
    registers,
    async collect() {
      const { byPhase } = await hub.store.counts();
      this.reset();
      for (const [phase, count] of Object.entries(byPhase)) this.set({ phase }, count);
    },
  });
  new Gauge({
    name: 'handoff_queue_length',
    help: 'Customers who wait, by queue.',
    labelNames: ['queue'],
    registers,
    collect() {
      this.reset();
      for (const queue of Object.keys(hub.directory.queues)) this.set({ queue }, 0);
      for (const { queue, length } of hub.lines.lengths()) this.set({ queue }, length);
    },
  });
  new Gauge({
    name: 'handoff_queue_oldest_wait_seconds',
    help: 'How long the customer who waits longest has waited, by queue.',
    labelNames: ['queue'],
    registers,
    collect() {
      this.reset();
      const now = hub.clock.now();
      for (const queue of Object.keys(hub.directory.queues)) this.set({ queue }, 0);
      for (const { queue, oldestWaitingSince } of hub.lines.lengths())
        this.set({ queue }, Math.max(0, now - oldestWaitingSince) / MS_PER_SECOND);
    },
  });
  new Gauge({
    name: 'handoff_outbox_depth',
    help: 'Activities still owed to bots and channels, by whichever process.',
    registers,
    async collect() {
      this.set((await hub.store.counts()).outboxDepth);
    },
  });
  new Gauge({
    name: 'handoff_bot_breaker_state',
    help: "The bot's circuit breaker: 0 closed, 1 half open, 2 open.",
    labelNames: ['bot'],
    registers,
    collect() {
      this.reset();
      for (const bot of Object.keys(hub.directory.bots))
        this.set({ bot }, BREAKER_STATES.indexOf(hub.botStatus.of(bot).breaker));
    },
  });
  new Gauge({
    name: 'handoff_bot_warnings',
    help: 'Things that somebody should change about the bot, listed by GET /api/v1/bots.',
    labelNames: ['bot'],
    registers,
    collect() {
      this.reset();
      for (const bot of Object.keys(hub.directory.bots)) this.set({ bot }, hub.botStatus.of(bot).warnings.length);
    },
  });
  new Gauge({
    name: 'handoff_sockets',
    help: 'Open sockets by kind.',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const [kind, count] of Object.entries(sockets())) this.set({ kind }, count);
    },
  });
  new Gauge({
    name: 'handoff_event_loop_delay_seconds',
    help: 'Delay of the event loop since the last reading, by quantile.',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const quantile of [50, 99])
        this.set({ quantile: String(quantile / 100) }, delay.percentile(quantile) / NS_PER_SECOND);
      delay.reset();
    },
  });
  new Gauge({
    name: 'handoff_resident_memory_bytes',
    help: 'Resident memory of the process.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });

  const events = new Counter({
    name: 'handoff_events_total',
    help: 'Log entries by type.',
    labelNames: ['type'],
    registers,
  });
  const commands = new Counter({
    name: 'handoff_commands_total',
    help: 'Handled commands by kind and outcome.',
    labelNames: ['command', 'outcome'],
    registers,
  });
  const commandSeconds = new Histogram({
    name: 'handoff_command_seconds',
    help: 'From command to commit.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  });
  const acceptSeconds = new Histogram({
    name: 'handoff_accept_seconds',
    help: 'From the moment a customer began to wait until a person accepted.',
    buckets: [1, 5, 15, 30, 60, 120, 300, 600, 1200],
    registers,
  });
  const offers = new Counter({
    name: 'handoff_offers_total',
    help: 'Requests to people by what became of them.',
    labelNames: ['outcome'],
    registers,
  });
  const botSeconds = new Histogram({
    name: 'handoff_bot_turn_seconds',
    help: 'Duration of bot turns that succeeded.',
    labelNames: ['bot'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60],
    registers,
  });
  const botFailures = new Counter({
    name: 'handoff_bot_failures_total',
    help: 'Failed bot turns by kind; outcome retry = the bot certainly did not get it and it is sent again.',
    labelNames: ['bot', 'kind', 'outcome'],
    registers,
  });
  const botRefusals = new Counter({
    name: 'handoff_bot_turns_refused_total',
    help: 'Turns that were not tried because the bot fails.',
    labelNames: ['bot'],
    registers,
  });
  const botHandOvers = new Counter({
    name: 'handoff_bot_handovers_total',
    help: 'Customers who were handed to people because the bot failed.',
    labelNames: ['bot'],
    registers,
  });
  const breakerOpened = new Counter({
    name: 'handoff_bot_breaker_opened_total',
    help: "How often the bot's circuit breaker opened.",
    labelNames: ['bot'],
    registers,
  });
  const refusals = new Counter({
    name: 'handoff_bot_calls_refused_total',
    help: 'Calls to the connector or its token endpoints by somebody who is not believed to be a bot of ours.',
    labelNames: ['reason'],
    registers,
  });
  const botCalls = new Counter({
    name: 'handoff_bot_calls_total',
    help: 'Calls of bots to the Connector by operation and status; code says why one was refused.',
    labelNames: ['operation', 'status', 'code'],
    registers,
  });
  const flushSeconds = new Histogram({
    name: 'handoff_store_flush_seconds',
    help: 'Duration of one group commit.',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5],
    registers,
  });
  const flushSize = new Histogram({
    name: 'handoff_store_flush_size',
    help: 'Appends gathered into one group commit.',
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
    registers,
  });

  hub.store.figures().onFlush = (size, ms) => {
    flushSize.observe(size);
    flushSeconds.observe(ms / MS_PER_SECOND);
  };
  const unobserve = hub.observe({
    committed(entries) {
      for (const { event } of entries) {
        events.inc({ type: event.type });
        if (event.type === 'escalated' && event.reason === 'botUnavailable') botHandOvers.inc({ bot: event.bot ?? '' });
        if (event.type === 'accepted') acceptSeconds.observe((event.at - event.waitingSince) / MS_PER_SECOND);
        if (event.type === 'offered') offers.inc({ outcome: 'offered' }, event.offers.length);
        if (event.type === 'accepted' && event.how === 'offer') offers.inc({ outcome: 'accepted' });
        if (event.type === 'declined') offers.inc({ outcome: 'declined' });
        if (event.type === 'lapsed') offers.inc({ outcome: 'lapsed' }, event.agents.length);
        if (event.type === 'withdrawn') offers.inc({ outcome: 'withdrawn' }, event.agents.length);
      }
    },
    handled({ command, outcome, ms }) {
      commands.inc({ command, outcome });
      commandSeconds.observe(ms / MS_PER_SECOND);
    },
    callRefused({ reason }) {
      refusals.inc({ reason });
    },
    botTurn({ bot, ms, outcome, kind }) {
      if (outcome === 'done') botSeconds.observe({ bot }, ms / MS_PER_SECOND);
      else botFailures.inc({ bot, outcome, kind: kind ?? 'failed' });
    },
    botRefused: (bot) => botRefusals.inc({ bot }),
    breaker({ bot, state }) {
      if (state === 'open') breakerOpened.inc({ bot });
    },
    botCall({ operation, status, code = '' }) {
      botCalls.inc({ operation, status: String(status), code });
    },
  });
  return {
    registry,
    stop() {
      delay.disable();
      unobserve();
    },
  };
}
