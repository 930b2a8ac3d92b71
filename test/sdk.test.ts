// When the SDKs are loaded: not before a bot in this process needs one, and with a clear word when it is not there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lazyClass } from '../src/sdk.js';

const library = new URL('../src/index.js', import.meta.url).href;

describe('the SDKs', () => {
  it('are not loaded with the library, whether imported or required', async () => {
    const loaded = `Object.keys(require.cache).filter((file) => /node_modules.(botbuilder|botframework-connector|@microsoft.agents)/.test(file)).length`;
    const imported = `import('${library}').then(({ DirectLineAdapter }) => console.log(typeof DirectLineAdapter, ${loaded}))`;
    const required = `const { DirectLineAdapter } = require('${fileURLToPath(library).replaceAll('\\', '/')}'); console.log(typeof DirectLineAdapter, ${loaded})`;
    for (const script of [imported, required]) {
      const { stdout } = await promisify(execFile)(process.execPath, [
        '--no-warnings',
        '--input-type=commonjs',
        '-e',
        script,
      ]);
      assert.equal(stdout.trim(), 'function 0');
    }
  }).timeout(30_000);
});

describe('a class made at its first use', () => {
  it('is made once, and only when it is needed', () => {
    let made = 0;
    const Lazy = lazyClass(() => {
      made += 1;
      return class {
        static readonly kind = 'lazy';
        constructor(readonly value: number) {}
      };
    });
    assert.equal(made, 0);
    assert.equal(Lazy.kind, 'lazy');
    const one = new Lazy(1);
    class More extends Lazy {
      get doubled(): number {
        return this.value * 2;
      }
    }
    const two = new More(2);
    assert.ok(one instanceof Lazy && two instanceof Lazy && two instanceof More && !(one instanceof More));
    assert.deepEqual([one.value, two.doubled, made], [1, 4, 1]);
  });
});
