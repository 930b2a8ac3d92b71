// Fills in the manifests: writes handoff-teams.zip, which Teams takes as it is, and skill-manifest.json.

import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { crc32, deflateRawSync } from 'node:zlib';

const HERE = new URL('./', import.meta.url);
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const USAGE = `node manifest/pack.mjs --url https://handoff.example.com [--bot-id GUID] [--skill-app-id GUID]
    [--developer NAME] [--privacy URL] [--terms URL] [--version 1.0.0] [--out DIRECTORY]

  --url           PUBLIC_URL of the server: https, without a path
  --bot-id        app id of the Azure Bot at /api/agent-messages (AGENT_MicrosoftAppId): writes handoff-teams.zip
  --skill-app-id  app id of the bot at /api/messages (MicrosoftAppId): writes skill-manifest.json
  --developer     who is named as the maker, at most 32 characters; the host of --url unless set
  --privacy, --terms   pages that Teams shows to people; the server's own page unless set
  --version       of the manifests, three numbers; raise it with every change. 1.0.0 unless set
  --out           where to write; the current directory unless set`;

/** @throws Error with every fault of the settings, one a line. */
export function settingsOf({ url = '', botId, skillAppId, developer, privacy, terms, version = '1.0.0' }) {
  const faults = [];
  const origin = originOf(url);
  if (origin === undefined)
    faults.push('--url: name the https origin of the server, such as https://handoff.example.com');
  if (botId === undefined && skillAppId === undefined) faults.push('name --bot-id, --skill-app-id or both');
  for (const [name, value] of [
    ['--bot-id', botId],
    ['--skill-app-id', skillAppId],
  ])
    if (value !== undefined && !GUID.test(value))
      faults.push(`${name}: name an app id, such as 00000000-0000-0000-0000-000000000000`);
  if (!/^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}$/.test(version))
    faults.push('--version: name three numbers, such as 1.0.0');
  if ((developer ?? '').length > 32) faults.push('--developer: 32 characters at most');
  for (const [name, value] of [
    ['--privacy', privacy],
    ['--terms', terms],
  ])
    if (value !== undefined && !/^https:\/\/[^\s"\\]+$/.test(value)) faults.push(`${name}: name an https address`);
  if (faults.length > 0) throw new Error(faults.join('\n'));
  const host = new URL(origin).hostname;
  return {
    PUBLIC_URL: origin,
    DOMAIN: new URL(origin).host,
    BOT_ID: botId,
    // The same server is the same app: a new package is an update.
    TEAMS_APP_ID: guidFrom(`${origin}/teams`),
    SKILL_ID: `${host}-handoff`,
    SKILL_APP_ID: skillAppId,
    DEVELOPER: developer ?? host.slice(0, 32),
    PRIVACY_URL: privacy ?? `${origin}/`,
    TERMS_URL: terms ?? `${origin}/`,
    VERSION: version,
  };
}

/** @throws Error when a placeholder has no value. */
export function fillIn(template, settings) {
  return template.replace(/\$\{\{(\w+)\}\}/g, (_, name) => {
    const value = settings[name];
    if (value === undefined) throw new Error(`\${{${name}}} has no value`);
    return JSON.stringify(value).slice(1, -1);
  });
}

/** The package that is uploaded to Teams. */
export async function teamsPackage(settings) {
  const [template, color, outline] = await Promise.all(
    ['manifest.json', 'color.png', 'outline.png'].map((file) => readFile(new URL(`teams/${file}`, HERE))),
  );
  return zip([
    { name: 'manifest.json', bytes: Buffer.from(fillIn(template.toString('utf8'), settings)) },
    { name: 'color.png', bytes: color },
    { name: 'outline.png', bytes: outline },
  ]);
}

export async function skillManifest(settings) {
  return fillIn(await readFile(new URL('skill/manifest.json', HERE), 'utf8'), settings);
}

/** A ZIP archive; the same files make the same bytes. */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const packed = deflateRawSync(bytes);
    const path = Buffer.from(name, 'utf8');
    // Version 2.0, deflated, 1980-01-01, checksum and sizes, length of the name.
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(8, 4);
    facts.writeUInt16LE(0x21, 8);
    facts.writeUInt32LE(crc32(bytes), 10);
    facts.writeUInt32LE(packed.length, 14);
    facts.writeUInt32LE(bytes.length, 18);
    facts.writeUInt16LE(path.length, 22);
    const where = Buffer.alloc(14);
    where.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), facts, path, packed]);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), facts, where, path]));
    parts.push(local);
    offset += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, listed, Buffer.from('PK\x05\x06'), end]);
}

function originOf(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' && `${url.origin}/` === url.href ? url.origin : undefined;
  } catch {
    return undefined;
  }
}

/** Version 8: digits from a digest. */
function guidFrom(text) {
  const digits = createHash('sha256').update(text).digest('hex').slice(0, 32).split('');
  digits[12] = '8';
  digits[16] = '89ab'[parseInt(digits[16], 16) % 4];
  return digits.join('').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

async function main() {
  const { values } = parseArgs({
    options: Object.fromEntries(
      ['url', 'bot-id', 'skill-app-id', 'developer', 'privacy', 'terms', 'version', 'out'].map((name) => [
        name,
        { type: 'string' },
      ]),
    ),
  });
  const { 'bot-id': botId, 'skill-app-id': skillAppId, out = '.', ...rest } = values;
  const settings = settingsOf({ botId, skillAppId, ...rest });
  await mkdir(out, { recursive: true });
  const written = [];
  const write = async (name, content) => {
    await writeFile(join(out, name), content);
    written.push(resolve(out, name));
  };
  if (botId !== undefined) await write('handoff-teams.zip', await teamsPackage(settings));
  if (skillAppId !== undefined) await write('skill-manifest.json', await skillManifest(settings));
  for (const file of written) console.log(`Written: ${file}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  main().catch((error) => {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exitCode = 1;
  });
