// Configurations in the documentation, by the name in their first line: what is read there is what a test runs.

import { readFileSync } from 'node:fs';
import { readConfiguration, warningsOf, type Configuration } from '../../src/config.js';

/** @throws Error when the page has no such snippet; ConfigError when it is no configuration. */
export function configurationIn(page: string, name: string): Configuration {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
  const snippet = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)]
    .map(([, yaml = '']) => yaml)
    .find((yaml) => yaml.startsWith(`# ${name}\n`));
  if (snippet === undefined) throw new Error(`docs/${page} has no snippet "# ${name}"`);
  const configuration = readConfiguration(snippet, page);
  const warnings = warningsOf(configuration);
  if (warnings.length > 0) throw new Error(`docs/${page}, # ${name}: ${warnings.join('; ')}`);
  return configuration;
}
