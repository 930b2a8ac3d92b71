// The SDKs that bots are built with, loaded at first need: they cost seconds, and a hub whose bots live elsewhere never needs them.

import { createRequire } from 'node:module';
/** @ts-ignore Programs with the Agents SDK only need not have it. */
import type * as Botbuilder from 'botbuilder';
/** @ts-ignore Programs with the Agents SDK only need not have it. */
import type * as Connector from 'botframework-connector';
/** @ts-ignore Programs with botbuilder only need not have it. */
import type * as AgentsActivity from '@microsoft/agents-activity';
/** @ts-ignore Programs with botbuilder only need not have it. */
import type * as Hosting from '@microsoft/agents-hosting';
import { ConfigError } from './errors.js';

const require = createRequire(import.meta.url);
const BOTBUILDER = 'botbuilder botframework-connector';
const HOSTING = '@microsoft/agents-hosting';

export interface Sdk {
  readonly botbuilder: typeof Botbuilder;
  readonly connector: typeof Connector;
}

/** The Microsoft 365 Agents SDK, the Bot Framework SDK's successor. */
export interface AgentsSdk {
  readonly hosting: typeof Hosting;
  readonly activity: typeof AgentsActivity;
}

let loaded: Sdk | undefined;
let agentsLoaded: AgentsSdk | undefined;

/**
 * The peer dependencies, as installed beside this package. Nothing here tests an object of the bot's for its class: the
 * bot may have a copy of its own.
 * @throws ConfigError when they are not installed.
 */
export function sdk(): Sdk {
  return (loaded ??= {
    botbuilder: load<typeof Botbuilder>(require, 'botbuilder', BOTBUILDER),
    connector: load<typeof Connector>(require, 'botframework-connector', BOTBUILDER),
  });
}

/**
 * The optional peer, as installed beside this package, and the activities it works with itself.
 * @throws ConfigError when it is not installed.
 */
export function agentsSdk(): AgentsSdk {
  if (agentsLoaded !== undefined) return agentsLoaded;
  const hosting = load<typeof Hosting>(require, HOSTING, HOSTING);
  const beside = createRequire(require.resolve(HOSTING));
  return (agentsLoaded = {
    hosting,
    activity: load<typeof AgentsActivity>(beside, '@microsoft/agents-activity', HOSTING),
  });
}

/**
 * A class that is made when it is first used: constructed, extended, or asked about by `instanceof`.
 */
export function lazyClass<T extends new (...args: never[]) => object>(make: () => T): T {
  let made: T | undefined;
  const real = () => (made ??= make());
  // Only a plain function's `prototype` may differ from what the proxy shows.
  const shell = function () {} as unknown as T;
  const proxy: T = new Proxy(shell, {
    construct: (_shell, args, target) =>
      Reflect.construct(real(), args, (target as unknown) === proxy ? real() : target) as object,
    get: (_shell, property) => Reflect.get(real(), property) as unknown,
    has: (_shell, property) => Reflect.has(real(), property),
  });
  return proxy;
}

function load<T>(from: NodeJS.Require, name: string, packages: string): T {
  try {
    return from(name) as T;
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new ConfigError(
      [`A bot in this process needs ${name}, which is not installed. Run: npm install ${packages}`],
      { cause },
    );
  }
}
