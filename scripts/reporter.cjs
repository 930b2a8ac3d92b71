// Mocha's spec reporter with one more line at the very end, for programs: `N passed, N failed`.
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
      console.log(`${this.stats.passes} passed, ${this.stats.failures} failed`);
    });
  }
}

module.exports = SpecWithTotals;
