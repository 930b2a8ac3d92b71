// The console's frame: theme, the live desk, and the way in when nobody is signed in.
import { FluentProvider, Spinner, Toaster } from '@fluentui/react-components';
import { useEffect, useMemo } from 'react';
import { api } from './api.js';
import { createDesk } from './desk.js';
import { DeskPage } from './DeskPage.js';
import { connectLiveEvents } from './liveEvents.js';
import { SignInAgain, SignInPage } from './SignIn.js';
import { useTheme } from './theme.js';
import { DeskContext, TOASTER, useDesk } from './useDesk.js';

export function App() {
  const theme = useTheme();
  const desk = useMemo(
    () =>
      createDesk({
        api,
        connect: (handlers) =>
          connectLiveEvents({ url: `${window.location.origin.replace(/^http/u, 'ws')}/api/v1/events`, ...handlers }),
      }),
    [],
  );
  useEffect(() => {
    desk.start();
    return () => desk.stop();
  }, [desk]);

  return (
    <FluentProvider theme={theme.theme}>
      <DeskContext.Provider value={desk}>
        <div className="console">
          <Session theme={theme} />
        </div>
        <Toaster toasterId={TOASTER} position="bottom-start" />
      </DeskContext.Provider>
    </FluentProvider>
  );
}

function Session({ theme }: { theme: ReturnType<typeof useTheme> }) {
  const [{ me, session, problem }] = useDesk();
  if (me)
    return (
      <>
        <DeskPage me={me} theme={theme} />
        {session === 'out' && <SignInAgain id={me.id} name={me.name} />}
      </>
    );
  if (session === 'out') return <SignInPage />;
  return (
    <div className="centred">
      <Spinner label={problem ? `The server cannot be reached. Trying again… (${problem})` : 'Opening the console…'} />
    </div>
  );
}
