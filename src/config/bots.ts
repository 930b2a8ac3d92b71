// The bots of handoff.yaml: how each is reached, checked and with every default filled in.

import { isIP } from 'node:net';
import * as z from 'zod';
import { isPrivate } from '../addresses.js';
import { address, auth, authOf, secret, variableOf } from './auth.js';
import type { Bot, BotTransport } from '../core/directory.js';
import { relay, relayFaults, relayOf } from './relay.js';

/** Microsoft's own, where no region is named. */
const DIRECT_LINE = 'https://directline.botframework.com';

export const id = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,100}$/, 'use 1 to 100 letters, digits, "_", "." or "-"')
  .describe('A name that never changes: what rules, URLs and commands refer to.');

const directLine = z
  .strictObject({
    tokenEndpoint: address.optional().describe("The bot's token endpoint, as Copilot Studio shows it."),
    secret: secret.optional().describe('A Direct Line secret, in place of a token endpoint.'),
    baseUrl: address.optional().describe(`Regional Direct Line; ${DIRECT_LINE} unless set.`),
  })
  .refine(({ tokenEndpoint, secret: key }) => (tokenEndpoint === undefined) !== (key === undefined), {
    error: 'name either a tokenEndpoint or a secret',
  });

export const bot = z
  .strictObject({
    id,
    name: z.string().min(1).optional(),
    connect: z.literal('inProcess', { error: 'use inProcess: a bot that runs in this process' }).optional(),
    endpoint: address.optional().describe("The bot's messaging endpoint, often …/api/messages."),
    appId: z.string().min(1).optional().describe('Microsoft app id of the bot.'),
    auth: auth.optional().describe('none: the bot runs without an app id, on this machine or a private network.'),
    delivery: z
      .enum(['normal', 'expectReplies'])
      .optional()
      .describe('expectReplies: answers come in the response of a turn; for bots that cannot call this server.'),
    timeoutSeconds: z
      .number()
      .positive()
      .max(600)
      .optional()
      .describe('A turn that has not ended after this time counts as failed. In seconds.'),
    directLine: directLine.optional().describe('A Copilot Studio bot, or any other behind Direct Line.'),
    relay: relay
      .optional()
      .describe("The Azure Bot's messaging endpoint is this server: /api/messages/{id of the bot}."),
    draftsWhileHeld: z
      .boolean()
      .optional()
      .describe('While a person holds the conversation, it hears the customer and drafts replies for the person.'),
    bridging: z
      .enum(['open', 'strict'])
      .optional()
      .describe('strict: only activities marked deliveryMode bridged reach the customer.'),
  })
  .superRefine((one, context) => {
    const ways = [one.connect, one.endpoint, one.directLine].filter((way) => way !== undefined);
    if (ways.length !== 1)
      context.addIssue({
        code: 'custom',
        message: 'name one way to reach the bot: connect: inProcess, endpoint or directLine',
      });
    for (const field of ['appId', 'auth', 'delivery', 'relay'] as const)
      if (one[field] !== undefined && one.endpoint === undefined)
        context.addIssue({ code: 'custom', path: [field], message: 'belongs to a bot with an endpoint' });
    if (one.relay !== undefined && one.endpoint !== undefined)
      for (const { path, message } of relayFaults(one.relay, one.appId, one.auth))
        context.addIssue({ code: 'custom', path, message });
    for (const { path, message } of trustFaults(one)) context.addIssue({ code: 'custom', path, message });
  });

/** What an endpoint, an app id and the way of authentication mean for each other. */
function trustFaults({ endpoint, appId, auth: way, delivery }: Omit<z.input<typeof bot>, 'id'>) {
  const faults: { path: string[]; message: string }[] = [];
  if (endpoint === undefined || !URL.canParse(endpoint)) return faults;
  if (appId !== undefined && way === undefined)
    faults.push({ path: ['auth'], message: 'a bot with an appId authenticates: say how, or leave out the appId' });
  if (typeof way === 'object' && appId === undefined)
    faults.push({ path: ['appId'], message: 'name the Microsoft app id that the bot is configured with' });
  if (typeof way === 'object' && way.issuer === 'hub' && way.secret === undefined && delivery !== 'expectReplies')
    faults.push({
      path: ['auth', 'secret'],
      message: 'name the secret by which the bot gets its tokens here, or set delivery: expectReplies',
    });
  const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
  if ((way === 'none' || way === undefined) && isIP(host) !== 0 && !isPrivate(host))
    faults.push({
      path: ['endpoint'],
      message: 'is a public address: without authentication bots are called on this machine or a private network only',
    });
  return faults;
}

type BotEntry = z.infer<typeof bot>;

export function botOf(entry: BotEntry): Bot {
  return {
    id: entry.id,
    name: entry.name ?? entry.id,
    bridging: entry.bridging ?? 'open',
    ...(entry.draftsWhileHeld === true ? { draftsWhileHeld: true } : {}),
    transport: transportOf(entry),
    ...(entry.relay === undefined ? {} : { relay: relayOf(entry.relay, entry.appId, entry.auth) }),
    ...(entry.timeoutSeconds === undefined ? {} : { timeoutMs: entry.timeoutSeconds * 1_000 }),
  };
}

function transportOf({
  endpoint,
  appId,
  auth: way = 'none',
  delivery = 'normal',
  directLine: line,
}: BotEntry): BotTransport {
  if (endpoint !== undefined)
    return {
      kind: 'http',
      endpoint,
      auth: authOf(way, appId ?? ''),
      delivery,
      ...(appId === undefined ? {} : { appId }),
    };
  if (line === undefined) return { kind: 'inProcess' };
  const { tokenEndpoint, secret: key, baseUrl = DIRECT_LINE } = line;
  return {
    kind: 'directLine',
    baseUrl,
    ...(tokenEndpoint === undefined ? {} : { tokenEndpoint }),
    ...(key === undefined ? {} : { secret: variableOf(key) }),
  };
}
