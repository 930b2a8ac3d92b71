// Runs everything that only reads, on a connection and a thread of its own: sees committed data, never waits for a write.
//
// Measured on two busy cores: a page of 50 entries, read while 50 (500) customers write as fast as they can, takes 1.1
// (0.5) ms here and 8 (29) ms between the writer's flushes. In the hub's thread a page that is not in memory, or a long
// list, would stop everybody.

import type { Call } from '../calls.js';
import { queriesFor, type Query } from '../reads.js';
import type { Answer } from './calls.js';
import type { Database, Statement } from './engine.js';
import { faultOf } from './faults.js';
import { contains } from './schema.js';

const queries = queriesFor(contains);

export class Reader {
  private readonly statements = new Map<string, Statement>();

  constructor(
    private readonly db: Database,
    private readonly directory: string,
  ) {}

  read(calls: readonly Call[]): Answer[] {
    return calls.map((call): Answer => {
      try {
        const query = (queries as Record<string, ((ask: unknown) => Query<unknown>) | undefined>)[call.kind];
        if (query === undefined) throw new TypeError(`"${call.kind}" does not read`);
        return { id: call.id, answer: this.run(query(call.ask)) };
      } catch (error) {
        return { id: call.id, fault: faultOf(error, this.directory) };
      }
    });
  }

  private run<A>({ statements, answer }: Query<A>): A {
    const results = () => statements.map(([text, ...values]) => this.statement(text).all(...values));
    return answer(statements.length === 1 ? results() : this.atOneMoment(results));
  }

  /** Several statements over one snapshot. */
  private atOneMoment<T>(read: () => T): T {
    this.db.exec('BEGIN');
    try {
      return read();
    } finally {
      this.db.exec('COMMIT');
    }
  }

  private statement(text: string): Statement {
    let statement = this.statements.get(text);
    if (statement === undefined) this.statements.set(text, (statement = this.db.prepare(text)));
    return statement;
  }
}
