/** The program and a bot in processes of their own, each behind TLS, set up as docs/connect-a-bot.md says. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { call, handoff, startProgram, type Answer, type Program } from './program.js';
import { makeCertificate, TlsFront, type Certificate } from './tlsFront.js';

const PAGE = 'docs/connect-a-bot.md';
export const SECRET = 'a-secret-that-hub-and-bot-share';

const REST_OF_CONFIGURATION = `
queues:
  - { id: BotQueue, members: [shop] }
  - { id: OrderQueue, members: [ana] }
workStreams:
  - id: web
    context: [{ name: topic, type: text }]
    fallbackQueue: OrderQueue
    rules:
      - { when: { variable: topic, operator: hasNoData }, queue: BotQueue }
people:
  - { id: ana, name: Ana, capacity: 3 }
`;

export interface RemoteSiteOptions {
  /** Heading of the page: its yaml and ini blocks are the settings, its js block (or else that of "The bot") the bot. */
  way: string;
  /** More of the hub's environment. */
  hubEnv?: Record<string, string>;
  botEnv?: Record<string, string>;
  /** More arguments of `handoff start`. */
  flags?: readonly string[];
  /** What both sides trust; one of their own unless set. */
  certificate?: Certificate;
  /** The section whose adapter the bot has; that of the way unless set. */
  adapter?: string;
  /** Changes what the page says. */
  edit?: (text: string) => string;
}

export class RemoteSite {
  private constructor(
    readonly program: Program,
    readonly hubFront: TlsFront,
    readonly botFront: TlsFront,
    readonly certificate: Certificate,
    readonly folder: string,
    private readonly bot: ChildProcess,
    private readonly ana: string,
    private readonly botOutput: () => string,
  ) {}

  static async start({
    way,
    adapter = way,
    certificate: given,
    flags = [],
    hubEnv = {},
    botEnv = {},
    edit = (text) => text,
  }: RemoteSiteOptions): Promise<RemoteSite> {
    const page = await readFile(PAGE, 'utf8');
    const folder = await mkdtemp(join(tmpdir(), 'handoff-remote-'));
    const certificate = given ?? (await makeCertificate(folder));
    const [hubFront, botFront] = [await TlsFront.start(certificate), await TlsFront.start(certificate)];
    const here = (text: string) =>
      edit(text)
        .replaceAll('https://chat.example.com', hubFront.url)
        .replaceAll('https://shop.example.com', botFront.url)
        .replaceAll('<the secret>', SECRET);
    const script = botOf(page, adapter);
    // Below the project's folder, where the packages are found.
    const file = join('build/documented', `${way.replaceAll(/\W+/g, '-')}.mjs`);
    await mkdir('build/documented', { recursive: true });
    await writeFile(file, here(script));
    const trusting = { NODE_EXTRA_CA_CERTS: certificate.file };
    const env = { ...settings(here(block(page, way, 'ini') ?? '')), ...trusting, ...botEnv };
    const { child, port, output } = await startBot(file, env);
    botFront.port = port;
    const yaml = block(page, way, 'yaml');
    assert.ok(yaml !== undefined, `${PAGE}, ${way}, has a block of yaml`);
    const configuration = join(folder, 'handoff.yaml');
    const local = here(yaml).replace('http://127.0.0.1:3979/', `http://127.0.0.1:${port}/`);
    await writeFile(configuration, local + REST_OF_CONFIGURATION);
    const data = join(folder, 'data');
    const program = await startProgram(data, ['--config', configuration, '--port', '0', ...flags], {
      ...trusting,
      HOST: '127.0.0.1',
      SHOP_SECRET: SECRET,
      LOG_LEVEL: 'warn',
      // A bot without authentication is told a plain address.
      ...(yaml.includes('auth: none') ? {} : { PUBLIC_URL: hubFront.url }),
      ...hubEnv,
    });
    hubFront.port = Number(new URL(program.url).port);
    const { out: ana } = await handoff(['token', 'ana', '--data', data]);
    return new RemoteSite(program, hubFront, botFront, certificate, folder, child, ana, output);
  }

  /** Everything a bot is for: it greets and answers, a person takes over and gives back, and it answers again. */
  async serveOneCustomer(): Promise<Chat> {
    const chat = await this.startChat();
    await chat.sees('Welcome');
    await chat.say('hello');
    await chat.sees('Echo: hello');
    await this.asAna('PUT', '/me/presence', { presence: 'available' });
    await chat.say('human');
    await this.inPhase(chat, 'offered');
    assert.equal((await this.asAna('POST', `/conversations/${chat.id}/accept`)).status, 200);
    await this.asAna('POST', `/conversations/${chat.id}/messages`, { type: 'message', text: 'Ana here' });
    await chat.sees('Ana here');
    await chat.say('only for Ana');
    await this.asAna('POST', `/conversations/${chat.id}/return`);
    await chat.say('thanks');
    await chat.sees('Echo: thanks');
    assert.ok(!(await chat.texts()).includes('Echo: only for Ana'));
    // A bot whose turn fails after its reply is heard all the same: only its status tells.
    const bots = (await this.asAna('GET', '/bots')).body as unknown as { items: { lastError?: { kind: string } }[] };
    assert.ok(!bots.items.some(({ lastError }) => lastError?.kind === 'failed'), JSON.stringify(bots));
    return chat;
  }

