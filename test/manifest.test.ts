// The manifests that are uploaded to Teams and read by other bots: filled in, and checked by the published rules.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inflateRawSync, inflateSync } from 'node:zlib';
import manifests from '@microsoft/app-manifest';
import { readText } from '../src/console/chat/asks.js';

const { AppManifestUtils, TeamsManifestConverter } = manifests;
const require = createRequire(import.meta.url);

const BOT_ID = '11111111-2222-3333-4444-555555555555';
const SKILL_APP_ID = '66666666-7777-8888-9999-aaaaaaaaaaaa';
const URL_GIVEN = ['--url', 'https://handoff.example.com'];

/** The rules of Microsoft's schema for skill manifests, version 2.2, in our own words: what is there, of what shape. */
const ACTIVITY = {
  oneOf: [
    {
      type: 'object',
      required: ['type', 'name'],
      properties: {
        type: { enum: ['event', 'invoke'] },
        name: { type: 'string' },
        description: { type: 'string' },
        value: { type: 'object' },
        resultValue: { type: 'object' },
      },
      additionalProperties: false,
    },
    {
      type: 'object',
      required: ['type'],
      properties: {
        type: { const: 'message' },
        description: { type: 'string' },
        value: { type: 'object' },
        resultValue: { type: 'object' },
      },
      additionalProperties: false,
    },
    {
      type: 'object',
      required: ['type'],
      properties: {
        type: {
          enum: [
            ...['messageReaction', 'endOfConversation', 'handoff', 'typing', 'conversationUpdate', 'trace'],
            ...['installationUpdate', 'contactRelationUpdate', 'suggestion', 'deleteUserData', 'messageUpdate'],
            'messageDelete',
          ],
        },
      },
    },
  ],
};
const SKILL_RULES = {
  type: 'object',
  required: ['$id', '$schema', 'name', 'version', 'publisherName', 'endpoints'],
  properties: {
    $id: { type: 'string' },
    $schema: { const: 'https://schemas.botframework.com/schemas/skills/v2.2/skill-manifest.json' },
    name: { type: 'string' },
    version: { type: 'string' },
    description: { type: 'string' },
    publisherName: { type: 'string' },
    privacyUrl: { type: 'string', format: 'uri-reference' },
    copyright: { type: 'string' },
    license: { type: 'string' },
    iconUrl: { type: 'string', format: 'uri-reference' },
    tags: { type: 'array', uniqueItems: true, items: { type: 'string' } },
    endpoints: {
      type: 'array',
      minItems: 1,
      uniqueItems: true,
      items: {
        type: 'object',
        required: ['name', 'endpointUrl', 'msAppId'],
        properties: {
          name: { type: 'string' },
          protocol: { type: 'string' },
          description: { type: 'string' },
          endpointUrl: { type: 'string', format: 'uri' },
          msAppId: { type: 'string', pattern: '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' },
        },
        additionalProperties: false,
      },
    },
    dispatchModels: { type: 'object' },
    activities: { type: 'object', additionalProperties: ACTIVITY },
    activitiesSent: { type: 'object', additionalProperties: ACTIVITY },
    definitions: { type: 'object' },
  },
  additionalProperties: false,
};

interface Validate {
  (value: unknown): boolean;
  errors?: { instancePath: string; message?: string }[] | null;
}

