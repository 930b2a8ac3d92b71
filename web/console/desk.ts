// Everything the console knows about its person's work, re-read from the server whenever a notice says that something changed.
import { CallFailed } from '../shared/http.js';
import type { Agent, Conversation, Me, Phase, Queue, StaffApi } from './api.js';
import type { ChatLog } from './chatLogs.js';
import { createChatLogs } from './chatLogs.js';
import type { Link, LiveEvents, Notice } from './liveEvents.js';
import type { OfferOutcome } from './offerOutcomes.js';
import { outcomeOf, vanishedOffers } from './offerOutcomes.js';
import { customerName } from './words.js';

export interface DeskState {
  session: 'unknown' | 'in' | 'out';
  me?: Me;
  /** Offered to, held by or in wrap-up with this person. */
  mine: Conversation[];
  queued: Conversation[];
  /** For supervisors: offered to, held by or in wrap-up with somebody else. */
  others: Conversation[];
  queues: Queue[];
  agents: Agent[];
  logs: ReadonlyMap<string, ChatLog>;
  outcomes: OfferOutcome[];
  link: Link;
  /** Why the live line is refused, where waiting does not help. */
  refusal?: string;
  /** Grows with every successful re-read; what hangs on one conversation re-reads with it. */
  revision: number;
  /** Set while the server cannot be read. */
  problem?: string;
}

export interface Desk {
  getState(): DeskState;
  subscribe(onChange: () => void): () => void;
  start(): void;
  stop(): void;
  refresh(): Promise<void>;
  /** Tries the live line and a re-read at once. */
  reconnect(): Promise<void>;
  /** Runs a command of the person, then re-reads. Resolves to the refusal when there was one. */
  run(command: () => Promise<unknown>): Promise<CallFailed | undefined>;
  /** Like `run`, for the answer to an offer: its end is then not news. */
  answerOffer(offer: Conversation, command: () => Promise<unknown>): Promise<CallFailed | undefined>;
  dismissOutcome(conversationId: string): void;
  markRead(conversationId: string): void;
}

interface Options {
  api: StaffApi;
  connect(handlers: { onNotice(notice: Notice): void; onLink(link: Link): void }): LiveEvents;
}

type Part = 'work' | 'queues' | 'people';

const ALL_PARTS: readonly Part[] = ['work', 'queues', 'people'];

/** What a notice makes worth reading again; a notice that this page does not know: everything. */
const PARTS_OF: Record<string, readonly Part[]> = {
  hello: [],
  typing: [],
  conversation: ['work'],
  offer: ['work'],
  offerGone: ['work'],
  queue: ['queues'],
  person: ['people'],
};

const WITH_PEOPLE: readonly Phase[] = ['offered', 'agent', 'waiting', 'wrapUp'];

/** Notices come in bursts (an accept is several events): one re-read answers them all. */
const GATHER_MS = 100;
/** Between the re-reads of a busy hour. */
const PAUSE_MS = 300;
/** The net under lost notices. */
const POLL_MS = 15_000;
/** While signed out: was the sign-in link opened in another tab? */
const SIGNED_OUT_POLL_MS = 3_000;

