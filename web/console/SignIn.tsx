// Signing in: the page for somebody who is not, and the dialog over everything when a session ended in mid-work.
import {
  Body1,
  Button,
  Dialog,
  DialogBody,
  DialogContent,
  DialogSurface,
  DialogTitle,
  Field,
  Input,
  Link,
  Subtitle1,
  Title2,
} from '@fluentui/react-components';
import { useEffect, useState, type FormEvent } from 'react';
import { api } from './api.js';

/** A link works for ten minutes: the page fetches new ones well before that. */
const LINKS_LAST_MS = 5 * 60_000;

type SignInLinks = Awaited<ReturnType<typeof api.signInLinks>>;

function useSignInLinks(): SignInLinks {
  const [links, setLinks] = useState<SignInLinks>([]);
  useEffect(() => {
    // Without the links the instructions remain; both tell the way in.
    const read = () => void api.signInLinks().then(setLinks, () => undefined);
    read();
    const timer = window.setInterval(read, LINKS_LAST_MS);
    return () => window.clearInterval(timer);
  }, []);
  return links;
}

/** In a frame of another site (Teams), a link opened elsewhere signs in there and not here. */
const IS_FRAMED = window.self !== window.top;

function PasteLink({ onSignedIn }: { onSignedIn: () => void }) {
  const [link, setLink] = useState('');
  const [problem, setProblem] = useState<string>();
  const signIn = async () => {
    const ticket = /[?&]ticket=([\w-]+)/u.exec(link)?.[1];
    if (ticket === undefined) return setProblem('This is no sign-in link: it has a ticket at its end.');
    setProblem(undefined);
    try {
      const { ok } = await fetch(`/console/?ticket=${ticket}`, { credentials: 'same-origin' });
      if (ok) onSignedIn();
      else setProblem('This link was used or is too old. Ask for a new one.');
    } catch {
      setProblem('The server cannot be reached. Please try again.');
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void signIn();
  };
  return (
    <form className="stack" onSubmit={submit}>
      <Field label="Paste your sign-in link" {...(problem === undefined ? {} : { validationMessage: problem })}>
        <Input value={link} onChange={(_, { value }) => setLink(value)} autoComplete="off" />
      </Field>
      <Button type="submit" appearance="primary" disabled={link === ''}>
        Sign in
      </Button>
    </form>
  );
}

/** `only`: the person whose session ended; somebody else starts from a page of their own. */
function HowTo({ newTab, only }: { newTab: boolean; only?: string }) {
  const links = useSignInLinks().filter(({ id }) => only === undefined || id === only);
  return (
    <>
      {links.length > 0 ? (
        <ul className="sign-in-links" aria-label="Sign in as">
          {links.map(({ id, name, url }) => (
            <li key={id}>
              <Link href={url} target={newTab ? '_blank' : undefined} rel={newTab ? 'opener' : undefined}>
                Sign in as {name}
              </Link>
            </li>
          ))}
        </ul>
      ) : (
        <Body1 block>
          Open a sign-in link. The server prints one per person at its start; a new one comes from{' '}
          <code>handoff sign-in &lt;person&gt;</code>
          and works once, for ten minutes.
        </Body1>
      )}
    </>
  );
}

export function SignInPage() {
  return (
    <main className="centred">
      <div className="sign-in">
        <img src="/handoff.svg" alt="" width="48" height="48" />
        <Title2 as="h1">Handoff</Title2>
        <Subtitle1 as="p">You are not signed in.</Subtitle1>
        <HowTo newTab={false} />
        {IS_FRAMED && <PasteLink onSignedIn={() => window.location.reload()} />}
      </div>
    </main>
  );
}

/** Modal and not to be dismissed: nothing behind it works until somebody is signed in. The page itself, drafts included, stays as it is. */
export function SignInAgain({ id, name }: { id: string; name: string }) {
  return (
    <Dialog open modalType="alert">
      <DialogSurface>
        <DialogBody>
          <DialogTitle>Your session has ended</DialogTitle>
          <DialogContent className="stack">
            <Body1 block>
              Sign in again as {name}
              {IS_FRAMED ? '' : ' in a new tab'}; this page goes on by itself as soon as that is done. What you were
              typing is kept.
            </Body1>
            <HowTo newTab only={id} />
            {IS_FRAMED && <PasteLink onSignedIn={() => undefined} />}
          </DialogContent>
        </DialogBody>
      </DialogSurface>
    </Dialog>
  );
}
