/** A bot as it runs on Azure, in a process of its own: botbuilder's CloudAdapter, a single-tenant app with a client secret. */
import { ConfidentialClientApplication } from '@azure/msal-node';
import {
  ActivityHandler,
  CloudAdapter,
  ConfigurationBotFrameworkAuthentication,
  EventFactory,
  TeamsInfo,
  type ConversationReference,
} from 'botbuilder';
import { MsalServiceClientCredentialsFactory } from 'botframework-connector';
import restify from 'restify';

const { MicrosoftAppId: appId = '', MicrosoftAppPassword: clientSecret = '', ENTRA: authority = '' } = process.env;

class ShopBot extends ActivityHandler {
  constructor() {
    super();
    this.onMessage(async (context, next) => {
      const { text, attachments } = context.activity;
      if (text === 'human') {
        await context.sendActivity('One moment');
        await context.sendActivity(EventFactory.createHandoffInitiation(context, { reason: 'refund' }));
      } else if (text === 'who') {
        const member = await TeamsInfo.getMember(context, context.activity.from.id);
        await context.sendActivity(`You are ${member.name} (${member.email})`);
      } else if (text === 'work') {
        const sent = await context.sendActivity('Working');
        await context.updateActivity({ ...context.activity, type: 'message', id: sent?.id, text: 'Done' });
      } else if (text === 'remind') {
        const { activity } = context;
        const reference = {
          bot: activity.recipient,
          user: activity.from,
          conversation: activity.conversation,
          channelId: activity.channelId,
          serviceUrl: activity.serviceUrl,
        } as Partial<ConversationReference>;
        await adapter.continueConversationAsync(appId, reference, async (later) => {
          await later.sendActivity('Reminder');
        });
      } else
        await context.sendActivity(`Echo: ${text}${attachments?.length ? ` (${attachments[0]?.contentUrl})` : ''}`);
      await next();
    });
  }
  protected override onInvokeActivity() {
    return Promise.resolve({ status: 200, body: { task: { type: 'message', value: 'from the bot' } } });
  }
}

// Real apps need no more than their settings; here Entra is this machine's, which MSAL has to be told to believe.
const entra = new ConfidentialClientApplication({
  auth: { clientId: appId, clientSecret, authority, knownAuthorities: [new URL(authority).host] },
});
const authentication = new ConfigurationBotFrameworkAuthentication(
  process.env as Record<string, string>,
  // The SDK has an MSAL of its own.
  new MsalServiceClientCredentialsFactory(appId, entra as never),
);
const adapter = new CloudAdapter(authentication);
const bot = new ShopBot();
const server = restify.createServer();
server.use(restify.plugins.bodyParser());
server.post('/api/messages', async (request: restify.Request, response: restify.Response) => {
  await adapter.process(request, response, (context) => bot.run(context));
});
server.listen(0, '127.0.0.1', () => console.log(`The bot listens on ${server.address().port}`));
