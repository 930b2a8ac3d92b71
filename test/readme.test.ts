// The README tells the truth: its snippet is a bot that hands over, its table names every variable, its links lead somewhere.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../src/environment.js';
import { DocumentedBot } from './fakes/documentedBot.js';

const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
const readme = read('README.md');

describe('the README', () => {
  it('names every environment variable of the program, and no other', () => {
    const listed = [...readme.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, name]) => name);
    assert.deepEqual(listed, Object.keys(VARIABLES));
  });

  for (const document of [
    'README.md',
    'CONTRIBUTING.md',
    'docs/decisions/README.md',
    ...readdirSync(join(projectFolder, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
    'manifest/README.md',
    'web/README.md',
    'bench/README.md',
  ])
    it(`links to files that exist (${document})`, () => {
      const links = [...read(document).matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, link]) => link as string);
      const missing = links.filter((link) => !existsSync(join(projectFolder, dirname(document), link)));
      assert.deepEqual(missing, []);
    });

  it('names only scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...`${readme}\n${read('CONTRIBUTING.md')}`.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name);
    assert.deepEqual(
      named.filter((name) => scripts[name as string] === undefined),
      [],
    );
  });

  describe('shows a bot that', () => {
    let bot: DocumentedBot;

    before(async function () {
      this.timeout(60_000);
      bot = await DocumentedBot.start('README.md', 'mjs');
    });
    after(() => bot.stop());

    it('answers as before, hands over to Ana when it asks for a person, and gets the conversation back', async function () {
      this.timeout(30_000);
      const { channel } = bot;
      await channel.post('hello');
      await channel.next('You said hello');

      await bot.asAna('PUT', '/me/presence', { presence: 'available' });
      await channel.post('a person, please');
      const id = await bot.offered();
      await bot.asAna('POST', `/conversations/${id}/accept`);
      await channel.next('Ana joined the conversation.');
      await bot.asAna('POST', `/conversations/${id}/messages`, { type: 'message', text: 'This is Ana.' });
      await channel.next('This is Ana.');
      await channel.post('hello Ana');

      await bot.asAna('POST', `/conversations/${id}/return`);
      await channel.next('You are back with My bot.');
      await channel.post('hello bot');
      await channel.next('You said hello bot');
      assert.ok(!channel.texts.includes('You said hello Ana'), 'the bot is silent while Ana holds the conversation');
    });

    it('stops its hub and ends on Ctrl+C', async function () {
      this.timeout(30_000);
      assert.equal(await bot.end('SIGINT'), 0);
    });
  });
});

function read(file: string): string {
  return readFileSync(join(projectFolder, file), 'utf8');
}
