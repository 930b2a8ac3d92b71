// A call is taken for a repetition only when its answer cannot have been heard.

import assert from 'node:assert/strict';
import { Repeats } from '../../src/connector/repeats.js';
import { TestClock } from '../fakes/hub.js';

describe('repeated calls', () => {
  let clock: TestClock;
  let repeats: Repeats;
  let keys: number;
  const newKey = () => `key ${(keys += 1)}`;
  const connection = () => {
    let isOpen = true;
    return { isOpen: () => isOpen, breaks: () => (isOpen = false) };
  };

  beforeEach(() => {
    clock = new TestClock();
    repeats = new Repeats(clock);
    keys = 0;
  });

  it('have keys of their own when the first was answered: the same words may be said twice', () => {
    const { isOpen } = connection();
    const first = repeats.begin('same', isOpen, newKey);
    first.end(true);
    assert.notEqual(repeats.begin('same', isOpen, newKey).key, first.key);
  });

  it('have keys of their own while the first is under way and can be heard', () => {
    const { isOpen } = connection();
    const first = repeats.begin('same', isOpen, newKey);
    assert.notEqual(repeats.begin('same', isOpen, newKey).key, first.key);
  });

  it('get the key of the first when its connection broke, before or after it was done', () => {
    for (const isDone of [false, true]) {
      const broken = connection();
      const first = repeats.begin(`same ${isDone}`, broken.isOpen, newKey);
      broken.breaks();
      if (isDone) first.end(true);
      const second = repeats.begin(`same ${isDone}`, connection().isOpen, newKey);
      assert.equal(second.key, first.key);
      second.end(true);
      assert.notEqual(repeats.begin(`same ${isDone}`, connection().isOpen, newKey).key, first.key);
    }
  });

  it('get the key of the first when nobody knows what became of it', () => {
    const { isOpen } = connection();
    const first = repeats.begin('same', isOpen, newKey);
    first.end(false);
    assert.equal(repeats.begin('same', isOpen, newKey).key, first.key);
  });

  it('are forgotten once no client repeats them any more', () => {
    const { isOpen } = connection();
    const first = repeats.begin('same', isOpen, newKey);
    first.end(false);
    clock.advance(30_001);
    assert.notEqual(repeats.begin('same', isOpen, newKey).key, first.key);
  });
});
