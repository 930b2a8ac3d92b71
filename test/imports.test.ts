// `handoff import`: files into the archive, each activity once, and what is wrong with a file said with its place.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Activity } from '../src/core/activity.js';
import { renderTranscript, transcriptFacts, type TranscriptFormat } from '../src/core/transcript.js';
import { importActivities, readTranscripts } from '../src/imports.js';
import { verify } from '../src/verify.js';
import { openHub, type TestHub } from './fakes/hub.js';
import { handoff as runCommand, startProgram, withData } from './fakes/program.js';

const KIM = { id: 'kim', name: 'Kim', role: 'user' };
const BOT = { id: 'bot', name: 'Bot', role: 'bot' };

function said(id: string, text: string, at: string, more: Partial<Activity> = {}): Activity {
  const [from, recipient] = id.startsWith('b') ? [BOT, KIM] : [KIM, BOT];
  return {
    type: 'message',
    id,
    timestamp: at,
    channelId: 'emulator',
    conversation: { id: 'old' },
    from,
    recipient,
    text,
    ...more,
  };
}

const TALK = [
  said('c1', 'hello', '2019-05-01T10:00:00.000Z', { channelData: { own: true } }),
  said('b1', 'Hi Kim', '2019-05-01T10:00:01.500Z', { replyToId: 'c1', inputHint: 'acceptingInput' }),
  said('c2', 'bye', '2019-05-01T10:01:00.000Z'),
];

