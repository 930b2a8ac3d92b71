// Files: how they come in, what becomes of them, and how a browser gets them back.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import fc from 'fast-check';
import type { Activity } from '../../src/core/activity.js';
import { withFiles } from '../../src/directline/upload.js';
import type { ActivitySet } from '../fakes/widget.js';
import { request } from '../fakes/request.js';
import { openSite, type Site } from './site.js';

interface Part {
  name: string;
  filename?: string;
  type?: string;
  body: string | Buffer;
}

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

function multipart(parts: readonly Part[], boundary = 'boundary-of-the-tests'): { type: string; body: Buffer } {
  const chunks = parts.flatMap(({ name, filename, type, body }) => [
    Buffer.from(
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n` +
        `${type === undefined ? '' : `content-type: ${type}\r\n`}\r\n`,
    ),
    Buffer.from(body as string),
    Buffer.from('\r\n'),
  ]);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

describe('uploads', () => {
  let site: Site;
  let grant: { conversationId: string; token: string };
  beforeEach(async () => {
    site = await openSite();
    grant = await site.start();
  });
  afterEach(() => site.close());

  const send = (type: string, body: Buffer | string, query = '', headers: Record<string, string> = {}) =>
    site.call('POST', `/conversations/${grant.conversationId}/upload${query}`, {
      token: grant.token,
      headers: { 'content-type': type, ...headers },
      body,
    });

  const lastOfCustomer = async (): Promise<Activity> => {
    await site.hub.settled();
    const { body } = await site.call('GET', `/conversations/${grant.conversationId}/activities`, {
      token: grant.token,
    });
    return (body as ActivitySet).activities.filter(({ from }) => from?.role === 'user').at(-1) as Activity;
  };

  /** An upload that has announced itself and then takes its time. */
  const slowly = async (bytes: number) => {
    const { port } = new URL(site.url);
    const socket = net.connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    const { conversationId, token } = grant;
    socket.write(
      `POST /v3/directline/conversations/${conversationId}/upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
        `content-type: image/png\r\ncontent-length: ${bytes}\r\nexpect: 100-continue\r\n\r\n`,
    );
    // Node says so when it hands the request on.
    await once(socket, 'data');
    return socket;
  };
  const until = async (isIt: () => Promise<boolean>) => {
    for (let tries = 0; tries < 200; tries += 1) if (await isIt()) return;
    assert.fail('did not come');
  };
  const tooMany = async () => (await send('image/png', PNG)).status === 429;

  it('takes four at once from one conversation, and more when those are done', async () => {
    const busy = await Promise.all([1, 2, 3, 4].map(() => slowly(1_000)));
    await until(tooMany);
    const other = await site.start('dl_lee');
    const { status } = await site.call('POST', `/conversations/${other.conversationId}/upload`, {
      token: other.token,
      headers: { 'content-type': 'image/png' },
      body: PNG,
    });
    assert.equal(status, 200);
    busy[0]?.destroy();
    await until(async () => !(await tooMany()));
    for (const socket of busy) socket.destroy();
  });

  it('has so much memory for all of them together and says when there is none', async () => {
    await site.close();
    site = await openSite({ uploadRoomBytes: 1_000_000 });
    grant = await site.start();
    const busy = await slowly(999_990);
    await until(tooMany);
    busy.destroy();
    await until(async () => !(await tooMany()));
    assert.equal((await send('image/png', Buffer.alloc(2_000_000))).status, 200, 'one alone always fits');
  });

  const fetchFile = async (url: string | undefined) => {
    const answer = await fetch(url ?? '', { headers: { origin: 'https://shop.example' } });
    return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
  };

  const template = (attachments: unknown[], more: object = {}): Part => ({
    name: 'activity',
    filename: 'blob',
    type: 'application/vnd.microsoft.activity',
    body: JSON.stringify({
      type: 'message',
      text: 'see this',
      from: { id: 'dl_kim', name: 'Kim' },
      attachments,
      ...more,
    }),
  });

  it('joins an activity with its files by name, whatever the order of the parts', async () => {
    const a = { name: 'file', filename: 'a.png', type: 'image/png', body: PNG };
    const b = { name: 'file', filename: 'b.txt', type: 'text/plain', body: 'text' };
    const announced = template([
      { contentType: 'text/plain', name: 'b.txt', thumbnailUrl: 'data:,b' },
      { contentType: 'image/png', name: 'a.png' },
    ]);
    for (const parts of [
      [announced, a, b],
      [b, announced, a],
      [a, b, announced],
    ]) {
      const { type, body } = multipart(parts);
      const answer = await send(type, body, '?userId=dl_kim');
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const shown = await lastOfCustomer();
      assert.equal(shown.id, (answer.body as { id: string }).id);
      assert.equal(shown.text, 'see this');
      assert.deepEqual(
        shown.attachments?.map(({ name, contentType, thumbnailUrl }) => [name, contentType, thumbnailUrl]),
        [
          ['b.txt', 'text/plain', 'data:,b'],
          ['a.png', 'image/png', undefined],
        ],
      );
      const { bytes } = await fetchFile(shown.attachments?.[1]?.contentUrl);
      assert.deepEqual(bytes, PNG);
    }
  });

  it('takes the activity as a plain field, and files without any activity', async () => {
    const activity = { name: 'activity', body: JSON.stringify({ type: 'message', text: 'plain' }) };
    const file = { name: 'file', filename: 'a.png', type: 'image/png', body: PNG };
    const withField = multipart([activity, file]);
    assert.equal((await send(withField.type, withField.body)).status, 200);
    assert.equal((await lastOfCustomer()).text, 'plain');
    const alone = multipart([file]);
    assert.equal((await send(alone.type, alone.body, '?userId=dl_kim')).status, 200);
    const shown = await lastOfCustomer();
    assert.equal(shown.type, 'message');
    assert.deepEqual(shown.from, { id: 'dl_kim', role: 'user' });
    assert.equal(shown.attachments?.length, 1);
  });

  it('takes a single file as the body, with its name from the header', async () => {
    for (const [disposition, name] of [
      ['name="file"; filename="badge.png"', 'badge.png'],
      ['attachment; filename=plain.png', 'plain.png'],
      [`attachment; filename="x.png"; filename*=UTF-8''g%C3%A4rten.png`, 'gärten.png'],
      ['name="file"; filename="../../etc/passwd"', 'passwd'],
      ['name="file"', 'file'],
    ] as const) {
      const answer = await send('image/png', PNG, '?userId=dl_kim', { 'content-disposition': disposition });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const [attachment] = (await lastOfCustomer()).attachments ?? [];
      assert.equal(attachment?.name, name);
      assert.equal(attachment.contentType, 'image/png');
      assert.deepEqual((await fetchFile(attachment.contentUrl)).bytes, PNG);
    }
  });

  it('reaches the bot with addresses it can read', async () => {
    const { type, body } = multipart([
      template([{ contentType: 'image/png', name: 'a.png' }]),
      { name: 'file', filename: 'a.png', type: 'image/png', body: PNG },
    ]);
    await send(type, body);
    await site.hub.settled();
    const heard = site.bot.heard.find((activity) => activity.type === 'message');
    assert.deepEqual((await fetchFile(heard?.attachments?.[0]?.contentUrl)).bytes, PNG);
  });

  it('stores a message that is sent twice once', async () => {
    const parts = [
      template([{ contentType: 'image/png', name: 'a.png' }], { channelData: { clientActivityID: 'same' } }),
      { name: 'file', filename: 'a.png', type: 'image/png', body: PNG },
    ];
    const { type, body } = multipart(parts);
    const first = await send(type, body);
    const second = await send(type, body);
    assert.deepEqual(second.body, first.body);
    await site.hub.settled();
    const shown = (await site.log(grant.conversationId)).filter(
      ({ event }) => event.body?.activity?.text === 'see this',
    );
    assert.equal(shown.length, 1);
  });

  it('refuses a file over 4 MiB and stores nothing of it; one of exactly 4 MiB goes through', async function () {
    this.timeout(30_000);
    const limit = 4 * 1_048_576;
    const before = (await site.state(grant.conversationId)).version;
    const large = multipart([
      template([]),
      { name: 'file', filename: 'small', body: 'x', type: 'text/plain' },
      { name: 'file', filename: 'big', body: Buffer.alloc(limit + 1), type: 'text/plain' },
    ]);
    for (const answer of [await send(large.type, large.body), await send('image/png', Buffer.alloc(limit + 1))]) {
      assert.equal(answer.status, 413, JSON.stringify(answer.body));
      assert.equal((answer.body as { error: { code: string } }).error.code, 'RequestTooLarge');
    }
    assert.equal((await site.state(grant.conversationId)).version, before);
    const exact = multipart([{ name: 'file', filename: 'exact', body: Buffer.alloc(limit), type: 'text/plain' }]);
    assert.equal((await send(exact.type, exact.body)).status, 200);
  });

  it('refuses what is no upload with what to do', async () => {
    const tooMany = multipart(
      Array.from({ length: 11 }, (_, index) => ({ name: 'file', filename: `${index}`, body: 'x', type: 'text/plain' })),
    );
    const cut = multipart([{ name: 'file', filename: 'a.png', type: 'image/png', body: PNG }]);
    for (const [type, body, status] of [
      ['multipart/form-data', 'no boundary', 400],
      ['multipart/form-data; boundary=x', 'no part', 400],
      ['multipart/form-data; boundary=x', '', 400],
      [cut.type, cut.body.subarray(0, -30), 400],
      [multipart([]).type, multipart([]).body, 400],
      [tooMany.type, tooMany.body, 413],
      [multipart([]).type, multipart([{ name: 'activity', body: '{' }]).body, 400],
      [multipart([]).type, multipart([{ name: 'activity', body: '{"type":7}' }]).body, 400],
      ['image/png', '', 400],
    ] as const) {
      const answer = await send(type, body);
      assert.equal(answer.status, status, `${type} ${JSON.stringify(answer.body)}`);
      assert.match((answer.body as { error: { message: string } }).error.message, /.{15,}/);
    }
    assert.equal(
      (await site.call('GET', `/conversations/${grant.conversationId}`, { token: grant.token })).status,
      200,
    );
  });

  it('refuses files for a closed conversation', async () => {
    await site.call('POST', `/conversations/${grant.conversationId}/activities`, {
      token: grant.token,
      body: { type: 'endOfConversation' },
    });
    const answer = await send('image/png', PNG);
    assert.equal(answer.status, 400);
    assert.equal((answer.body as { error: { code: string } }).error.code, 'conversationClosed');
  });

  it('survives any body under any multipart type', async function () {
    this.timeout(30_000);
    const body = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(fc.record({ name: fc.string(), filename: fc.string(), type: fc.string(), body: fc.string() }), {
          maxLength: 3,
        })
        .map((parts) => multipart(parts).body.toString()),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(multipart([]).type, 'multipart/form-data; boundary=', 'image/png'),
        body,
        async (type, bytes) => {
          const { status } = await send(type, bytes);
          assert.ok(status < 500, `${status}`);
        },
      ),
      { numRuns: 60 },
    );
  });

  describe('given back', () => {
    const keep = async (contentType: string, body: string | Buffer, filename = 'file') => {
      await send(contentType, body, '', { 'content-disposition': `name="file"; filename="${filename}"` });
      return (await lastOfCustomer()).attachments?.[0]?.contentUrl as string;
    };

    it('is readable from every page, under its own type and name', async () => {
      const { answer } = await fetchFile(await keep('image/png', PNG, 'gärten "x".png'));
      assert.equal(answer.headers.get('content-type'), 'image/png');
      assert.equal(answer.headers.get('access-control-allow-origin'), 'https://shop.example');
      assert.match(answer.headers.get('content-disposition') ?? '', /^inline; /);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    });

    it('never runs in our origin: what could is offered as a download and sandboxed', async () => {
      for (const type of [
        'text/html',
        'image/svg+xml',
        'application/xhtml+xml',
        'text/xml',
        'application/pdf',
        'text/javascript',
        'TEXT/HTML',
        'nonsense',
      ]) {
        const { answer } = await fetchFile(await keep(type, '<script>alert(1)</script>'));
        assert.match(answer.headers.get('content-disposition') ?? '', /^attachment; /, type);
        assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/, type);
        assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', type);
      }
    });

    it('is described as the Bot Framework describes attachments', async () => {
      const url = await keep('image/png', PNG, 'a.png');
      const { status, body } = await request('GET', url.replace('/views/original', ''));
      assert.equal(status, 200);
      assert.deepEqual(body, { name: 'a.png', type: 'image/png', views: [{ viewId: 'original', size: PNG.length }] });
    });

    it('is not there under any other id or view', async () => {
      const url = await keep('image/png', PNG);
      for (const other of [
        url.replace('original', 'thumbnail'),
        url.replace(/attachments\/./, 'attachments/-'),
        `${site.url}/v3/attachments/unknown`,
        `${site.url}/v3/attachments/%00`,
      ]) {
        const { status, body } = await request('GET', other);
        assert.equal(status, 404, other);
        assert.equal((body as { error: { code: string } }).error.code, 'BadArgument');
      }
    });
  });

  it('keeps every file and every announced attachment that can be shown, once', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const file = fc.record({ name, contentUrl: fc.uuid(), contentType: fc.constant('image/png') });
    const announced = fc.record({ name, contentType: fc.constantFrom('', 'text/plain') });
    fc.assert(
      fc.property(
        fc.array(announced, { maxLength: 5 }),
        fc.uniqueArray(file, { selector: ({ contentUrl }) => contentUrl, maxLength: 5 }),
        (templates, kept) => {
          const joined = withFiles(templates, kept);
          assert.deepEqual(
            joined.map(({ contentUrl }) => contentUrl).sort(),
            kept.map(({ contentUrl }) => contentUrl).sort(),
          );
          for (const attachment of joined) {
            assert.notEqual(attachment.contentType, '');
            assert.equal(kept.find(({ contentUrl }) => contentUrl === attachment.contentUrl)?.name, attachment.name);
          }
        },
      ),
    );
  });
});
