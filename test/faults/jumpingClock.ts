// Loaded before the product (`node --import`): the process's clock is ahead by CLOCK_AHEAD_MS, or behind where that is below 0,
// and jumps five minutes further ahead on one SIGUSR2, and back on the next.

const JUMP_MS = 5 * 60_000;
const AHEAD_MS = Number(process.env['CLOCK_AHEAD_MS'] ?? 0);
const now = Date.now.bind(Date);
let jumped = false;

Date.now = () => now() + AHEAD_MS + (jumped ? JUMP_MS : 0);
process.on('SIGUSR2', () => (jumped = !jumped));
