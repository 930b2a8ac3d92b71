// handoff.yaml and the environment: what is read, what is refused and how the cure reads.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { checkConfiguration, configurationSchema, directoryOf, readConfiguration, warningsOf } from '../src/config.js';
import { COPILOT_STUDIO_VARIABLES } from '../src/core/copilotStudio.js';
import { readEnvironment, SDK_VARIABLES, VARIABLES } from '../src/environment.js';
import { ConfigError } from '../src/errors.js';

function faultsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  assert.fail('should have been refused');
}

describe('handoff.yaml', () => {
  it("reads the demo's file and fills in every default", () => {
    const configuration = readConfiguration(readFileSync('handoff.yaml', 'utf8'));
    const directory = directoryOf(configuration, 7);
    assert.equal(directory.version, 7);
    assert.deepEqual(Object.keys(directory.queues), ['BotQueue', 'CreditCardQueue', 'HomeLoanQueue']);
    assert.equal(directory.workStreams['web']?.timers.offerMs, 120_000);
    assert.equal(directory.people['sam']?.capacity, 0);
    assert.deepEqual(warningsOf(configuration), []);
  });

  it('knows nobody and nothing by a name that it does not have, not even by those every object has', () => {
    const { bots, queues, people, workStreams } = directoryOf(
      readConfiguration(readFileSync('handoff.yaml', 'utf8')),
      1,
    );
    for (const known of [bots, queues, people, workStreams])
      for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
        assert.equal(known[name], undefined, name);
  });

  it('names every fault with its line and what to write instead', () => {
    const text = [
      'bots:',
      '  - { id: demo, connect: inProcess }',
      'queues:',
      '  - { id: Q, members: [demo, nobody] }',
      'workStreams:',
      '  - id: web',
      '    fallbackQueue: Missing',
      '    rules:',
      '      - { when: { variable: X, operator: resembles, value: 1 }, queue: Q }',
      'people:',
      '  - { id: demo, capacity: -1 }',
    ].join('\n');
    const schema = faultsOf(() => readConfiguration(text));
    assert.equal(schema.length, 5, schema.join('\n'));
    assert.match(
      schema[0] ?? '',
      /^handoff\.yaml:9: workStreams\[1\]\.rules\[1\]\.when: unknown operator "resembles"\. Known: equals, notEquals/,
    );
    assert.match(schema[1] ?? '', /^handoff\.yaml:11: people\[1\]\.capacity: /);

    const names = faultsOf(() => readConfiguration(text.replace('resembles', 'equals').replace('-1', '1')));
    assert.deepEqual(schema.slice(2), names, 'wrong names are told beside wrong shapes');
    assert.deepEqual(names, [
      'handoff.yaml:11: people[1].id: "demo" is taken already; ids must differ',
      'handoff.yaml:4: queues[1].members[2]: there is no bot or person "nobody"; there are demo',
      'handoff.yaml:7: workStreams[1].fallbackQueue: there is no queue "Missing"; the queues are Q',
    ]);
  });

  it('says of aliases that stand for nothing, or unfold to far too much, what to do', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [name, before] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'])
      bomb.push(`${name}: &${name} [${`*${before}, `.repeat(9)}]`);
    for (const text of ['workStreams: *nothing', `${bomb.join('\n')}\nworkStreams: *g`])
      assert.match(faultsOf(() => readConfiguration(text)).join(), /^handoff\.yaml: .+\. Write out what the aliases/);
  });

  it('refuses unknown keys, so that a misspelt one is not silently without effect', () => {
    const [fault] = faultsOf(() => readConfiguration('workStreams:\n  - id: web\n    fallBackQueue: Q\n'));
    assert.match(fault ?? '', /^handoff\.yaml:2: workStreams\[1\]: .*fallBackQueue/);
  });

  it('says what is missing, what a value must be, and which setting is unknown', () => {
    const text = [
      'bots:',
      '  - { id: demo, connect: inProcess, endpont: x }',
      'queues: { id: Q }',
      'people:',
      '  - { name: Ana, capacity: many, roles: [boss] }',
    ].join('\n');
    assert.deepEqual(
      faultsOf(() => readConfiguration(text)),
      [
        'handoff.yaml:2: bots[1]: there is no setting "endpont" here; compare the spelling',
        'handoff.yaml:3: queues: write a list, such as [ana, ben]',
        'handoff.yaml:1: workStreams: missing; write a list, such as [ana, ben]',
        'handoff.yaml:5: people[1].id: missing; write text',
        'handoff.yaml:5: people[1].roles[1]: write one of agent, supervisor, administrator',
        'handoff.yaml:5: people[1].capacity: write a number, such as 3',
      ],
    );
  });

  it('doubts no name of a list that it cannot read', () => {
    const faults = (text: string) => faultsOf(() => readConfiguration(text)).join('\n');
    const of = (people: string) =>
      [
        'queues: [{ id: Q, members: [ana, 7] }]',
        `people: ${people}`,
        'workStreams: [{ id: w, fallbackQueue: R }]',
      ].join('\n');
    for (const people of ['ana', '[{ id: 1 }]', '[ana]']) assert.doesNotMatch(faults(of(people)), /no bot or person/);
    assert.match(faults(of('[{ id: ben, capacity: many }]')), /there is no bot or person "ana"; there are ben/);
    for (const people of ['ana', '[{ id: ben }]'])
      assert.match(faults(of(people)), /there is no queue "R"; the queues are Q/);
  });

  it('says where the YAML itself is broken, what is expected there, and how that looks', () => {
    for (const [text, ...expected] of [
      ['workStreams:\n  - id: [web\n', /^handoff\.yaml:3: a \[ or \{ .* members: \[ana, ben\]$/],
      ['bots:\n\t- id: x\n', /^handoff\.yaml:2: indent with spaces/],
      ['bots:\n  - id: x\n name: y\n', /^handoff\.yaml:3: .* the same column/],
      ['bots: 1\nname: Sales: Europe\n', /^handoff\.yaml:2: .* name: "Sales: Europe"$/],
      ['bots: "x\nqueues: 1\n', /^handoff\.yaml:3: close the quotes .* name: "Ana"$/],
      ['bots:1\nqueues: 1\n', /^handoff\.yaml:1: .* such as queue: Sales$/],
      ['queues:\n  - { id: a }\n  { id: b }\n', /^handoff\.yaml:3: .* the same column/],
      ['bots: @x', /^handoff\.yaml:1: .* in quotes, such as name: "@home"$/],
      ['bots: { id: 1 name: 2 }', /^handoff\.yaml:1: .* commas .* { id: ana, capacity: 2 }$/],
      ['bots: "\\q"', /^handoff\.yaml:1: write \\\\ for a backslash/],
      ['bots: 1\nbots: 2\n', /^handoff\.yaml:2: this name is there already/],
      ['bots: 1\n---\nqueues: 2\n', /^handoff\.yaml:2: .* without a line ---/],
      ['- a\nbots: 1', /^handoff\.yaml:2: this belongs to nothing/],
      ['bots: [\nqueues: {\n', /^handoff\.yaml:2: a \[ or/, /^handoff\.yaml:3: a \[ or/],
    ] as const) {
      const faults = faultsOf(() => readConfiguration(text));
      assert.equal(faults.length, expected.length, faults.join('\n'));
      faults.forEach((fault, index) => assert.match(fault, expected[index] as RegExp));
    }
  });

  it('says how much a value must be, with an example', () => {
    const faults = faultsOf(() =>
      checkConfiguration({
        bots: [{ id: 'b', endpoint: 'http://localhost', timeoutSeconds: 0 }],
        people: [
          { id: 'a', name: '', roles: [], capacity: -1 },
          { id: 'b2', capacity: 1.5 },
          { id: 'c', capacity: 20_000 },
        ],
        workStreams: [{ id: 'w', texts: { closed: 'x'.repeat(2_001) } }],
      }),
    );
    for (const expected of [
      'bots[1].timeoutSeconds: write a number of more than 0, such as 1',
      'people[1].name: write text of at least 1 character',
      'people[1].roles: write a list of at least 1, such as [ana, ben]',
      'people[1].capacity: write a number of at least 0, such as 0',
      'people[2].capacity: write a whole number, such as 3',
      'people[3].capacity: write a number of at most 10000, such as 10000',
    ])
      assert.ok(faults.includes(expected), `${expected} is in:\n${faults.join('\n')}`);
    assert.doesNotMatch(faults.join('\n'), /Too (?:small|big)|Invalid|expected/);
  });

  it('reads condition trees and refuses empty ones', () => {
    const stream = (when: unknown) => ({
      queues: [{ id: 'Q', members: [] }],
      workStreams: [{ id: 'w', rules: [{ when, queue: 'Q' }] }],
    });
    const tree = {
      all: [{ variable: 'a', operator: 'hasData' }, { not: { fact: 'channel', operator: 'equals', value: 'msteams' } }],
    };
    assert.deepEqual(checkConfiguration(stream(tree)).workStreams[0]?.rules?.[0]?.when, tree);
    assert.equal(faultsOf(() => checkConfiguration(stream({ any: [] }))).length, 1);
    for (const value of ['(', 'a(?=b)'])
      assert.match(
        faultsOf(() => checkConfiguration(stream({ variable: 'a', operator: 'matches', value }))).join(),
        /regular expression|look-around/,
      );
  });

  it('says what is wrong with a condition, not that no alternative matched', () => {
    const faultOf = (when: unknown) =>
      faultsOf(() =>
        checkConfiguration({
          queues: [{ id: 'Q', members: [] }],
          workStreams: [{ id: 'w', rules: [{ when, queue: 'Q' }] }],
        }),
      ).join();
    assert.match(faultOf('always'), /a condition is an object/);
    assert.match(faultOf({ variabel: 'a', operator: 'hasData' }), /"variabel"/);
    assert.match(faultOf({ all: 'x' }), /take a list/);
    assert.match(faultOf({ not: { variable: 'a', operator: 'never' } }), /unknown operator "never"/);
    assert.match(faultOf({ operator: 'hasData' }), /variable/);
  });

  it('has a JSON Schema for editors, conditions included', () => {
    const schema = JSON.stringify(configurationSchema());
    for (const word of ['fallbackQueue', 'skills', 'hasNoData', '"not"', '"all"'])
      assert.ok(schema.includes(word), word);
  });

  it('warns of rules on names that no work stream declares', () => {
    const configuration = checkConfiguration({
      queues: [{ id: 'Q', members: [] }],
      workStreams: [{ id: 'web', rules: [{ when: { variable: 'Topic', operator: 'hasData' }, queue: 'Q' }] }],
    });
    assert.equal(warningsOf(configuration).length, 2);
  });

  it('reads skills of people and rules, and warns of a rule that requires what nobody of its queue has', () => {
    const text = (skills: string, whose: string) => `
queues: [{ id: Q, members: [ana, ben] }, { id: R, members: [cem] }]
people: [{ id: ana, skills: ${whose} }, { id: ben, skills: [loans] }, { id: cem, skills: [french, loans] }]
workStreams:
  - id: web
    context: [{ name: topic }]
    rules: [{ when: { variable: topic, operator: hasData }, queue: Q, skills: ${skills} }]
`;
    const configuration = readConfiguration(text('[french, loans]', "[french, ' loans ']"));
    assert.deepEqual(warningsOf(configuration), []);
    const { people, workStreams } = directoryOf(configuration, 1);
    assert.deepEqual(people['ana']?.skills, ['french', 'loans']);
    assert.deepEqual(workStreams['web']?.rules[0]?.skills, ['french', 'loans']);
    assert.deepEqual(warningsOf(readConfiguration(text('[French]', '[french]'))), [
      'work stream web: rule 1 requires French, which nobody of queue Q has; it is passed over for people until somebody has',
    ]);
    assert.equal(warningsOf(readConfiguration(text('[french, loans]', '[french]'))).length, 1, 'nobody has both');
    assert.deepEqual(
      faultsOf(() => readConfiguration(text("['']", '[french]'))),
      ['handoff.yaml:7: workStreams[1].rules[1].skills[1]: name the skill'],
    );
  });

  it('declares the variables of Copilot Studio in work streams that lead to such a bot, and in no other', () => {
    const directory = directoryOf(
      readConfiguration(`
bots: [{ id: refunds, directLine: { secret: '\${DL}' } }, { id: shop, connect: inProcess }]
queues: [{ id: first, members: [refunds] }, { id: other, members: [shop] }]
workStreams:
  - id: ruled
    fallbackQueue: other
    context: [{ name: va_LastPhrase, type: text, displayable: false }, { name: Tier, type: text }]
    rules: [{ when: { variable: va_LastTopic, operator: hasNoData }, queue: first }]
  - { id: plain, fallbackQueue: other }
`),
      1,
    );
    const names = (stream: string) => directory.workStreams[stream]?.context.map(({ name }) => name) ?? [];
    const all = COPILOT_STUDIO_VARIABLES.map(({ name }) => name);
    assert.deepEqual(names('ruled'), ['va_LastPhrase', 'Tier', ...all.filter((name) => name !== 'va_LastPhrases')]);
    assert.deepEqual(names('plain'), []);
  });

  it('does not warn of rules on what a Copilot Studio bot sends anyway', () => {
    const text = (bot: string) => `
bots: [{ id: refunds, ${bot} }]
queues: [{ id: first, members: [refunds, ana] }]
people: [{ id: ana }]
workStreams:
  - { id: web, fallbackQueue: first, rules: [{ when: { variable: va_LastPhrase, operator: hasData }, queue: first }] }
`;
    assert.deepEqual(warningsOf(readConfiguration(text("directLine: { secret: '${DL}' }"))), []);
    assert.equal(warningsOf(readConfiguration(text('connect: inProcess'))).length, 1);
  });
});

describe('environment', () => {
  it('reads what is set and leaves out what is not', () => {
    assert.deepEqual(
      readEnvironment({ PORT: '0', PUBLIC_URL: 'https://chat.example.com/', TRUST_PROXY: 'true', LOG_LEVEL: '' }),
      {
        PORT: 0,
        PUBLIC_URL: 'https://chat.example.com',
        TRUST_PROXY: true,
      },
    );
  });

  it('lists every fault at once and never shows a value that may be a secret', () => {
    const faults = faultsOf(() =>
      readEnvironment({ PORT: 'http', DIRECT_LINE_SECRET: 'one,two,three', PUBLIC_URL: 'https://a.example/path' }),
    );
    assert.deepEqual(
      faults.map((fault) => fault.split(':')[0]),
      ['PORT', 'PUBLIC_URL', 'DIRECT_LINE_SECRET'],
    );
    assert.ok(!faults.join().includes('three'));
  });

  it('is listed in .env.example, variable by variable', () => {
    const example = readFileSync('.env.example', 'utf8');
    const listed = [...example.matchAll(/^# (\w+)=/gm)].map((match) => match[1]);
    assert.deepEqual(listed, [...Object.keys(VARIABLES), ...Object.keys(SDK_VARIABLES)]);
  });
});
