// Where a process finds the clock that tests set (jumpingClock.ts): for `NODE_OPTIONS=--import …`.

import { fileURLToPath, pathToFileURL } from 'node:url';

export const CLOCK = pathToFileURL(fileURLToPath(new URL('./jumpingClock.js', import.meta.url))).href;
