// Who somebody in a chat is: one-time codes, and accounts that stay whose they are.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sinon from 'sinon';
import { StoreUnavailable } from '../../../src/errors.js';
import { request } from '../../fakes/request.js';
import { ChatOffice } from './chatOffice.js';

describe('signing in from a chat', () => {
  let office: ChatOffice;
  beforeEach(async () => {
    office = await ChatOffice.open();
  });
  afterEach(() => office.close());

  it('tells a stranger how, whatever is written, and shows who has signed in presence and queues', async () => {
    const ana = await office.chat();
    await ana.opens();
    await ana.reads(/You are not signed in here[^]*sign in CODE/);
    await ana.writes('help');
    await ana.reads(/You are not signed in here/);
    await ana.writes(`Sign In ${(await office.hub.createPairingCode('ana')).toLowerCase().replaceAll('-', ' ')}`);
    await ana.reads(/^Hello Ana/);
    const status = await ana.sees(/^Ana: available/);
    assert.match(status.words, /Capacity in use: 0 of 2\. Presence holds until \{\{TIME\(2026-01-05T17:00:00Z\)\}\}/);
    assert.match(status.words, /CreditCardQueue: 0 waiting, 1 here/);
    assert.doesNotMatch(status.words, /HomeLoanQueue/);
    assert.equal(office.hub.people.row('ana')?.presence, 'available');
  });

  it('gives who is signed in to the console a code by the staff API, which works once and for ten minutes', async () => {
    const desk = await office.as('ana');
    const { body } = await desk.call('POST', '/me/pairing-code');
    const { code, write, expires_in: seconds } = body as { code: string; write: string; expires_in: number };
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/);
    assert.deepEqual([write, seconds], [`sign in ${code}`, 600]);
    const [first, second] = [await office.chat('a'), await office.chat('b')];
    await first.writes(write);
    await first.reads(/^Hello Ana/);
    await second.writes(write);
    await second.reads(/not valid \(any more\)/);
    const late = await office.hub.createPairingCode('ben');
    office.clock.advance(10 * 60_000);
    await second.writes(`sign in ${late}`);
    await second.reads(/not valid \(any more\)/);
    assert.equal((await request('POST', `${office.url}/api/v1/me/pairing-code`)).status, 401);
  });

  it('takes the right code however many wrong ones were tried, by strangers and in the same account', async () => {
    const code = await office.hub.createPairingCode('ana');
    const guessers = await Promise.all(Array.from({ length: 15 }, (_, number) => office.chat(`guesser-${number}`)));
    const ana = await office.chat('ana-emulator');
    await Promise.all(
      [ana, ...guessers].map(async (chat) => {
        for (let guess = 0; guess < 8; guess += 1) {
          await chat.writes(`sign in AAAA-AAAA-AAA${guess}`);
          await chat.reads(/not valid/);
        }
      }),
    );
    await ana.writes(`sign in ${code}`);
    await ana.reads(/^Hello Ana/);
  });

  it('makes codes that nobody can guess in the ten minutes for which they work', async () => {
    const codes = await Promise.all(Array.from({ length: 200 }, () => office.hub.createPairingCode('ana')));
    const letters = new Set(codes.flatMap((code) => [...code.replaceAll('-', '')]));
    const lengths = new Set(codes.map((code) => code.replaceAll('-', '').length));
    assert.equal(lengths.size, 1);
    assert.ok(Math.log2(letters.size) * ([...lengths][0] ?? 0) >= 58);
  });

  it('keeps a code good that could not be used', async () => {
    const code = await office.hub.createPairingCode('ana');
    const ana = await office.chat();
    const puts = sinon.stub(office.hub.store, 'putGrant').callThrough();
    puts
      .withArgs(sinon.match({ kind: 'chatAccount' }))
      .onFirstCall()
      .rejects(new StoreUnavailable('The disk is full.'));
    await ana.writes(`sign in ${code}`);
    puts.restore();
    await ana.writes('status');
    await ana.reads(/You are not signed in here/);
    await ana.writes(`sign in ${code}`);
    await ana.reads(/^Hello Ana/);
  });

  it('signs one of two accounts in to which the same code comes at the same moment', async () => {
    const [one, other] = [await office.chat('one'), await office.chat('other')];
    const code = await office.hub.createPairingCode('ana');
    await Promise.all([one.writes(`sign in ${code}`), other.writes(`sign in ${code}`)]);
    const said = [...one.everything, ...other.everything];
    assert.equal(said.filter((words) => words.startsWith('Hello Ana')).length, 1);
    assert.equal(said.filter((words) => words.startsWith('This code is not valid')).length, 1);
  });

  it('keeps no code that could be read from the disk', async () => {
    const code = await office.hub.createPairingCode('ana');
    await office.hub.store.getGrant('flush', 'flush', 0);
    const directory = office.directory;
    const files = await readdir(directory);
    for (const file of files) {
      const bytes = await readFile(join(directory, file)).catch(() => Buffer.alloc(0));
      for (const clear of [code, code.replaceAll('-', '')]) assert.equal(bytes.includes(clear), false, file);
    }
    assert.ok(files.length > 0);
  });

  it('keeps an account one person’s until that person signs out', async () => {
    const shared = await office.signedIn('ana', 'shared');
    const bens = await office.hub.createPairingCode('ben');
    await shared.writes(`sign in ${bens}`);
    await shared.reads(/You are signed in as Ana\. To change that, write "sign out" first\./);
    await shared.writes('sign out');
    await shared.reads(/^You are signed out\.$/);
    await shared.writes('status');
    await shared.reads(/You are not signed in here/);
    await shared.writes(`sign in ${bens}`);
    await shared.reads(/^Hello Ben/);
  });

  it('signs one account in once when two codes come at the same moment', async () => {
    const shared = await office.chat('shared');
    const [anas, bens] = [await office.hub.createPairingCode('ana'), await office.hub.createPairingCode('ben')];
    await Promise.all([shared.writes(`sign in ${anas}`), shared.writes(`sign in ${bens}`)]);
    assert.equal(shared.everything.filter((words) => words.startsWith('Hello ')).length, 1);
    assert.equal(shared.everything.filter((words) => /^You are signed in as (Ana|Ben)\./.test(words)).length, 1);
  });

  it('takes the same account under another directory identity for somebody else', async () => {
    await office.signedIn('ana', '29:shared', { from: { aadObjectId: 'ana-object' } });
    const other = await office.chat('29:shared', { from: { aadObjectId: 'mallory-object' } });
    await other.writes('list');
    await other.reads(/You are not signed in here/);
    await other.writes(`sign in ${await office.hub.createPairingCode('ben')}`);
    await other.reads(/signed in under another identity/);
  });

  it('lets a person serve from two accounts, each with its own sign-in', async () => {
    const phone = await office.signedIn('ana', 'phone');
    const desktop = await office.signedIn('ana', 'desktop');
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await desktop.presses(await desktop.sees(/Request #1 from Kim/), 'Accept');
    await phone.sees(/Request #1 from Kim/);
    await phone.sees(/you are talking with Kim/);
    await phone.writes('from the phone');
    await kim.next('from the phone');
    assert.equal(await desktop.reads(/from the phone/), '#1 You, elsewhere: from the phone');
  });

  it('puts out whom the configuration does not name any more', async () => {
    const ana = await office.signedIn('ana');
    await office.apply((configuration) => ({
      ...configuration,
      people: configuration.people?.filter(({ id }) => id !== 'ana'),
      queues: configuration.queues?.map((queue) => ({
        ...queue,
        members: queue.members.filter((member) => member !== 'ana'),
      })),
    }));
    await ana.writes('list');
    await ana.reads(/You are not signed in here/);
  });

  it('serves nobody in a group, where others read along', async () => {
    const ana = await office.signedIn('ana');
    await ana.posts({ type: 'message', text: 'list', conversation: { id: 'team', conversationType: 'channel' } });
    await ana.reads(/Customers are served in a personal chat/);
  });
});

describe('/api/agent-messages', () => {
  let office: ChatOffice;
  afterEach(() => office.close());
  const codeOf = (body: unknown) => (body as { error?: { code?: string; message?: string } }).error;

  it('takes nothing from afar, from web pages, or for afar while it has no app id', async () => {
    office = await ChatOffice.open();
    const chat = await office.chat();
    const endpoint = `${office.url}/api/agent-messages`;
    const body = {
      type: 'message',
      text: 'help',
      channelId: 'emulator',
      serviceUrl: chat.channel.serviceUrl,
      from: { id: 'x' },
    };
    const refused = [
      await request('POST', endpoint, { body, headers: { 'x-forwarded-for': '203.0.113.9' } }),
      await request('POST', endpoint, { body, headers: { origin: 'https://evil.example' } }),
      await request('POST', endpoint, { body: { ...body, serviceUrl: 'https://smba.example.com/' } }),
    ];
    assert.deepEqual(
      refused.map(({ status }) => status),
      [403, 403, 403],
    );
    assert.match(codeOf(refused[0]?.body)?.message ?? '', /Set AGENT_MicrosoftAppId and AGENT_MicrosoftAppPassword/);
    assert.equal((await request('POST', endpoint, { body: '[1]' })).status, 400);
    assert.equal((await request('POST', endpoint, { body: { text: 'no type' } })).status, 400);
    assert.deepEqual(chat.everything, []);
  });

  it('leaves it to the SDK to check callers when it has an app id of its own', async () => {
    office = await ChatOffice.open({
      settings: {
        AGENT_MicrosoftAppId: '00000000-0000-0000-0000-000000000001',
        AGENT_MicrosoftAppPassword: 'x',
        MicrosoftAppId: '',
      },
    });
    const chat = await office.chat();
    const { error } = console;
    console.error = () => undefined;
    try {
      assert.equal((await chat.writes('help')).status, 401);
    } finally {
      console.error = error;
    }
    assert.deepEqual(chat.everything, []);
  });
});
