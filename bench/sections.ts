/** Every section of the benchmark; scripts/bench.mjs says what each is about. */
import { assignment } from './assignment.js';
import { intake } from './intake.js';
import { loop } from './loop.js';
import { memory } from './memory.js';
import { middleware } from './middleware.js';
import { rate } from './rate.js';
import { routing } from './routing.js';
import { scale } from './scale.js';
import { sockets } from './sockets.js';
import { store } from './store.js';
import type { Section } from './section.js';

export const SECTIONS: readonly Section[] = [
  loop,
  rate,
  memory,
  routing,
  intake,
  assignment,
  scale,
  sockets,
  middleware,
  store,
];
