// docs/copilot-studio.md: its configurations are put in force as they stand, against Copilot Studio played on this machine.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfiguration } from '../../src/config.js';
import { COPILOT_STUDIO_VARIABLES } from '../../src/core/copilotStudio.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { eventually, GREETING, Studio } from '../connector/directLineBot/studio.js';
import { SECRET } from '../directline/site.js';

describe('docs/copilot-studio.md', function () {
  this.timeout(60_000);
  let page: string;
  let studio: Studio;
  let hub: HandoffHub | undefined;
  let data: string;

  before(async () => {
    page = await readFile('docs/copilot-studio.md', 'utf8');
  });
  beforeEach(async () => {
    studio = await Studio.open();
    data = await mkdtemp(join(tmpdir(), 'handoff-docs-'));
  });
  afterEach(async () => {
    await hub?.stop();
    hub = undefined;
    await studio.close();
    await rm(data, { recursive: true, force: true });
  });

  /** The block of this name, with the addresses of Copilot Studio replaced by those of the one played here. */
  const block = (name: string) => {
    const yaml = new RegExp('```yaml ' + name + '\\n([^]*?)```').exec(page)?.[1];
    assert.ok(yaml, `the page has a block "${name}"`);
    return yaml
      .replace(/https:\/\/\S+\/directline\/token\S*/, studio.tokenEndpoint)
      .replace('https://europe.directline.botframework.com', studio.proxy.url);
  };
  const start = async (yaml: string) => {
    hub = createHub({ store: new SqliteStore({ directory: data }), configuration: readConfiguration(yaml) });
    await hub.start();
    return hub;
  };
  const escalate = async (running: HandoffHub) => {
    const id = newConversationId();
    const by = { role: 'customer', id: 'kim' } as const;
    await running.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer: 'kim' });
    const texts = async () =>
      (await running.entries(id, 0, 1_000)).flatMap(({ event }) => event.body?.activity?.text ?? []);
    await eventually(async () => assert.ok((await texts()).includes(GREETING)));
    await running.handle(id, { type: 'say', by, activity: { type: 'message', text: 'human', from: { id: 'kim' } } });
    return eventually(async () => {
      const state = await running.conversation(id);
      assert.ok(state?.phase === 'queued');
      return state;
    });
  };

  it('leads a customer by way of the bot to the people that its rules name', async () => {
    const state = await escalate(await start(block('token-endpoint')));
    assert.equal(state.queue, 'RefundQueue');
    assert.equal(state.context['va_LastTopic']?.displayable, true);
  });

  it('does the same with a secret from the environment', async () => {
    const before = process.env['SUPPORT_SECRET'];
    process.env['SUPPORT_SECRET'] = SECRET;
    try {
      const [, others = ''] = /\n(queues:[^]*)/.exec(block('token-endpoint')) ?? [];
      const state = await escalate(await start(block('secret') + others));
      assert.equal(state.queue, 'RefundQueue');
      assert.ok(studio.proxy.requests.includes('POST /v3/directline/tokens/generate'));
    } finally {
      if (before === undefined) delete process.env['SUPPORT_SECRET'];
      else process.env['SUPPORT_SECRET'] = before;
    }
  });

  it('lists every variable that is declared', () => {
    const missing = COPILOT_STUDIO_VARIABLES.filter(({ name }) => !page.includes(`\`${name}\``));
    assert.deepEqual(missing, []);
  });
});
