// Where the customer's chat comes from: an anonymous token, and what the page may show besides the chat.
import { callServer } from '../shared/http.js';

export interface WidgetToken {
  token: string;
  conversationId: string;
  /** Base of the Direct Line calls, for example `https://chat.example/v3/directline`. */
  domain: string;
  /** Seconds. */
  expires_in: number;
}

export interface WidgetConfig {
  botName: string;
  /** Present only on a local demo: one-click links into the console. */
  signIn?: { id: string; name: string; url: string }[];
}

/** The same visitor gets the same conversation back (the server knows by cookie); after a closed one it is a new one. */
export function fetchWidgetToken(): Promise<WidgetToken> {
  return callServer('POST', '/api/widget/token', {});
}

export function fetchWidgetConfig(): Promise<WidgetConfig> {
  return callServer('GET', '/api/widget/config');
}
