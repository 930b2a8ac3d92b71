// The Bot Framework SDK, loaded at first need: it costs 1.7 s, and a hub whose bots live elsewhere never needs it.

import { createRequire } from 'node:module';
import type * as Botbuilder from 'botbuilder';
import type * as Connector from 'botframework-connector';
import { ConfigError } from './errors.js';

const require = createRequire(import.meta.url);

export interface Sdk {
  readonly botbuilder: typeof Botbuilder;
  readonly connector: typeof Connector;
}

let loaded: Sdk | undefined;

/**
 * The peer dependencies, as installed beside this package. Nothing here tests an object of the bot's for its class: the
 * bot may have a copy of its own.
 * @throws ConfigError when they are not installed.
 */
export function sdk(): Sdk {
  return (loaded ??= {
    botbuilder: load<typeof Botbuilder>('botbuilder'),
    connector: load<typeof Connector>('botframework-connector'),
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

function load<T>(name: string): T {
  try {
    return require(name) as T;
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new ConfigError(
      [
        `A bot in this process needs ${name}, which is not installed. Run: npm install botbuilder botframework-connector`,
      ],
      {
        cause,
      },
    );
  }
}
