// The environment variables the program reads, each with its unit and default; .env.example lists the same.

import * as z from 'zod';
import { ConfigError } from './errors.js';
import { isDatabaseUrl } from './store/postgres/place.js';

const flag = z
  .enum(['true', 'false', '1', '0'], { error: 'use true or false' })
  .transform((value) => value === 'true' || value === '1');
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== ''),
);
const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `use a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `use a whole number from ${min} to ${max}`);
const origin = z
  .string()
  .refine((value) => isOrigin(value), 'use an origin such as https://chat.example.com, without a path')
  .transform((value) => new URL(value).origin);

/** One row per variable: how it is read, and the two columns of .env.example. */
export const VARIABLES = {
  PORT: { read: wholeNumber(0, 65_535), unset: '3978', meaning: 'TCP port to listen on; 0 takes a free one.' },
  HOST: { read: z.string(), unset: 'all interfaces; 127.0.0.1 with --demo', meaning: 'Address to listen on.' },
  PUBLIC_URL: {
    read: origin,
    unset: 'http://localhost:PORT',
    meaning: 'Origin under which browsers and bots reach this server: in streamUrl, serviceUrl, contentUrl and tokens.',
  },
  SERVICE_URL: {
    read: origin,
    unset: 'PUBLIC_URL',
    meaning:
      'Origin under which bots reach this very process, where several share one database: then a bot answers the node that asked it.',
  },
  TRUST_PROXY: {
    read: flag,
    unset: 'false',
    meaning: 'true behind a proxy of yours: X-Forwarded-For names the client.',
  },
  DIRECT_LINE_SECRET: {
    read: list.refine((secrets) => secrets.length <= 2, 'at most two secrets, separated by a comma'),
    unset: 'generated and kept in the store',
    meaning: 'Secret for servers that call Direct Line; two, separated by a comma, while it is being changed.',
  },
  TRUSTED_ORIGINS: {
    read: list.refine(
      (origins) => origins.every(isOrigin),
      'use origins such as https://shop.example.com, separated by commas',
    ),
    unset: 'every origin',
    meaning: 'Origins whose pages may use Direct Line, separated by commas.',
  },
  FRAMED_BY: {
    read: list.refine(
      (origins) => origins.every(isFraming),
      'use https origins such as https://teams.microsoft.com, separated by commas',
    ),
    unset: 'nobody',
    meaning: 'https origins whose pages may show the console in a frame, such as Teams, separated by commas.',
  },
  UPLOAD_LIMIT_BYTES: {
    read: wholeNumber(1, 1_073_741_824),
    unset: '4194304',
    meaning: 'Largest uploaded file, in bytes.',
  },
  BOT_TIMEOUT_MS: {
    read: wholeNumber(100, 600_000),
    unset: '15000',
    meaning: 'A bot that has not finished a turn after this time counts as failed, in milliseconds.',
  },
  DATABASE_URL: {
    read: z
      .string()
      .refine(isDatabaseUrl, 'use postgres://USER:PASSWORD@HOST:5432/DATABASE, or remove it to use the data directory'),
    unset: 'an embedded database in the data directory',
    meaning: 'PostgreSQL database that holds the record; ?schema= names its schema, ?sslmode= is as psql reads it.',
  },
  REDIS_URL: {
    read: z.string().regex(/^rediss?:\/\//, 'use redis://HOST:6379 or rediss://USER:PASSWORD@HOST:6379'),
    unset: 'notices go by the database itself',
    meaning:
      'Redis by which several processes on one database tell each other what has happened; nothing is kept there.',
  },
  LOG_LEVEL: {
    read: z.enum(['silent', 'error', 'warn', 'info', 'debug'], { error: 'use silent, error, warn, info or debug' }),
    unset: 'info; warn with --demo',
    meaning:
      'Least severe log line that is written: info tells each step of a hand-over, debug each message, too, without its text.',
  },
} as const satisfies Record<string, { read: z.ZodType; unset: string; meaning: string }>;

/** Read by the Bot Framework SDK itself for /api/messages. */
export const SDK_VARIABLES = {
  MicrosoftAppId:
    'App id of the Azure Bot whose messages come in at /api/messages; unset = only this machine may post there.',
  MicrosoftAppPassword: 'Client secret of that app.',
  MicrosoftAppType: 'MultiTenant, SingleTenant or UserAssignedMSI.',
  MicrosoftAppTenantId: 'Tenant of that app, unless it is multi-tenant.',
  AGENT_MicrosoftAppId:
    'App id of the Azure Bot by which people serve from Teams, at /api/agent-messages; unset = only this machine may post there.',
  AGENT_MicrosoftAppPassword: 'Client secret of that app.',
  AGENT_MicrosoftAppType: 'MultiTenant, SingleTenant or UserAssignedMSI.',
  AGENT_MicrosoftAppTenantId: 'Tenant of that app, unless it is multi-tenant.',
  ChannelService: 'https://botframework.azure.us for bots of US Government; for relayed bots as well.',
  ToBotFromChannelOpenIdMetadataUrl: "Where the keys of channels' tokens are; of Azure's public cloud unless set.",
  ToBotFromChannelTokenIssuer: "Who issues channels' tokens; Azure's public cloud unless set.",
} as const;

export interface Environment {
  PORT?: number;
  HOST?: string;
  PUBLIC_URL?: string;
  SERVICE_URL?: string;
  TRUST_PROXY?: boolean;
  DIRECT_LINE_SECRET?: string[];
  TRUSTED_ORIGINS?: string[];
  FRAMED_BY?: string[];
  UPLOAD_LIMIT_BYTES?: number;
  BOT_TIMEOUT_MS?: number;
  DATABASE_URL?: string;
  REDIS_URL?: string;
  LOG_LEVEL?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
}

/** @throws ConfigError with one line per variable that cannot be read. An empty variable counts as unset. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { read }] of Object.entries(VARIABLES)) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    const parsed = read.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    // The value may be a secret: only the name and the cure are shown.
    else faults.push(`${name}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}`);
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return values;
}

/** As Content-Security-Policy writes it: `https://*.example.com` stands for every host below. */
function isFraming(value: string): boolean {
  return value.startsWith('https://') && isOrigin(value.replace('://*.', '://any.'));
}

function isOrigin(value: string): boolean {
  try {
    const url = new URL(value);
    return (url.protocol === 'http:' || url.protocol === 'https:') && `${url.origin}/` === url.href;
  } catch {
    return false;
  }
}
