// `relay` of a bot in handoff.yaml: whose token the hub shows to the bot's channels, checked and with every default filled in.

import * as z from 'zod';
import { address, credentialOf, ENTRA, secret, type AuthEntry } from './auth.js';
import type { BotRelay } from '../core/directory.js';

const MULTI_TENANT = 'leave it out for a multi-tenant one';

export const relay = z.strictObject({
  workStream: z
    .string()
    .optional()
    .describe('Work stream of conversations that come in this way; the first unless set.'),
  tenantId: z.string().min(1).optional().describe(`Tenant of the bot's app; ${MULTI_TENANT}.`),
  secret: secret.optional().describe("${NAME} of the client secret of the bot's app."),
  certificateFile: z.string().min(1).optional().describe('A PEM file with the private key and its certificate.'),
  managedIdentity: z.literal(true).optional().describe("The bot's identity, given to this machine as well."),
  authority: address.optional().describe(`${ENTRA} unless set; other clouds have others.`),
});

export type RelayEntry = z.infer<typeof relay>;

interface Fault {
  readonly path: string[];
  readonly message: string;
}

/** What the relay, an app id and the way of authentication mean for each other. */
export function relayFaults(entry: RelayEntry, appId: string | undefined, auth: AuthEntry | undefined): Fault[] {
  const { secret: key, certificateFile, managedIdentity, tenantId, authority } = entry;
  const credentials = [key, certificateFile, managedIdentity].filter((one) => one !== undefined).length;
  const path = ['relay'];
  if (appId === undefined)
    return credentials === 0
      ? []
      : [{ path, message: 'has a credential of an app: name the appId of the bot, which the Azure Bot has too' }];
  if (credentials > 1) return [{ path, message: 'name one credential: secret, certificateFile or managedIdentity' }];
  if (credentials === 1) return [];
  if (tenantId !== undefined || authority !== undefined)
    return [{ path, message: 'name the credential too: secret, certificateFile or managedIdentity' }];
  // The hub calls the bot in the bot's own name already: it answers its channels by the same credential.
  if (isOwnApp(auth)) return [];
  return [
    {
      path,
      message: "name a credential of the bot's app for its channels: secret, certificateFile or managedIdentity",
    },
  ];
}

export function relayOf(entry: RelayEntry, appId: string | undefined, auth: AuthEntry | undefined): BotRelay {
  const { workStream, ...own } = entry;
  const stream = workStream === undefined ? {} : { workStream };
  if (appId === undefined) return stream;
  const hasOwn = own.secret !== undefined || own.certificateFile !== undefined || own.managedIdentity === true;
  const app = hasOwn || !isOwnApp(auth) ? own : auth;
  const { tenantId, authority = ENTRA } = app;
  return {
    ...stream,
    app: {
      clientId: appId,
      authority: authority.replace(/\/+$/, ''),
      credential: credentialOf(app),
      ...(tenantId === undefined ? {} : { tenantId }),
    },
  };
}

function isOwnApp(auth: AuthEntry | undefined): auth is Extract<AuthEntry, { issuer: 'entra' }> {
  return typeof auth === 'object' && auth.issuer === 'entra' && (auth.as ?? 'bot') === 'bot';
}
