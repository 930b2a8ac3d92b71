// Functions inside the database: what one of them does is one statement, one round trip and one transaction.

import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';

export interface DatabaseFunction {
  readonly name: string;
  readonly definition: string;
}

/**
 * Its name carries a digest of its text, so that a release which changes it brings its own beside the one that an older process
 * still calls. Where a variable and a column have one name the column is meant.
 */
export function functionOf(name: string, parameters: string, returns: string, body: string): DatabaseFunction {
  const head = `(${parameters}) RETURNS ${returns} LANGUAGE plpgsql`;
  const named = `${name}_${createHash('sha256').update(head).update(body).digest('hex').slice(0, 12)}`;
  return {
    name: named,
    definition: `CREATE FUNCTION ${named}${head} AS $body$\n#variable_conflict use_column\n${body}$body$`,
  };
}

const KNOWN =
  'SELECT proname AS name FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = $1 AND proname = ANY ($2)';

/** Those of them that are not there yet. */
export async function makeFunctions(
  client: ClientBase,
  schema: string,
  functions: readonly DatabaseFunction[],
): Promise<void> {
  const { rows } = await client.query<{ name: string }>(KNOWN, [schema, functions.map(({ name }) => name)]);
  const known = new Set(rows.map(({ name }) => name));
  for (const { name, definition } of functions) if (!known.has(name)) await client.query(definition);
}
