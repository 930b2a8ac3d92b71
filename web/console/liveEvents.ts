// The live line to the hub: notices that something changed. A lost notice costs time, never correctness: the page re-reads.
import { serverNow } from '../shared/http.js';

export interface Notice {
  type: string;
  conversationId?: string;
  seq?: number;
}

export type Link = { state: 'connecting' } | { state: 'online' } | { state: 'lost'; since: number; retryAt: number };

export interface LiveEvents {
  /** Tries at once instead of at the next planned time. */
  tryNow(): void;
  close(): void;
}

interface Options {
  url: string;
  onNotice(notice: Notice): void;
  onLink(link: Link): void;
  openSocket?: (url: string) => WebSocket;
}

/** Doubling, with a tenth of chance so that a hundred consoles do not return in one second. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

export function connectLiveEvents({
  url,
  onNotice,
  onLink,
  openSocket = (to) => new WebSocket(to),
}: Options): LiveEvents {
  let socket: WebSocket | undefined;
  let failures = 0;
  let lostAt: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  function open(): void {
    clearTimeout(timer);
    timer = undefined;
    const current = openSocket(url);
    socket = current;
    current.onopen = () => {
      failures = 0;
      lostAt = undefined;
      onLink({ state: 'online' });
    };
    current.onmessage = ({ data }) => {
      const notice = typeof data === 'string' ? parseNotice(data) : undefined;
      if (notice) onNotice(notice);
    };
    // A failed attempt fires close too; error carries nothing to tell.
    current.onclose = () => {
      if (closed || socket !== current) return;
      socket = undefined;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++) * (0.95 + Math.random() / 10);
      lostAt ??= serverNow();
      onLink({ state: 'lost', since: lostAt, retryAt: serverNow() + pauseMs });
      timer = setTimeout(open, pauseMs);
    };
  }

  onLink({ state: 'connecting' });
  open();
  return {
    tryNow() {
      if (!closed && timer !== undefined) open();
    },
    close() {
      closed = true;
      clearTimeout(timer);
      socket?.close();
    },
  };
}

function parseNotice(data: string): Notice | undefined {
  if (!data) return undefined;
  try {
    return JSON.parse(data) as Notice;
  } catch {
    return undefined;
  }
}
