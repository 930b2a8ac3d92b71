// The program: configuration → store → hub → servers → signals.

import { rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TurnContext } from 'botbuilder';
import pino from 'pino';
import { isLoopback } from './addresses.js';
import { warningsOf } from './config.js';
import { readConfigurationFile } from './configurationFile.js';
import { AGENT_MESSAGES_PATH } from './console/chat/chat.js';
import { serveControl, SERVER_FILE } from './control.js';
import { createHub, type HandoffHub } from './createHub.js';
import { doubtsOfDotenv } from './dotenv.js';
import { readEnvironment, type Environment } from './environment.js';
import { ConfigError } from './errors.js';
import type { HttpServer } from './http.js';
import { serveMessages } from './middleware/messages.js';
import { storeOf } from './openStore.js';
import { holdDirectory } from './store/sqlite/hold.js';

export interface StartFlags {
  port?: number;
  /** handoff.yaml; with `demo` the package's own unless given. */
  config?: string;
  /** Data directory. */
  data: string;
  demo: boolean;
  json: boolean;
}

const DEMO_CONFIGURATION = fileURLToPath(new URL('../handoff.yaml', import.meta.url));
/** Characters of a secret that nobody guesses. */
const SECRET_LENGTH = 16;
const STOP_WITHIN_MS = 10_000;

/** Runs until SIGTERM or SIGINT. @throws ConfigError when something must be changed first. */
export async function start(flags: StartFlags): Promise<void> {
  const environment = readEnvironment(process.env);
  const log = pino(
    { level: environment.LOG_LEVEL ?? (flags.demo ? 'warn' : 'info') },
    pino.destination({ dest: 2, sync: true }),
  );
  const file = flags.config ?? (flags.demo ? DEMO_CONFIGURATION : 'handoff.yaml');
  const configuration = await readConfigurationFile(file, 'Name one with --config, or try the demo with --demo.');
  for (const warning of [...doubtsOfDotenv(configuration), ...warningsOf(configuration)]) log.warn(warning);
  if (environment.DIRECT_LINE_SECRET === undefined && !flags.demo)
    log.warn('DIRECT_LINE_SECRET is not set: a generated one is kept in the store');

  for (const secret of environment.DIRECT_LINE_SECRET ?? [])
    if (secret.length < SECRET_LENGTH)
      log.warn(`DIRECT_LINE_SECRET is short: use at least ${SECRET_LENGTH} random characters`);

  const directory = resolve(flags.data);
  const { DATABASE_URL, REDIS_URL: redisUrl } = environment;
  if (redisUrl !== undefined && DATABASE_URL === undefined)
    log.warn('REDIS_URL has no effect without DATABASE_URL: the embedded database serves one process');
  const store = storeOf(DATABASE_URL, directory, redisUrl === undefined ? {} : { redisUrl });
  const hub = createHub({
    store,
    configuration,
    log,
    ...(environment.PUBLIC_URL === undefined ? {} : { publicUrl: environment.PUBLIC_URL }),
    ...(environment.SERVICE_URL === undefined ? {} : { serviceUrl: environment.SERVICE_URL }),
    ...(environment.BOT_TIMEOUT_MS === undefined ? {} : { botTimeoutMs: environment.BOT_TIMEOUT_MS }),
  });
  // Two that share one would overwrite and remove what tells commands where the server is.
  const release = DATABASE_URL === undefined ? undefined : await holdDirectory(directory);
  const stopping = stopOnSignals(hub, directory, log);
  try {
    await hub.open();
    const serveBots = await connectBots(hub, flags.demo);
    const host = environment.HOST ?? (flags.demo ? '127.0.0.1' : undefined);
    const localSignIn = flags.demo && host !== undefined && isLoopback(host);
    const url = await hub.listen({
      ...listenOptions(flags, environment),
      localSignIn,
      ...(host === undefined ? {} : { host }),
      routes: (http) => {
        serveControl(http, hub);
        serveBots(http);
      },
    });
    if (stopping.aborted) return;
    await tellCommands(directory, url);
    await announce(hub, url, localSignIn, flags);
  } catch (error) {
    await hub.stop().catch(() => undefined);
    await release?.();
    if (stopping.aborted) return;
    throw addressRefused(error, environment.HOST) ?? error;
  }
}

