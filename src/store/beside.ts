// A record that is made beside the place it is meant for: the place stays empty until the whole record is there.

import type { RecordStore } from './recordStore.js';

export interface Beside {
  /** Open, empty, and nobody else's. */
  readonly store: RecordStore;
  /** Closes the record and puts it in its place, in one step. @throws ConfigError when there is a record by now. */
  adopt(): Promise<void>;
  /** Closes the record and removes it. */
  abandon(): Promise<void>;
}
