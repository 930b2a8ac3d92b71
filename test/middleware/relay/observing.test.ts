// The relay in a work stream that only observes: the channel gets what the bot sends it when it calls the bot itself.

import assert from 'node:assert/strict';
import type { Activity } from '../../../src/core/activity.js';
import { AzureChannel } from '../../fakes/azureChannel.js';
import { echo, HttpBot, type Script } from '../../fakes/httpBot.js';
import { RelaySite } from './relaySite.js';

const initiate = {
  type: 'event',
  name: 'handoff.initiate',
  value: { reason: 'refund' },
  attachments: [{ contentType: 'application/json', name: 'Transcript', content: { activities: [] } }],
};
const SIGNALS: Record<string, Partial<Activity>> = {
  protocol: initiate,
  tags: { type: 'message', text: 'wants a refund', channelData: { tags: '{"type":"Escalate","context":{}}' } },
  whole: { type: 'message', channelData: '{"tags":{},"command":{"type":"Escalate","value":{}}}' },
  context: { type: 'event', name: 'setContext', value: { tier: 'gold' } },
  close: { type: 'event', name: 'handoff.initiate', value: { CloseOmnichannelConversation: true } },
};

const shop: Script = async (turn) => {
  const { activity, reply } = turn;
  const signal = SIGNALS[activity.text ?? ''];
  if (signal !== undefined) await reply(signal);
  else if (activity.text === 'end') {
    await reply({ type: 'endOfConversation' });
    await reply('Bye');
  } else if (activity.text === 'fail') return { status: 500 };
  else if (activity.type === 'event') await reply(`Heard ${activity.name}`);
  else await echo(turn);
};

const group = { conversation: { id: '19:team', isGroup: true, conversationType: 'channel' } };

describe('the relay of a work stream that only observes', () => {
  let site: RelaySite;
  let direct: { bot: HttpBot; channel: AzureChannel };
  beforeEach(async () => {
    site = await RelaySite.start(undefined, 'observe: true');
    direct = { bot: await HttpBot.start(), channel: await AzureChannel.start() };
    direct.channel.endpoint = direct.bot.endpoint;
    site.bot.script = shop;
    direct.bot.script = shop;
  });
  afterEach(async () => {
    await site.stop();
    await direct.bot.stop();
    await direct.channel.stop();
  });

  /** What the channel and the bot got, as it was on the wire but for who is called. */
  const wire = ({ bot, channel }: { bot: HttpBot; channel: AzureChannel }) => {
    const calls = channel.delivered.map(({ method, url, activity, id }) => ({ method, url, activity, id }));
    const all = JSON.stringify({ calls, heard: bot.received });
    return JSON.parse(all, (name, value: unknown) =>
      ['timestamp', 'serviceUrl'].includes(name) ? undefined : value,
    ) as { calls: unknown[]; heard: unknown[] };
  };

  async function day(channel: AzureChannel, settled: () => Promise<void>): Promise<void> {
    const words = ['hello', ...Object.keys(SIGNALS), 'end', 'hello again', 'fail', 'protocol'];
    const said: Partial<Activity>[] = [
      ...words.map((text) => ({ type: 'message', text })),
      { type: 'event', name: 'handoff.status', value: { state: 'accepted' } },
      { ...group, type: 'message', text: 'protocol' },
      { ...group, type: 'message', text: 'context' },
    ];
    for (const activity of said) {
      await channel.post(activity);
      await settled();
    }
  }

  it('gives channel and bot exactly what they get without it', async () => {
    await day(direct.channel, () => Promise.resolve());
    await day(site.channel, () => site.hub.settled());
    assert.deepEqual(wire(site), wire(direct));
    assert.ok(wire(direct).calls.length > 10);
  });

  it('has the escalations on record, and where they would have gone', async () => {
    await day(site.channel, () => site.hub.settled());
    const { items } = await site.hub.store.list({ customer: '29:kim' }, 50);
    const observed: string[] = [];
    for (const { id } of items)
      for (const { event } of await site.hub.entries(id, 0, 1_000))
        if (event.type === 'escalationObserved') observed.push(`${event.dialect ?? event.reason} ${event.queue}`);
    assert.deepEqual(
      observed.sort(),
      ['botUnavailable', 'commandTags', 'handoffProtocol', 'handoffProtocol', 'wholeString'].map(
        (what) => `${what} CreditCardQueue`,
      ),
    );
  });

  it('lets the bot hear what came before it ended the conversation', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    site.bot.script = async (turn) => {
      if (turn.activity.text === 'end') await held;
      await shop(turn);
    };
    await site.channel.post('end');
    await site.bot.next('end');
    await site.channel.post('one more thing');
    release();
    await site.channel.next('Echo: one more thing');
  });

  it('tries a bot that fails at every message, as its channel would', async () => {
    site.bot.script = () => ({ status: 500 });
    for (let index = 0; index < 12; index += 1) {
      await site.channel.post(`try ${index}`);
      await site.hub.settled();
    }
    assert.equal(site.bot.received.filter(({ type }) => type === 'message').length, 12);
    assert.deepEqual(site.channel.texts, []);
  });
});
