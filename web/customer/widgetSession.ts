// The customer's token: fetched, and fetched again after a failure, when it ran out, or for a new chat.
import { CallFailed } from '../shared/http.js';
import type { Connection } from './CustomerChat.js';
import { fetchWidgetToken, type WidgetToken } from './widgetToken.js';

export interface WidgetState {
  token?: WidgetToken;
  /** Why there is no token yet; another attempt is planned. */
  problem?: string;
  connection: Connection;
}

export interface WidgetSession {
  getState(): WidgetState;
  subscribe(onChange: () => void): () => void;
  /** Gets the conversation this visitor has, or a new one where there is none or it is closed. */
  open(): void;
  /** Told by the chat about its own connection. */
  connectionIs(connection: Connection): void;
  stop(): void;
}

/** Pauses between attempts: the server may be restarting. */
const RETRY_MS = [1000, 2000, 4000, 8000];

export function createWidgetSession(fetchToken: typeof fetchWidgetToken = fetchWidgetToken): WidgetSession {
  const listeners = new Set<() => void>();
  let state: WidgetState = { connection: 'connecting' };
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;

  function set(change: Partial<WidgetState>): void {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  }

  function retry(): void {
    clearTimeout(timer);
    timer = setTimeout(open, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  }

  function open(): void {
    clearTimeout(timer);
    // Only the latest request counts: a slow answer must not bring an old chat back.
    const mine = ++attempt;
    fetchToken().then(
      (token) => mine === attempt && set({ token, problem: undefined }),
      (error: unknown) => {
        if (mine !== attempt) return;
        set({ problem: error instanceof CallFailed ? error.message : String(error) });
        retry();
      },
    );
  }

  return {
    getState: () => state,
    subscribe(onChange) {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    open,
    connectionIs(connection) {
      set({ connection });
      if (connection === 'online') failures = 0;
      // A laptop that slept longer than the token lives: the cookie still knows the conversation.
      if (connection === 'expired') retry();
    },
    stop() {
      attempt++;
      clearTimeout(timer);
    },
  };
}
