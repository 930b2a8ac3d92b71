// What handoff.yaml says about triggers, surveys and drafting bots: read, defaulted, refused with the line, warned about.

import assert from 'node:assert/strict';
import { directoryOf, readConfiguration, warningsOf } from '../../src/config.js';
import { ConfigError } from '../../src/errors.js';

function configuration(
  workStream: string,
  bots = '[{ id: demo, connect: inProcess }]',
  members = '[demo, ana]',
): string {
  return `bots: ${bots}
people: [{ id: ana }]
queues: [{ id: Desk, members: ${members} }]
workStreams:
  - id: web
    fallbackQueue: Desk
${workStream}`;
}

const warnings = (...parts: Parameters<typeof configuration>) => warningsOf(readConfiguration(configuration(...parts)));

describe('triggers, surveys and drafts in handoff.yaml', () => {
  it('are read with their defaults', () => {
    const text = configuration(
      `    surveyBot: demo
    timers: { surveySeconds: 60 }
    triggers:
      phrases:
        - { says: [agent] }
        - { says: [Mensch], match: contains, languages: [de] }
      fallbacks: { count: 3, patterns: ['^what\\?+$'] }
      botErrors: 2`,
      '[{ id: demo, connect: inProcess, draftsWhileHeld: true }]',
    );
    const { workStreams, bots } = directoryOf(readConfiguration(text), 1);
    const web = workStreams['web'];
    assert.deepEqual(web?.triggers, {
      phrases: [
        { match: 'exact', says: ['agent'] },
        { says: ['Mensch'], match: 'contains', languages: ['de'] },
      ],
      fallbacks: { count: 3, texts: [], patterns: ['^what\\?+$'], topics: ['Fallback'] },
      botErrors: 2,
    });
    assert.deepEqual([web.surveyBot, web.timers.surveyMs, bots['demo']?.draftsWhileHeld], ['demo', 60_000, true]);
    assert.deepEqual(warningsOf(readConfiguration(text)), []);
  });

  it('are refused with their line where they cannot work', () => {
    for (const [workStream, line, message] of [
      ['    triggers: { phrases: [{ says: ["?!"] }] }', 7, /letter or digit/],
      ['    triggers: { phrases: [{ says: [] }] }', 7, /at least one phrase/],
      ['    triggers: { phrases: [{ says: [a], languages: [english!] }] }', 7, /language tag/],
      ['    triggers: { fallbacks: { count: 2, patterns: ["(?<=a)b"] } }', 7, /look-around/],
      ['    triggers: { fallbacks: { count: 0 } }', 7, /at least 1/],
      ['    triggers: { fallback: { count: 2 } }', 7, /"fallback"/],
      ['    triggers: { botErrors: soon }', 7, /number/],
      ['    surveyBot: nobody', 7, /there is no bot "nobody"; the bots are demo/],
    ] as const)
      assert.throws(
        () => readConfiguration(configuration(workStream)),
        (error) => {
          assert.ok(error instanceof ConfigError);
          assert.match(error.message, message);
          assert.match(error.message, new RegExp(`handoff.yaml:${line}:`));
          return true;
        },
        workStream,
      );
  });

  it('are warned about where they can never fire', () => {
    const phrase = '    triggers: { phrases: [{ says: [agent] }] }';
    assert.match(warnings(phrase, '[]', '[ana]').join(), /there is no bot/);
    assert.match(warnings(phrase, undefined, '[demo]').join(), /no queue has people/);
    assert.match(warnings('    triggers: {}').join(), /name nothing/);
    assert.match(warnings('    onBotFailure: close\n    triggers: { botErrors: 2 }').join(), /botErrors can never/);
    const topics = '    triggers: { fallbacks: { count: 2 } }';
    assert.match(warnings(topics).join(), /no bot is a Copilot Studio bot/);
    const studio = '[{ id: demo, directLine: { tokenEndpoint: "https://bots.example/token" } }]';
    assert.deepEqual(warnings(topics, studio), []);
    const twice = '    triggers: { phrases: [{ says: [agent] }, { says: ["Agent!"], languages: [en] }] }';
    assert.match(warnings(twice).join(), /"Agent!" is named before/);
    assert.match(warnings('    surveyBot: demo', undefined, '[demo]').join(), /survey never runs/);
  });
});