/** Where the server is, for commands beside it: whole or not there at all. */
async function tellCommands(directory: string, url: string): Promise<void> {
  const file = join(directory, SERVER_FILE);
  await writeFile(`${file}.new`, JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/**
 * Bots with `connect: inProcess` are code: here the demo bot stands in, elsewhere the program that holds the hub connects
 * its own. @returns the routes by which the Emulator and Azure Bot Service reach the bot.
 */
async function connectBots(hub: HandoffHub, demo: boolean): Promise<(http: HttpServer) => void> {
  const inProcess = Object.values(hub.directory.bots).filter((bot) => bot.transport.kind === 'inProcess');
  const [first] = inProcess;
  if (first === undefined) return () => {};
  if (!demo)
    throw new ConfigError(
      inProcess.map(
        ({ id }) =>
          `Bot "${id}" is connected inProcess: it runs in a program of yours that calls createHub. Start that program, or run the demo bot with --demo.`,
      ),
    );
  const { connectDemoBot, DemoBot } = await import('./demoBot.js');
  for (const { id } of inProcess) connectDemoBot(hub, id);
  const bot = new DemoBot();
  const [workStream] = Object.keys(hub.directory.workStreams);
  const run = (context: TurnContext) => bot.run(context);
  return (http) =>
    serveMessages(http, hub, { botId: first.id, run, ...(workStream === undefined ? {} : { workStream }) });
}

function listenOptions(flags: StartFlags, environment: Environment) {
  const port = flags.port ?? environment.PORT;
  return {
    ...(port === undefined ? {} : { port }),
    ...(environment.TRUST_PROXY === undefined ? {} : { trustProxy: environment.TRUST_PROXY }),
    ...(environment.DIRECT_LINE_SECRET === undefined ? {} : { directLineSecrets: environment.DIRECT_LINE_SECRET }),
    ...(environment.TRUSTED_ORIGINS === undefined ? {} : { trustedOrigins: environment.TRUSTED_ORIGINS }),
    ...(environment.FRAMED_BY === undefined ? {} : { framedBy: environment.FRAMED_BY }),
    ...(environment.UPLOAD_LIMIT_BYTES === undefined ? {} : { uploadLimitBytes: environment.UPLOAD_LIMIT_BYTES }),
  };
}

/** One line `Listening on …` when everything is ready, then where to go. */
async function announce(hub: HandoffHub, url: string, localSignIn: boolean, flags: StartFlags): Promise<void> {
  const links = localSignIn ? await hub.signInLinks() : [];
  const signIn = links.map(({ id, name, url: path }) => ({ id, name, url: `${url}${path}` }));
  if (flags.json) {
    const pages = { customer: `${url}/`, console: `${url}/console/` };
    const drift = hub.isOverruled ? { configuration: 'differs from the one in force' } : {};
    const agentMessages = `${url}${AGENT_MESSAGES_PATH}`;
    console.log(JSON.stringify({ listening: url, ...pages, agentMessages, signIn, ...drift }));
    return;
  }
  console.log(`Listening on ${url}`);
  console.log(`  Customer's page:  ${url}/`);
  console.log(`  Console:          ${url}/console/`);
  if (localSignIn)
    console.log(`  Emulator:         ${url}/api/messages (customer), ${url}${AGENT_MESSAGES_PATH} (staff)`);
  for (const { id, relay } of Object.values(hub.directory.bots))
    if (relay !== undefined) console.log(`  Messaging endpoint of ${id}: ${hub.serviceUrl}api/messages/${id}`);
  const where = flags.data === './data' ? '' : ` --data ${flags.data}`;
  const shared = hub.nodes === undefined ? '' : ', with the same DATABASE_URL';
  const newLink = `npx handoff sign-in <person>${where}${shared}`;
  if (signIn.length > 0) console.log(`  Sign in (each link works once, for 10 minutes; a new one: ${newLink}):`);
  else if (Object.keys(hub.directory.people).length > 0) console.log(`  Sign in with a link from: ${newLink}`);
  const width = Math.max(0, ...signIn.map(({ name }) => name.length));
  for (const { name, url: link } of signIn) console.log(`    ${name.padEnd(width)}  ${link}`);
  if (!hub.isOverruled) return;
  // Last, where it is read: a log line before the addresses is passed over.
  const file = flags.config ?? (flags.demo ? DEMO_CONFIGURATION : 'handoff.yaml');
  const named = `${file === 'handoff.yaml' ? '' : ` --config ${file}`}${where}`;
  console.log(`  ${file} differs from the configuration in force, which the record keeps. What differs:`);
  console.log(`    npx handoff config plan${named}`);
  console.log(`  To put the file in force: the same with "apply" in place of "plan".`);
}

/** @returns aborted from the first signal on. */
function stopOnSignals(hub: HandoffHub, directory: string, log: pino.Logger): AbortSignal {
  const stopping = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) process.exit(1);
    stopping.abort();
    log.info({ signal }, 'stopping: sockets are told, running work finishes, the rest is on disk');
    setTimeout(() => {
      log.error('stopping took too long; what was acknowledged is on disk');
      process.exit(1);
    }, STOP_WITHIN_MS - 500).unref();
    rm(join(directory, SERVER_FILE), { force: true })
      .then(() => hub.stop())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'stopping failed; what was acknowledged is on disk');
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return stopping.signal;
}

/** What the system has against the address that is to be listened on, and what to change. */
function addressRefused(error: unknown, host: string | undefined): ConfigError | undefined {
  const { code, port, syscall = '' } = error as NodeJS.ErrnoException & { port?: number };
  const isAddress = ['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'EINVAL'].includes(code ?? '');
  if (isAddress && host !== undefined && ['getaddrinfo', 'listen'].includes(syscall))
    return new ConfigError(
      [
        `HOST: ${host} is no address of this machine (${code}). Use one that it has, such as 127.0.0.1 for this machine alone` +
          ' or 0.0.0.0 for every network, or remove it. Under which name others reach the server is said by PUBLIC_URL.',
      ],
      { cause: error },
    );
  if (code === 'EADDRINUSE')
    return new ConfigError([`Port ${port} is taken. Name another with --port, or 0 for a free one.`]);
  if (code === 'EACCES') return new ConfigError([`Port ${port} needs more rights. Name one above 1023 with --port.`]);
  return undefined;
}
