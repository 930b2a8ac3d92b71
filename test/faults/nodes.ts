// What serves a place: real processes of the product, or hubs in this process that tests speak to without HTTP.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfiguration } from '../../src/config.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import type { Clock } from '../../src/hub/ports.js';
import { Desk } from '../console/office.js';
import { FunctionBot, handoff as escalation, type BotScript } from '../fakes/hub.js';
import { handoff, startProgram, type Program } from '../fakes/program.js';
import { until } from '../fakes/shop.js';
import { configurationOf, SECRET, type Place, type Staffing } from './rig.js';

/** One running process of the product, started again on the same port after a kill. */
export class Node {
  private constructor(
    private readonly place: Place,
    private readonly folder: string,
    private readonly env: Record<string, string>,
    private program: Program,
  ) {}

  static async start(place: Place, configuration: string, env: Record<string, string> = {}): Promise<Node> {
    const folder = await mkdtemp(join(tmpdir(), 'handoff-node-'));
    await writeFile(join(folder, 'handoff.yaml'), configuration);
    const all = { ...place.env, DIRECT_LINE_SECRET: SECRET, HOST: '127.0.0.1', LOG_LEVEL: 'error', ...env };
    const node = new Node(place, folder, all, undefined as never);
    await node.launch(0).catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    });
    return node;
  }

  get url(): string {
    return this.program.url.replace('localhost', '127.0.0.1');
  }

  get pid(): number {
    return this.program.child.pid ?? 0;
  }

  output(): string {
    return this.program.output();
  }

  async killAndStart(): Promise<void> {
    await this.program.stop('SIGKILL');
    await this.launch(Number(new URL(this.program.url).port));
  }

  /** In good order, as an update does. @throws when it does not end by itself. */
  async restart(): Promise<void> {
    const code = await this.program.stop();
    if (code !== 0) throw new Error(`a server that was stopped ended with ${code}:\n${this.output()}`);
    await this.launch(Number(new URL(this.program.url).port));
  }

  /** Neither works nor ends, until what is returned is called. */
  standStill(): () => void {
    const { child } = this.program;
    child.kill('SIGSTOP');
    return () => void child.kill('SIGCONT');
  }

  /** @returns the exit code. */
  async stop(): Promise<number | NodeJS.Signals | null> {
    const code = await this.program.stop();
    await rm(this.folder, { recursive: true, force: true });
    return code;
  }

  /** Whatever happened: nothing is left running. Idempotent. */
  async end(): Promise<void> {
    await this.program.stop('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What this process owes to bots and channels. */
  async owes(): Promise<number> {
    const response = await fetch(`${this.url}/metrics`, { headers: { connection: 'close' } });
    return Number(/^handoff_outbox_depth (\d+)$/m.exec(await response.text())?.[1]);
  }

  /** A person's programs, signed in for scripts. */
  async desk(person: string): Promise<Desk> {
    const { code, out, err } = await handoff(['token', person, '--data', this.data], this.env);
    if (code !== 0) throw new Error(`handoff token ${person}: ${err}`);
    return new Desk(this.url, out);
  }

  private get data(): string {
    return this.place.data ?? join(this.folder, 'data');
  }

  private async launch(port: number): Promise<void> {
    const demo = this.env['DEMO'] === undefined ? [] : ['--demo'];
    const args = [...demo, '--config', join(this.folder, 'handoff.yaml'), '--port', String(port)];
    this.program = await startProgram(this.data, args, this.env);
  }
}

/** All processes of a place. */
export class Nodes {
  private constructor(
    private readonly place: Place,
    readonly all: readonly Node[],
  ) {}

  /** `env`: what the environment of each must say besides, by its index. */
  static async start(
    place: Place,
    configuration: string,
    env: (index: number) => Record<string, string> = () => ({}),
  ): Promise<Nodes> {
    const all: Node[] = [];
    try {
      while (all.length < place.nodes) all.push(await Node.start(place, configuration, env(all.length)));
    } catch (error) {
      for (const node of all) await node.end();
      throw error;
    }
    return new Nodes(place, all);
  }

  /** Whatever is numbered is spread over the nodes. */
  of(index: number): Node {
    return this.all[index % this.all.length] as Node;
  }

  /** Resolves when nothing is owed to a bot or a channel any more: what it will answer is in the log. */
  async settled(): Promise<void> {
    await until('everything owed has gone out', async () => {
      const owed = await (this.place.owed?.() ?? this.of(0).owes());
      return owed === 0;
    });
  }

  /** In good order. @returns the exit codes. */
  async stop(): Promise<(number | NodeJS.Signals | null)[]> {
    return Promise.all(this.all.map((node) => node.stop()));
  }

  /** Whatever happened: nothing is left running. Idempotent. */
  async end(): Promise<void> {
    for (const node of this.all) await node.end();
  }
}

// ------------------------------------------------------------------------------------------------------- in this process

/** Asks for a person on `human`, and echoes everything else. */
export const asksForPeople: BotScript = ({ type, text = '' }) => {
  if (type !== 'message') return [];
  return text.startsWith('human') ? [escalation()] : [`Echo: ${text}`];
};

/** As many hubs in this process as the place has nodes. */
export class Hubs {
  private constructor(readonly all: readonly HandoffHub[]) {}

  static async open(
    place: Place,
    { clock, bot = new FunctionBot(asksForPeople), ...staffing }: Staffing & { clock?: Clock; bot?: FunctionBot },
  ): Promise<Hubs> {
    const all: HandoffHub[] = [];
    while (all.length < place.nodes) {
      const hub = createHub({
        store: place.store(),
        configuration: readConfiguration(configurationOf(staffing)),
        ...(clock === undefined ? {} : { clock }),
      });
      hub.connectBot('demo', bot);
      await hub.start();
      all.push(hub);
    }
    return new Hubs(all);
  }

  /** Whatever is numbered is spread over the hubs. */
  of(index: number): HandoffHub {
    return this.all[index % this.all.length] as HandoffHub;
  }

  /** The one whose work deadlines and assignment are. */
  get keeper(): HandoffHub {
    return this.all.find(({ nodes }) => nodes?.isKeeper !== false) as HandoffHub;
  }

  /** Resolves when none has anything to do; what one tells another just then may be on its way. */
  async settled(): Promise<void> {
    await Promise.all(this.all.map((hub) => hub.settled()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((hub) => hub.stop()));
  }
}

/** Customers who have asked for a person, in this order, each at one of the hubs. @returns the ids of their conversations. */
export async function customersWhoAsk(hubs: Hubs, count: number, onAsked: () => void = () => {}): Promise<string[]> {
  const ids: string[] = [];
  // In parts: what the hub remembers is decided at once, so that nobody overtakes.
  while (ids.length < count) {
    const part = Array.from({ length: Math.min(500, count - ids.length) }, () => newConversationId());
    await Promise.all(
      part.map((id, index) =>
        hubs
          .of(index)
          .handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer: id }),
      ),
    );
    const asked = part.map((id, index) => {
      onAsked();
      return hubs.of(index).handle(id, { type: 'escalate', bot: 'demo', dialect: 'handoffProtocol', variables: {} });
    });
    await Promise.all(asked);
    ids.push(...part);
  }
  return ids;
}
