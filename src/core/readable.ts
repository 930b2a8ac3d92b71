// An activity as words: what somebody reads who sees no cards.

import type { Activity, Attachment } from './activity.js';
import { isObject } from './context.js';
import { offeredChoices } from './inert.js';

const MAX_DEPTH = 60;

/** Text, the words on cards, names of files and titles of suggestions, a line each; '' when there is nothing to read. */
export function readableText(activity: Activity): string {
  const lines: string[] = [];
  if (typeof activity.text === 'string' && activity.text !== '') lines.push(activity.text);
  for (const attachment of attachmentsOf(activity)) lines.push(...cardWords(attachment.content, 0));
  const choices = offeredChoices(activity);
  if (choices.length > 0) lines.push(choices.map((title) => `[${title}]`).join(' '));
  if (lines.length === 0 && activity.type === 'message' && activity.value !== undefined && activity.value !== null) {
    lines.push(typeof activity.value === 'string' ? activity.value : JSON.stringify(activity.value));
  }
  if (lines.length === 0 && activity.type === 'event' && activity.name !== undefined)
    lines.push(`(event ${activity.name})`);
  return lines.join('\n');
}

/** Files that came with the activity and can be opened: only web addresses, never a script or inline data. */
export function safeLinks(activity: Activity): { name: string; url: string }[] {
  return attachmentsOf(activity).flatMap((attachment) => {
    const { contentUrl } = attachment;
    if (typeof contentUrl !== 'string' || contentUrl === '') return [];
    const name =
      typeof attachment.name === 'string' && attachment.name !== '' ? attachment.name : attachment.contentType;
    return /^https?:\/\//i.test(contentUrl) ? [{ name: String(name), url: contentUrl }] : [];
  });
}

function attachmentsOf(activity: Activity): Attachment[] {
  return Array.isArray(activity.attachments) ? activity.attachments.filter((attachment) => isObject(attachment)) : [];
}

/** Fields that hold words, on hero-like and adaptive cards, in reading order. */
const WORD_FIELDS = ['title', 'subtitle', 'text', 'altText', 'placeholder', 'value'];
const CHILD_FIELDS = ['body', 'items', 'columns', 'facts', 'rows', 'cells', 'inlines', 'choices', 'buttons', 'actions'];

function cardWords(content: unknown, depth: number): string[] {
  if (!isObject(content) || depth > MAX_DEPTH) return [];
  const isAction =
    typeof content['type'] === 'string' &&
    /^Action\.|^(imBack|postBack|openUrl|messageBack|signin)$/.test(content['type']);
  if (isAction) return typeof content['title'] === 'string' && content['title'] !== '' ? [`[${content['title']}]`] : [];
  const words = WORD_FIELDS.map((field) => content[field]).filter(
    (word): word is string => typeof word === 'string' && word !== '',
  );
  const isFact = words.length === 2 && content['type'] === undefined && typeof content['value'] === 'string';
  const own = isFact ? [words.join(': ')] : words;
  const children = CHILD_FIELDS.flatMap((field) => {
    const list = content[field];
    return Array.isArray(list) ? (list as unknown[]).flatMap((child) => cardWords(child, depth + 1)) : [];
  });
  return [...own, ...children];
}
