// A bot at a messaging endpoint: each turn is one POST; what it says comes by calls of its own, or in the answer (expectReplies).

import { parseActivity } from '../activityJson.js';
import type { Activity } from '../core/activity.js';
import { isObject } from '../core/context.js';
import { DeliveryFailed, type DeliveryFailedOptions, type FaultKind } from '../errors.js';
import { parseJson } from '../json.js';
import type { BotConnection, BotTurn, Clock, InvokeResponse } from '../hub/ports.js';
import { Poster, type Posted } from './post.js';

export interface HttpBotOptions {
  id: string;
  /** The bot's messaging endpoint. */
  endpoint: string;
  delivery: 'normal' | 'expectReplies';
  /** The whole turn, its answer included. */
  timeoutMs: number;
  /**
   * The bearer token of a call, another one than a `refused` one where there is another; without it nobody authenticates, and
   * the bot must be at a loopback or private address.
   */
  token?: (activity: Activity, refused?: string) => Promise<string>;
  clock: Clock;
}

export interface HttpBot extends BotConnection {
  /** Turns under way finish; nothing stays open after them. */
  retire(): void;
  /** Cuts turns under way: they are owed again after the next start. */
  close(): void;
}

/** Of what a bot says to an operator (never to a customer), so much goes into the reason. */
const SAID_CHARACTERS = 200;
const NO_BOT = 'no bot is there. Its endpoint usually ends in /api/messages';
/** "Try again later", from the bot or from the proxy in front of it while the bot starts. */
const NOT_NOW = new Set([429, 502, 503, 504]);

export function httpBot(options: HttpBotOptions): HttpBot {
  const { id, delivery, timeoutMs, token } = options;
  const poster = new Poster({
    name: `Bot "${id}"`,
    url: new URL(options.endpoint),
    privateOnly: token === undefined,
    timeoutMs,
  });
  return {
    async deliver(activity: Activity, turn: BotTurn): Promise<InvokeResponse | undefined> {
      // What a client asked for is between it and the hub; how this bot answers is the configuration's.
      const { deliveryMode: _clients, ...content } = activity;
      const sent = delivery === 'expectReplies' ? { ...content, deliveryMode: delivery } : content;
      const body = JSON.stringify(sent);
      const post = (bearer?: string) =>
        poster.post(body, {
          'content-type': 'application/json',
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        });
      const shown = await token?.(activity);
      let answer = await post(shown);
      if (answer.status === 401 && shown !== undefined) {
        // The key of a kept token may be gone meanwhile. A bot that says 401 has not looked at the activity.
        const another = await token?.(activity, shown);
        if (another !== shown) answer = await post(another);
      }
      const response = activity.type === 'invoke' ? invokeResponseOf(answer) : undefined;
      if (response === undefined) requireTaken(options, answer);
      if (delivery === 'normal') return response;
      const replies = repliesOf(options, answer);
      const spoken = replies.filter(({ type }) => type !== 'invokeResponse');
      if (spoken.length > 0) await turn.respond(spoken);
      return activity.type === 'invoke' ? invokeResponseIn(replies) : undefined;
    },
    retire: () => poster.retire(),
    close: () => poster.close(),
  };
}

