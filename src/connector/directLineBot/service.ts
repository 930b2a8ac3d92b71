// The operations of Direct Line 3.0 as a client calls them: tokens, starting, finding again, reading, posting, uploading.

import { randomBytes } from 'node:crypto';
import { isPrivateHost } from '../../addresses.js';
import type { Activity } from '../../core/activity.js';
import { isObject } from '../../core/context.js';
import type { BotTransport } from '../../core/directory.js';
import { Caller, NoAnswer, type Answer, type Call } from './calls.js';
import { ServiceFailed, type FailureKind, type FailureOptions } from './failure.js';

/** Microsoft's global Direct Line. Environments in a region have one of their own, which their token endpoint's host names. */
export const GLOBAL_DIRECT_LINE = 'https://directline.botframework.com';

export interface ServiceOptions {
  botId: string;
  transport: Extract<BotTransport, { kind: 'directLine' }>;
  /** The value of the secret that the transport names. */
  secret?: string;
  /** Of one call. */
  timeoutMs: number;
}

export interface TokenGrant {
  token: string;
  lifeMs: number;
  /** Named by token endpoints that allocate the conversation. */
  conversationId?: string;
}

export interface StartedConversation extends TokenGrant {
  conversationId: string;
  streamUrl?: string;
}

export interface ActivitySet {
  activities: Activity[];
  watermark?: string;
}

export interface UploadedFile {
  name: string;
  contentType: string;
  bytes: Uint8Array;
}

/** Where a service does not say how long its tokens live: Direct Line's 30 minutes. */
const TOKEN_LIFE_MS = 30 * 60_000;
const FILE_LIMIT_BYTES = 4 * 1_048_576;
/** The bot answered the service with an error, or not in time. */
const BOT_FAILED_CODES = /^(?:BotError|BotRejectedActivity|BotTimeout)$/i;
const GONE_CODES = /conversation.?(?:closed|ended|not.?found)/i;

export class DirectLineService {
  readonly #caller = new Caller();
  #baseUrl: Promise<string> | undefined;

  constructor(private readonly options: ServiceOptions) {}

  close(): void {
    this.#caller.close();
  }

