/** Both SDKs that bots are built with, as one thing: what the middleware promises holds on either. */
import * as agents from '@microsoft/agents-hosting';
import * as botbuilder from 'botbuilder';
import type { Activity as AgentsActivity } from '@microsoft/agents-activity';
import type { Hub } from '../../src/hub/hub.js';
import { AgentsDirectLineAdapter } from '../../src/middleware/agentsDirectLineAdapter.js';
import { DirectLineAdapter } from '../../src/middleware/directLineAdapter.js';
import type { BotTurnContext, SdkActivity } from '../../src/middleware/host.js';
import type { CloudAdapterOf } from '../../src/middleware/messages.js';

export type Logic = (context: BotTurnContext) => Promise<void>;
export type Adapter = CloudAdapterOf<BotTurnContext>;
/** The widgets' adapter: it takes no HTTP. */
export type WidgetAdapter = Omit<Adapter, 'process'> & { readonly botId: string };

export interface SdkInTest {
  readonly name: 'botbuilder' | 'agents';
  readonly title: string;
  /** Without an app id: anybody may call it. */
  cloudAdapter(): Adapter;
  widgetAdapter(
    hub: Hub,
    options: { botId: string; run: (context: BotTurnContext) => Promise<unknown> },
  ): WidgetAdapter;
  /** What a bot keeps to speak up later. */
  referenceOf(activity: SdkActivity): object;
  speakUp(adapter: object, reference: object, logic: Logic): Promise<void>;
  /** A bot of the SDK's own kind that answers messages, as `run`. */
  bot(onMessage: Logic): (context: BotTurnContext) => Promise<unknown>;
  readonly baseAdapter: { [Symbol.hasInstance](value: unknown): boolean };
}

const BOTBUILDER: SdkInTest = {
  name: 'botbuilder',
  title: 'with botbuilder',
  cloudAdapter: () => {
    const adapter: unknown = new botbuilder.CloudAdapter(new botbuilder.ConfigurationBotFrameworkAuthentication({}));
    return adapter as Adapter;
  },
  widgetAdapter: (hub, options) => new DirectLineAdapter(hub, options) as unknown as WidgetAdapter,
  referenceOf: (activity) => botbuilder.TurnContext.getConversationReference(activity as botbuilder.Activity),
  speakUp: (adapter, reference, logic) =>
    (adapter as botbuilder.CloudAdapter).continueConversationAsync('', reference, logic),
  bot: (onMessage) => {
    const bot = new botbuilder.ActivityHandler();
    bot.onMessage(async (context, next) => {
      await onMessage(context);
      await next();
    });
    return (context) => bot.run(context as botbuilder.TurnContext);
  },
  baseAdapter: botbuilder.BotAdapter,
};

export const AGENTS: SdkInTest = {
  name: 'agents',
  title: 'with the Agents SDK',
  cloudAdapter: () => {
    const adapter: unknown = new agents.CloudAdapter();
    return adapter as Adapter;
  },
  widgetAdapter: (hub, options) => new AgentsDirectLineAdapter(hub, options) as unknown as WidgetAdapter,
  referenceOf: (activity) => (activity as AgentsActivity).getConversationReference(),
  speakUp: (adapter, reference, logic) =>
    (adapter as agents.CloudAdapter).continueConversation({}, reference as never, logic),
  bot: (onMessage) => {
    const app = new agents.AgentApplication({ startTypingTimer: false });
    app.onActivity('message', async (context) => onMessage(context));
    return (context) => app.run(context as unknown as agents.TurnContext);
  },
  baseAdapter: agents.BaseAdapter as unknown as SdkInTest['baseAdapter'],
};

/** The same tests, once for each SDK. */
export function describeOnEachSdk(title: string, tests: (this: Mocha.Suite, sdk: SdkInTest) => void): void {
  for (const sdk of [BOTBUILDER, AGENTS])
    describe(`${title}, ${sdk.title}`, function () {
      tests.call(this, sdk);
    });
}
