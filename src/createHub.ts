// createHub: store, configuration, engine and servers put together, for programs that hold a hub in their own process.

import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { isPrivateHost } from './addresses.js';
import { Bots } from './bots.js';
import { channelToken } from './channelTokens.js';
import { checkConfiguration, directoryOf, keptDirectory, type Configuration } from './config.js';
import { PrivateCallers } from './connector/callers.js';
import { serveConnector } from './connector/server.js';
import { TrustedCallers } from './connector/trust/callers.js';
import { serveTrust } from './connector/trust/endpoints.js';
import { HubIssuer } from './connector/trust/issuer.js';
import type { SigningKeys } from './connector/trust/keys.js';
import { serveAgentChat, type AgentChat, type AgentChatOptions } from './console/chat/chat.js';
import { createPairingCode, serveConsole, type Console } from './console/console.js';
import type { Directory } from './core/directory.js';
import { serveDirectLine, type DirectLine } from './directline/server.js';
import { ConfigError, Conflict } from './errors.js';
import { HttpServer, isLocal } from './http.js';
import { BOT_TIMEOUT_MS } from './hub/botStatus.js';
import { Attachments } from './hub/attachments.js';
import { Hub } from './hub/hub.js';
import type { NodeTimes } from './hub/nodes.js';
import type { Clock, Log, Store, StoredConfiguration } from './hub/ports.js';
import { Tokens } from './hub/tokens.js';
import { measure, type Metrics } from './metrics.js';
import { Relay } from './middleware/relay/relay.js';
import { servePages } from './pages.js';

export interface CreateHubOptions {
  store: Store;
  /** Read with `readConfiguration`, or an object of the same shape. Applied to an empty store; from then on the store rules. */
  configuration: Configuration;
  log?: Log;
  /** Unless set: the store's, if it has one, else the process's. */
  clock?: Clock;
  /** Origin under which browsers and bots reach the hub; `http://localhost:{port}` unless set. */
  publicUrl?: string;
  /**
   * Origin under which bots reach this very process; `publicUrl` unless set. Where several share one record, a bot that answers
   * the node which asked it is recognised when its turn has to be run again elsewhere.
   */
  serviceUrl?: string;
  /** How soon processes on one record notice each other's silence. */
  nodeTimes?: NodeTimes;
  /** A bot that has not finished a turn after this time counts as failed; 15,000 ms unless set. */
  botTimeoutMs?: number;
}

export interface ListenOptions {
  /** 0 takes a free one; 3978 unless set. */
  port?: number;
  host?: string;
  trustProxy?: boolean;
  /** Direct Line secrets; one is generated and kept in the store when there is none. */
  directLineSecrets?: readonly string[];
  /** Work stream of conversations that come in by Direct Line; the first of the configuration unless set. */
  workStream?: string;
  /** Origins whose pages may use Direct Line; every origin unless set. */
  trustedOrigins?: readonly string[];
  /** https origins whose pages may show the console in a frame, such as Teams; nobody unless set. */
  framedBy?: readonly string[];
  /** 4 MiB unless set. */
  uploadLimitBytes?: number;
  /** Offers one-click sign-in on the customer's page: only where nobody else can reach it. */
  localSignIn?: boolean;
  /**
   * People who serve from the Emulator or Teams, at /api/agent-messages: where the settings of their bot are found
   * (AGENT_MicrosoftAppId and the like; the environment unless set), an adapter of your own, or `false` to serve none.
   */
  agentMessages?: Omit<AgentChatOptions, 'publicUrl'> | false;
  /** More routes on the same port, before it opens. */
  routes?: (http: HttpServer) => void;
}

const PAGES = fileURLToPath(new URL('./web/', import.meta.url));
const DEFAULT_PORT = 3978;
/** Commands that only say something. At `info` their lines would hide the hand-overs, and cost 3 % of a message. */
const TALK = /^say(?:\+say)*$/;

export function createHub(options: CreateHubOptions): HandoffHub {
  return new HandoffHub(options);
}

