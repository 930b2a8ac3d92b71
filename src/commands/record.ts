// `handoff transcript`, `import` and `verify`: what has been said, printed, taken in from elsewhere, and checked.

import type { Activity } from '../core/activity.js';
import { renderTranscript, transcriptFacts, TRANSCRIPT_FORMATS, type TranscriptFormat } from '../core/transcript.js';
import { ConfigError } from '../errors.js';
import { importActivities, readTranscripts, type Imported } from '../imports.js';
import { verify } from '../verify.js';
import { askServer, clockOf, directoryInForce, serverUrl } from './data.js';
import { placeInWords, reading, writing } from '../openStore.js';
import type { Flags } from './flags.js';
import { counted } from './words.js';

/** Characters of JSON sent to a running server at once. */
const IMPORT_BATCH_LENGTH = 2_000_000;
const ENTRIES_PER_READ = 5_000;

export async function transcript(conversationId: string, flags: Flags): Promise<number> {
  const format = (flags.format ?? 'text') as TranscriptFormat;
  if (!TRANSCRIPT_FORMATS.includes(format))
    throw new ConfigError([`--format takes one of ${TRANSCRIPT_FORMATS.join(', ')}.`]);
  const text = await reading(flags, async (store) => {
    const state = await store.conversation(conversationId);
    if (state === undefined)
      throw new ConfigError([`There is no conversation "${conversationId}" in ${placeInWords(flags)}.`]);
    const entries = [];
    for (;;) {
      const page = await store.entries(conversationId, entries.length, ENTRIES_PER_READ);
      entries.push(...page);
      if (page.length < ENTRIES_PER_READ) break;
    }
    return renderTranscript(transcriptFacts(state, await directoryInForce(store, flags)), entries, format, 'staff');
  });
  console.log(flags.json ? JSON.stringify({ conversationId, format, transcript: text }) : text);
  return 0;
}

export async function importFiles(paths: readonly string[], flags: Flags): Promise<number> {
  const ids = new Set<string>();
  let added = 0;
  let known = 0;
  const add = (imported: Imported) => {
    imported.conversations.forEach((id) => ids.add(id));
    added += imported.added;
    known += imported.known;
  };
  const activities = await readTranscripts(paths);
  if ((await serverUrl(flags)) !== undefined) {
    for (const some of inBatches(activities))
      add((await askServer(flags, '/api/v1/control/transcripts', { activities: some })) as Imported);
  } else {
    await writing(flags, async (store) => {
      const { workStreams } = await directoryInForce(store, flags);
      add(await importActivities(store, Object.keys(workStreams)[0] ?? '', activities, Date.now()));
    });
  }
  if (flags.json) console.log(JSON.stringify({ conversations: [...ids], added, known }));
  else
    console.log(
      [`${counted(added, 'activity', 'activities')} imported, ${known} there already. Conversations:`, ...ids].join(
        '\n',
      ),
    );
  return 0;
}

/** In order, each small enough for one request. */
function* inBatches(activities: readonly Activity[]): Generator<Activity[]> {
  let batch: Activity[] = [];
  let size = 0;
  for (const activity of activities) {
    const length = JSON.stringify(activity).length;
    if (batch.length > 0 && size + length > IMPORT_BATCH_LENGTH) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(activity);
    size += length;
  }
  if (batch.length > 0) yield batch;
}

export async function verifyStore(flags: Flags): Promise<number> {
  const running = (await serverUrl(flags)) !== undefined;
  const { conversations, entries, faults } = await reading(flags, (store) =>
    verify(store, running ? () => clockOf(store).now() : undefined),
  );
  if (flags.json) console.log(JSON.stringify({ conversations, entries, faults }));
  else if (faults.length === 0)
    console.log(
      `${counted(conversations, 'conversation')} with ${counted(entries, 'entry', 'entries')} in ${placeInWords(flags)}: everything holds.`,
    );
  else
    console.log(
      [
        ...faults,
        `${counted(faults.length, 'fault')} in ${counted(conversations, 'conversation')} in ${placeInWords(flags)}.`,
      ].join('\n'),
    );
  return faults.length === 0 ? 0 : 1;
}
