// Who calls the connector: the bots behind a request, and the network from which bots without authentication may call.

import { isPrivate, isPrivateHost } from '../addresses.js';
import type { Bot } from '../core/directory.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest } from '../http.js';
import type { Hub } from '../hub/hub.js';

/** Verified: the bots of the directory that the caller is. Several may share one app id; without authentication any of them may call. */
export interface BotCaller {
  readonly botIds: ReadonlySet<string>;
}

export interface BotCallers {
  /** Does not read the body. @throws BadRequest 401 without a valid identity, 403 when the identity is no bot of ours */
  authenticate(request: HttpRequest): Promise<BotCaller>;
}

/**
 * Bots with `auth: none`: whoever calls from this machine or a private network is believed to be any of them. A page in a
 * browser there is not: it names its origin, or it reaches us by a name of its own (DNS rebinding).
 */
export class PrivateCallers implements BotCallers {
  constructor(
    private readonly hub: Hub,
    /** The origin bots reach us under, without a trailing slash. */
    private readonly publicUrl: () => string,
  ) {}

  authenticate(request: HttpRequest): Promise<BotCaller> {
    const botIds = new Set(
      Object.values(this.hub.directory.bots)
        .filter(isUnauthenticated)
        .map(({ id }) => id),
    );
    if (botIds.size > 0 && request.clientAddress === undefined)
      return Promise.reject(
        new BadRequest(
          401,
          'Unauthorized',
          'A call without a token comes by a proxy that is not known to name its clients. Set TRUST_PROXY=true on the hub, with a proxy that sends X-Forwarded-For, or give the bot an appId and auth.',
        ),
      );
    if (botIds.size === 0 || !this.#isPrivate(request))
      return Promise.reject(
        new BadRequest(
          401,
          'Unauthorized',
          'Send a token of the bot as "Authorization: Bearer TOKEN". Without one only bots with auth: none may call, from this machine or a private network.',
        ),
      );
    return Promise.resolve({ botIds });
  }

  #isPrivate(request: HttpRequest): boolean {
    const { clientAddress } = request;
    if (clientAddress === undefined || !isPrivate(clientAddress) || request.header('origin') !== undefined)
      return false;
    const host = (request.header('host') ?? '').toLowerCase();
    return host === new URL(this.publicUrl()).host || isPrivateHost(host.replace(/:\d+$/, ''));
  }
}

function isUnauthenticated({ transport }: Bot): boolean {
  return transport.kind === 'http' && transport.auth === 'none';
}
