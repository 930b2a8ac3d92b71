// The library's public names.

// Hub: put together, started and stopped
export { createHub, type CreateHubOptions, type HandoffHub, type ListenOptions } from './createHub.js';
export { readConfiguration, configurationSchema, type Configuration } from './config.js';
export { SqliteStore, type SqliteStoreOptions } from './store/sqlite/sqliteStore.js';
export { PostgresStore, type PostgresStoreOptions } from './store/postgres/postgresStore.js';
export type { BotConnection, BotTurn, ChannelConnection, Clock, Log, Store } from './hub/ports.js';
export type { Handled, Observer, Signal, Watcher } from './hub/engine.js';

// Bots in this process
export { DirectLineAdapter, type DirectLineAdapterOptions } from './middleware/directLineAdapter.js';
export { AgentsDirectLineAdapter } from './middleware/agentsDirectLineAdapter.js';
export {
  handoffMiddleware,
  type HandoffMiddleware,
  type HandoffMiddlewareOptions,
  type MiddlewareTexts,
} from './middleware/handoffMiddleware.js';
export { serveMessages, type CloudAdapterOf, type MessagesOptions } from './middleware/messages.js';
export type { BotAdapterOf, BotTurnContext } from './middleware/host.js';
export {
  HandoffTranscriptStore,
  type HandoffTranscriptStoreOptions,
  type Transcript,
  type TranscriptPage,
} from './middleware/transcriptStore.js';
export { canEscalate, endConversation, escalate, type EscalateOptions, type Outlook } from './middleware/escalation.js';

// What a conversation is
export type { Activity, Attachment, ChannelAccount } from './core/activity.js';
export type { Command } from './core/commands.js';
export type { ContextVariable, ContextVariables, VariableValue } from './core/context.js';
export type { Conversation, ConversationEvent, Entry, Party, Phase, SessionSummary } from './core/conversation.js';
export type { Directory } from './core/directory.js';
export type { AssignReceipt } from './core/assignment.js';
export type { RouteReceipt } from './core/routing.js';

// Errors
export { BadRequest, ConfigError, Conflict, DeliveryFailed, Rejected, StoreUnavailable } from './errors.js';
