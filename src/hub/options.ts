// What a hub is made of.

import type { Directory } from '../core/directory.js';
import type { NodeTimes } from './nodes.js';
import type { Clock, Log, Store } from './ports.js';

export interface HubOptions {
  store: Store;
  directory: Directory;
  log: Log;
  /** Unless set: the store's, if it has one, else the process's. */
  clock?: Clock;
  /** Public origin with a trailing slash: what bots see as serviceUrl. */
  serviceUrl?: string;
  /** A bot that has not finished a turn after this time counts as failed. */
  botTimeoutMs?: number;
  /** How soon nodes on one record notice each other's silence; a test's are shorter. */
  nodeTimes?: NodeTimes;
}
