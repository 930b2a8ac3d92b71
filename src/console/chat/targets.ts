// Where a conversation can be handed on to, by what a person calls it.

import type { Directory } from '../../core/directory.js';
import { Rejected } from '../../errors.js';
import type { Target } from './cards.js';

export type TransferTarget = { queue: string } | { agent: string } | { bot: string };

interface Named {
  readonly kind: 'queue' | 'person' | 'bot';
  readonly id: string;
  readonly name: string;
  readonly to: TransferTarget;
}

/** Queues with people, the other people who serve, bots: for a card to choose from. */
export function transferTargets(directory: Directory, person: string): Target[] {
  return named(directory)
    .filter(({ kind, id }) => kind !== 'person' || id !== person)
    .map(({ kind, id, name }) => ({ title: `${name} (${kind})`, value: `${kind}:${id}` }));
}

/** @throws Rejected `badCommand` when nothing, or more than one, is called so. */
export function readTarget(directory: Directory, text: string): TransferTarget {
  const [, kind, rest = ''] = /^(?:to\s+)?(?:(queue|person|bot)\s*[:\s]\s*)?([^]*)$/i.exec(text.trim()) ?? [];
  const wanted = rest.toLowerCase();
  const all = named(directory).filter((one) => kind === undefined || one.kind === kind.toLowerCase());
  const byId = all.filter(({ id }) => id.toLowerCase() === wanted);
  const found = byId.length > 0 ? byId : all.filter(({ name }) => name.toLowerCase() === wanted);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.to;
  if (found.length > 1)
    throw new Rejected(
      'badCommand',
      `"${rest}" is several: say ${found.map((one) => `"transfer ${one.kind} ${one.id}"`).join(' or ')}.`,
    );
  throw new Rejected(
    'badCommand',
    `There is no queue, person or bot "${rest}". There are ${all.map(({ id }) => id).join(', ')}. ` +
      `Nothing was sent; to tell the customer, write "say transfer ${text}".`,
  );
}

function named({ queues, people, bots }: Directory): Named[] {
  return [
    ...Object.values(queues)
      .filter(({ members }) => members.some((member) => people[member] !== undefined))
      .map(({ id, name }): Named => ({ kind: 'queue', id, name, to: { queue: id } })),
    ...Object.values(people)
      .filter(({ roles }) => roles.includes('agent'))
      .map(({ id, name }): Named => ({ kind: 'person', id, name, to: { agent: id } })),
    ...Object.values(bots).map(({ id, name }): Named => ({ kind: 'bot', id, name, to: { bot: id } })),
  ];
}