export function createDesk({ api, connect }: Options): Desk {
  let state: DeskState = {
    session: 'unknown',
    mine: [],
    queued: [],
    others: [],
    queues: [],
    agents: [],
    logs: new Map(),
    outcomes: [],
    link: { state: 'connecting' },
    revision: 0,
  };
  const listeners = new Set<() => void>();
  const answered = new Set<string>();
  const logs = createChatLogs(api);
  let live: LiveEvents | undefined;
  let gathering: ReturnType<typeof setTimeout> | undefined;
  let polling: ReturnType<typeof setTimeout> | undefined;
  let reading: Promise<void> | undefined;
  let readAt = 0;
  let wanted = new Set<Part>();
  let wasOnline = false;
  let stopped = true;

  function set(change: Partial<DeskState>): void {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  }

  function failed(error: unknown): CallFailed {
    const failure = error instanceof CallFailed ? error : new CallFailed(0, 'unexpected', String(error));
    if (failure.status === 401) set({ session: 'out' });
    return failure;
  }

  /** Reads what is wanted and keeps the rest. @throws CallFailed */
  async function read(parts: ReadonlySet<Part>): Promise<void> {
    const known = state.session === 'in' ? state.me : undefined;
    const me = known && !parts.has('people') ? known : await api.me();
    if (state.session !== 'in') live?.tryNow();
    const [mine, busy, queued, queues, agents] = await Promise.all([
      parts.has('work') ? api.conversationsOf(me.id) : state.mine,
      !me.roles.includes('supervisor') ? [] : parts.has('work') ? api.conversationsIn(...WITH_PEOPLE) : state.others,
      parts.has('queues') ? api.conversationsIn('queued') : state.queued,
      parts.has('queues') ? api.queues() : state.queues,
      parts.has('people') ? api.agents() : state.agents,
    ]);
    const open = mine.filter(
      ({ phase, agent }) => agent?.id === me.id && phase !== 'closed' && phase !== 'bot' && phase !== 'queued',
    );
    const outcomes = await outcomesAfter(open, me);
    await logs.readNew(open, me.id);
    set({
      session: 'in',
      me,
      mine: open,
      others: busy.filter(({ agent }) => agent?.id !== me.id),
      queued,
      queues,
      agents,
      outcomes,
      logs: logs.snapshot(),
      revision: state.revision + 1,
      problem: undefined,
    });
  }

  async function outcomesAfter(open: Conversation[], me: Me): Promise<OfferOutcome[]> {
    const gone = vanishedOffers(state.mine, open).filter(({ id }) => !answered.has(id));
    for (const { id, phase } of open) if (phase === 'offered') answered.delete(id);
    const fresh = await Promise.all(
      gone.map(async (offer) => {
        const now = await api.conversation(offer.id).catch(() => undefined);
        return outcomeOf(offer, now, me, Date.now());
      }),
    );
    const stillOffered = new Set(open.filter(({ phase }) => phase === 'offered').map(({ id }) => id));
    const names = new Set(fresh.map(({ conversationId }) => conversationId));
    return [
      ...fresh,
      ...state.outcomes.filter(({ conversationId }) => !names.has(conversationId) && !stillOffered.has(conversationId)),
    ];
  }

  /** One re-read at a time; what is asked for while one runs is read once more after it, so nobody gets older news. */
  function refresh(parts: Iterable<Part> = ALL_PARTS): Promise<void> {
    clearTimeout(gathering);
    gathering = undefined;
    for (const part of parts) wanted.add(part);
    reading ??= (async () => {
      while (wanted.size > 0) {
        const parts = wanted;
        wanted = new Set();
        try {
          await read(parts);
        } catch (error) {
          const failure = failed(error);
          set({ problem: failure.status === 401 ? undefined : failure.message });
        }
      }
    })().finally(() => {
      reading = undefined;
      readAt = Date.now();
      schedulePoll();
    });
    return reading;
  }

  function schedulePoll(): void {
    clearTimeout(polling);
    if (stopped) return;
    polling = setTimeout(() => void refresh(), state.session === 'out' ? SIGNED_OUT_POLL_MS : POLL_MS);
  }

  function onNotice(notice: Notice): void {
    const parts = PARTS_OF[notice.type] ?? ALL_PARTS;
    if (parts.length === 0) return;
    if (notice.conversationId) logs.markStale(notice.conversationId);
    for (const part of parts) wanted.add(part);
    // While a re-read runs, it goes on with what is wanted now.
    if (!reading) gathering ??= setTimeout(() => void refresh([]), Math.max(GATHER_MS, readAt + PAUSE_MS - Date.now()));
  }

  function onLink(link: Link): void {
    const before = state.link;
    set(link.state === 'online' ? { link, refusal: undefined } : { link });
    if (link.state === 'online' && before.state !== 'online') {
      logs.markAllStale();
      void refresh();
    }
    // A refused socket looks like a lost one: a call tells whether it is the network or the session.
    if (link.state === 'lost' && before.state !== 'lost') void refresh();
    // One that never came about may have been refused for the address of this page.
    wasOnline ||= link.state === 'online';
    if (link.state === 'lost' && !wasOnline) void learnRefusal();
  }

  async function learnRefusal(): Promise<void> {
    try {
      await api.ticket();
    } catch (error) {
      if (error instanceof CallFailed && error.code === 'otherAddress') set({ refusal: error.message });
    }
  }

  const wake = () => {
    if (document.visibilityState === 'hidden') return;
    live?.tryNow();
    void refresh();
  };

  const desk: Desk = {
    getState: () => state,
    subscribe(onChange) {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    start() {
      stopped = false;
      live = connect({ onNotice, onLink });
      window.addEventListener('online', wake);
      document.addEventListener('visibilitychange', wake);
      void refresh();
    },
    stop() {
      stopped = true;
      live?.close();
      clearTimeout(gathering);
      clearTimeout(polling);
      window.removeEventListener('online', wake);
      document.removeEventListener('visibilitychange', wake);
    },
    refresh,
    reconnect() {
      live?.tryNow();
      return refresh();
    },
    async run(command) {
      try {
        await command();
        return undefined;
      } catch (error) {
        return failed(error);
      } finally {
        await refresh();
      }
    },
    async answerOffer(offer, command) {
      answered.add(offer.id);
      const refusal = await desk.run(command);
      if (refusal?.status === 409) {
        const at = refusal.at ? Date.parse(refusal.at) : Date.now();
        const outcome: OfferOutcome = {
          conversationId: offer.id,
          customer: customerName(offer.customer),
          at: Number.isNaN(at) ? Date.now() : at,
          text: refusal.message.replace(/\.$/u, ''),
        };
        set({ outcomes: [outcome, ...state.outcomes.filter(({ conversationId }) => conversationId !== offer.id)] });
      }
      return refusal;
    },
    dismissOutcome(conversationId) {
      set({ outcomes: state.outcomes.filter((outcome) => outcome.conversationId !== conversationId) });
    },
    markRead(conversationId) {
      if (logs.markRead(conversationId)) set({ logs: logs.snapshot() });
    },
  };

  return desk;
}
