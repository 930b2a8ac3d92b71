// `auth` of a bot in handoff.yaml: how hub and bot know each other, checked and with every default filled in.

import * as z from 'zod';
import type { BotAuth, EntraCredential } from '../core/directory.js';

export const ENTRA = 'https://login.microsoftonline.com';
const HUB_TENANT = 'hub';

export const address = z
  .url({ protocol: /^https?$/, error: 'write an address that begins with https:// or http://' })
  .describe('An http or https address.');

export const secret = z
  .string()
  .regex(/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/, 'secrets are not kept here: write ${NAME} and set that environment variable')
  .describe('${NAME} of the environment variable that holds it.');

/** `${NAME}` → NAME. */
export function variableOf(reference: string): string {
  return reference.slice(2, -1);
}

const hub = z.strictObject({
  issuer: z.literal('hub').describe('This server signs for both sides; no Microsoft service is asked.'),
  style: z
    .enum(['channel', 'tenant'], { error: 'use channel (botbuilder) or tenant (Agents SDK)' })
    .optional()
    .describe('channel (unless set): for botbuilder. tenant: for the Microsoft 365 Agents SDK.'),
  tenant: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,64}$/, 'use 1 to 64 letters, digits, "." or "-"')
    .optional()
    .describe(`Stands where Entra's addresses have the tenant; ${HUB_TENANT} unless set.`),
  secret: secret
    .optional()
    .describe('${NAME} of what the bot shows to get its tokens here. Not needed with delivery: expectReplies.'),
});

const entra = z
  .strictObject({
    issuer: z.literal('entra').describe('Microsoft Entra signs for both sides.'),
    as: z
      .enum(['bot', 'skill'], { error: 'use bot or skill' })
      .optional()
      .describe(
        "bot (unless set): by the bot's own credentials, as the Emulator. skill: by an app of this server's own.",
      ),
    clientId: z.string().min(1).optional().describe("App id of this server's own app, with as: skill."),
    tenantId: z
      .guid("use the tenant's id, not its domain name")
      .optional()
      .describe('Tenant of a single-tenant app; leave it out for a multi-tenant one.'),
    secret: secret.optional().describe('${NAME} of a client secret.'),
    certificateFile: z.string().min(1).optional().describe('A PEM file with the private key and its certificate.'),
    managedIdentity: z.literal(true).optional().describe("This machine's managed identity, with as: skill."),
    authority: address.optional().describe(`${ENTRA} unless set; other clouds have others.`),
  })
  .superRefine((given, context) => {
    const { as = 'bot', clientId, secret: key, certificateFile, managedIdentity } = given;
    const fault = (message: string, path: string[] = []) => context.addIssue({ code: 'custom', message, path });
    if ([key, certificateFile, managedIdentity].filter((one) => one !== undefined).length !== 1)
      fault('name one credential: secret, certificateFile or managedIdentity');
    if (as === 'skill' && clientId === undefined) fault("as: skill needs the clientId of this server's own app");
    if (as === 'bot' && clientId !== undefined) fault('belongs to as: skill; as: bot takes the appId', ['clientId']);
    if (as === 'bot' && managedIdentity !== undefined)
      fault("belongs to as: skill; a bot's own identity needs its secret or certificate", ['managedIdentity']);
  });

const known = z.discriminatedUnion('issuer', [hub, entra], {
  error: 'name the issuer: hub or entra',
});

export const auth = z.union([z.literal('none'), known], {
  // The faults themselves, and not "no member of the union matched".
  error: ({ input }) =>
    typeof input === 'object' && input !== null
      ? (known.safeParse(input).error?.issues ?? [])
          .map(({ path, message }) => [...path.map(String), message].join(': '))
          .join('; ')
      : 'write none (on this machine or a private network), {issuer: hub, …} or {issuer: entra, …}',
});

export type AuthEntry = z.infer<typeof auth>;

/** `appId` is there whenever somebody signs. */
export function authOf(entry: AuthEntry, appId: string): BotAuth {
  if (entry === 'none') return 'none';
  if (entry.issuer === 'hub') {
    const { style = 'channel', tenant = HUB_TENANT, secret: key } = entry;
    return { issuer: 'hub', style, tenant, ...(key === undefined ? {} : { secret: variableOf(key) }) };
  }
  const { as = 'bot', clientId = appId, tenantId, authority = ENTRA } = entry;
  return {
    issuer: 'entra',
    as,
    clientId,
    authority: authority.replace(/\/+$/, ''),
    credential: credentialOf(entry),
    ...(tenantId === undefined ? {} : { tenantId }),
  };
}

export function credentialOf({
  secret: key,
  certificateFile: file,
}: Pick<z.infer<typeof entra>, 'secret' | 'certificateFile'>): EntraCredential {
  if (key !== undefined) return { kind: 'secret', secret: variableOf(key) };
  return file === undefined ? { kind: 'managedIdentity' } : { kind: 'certificate', file };
}
