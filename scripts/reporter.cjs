// Mocha's spec reporter with one more line at the very end, for programs: `N passed, N failed`;
// where no test was run, it names those that there are.
// @ts-check
'use strict';

const Mocha = require('mocha');

class SpecWithTotals extends Mocha.reporters.Spec {
  /**
   * @param {import('mocha').Runner} runner
   * @param {import('mocha').MochaOptions} options
   */
  constructor(runner, options) {
    super(runner, options);
    // Registered after the base class's own, so it prints after mocha's closing lines.
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      if (runner.total === 0) console.log(`No test has such a name. The cases:\n${casesOf(runner.suite)}`);
      console.log(`${this.stats.passes} passed, ${this.stats.failures} failed`);
    });
  }
}

/**
 * What `-g` can choose from, also what it left out of the run.
 * @param {import('mocha').Suite} root
 */
function casesOf(root) {
  return root.suites.map(({ title }) => `  ${title}`).join('\n');
}

module.exports = SpecWithTotals;
