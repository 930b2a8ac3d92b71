// Refuses a Node that is too old with one clear sentence; CommonJS and ES5, so that an old Node can read it.
'use strict';

var range = require('../package.json').engines.node;
var version = process.versions.node.split('.');

if (!satisfies(Number(version[0]), Number(version[1]), range)) {
  console.error(
    'botframework-handoff needs Node.js ' +
      range +
      ', but this is ' +
      process.version +
      ' (' +
      process.execPath +
      ').\n' +
      'Install a current Node.js (https://nodejs.org), run "npm ci" again, then repeat the command.',
  );
  process.exit(1);
}

/**
 * Knows the two forms that package.json uses: ^MAJOR.MINOR.PATCH and >=MAJOR.MINOR.PATCH, joined by ||.
 * @param {number} major
 * @param {number} minor
 * @param {string} wanted
 */
function satisfies(major, minor, wanted) {
  return wanted.split('||').some(function (/** @type {string} */ one) {
    var match = /^\s*(\^|>=)(\d+)\.(\d+)\.\d+\s*$/.exec(one);
    if (!match) throw new Error('package.json: engines.node holds "' + one + '"; write ^A.B.C or >=A.B.C');
    var wantedMajor = Number(match[2]);
    var wantedMinor = Number(match[3]);
    if (major === wantedMajor) return minor >= wantedMinor;
    return match[1] === '>=' && major > wantedMajor;
  });
}
