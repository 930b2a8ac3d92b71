// The variables that every Copilot Studio bot sends along when it hands over, as a work stream declares them.

import { storedName, type VariableDeclaration } from './context.js';
import type { Bot, Queue } from './directory.js';

/** Lists and truth values are kept as they come; a text declaration makes their items texts. */
export const COPILOT_STUDIO_VARIABLES: readonly VariableDeclaration[] = [
  { name: 'va_Scope', type: 'text', displayable: false },
  { name: 'va_LastTopic', type: 'text', displayable: true },
  { name: 'va_Topics', type: 'text', displayable: true },
  { name: 'va_LastPhrases', type: 'text', displayable: true },
  { name: 'va_Phrases', type: 'text', displayable: true },
  { name: 'va_ConversationId', type: 'text', displayable: false },
  { name: 'va_AgentMessage', type: 'text', displayable: true },
  { name: 'va_BotId', type: 'text', displayable: false },
  { name: 'va_BotName', type: 'text', displayable: false },
  { name: 'va_Language', type: 'text', displayable: true },
  { name: 'CloseOmnichannelConversation', type: 'text', displayable: false },
];

/** What a work stream knows as declared because of the bots of the queues it leads to; its own declarations come first. */
export function withBotVariables(
  own: readonly VariableDeclaration[],
  queues: readonly (Queue | undefined)[],
  bots: Readonly<Record<string, Bot>>,
): readonly VariableDeclaration[] {
  const hasBot = queues.some((queue) => queue?.members.some((id) => bots[id]?.transport.kind === 'directLine'));
  if (!hasBot) return own;
  const names = new Set(own.map(({ name }) => storedName(name)));
  return [...own, ...COPILOT_STUDIO_VARIABLES.filter(({ name }) => !names.has(name))];
}
