// Every order of commands, commits, deliveries and crashes in a small contact centre, and rules made wrong on purpose.

import assert from 'node:assert/strict';
import type { State } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import { evolve } from '../../src/core/evolve.js';
import type { Step } from '../../src/core/plan.js';
import { Rejected } from '../../src/core/rejected.js';
import type { Append, Appended } from '../../src/hub/ports.js';
import { isFull } from '../faults/size.js';
import { StoreModel } from '../store/model.js';
import { AS_BUILT, OPENINGS, walk, type Bounds, type Tried } from './interleavings.js';

const BOUNDS: Bounds = isFull ? { depth: 12, states: 150_000 } : { depth: 5, states: 6_000 };

describe('every order in which two conversations, two people and crashes can meet', function () {
  this.timeout(isFull ? 900_000 : 30_000);

  for (const [name, opening] of Object.entries(OPENINGS)) {
    it(`keeps every promise of the core: ${name}`, function () {
      const { states, steps, crashes, depth, done } = walk(opening, BOUNDS);
      if (isFull)
        console.log(`      ${states} states, ${steps} steps, ${crashes} crashes, all up to ${depth} steps deep`);
      assert.ok(depth >= 3 && crashes > 100, 'the walk goes somewhere');
      for (const expected of ['commit', 'crashBeforeCommit', 'crashAfterCommit', 'crashAfterDelivery'])
        assert.ok(done.has(expected), expected);
    });
  }
});

type Event = Step['event'];

/** The rules with one kind of event changed or left out wherever they decide on it. */
function eventsChanged<T extends Event['type']>(
  type: T,
  change: (event: Extract<Event, { type: T }>, state: State) => Event | undefined,
): Partial<Tried> {
  return {
    decide(state, command, circumstances) {
      const decided = decide(state, command, circumstances);
      if (decided instanceof Rejected) return decided;
      let after = state;
      const steps = decided.steps.flatMap(({ event, observed }): Step[] => {
        const changed = event.type === type ? change(event as Extract<Event, { type: T }>, after) : event;
        if (changed === undefined) return [];
        after = evolve(after, changed);
        return [{ event: changed, after, observed }];
      });
      return { steps, state: after };
    },
  };
}

class WithoutCapacityCheck extends StoreModel {
  override append(request: Append): Appended {
    return super.append({ ...request, claims: request.claims.map((claim) => ({ ...claim, force: true })) });
  }
}

class WithoutGivingBack extends StoreModel {
  override append(request: Append): Appended {
    return super.append({ ...request, claims: request.claims.filter(({ delta }) => delta > 0) });
  }
}

class WithoutVersionCheck extends StoreModel {
  override append(request: Append): Appended {
    const expectedVersion = this.conversations.get(request.conversationId)?.entries.length ?? 0;
    return super.append({ ...request, expectedVersion });
  }
}

class WithoutOutbox extends StoreModel {
  override append(request: Append): Appended {
    return super.append({ ...request, outbox: [] });
  }
}

/** One fault each, as it could be made in the code, and what the walk says of it. */
const FAULTS: Record<string, { tried: Partial<Tried>; says: RegExp }> = {
  'an accept that forgets to withdraw the offer to the other person': {
    tried: eventsChanged('withdrawn', () => undefined),
    says: /accepted/,
  },
  'a claim without a look at the capacity': {
    tried: { store: WithoutCapacityCheck },
    says: /4\. (ana|ben) has 2 of 1/,
  },
  'a person who is never freed again': { tried: { store: WithoutGivingBack }, says: /3\. the load of (ana|ben)/ },
  'two processes that write on top of each other': { tried: { store: WithoutVersionCheck }, says: /deep-equal/ },
  'a commit that forgets what is owed': { tried: { store: WithoutOutbox }, says: /owed: c\d\/\d+\/\d reaches nobody/ },
  'a delivery that is settled before it is made': {
    tried: { settles: 'settleFirst' },
    says: /owed: c\d\/\d+\/\d reaches nobody/,
  },
  'an answer before the commit': {
    tried: { answers: 'beforeCommit' },
    says: /acknowledged: c\d message \d is in the log 0 times/,
  },
  'a message repeated under another key': {
    tried: { repeatedUnder: (key) => `${key} again` },
    says: /acknowledged: c\d message \d is in the log 2 times/,
  },
  'a late reply of the bot that reaches the customer': {
    tried: eventsChanged('drafted', ({ why: _why, ...event }) => ({ ...event, type: 'said', audience: 'everyone' })),
    says: /drafted/,
  },
  'a draft that the customer sees': {
    tried: eventsChanged('drafted', (event) => ({ ...event, audience: 'everyone' })),
    says: /everyone/,
  },
  'a decline that sends the customer to the end of the line': {
    tried: eventsChanged('declined', (event, state) => ({
      ...event,
      type: 'queued',
      queue: 'Cards',
      priority: 0,
      waitingSince: state.phase === 'offered' ? event.at + 1 : 0,
      front: false,
      cause: 'transferred',
      timers: { queueLimit: event.at + 60_000 },
    })),
    says: /waiting-since/,
  },
  'a conversation in line without a deadline': {
    tried: eventsChanged('offered', ({ timers: _timers, ...event }) => event),
    says: /offered/,
  },
  'a deadline at which nothing happens': { tried: eventsChanged('lapsed', () => undefined), says: /offered|8\./ },
};

describe('the walk through every order, on rules that are wrong', function () {
  this.timeout(30_000);

  for (const [fault, { tried, says }] of Object.entries(FAULTS))
    it(`finds ${fault}`, () => {
      const walkAll = (): void => {
        for (const opening of Object.values(OPENINGS)) walk(opening, BOUNDS, { ...AS_BUILT, ...tried });
      };
      assert.throws(walkAll, says);
    });
});
