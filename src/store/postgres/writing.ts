// The functions inside the database by which a whole flush is written in one round trip and one transaction.
//
// They are made of the common SQL: each `?` is filled with an expression of PL/pgSQL.

import { THUMBNAIL } from '../../hub/attachments.js';
import { changing, CHANNEL_KEY, FACETS, sql } from '../sql.js';
import { functionOf } from './functions.js';

function fill(text: string, ...expressions: readonly string[]): string {
  let used = 0;
  const filled = text.replaceAll('?', () => expressions[used++] ?? '');
  if (used !== expressions.length) throw new TypeError(`${expressions.length} expressions do not fit ${text}`);
  return filled;
}

const NUMBERS: ReadonlySet<string> = new Set(['priority', 'waiting_since', 'started_at', 'closed_at']);
const facets = FACETS.map((column, index) => `(facets->>${index})${NUMBERS.has(column) ? '::bigint' : ''}`);

/** Raised when an agent has no room, to undo the claims before; never leaves the function. */
const NO_ROOM = 'HN001';
/** Raised when a later flush of the same process is known already: this one was given up for lost. */
export const GIVEN_UP = 'HN002';

/** One call, as the embedded engine's writer carries it out. NULL = done, with nothing to say. */
const WRITE_ONE = functionOf(
  'write_one',
  'the_writer text, kind text, ask jsonb',
  'jsonb',
  `
DECLARE
  the_id text := ask->>'conversationId';
  facets jsonb := ask->'facets';
  settlements jsonb := CASE kind WHEN 'append' THEN ask->'settle' WHEN 'settle' THEN ask END;
  erased jsonb := CASE kind WHEN 'append' THEN ask->'erase' END;
  the_key text;
  existing record;
  item record;
  the_seq bigint;
  the_chain bytea;
  the_version bigint;
  the_body text;
  the_node text;
  elsewhere jsonb := '[]';
  behind jsonb := '[]';
BEGIN
  CASE kind
  WHEN 'append' THEN
    -- An empty list costs less to see than to go through: of most appends these all are.
    FOR at_key IN 0 .. jsonb_array_length(ask->'keys') - 1 LOOP
      the_key := ask->'keys'->>at_key;
      ${fill(sql.entryByKey, 'the_id', 'the_key')} INTO existing;
      IF FOUND THEN
        RETURN jsonb_build_object('outcome', 'duplicate', 'key', the_key, 'entry', to_jsonb(existing));
      END IF;
    END LOOP;
    the_seq := (ask->>'expectedVersion')::bigint;
    SELECT version, chain, state INTO existing FROM conversation WHERE id = the_id;
    IF coalesce(existing.version, 0) <> the_seq THEN
      RETURN jsonb_build_object('outcome', 'conflict', 'state', existing.state);
    END IF;
    the_version := existing.version;
    the_chain := coalesce(existing.chain, decode(ask->>'chainStart', 'hex'));
    IF the_version IS NULL AND facets->>${CHANNEL_KEY} IS NOT NULL THEN
      ${fill(sql.findOpen, `facets->>${CHANNEL_KEY}`)} INTO existing;
      IF FOUND THEN RETURN jsonb_build_object('outcome', 'channelTaken', 'conversationId', existing.id); END IF;
    END IF;
    IF jsonb_array_length(ask->'claims') > 0 THEN
      BEGIN
        FOR item IN
          SELECT * FROM jsonb_to_recordset(ask->'claims') AS c(agent text, delta bigint, force boolean, at bigint)
        LOOP
          ${fill(sql.claim, 'item.delta', 'item.delta', 'item.at', 'item.delta', 'item.at', 'item.agent', 'item.delta', 'item.delta', 'coalesce(item.force, false)::int')};
          IF NOT FOUND AND item.delta > 0 THEN RAISE EXCEPTION USING ERRCODE = '${NO_ROOM}', MESSAGE = item.agent; END IF;
        END LOOP;
      EXCEPTION WHEN SQLSTATE '${NO_ROOM}' THEN
        RETURN jsonb_build_object('outcome', 'noCapacity', 'agent', SQLERRM);
      END;
    END IF;
    FOR item IN
      SELECT * FROM jsonb_to_recordset(ask->'entries')
        AS e(at bigint, type text, envelope text, body text, salt text, digest text, key text, "channelActivityId" text)
    LOOP
      the_seq := the_seq + 1;
      the_chain := sha256(the_chain || convert_to(item.envelope, 'UTF8') || coalesce(decode(item.digest, 'hex'), ''));
      ${fill(sql.insertEntry, 'the_id', 'the_seq', 'item.at', 'item.type', 'item.envelope', 'item.body', `decode(item.salt, 'hex')`, `decode(item.digest, 'hex')`, 'the_chain', 'item.key', 'item."channelActivityId"')};
    END LOOP;
    IF the_version IS NULL THEN
      ${fill(sql.insertConversation, 'the_id', 'the_seq', `(ask->>'dueAt')::bigint`, `ask->>'state'`, 'the_chain', ...facets)};
    ELSE
      ${fill(sql.updateConversationWhole, 'the_seq', `(ask->>'dueAt')::bigint`, `ask->>'state'`, 'the_chain', ...changing(facets), 'the_id')};
    END IF;
    IF jsonb_array_length(ask->'outbox') > 0 THEN
      FOR item IN
        SELECT * FROM jsonb_to_recordset(ask->'outbox')
          AS o(seq bigint, ordinal bigint, party text, epoch bigint, effect text, "dueAt" bigint)
      LOOP
        -- Whoever still owes the party earlier rows of the conversation goes on: so they arrive in order.
        SELECT o.node INTO the_node FROM outbox o
          WHERE o.conversation_id = the_id AND o.party = item.party ORDER BY o.seq, o.ordinal LIMIT 1;
        the_node := coalesce(the_node, the_writer);
        INSERT INTO outbox (conversation_id, seq, ordinal, party, epoch, effect, attempts, due_at, node)
          VALUES (the_id, item.seq, item.ordinal, item.party, item.epoch, item.effect, 0, item."dueAt", the_node);
        IF the_node <> the_writer THEN
          elsewhere := elsewhere || jsonb_build_array(jsonb_build_array(item.seq, item.ordinal));
        ELSE
          -- Another process may have written what this one owes before.
          SELECT o.seq, o.ordinal INTO existing FROM outbox o
            WHERE o.conversation_id = the_id AND o.party = item.party AND o.seq <= (ask->>'expectedVersion')::bigint
            ORDER BY o.seq DESC, o.ordinal DESC LIMIT 1;
          IF FOUND THEN behind := behind || jsonb_build_array(jsonb_build_array(existing.seq, existing.ordinal)); END IF;
        END IF;
      END LOOP;
    END IF;
  WHEN 'settle' THEN NULL;
  WHEN 'saveAgents' THEN
    ${sql.retireAgents};
    FOR item IN SELECT * FROM jsonb_to_recordset(ask->'agents') AS a(id text, capacity bigint) LOOP
      ${fill(sql.saveAgent, 'item.id', `(ask->>'at')::bigint`, 'item.capacity', `(ask->>'at')::bigint`)};
    END LOOP;
  WHEN 'setPresence' THEN
    ${fill(sql.setPresence, `ask->>'presence'`, `(ask->>'at')::bigint`, `(ask->>'until')::bigint`, `ask->>'agent'`)};
  WHEN 'saveConfiguration' THEN
    ${sql.configuration} INTO existing;
    the_version := coalesce(existing.version, 0);
    IF the_version <> (ask->>'expectedVersion')::bigint THEN
      RETURN jsonb_build_object('saved', false, 'version', the_version);
    END IF;
    ${fill(sql.insertConfiguration, 'the_version + 1', `ask->>'document'`, `ask->>'by'`, `(ask->>'at')::bigint`)};
    RETURN jsonb_build_object('saved', true, 'version', the_version + 1);
  WHEN 'makeSecret' THEN
    ${fill(sql.insertSecret, `ask->>'name'`, `ask->>'value'`)};
    ${fill(sql.secret, `ask->>'name'`)} INTO existing;
    RETURN to_jsonb(existing.value);
  WHEN 'putGrant' THEN
    ${fill(sql.removeExpiredGrants, `(ask->>'forgetBefore')::bigint`)};
    ${fill(sql.putGrant, `ask->'grant'->>'kind'`, `ask->'grant'->>'id'`, `ask->'grant'->>'value'`, `(ask->'grant'->>'expires_at')::bigint`)};
  WHEN 'takeGrant' THEN
    ${fill(sql.takeGrant, `ask->>'kind'`, `ask->>'id'`, `(ask->>'at')::bigint`)} INTO existing;
    RETURN CASE WHEN existing.id IS NULL THEN NULL ELSE to_jsonb(existing) END;
  WHEN 'removeGrant' THEN
    ${fill(sql.removeGrant, `ask->>'kind'`, `ask->>'id'`)};
  END CASE;
  IF jsonb_array_length(settlements) > 0 THEN
    FOR item IN
      SELECT * FROM jsonb_to_recordset(settlements)
        AS s("conversationId" text, seq bigint, ordinal bigint, retry jsonb, "channelActivityId" text)
    LOOP
      IF item.retry IS NULL THEN
        ${fill(sql.deleteOutbox, 'item."conversationId"', 'item.seq', 'item.ordinal')};
      ELSE
        ${fill(sql.retryOutbox, `(item.retry->>'attempts')::bigint`, `(item.retry->>'dueAt')::bigint`, 'item."conversationId"', 'item.seq', 'item.ordinal')};
      END IF;
      IF item."channelActivityId" IS NOT NULL THEN
        ${fill(sql.nameEntryOnChannel, 'item."channelActivityId"', 'item."conversationId"', 'item.seq')};
      END IF;
    END LOOP;
  END IF;
  IF jsonb_array_length(erased) > 0 THEN
    FOR the_seq IN SELECT value::bigint FROM jsonb_array_elements_text(erased) LOOP
      SELECT b.body INTO the_body FROM (${fill(sql.bodyOf, 'the_id', 'the_seq')}) b;
      FOR item IN ${fill(sql.attachmentIds, 'the_id')} LOOP
        IF strpos(the_body, regexp_replace(item.id, '${THUMBNAIL}$', '')) > 0 THEN
          ${fill(sql.deleteAttachment, 'item.id')};
        END IF;
      END LOOP;
      ${fill(sql.eraseBody, 'the_id', 'the_seq')};
      ${fill(sql.deleteOutboxOfEntry, 'the_id', 'the_seq')};
    END LOOP;
  END IF;
  IF elsewhere <> '[]' OR behind <> '[]' THEN
    RETURN jsonb_build_object('outcome', 'done', 'elsewhere', elsewhere, 'behind', behind);
  END IF;
  RETURN NULL;
END`,
);

