// The demo bot: a small ActivityHandler that shows what a bot can ask of the hub. The tests' bot, too.

import { ActivityHandler, CardFactory, EventFactory, type Activity, type TurnContext } from 'botbuilder';
import type { Hub } from './hub/hub.js';
import { DirectLineAdapter } from './middleware/directLineAdapter.js';
import { endConversation } from './middleware/escalation.js';

const CARD = {
  type: 'AdaptiveCard',
  $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
  version: '1.5',
  body: [
    { type: 'TextBlock', text: 'A card of the demo bot', weight: 'Bolder', size: 'Medium', wrap: true },
    { type: 'TextBlock', text: 'How was it?', wrap: true },
    { type: 'Input.Text', id: 'comment', label: 'Comment', placeholder: 'Say something nice' },
  ],
  actions: [{ type: 'Action.Submit', title: 'Send', data: { from: 'card' } }],
};

/** Serves the demo bot to the hub's widgets under this id. */
export function connectDemoBot(hub: Hub, botId: string): DirectLineAdapter {
  const bot = new DemoBot();
  return new DirectLineAdapter(hub, { botId, run: (context) => bot.run(context) });
}

export class DemoBot extends ActivityHandler {
  constructor() {
    super();
    this.onMembersAdded(async (context, next) => {
      const { membersAdded = [], recipient } = context.activity;
      // The bot itself is a member too, and may have been added alone.
      if (membersAdded.some((member) => member.id !== recipient.id)) await context.sendActivity('Welcome');
      await next();
    });
    this.onMessage(async (context, next) => {
      await answer(context);
      await next();
    });
  }
}

async function answer(context: TurnContext): Promise<void> {
  const { text, value } = context.activity as Partial<Activity>;
  const [, command = '', rest = ''] = /^\s*(\S+)\s*([^]*?)\s*$/.exec(text ?? '') ?? [];
  const topic = rest === '' ? {} : { BotHandoffTopic: rest };
  switch (command.toLowerCase()) {
    case 'human':
      await context.sendActivity(EventFactory.createHandoffInitiation(context, topic));
      return;
    case 'omnichannel':
      await context.sendActivity({
        type: 'message',
        text: `The customer asked the demo bot for a person${rest === '' ? '' : ` about ${rest}`}.`,
        channelData: { tags: JSON.stringify({ type: 'Escalate', context: topic }) },
      });
      return;
    case 'card':
      await context.sendActivity({ type: 'message', attachments: [CardFactory.adaptiveCard(CARD)] });
      return;
    case 'bye':
      await endConversation(context);
      return;
    case 'fail':
      throw new Error('The demo bot was asked to fail.');
    case 'slow': {
      const [, ms, words] = /^(\d+)\s*([^]*)$/.exec(rest) ?? [];
      if (ms === undefined) break;
      await new Promise((resolve) => setTimeout(resolve, Number(ms)));
      await context.sendActivity(`Echo: ${words ?? ''}`);
      return;
    }
    case 'send':
      await sendAsIs(context, rest);
      return;
  }
  // A card's button sends a value and no text.
  await context.sendActivity(`Echo: ${text ?? (value === undefined ? '' : JSON.stringify(value))}`);
}

/** One activity, or an array of them in one batch. */
async function sendAsIs(context: TurnContext, json: string): Promise<void> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    await context.sendActivity(`That is not JSON: ${(error as Error).message}`);
    return;
  }
  await context.sendActivities((Array.isArray(parsed) ? parsed : [parsed]) as Partial<Activity>[]);
}
