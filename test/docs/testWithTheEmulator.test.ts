// docs/test-with-the-emulator.md holds what it says: its commands, its settings, its configuration.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { checkConfiguration } from '../../src/config.js';
import { readText } from '../../src/console/chat/asks.js';
import { SDK_VARIABLES } from '../../src/environment.js';
import { parse } from 'yaml';

describe('docs/test-with-the-emulator.md', () => {
  let page: string;
  before(async () => {
    page = await readFile('docs/test-with-the-emulator.md', 'utf8');
  });

  it('names commands that the chat understands', () => {
    const table = /## What a person can write\n([^]*?)\n## /.exec(page)?.[1] ?? '';
    const firstCells = [...table.matchAll(/^\| (.*?) \|/gm)].map(([, cell]) => cell ?? '');
    const commands = firstCells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, words]) => words ?? ''));
    assert.ok(commands.length >= 18, commands.join());
    for (const command of commands) {
      const { ask, number } = readText(command.replace(/ \[.*\]$/, ''), { signedIn: true, isOffered: true });
      const isAddressed = number !== undefined || command.startsWith('/') || command.startsWith('say');
      assert.ok(isAddressed || (ask.do !== 'say' && ask.do !== 'unknown'), command);
    }
  });

  it('names the settings there are', () => {
    const named = [...page.matchAll(/^\| `(AGENT_\w+)`/gm)].map(([, name]) => name);
    assert.deepEqual(
      named,
      Object.keys(SDK_VARIABLES).filter((name) => name.startsWith('AGENT_')),
    );
  });

  it('shows a configuration that is taken', () => {
    const [, yaml = ''] = /```yaml\n([^]*?)```/.exec(page) ?? [];
    const rest = {
      queues: [{ id: 'q', members: ['shop', 'ana'] }],
      workStreams: [{ id: 'w', fallbackQueue: 'q' }],
      people: [{ id: 'ana', name: 'Ana', roles: ['agent'], capacity: 1 }],
    };
    checkConfiguration({ ...(parse(yaml) as object), ...rest });
  });
});