/**
 * A whole flush. Rows are locked first and in one order (names of what may not exist yet, conversations, agents), so
 * that two processes never wait for each other in a circle; then the calls are carried out in theirs. What they are
 * answered is kept beside the flush's number: whoever lost the connection asks for it there.
 */
const WRITE_ALL = functionOf(
  'write_all',
  'writer_id text, flush_number bigint, calls jsonb, names text[], conversations text[], agents text[], lazy boolean',
  'jsonb',
  `
<<write_all>>
DECLARE
  call record;
  answer jsonb;
  answers jsonb := '[]';
BEGIN
  IF lazy THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
  INSERT INTO writer AS w (id, flush, answers) VALUES (writer_id, flush_number, '[]')
    ON CONFLICT (id) DO UPDATE SET flush = excluded.flush, answers = excluded.answers, at = now()
    WHERE w.flush < excluded.flush;
  IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = '${GIVEN_UP}', MESSAGE = 'this flush was given up'; END IF;
  PERFORM pg_advisory_xact_lock(n.lock)
    FROM (SELECT DISTINCT hashtextextended(name, 0) AS lock FROM unnest(names) AS name ORDER BY lock) n;
  PERFORM 1 FROM conversation WHERE id = ANY (conversations) ORDER BY id FOR UPDATE;
  PERFORM 1 FROM agent WHERE agents IS NULL OR id = ANY (agents) ORDER BY id FOR UPDATE;
  FOR call IN SELECT value, ordinality FROM jsonb_array_elements(calls) WITH ORDINALITY LOOP
    answer := ${WRITE_ONE.name}(writer_id, call.value->>'kind', call.value->'ask');
    IF answer IS NOT NULL THEN
      answers := answers || jsonb_build_array(jsonb_build_array(call.ordinality - 1, answer));
    END IF;
  END LOOP;
  IF answers <> '[]' THEN UPDATE writer SET answers = write_all.answers WHERE id = writer_id; END IF;
  RETURN answers;
END`,
);

export const WRITING = {
  functions: [WRITE_ONE, WRITE_ALL],
  /** The process, the number of the flush, the calls, and what they need locked; `agents` NULL = all of them. */
  call: `SELECT ${WRITE_ALL.name}($1, $2, $3, $4, $5, $6, $7)::text AS answers`,
  /** Makes sure that a flush of this number will never be written, if it has not been. Waits for one under way. */
  giveUp:
    'INSERT INTO writer AS w (id, flush) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE' +
    ' SET flush = excluded.flush, answers = NULL, at = now() WHERE w.flush < excluded.flush RETURNING flush',
  /** What the flush of this number was answered; NULL when it was given up. */
  answers: 'SELECT answers FROM writer WHERE id = $1 AND flush = $2',
  leave: 'DELETE FROM writer WHERE id = $1',
} as const;