  /** A token for a new conversation. With a secret it is bound to the user where Direct Line allows it (ids `dl_…`). */
  async newToken(user: string, timeoutMs?: number): Promise<TokenGrant> {
    const { transport, secret } = this.options;
    if (transport.tokenEndpoint !== undefined) {
      const url = new URL(transport.tokenEndpoint);
      const answer = await this.#call('GET', url, { timeoutMs });
      if (answer.status === 401 || answer.status === 403 || answer.status === 404)
        throw this.#failed(
          `its token endpoint answered ${answer.status}`,
          answer.status === 404 ? 'gone' : 'forbidden',
          {
            cure: 'copy the address again from Copilot Studio (Channels, Mobile app) and see that the bot is published with "No authentication"',
          },
        );
      return tokenOf(this.#expect(answer, 'its token endpoint'), 'its token endpoint', (what) =>
        this.#failed(what, 'refused'),
      );
    }
    const body = user.startsWith('dl_') ? { user: { id: user } } : {};
    const answer = await this.#call('POST', await this.#at('/tokens/generate'), {
      token: secret,
      json: body,
      timeoutMs,
    });
    if (answer.status === 401 || answer.status === 403)
      throw this.#failed(`Direct Line answered ${answer.status} to the secret`, 'forbidden', {
        cure: `compare ${transport.secret} with a key of the bot's Direct Line channel`,
      });
    return tokenOf(this.#expect(answer, 'generating a token'), 'generating a token', (what) =>
      this.#failed(what, 'refused'),
    );
  }

  async refresh(token: string, timeoutMs?: number): Promise<TokenGrant> {
    const answer = await this.#call('POST', await this.#at('/tokens/refresh'), { token, timeoutMs });
    return tokenOf(this.#expect(answer, 'refreshing a token'), 'refreshing a token', (what) =>
      this.#failed(what, 'refused'),
    );
  }

  /** The conversation of this token: started now, or found again when it was started before. */
  async start(
    token: string,
    about: { user: string; locale?: string },
    timeoutMs?: number,
  ): Promise<StartedConversation> {
    const json = { user: { id: about.user }, ...(about.locale === undefined ? {} : { locale: about.locale }) };
    const answer = await this.#call('POST', await this.#at('/conversations'), { token, json, timeoutMs });
    return this.#conversationOf(this.#expect(answer, 'starting a conversation'), token);
  }

  /** A fresh stream of a conversation that goes on. `token` may be the secret, which every conversation opens to. */
  async reconnect(
    token: string,
    conversationId: string,
    watermark: string,
    timeoutMs?: number,
  ): Promise<StartedConversation> {
    const url = await this.#at(`/conversations/${encodeURIComponent(conversationId)}`);
    url.searchParams.set('watermark', watermark);
    const answer = await this.#call('GET', url, { token, timeoutMs });
    return this.#conversationOf(this.#expect(answer, 'reconnecting'), token, conversationId);
  }

  /** What was said after the watermark; an empty set is the end. */
  async read(token: string, conversationId: string, watermark: string, timeoutMs?: number): Promise<ActivitySet> {
    const url = await this.#at(`/conversations/${encodeURIComponent(conversationId)}/activities`);
    url.searchParams.set('watermark', watermark);
    const answer = await this.#call('GET', url, { token, timeoutMs });
    const set = activitySetOf(this.#expect(answer, 'reading the conversation').json);
    if (set === undefined) throw this.#failed('reading the conversation brought no set of activities', 'refused');
    return set;
  }

  /** @returns the id the service gave to the activity, when it tells. */
  async post(
    token: string,
    conversationId: string,
    activity: Activity,
    files: readonly UploadedFile[] = [],
    timeoutMs?: number,
  ): Promise<string | undefined> {
    const path = `/conversations/${encodeURIComponent(conversationId)}`;
    const call: Call & { timeoutMs?: number | undefined } =
      files.length === 0
        ? { token, json: activity, timeoutMs: timeoutMs ?? this.options.timeoutMs }
        : { token, body: multipart(activity, files), timeoutMs: timeoutMs ?? this.options.timeoutMs };
    const url = await this.#at(files.length === 0 ? `${path}/activities` : `${path}/upload`);
    if (files.length > 0) url.searchParams.set('userId', activity.from?.id ?? '');
    const { json } = this.#expect(await this.#call('POST', url, call), 'posting an activity');
    return isObject(json) && typeof json['id'] === 'string' && json['id'] !== '' ? json['id'] : undefined;
  }

  /** The secret, where there is one: with it a conversation can be entered whose token has ended. */
  get secret(): string | undefined {
    return this.options.secret;
  }

  /** Files above this go along as links. */
  get fileLimitBytes(): number {
    return FILE_LIMIT_BYTES;
  }

  async #at(path: string): Promise<URL> {
    const base = await (this.#baseUrl ??= this.#findBaseUrl());
    return new URL(`${base.replace(/\/+$/, '')}/v3/directline${path}`);
  }

  /**
   * A Copilot Studio environment tells which region's Direct Line serves it. Asked once, where the configuration names
   * no Direct Line; the global one serves where the environment does not tell.
   */
  async #findBaseUrl(): Promise<string> {
    const { transport } = this.options;
    const { tokenEndpoint, baseUrl } = transport;
    if (tokenEndpoint === undefined || baseUrl !== GLOBAL_DIRECT_LINE) return baseUrl;
    const endpoint = new URL(tokenEndpoint);
    if (!endpoint.pathname.startsWith('/powervirtualagents/')) return baseUrl;
    const url = new URL('/powervirtualagents/regionalchannelsettings', endpoint);
    url.searchParams.set('api-version', endpoint.searchParams.get('api-version') ?? '2022-03-01-preview');
    try {
      const { status, json } = await this.#call('GET', url, {});
      const found =
        isObject(json) && isObject(json['channelUrlsById']) ? json['channelUrlsById']['directline'] : undefined;
      if (status === 200 && typeof found === 'string' && isSafe(found)) return found;
    } catch {
      // Asked again with the next call: for now the global one.
      this.#baseUrl = undefined;
    }
    return baseUrl;
  }

  #conversationOf({ json }: Answer, token: string, known?: string): StartedConversation {
    const body = isObject(json) ? json : {};
    const conversationId = typeof body['conversationId'] === 'string' ? body['conversationId'] : known;
    if (conversationId === undefined || conversationId === '')
      throw this.#failed('Direct Line named no conversationId', 'refused');
    const { streamUrl } = body;
    return {
      conversationId,
      token: typeof body['token'] === 'string' && body['token'] !== '' ? body['token'] : token,
      lifeMs: lifeOf(body['expires_in']),
      ...(typeof streamUrl === 'string' && /^wss?:\/\//.test(streamUrl) ? { streamUrl } : {}),
    };
  }

  async #call(
    method: 'GET' | 'POST',
    url: URL,
    {
      timeoutMs,
      token,
      ...call
    }: Omit<Call, 'timeoutMs' | 'token'> & {
      timeoutMs?: number | undefined;
      token?: string | undefined;
    },
  ): Promise<Answer> {
    try {
      return await this.#caller.call(method, url, {
        ...call,
        ...(token === undefined ? {} : { token }),
        timeoutMs: timeoutMs ?? this.options.timeoutMs,
      });
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const kind = error.why === 'broken' ? 'unsure' : error.why;
      throw this.#failed(error.message, kind, { cause: error });
    }
  }

  /** @throws ServiceFailed unless the answer is a success. */
  #expect(answer: Answer, doing: string): Answer {
    const { status, json, headers } = answer;
    if (status >= 200 && status < 300) return answer;
    const error = isObject(json) && isObject(json['error']) ? json['error'] : {};
    const code = typeof error['code'] === 'string' ? error['code'] : '';
    const retryAfterMs = retryAfterOf(headers['retry-after']);
    throw this.#failed(
      `${doing} was answered ${status}${code === '' ? '' : ` ${code.slice(0, 60)}`}`,
      kindOf(status, code),
      retryAfterMs === undefined ? {} : { retryAfterMs },
    );
  }

  #failed(what: string, kind: FailureKind, options: FailureOptions = {}): ServiceFailed {
    return new ServiceFailed(`Bot "${this.options.botId}": ${what}.`, kind, options);
  }
}