/** A hub with its own lifetime: opens its store, and on request one HTTP server for widgets, people and operators. */
export class HandoffHub extends Hub {
  readonly #configuration: Configuration;
  readonly #publicUrl: string | undefined;
  readonly #serviceUrl: string | undefined;
  #isOverruled = false;
  readonly #issuer: HubIssuer;
  readonly #bots: Bots;
  readonly #relay: Relay;
  #opened: Promise<void> | undefined;
  #startUp: Promise<void> | undefined;
  #listening: Promise<string> | undefined;
  #stopping: Promise<void> | undefined;
  #http: HttpServer | undefined;
  #directLine: DirectLine | undefined;
  #console: Console | undefined;
  #agentChat: AgentChat | undefined;
  #metrics: Metrics | undefined;

  constructor(options: CreateHubOptions) {
    const { store, log = SILENT, clock, publicUrl, botTimeoutMs = BOT_TIMEOUT_MS } = options;
    const { serviceUrl = publicUrl, nodeTimes } = options;
    const configuration = checkConfiguration(options.configuration);
    super({
      store,
      log,
      directory: directoryOf(configuration, 0),
      ...(clock === undefined ? {} : { clock }),
      ...(serviceUrl === undefined ? {} : { serviceUrl: `${serviceUrl}/` }),
      ...(nodeTimes === undefined ? {} : { nodeTimes }),
      botTimeoutMs,
    });
    this.#issuer = new HubIssuer(store, this.clock, () => this.#origin());
    this.#bots = new Bots(this, botTimeoutMs, this.#issuer, process.env);
    this.#relay = new Relay(this, {
      publicUrl: () => this.#origin(),
      channelToken: (settings) => channelToken(settings, process.env, this.clock),
    });
    this.#configuration = configuration;
    this.#publicUrl = publicUrl;
    this.#serviceUrl = serviceUrl;
    this.observe({
      handled: ({ conversationId, command, events, ms, outcome }) => {
        const isTalk = TALK.test(command) && (outcome === 'done' || outcome === 'repeated');
        log[isTalk ? 'debug' : 'info'](
          { conversation: conversationId, command, events, ms: Math.round(ms * 10) / 10, outcome },
          'handled',
        );
      },
    });
  }

  /** Opens the store and takes the configuration in force. Idempotent; one that failed may be tried again. @throws ConfigError, Conflict. */
  open(): Promise<void> {
    return (this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    }));
  }

  override get starting(): Promise<unknown> | undefined {
    return this.#listening ?? this.#startUp ?? super.starting;
  }

  override start(): Promise<void> {
    return (this.#startUp ??= this.#start().finally(() => (this.#startUp = undefined)));
  }

  async #start(): Promise<void> {
    await this.open();
    await super.start();
    this.#bots.resume();
  }

  /**
   * Opens the port and starts the hub. Until everything is ready, requests are answered 503, never 404.
   * When it fails nothing is left open but the store, and it may be tried again. Idempotent: until it is stopped, it has one port.
   * While it is being stopped it starts when that is done.
   * @returns the URL it listens on.
   */
  listen(options: ListenOptions = {}): Promise<string> {
    const failed = async (error: unknown) => {
      await this.#closeServers();
      await super.stop(0);
      this.#listening = undefined;
      throw error;
    };
    const stopped = this.#stopping ?? Promise.resolve();
    return (this.#listening ??= stopped.then(() => this.#listen(options)).catch(failed));
  }

  async #listen(options: ListenOptions): Promise<string> {
    await this.open();
    const http = new HttpServer({
      log: this.log,
      ready: () => this.running,
      isProxied: this.#isProxied,
      ...(options.trustProxy === undefined ? {} : { trustProxy: options.trustProxy }),
    });
    let url = '';
    const publicUrl = () => this.#publicUrl ?? url;
    const tokens = await Tokens.open(this.store, this.clock, publicUrl);
    const { framedBy = [] } = options;
    const isFramed = framedBy.length > 0;
    const page = servePages(http, {
      directory: PAGES,
      publicUrl,
      ...(isFramed ? { frameAncestors: framedBy.join(' ') } : {}),
    });
    this.#console = serveConsole(http, this, { tokens, publicUrl, page, isFramed });
    const workStream = options.workStream ?? this.#onlyWorkStream();
    const files = {
      attachments: new Attachments(this.store, this.clock),
      ...(options.uploadLimitBytes === undefined ? {} : { uploadLimitBytes: options.uploadLimitBytes }),
    };
    const callers = new TrustedCallers(this, this.#issuer, new PrivateCallers(this, publicUrl));
    const connector = serveConnector(http, this, { callers, workStream, foreign: this.#relay, ...files });
    this.#relay.serve(http, callers);
    this.#directLine = serveDirectLine(http, this, {
      secrets: options.directLineSecrets ?? [await this.store.secret('directLineSecret', newSecret)],
      tokens,
      publicUrl,
      trustedOrigins: options.trustedOrigins ?? [],
      workStream,
      widget: (request) => this.#widgetPage(options.localSignIn === true && isLocal(request)),
      ...files,
      filesElsewhere: (request) => connector.fileElsewhere(request),
    });
    if (this.#isProxied && options.trustProxy !== true) this.#warnOfCallersUnknown();
    serveTrust(http, this, { issuer: this.#issuer, env: process.env });
    this.#metrics = measure(this, () => ({
      customers: this.#directLine?.figures.open ?? 0,
      people: this.#console?.figures.sockets ?? 0,
      bots: this.#bots.sockets,
    }));
    serveOperations(http, this, this.#metrics);
    if (options.agentMessages !== false)
      this.#agentChat = serveAgentChat(http, this, { publicUrl, ...options.agentMessages });
    options.routes?.(http);
    this.#http = http;
    url = await http.listen(options.port ?? DEFAULT_PORT, options.host);
    this.serviceUrl = `${this.#serviceUrl ?? url}/`;
    await this.start();
    await this.#agentChat?.start();
    return url;
  }

  /** One-time sign-in addresses of everybody who can sign in, for the demo on this machine. */
  async signInLinks(): Promise<{ id: string; name: string; url: string }[]> {
    const people = Object.values(this.directory.people);
    return Promise.all(people.map(async ({ id, name }) => ({ id, name, url: await this.createSignIn(id) })));
  }

  /** A path that signs this person in once, within ten minutes. @throws Rejected for an unknown person. */
  createSignIn(personId: string): Promise<string> {
    if (this.#console === undefined)
      throw new ConfigError(['Sign-in needs the hub to listen: call hub.listen() first.']);
    return this.#console.createTicket(personId);
  }

  /** A code with which this person signs in from a chat channel once, within ten minutes. @throws Rejected for an unknown person. */
  createPairingCode(personId: string): Promise<string> {
    return createPairingCode(this, personId);
  }

  /** The configuration in force is another than the one this hub was given. */
  get isOverruled(): boolean {
    return this.#isOverruled;
  }

  /** The keys by which this hub signs for bots. */
  get signingKeys(): SigningKeys {
    return this.#issuer.keys;
  }

  /** Puts a new configuration in force. @returns its version. @throws ConfigError, Conflict. */
  async applyConfiguration(configuration: Configuration, by: string): Promise<number> {
    const checked = checkConfiguration(configuration);
    const current = await this.store.configuration();
    if (current !== undefined && isDeepStrictEqual(current.document, checked)) return current.version;
    this.#checkBots(directoryOf(checked, 0));
    const saved = await this.store.saveConfiguration(checked, by, this.clock.now(), current?.version ?? 0);
    this.nodes?.configurationChanged(saved.version);
    await this.useDirectory(directoryOf(checked, saved.version));
    return saved.version;
  }

  /** Earlier versions are read from the record. */
  override async directoryAt(version: number): Promise<Directory | undefined> {
    const inForce = await super.directoryAt(version);
    if (inForce !== undefined) return inForce;
    const kept = await this.store.configuration(version);
    return kept === undefined ? undefined : keptDirectory(kept);
  }

  /** Another node, or a command beside this one, put a configuration in force. */
  protected override async useConfiguration(): Promise<void> {
    const kept = await this.store.configuration();
    if (kept === undefined || kept.version <= this.directory.version) return;
    await this.useDirectory(keptDirectory(kept));
  }

  /** Every bot that the directory names is connected before a decision can lead to it. */
  override async useDirectory(directory: Directory): Promise<void> {
    this.#checkBots(directory);
    this.#bots.connect(directory);
    await this.#relay.connect(directory);
    await super.useDirectory(directory);
    this.#bots.retire(directory);
  }

  /** Tells open sockets, lets running work finish, and leaves everything on disk. Idempotent: a second one waits for the first. */
  override stop(graceMs = 5_000): Promise<void> {
    return (this.#stopping ??= this.#stop(graceMs).finally(() => (this.#stopping = undefined)));
  }

  async #stop(graceMs: number): Promise<void> {
    // Else a start that is under way would open port and store again.
    const starting = this.#listening ?? this.#startUp;
    this.#listening = undefined;
    await starting?.catch(() => undefined);
    await this.#closeServers(this.outbox.stop(graceMs));
    await super.stop(graceMs);
    await this.#bots.close();
    this.#relay.close();
    await this.#opened?.catch(() => undefined);
    this.#opened = undefined;
    // Also one that a failed start left open.
    await this.store.close();
  }

  /** Open sockets are told at once; bots answer by the port, which closes when their turns have ended. */
  async #closeServers(turnsEnded?: Promise<void>): Promise<void> {
    await Promise.all([turnsEnded, this.#directLine?.close(), this.#console?.close(), this.#agentChat?.close()]);
    await this.#http?.close(1_000);
    this.#metrics?.stop();
  }

  /** @throws ConfigError with everything that keeps a bot from being reached, or its channels. */
  #checkBots(directory: Directory): void {
    this.#bots.check(directory);
    this.#relay.check(directory);
  }

  /** Public origin without a trailing slash: the same at every node. */
  #origin(): string {
    return this.#publicUrl ?? this.serviceUrl.replace(/\/$/, '');
  }

  /** We speak no TLS: before an https origin that others reach there is always somebody in front. */
  get #isProxied(): boolean {
    const url = new URL(this.#publicUrl ?? 'http://localhost');
    return url.protocol === 'https:' && !isPrivateHost(url.hostname);
  }

  #warnOfCallersUnknown(): void {
    const bots = Object.values(this.directory.bots).flatMap(({ id, transport }) =>
      transport.kind === 'http' && transport.auth === 'none' && transport.delivery !== 'expectReplies' ? [id] : [],
    );
    if (bots.length > 0)
      this.log.warn(
        { bots },
        'calls of bots with auth: none are refused: PUBLIC_URL is https, so a proxy calls for everybody. Set TRUST_PROXY=true, with a proxy that sends X-Forwarded-For',
      );
  }

  #onlyWorkStream(): string {
    const [first] = Object.keys(this.directory.workStreams);
    if (first === undefined)
      throw new ConfigError(['The configuration has no work stream; add one under workStreams.']);
    return first;
  }

  /** What the customer's page shows; links to sign in only to whom sits at this machine. */
  async #widgetPage(signIn: boolean) {
    const [workStream] = Object.values(this.directory.workStreams);
    const [bot] = Object.values(this.directory.bots);
    return {
      title: workStream?.name ?? 'Handoff',
      botName: bot?.name ?? 'Bot',
      ...(signIn ? { signIn: await this.signInLinks() } : {}),
    };
  }

  /** @returns the configuration of another process that was quicker. */
  async #begin(): Promise<StoredConfiguration | undefined> {
    this.#checkBots(directoryOf(this.#configuration, 0));
    try {
      const { version } = await this.store.saveConfiguration(this.#configuration, 'first start', this.clock.now(), 0);
      await this.useDirectory(directoryOf(this.#configuration, version));
      return undefined;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      return this.store.configuration();
    }
  }

  async #open(): Promise<void> {
    await this.store.open();
    const kept = (await this.store.configuration()) ?? (await this.#begin());
    if (kept === undefined) return;
    const configuration = checkConfiguration(kept.document);
    await this.useDirectory(directoryOf(configuration, kept.version));
    this.#isOverruled = !isDeepStrictEqual(configuration, this.#configuration);
    if (this.#isOverruled)
      this.log.warn(
        { version: kept.version },
        'the configuration given differs from the one in force, which rules; "handoff config plan" shows the difference, "handoff config apply" takes it over',
      );
  }
}

/** Health, readiness and figures, for whatever watches over the process. */
function serveOperations(http: HttpServer, hub: Hub, metrics: Metrics): void {
  http.get('/healthz', () => ({ body: { status: 'ok' } }));
  http.get('/readyz', async () => {
    if (!hub.running) return { status: 503, body: { status: 'starting' } };
    await hub.store.nextDueAt();
    return { body: { status: 'ready' } };
  });
  http.get('/metrics', async () => ({
    headers: { 'content-type': metrics.registry.contentType },
    body: await metrics.registry.metrics(),
  }));
}

function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

const SILENT: Log = { info() {}, warn() {}, error() {}, debug() {} };
