import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Activity } from '../../src/core/activity.js';
import type { ContextVariables } from '../../src/core/context.js';
import { isBridged, MAX_TRANSCRIPT_BYTES, readSignal, type Signal } from '../../src/core/escalation.js';

function values(variables: ContextVariables): Record<string, unknown> {
  return Object.fromEntries(Object.entries(variables).map(([name, { value }]) => [name, value]));
}

function escalation(activity: Activity): Extract<Signal, { kind: 'escalate' }> {
  const signal = readSignal(activity);
  assert.equal(signal.kind, 'escalate', JSON.stringify(signal));
  return signal;
}

function ending(activity: Activity): Extract<Signal, { kind: 'end' }> {
  const signal = readSignal(activity);
  assert.equal(signal.kind, 'end', JSON.stringify(signal));
  return signal;
}

function traceOf(activity: Activity): string | undefined {
  const signal = readSignal(activity);
  assert.equal(signal.kind, 'none', JSON.stringify(signal));
  return signal.trace;
}

function tagged(command: unknown, text = 'for the agent'): Activity {
  return {
    type: 'message',
    text,
    channelData: { tags: typeof command === 'string' ? command : JSON.stringify(command) },
  };
}

describe('signals of a bot: the Bot Framework handoff protocol', () => {
  it('escalates with the whole value as context', () => {
    const signal = escalation({ type: 'event', name: 'handoff.initiate', value: { Skill: 'credit cards' } });
    assert.equal(signal.dialect, 'handoffProtocol');
    assert.deepEqual(values(signal.variables), { Skill: 'credit cards' });
    assert.equal(signal.summary, undefined);
    assert.deepEqual(signal.warnings, []);
  });

  it('reads what Copilot Studio sends: typed variables, the private note, the transcript', () => {
    const signal = escalation({
      type: 'event',
      name: 'handoff.initiate',
      value: {
        va_Scope: 'bot',
        va_LastTopic: 'Refund',
        va_Topics: ['Greeting', 'Refund'],
        va_LastPhrase: 'refund please',
        va_Phrases: ['hi', 'refund please'],
        va_ConversationId: 'c1',
        va_AgentMessage: 'angry',
        va_Language: 'En-US',
        StoreLocation: 'Bellevue',
      },
      attachments: [{ contentType: 'application/json', name: 'Transcript', content: { activities: [] } }],
    });
    assert.deepEqual(values(signal.variables), {
      va_Scope: 'bot',
      va_LastTopic: 'Refund',
      va_Topics: ['Greeting', 'Refund'],
      va_LastPhrases: 'refund please',
      va_Phrases: ['hi', 'refund please'],
      va_ConversationId: 'c1',
      va_AgentMessage: 'angry',
      va_Language: 'En-US',
      StoreLocation: 'Bellevue',
    });
    assert.equal(signal.summary, 'angry');
    assert.deepEqual(signal.transcript, { activities: [] });
  });

  it('takes only the object Context where there is one, and MessageToAgent as the summary', () => {
    const signal = escalation({
      type: 'event',
      name: 'handoff.initiate',
      value: { MessageToAgent: 'needs a refund', Context: { skill: 'service' } },
    });
    assert.deepEqual(values(signal.variables), { skill: 'service' });
    assert.equal(signal.summary, 'needs a refund');
    assert.deepEqual(signal.warnings, []);
  });

  it('says which fields beside Context were not read', () => {
    const signal = escalation({
      type: 'event',
      name: 'handoff.initiate',
      value: { Context: { skill: 'service' }, region: 'west' },
    });
    assert.deepEqual(values(signal.variables), { skill: 'service' });
    assert.match(signal.warnings.join(), /region/);
  });

  const plain: [value: unknown, expected: Record<string, unknown>][] = [
    ['credit cards', { value: 'credit cards' }],
    [17, { value: 17 }],
    [true, { value: true }],
    [['a', 'b'], { value: ['a', 'b'] }],
    [null, {}],
    [undefined, {}],
    [
      { Context: 'not an object', Skill: 'x' },
      { Context: 'not an object', Skill: 'x' },
    ],
  ];
  for (const [value, expected] of plain) {
    it(`reads the value ${JSON.stringify(value)} as ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(values(escalation({ type: 'event', name: 'handoff.initiate', value }).variables), expected);
    });
  }

  it('ends with endOfConversation', () => {
    assert.equal(ending({ type: 'endOfConversation', code: 'completedSuccessfully' }).dialect, 'handoffProtocol');
  });

  for (const value of [
    { CloseOmnichannelConversation: true },
    { CloseOmnichannelConversation: 'True' },
    { CloseOmnichannelConversation: { value: true } },
    { Context: { CloseOmnichannelConversation: true } },
    { Context: { skill: 'x' }, CloseOmnichannelConversation: true },
  ]) {
    it(`ends, and does not escalate, with ${JSON.stringify(value)}`, () => {
      assert.equal(ending({ type: 'event', name: 'handoff.initiate', value }).dialect, 'closeOmnichannel');
    });
  }

  it('escalates when CloseOmnichannelConversation is false', () => {
    const signal = escalation({
      type: 'event',
      name: 'handoff.initiate',
      value: { CloseOmnichannelConversation: false },
    });
    assert.deepEqual(values(signal.variables), { CloseOmnichannelConversation: false });
  });
});

describe('the transcript a bot sends along', () => {
  const message = { type: 'message', id: 'a1', text: 'hi' };

  function transcriptOf(attachment: Record<string, unknown>) {
    const attachments = [{ contentType: 'application/json', ...attachment }] as Activity['attachments'];
    return escalation({ type: 'event', name: 'handoff.initiate', value: {}, attachments });
  }

  const found: [how: string, attachment: Record<string, unknown>, expected: unknown][] = [
    ['an object', { name: 'Transcript', content: { activities: [message] } }, { activities: [message] }],
    ['a list', { name: 'Transcript', content: [message] }, { activities: [message] }],
    [
      'a JSON string',
      { name: 'Transcript', content: JSON.stringify({ activities: [message] }) },
      { activities: [message] },
    ],
    ['a link', { name: 'Transcript', contentUrl: 'https://x/t.json' }, { contentUrl: 'https://x/t.json' }],
    ['the misspelt name', { name: 'Trasnscript', content: [message] }, { activities: [message] }],
    ['another case', { name: 'TRANSCRIPT', content: [message] }, { activities: [message] }],
    ['another name', { name: 'invoice', content: [message] }, undefined],
    ['no name', { content: [message] }, undefined],
  ];
  for (const [how, attachment, expected] of found) {
    it(`${expected === undefined ? 'is not taken from' : 'is read from'} ${how}`, () => {
      assert.deepEqual(transcriptOf(attachment).transcript, expected);
    });
  }

  it('may be absent', () => {
    assert.equal(escalation({ type: 'event', name: 'handoff.initiate', value: {} }).transcript, undefined);
  });

  const unreadable: [why: string, content: unknown, fault: RegExp][] = [
    ['is not JSON', '{"activities":[', /not valid JSON/],
    ['has no list', { turns: [] }, /no list of activities/],
    ['is empty', '', /empty/],
    ['is a number', 7, /no list of activities/],
  ];
  for (const [why, content, fault] of unreadable) {
    it(`is reported, and the escalation goes on, when it ${why}`, () => {
      const { transcript } = transcriptOf({ name: 'Transcript', content });
      assert.ok(transcript !== undefined && 'unreadable' in transcript);
      assert.match(transcript.unreadable, fault);
    });
  }

  it('is read above 28 KB and refused above 256 KiB, as text and as an object', () => {
    const ofSize = (bytes: number) => ({ activities: [{ type: 'message', text: 'x'.repeat(bytes) }] });
    for (const make of [ofSize, (bytes: number) => JSON.stringify(ofSize(bytes))]) {
      const read = transcriptOf({ name: 'Transcript', content: make(40_000) }).transcript;
      assert.ok(read !== undefined && 'activities' in read);
      const refused = transcriptOf({ name: 'Transcript', content: make(MAX_TRANSCRIPT_BYTES) });
      assert.ok(refused.transcript !== undefined && 'unreadable' in refused.transcript);
      assert.match(refused.warnings.join(), /262144|262,144/);
    }
  });

  it('leaves out what is no activity and says how many', () => {
    const signal = transcriptOf({ name: 'Transcript', content: [message, 'text', null, { text: 'no type' }] });
    assert.deepEqual(signal.transcript, { activities: [message] });
    assert.match(signal.warnings.join(), /3 of 4/);
  });
});

describe("signals of a bot: Omnichannel's command tags", () => {
  it('escalates with context and keeps the text as the private summary', () => {
    const signal = escalation({
      type: 'message',
      text: 'Customer wants a refund on order 17',
      channelData: { tags: '{"type":"Escalate","context":{"BotHandoffTopic":"CreditCard","IDNumber":101}}' },
    });
    assert.equal(signal.dialect, 'commandTags');
    assert.equal(signal.summary, 'Customer wants a refund on order 17');
    assert.deepEqual(values(signal.variables), { BotHandoffTopic: 'CreditCard', IDNumber: 101 });
  });

  it('knows which variables the sender wants displayed', () => {
    const signal = escalation({
      type: 'message',
      text: 'for the agent',
      channelData: {
        tags: '{"type":"Escalate","context":{"visitorName":{"value":"Ann","isDisplayable":true},"tier":"gold"}}',
      },
    });
    assert.deepEqual(signal.variables, { visitorName: { value: 'Ann', displayable: true }, tier: { value: 'gold' } });
  });

  for (const type of ['Escalate', 'escalate', 'ESCALATE']) {
    it(`escalates with the type written ${type}`, () => escalation(tagged({ type, context: {} })));
  }
  for (const type of ['EndConversation', 'endconversation']) {
    it(`ends with the type written ${type}`, () => {
      const signal = ending(tagged({ type, context: { solved: true } }, 'all done'));
      assert.equal(signal.dialect, 'commandTags');
      assert.equal(signal.summary, 'all done');
      assert.deepEqual(values(signal.variables), { solved: true });
    });
  }

  it('escalates without context and without text', () => {
    const signal = escalation({ type: 'message', channelData: { tags: '{"type":"Escalate"}' } });
    assert.deepEqual(signal.variables, {});
    assert.equal(signal.summary, undefined);
  });

  it('escalates when a bot forgot to write tags as a string', () => {
    const signal = escalation({ type: 'message', channelData: { tags: { type: 'Escalate', context: { a: 1 } } } });
    assert.deepEqual(values(signal.variables), { a: 1 });
  });

  it('warns about a context that is no object, and escalates', () => {
    const signal = escalation(tagged({ type: 'Escalate', context: 'CreditCard' }));
    assert.deepEqual(signal.variables, {});
    assert.match(signal.warnings.join(), /must be an object/);
  });

  it('takes no command from a comma list, as customer traffic carries', () => {
    const activity = {
      type: 'message',
      text: 'hi',
      channelData: { tags: 'ChannelId-lcw,FromCustomer', deliveryMode: 'bridged' },
    };
    assert.equal(traceOf(activity), undefined);
  });

  it('takes no command from invalid JSON, and leaves a trace', () => {
    assert.match(traceOf(tagged('{"type":"Escalate"')) ?? '', /not valid JSON/);
  });

  it('takes no command from an unknown type, and leaves a trace', () => {
    assert.match(traceOf(tagged({ type: 'Transfer', context: {} })) ?? '', /Transfer/);
  });

  it('takes no command from tags without a type, and leaves a trace', () => {
    assert.match(traceOf(tagged({ context: {} })) ?? '', /no command type/);
  });

  it('reads commands from messages only', () => {
    assert.equal(traceOf({ ...tagged({ type: 'Escalate' }), type: 'typing' }), undefined);
  });
});

describe("signals of a bot: Omnichannel's whole-string channelData", () => {
  it('escalates', () => {
    const signal = escalation({
      type: 'message',
      text: 'please help',
      channelData: '{"tags":{"deliveryMode":"bridged"},"command":{"type":"Escalate","value":{"tier":"gold"}}}',
    });
    assert.equal(signal.dialect, 'wholeString');
    assert.equal(signal.summary, 'please help');
    assert.deepEqual(values(signal.variables), { tier: 'gold' });
  });

  it('escalates without a text and with an empty value', () => {
    const signal = escalation({
      type: 'message',
      channelData: '{"tags":{"deliveryMode":"bridged"},"command":{"type":"Escalate","value":{}}}',
    });
    assert.deepEqual(signal.variables, {});
    assert.equal(signal.summary, undefined);
  });

  it('ends', () => {
    const signal = ending({ type: 'message', channelData: '{"command":{"type":"endConversation","value":{}}}' });
    assert.equal(signal.dialect, 'wholeString');
  });

  it('takes no command from a string that is something else', () => {
    assert.equal(traceOf({ type: 'message', channelData: 'order 17' }), undefined);
    assert.match(traceOf({ type: 'message', channelData: '{order 17}' }) ?? '', /not valid JSON/);
  });

  it('takes no command from an unknown type, and leaves a trace', () => {
    assert.match(traceOf({ type: 'message', channelData: '{"command":{"type":"Ping"}}' }) ?? '', /Ping/);
  });
});

describe('what is no signal', () => {
  const none: [what: string, activity: Activity][] = [
    ['a plain message', { type: 'message', text: 'human' }],
    ['a bridged message', { type: 'message', text: 'Hello', channelData: { deliveryMode: 'bridged' } }],
    ['the activity type handoff', { type: 'handoff', value: { Skill: 'x' } }],
    ["Teams' invoke handoff/action", { type: 'invoke', name: 'handoff/action', value: {} }],
    [
      'a status event',
      { type: 'event', name: 'handoff.status', value: { state: 'failed', message: 'noAgentWithSkill' } },
    ],
    ['an event of another name', { type: 'event', name: 'webchat/join', value: { language: 'en' } }],
    ['a message named like the event', { type: 'message', name: 'handoff.initiate', text: 'x' }],
  ];
  for (const [what, activity] of none) {
    it(what, () => assert.equal(traceOf(activity), undefined));
  }
});

describe('a bot that sets context in mid-conversation', () => {
  it('sends the event setContext', () => {
    assert.deepEqual(readSignal({ type: 'event', name: 'setContext', value: { tier: 'gold', old: null } }), {
      kind: 'setContext',
      variables: { tier: { value: 'gold' }, old: { value: null } },
      warnings: [],
    });
  });

  it('is warned when the value is no object', () => {
    const signal = readSignal({ type: 'event', name: 'setContext', value: ['tier'] });
    assert.ok(signal.kind === 'setContext');
    assert.deepEqual(signal.variables, {});
    assert.match(signal.warnings.join(), /a list/);
  });
});

describe('bridging', () => {
  const cases: [channelData: unknown, expected: boolean][] = [
    [{ deliveryMode: 'bridged' }, true],
    [{ deliveryMode: 'Bridged' }, true],
    [{ tags: 'ChannelId-lcw,FromCustomer', deliveryMode: 'bridged' }, true],
    ['{"tags":{"deliveryMode":"bridged"}}', true],
    ['{"deliveryMode":"bridged"}', true],
    [{ deliveryMode: 'unbridged' }, false],
    [{}, false],
    ['bridged', false],
    [undefined, false],
    [null, false],
    [['bridged'], false],
  ];
  for (const [channelData, expected] of cases) {
    it(`${JSON.stringify(channelData)} is ${expected ? '' : 'not '}meant for the customer`, () => {
      assert.equal(isBridged({ type: 'message', text: 'Hello', channelData }), expected);
    });
  }

  it('is not said by the Bot Framework delivery mode of the activity', () => {
    assert.equal(isBridged({ type: 'message', deliveryMode: 'bridged' }), false);
  });
});

describe('reading signals', () => {
  const anyActivity = fc
    .record(
      {
        type: fc.oneof(fc.constantFrom('message', 'event', 'endOfConversation', 'typing'), fc.string()),
        name: fc.oneof(fc.constantFrom('handoff.initiate', 'setContext'), fc.jsonValue()),
        text: fc.jsonValue(),
        value: fc.jsonValue(),
        attachments: fc.oneof(
          fc.jsonValue(),
          fc.array(fc.record({ name: fc.constant('transcript'), content: fc.oneof(fc.jsonValue(), fc.json()) })),
        ),
        channelData: fc.oneof(
          fc.jsonValue(),
          fc.json(),
          fc.record({ tags: fc.oneof(fc.json(), fc.jsonValue()) }),
          fc.record({ command: fc.jsonValue() }),
        ),
      },
      { requiredKeys: ['type'] },
    )
    .map((activity) => activity as unknown as Activity);

  it('never throws and never changes what it reads, whatever JSON a bot sends', () => {
    fc.assert(
      fc.property(anyActivity, (activity) => {
        const before = JSON.stringify(activity);
        const signal = readSignal(activity);
        isBridged(activity);
        assert.equal(JSON.stringify(activity), before);
        if ('variables' in signal) {
          for (const { value } of Object.values(signal.variables)) {
            for (const item of Array.isArray(value) ? value : [value])
              assert.ok(item === null || typeof item !== 'object');
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