describe('the manifests', () => {
  let out: string;
  beforeEach(async () => {
    out = await mkdtemp(join(tmpdir(), 'handoff-manifest-'));
  });
  afterEach(() => rm(out, { recursive: true, force: true }));

  function pack(...args: string[]): Promise<{ code: number; err: string }> {
    return new Promise((done) => {
      execFile(process.execPath, ['manifest/pack.mjs', ...args, '--out', out], (error, _stdout, err) => {
        done({ code: error === null ? 0 : Number(error.code), err });
      });
    });
  }

  async function teams(...args: string[]): Promise<Map<string, Buffer>> {
    const { code, err } = await pack(...URL_GIVEN, '--bot-id', BOT_ID, ...args);
    assert.equal(code, 0, err);
    return unzip(await readFile(join(out, 'handoff-teams.zip')));
  }

  it('make a package that Teams takes: its own schema finds no fault', async () => {
    const files = await teams('--developer', 'Contoso "Bank"', '--version', '2.3.4');
    assert.deepEqual([...files.keys()].sort(), ['color.png', 'manifest.json', 'outline.png']);
    const json = files.get('manifest.json')?.toString() ?? '';
    const manifest = TeamsManifestConverter.jsonToManifest(json);
    const { $schema: name, manifestVersion } = manifest as { $schema?: string; manifestVersion: string };
    const [, version] = /\/teams\/(v[\d.]+)\/MicrosoftTeams\.schema\.json$/.exec(name ?? '') ?? [];
    assert.equal(version, `v${manifestVersion}`);
    const schemas = join(dirname(require.resolve('@microsoft/app-manifest')), 'json-schemas/teams');
    const schema = JSON.parse(await readFile(join(schemas, `${version}/MicrosoftTeams.schema.json`), 'utf8')) as never;
    assert.deepEqual(await AppManifestUtils.validateAgainstSchema(manifest, schema), []);
    const broken = TeamsManifestConverter.jsonToManifest(json.replace(BOT_ID, 'nobody'));
    assert.notDeepEqual(await AppManifestUtils.validateAgainstSchema(broken, schema), [], 'and would find one');
    const filled = JSON.parse(json) as Record<string, unknown>;
    assert.deepEqual(
      [filled['version'], filled['validDomains'], (filled['developer'] as { name: string }).name],
      ['2.3.4', ['handoff.example.com'], 'Contoso "Bank"'],
    );
    assert.ok(!json.includes('${{'), 'nothing is left to fill in');
  });

  it('give the app the same id for the same server: a new package is an update', async () => {
    const idOf = (files: Map<string, Buffer>) =>
      (JSON.parse(files.get('manifest.json')?.toString() ?? '') as { id: string }).id;
    const first = idOf(await teams());
    assert.equal(idOf(await teams('--version', '1.0.1')), first);
    assert.notEqual(idOf(await teams('--url', 'https://other.example.com')), first);
  });

  it('offer people the commands that the bot for staff understands', async () => {
    const json = (await teams()).get('manifest.json')?.toString() ?? '';
    const { bots } = JSON.parse(json) as { bots: { commandLists: { commands: { title: string }[] }[] }[] };
    const commands = bots.flatMap(({ commandLists }) => commandLists.flatMap((list) => list.commands));
    assert.ok(commands.length >= 8);
    for (const { title } of commands) {
      const { ask } = readText(title, { signedIn: false, isOffered: true });
      assert.ok(ask.do !== 'say' && ask.do !== 'unknown', title);
    }
  });

  it('show icons of the sizes and colours that Teams asks for, as they are drawn', async () => {
    const files = await teams();
    const color = pixelsOf(files.get('color.png') ?? assert.fail());
    const outline = pixelsOf(files.get('outline.png') ?? assert.fail());
    assert.deepEqual([color.width, color.height, outline.width, outline.height], [192, 192, 32, 32]);
    const seen = outline.pixels.filter(([, , , opacity]) => opacity > 0);
    assert.ok(seen.length > 50 && seen.length < 32 * 32, 'something is drawn, on a transparent ground');
    for (const [red, green, blue] of seen) assert.deepEqual([red, green, blue], [255, 255, 255]);
    const opaque = color.pixels.filter(([, , , opacity]) => opacity === 255);
    assert.ok(opaque.length > 0.9 * 192 * 192);
    assert.ok(opaque.some(([red]) => red === 0x3b) && opaque.some(([red]) => red === 255));
    const { drawIcon, ICONS } = (await import(join(process.cwd(), 'manifest/draw-icons.mjs'))) as {
      drawIcon: (icon: { file: string }) => Buffer;
      ICONS: { file: string }[];
    };
    for (const icon of ICONS)
      assert.deepEqual(pixelsOf(drawIcon(icon)), pixelsOf(files.get(icon.file) ?? assert.fail()), icon.file);
  });

  it('describe the bot as a skill by version 2.2 of the published rules', async () => {
    const { code, err } = await pack(...URL_GIVEN, '--skill-app-id', SKILL_APP_ID);
    assert.equal(code, 0, err);
    assert.deepEqual(await readdir(out), ['skill-manifest.json']);
    const skill = JSON.parse(await readFile(join(out, 'skill-manifest.json'), 'utf8')) as {
      endpoints: { endpointUrl: string; msAppId: string }[];
    };
    const validate = compile(SKILL_RULES);
    assert.ok(validate(skill), JSON.stringify(validate.errors));
    assert.equal(skill.endpoints[0]?.endpointUrl, 'https://handoff.example.com/api/messages');
    for (const wrong of [
      { ...skill, endpoints: [] },
      { ...skill, endpoints: [{ ...skill.endpoints[0], msAppId: 'nobody' }] },
      { ...skill, publisherName: undefined, more: 1 },
      { ...skill, activities: { a: { type: 'event' } } },
    ])
      assert.ok(!validate(JSON.parse(JSON.stringify(wrong))), JSON.stringify(wrong));
  });

  it('say everything that is wrong with what they are to be filled in with', async () => {
    const { code, err } = await pack('--url', 'http://handoff.example.com/', '--bot-id', 'nobody', '--version', '1');
    assert.equal(code, 1);
    for (const words of [/--url: .*https/, /--bot-id: .*app id/, /--version: .*three numbers/])
      assert.match(err, words);
    assert.deepEqual(await readdir(out), []);
  });
});

