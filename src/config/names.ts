// What a schema cannot say of a configuration: names must exist and must be unique. Looked at also where its shape is wrong.

import { isObject } from '../core/context.js';

export interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

type Item = Readonly<Record<string, unknown>>;

/** Without `isWhole` some names of the list cannot be read: then it is not known which there are not. */
interface Named {
  readonly items: readonly Item[];
  readonly ids: readonly string[];
  readonly isWhole: boolean;
}

export function nameFaults(value: unknown): Fault[] {
  const faults: Fault[] = [];
  const configuration = isObject(value) ? value : {};
  const [bots, people, queues, streams] = (['bots', 'people', 'queues', 'workStreams'] as const).map((kind) =>
    named(configuration[kind]),
  ) as [Named, Named, Named, Named];
  const members = {
    ids: [...bots.ids, ...people.ids],
    isWhole: bots.isWhole && people.isWhole,
  };
  const say = (path: PropertyKey[], message: string) => faults.push({ path, message });
  const unique = (kind: string, { items }: Named, taken = new Set<string>()) => {
    for (const [index, { id }] of items.entries()) {
      if (typeof id !== 'string') continue;
      if (taken.has(id)) say([kind, index, 'id'], `"${id}" is taken already; ids must differ`);
      taken.add(id);
    }
    return taken;
  };
  // A queue's members name bots and people alike, so they share one set of ids.
  unique('people', people, unique('bots', bots));
  unique('queues', queues);
  unique('workStreams', streams);
  const need = (path: PropertyKey[], name: unknown, kind: string, those: string, known: Omit<Named, 'items'>) => {
    if (typeof name === 'string' && known.isWhole && !known.ids.includes(name))
      say(path, `there is no ${kind} "${name}"; ${those} ${[...new Set(known.ids)].join(', ') || 'none'}`);
  };
  const needQueue = (path: PropertyKey[], name: unknown) => need(path, name, 'queue', 'the queues are', queues);
  for (const [index, one] of queues.items.entries())
    for (const [position, member] of listIn(one, 'members').entries())
      need(['queues', index, 'members', position], member, 'bot or person', 'there are', members);
  for (const [index, { relay }] of bots.items.entries())
    if (isObject(relay))
      need(['bots', index, 'relay', 'workStream'], relay['workStream'], 'work stream', 'there are', streams);
  for (const [index, stream] of streams.items.entries()) {
    const at = (...path: PropertyKey[]) => ['workStreams', index, ...path];
    needQueue(at('fallbackQueue'), stream['fallbackQueue']);
    if (stream['observe'] === true && bots.isWhole && bots.ids.length === 0)
      say(at('observe'), 'a work stream that only observes needs a bot that has the conversations; name it under bots');
    need(at('surveyBot'), stream['surveyBot'], 'bot', 'the bots are', bots);
    for (const [position, rule] of listIn(stream, 'rules').entries())
      if (isObject(rule)) needQueue(at('rules', position, 'queue'), rule['queue']);
  }
  needQueue(['defaultQueue'], configuration['defaultQueue']);
  return faults;
}

function named(list: unknown): Named {
  const items = (Array.isArray(list) ? list : []).map((item: unknown) => (isObject(item) ? item : {}));
  const ids = items.flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
  return { items, ids, isWhole: (list === undefined || Array.isArray(list)) && ids.length === items.length };
}

function listIn(item: Item, field: string): readonly unknown[] {
  const list = item[field];
  return Array.isArray(list) ? list : [];
}
