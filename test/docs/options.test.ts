// docs/plug-into-a-bot.md lists every option of the three things a program calls, as the types have them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const projectFolder = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string): string => readFileSync(join(projectFolder, file), 'utf8');

describe('docs/plug-into-a-bot.md lists', () => {
  for (const [called, file, type] of [
    ['createHub', 'src/createHub.ts', 'CreateHubOptions'],
    ['hub.listen', 'src/createHub.ts', 'ListenOptions'],
    ['handoffMiddleware', 'src/middleware/handoffMiddleware.ts', 'HandoffMiddlewareOptions'],
  ] as const)
    it(`every option of ${called}, and no other; one that must be given has no default`, () => {
      const options = optionsOf(file, type);
      assert.ok(options.size > 0, `${type} is in ${file}`);
      assert.deepEqual(sorted(tableUnder(`## Options of \`${called}\``)), sorted(options));
    });
});

/** Each option of an interface, and whether it must be given. */
function optionsOf(file: string, type: string): Map<string, boolean> {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest);
  const declared = source.statements.find(
    (one): one is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(one) && one.name.text === type,
  );
  const members = (declared?.members ?? []).filter(ts.isPropertySignature);
  return new Map(members.map((one) => [(one.name as ts.Identifier).text, one.questionToken === undefined]));
}

/** The first two columns of the table below a heading. */
function tableUnder(heading: string): Map<string, boolean> {
  const [, after = ''] = read('docs/plug-into-a-bot.md').split(`${heading}\n`);
  const [section = ''] = after.split('\n## ');
  const rows = [...section.matchAll(/^\| `(\w+)` +\| (.*?) +\|/gm)];
  return new Map(rows.map(([, name = '', unset]) => [name, unset === '–']));
}

function sorted(options: ReadonlyMap<string, boolean>): [string, boolean][] {
  return [...options].sort(([a], [b]) => a.localeCompare(b));
}
