// What a person typed or pressed in the chat, read once: a command, a conversation's number, or words for the customer.

import { isObject } from '../../core/context.js';
import { PRESENCES, type Presence } from '../../core/directory.js';
import { readPairingCode } from './pairing.js';

export type Ask =
  | { readonly do: 'say'; readonly text: string }
  | { readonly do: 'note'; readonly text: string }
  | { readonly do: 'reject'; readonly reason?: string }
  | { readonly do: 'return'; readonly summary?: string }
  | { readonly do: 'transfer'; readonly to: string }
  | { readonly do: 'presence'; readonly presence: Presence }
  | { readonly do: 'signIn'; readonly code: string }
  | { readonly do: Plain }
  | { readonly do: 'unknown'; readonly why: string };

/** Commands without words of their own. */
type Plain = 'accept' | 'pick' | 'end' | 'close' | 'switch' | 'history' | 'status' | 'list' | 'help' | 'signOut';

/** What is asked, and of which conversation: by the number the chat shows, or by its id when a button was pressed. */
export interface Asked {
  readonly ask: Ask;
  readonly number?: number;
  readonly conversation?: string;
}

/** Words that stand for a plain command when nothing else is said. */
const WORDS: Readonly<Record<string, Plain>> = {
  accept: 'accept',
  take: 'pick',
  pick: 'pick',
  end: 'end',
  close: 'close',
  switch: 'switch',
  history: 'history',
  transcript: 'history',
  status: 'status',
  presence: 'status',
  list: 'list',
  help: 'help',
  '?': 'help',
  'sign out': 'signOut',
  'sign-out': 'signOut',
  signout: 'signOut',
};

/** Plain commands that may be followed by a conversation's number. */
const NUMBERED: ReadonlySet<Plain> = new Set(['accept', 'end', 'close', 'switch', 'history']);

export const PRESENCE_WORDS: Readonly<Record<Presence, string>> = {
  available: 'available',
  busy: 'busy',
  doNotDisturb: 'do not disturb',
  away: 'away',
  inactive: 'inactive',
  offline: 'offline',
};

export interface Circumstances {
  /** Nobody is signed in: whatever begins with `sign in` is meant to. */
  readonly signedIn: boolean;
  /** A request is open: `reject` may be followed by a reason. */
  readonly isOffered: boolean;
}

/**
 * A command is a whole message: `end`, `return all done`. With a `/` in front it is one whatever follows; `say …` is words for
 * the customer whatever follows; `#2 …` is about conversation 2.
 */
