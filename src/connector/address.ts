// What a bot's call is about: conversation, and activity or member, read from the path as it came over the wire.

/** One operation's path below `/v3/conversations`. Ids are as the caller means them, decoded. */
export type CallAddress =
  | { readonly about: 'conversations' }
  | {
      readonly about: 'activities' | 'history' | 'members' | 'pagedMembers' | 'attachments';
      readonly conversationId: string;
    }
  | { readonly about: 'activity' | 'activityMembers'; readonly conversationId: string; readonly activityId: string }
  | { readonly about: 'member'; readonly conversationId: string; readonly memberId: string };

const CONVERSATION = /^\/v3\/conversations\/(.+?)\/(activities|members|pagedmembers|attachments)(?:\/(.*))?$/i;

/**
 * SDKs percent-encode ids in paths or not: ids of channels hold `|`, `:`, `;`, `@`, `=` and `/`. So the path is cut at its
 * own words, never at the characters of an id, and decoded after that.
 */
export function readPath(url: string): CallAddress | undefined {
  const path = (url.split('?', 1)[0] as string).replace(/\/+$/, '');
  if (/^\/v3\/conversations$/i.test(path)) return { about: 'conversations' };
  const found = CONVERSATION.exec(path);
  if (found === null) return undefined;
  const conversationId = decoded(found[1] as string);
  const rest = found[3] ?? '';
  switch ((found[2] as string).toLowerCase()) {
    case 'activities':
      return activities(conversationId, rest);
    case 'members':
      return rest === ''
        ? { about: 'members', conversationId }
        : { about: 'member', conversationId, memberId: decoded(rest) };
    case 'pagedmembers':
      return rest === '' ? { about: 'pagedMembers', conversationId } : undefined;
    case 'attachments':
      return rest === '' ? { about: 'attachments', conversationId } : undefined;
  }
  return undefined;
}

function activities(conversationId: string, rest: string): CallAddress {
  if (rest === '') return { about: 'activities', conversationId };
  if (rest.toLowerCase() === 'history') return { about: 'history', conversationId };
  const members = /^(.+)\/members$/i.exec(rest);
  return members === null
    ? { about: 'activity', conversationId, activityId: decoded(rest) }
    : { about: 'activityMembers', conversationId, activityId: decoded(members[1] as string) };
}

/** An id that was not encoded may hold a `%` of its own: it stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
