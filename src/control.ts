// What the commands ask of a running server: whoever can read the data directory may, with a token made from its key.

import * as z from 'zod';
import { checkConfiguration } from './config.js';
import type { Activity } from './core/activity.js';
import type { HandoffHub } from './createHub.js';
import { BadRequest } from './errors.js';
import { importActivities } from './imports.js';
import type { HttpRequest, HttpServer } from './http.js';
import { Tokens } from './hub/tokens.js';
import type { Clock, Store } from './hub/ports.js';

/** In the data directory while a server runs: `{url, pid}`. */
export const SERVER_FILE = 'server.json';

/** Audience of the commands' own tokens. */
const CONTROL = 'control';
const CONTROL_TOKEN_MS = 60_000;

const TRANSCRIPTS_LIMIT_BYTES = 16 * 1_048_576;
const TRANSCRIPTS = z.object({
  activities: z.array(z.looseObject({ type: z.string(), conversation: z.looseObject({ id: z.string() }) })),
});
const CONFIGURATION_LIMIT_BYTES = 4 * 1_048_576;

export async function mintControlToken(store: Store, clock: Clock): Promise<string> {
  const tokens = await Tokens.open(store, clock);
  return tokens.mint(CONTROL, {}, CONTROL_TOKEN_MS);
}

export function serveControl(http: HttpServer, hub: HandoffHub): void {
  let tokens: Promise<Tokens> | undefined;
  const authorise = async (request: HttpRequest) => {
    tokens ??= Tokens.open(hub.store, hub.clock);
    const bearer = /^Bearer (.+)$/.exec(request.header('authorization') ?? '')?.[1] ?? '';
    try {
      await (await tokens).verify(CONTROL, bearer);
    } catch (cause) {
      throw new BadRequest(403, 'notAllowed', 'Only the commands of this data directory may do this.', {}, { cause });
    }
  };
  http.post('/api/v1/control/sign-in', async (request) => {
    await authorise(request);
    const asked = z.object({ person: z.string() }).safeParse(await request.json());
    if (!asked.success) throw new BadRequest(400, 'badRequest', 'Name the person: {"person": "ana"}.');
    return { body: { path: await hub.createSignIn(asked.data.person) } };
  });
  http.post('/api/v1/control/pairing-code', async (request) => {
    await authorise(request);
    const asked = z.object({ person: z.string() }).safeParse(await request.json());
    if (!asked.success) throw new BadRequest(400, 'badRequest', 'Name the person: {"person": "ana"}.');
    return { body: { code: await hub.createPairingCode(asked.data.person) } };
  });
  http.post('/api/v1/control/keys', async (request) => {
    await authorise(request);
    const asked = z.object({ revoke: z.string().optional() }).safeParse(await request.json());
    if (!asked.success) throw new BadRequest(400, 'badRequest', 'Name the key to revoke, or none: {"revoke": "…"}.');
    if (asked.data.revoke !== undefined) await hub.signingKeys.revoke(asked.data.revoke);
    return { body: { keys: await hub.signingKeys.list() } };
  });
  http.post('/api/v1/control/transcripts', async (request) => {
    await authorise(request);
    const asked = TRANSCRIPTS.safeParse(await request.json(TRANSCRIPTS_LIMIT_BYTES));
    if (!asked.success)
      throw new BadRequest(400, 'badRequest', 'Send {"activities": […]}, each with type and conversation.id.');
    const [workStream = ''] = Object.keys(hub.directory.workStreams);
    const imported = await importActivities(
      hub.store,
      workStream,
      asked.data.activities as Activity[],
      hub.clock.now(),
    );
    return { body: { ...imported } };
  });
  http.post('/api/v1/control/configuration', async (request) => {
    await authorise(request);
    const configuration = checkConfiguration(await request.json(CONFIGURATION_LIMIT_BYTES));
    return { body: { version: await hub.applyConfiguration(configuration, 'handoff config apply') } };
  });
}
