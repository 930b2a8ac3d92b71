// Cards and suggestions as somebody sees them who must not press them: everything is shown, nothing acts.

import type { Activity, Attachment } from './activity.js';
import { isObject } from './context.js';

const ADAPTIVE = 'application/vnd.microsoft.card.adaptive';
const RICH_CARD = /^application\/vnd\.microsoft\.card\./;
/** Deeper nesting than any real card has: what lies below is left out. */
const MAX_DEPTH = 60;

/** The activity with buttons, taps and suggestions taken out; the titles of card buttons stay readable as text. */
export function inert(activity: Activity): Activity {
  const { suggestedActions: _suggested, ...rest } = activity;
  if (!Array.isArray(activity.attachments)) return rest;
  return { ...rest, attachments: activity.attachments.map(inertAttachment) };
}

/** Titles of the suggestions that came with the activity. */
export function offeredChoices(activity: Activity): string[] {
  const suggested = activity['suggestedActions'];
  return isObject(suggested) ? titlesOf(suggested['actions']) : [];
}

function inertAttachment(attachment: Attachment): Attachment {
  if (!isObject(attachment) || typeof attachment.contentType !== 'string') return attachment;
  const { contentType, content } = attachment;
  if (!RICH_CARD.test(contentType) || !isObject(content)) return attachment;
  return { ...attachment, content: contentType === ADAPTIVE ? inertAdaptive(content, 0) : inertRich(content) };
}

/** Hero, thumbnail, receipt, sign-in, media cards. */
function inertRich(card: Record<string, unknown>): Record<string, unknown> {
  const { buttons, tap: _tap, images, items, ...rest } = card;
  const titles = titlesOf(buttons);
  const text = typeof rest['text'] === 'string' ? rest['text'] : '';
  return {
    ...rest,
    ...(images !== undefined && { images: withoutTaps(images) }),
    ...(items !== undefined && { items: withoutTaps(items) }),
    ...(titles.length > 0 && { text: [text, bracketed(titles)].filter((part) => part !== '').join('\n\n') }),
  };
}

function withoutTaps(list: unknown): unknown {
  if (!Array.isArray(list)) return list;
  return (list as unknown[]).map((item) => {
    if (!isObject(item)) return item;
    const { tap: _tap, ...rest } = item;
    return rest;
  });
}

function inertAdaptive(element: Record<string, unknown>, depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(element)) {
    if (field === 'actions' || field === 'selectAction' || field === 'inlineAction') continue;
    copy[field] = inertValue(value, depth + 1);
  }
  const titles = titlesOf(element['actions']);
  if (element['type'] === 'ActionSet') return textBlock(titles);
  if (titles.length > 0 && Array.isArray(copy['body']))
    copy['body'] = [...(copy['body'] as unknown[]), textBlock(titles)];
  // Inputs without a submit button keep nothing, but they must not look as if they did.
  if (typeof element['type'] === 'string' && element['type'].startsWith('Input.')) copy['isEnabled'] = false;
  return copy;
}

function inertValue(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return null;
  if (Array.isArray(value)) return (value as unknown[]).map((item) => inertValue(item, depth + 1));
  return isObject(value) ? inertAdaptive(value, depth) : value;
}

function textBlock(titles: readonly string[]): Record<string, unknown> {
  return { type: 'TextBlock', text: bracketed(titles), wrap: true, isSubtle: true };
}

function titlesOf(actions: unknown): string[] {
  if (!Array.isArray(actions)) return [];
  return (actions as unknown[])
    .map((action) => (isObject(action) ? (action['title'] ?? action['text'] ?? action['value']) : undefined))
    .filter((title): title is string => typeof title === 'string' && title !== '');
}

function bracketed(titles: readonly string[]): string {
  return titles.map((title) => `[${title}]`).join(' ');
}
