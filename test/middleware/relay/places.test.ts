// Where relayed conversations are: kept over restarts, written only when something changed, known while nothing can be written.

import assert from 'node:assert/strict';
import { StoreUnavailable } from '../../../src/errors.js';
import type { Grant } from '../../../src/hub/ports.js';
import { addressAt, Places, type Place } from '../../../src/middleware/relay/places.js';
import { TestClock } from '../../fakes/hub.js';

const DAY_MS = 24 * 60 * 60_000;

class Grants {
  readonly kept = new Map<string, Grant>();
  writes = 0;
  broken = false;
  getGrant(_kind: string, id: string, at: number): Promise<Grant | undefined> {
    if (this.broken) return Promise.reject(new StoreUnavailable('closed'));
    const grant = this.kept.get(id);
    return Promise.resolve(grant !== undefined && grant.expiresAt > at ? grant : undefined);
  }
  putGrant(grant: Grant): Promise<void> {
    if (this.broken) return Promise.reject(new StoreUnavailable('closed'));
    this.writes += 1;
    this.kept.set(grant.id, JSON.parse(JSON.stringify(grant)) as Grant);
    return Promise.resolve();
  }
}

describe('places of relayed conversations', () => {
  const clock = new TestClock();
  let grants: Grants;
  let places: Places;
  beforeEach(() => {
    grants = new Grants();
    places = new Places(grants, clock, 'shop');
  });
  const place = (more: Partial<Place> = {}): Place =>
    ({
      channelId: 'msteams',
      serviceUrl: 'https://smba.example/amer/',
      conversation: { id: 'a:kim', conversationType: 'personal' },
      bot: { id: '28:bot' },
      user: { id: '29:kim', name: 'Kim' },
      isGroup: false,
      ...more,
    }) as Place;
  const restarted = () => new Places(grants, clock, 'shop');

  it('are known after a restart, by conversation, by the account of the bot and by channel', async () => {
    await places.learn(place());
    const { channelId, serviceUrl, bot } = place();
    assert.deepEqual(await restarted().of('a:kim'), place());
    assert.deepEqual(await restarted().home('account', '28:bot'), { channelId, serviceUrl, bot });
    assert.deepEqual(await restarted().home('channel', 'msteams'), { channelId, serviceUrl, bot });
    assert.equal(await restarted().of('a:lee'), undefined);
  });

  it('stay one-to-one, whatever a later call says: what the bot says there goes on being recorded', async () => {
    await places.learn(place());
    const { user: _user, ...group } = place({ isGroup: true });
    await places.learn(group);
    assert.deepEqual(await places.of('a:kim'), place());
    assert.deepEqual(await restarted().of('a:kim'), place());
  });

  it('belong to one bot', async () => {
    await places.learn(place());
    assert.equal(await new Places(grants, clock, 'other').of('a:kim'), undefined);
  });

  it('are written once, again when something changed, and once a month', async () => {
    for (let times = 0; times < 3; times += 1) await places.learn(place());
    await restarted().learn(place());
    assert.equal(grants.writes, 3);
    await places.learn(place({ user: { id: '29:kim', name: 'Kim the Second' } as Place['user'] & object }));
    assert.equal(grants.writes, 4, 'only the conversation changed');
    clock.advance(31 * DAY_MS);
    await places.learn(place({ user: { id: '29:kim', name: 'Kim the Second' } as Place['user'] & object }));
    assert.equal(grants.writes, 7);
  });

  it('are where the channel is now', async () => {
    await places.learn(place());
    await places.learn(place({ serviceUrl: 'https://smba.example/emea/' }));
    assert.equal((await restarted().of('a:kim'))?.serviceUrl, 'https://smba.example/emea/');
  });

  it('keep the customer when an activity names nobody', async () => {
    await places.learn(place());
    const { user: _nobody, ...bare } = place();
    const again = restarted();
    await again.learn(bare);
    assert.equal((await again.of('a:kim'))?.user?.id, '29:kim');
    assert.equal(addressAt((await again.of('a:kim')) as Place, 'shop')?.customer.id, '29:kim');
  });

  it('of threads are where the channel of the team is', async () => {
    await places.learnOf('team', '19:chan', place());
    const thread = await restarted().of('19:chan;messageid=7');
    assert.deepEqual(
      [thread?.conversation.id, thread?.isGroup, thread?.serviceUrl],
      ['19:chan;messageid=7', true, place().serviceUrl],
    );
    assert.equal(addressAt(thread as Place, 'shop'), undefined);
  });

  it('are known at once while nothing can be written, and written when that is over', async () => {
    grants.broken = true;
    await assert.rejects(places.learn(place()), { code: 'StoreUnavailable' });
    assert.deepEqual(await places.of('a:kim'), place());
    grants.broken = false;
    await places.learn(place());
    assert.deepEqual(await restarted().of('a:kim'), place());
  });

  it('are forgotten when nobody has written for more than a year', async () => {
    await places.learn(place());
    clock.advance(401 * DAY_MS);
    assert.equal(await restarted().of('a:kim'), undefined);
  });
});
