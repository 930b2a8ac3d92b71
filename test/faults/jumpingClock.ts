// Loaded before the product (`node --import`): the process's clock jumps five minutes ahead on one SIGUSR2, and back on the next.

const JUMP_MS = 5 * 60_000;
const now = Date.now.bind(Date);
let ahead = false;

Date.now = () => now() + (ahead ? JUMP_MS : 0);
process.on('SIGUSR2', () => (ahead = !ahead));
