// The functions inside the database by which a node says that it lives, and that it has lost a person's last socket.
//
// Each holds what all nodes wait for, and is one statement: a process that stands still cannot do so in the middle of it.

import { functionOf } from './functions.js';

export const BEAT = functionOf(
  'beat',
  'the_node text, silent_ms bigint, the_status text',
  'jsonb',
  `
DECLARE
  is_new boolean;
  is_keeper boolean;
  owed bigint := 0;
  people bigint := 0;
BEGIN
  -- One sign of life after another: two nodes that find no keeper must not both become it.
  PERFORM pg_advisory_xact_lock(hashtext('botframework-handoff beat'), hashtext(current_schema()));
  INSERT INTO node (id, seen_at, keeps, status) VALUES (the_node, clock_timestamp(), false, the_status)
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, status = coalesce(the_status, node.status)
    RETURNING xmax = 0 INTO is_new;
  DELETE FROM node WHERE seen_at < clock_timestamp() - silent_ms * interval '1 millisecond';
  UPDATE node SET keeps = true WHERE id = the_node AND NOT EXISTS (SELECT 1 FROM node WHERE keeps);
  SELECT keeps INTO is_keeper FROM node WHERE id = the_node;
  IF is_keeper THEN
    -- Whoever appends to one of these just now may still add a row that is the dead node's: waited for, so that all of a
    -- conversation's rows are taken over together, and are delivered in order.
    PERFORM 1 FROM conversation
      WHERE id IN (SELECT conversation_id FROM outbox WHERE node NOT IN (SELECT id FROM node)) ORDER BY id FOR UPDATE;
    UPDATE outbox SET node = the_node WHERE node NOT IN (SELECT id FROM node);
    GET DIAGNOSTICS owed = ROW_COUNT;
    WITH gone AS (DELETE FROM connection WHERE node NOT IN (SELECT id FROM node) RETURNING agent, lost_at, missed)
    INSERT INTO connection (agent, node, lost_at, missed)
      SELECT DISTINCT ON (agent) agent, the_node, coalesce(lost_at, clock_timestamp()), missed FROM gone
      ORDER BY agent, missed
      ON CONFLICT (agent, node) DO NOTHING;
    GET DIAGNOSTICS people = ROW_COUNT;
  END IF;
  RETURN jsonb_build_object('isNew', is_new, 'keeper', is_keeper, 'inherited', owed + people > 0);
END`,
);

/** Whether the person has no other open connection: then this one is lost. */
export const DISCONNECT = functionOf(
  'disconnect',
  'the_agent text, the_node text',
  'boolean',
  `
BEGIN
  -- Of the last open connections of a person that end at once at two nodes, both are lost: the lock makes one the last.
  PERFORM 1 FROM agent WHERE id = the_agent FOR UPDATE;
  DELETE FROM connection WHERE agent = the_agent AND node = the_node AND lost_at IS NULL;
  PERFORM 1 FROM connection WHERE agent = the_agent AND lost_at IS NULL LIMIT 1;
  IF FOUND THEN RETURN false; END IF;
  INSERT INTO connection (agent, node, lost_at) VALUES (the_agent, the_node, clock_timestamp())
    ON CONFLICT (agent, node) DO NOTHING;
  RETURN true;
END`,
);
