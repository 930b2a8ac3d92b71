// Log entries for tests, written in a line each.

import type { Activity } from '../../src/core/activity.js';
import type { Audience, ConversationEvent, Entry, Party } from '../../src/core/conversation.js';

export const CONVERSATION = 'c1';
export const START = Date.UTC(2026, 0, 5, 9, 0, 0);

export const CUSTOMER: Party = { role: 'customer', id: 'dl_kim' };
export const BOT: Party = { role: 'bot', id: 'demo' };
export const ANA: Party = { role: 'agent', id: 'ana' };
export const BEN: Party = { role: 'agent', id: 'ben' };
export const HUB: Party = { role: 'system', id: 'system' };

const NAMES: Record<string, string> = { demo: 'Demo Bot', ana: 'Ana', ben: 'Ben', system: 'Contoso' };

export function nameOf(party: Party): string | undefined {
  return NAMES[party.id];
}

export type Content = ConversationEvent extends infer E
  ? E extends ConversationEvent
    ? Omit<E, 'v' | 'at' | 'by' | 'audience'>
    : never
  : never;

export type Line = [by: Party, audience: Audience, content: Content];

/** Numbers entries from 1, a second apart. */
export function logOf(...events: readonly Readonly<Line>[]): Entry[] {
  return events.map(([by, audience, content], index) => ({
    conversationId: CONVERSATION,
    seq: index + 1,
    event: { v: 1, at: START + index * 1_000, by, audience, ...content },
  }));
}

export function said(activity: Partial<Activity> | string, answers?: number): Content {
  const full: Activity =
    typeof activity === 'string' ? { type: 'message', text: activity } : { type: 'message', ...activity };
  return { type: 'said', activityType: full.type, ...(answers !== undefined && { answers }), body: { activity: full } };
}
