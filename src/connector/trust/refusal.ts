// Why a bot's token is not believed: one row per cause, with what to do about it.

import { errors } from 'jose';
import { BadRequest, DeliveryFailed } from '../../errors.js';

/** Clocks of bot and hub may differ by this much, in seconds. */
export const SKEW_S = 300;

const REFUSALS = {
  malformed: [401, 'The token cannot be read. Send a JSON Web Token as "Authorization: Bearer TOKEN".'],
  algorithm: [401, 'The token is not signed with RS256. Only tokens of Microsoft Entra or of this server are taken.'],
  issuer: [
    401,
    "No bot with an issuer of this name is configured here. Compare the bot's appId, tenant and auth here with its own settings.",
  ],
  key: [401, 'The key of the token is not known, no longer valid, or revoked. Ask for a new token.'],
  signature: [401, 'The signature of the token is wrong. Ask for a new token.'],
  audience: [
    401,
    'The token is meant for somebody else. Ask for one with the scope https://api.botframework.com/.default.',
  ],
  expired: [
    401,
    `The token has expired. Ask for a new one; the clocks of bot and hub may differ by ${SKEW_S} seconds.`,
  ],
  notYetValid: [
    401,
    `The token is not valid yet: the clocks of bot and hub differ by more than ${SKEW_S} seconds. Set them right.`,
  ],
  claims: [401, 'The token lacks a claim that it must have (appid or azp, exp, nbf). Ask for a new one.'],
  bot: [
    403,
    'The token is valid, but its app id is of no bot here. Add the bot to the configuration, with this app id.',
  ],
} as const satisfies Record<string, readonly [401 | 403, string]>;

/** The key is not ours, is revoked, or is too old. */
export class UnknownKey extends Error {}

export type Refusal = keyof typeof REFUSALS;

export class TokenNotBelieved extends BadRequest {
  constructor(
    readonly reason: Refusal,
    options: ErrorOptions = {},
  ) {
    const [status, message] = REFUSALS[reason];
    super(status, status === 401 ? 'Unauthorized' : 'Forbidden', message, { reason }, options);
  }
}

/** What a verification that failed means: a refusal, or nobody could tell (the keys could not be loaded). */
export function notBelieved(cause: unknown): TokenNotBelieved | DeliveryFailed {
  if (cause instanceof TokenNotBelieved) return cause;
  const reason = reasonOf(cause);
  if (reason !== undefined) return new TokenNotBelieved(reason, { cause });
  return new DeliveryFailed('The keys that the token is checked with cannot be loaded now. Send it again.', true, {
    cause,
  });
}

function reasonOf(cause: unknown): Refusal | undefined {
  if (cause instanceof UnknownKey || cause instanceof errors.JWKSNoMatchingKey) return 'key';
  if (cause instanceof errors.JWTExpired) return 'expired';
  if (cause instanceof errors.JWTClaimValidationFailed) {
    if (cause.claim === 'aud') return 'audience';
    if (cause.claim === 'iss') return 'issuer';
    return cause.claim === 'nbf' && cause.reason === 'check_failed' ? 'notYetValid' : 'claims';
  }
  if (cause instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (cause instanceof errors.JOSEAlgNotAllowed || cause instanceof errors.JOSENotSupported) return 'algorithm';
  if (cause instanceof errors.JWTInvalid || cause instanceof errors.JWSInvalid) return 'malformed';
  return undefined;
}
