// DATABASE_URL read into where the record is: server, database and schema; and what of it may be shown.

import type { ClientConfig, CustomTypesConfig } from 'pg';
import { ConfigError } from '../../errors.js';

export interface Place {
  config: ClientConfig;
  /** Several hubs can live in one database, each in a schema of its own. */
  schema: string;
  /** For messages: server and database, never the password. */
  shown: string;
}

/** Also the name of the schema's channel for notices, which has room for no more. */
const SCHEMA = /^[a-z_][a-z0-9_]{0,47}$/;
const DEFAULT_SCHEMA = 'handoff';

/** What has an effect in the URL. Time limits are not among them: the store sets its own. */
const KNOWN: ReadonlySet<string> = new Set([
  ...['schema', 'user', 'password', 'host', 'port', 'application_name', 'options'],
  ...['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'ssl', 'uselibpqcompat'],
]);
const SSL_MODES: ReadonlySet<string> = new Set(['disable', 'prefer', 'require', 'verify-ca', 'verify-full']);

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 15_000;

export const isDatabaseUrl = (text: string): boolean => /^postgres(ql)?:\/\//i.test(text);

/** @throws ConfigError when it is no URL of a PostgreSQL database. */
export function placeOf(url: string): Place {
  const parsed = parseUrl(url);
  const faults = faultsOf(parsed.searchParams);
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `DATABASE_URL: ${fault}`));
  const schema = parsed.searchParams.get('schema') ?? DEFAULT_SCHEMA;
  if (!SCHEMA.test(schema))
    throw new ConfigError([
      'DATABASE_URL: schema takes up to 48 small letters, digits and underscores, beginning with a letter, as in ?schema=handoff',
    ]);
  parsed.searchParams.delete('schema');
  // As psql and every other tool read it: `require` encrypts, `verify-full` checks the certificate as well.
  if (parsed.searchParams.has('sslmode') && !parsed.searchParams.has('uselibpqcompat'))
    parsed.searchParams.set('uselibpqcompat', 'true');
  const host = parsed.searchParams.get('host') ?? (parsed.host === '' ? 'localhost' : parsed.host);
  return {
    config: {
      connectionString: parsed.href,
      application_name: 'handoff',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // A line that is dead without having been closed is found out; of the system's own accord after two hours.
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      types,
    },
    schema,
    shown: `${host}${decodeURIComponent(parsed.pathname)}`,
  };
}

/** What must not be ignored: a slip may leave the connection without encryption. */
function faultsOf(parameters: URLSearchParams): string[] {
  const faults = [...new Set(parameters.keys())]
    .filter((name) => !KNOWN.has(name))
    .map((name) => `there is no parameter "${name}", and nothing is ignored here. Known: ${[...KNOWN].join(', ')}.`);
  const mode = parameters.get('sslmode');
  if (mode !== null && !SSL_MODES.has(mode)) faults.push(`sslmode takes one of ${[...SSL_MODES].join(', ')}.`);
  return faults;
}

/** Neither the text nor a cause is shown: both hold the password. */
function parseUrl(url: string): URL {
  if (isDatabaseUrl(url) && URL.canParse(url)) {
    const parsed = new URL(url);
    // A password with one of these as it is ends up behind the host, from where parts of it would be shown.
    if (parsed.hash === '' && !`${parsed.pathname}${parsed.search}`.includes('@')) return parsed;
  }
  throw new ConfigError([
    'DATABASE_URL: use postgres://USER:PASSWORD@HOST:5432/DATABASE, with %40 for @, %2F for /, %3A for :, %3F for ? and %23 for # within its parts.',
  ]);
}

// PostgreSQL's texts cannot hold NUL: it is written as two characters that no text of ours holds otherwise.
const MARK = '\u0001';

export function escapeText(text: string): string {
  return text.includes('\0') || text.includes(MARK)
    ? text.replaceAll(MARK, `${MARK}1`).replaceAll('\0', `${MARK}0`)
    : text;
}

export function unescapeText(text: string): string {
  return text.includes(MARK) ? text.replaceAll(`${MARK}0`, '\0').replaceAll(`${MARK}1`, MARK) : text;
}

/** JSON as `jsonb` takes it: NUL as above, half a surrogate pair as UTF-8 writes it. Texts inside of texts are left alone. */
export function escapeJson(json: string): string {
  if (!/\\u(?:000[01]|d[89a-f])/.test(json)) return json;
  return json.replace(/\\(?:u([0-9a-f]{4})|.)/g, (escape, code: string | undefined) => {
    if (code === '0000') return '\\u00010';
    if (code === '0001') return '\\u00011';
    return code !== undefined && /^d[89a-f]/.test(code) ? '\\ufffd' : escape;
  });
}

const INT8 = 20;
const TEXT = 25;
const BYTEA = 17;

/** Numbers as numbers: every one of ours is far below 2^53. */
const types: CustomTypesConfig = {
  getTypeParser: ((oid: number) => {
    switch (oid) {
      case INT8:
        return Number;
      case TEXT:
        return unescapeText;
      case BYTEA:
        return (hex: string) => Buffer.from(hex.slice(2), 'hex');
      default:
        return (text: string) => text;
    }
  }) as CustomTypesConfig['getTypeParser'],
};
