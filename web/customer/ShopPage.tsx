// The bank's page around the chat: something plain to look at, and chips that type for the visitor.
import { useCallback, useEffect, useState } from 'react';
import { usePrefersDark } from '../shared/usePrefersDark.js';
import type { ChatControls } from './CustomerChat.js';
import { Widget } from './Widget.js';
import type { WidgetConfig } from './widgetToken.js';
import { fetchWidgetConfig } from './widgetToken.js';

const CHIPS: { text: string; hint: string }[] = [
  { text: 'hello', hint: 'The bot answers' },
  { text: 'human CreditCard', hint: 'Ask for a person about a credit card' },
  { text: 'omnichannel HomeLoan', hint: 'Ask for a person, with a private summary for them' },
  { text: 'card', hint: 'The bot shows a card' },
  { text: 'bye', hint: 'End the chat' },
];

const SERVICES: { title: string; text: string }[] = [
  { title: 'Cards', text: 'Lost it? Block it at any hour, a new one is on its way the next day.' },
  { title: 'Home loans', text: 'Ten years fixed, and somebody who explains what that means.' },
  { title: 'Accounts', text: 'One account, no monthly fee, people who answer.' },
];

const BANK = 'Contoso Bank';

const UNTIL_KNOWN: WidgetConfig = { botName: 'Assistant' };

/** A sign-in link works once and for ten minutes: the page fetches new ones well before that. */
const LINKS_LAST_MS = 5 * 60_000;

export function ShopPage() {
  const dark = usePrefersDark();
  const [config, setConfig] = useState<WidgetConfig>(UNTIL_KNOWN);
  const [controls, setControls] = useState<ChatControls>();

  const readConfig = useCallback(() => {
    // Without it the page still works: the names are only nicer with it.
    fetchWidgetConfig().then(setConfig, () => undefined);
  }, []);
  useEffect(() => {
    readConfig();
    const timer = window.setInterval(readConfig, LINKS_LAST_MS);
    return () => window.clearInterval(timer);
  }, [readConfig]);

  return (
    <div className="shop">
      <header className="shop-head">
        <a className="brand" href="/">
          <img src="/bank.svg" alt="" width="28" height="28" />
          {BANK}
        </a>
        {config.signIn && config.signIn.length > 0 && (
          <nav className="staff-links" aria-label="Console">
            <span>Console as</span>
            {config.signIn.map(({ id, name, url }) => (
              <a
                key={id}
                href={url}
                target="_blank"
                rel="noreferrer"
                onClick={() => window.setTimeout(readConfig, 1000)}
              >
                {name}
              </a>
            ))}
          </nav>
        )}
      </header>
      <main className="shop-main">
        <div className="shop-text">
          <h1>Banking with somebody to talk to</h1>
          <p className="lead">
            Ask our assistant anything, at any hour. Where it cannot help, a person takes over in the same chat and has
            read what you wrote.
          </p>
          <section aria-labelledby="try-heading" className="try">
            <h2 id="try-heading">What to try</h2>
            <div className="chips">
              {CHIPS.map(({ text, hint }) => (
                <button
                  key={text}
                  type="button"
                  className="chip"
                  title={hint}
                  disabled={!controls}
                  onClick={() => controls?.say(text)}
                >
                  {text}
                </button>
              ))}
            </div>
          </section>
          <ul className="services">
            {SERVICES.map(({ title, text }) => (
              <li key={title}>
                <h3>{title}</h3>
                <p>{text}</p>
              </li>
            ))}
          </ul>
        </div>
        <Widget botName={config.botName} bankName={BANK} dark={dark} onControls={setControls} />
      </main>
    </div>
  );
}