describe('handoff import', () => {
  let test: TestHub;
  let folder: string;

  beforeEach(async () => {
    test = await openHub();
    folder = await mkdtemp(join(tmpdir(), 'handoff-import-'));
  });
  afterEach(async () => {
    assert.deepEqual((await verify(test.store)).faults, []);
    await test.close();
    await rm(folder, { recursive: true });
  });

  async function file(name: string, content: unknown): Promise<string> {
    const path = join(folder, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content, undefined, 2));
    return path;
  }
  const take = async (...paths: string[]) =>
    importActivities(test.store, 'web', await readTranscripts(paths), test.clock.now());
  const exported = async (id: string, from = test, format: TranscriptFormat = 'transcript') => {
    const state = await from.state(id);
    return renderTranscript(transcriptFacts(state, from.hub.directory), await from.log(id), format, 'staff');
  };

  it('files a transcript as a closed conversation at its own times, and exports it as it was', async () => {
    const { conversations, added, known } = await take(await file('a.transcript', TALK));
    assert.deepEqual([conversations.length, added, known], [1, 3, 0]);
    const [id = ''] = conversations;
    const state = await test.state(id);
    assert.equal(state.phase, 'closed');
    assert.equal(new Date(state.startedAt).toISOString(), '2019-05-01T10:00:00.000Z');
    assert.deepEqual(state.customer, { id: 'kim', name: 'Kim' });
    assert.deepEqual(
      (await test.log(id))
        .slice(1)
        .map(({ event, channelActivityId }) => [event.by.role, new Date(event.at).toISOString(), channelActivityId]),
      [
        ['customer', '2019-05-01T10:00:00.000Z', 'c1'],
        ['bot', '2019-05-01T10:00:01.500Z', 'b1'],
        ['customer', '2019-05-01T10:01:00.000Z', 'c2'],
      ],
    );
    assert.deepEqual(JSON.parse(await exported(id)), TALK);
    assert.match(await exported(id, test, 'text'), /\[2019-05-01 10:00:01 UTC\] Bot: Hi Kim/);
  });

  it('takes the same file once, and what is new of a longer one', async () => {
    const path = await file('a.transcript', TALK);
    const [first] = (await take(path)).conversations;
    assert.deepEqual(await take(path), { conversations: [first], added: 0, known: 3 });
    const later = said('b2', 'Bye', '2019-05-01T10:01:01.000Z');
    assert.deepEqual(await take(await file('b.transcript', [...TALK, later])), {
      conversations: [first],
      added: 1,
      known: 3,
    });
    assert.deepEqual(JSON.parse(await exported(first!)), [...TALK, later]);
  });

  it('exports what it imported of an export as the same document: cards, notes and words of people included', async () => {
    const other = await openHub();
    try {
      await other.hub.people.setPresence('ana', 'available');
      const id = await other.startConversation();
      const by = { role: 'agent', id: 'ana' } as const;
      await other.says(id, 'hello');
      const card = { contentType: 'application/vnd.microsoft.card.hero', content: { title: 'A card' } };
      await other.hub.botSays(id, 'demo', [
        { type: 'message', attachments: [card] },
        { type: 'event', name: 'handoff.initiate', value: { BotHandoffTopic: 'CreditCard' } },
      ]);
      await other.hub.settled();
      await other.hub.handle(id, { type: 'accept', agent: 'ana' });
      await other.hub.handle(id, { type: 'say', by, activity: { type: 'message', text: 'Ana here' } });
      await other.hub.handle(id, { type: 'note', by, activity: { type: 'message', text: 'a private note' } });
      await other.hub.settled();
      const document = await exported(id, other);
      const [imported = ''] = (await take(await file('export.transcript', document))).conversations;
      assert.equal(await exported(imported), document);
      const customers = (await test.log(imported)).filter(({ event }) => event.audience === 'everyone');
      assert.equal(JSON.stringify(customers).includes('a private note'), false, 'what was private stays so');
    } finally {
      await other.close();
    }
  });

  it('knows its own export: what the hub has in its log is not filed a second time', async () => {
    const id = await test.startConversation();
    await test.says(id, 'hello');
    const { added, conversations } = await take(await file('own.transcript', await exported(id)));
    assert.deepEqual([added, conversations], [0, [id]]);
  });

  it("reads folders as the SDK's file and blob stores lay them out: an activity a file, in the order of their times", async () => {
    for (const [name, activity] of [
      ['emulator/old/2-x.json', TALK[1]],
      ['emulator/old/1-y.json', TALK[2]],
      ['emulator/old/3-z.json', TALK[0]],
      ['emulator/other/1.json', said('c9', 'elsewhere', '2019-05-02T10:00:00.000Z', { conversation: { id: 'other' } })],
    ] as const)
      await file(name, activity);
    await file('emulator/readme.txt', 'not a transcript');
    const { conversations, added } = await take(folder);
    assert.deepEqual([conversations.length, added], [2, 4]);
    assert.deepEqual(JSON.parse(await exported(conversations[0]!)), TALK);
  });

  it('says of every file what is wrong and where, and takes nothing then', async () => {
    const paths = [
      await file('good.transcript', TALK),
      await file('broken.transcript', '[\n  {"type": "message",\n   "text": oops }\n]'),
      await file('cut.transcript', '[\n  {"type": "mess'),
      await file(
        'words.transcript',
        '[{"type":"message","channelId":"x","conversation":{"id":"c"}}, "hello", {"text":"x"}]',
      ),
      await file('when.transcript', [said('c1', 'x', 'yesterday')]),
      await file('nowhere.transcript', [{ type: 'message', channelId: 'emulator', text: 'hi' }]),
      join(folder, 'missing.transcript'),
    ];
    const faults = await readTranscripts(paths).then(
      () => [],
      (error: { faults: string[] }) => error.faults.map((fault) => fault.replace(folder, '')),
    );
    assert.equal(faults.length, 7);
    assert.match(faults[0]!, /^.broken\.transcript:3:12: this is no JSON: "oops }" is out of place/);
    assert.match(faults[1]!, /^.cut\.transcript:2:12: this is no JSON/);
    assert.match(faults[2]!, /words\.transcript: activity 2 is no activity/);
    assert.match(faults[3]!, /words\.transcript: activity 3 has no type/);
    assert.match(faults[4]!, /when\.transcript: activity 1 has the timestamp "yesterday": write it as/);
    assert.match(faults[5]!, /nowhere\.transcript: activity 1 has no conversation\.id/);
    assert.match(faults[6]!, /no file or folder .*missing\.transcript/);
    assert.deepEqual(await test.store.conversationIds(10), []);
  });

  it('names what cannot be read', async () => {
    const loop = `${await file('a.transcript', TALK)}-loop`;
    await symlink(loop, loop);
    await assert.rejects(readTranscripts([loop]), {
      name: 'ConfigError',
      message: /-loop cannot be read \(ELOOP.*Let this account read it/,
    });
  });

  it('is a command, beside a running server and without one', async function () {
    this.timeout(120_000);
    const path = await file('a.transcript', TALK);
    await withData(async (data) => {
      const command = (...args: string[]) => runCommand([...args, '--data', data]);
      assert.match((await command('import', path)).err, /There is no record/);
      const program = await startProgram(data);
      try {
        const { out, err } = await command('import', path, '--json');
        assert.equal(err, '');
        const { conversations, added } = JSON.parse(out) as { conversations: string[]; added: number };
        assert.equal(added, 3);
        const shown = await command('transcript', conversations[0]!, '--format', 'transcript');
        assert.deepEqual(JSON.parse(shown.out), TALK);
      } finally {
        await program.stop();
      }
      const again = await command('import', path);
      assert.match(again.out, /^0 activities imported, 3 there already/);
      assert.equal((await command('verify')).code, 0);
      assert.equal((await command('import', join(folder, 'none'))).code, 1);
    });
  });
});
