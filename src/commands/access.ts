// `handoff token`, `sign-in`, `pairing-code` and `keys`: ways in for people and scripts, and what signs for bots.

import { SigningKeys } from '../connector/trust/keys.js';
import { createTicket, mintPersonToken, putPairingCode } from '../console/console.js';
import { ConfigError } from '../errors.js';
import { Tokens } from '../hub/tokens.js';
import type { Store } from '../hub/ports.js';
import { askServer, clockOf, directoryInForce, serverUrl } from './data.js';
import { placeInWords, reading, writing } from '../openStore.js';
import { expectWords, type Flags } from './flags.js';

export async function token(person: string, flags: Flags): Promise<number> {
  const bearer = await reading(flags, async (store) => {
    await requirePerson(store, person, flags);
    return mintPersonToken(await tokensOf(store, flags), person);
  });
  console.log(flags.json ? JSON.stringify({ token: bearer }) : bearer);
  return 0;
}

export async function signIn(person: string, flags: Flags): Promise<number> {
  const server = await serverUrl(flags);
  const answer = await askServer(flags, '/api/v1/control/sign-in', { person });
  const path =
    answer !== undefined
      ? (answer as { path: string }).path
      : await writing(flags, async (store) => {
          await requirePerson(store, person, flags);
          return createTicket(store, person, clockOf(store).now());
        });
  const url = server === undefined ? undefined : `${server}${path}`;
  if (flags.json) console.log(JSON.stringify({ path, ...(url !== undefined && { url }) }));
  // Whoever sits at the terminal wants the one thing to click; scripts read the path.
  else if (process.stdout.isTTY) console.log(url ?? path);
  else {
    console.log(path);
    if (url !== undefined) console.error(url);
  }
  return 0;
}

export async function pairingCode(person: string, flags: Flags): Promise<number> {
  const answer = await askServer(flags, '/api/v1/control/pairing-code', { person });
  const code =
    answer !== undefined
      ? (answer as { code: string }).code
      : await writing(flags, async (store) => {
          await requirePerson(store, person, flags);
          return putPairingCode(store, person, clockOf(store).now());
        });
  console.log(flags.json ? JSON.stringify({ code }) : code);
  if (!flags.json) console.error(`Write to the bot for staff within ten minutes: sign in ${code}`);
  return 0;
}

export async function keys(words: readonly string[], flags: Flags): Promise<number> {
  const [verb, revoke] = words;
  if (verb !== undefined) expectWords(verb === 'revoke' ? words : [], 2, 'keys, or: handoff keys revoke <key>');
  const asked = revoke === undefined ? {} : { revoke };
  const answer = await askServer(flags, '/api/v1/control/keys', asked);
  const list =
    answer !== undefined
      ? (answer as { keys: Awaited<ReturnType<SigningKeys['list']>> }).keys
      : await writing(flags, async (store) => {
          const signing = new SigningKeys(store, clockOf(store));
          if (revoke !== undefined) await signing.revoke(revoke);
          return signing.list();
        });
  const line = ({ kid, from, signs }: (typeof list)[number]) =>
    `${kid}  from ${new Date(from).toISOString().slice(0, 10)}${signs ? '  signs now' : ''}`;
  console.log(flags.json ? JSON.stringify({ keys: list }) : list.map(line).join('\n'));
  return 0;
}

/** @throws ConfigError when the record has no key yet: this command only reads it. */
function tokensOf(store: Store, flags: Flags): Promise<Tokens> {
  const existing = {
    secret: (name: string) =>
      store.secret(name, () => {
        throw new ConfigError([
          `No hub that takes tokens has run on ${placeInWords(flags)} yet, so there is no key to sign one with.` +
            ' Start the server on it once ("handoff start", or hub.listen() in a program of yours), then ask again.',
        ]);
      }),
  };
  return Tokens.open(existing, clockOf(store));
}

async function requirePerson(store: Store, person: string, flags: Flags): Promise<void> {
  const people = Object.keys((await directoryInForce(store, flags)).people);
  if (!people.includes(person))
    throw new ConfigError([`There is no person "${person}"; there are ${people.join(', ') || 'none'}.`]);
}
