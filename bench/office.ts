/** What the benchmark's hubs have in common: an echo bot in the process, and rules that have to be looked at. */
import type { BotConnection } from '../src/index.js';

export const VARIABLE = 'topic';

export const echo: BotConnection = {
  async deliver(activity, turn) {
    if (activity.type === 'message') await turn.respond([{ type: 'message', text: `Echo: ${activity.text}` }]);
    return undefined;
  },
};

/** Two comparisons each; none holds for a conversation that begins, so all of them are looked at. */
export function rulesFor(count: number, queue: string) {
  return Array.from({ length: count }, (_none, index) => ({
    when: {
      all: [
        { variable: VARIABLE, operator: 'equals' as const, value: `topic ${index}` },
        { fact: 'channel' as const, operator: 'equals' as const, value: 'directline' },
      ],
    },
    queue,
  }));
}
