// What went wrong with a bot and what to do about it, in words for the person who must act.

import { DeliveryFailed, type FaultKind } from '../errors.js';
import type { Failure } from './breaker.js';

export interface BotFault extends Failure {
  readonly kind: FaultKind;
  readonly what: string;
  readonly cure: string;
}

/** Longer reasons are some program's output and not a sentence. */
const MOST_CHARACTERS = 500;

/** What each kind shows of the bot, and the cure where who noticed it named none. One row each. */
const KINDS: Record<FaultKind, { about: Failure['about']; cure: string }> = {
  unreachable: { about: 'reach', cure: 'Start the bot, or correct its endpoint. It is tried again by itself.' },
  busy: { about: 'reach', cure: 'Give the bot more room, or wait until it has started. It is tried again by itself.' },
  untrusted: { about: 'reach', cure: "Compare the bot's appId and auth here with its own settings." },
  noBot: { about: 'reach', cure: 'Correct its endpoint: it usually ends in /api/messages.' },
  notConnected: { about: 'reach', cure: 'Connect it with hub.connectBot, or set its endpoint.' },
  timedOut: { about: 'turn', cure: 'Look for what the bot waits for, or raise its timeoutSeconds.' },
  brokeOff: { about: 'turn', cure: "Look for the end of the bot's process in its own log." },
  failed: { about: 'turn', cure: "Look for the error in the bot's own log." },
  nonsense: { about: 'turn', cure: 'Let the bot answer as the Bot Framework protocol says.' },
};

export function faultOf(error: unknown): BotFault {
  if (!(error instanceof DeliveryFailed)) {
    const { about, cure } = KINDS.failed;
    return {
      kind: 'failed',
      about,
      retry: false,
      hangs: false,
      what: sentence(`Its turn threw ${nameOf(error)}`),
      cure,
    };
  }
  const { kind = error.retry ? 'unreachable' : 'failed', retry, what } = error;
  const { about, cure } = KINDS[kind];
  return { kind, about, retry, hangs: kind === 'timedOut', what: sentence(what), cure: sentence(error.cure ?? cure) };
}

/** URLs; IPv6 and IPv4 addresses; names with a port. */
const ADDRESSES = [
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]*[^\s"'<>.,;:)]/gi,
  /(?:\[[0-9a-f:.]+\]|(?<![\w:])[0-9a-f:]*::[0-9a-f:.]*|\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4})(?::\d{1,5})?/gi,
  /\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?/g,
  /\b(?:[\w-]+\.)*[\w-]*[a-z][\w-]*:\d{2,5}\b(?!:\d)/gi,
];

/** For those who serve customers: how a bot is reached is for those who run it. */
export function withoutAddresses(text: string): string {
  return ADDRESSES.reduce((rest, address) => rest.replace(address, 'its address'), text);
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === '' ? error.name : `${error.name}: ${error.message}`;
}

function sentence(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim().slice(0, MOST_CHARACTERS);
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/.test(line) ? '' : '.'}`;
}
