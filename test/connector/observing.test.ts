// The hub in front of a bot at an endpoint, in a work stream that only observes: the customer's Direct Line client reads all it sends.

import assert from 'node:assert/strict';
import { readConfiguration } from '../../src/config.js';
import { httpBot } from '../../src/connector/httpBot.js';
import { HttpBot as FarBot, echo, type Script } from '../fakes/httpBot.js';
import type { Widget } from '../fakes/widget.js';
import { openConnector, type ConnectorSite } from './site.js';

const initiate = {
  type: 'event',
  name: 'handoff.initiate',
  value: { reason: 'refund' },
  attachments: [{ contentType: 'application/json', name: 'Transcript', content: { activities: [] } }],
};
const tags = { type: 'message', text: 'wants a refund', channelData: { tags: '{"type":"Escalate","context":{}}' } };

const shop: Script = async (turn) => {
  const { activity, reply } = turn;
  if (activity.text === 'protocol') await reply(initiate);
  else if (activity.text === 'tags') await reply(tags);
  else if (activity.text === 'end') await reply({ type: 'endOfConversation' });
  else if (activity.text === 'fail') return { status: 500 };
  else await echo(turn);
};

describe('the hub in front of a bot, in a work stream that only observes', () => {
  let far: FarBot;
  let site: ConnectorSite;
  let widget: Widget;
  beforeEach(async () => {
    far = await FarBot.start(shop);
    const configuration = readConfiguration(`
bots: [{ id: demo, name: Demo Bot, endpoint: '${far.endpoint}', auth: none }]
people: [{ id: ana, name: Ana }]
queues: [{ id: Desk, members: [demo, ana] }]
workStreams: [{ id: web, fallbackQueue: Desk, observe: true }]
`);
    site = await openConnector({ configuration });
    const { hub, clock } = site;
    hub.connectBot(
      'demo',
      httpBot({ id: 'demo', endpoint: far.endpoint, delivery: 'normal', timeoutMs: 5_000, clock }),
    );
    widget = await site.widget();
  });
  afterEach(async () => {
    await site.close();
    await far.stop();
  });

  const says = async (text: string) => {
    await widget.say(text);
    await site.hub.settled();
  };
  const heard = () => far.received.map(({ type, name, text }) => text ?? name ?? type);

  it('shows the customer the signals as the bot sent them, and tells nothing of its own', async () => {
    for (const text of ['hello', 'protocol', 'tags', 'fail', 'hello again']) await says(text);
    await widget.next('Echo: hello again');
    const fromBot = (await widget.read()).filter(({ from }) => from?.role === 'bot');
    const content = fromBot.map(({ type, name, text, value, attachments, channelData }) =>
      Object.fromEntries(
        Object.entries({ type, name, text, value, attachments, channelData }).filter(
          ([, field]) => field !== undefined,
        ),
      ),
    );
    assert.deepEqual(content, [
      { type: 'message', text: 'Echo: hello' },
      initiate,
      tags,
      { type: 'message', text: 'Echo: hello again' },
    ]);
  });

  it('introduces the members, and tells the bot nothing else of its own', async () => {
    for (const text of ['hello', 'protocol', 'hello again']) await says(text);
    assert.deepEqual(heard(), ['conversationUpdate', 'hello', 'protocol', 'hello again']);
  });

  it('goes on after the end of the bot, as Direct Line does', async () => {
    await says('end');
    await says('another thing');
    await widget.next('Echo: another thing');
    assert.equal((await site.state(widget.conversationId)).phase, 'bot');
  });

  it('has what it saw on record', async () => {
    for (const text of ['hello', 'protocol', 'tags', 'fail']) await says(text);
    const events = (await site.log(widget.conversationId)).map(({ event }) => event);
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'escalationObserved' ? [[event.reason, event.queue]] : [])),
      [
        ['signal', 'Desk'],
        ['signal', 'Desk'],
        ['botUnavailable', 'Desk'],
      ],
    );
  });
});
