// Builds the lines anew from the record; who waits where nobody can come any more is routed again.

import { isStranded } from '../core/fromClock.js';
import type { Engine } from './engine.js';
import type { Lines } from './lines.js';
import type { KnownStates } from './states.js';

export async function standInLine(hub: Engine, lines: Lines, states: KnownStates): Promise<void> {
  const waiting = await hub.store.waiting();
  lines.keepOnly(new Set(waiting.map(({ id }) => id)));
  for (const state of waiting) {
    const known = states.get(state.id);
    const latest = known !== undefined && known.version > state.version ? known : state;
    lines.update(latest, hub.directory);
    if (isStranded(latest, hub.directory))
      await hub.handle(latest.id, { type: 'reroute' }).catch((error: unknown) => {
        hub.log.error(
          { err: error, conversation: latest.id },
          'a conversation in a queue that is gone could not be routed again',
        );
      });
  }
}
