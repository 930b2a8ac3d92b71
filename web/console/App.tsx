// The console's frame: theme, the live desk, and the way in when nobody is signed in.
import { FluentProvider, Spinner, Toaster } from '@fluentui/react-components';
import { createContext, useContext, useEffect, useMemo, useSyncExternalStore } from 'react';
import { api } from './api.js';
import { createDesk, type Desk, type DeskState } from './desk.js';
import { DeskPage } from './DeskPage.js';
import { connectLiveEvents } from './liveEvents.js';
import { SignInAgain, SignInPage } from './SignIn.js';
import { useTheme } from './theme.js';

const DeskContext = createContext<Desk | undefined>(undefined);

export function useDesk(): [DeskState, Desk] {
  const desk = useContext(DeskContext);
  if (!desk) throw new Error('useDesk belongs under App, which provides the desk.');
  return [useSyncExternalStore(desk.subscribe, desk.getState), desk];
}

export const TOASTER = 'console';

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
