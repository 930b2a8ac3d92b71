// Calls to this page's own server: JSON both ways, same origin, every refusal as a `CallFailed` with its status and code.

/** A call the server refused, or (status 0) one that never reached it. */
export class CallFailed extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** When it happened, where the refusal is "somebody else was faster". */
    readonly at?: string,
  ) {
    super(message);
  }
}

let serverAheadMs = 0;

/** The server's clock, as far as its Date header tells (whole seconds). Countdowns use it, so that a wrong local clock does not show. */
export function serverNow(): number {
  return Date.now() + serverAheadMs;
}

function learnServerTime(response: Response, askedAt: number): void {
  const header = response.headers.get('date');
  if (!header) return;
  const now = Date.now();
  const aheadMs = Date.parse(header) + 500 - (askedAt + now) / 2;
  // Below two seconds the header's rounding weighs more than what it could correct.
  serverAheadMs = Math.abs(aheadMs) > 2000 ? aheadMs : 0;
}

interface ErrorBody {
  error?: { code?: string; message?: string; at?: string };
}

export async function callServer<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const askedAt = Date.now();
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      signal: signal ?? AbortSignal.timeout(20_000),
      headers: {
        accept: 'application/json',
        // Forms and images of other sites cannot set a header of their own: the server's guard against forged calls.
        'x-requested-with': 'handoff',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (cause) {
    throw new CallFailed(
      0,
      'unreachable',
      `The server cannot be reached (${String(cause)}). Trying again helps once it is back.`,
    );
  }
  learnServerTime(response, askedAt);
  const text = await response.text();
  const data: unknown = parseJson(text);
  if (response.ok) return data as T;
  const { error = {} } = (data ?? {}) as ErrorBody;
  throw new CallFailed(
    response.status,
    error.code ?? `http${response.status}`,
    error.message ?? `The server answered ${response.status} without saying why.`,
    error.at,
  );
}

function parseJson(text: string): unknown {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}