  async startChat(): Promise<Chat> {
    const { url } = this.program;
    const visitor = (await call('POST', `${url}/api/widget/token`)).body as { token: string };
    const root = `${url}/v3/directline/conversations`;
    const started = (await call('POST', root, visitor.token, { user: {} })).body as { conversationId: string };
    return new Chat(`${root}/${started.conversationId}/activities`, started.conversationId, visitor.token, () =>
      [this.program.output(), this.botOutput()].join('\n'),
    );
  }

  asAna(method: string, path: string, body?: unknown): Promise<Answer> {
    return call(method, `${this.program.url}/api/v1${path}`, this.ana, body ?? (method === 'POST' ? {} : undefined));
  }

  async inPhase(chat: Chat, phase: string): Promise<void> {
    await chat.until(async () => (await this.asAna('GET', `/conversations/${chat.id}`)).body['phase'] === phase, phase);
  }

  /** One activity to the bot as if the hub had sent it, with this token. @returns the status. */
  async callBot(token: string | undefined, serviceUrl = `${this.hubFront.url}/`): Promise<number> {
    const activity = {
      type: 'event',
      name: 'nothing to answer',
      id: 'e1',
      channelId: 'directline',
      serviceUrl,
      conversation: { id: 'c1' },
      from: { id: 'kim' },
      recipient: { id: 'shop' },
    };
    return (await call('POST', `http://127.0.0.1:${this.botFront.port}/api/messages`, token, activity)).status;
  }

  async stop(): Promise<void> {
    await this.program.stop();
    if (this.bot.exitCode === null && this.bot.signalCode === null) {
      this.bot.kill('SIGKILL');
      await once(this.bot, 'close');
    }
    await this.hubFront.stop();
    await this.botFront.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export class Chat {
  constructor(
    private readonly activities: string,
    readonly id: string,
    private readonly token: string,
    private readonly output: () => string,
  ) {}

  async say(text: string): Promise<void> {
    const activity = { type: 'message', text, from: { id: 'visitor', name: 'Kim' } };
    assert.equal((await call('POST', this.activities, this.token, activity)).status, 200);
  }

  async texts(): Promise<string[]> {
    const { body } = await call('GET', this.activities, this.token);
    return (body as { activities: { text?: string }[] }).activities.flatMap(({ text }) => text ?? []);
  }

  sees(text: string): Promise<void> {
    return this.until(async () => (await this.texts()).includes(text), `"${text}"`);
  }

  async until(holds: () => Promise<boolean>, what: string): Promise<void> {
    for (let tries = 0; tries < 400; tries += 1) {
      if (await holds()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(`${what} did not come; there are ${JSON.stringify(await this.texts())}\n${this.output()}`);
  }
}

async function startBot(file: string, env: Record<string, string>) {
  const child = spawn(process.execPath, ['--no-warnings', file], {
    env: { PATH: process.env['PATH'], PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /listens on (\d+)/.exec(output)?.[1];
      if (found !== undefined) resolve(Number(found));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`the bot ended with ${code}:\n${output}`)));
  });
  return { child, port, output: () => output };
}

/** The bot of the section, or that of "The bot", with the adapter of the section if it has one. */
function botOf(page: string, way: string): string {
  const whole = block(page, way, 'js bot');
  if (whole !== undefined) return whole;
  const bot = block(page, 'The bot', 'js') ?? '';
  const adapter = block(page, way, 'js adapter');
  const line = /^const adapter = .*;\n/m;
  assert.match(bot, line);
  if (adapter === undefined) return bot;
  const imported = /^import .*\n/gm;
  return (adapter.match(imported) ?? []).join('') + bot.replace(line, adapter.replaceAll(imported, ''));
}

/** The first block of this kind under a heading. */
export function block(
  page: string,
  heading: string,
  kind: 'js' | 'js bot' | 'js adapter' | 'yaml' | 'ini',
): string | undefined {
  const from = page.indexOf(`\n## ${heading}\n`);
  assert.ok(from >= 0, `${PAGE} has the heading "${heading}"`);
  const to = page.indexOf('\n## ', from + 1);
  const section = page.slice(from, to < 0 ? undefined : to);
  return new RegExp(`\`\`\`${kind}[^\\n]*\\n([\\s\\S]*?)\`\`\``).exec(section)?.[1];
}

function settings(ini: string): Record<string, string> {
  return Object.fromEntries(
    ini
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
