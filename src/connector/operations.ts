// Which of the Bot Connector's operations a request is, and what it is about, read from the path as it came over the wire.

/** By the names they have in Microsoft's own clients. Ids are as the caller means them, decoded. */
export type Operation = OfNothing | OfConversation | OfActivity | OfMember;

interface OfNothing {
  readonly name: 'createConversation' | 'getConversations';
}

export interface OfConversation {
  readonly name:
    | 'sendToConversation'
    | 'sendConversationHistory'
    | 'getConversationMembers'
    | 'getConversationPagedMembers'
    | 'uploadAttachment';
  readonly conversationId: string;
}

export interface OfActivity {
  readonly name: 'replyToActivity' | 'updateActivity' | 'deleteActivity' | 'getActivityMembers';
  readonly conversationId: string;
  readonly activityId: string;
}

export interface OfMember {
  readonly name: 'getConversationMember' | 'deleteConversationMember';
  readonly conversationId: string;
  readonly memberId: string;
}

/** A path of the Connector that does not go with this method, or no path of it. */
export type NoOperation = 'wrongMethod' | 'unknown';

const ROOT = /^\/v3\/conversations$/i;
const CONVERSATION = /^\/v3\/conversations\/(.+?)\/(activities|members|pagedmembers|attachments)(?:\/(.*))?$/i;

/**
 * SDKs percent-encode ids in paths or not, and ids hold `|`, `:`, `;`, `@`, `=` and `/`. So the path is cut at its own
 * words, never at the characters of an id, and decoded after that.
 */
export function readOperation(method: string, url: string): Operation | NoOperation {
  const path = (url.split('?', 1)[0] as string).replace(/\/+$/, '');
  if (ROOT.test(path))
    return byMethod(method, { POST: { name: 'createConversation' }, GET: { name: 'getConversations' } });
  const [found, id = '', word = '', rest = ''] = CONVERSATION.exec(path) ?? [];
  if (found === undefined) return 'unknown';
  const conversationId = decoded(id);
  switch (word.toLowerCase()) {
    case 'activities':
      return aboutActivities(method, conversationId, rest);
    case 'members':
      return aboutMembers(method, conversationId, decoded(rest));
    case 'pagedmembers':
      if (rest !== '') return 'unknown';
      return byMethod(method, { GET: { name: 'getConversationPagedMembers', conversationId } });
    case 'attachments':
      if (rest !== '') return 'unknown';
      return byMethod(method, { POST: { name: 'uploadAttachment', conversationId } });
  }
  return 'unknown';
}

function aboutActivities(method: string, conversationId: string, rest: string): Operation | NoOperation {
  if (rest === '') return byMethod(method, { POST: { name: 'sendToConversation', conversationId } });
  if (rest.toLowerCase() === 'history')
    return byMethod(method, { POST: { name: 'sendConversationHistory', conversationId } });
  const members = /^(.+)\/members$/i.exec(rest)?.[1];
  if (members !== undefined)
    return byMethod(method, { GET: { name: 'getActivityMembers', conversationId, activityId: decoded(members) } });
  const activityId = decoded(rest);
  return byMethod(method, {
    POST: { name: 'replyToActivity', conversationId, activityId },
    PUT: { name: 'updateActivity', conversationId, activityId },
    DELETE: { name: 'deleteActivity', conversationId, activityId },
  });
}

function aboutMembers(method: string, conversationId: string, memberId: string): Operation | NoOperation {
  if (memberId === '') return byMethod(method, { GET: { name: 'getConversationMembers', conversationId } });
  return byMethod(method, {
    GET: { name: 'getConversationMember', conversationId, memberId },
    DELETE: { name: 'deleteConversationMember', conversationId, memberId },
  });
}

function byMethod(method: string, operations: Readonly<Record<string, Operation>>): Operation | NoOperation {
  return operations[method] ?? 'wrongMethod';
}

/** An id that was not encoded may hold a `%` of its own: it stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
