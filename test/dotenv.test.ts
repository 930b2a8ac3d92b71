// Names in .env that nothing reads: which are slips of the pen, and which are somebody else's.

import assert from 'node:assert/strict';
import { doubtsOf } from '../src/dotenv.js';

describe('a name in .env', () => {
  const meant = (name: string, named: readonly string[] = [], env: Record<string, string> = {}) =>
    /Did you mean (\w+)\?$/.exec(doubtsOf([name], named, env).join())?.[1];

  it('that is nearly one that is read is doubted', () => {
    for (const [name, expected] of [
      ['DATABSE_URL', 'DATABASE_URL'],
      ['database_url', 'DATABASE_URL'],
      ['PUBLIC_URI', 'PUBLIC_URL'],
      ['HANDOFF_PORT', 'PORT'],
      ['HANDOFF_SECRET', 'DIRECT_LINE_SECRET'],
      ['DIRECTLINE_SECRET', 'DIRECT_LINE_SECRET'],
      ['MICROSOFT_APP_ID', 'MicrosoftAppId'],
      ['MicrosoftAppPasword', 'MicrosoftAppPassword'],
    ] as const)
      assert.equal(meant(name), expected, name);
    assert.equal(meant('SHOP_SECRT', ['SHOP_SECRET']), 'SHOP_SECRET', 'a name of handoff.yaml');
  });

  it("that is read, or is somebody else's, is not", () => {
    for (const name of ['PORT', 'MicrosoftAppId', 'NODE_ENV', 'SHOP_DIRECT_LINE_SECRET', 'OPENAI_API_KEY', 'TZ'])
      assert.equal(meant(name), undefined, name);
    assert.equal(meant('DIRECT_LINE_SECRET2', ['DIRECT_LINE_SECRET2']), undefined, 'handoff.yaml names it');
    assert.equal(meant('REDIS_URLS', [], { REDIS_URL: 'redis://x' }), undefined, 'the right one is set as well');
  });
});
