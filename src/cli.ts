#!/usr/bin/env node
// The commands of `handoff`.

// Checked before anything else loads: older Nodes would fail somewhere inside with an error about syntax.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19) || major === 21 || (major === 22 && minor < 12)) {
  console.error(
    `botframework-handoff needs Node 20.19, 22.12 or newer; this is ${process.versions.node}. Install a newer Node and try again.`,
  );
  process.exit(1);
}

// Only now: the commands bring the libraries along.
const { run } = await import('./commands/run.js');
process.exitCode = await run(process.argv.slice(2));

export {};
