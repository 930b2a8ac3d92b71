// What is written behind `handoff`: the flags every command may read, and how many words one takes.

import { ConfigError } from '../errors.js';

export interface Flags {
  config?: string | undefined;
  data: string;
  json: boolean;
  demo: boolean;
  port?: number | undefined;
  format?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  bot?: string | undefined;
  appId?: string | undefined;
  tenant?: string | undefined;
  secret?: string | undefined;
  authority?: string | undefined;
  since?: string | undefined;
  people?: string | undefined;
  handling?: string | undefined;
  capacity?: string | undefined;
}

export function expectWords(words: readonly string[], count: number, usage: string): void {
  if (words.length !== count) throw new ConfigError([`Write: handoff ${usage}`]);
}
