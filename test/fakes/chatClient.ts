/** A person at the Emulator or in Teams: posts what they write and press to a bot, and reads what comes back. */
import type { Activity } from '../../src/core/activity.js';
import { FakeChannel, type Delivered } from './channel.js';
import type { Answer } from './request.js';

type Json = Record<string, unknown>;

/** A card as it lies in an activity, with the channel's id of that activity. */
export interface ShownCard {
  id: string;
  /** Everything readable on it, a line per text. */
  words: string;
  content: Json;
}

export class ChatClient {
  readonly channel: FakeChannel;

  private constructor(
    channel: FakeChannel,
    readonly user: string,
    private readonly more: Json,
  ) {
    this.channel = channel;
  }

  /** `more`: fields of every activity (aadObjectId and the like go into `from`). */
  static async start(endpoint: string, user = 'ana-emulator', more: Json = {}): Promise<ChatClient> {
    const channel = await FakeChannel.start();
    channel.channelId = 'emulator';
    channel.endpoint = endpoint;
    return new ChatClient(channel, user, more);
  }

  /** What the Emulator does when a conversation is opened: the bot is added, then the user. */
  async opens(): Promise<void> {
    await this.posts({ type: 'conversationUpdate', membersAdded: [{ id: '28:bot', name: 'Bot' }] });
    await this.posts({ type: 'conversationUpdate', membersAdded: [{ id: this.user, name: 'User' }] });
  }

  posts(activity: Partial<Activity>): Promise<Answer> {
    return this.channel.post({
      from: { id: this.user, name: 'User', role: 'user', ...(this.more['from'] as Json | undefined) },
      recipient: { id: '28:bot', name: 'Bot', role: 'bot' },
      conversation: { id: `${this.user}|livechat` },
      ...this.more,
      ...(this.more['from'] === undefined
        ? {}
        : { from: { id: this.user, name: 'User', ...(this.more['from'] as Json) } }),
      ...activity,
    });
  }

  writes(text: string): Promise<Answer> {
    return this.posts({ type: 'message', text });
  }

  /** Presses the button of this title, as clients do: the action's data and what was put into the inputs come as a value. */
  presses(card: ShownCard, title: string, inputs: Json = {}): Promise<Answer> {
    const action = actionsIn(card.content).find((one) => one['title'] === title);
    if (action === undefined)
      throw new Error(
        `no button "${title}" on: ${actionsIn(card.content)
          .map((one) => String(one['title']))
          .join(', ')}`,
      );
    return this.posts({ type: 'message', value: { ...(action['data'] as Json), ...inputs }, replyToId: card.id });
  }

  /** The next message whose text, or whose card's words, match. */
  async reads(wanted: RegExp, timeoutMs = 10_000): Promise<string> {
    return wordsOf((await this.channel.nextWhere((one) => wanted.test(wordsOf(one)), timeoutMs)).activity);
  }

  /** The next card (new, or put in place of another) whose words match. */
  async sees(wanted: RegExp, timeoutMs = 10_000): Promise<ShownCard> {
    const delivered = await this.channel.nextWhere(
      (one) => cardOf(one.activity) !== undefined && wanted.test(wordsOf(one)),
      timeoutMs,
    );
    const content = cardOf(delivered.activity) ?? {};
    return { id: delivered.id ?? delivered.activityId ?? '', words: wordsOf(delivered), content };
  }

  /** Everything so far, a line per message. */
  get everything(): string[] {
    return this.channel.delivered.map((one) => wordsOf(one));
  }

  stop(): Promise<void> {
    return this.channel.stop();
  }
}

export function cardOf(activity: Activity): Json | undefined {
  const attachment = activity.attachments?.find((one) => one.contentType === 'application/vnd.microsoft.card.adaptive');
  return attachment?.content as Json | undefined;
}

/** Every text a reader sees, of the message and of its card. */
export function wordsOf(of: Delivered | Activity): string {
  const activity = 'activity' in of ? (of as Delivered).activity : of;
  const card = cardOf(activity);
  return [activity.text ?? '', ...(card === undefined ? [] : textsIn(card))].filter((words) => words !== '').join('\n');
}

function textsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsIn);
  if (typeof value !== 'object' || value === null) return [];
  const { text, inlines, ...rest } = value as Json;
  const own = typeof text === 'string' ? [text] : [];
  const runs = Array.isArray(inlines) ? [inlines.flatMap(textsIn).join('')] : [];
  return [
    ...own,
    ...runs,
    ...Object.entries(rest).flatMap(([field, child]) => (field === 'data' ? [] : textsIn(child))),
  ];
}

/** All actions of a card, those of cards that open within it too. */
export function actionsIn(value: unknown): Json[] {
  if (Array.isArray(value)) return value.flatMap(actionsIn);
  if (typeof value !== 'object' || value === null) return [];
  const own = value as Json;
  const isAction = typeof own['type'] === 'string' && own['type'].startsWith('Action.');
  return [...(isAction ? [own] : []), ...Object.values(own).flatMap(actionsIn)];
}
