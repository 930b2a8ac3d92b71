/** Section `routing`: how many routing decisions a second the rules of core make, with 200 rules before the one that holds. */
import { directoryOf, checkConfiguration } from '../src/config.js';
import { route } from '../src/core/routing.js';
import { rulesFor, VARIABLE } from './office.js';
import { printTable } from './report.js';
import type { Section } from './section.js';

const RULES = 200;

export const routing: Section = {
  name: 'routing',
  run: ({ short }) => {
    const directory = directoryOf(
      checkConfiguration({
        bots: [],
        queues: [{ id: 'Desk', members: ['ana'] }],
        workStreams: [{ id: 'web', context: [{ name: VARIABLE }], rules: rulesFor(RULES, 'Desk') }],
        people: [{ id: 'ana', name: 'Ana', roles: ['agent'], capacity: 1 }],
      }),
      1,
    );
    const workStream = directory.workStreams['web'];
    if (workStream === undefined) throw new Error('The work stream is missing.');
    const decide = (rule: number) =>
      route({
        at: 0,
        workStream,
        directory,
        context: { [VARIABLE]: { value: `topic ${rule}` } },
        facts: { channel: 'directline' },
        needsPeople: true,
        triedBots: [],
      });
    const rows = [
      ['the first', 0],
      ['the last', RULES - 1],
      ['none', RULES],
    ] as const;
    printTable(
      `Routing decisions with ${RULES} rules of two comparisons each, receipt included`,
      ['rule that holds', 'decisions/s', 'µs each', 'receipt, bytes of JSON'],
      rows.map(([name, rule]) => {
        const by = rule < RULES ? 'rule' : 'only';
        if (decide(rule).by !== by) throw new Error(`The decision came about by ${decide(rule).by}, not by ${by}.`);
        const seconds = short ? 0.5 : 2;
        measure(() => decide(rule), seconds / 2);
        const each = measure(() => decide(rule), seconds);
        const bytes = JSON.stringify(decide(rule)).length;
        return [name, (1 / each).toFixed(0), (each * 1e6).toFixed(1), String(bytes)];
      }),
    );
    return Promise.resolve();
  },
};

/** @returns seconds per call. */
function measure(work: () => unknown, seconds: number): number {
  const beganAt = performance.now();
  let calls = 0;
  while (performance.now() - beganAt < seconds * 1_000) {
    for (let n = 0; n < 100; n += 1) work();
    calls += 100;
  }
  return (performance.now() - beganAt) / 1_000 / calls;
}