/** A discovered address may be less than what was configured, but never open to everybody on the way. */
function isSafe(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || (protocol === 'http:' && isPrivateHost(hostname));
}

function kindOf(status: number, code: string): FailureKind {
  if (GONE_CODES.test(code)) return 'gone';
  if (BOT_FAILED_CODES.test(code)) return 'botFailed';
  switch (status) {
    case 401:
    case 403:
      return 'forbidden';
    case 404:
    case 410:
      return 'gone';
    case 429:
    case 503:
      return 'busy';
    case 502:
    case 504:
      return 'unsure';
  }
  return status >= 500 ? 'botFailed' : 'refused';
}

function tokenOf({ json }: Answer, doing: string, fail: (what: string) => ServiceFailed): TokenGrant {
  const body = isObject(json) ? json : {};
  const { token, conversationId } = body;
  if (typeof token !== 'string' || token === '') throw fail(`${doing} brought no token`);
  return {
    token,
    lifeMs: lifeOf(body['expires_in']),
    ...(typeof conversationId === 'string' && conversationId !== '' ? { conversationId } : {}),
  };
}

/** What the service sends by answer or by frame. Items that are no activities are left out. */
export function activitySetOf(json: unknown): ActivitySet | undefined {
  if (!isObject(json)) return undefined;
  const { activities = [], watermark } = json;
  if (!Array.isArray(activities)) return undefined;
  return {
    activities: (activities as unknown[]).filter(
      (one): one is Activity => isObject(one) && typeof one['type'] === 'string',
    ),
    ...(typeof watermark === 'string' && watermark !== '' ? { watermark } : {}),
  };
}

function lifeOf(expiresInS: unknown): number {
  const seconds = Number(expiresInS);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : TOKEN_LIFE_MS;
}

/** Seconds; a date is taken for "soon". */
function retryAfterOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : undefined;
}

function multipart(activity: Activity, files: readonly UploadedFile[]): { contentType: string; bytes: Buffer } {
  const boundary = `handoff-${randomBytes(16).toString('hex')}`;
  const parts: (string | Uint8Array)[] = [
    `--${boundary}\r\ncontent-disposition: form-data; name="activity"; filename="blob"\r\n` +
      `content-type: application/vnd.microsoft.activity\r\n\r\n${JSON.stringify(activity)}\r\n`,
  ];
  for (const { name, contentType, bytes } of files) {
    const quoted = name.replace(/[\r\n]/g, ' ').replace(/"/g, '%22');
    parts.push(
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${quoted}"\r\n` +
        `content-type: ${contentType}\r\n\r\n`,
      bytes,
      '\r\n',
    );
  }
  parts.push(`--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))),
  };
}