/** @throws DeliveryFailed unless the bot took the activity. */
function requireTaken(options: HttpBotOptions, answer: Posted): void {
  const { status, headers } = answer;
  if (status >= 200 && status < 300) {
    if (!isWebPage(answer)) return;
    throw failed(options, 'answered with a web page', { kind: 'noBot', cure: NO_BOT });
  }
  if (NOT_NOW.has(status)) {
    const retryAfterMs = retryAfterOf(headers['retry-after'], options.clock.now());
    throw new DeliveryFailed(describe(options, `answered ${status}`), true, {
      kind: 'busy',
      cure: 'it takes nothing at the moment',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  throw failed(options, `answered ${status}${said(answer)}`, {
    kind: kindOf(status),
    cure: cureOf(options, status, headers.location),
  });
}

function kindOf(status: number): FaultKind {
  if (status === 401 || status === 403) return 'untrusted';
  const isNoBot = (status >= 300 && status < 400) || status === 404 || status === 405 || status === 410;
  return isNoBot ? 'noBot' : 'failed';
}

function cureOf({ token }: HttpBotOptions, status: number, location: string | undefined): string {
  if (status >= 300 && status < 400)
    return `redirects are not followed. Set its endpoint to ${location ?? 'where it leads'} if the bot is there`;
  switch (status) {
    case 401:
    case 403:
      return token === undefined
        ? 'it wants to be called with a token. Set its appId and auth, or run it without an app id'
        : "it does not accept the hub's token. Compare appId and auth with the bot's own settings";
    case 404:
    case 405:
    case 410:
      return NO_BOT;
    case 413:
      return "the activity is larger than it takes. Raise the limit of the bot's web server";
  }
  return status >= 500
    ? 'its turn failed. The cause is in its own log'
    : 'it does not understand the activity. The cause is in its own log';
}

/** Any status may be a bot's answer to an invoke, but for those that tell that the bot did not handle it. */
function invokeResponseOf(answer: Posted): InvokeResponse | undefined {
  const { status } = answer;
  if (status === 401 || status < 200 || (status >= 300 && status < 400) || NOT_NOW.has(status)) return undefined;
  const body = jsonOf(answer);
  if (status === 500 && body === undefined) return undefined;
  return { status, ...(body === undefined ? {} : { body }) };
}

/** With expectReplies the SDK puts the response among the replies. */
function invokeResponseIn(replies: readonly Activity[]): InvokeResponse {
  const value = replies.find(({ type }) => type === 'invokeResponse')?.value;
  if (!isObject(value) || typeof value['status'] !== 'number') return { status: 501 };
  return { status: value['status'], ...(value['body'] === undefined ? {} : { body: value['body'] }) };
}

/** @throws DeliveryFailed when there is an answer, but not one that holds activities. */
function repliesOf(options: HttpBotOptions, answer: Posted): Activity[] {
  // A bot that does not know expectReplies answers nothing and calls the hub.
  if (answer.body.length === 0) return [];
  const body = jsonOf(answer);
  const activities = isObject(body) ? (body['activities'] ?? []) : undefined;
  if (!Array.isArray(activities) || !activities.every((one) => isObject(one)))
    throw failed(options, 'answered with something other than {"activities": […]}', {
      kind: 'nonsense',
      cure: 'expectReplies asks for that. Let it answer so, or set its delivery to normal',
    });
  return activities.map((one: Record<string, unknown>, index) => {
    try {
      return parseActivity({ ...one, type: typeof one['type'] === 'string' ? one['type'] : 'message' });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw failed(options, `answered with a reply that cannot be read: activities[${index}]: ${why}`, {
        kind: 'nonsense',
        cure: 'the cause is in the code that makes this reply',
        cause,
      });
    }
  });
}

function jsonOf({ body }: Posted): unknown {
  if (body.length === 0) return undefined;
  try {
    return parseJson(body);
  } catch {
    return undefined;
  }
}

function isWebPage({ headers, body }: Posted): boolean {
  return body.length > 0 && (headers['content-type'] ?? '').startsWith('text/html');
}

/** What the SDKs' own refusals say, on one line; a web page says nothing. */
function said(answer: Posted): string {
  if (isWebPage(answer) || answer.status >= 500) return '';
  const body = jsonOf(answer);
  const text = isObject(body)
    ? ((body['error'] as { message?: unknown } | undefined)?.message ?? body['message'] ?? '')
    : answer.body.toString('utf8');
  if (typeof text !== 'string') return '';
  const line = text.replace(/\s+/g, ' ').trim().slice(0, SAID_CHARACTERS);
  return line === '' ? '' : ` ("${line}")`;
}

/** Seconds or a date. */
function retryAfterOf(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function failed(options: HttpBotOptions, what: string, facts: DeliveryFailedOptions): DeliveryFailed {
  return new DeliveryFailed(describe(options, what), false, facts);
}

function describe({ id, endpoint }: HttpBotOptions, what: string): string {
  const { origin, pathname } = new URL(endpoint);
  return `Bot "${id}" at ${origin}${pathname} ${what}.`;
}
