// The operators' page lists the figures and the kinds of failure that there are.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import type { FaultKind } from '../../src/errors.js';
import { measure } from '../../src/metrics.js';
import { openHub } from '../fakes/hub.js';

const KINDS: Record<FaultKind, true> = {
  unreachable: true,
  busy: true,
  untrusted: true,
  noBot: true,
  notConnected: true,
  timedOut: true,
  brokeOff: true,
  failed: true,
  nonsense: true,
};

describe("the operators' page", () => {
  let page: string;
  before(async () => {
    page = await readFile('docs/operations.md', 'utf8');
  });

  it('lists every figure with its labels, and no other', async () => {
    const test = await openHub();
    const metrics = measure(test.hub, () => ({}));
    try {
      const there = metrics.registry.getMetricsAsArray().map((metric) => {
        const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: string[] };
        return `${name}: ${[...labelNames].sort().join(', ')}`;
      });
      const listed = [...page.matchAll(/^\| `(handoff_\w+)`\s*\| ([\w, ]*?)\s*\|/gm)].map(
        ([, name, labels = '']) => `${name}: ${labels.split(', ').sort().join(', ')}`,
      );
      assert.deepEqual(listed.sort(), there.sort());
    } finally {
      metrics.stop();
      await test.close();
    }
  });

  it('lists every kind of failure', () => {
    const listed = [...page.matchAll(/^\| `(\w+)`\s*\|.*\|.*\|$/gm)].map(([, kind]) => kind);
    assert.deepEqual(listed.filter((kind) => kind !== undefined && kind in KINDS).sort(), Object.keys(KINDS).sort());
  });

  it('has alerts on figures that there are', () => {
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
    const { groups } = parse(yaml) as { groups: { rules: { alert: string; expr: string }[] }[] };
    const rules = groups.flatMap(({ rules: all }) => all);
    assert.ok(rules.length >= 5);
    for (const { alert, expr } of rules)
      for (const [name] of expr.matchAll(/handoff_\w+/g))
        assert.ok(page.includes(`| \`${name.replace(/_bucket$/, '')}\``), `${alert}: ${name}`);
  });
});
