// What DATABASE_URL may say, and that a slip in it is told without the password.

import assert from 'node:assert/strict';
import { placeOf } from '../../src/store/postgres/place.js';
import { ask } from './cluster.js';
import { useStores } from './postgresStores.js';

describe('DATABASE_URL', () => {
  const stores = useStores();

  it('ignores no parameter of the URL', async () => {
    const { url } = stores;
    for (const name of ['sslmod', 'SSLMODE', 'statement_timeout', 'query_timeout', 'connect_timeout', 'dbname'])
      assert.throws(() => placeOf(`${url}&${name}=1`), {
        name: 'ConfigError',
        message: new RegExp(`^DATABASE_URL: there is no parameter "${name}".* Known: schema, .*sslmode`),
      });
    assert.throws(() => placeOf(`${url}&sslmode=verify_full`), /sslmode takes one of disable, .*verify-full/);
    // Two faults, two lines.
    assert.throws(() => placeOf(`${url}&a=1&sslmode=on`), /"a".*\n.*sslmode takes/);
    await stores.opened({ url: `${url}&application_name=hub-7&options=-c%20work_mem%3D77MB&sslmode=disable` });
    const [row] = await ask(url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hub-7'");
    assert.notEqual(row?.['count'], '0');
  });

  it('shows nothing of a password that was not encoded', () => {
    for (const password of ['12/horse', '12?horse=battery', '12?horse', '12#horse', 'a@12/horse', 'horse/12'])
      assert.throws(
        () => placeOf(`postgres://hub:${password}@db.example.com/hub`),
        (error: Error) => /%2F for \/.*%23 for #/.test(error.message) && !/horse|battery|hub:12/.test(error.message),
      );
  });
});
