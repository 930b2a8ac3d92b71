// `handoff config`: check a file, compare it with what is in force, put it in force, print what is.

import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { checkConfiguration, warningsOf, type Configuration } from '../config.js';
import { ConfigError } from '../errors.js';
import { readConfigurationFile } from '../configurationFile.js';
import { askServer, clockOf, configurationInForce } from './data.js';
import { differences } from './differences.js';
import { reading, writing } from '../openStore.js';
import { expectWords, type Flags } from './flags.js';

export async function configure(words: readonly string[], flags: Flags): Promise<number> {
  expectWords(words, 1, 'config check|plan|apply|export');
  switch (words[0] as string) {
    case 'check': {
      const warnings = warningsOf(await readConfigurationFile(flags.config ?? 'handoff.yaml'));
      if (flags.json) console.log(JSON.stringify({ valid: true, warnings }));
      else console.log(['The configuration is valid.', ...warnings.map((warning) => `Warning: ${warning}`)].join('\n'));
      return 0;
    }
    case 'plan': {
      const file = await readConfigurationFile(flags.config ?? 'handoff.yaml');
      const changes = await reading(flags, async (store) => {
        const kept = await store.configuration();
        return differences(kept === undefined ? {} : (kept.document as Record<string, unknown>), file);
      });
      if (flags.json) console.log(JSON.stringify({ changes }));
      else console.log(changes.length === 0 ? 'The file is in force as it is.' : changes.join('\n'));
      return 0;
    }
    case 'apply': {
      const version = await apply(await readConfigurationFile(flags.config ?? 'handoff.yaml'), flags);
      console.log(flags.json ? JSON.stringify({ version }) : `Version ${version} is in force.`);
      return 0;
    }
    case 'export': {
      const kept = await reading(flags, (store) => configurationInForce(store, flags));
      console.log(flags.json ? JSON.stringify(kept.document) : stringify(kept.document).trimEnd());
      return 0;
    }
    case undefined:
    default:
      throw new ConfigError([`Write: handoff config check|plan|apply|export, not "${words[0]}".`]);
  }
}

/** A running server takes it over at once; a store nobody serves is written directly. */
async function apply(configuration: Configuration, flags: Flags): Promise<number> {
  const answer = await askServer(flags, '/api/v1/control/configuration', configuration);
  if (answer !== undefined) return (answer as { version: number }).version;
  return writing(flags, async (store) => {
    const checked = checkConfiguration(configuration);
    const kept = await store.configuration();
    if (kept !== undefined && isDeepStrictEqual(kept.document, checked)) return kept.version;
    return (await store.saveConfiguration(checked, 'handoff config apply', clockOf(store).now(), kept?.version ?? 0))
      .version;
  });
}
