// The few kinds of error, what each tells the person who must act, and its HTTP status.

export { Rejected } from './core/rejected.js';
import { Rejected } from './core/rejected.js';

/** The operator must change something: configuration, environment, the data directory. `faults` lists all of it. */
export class ConfigError extends Error {
  readonly code = 'ConfigError';
  constructor(
    readonly faults: readonly string[],
    options?: ErrorOptions,
  ) {
    super(faults.join('\n'), options);
    this.name = 'ConfigError';
  }
}

/** Somebody else changed it first; trying again is safe. */
export class Conflict extends Error {
  readonly code = 'Conflict';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Conflict';
  }
}

/** Nothing was written: the disk is full or the store is closed. The same request may be sent again later. */
export class StoreUnavailable extends Error {
  readonly code = 'StoreUnavailable';
  /** The way to the store broke in the middle: it may have been written all the same. */
  readonly unknown: boolean;
  constructor(message: string, { unknown = false, ...options }: ErrorOptions & { unknown?: boolean } = {}) {
    super(message, options);
    this.name = 'StoreUnavailable';
    this.unknown = unknown;
  }
}

/** What a failed turn shows of a bot. */
export type FaultKind =
  /** Nobody was reached: connection refused, unknown name, no route. */
  | 'unreachable'
  /** 429, 502-504. */
  | 'busy'
  /** It does not accept the hub's token, or the hub not its certificate. */
  | 'untrusted'
  /** Something answers there, but no bot: 404, a redirect, a web page, another protocol. */
  | 'noBot'
  /** Nothing in this process reaches it. */
  | 'notConnected'
  | 'timedOut'
  /** The connection ended before the answer. */
  | 'brokeOff'
  /** 500, or its code threw. */
  | 'failed'
  /** An answer that cannot be read. */
  | 'nonsense';

export interface DeliveryFailedOptions extends ErrorOptions {
  kind?: FaultKind;
  /** What to do about it, for the person who can: "set its appId". Becomes part of the message. */
  cure?: string;
  /** The other end asked not to be called sooner. */
  retryAfterMs?: number;
}

/** A bot or channel did not take what it was sent. `retry` only when it certainly did not get it. */
export class DeliveryFailed extends Error {
  readonly code = 'DeliveryFailed';
  readonly kind?: FaultKind;
  readonly cure?: string;
  /** The other end asked not to be called sooner. */
  readonly retryAfterMs?: number;
  constructor(
    /** What went wrong, without the cure. */
    readonly what: string,
    readonly retry: boolean,
    { kind, cure, retryAfterMs, ...options }: DeliveryFailedOptions = {},
  ) {
    super(cure === undefined ? what : `${what.replace(/\.$/, '')}: ${cure}.`, options);
    this.name = 'DeliveryFailed';
    if (kind !== undefined) this.kind = kind;
    if (cure !== undefined) this.cure = cure;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

/** A request that cannot be served as it is: parsed at the edge, before it reaches the hub. */
export class BadRequest extends Error {
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 410 | 413 | 415 | 429 | 501,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'BadRequest';
  }
}

export interface HttpError {
  status: number;
  body: { error: { code: string; message: string } & Record<string, unknown> };
}

/** What an HTTP client is told about any error. Unknown errors stay vague on the wire; the log has them whole. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof Rejected) return shape(REJECTED_STATUS[error.code], error.code, error.message, error.details);
  if (error instanceof BadRequest) return shape(error.status, error.code, error.message, error.details);
  if (error instanceof Conflict) return shape(409, error.code, error.message);
  if (error instanceof StoreUnavailable)
    return shape(
      503,
      error.code,
      error.unknown
        ? 'The store broke off in the middle, so this may have been stored. Please send it again, under the same id if it has one.'
        : 'The store cannot write right now. Nothing was stored; please send it again.',
    );
  if (error instanceof DeliveryFailed) return shape(502, error.code, error.message);
  return shape(
    500,
    'ServiceError',
    'Something went wrong here. The request id in the x-request-id header finds it in the log.',
  );
}

const REJECTED_STATUS: Record<Rejected['code'], number> = {
  conversationClosed: 400,
  conversationUnknown: 404,
  conversationExists: 409,
  notFound: 404,
  notAllowed: 403,
  notHolder: 409,
  wrongPhase: 409,
  offerGone: 409,
  noCapacity: 409,
  badCommand: 400,
  tooLarge: 413,
};

function shape(status: number, code: string, message: string, details: Record<string, unknown> = {}): HttpError {
  return { status, body: { error: { code, message, ...details } } };
}