export function readText(typed: string, circumstances: Circumstances): Asked {
  const [, digits, rest = ''] = /^\s*(?:#(\d{1,6})\b)?[\s:,]*([^]*?)\s*$/.exec(typed) ?? [];
  if (digits === undefined) return readAsk(typed.trim(), circumstances);
  const number = Number(digits);
  if (rest === '') return { ask: { do: 'switch' }, number };
  return { ...readAsk(rest, circumstances), number };
}

function readAsk(text: string, circumstances: Circumstances): Asked {
  const slash = text.startsWith('/');
  const words = slash ? text.slice(1).trimStart() : text;
  const command = commandIn(words, slash, circumstances);
  if (command !== undefined) return command;
  if (slash) return { ask: { do: 'unknown', why: `There is no command "/${words.split(/\s/, 1)[0]}".` } };
  return { ask: { do: 'say', text } };
}

/** `certain`: with a `/`, so that it can only be a command. */
function commandIn(text: string, certain: boolean, { signedIn, isOffered }: Circumstances): Asked | undefined {
  const plain = plainIn(text);
  if (plain !== undefined) return plain;
  const [, verb = '', rest = ''] = /^(\S+)\s*([^]*)$/.exec(text) ?? [];
  switch (verb.toLowerCase()) {
    case 'say':
      return rest === '' ? undefined : { ask: { do: 'say', text: rest } };
    case 'note':
      return { ask: rest === '' ? missing('note', 'note customer sounds worried') : { do: 'note', text: rest } };
    case 'reject':
    case 'decline':
      if (rest === '') return { ask: { do: 'reject' } };
      return certain || isOffered ? { ask: { do: 'reject', reason: rest } } : undefined;
    case 'return':
      return { ask: rest === '' ? { do: 'return' } : { do: 'return', summary: rest } };
    case 'transfer':
      return { ask: { do: 'transfer', to: rest } };
    case 'presence':
    case 'status':
      return presenceIn(rest, certain || verb.toLowerCase() === 'presence');
    case 'sign':
    case 'sign-in':
    case 'signin':
      return signInIn(text, signedIn);
  }
  return undefined;
}

function plainIn(text: string): Asked | undefined {
  const [, words = '', digits] = /^(.*?)(?:\s+#?(\d{1,6}))?$/s.exec(text.toLowerCase()) ?? [];
  const plain = Object.hasOwn(WORDS, words) ? WORDS[words] : undefined;
  if (plain === undefined) return undefined;
  if (digits === undefined) return { ask: { do: plain } };
  return NUMBERED.has(plain) ? { ask: { do: plain }, number: Number(digits) } : undefined;
}

function presenceIn(text: string, certain: boolean): Asked | undefined {
  const wanted = text.toLowerCase().replace(/[\s-]/g, '');
  const presence = wanted === 'dnd' ? 'doNotDisturb' : PRESENCES.find((name) => name.toLowerCase() === wanted);
  if (presence !== undefined) return { ask: { do: 'presence', presence } };
  if (!certain) return undefined;
  const names = Object.values(PRESENCE_WORDS).join(', ');
  return { ask: { do: 'unknown', why: `There is no presence "${text}". Take one of ${names}.` } };
}

function signInIn(text: string, signedIn: boolean): Asked | undefined {
  const code = /^sign[\s-]?in\b\s*([^]*)$/i.exec(text)?.[1];
  if (code === undefined) return undefined;
  // "Sign in to your account" is something a customer is told; only a code makes it a command of who is signed in.
  return signedIn && readPairingCode(code) === undefined ? undefined : { ask: { do: 'signIn', code } };
}

function missing(verb: string, example: string): Ask {
  return { do: 'unknown', why: `"${verb}" needs words: ${example}` };
}

/** What a button of one of our cards carries under `handoff`. */
export interface Pressed {
  readonly do:
    'accept' | 'reject' | 'pick' | 'return' | 'end' | 'close' | 'switch' | 'history' | 'list' | 'presence' | 'transfer';
  readonly conversation?: string;
  readonly presence?: Presence;
}

/** What was pressed; undefined for a value that is not from a card of ours. */
export function readPressed(value: unknown): Asked | undefined {
  const handoff = isObject(value) ? value['handoff'] : undefined;
  if (!isObject(value) || !isObject(handoff)) return undefined;
  const conversation = textIn(handoff, 'conversation');
  const about = conversation === undefined ? {} : { conversation };
  const verb = handoff['do'];
  const words = textIn(value, 'words');
  switch (verb) {
    case 'accept':
    case 'pick':
    case 'end':
    case 'close':
    case 'switch':
    case 'history':
    case 'list':
      return { ask: { do: verb }, ...about };
    case 'reject':
      return { ask: { do: 'reject', ...(words !== undefined && { reason: words }) }, ...about };
    case 'return':
      return { ask: { do: 'return', ...(words !== undefined && { summary: words }) }, ...about };
    case 'transfer':
      return { ask: { do: 'transfer', to: textIn(value, 'target') ?? '' }, ...about };
    case 'presence': {
      const wanted = textIn(value, 'presence') ?? handoff['presence'];
      const presence = PRESENCES.find((name) => name === wanted);
      return presence === undefined ? undefined : { ask: { do: 'presence', presence } };
    }
  }
  return undefined;
}

function textIn(object: Record<string, unknown>, field: string): string | undefined {
  const value = object[field];
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}
