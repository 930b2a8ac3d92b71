// Everything the console knows about its person's work, re-read from the server whenever a notice says that something changed.
import { CallFailed } from '../shared/http.js';
import type { Agent, Conversation, Me, Queue, StaffApi } from './api.js';
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
  queues: Queue[];
  agents: Agent[];
  logs: ReadonlyMap<string, ChatLog>;
  outcomes: OfferOutcome[];
  link: Link;
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

/** Notices come in bursts (an accept is several events): one re-read answers them all. */
const GATHER_MS = 120;
/** Notices that change nothing of what is read: the greeting of the line, and a customer's typing. */
const NO_NEWS = new Set(['hello', 'typing']);
/** The net under lost notices. */
const POLL_MS = 15_000;
/** While signed out: was the sign-in link opened in another tab? */
const SIGNED_OUT_POLL_MS = 3_000;

export function createDesk({ api, connect }: Options): Desk {
  let state: DeskState = {
    session: 'unknown',
    mine: [],
    queued: [],
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
  let readAgain = false;
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

  async function readAll(): Promise<void> {
    try {
      const me = await api.me();
      if (state.session !== 'in') live?.tryNow();
      const [mine, queued, queues, agents] = await Promise.all([
        api.conversationsOf(me.id),
        api.conversationsIn('queued'),
        api.queues(),
        api.agents(),
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
        queued,
        queues,
        agents,
        outcomes,
        logs: logs.snapshot(),
        revision: state.revision + 1,
        problem: undefined,
      });
    } catch (error) {
      const failure = failed(error);
      set({ problem: failure.status === 401 ? undefined : failure.message });
    }
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

  /** One re-read at a time; a call while one runs is answered by one more after it, so nobody gets news from before the call. */
  function refresh(): Promise<void> {
    clearTimeout(gathering);
    gathering = undefined;
    if (reading) {
      readAgain = true;
      return reading;
    }
    reading = (async () => {
      do {
        readAgain = false;
        await readAll();
      } while (readAgain && !stopped);
    })().finally(() => {
      reading = undefined;
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
    if (NO_NEWS.has(notice.type)) return;
    if (notice.conversationId) logs.markStale(notice.conversationId);
    gathering ??= setTimeout(() => void refresh(), GATHER_MS);
  }

  function onLink(link: Link): void {
    const before = state.link;
    set({ link });
    if (link.state === 'online' && before.state !== 'online') {
      logs.markAllStale();
      void refresh();
    }
    // A refused socket looks like a lost one: a call tells whether it is the network or the session.
    if (link.state === 'lost' && before.state !== 'lost') void refresh();
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