/** Microsoft's package brings the validator that it uses itself. */
function compile(schema: object): Validate {
  const ofPackage = createRequire(require.resolve('@microsoft/app-manifest'));
  const { default: Ajv } = ofPackage('ajv') as { default: new (options: object) => { compile(of: object): Validate } };
  const { default: addFormats } = ofPackage('ajv-formats') as { default: (ajv: object) => void };
  const ajv = new Ajv({ allErrors: true });
  addFormats(ajv);
  return ajv.compile(schema);
}

/** Read by the directory at its end, as programs that open archives do. */
function unzip(bytes: Buffer): Map<string, Buffer> {
  const end = bytes.lastIndexOf('PK\x05\x06');
  const files = new Map<string, Buffer>();
  let at = bytes.readUInt32LE(end + 16);
  for (let count = bytes.readUInt16LE(end + 10); count > 0; count -= 1) {
    assert.equal(bytes.toString('latin1', at, at + 4), 'PK\x01\x02');
    const packed = bytes.readUInt32LE(at + 20);
    const length = bytes.readUInt16LE(at + 28);
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString('utf8', at + 46, at + 46 + length);
    const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const content = inflateRawSync(bytes.subarray(from, from + packed));
    assert.equal(content.length, bytes.readUInt32LE(at + 24));
    files.set(name, content);
    at += 46 + length;
  }
  return files;
}

type Pixel = [red: number, green: number, blue: number, opacity: number];

/** Of a PNG with 8 bits each of red, green, blue and opacity, in unfiltered rows. */
function pixelsOf(png: Buffer): { width: number; height: number; pixels: Pixel[] } {
  assert.equal(png.toString('latin1', 1, 4), 'PNG');
  let rows: Buffer = Buffer.alloc(0);
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  assert.deepEqual([...png.subarray(24, 29)], [8, 6, 0, 0, 0]);
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      rows = inflateSync(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const pixels: Pixel[] = [];
  for (let y = 0; y < height; y += 1) {
    const row = rows.subarray(y * (1 + width * 4), (y + 1) * (1 + width * 4));
    assert.equal(row[0], 0);
    for (let x = 1; x < row.length; x += 4) pixels.push([...row.subarray(x, x + 4)] as Pixel);
  }
  return { width, height, pixels };
}
