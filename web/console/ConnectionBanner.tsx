// Tells that the live line is down, until when nothing new can be seen, and that nothing typed is lost; or that it is refused, and why.
import { Button, MessageBar, MessageBarActions, MessageBarBody, MessageBarTitle } from '@fluentui/react-components';
import { useDesk } from './useDesk.js';
import { useNow } from './useNow.js';

export function ConnectionBanner() {
  const [{ link, session, refusal }, desk] = useDesk();
  const now = useNow();
  if (link.state !== 'lost' || session === 'out') return null;
  if (refusal !== undefined)
    return (
      <div className="banner" role="alert">
        <MessageBar intent="error" layout="multiline">
          <MessageBarBody>
            <MessageBarTitle>Wrong address.</MessageBarTitle>
            {refusal}
          </MessageBarBody>
        </MessageBar>
      </div>
    );
  const seconds = Math.max(0, Math.ceil((link.retryAt - now) / 1000));
  return (
    <div className="banner" role="status">
      <MessageBar intent="warning">
        <MessageBarBody>
          <MessageBarTitle>Connection lost.</MessageBarTitle>
          What you typed is kept. {seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again…'}
        </MessageBarBody>
        <MessageBarActions>
          <Button size="small" onClick={() => void desk.reconnect()}>
            Try now
          </Button>
        </MessageBarActions>
      </MessageBar>
    </div>
  );
}
