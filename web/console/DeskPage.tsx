// The desk: requests, conversations and queues on the left, the chat in the middle, what is known about it on the right.
import { Toast, ToastTitle, useToastController } from '@fluentui/react-components';
import { useCallback, useMemo, useState } from 'react';
import { useAlertSettings, useOfferAlerts } from './alerts.js';
import { takesRequests, type Conversation, type Me } from './api.js';
import { TOASTER, useDesk } from './useDesk.js';
import { ChatPane } from './ChatPane.js';
import { ContextPanel } from './ContextPanel.js';
import { ConversationList } from './ConversationList.js';
import { ConnectionBanner } from './ConnectionBanner.js';
import { NothingOpen } from './NothingOpen.js';
import { Offers } from './Offers.js';
import { OthersList } from './OthersList.js';
import { QueueList } from './QueueList.js';
import type { useTheme } from './theme.js';
import { timeOf } from './time.js';
import { TopBar } from './TopBar.js';
import { useConversation } from './useConversation.js';

function longestWaitFirst(offers: readonly Conversation[]): Conversation[] {
  const since = ({ waitingSince }: Conversation) => timeOf(waitingSince) ?? Infinity;
  return [...offers].sort((a, b) => since(a) - since(b));
}

export function DeskPage({ me, theme }: { me: Me; theme: ReturnType<typeof useTheme> }) {
  const [state, desk] = useDesk();
  // Opening the page shows the work at hand; afterwards only the person changes what is open.
  const [selected, setSelected] = useState(() => state.mine.find(({ phase }) => phase !== 'offered')?.id);
  const [justTaken, setJustTaken] = useState<string>();
  const [settings, changeSettings] = useAlertSettings();
  const { dispatchToast } = useToastController(TOASTER);

  const offers = useMemo(() => longestWaitFirst(state.mine.filter(({ phase }) => phase === 'offered')), [state.mine]);
  const held = useMemo(() => state.mine.filter(({ phase }) => phase !== 'offered'), [state.mine]);
  useOfferAlerts(offers, settings);

  const report = useCallback(
    (what: string, failure: { message: string } | undefined) => {
      if (!failure) return;
      dispatchToast(
        <Toast>
          <ToastTitle>
            {what}: {failure.message}
          </ToastTitle>
        </Toast>,
        { intent: 'error', timeout: 8000 },
      );
    },
    [dispatchToast],
  );

  const act = useCallback(
    async (what: string, command: () => Promise<unknown>) => {
      const failure = await desk.run(command);
      report(what, failure);
      return !failure;
    },
    [desk, report],
  );

  const take = useCallback((id: string) => {
    setSelected(id);
    setJustTaken(id);
  }, []);

  const answer = useCallback(
    async (offer: Conversation, command: () => Promise<unknown>, open: boolean) => {
      const failure = await desk.answerOffer(offer, command);
      // A request that somebody else has is told in its place, among the requests.
      if (failure && failure.status !== 409) report('The request', failure);
      if (!failure && open) take(offer.id);
    },
    [desk, report, take],
  );

  const details = useConversation(selected, state.revision);

  return (
    <div className="desk">
      <TopBar me={me} theme={theme} settings={settings} onSettings={changeSettings} onAct={act} />
      <ConnectionBanner />
      <aside className="work" aria-label="Work">
        {(takesRequests(me) || state.mine.length > 0) && (
          <>
            <Offers
              offers={offers}
              outcomes={state.outcomes}
              selected={selected}
              onSelect={setSelected}
              onAnswer={answer}
              onDismiss={desk.dismissOutcome}
            />
            <ConversationList conversations={held} logs={state.logs} selected={selected} onSelect={setSelected} />
          </>
        )}
        {me.roles.includes('supervisor') && (
          <OthersList conversations={state.others} selected={selected} onSelect={setSelected} />
        )}
        <QueueList
          me={me}
          selected={selected}
          onSelect={setSelected}
          onPick={async (conversation, command) => {
            if (await act('Pick', command)) take(conversation.id);
          }}
        />
      </aside>
      <main className="middle" aria-label="Chat">
        {selected && details.conversation ? (
          <ChatPane
            key={selected}
            conversation={details.conversation}
            me={me}
            dark={theme.dark}
            focusOnOpen={justTaken === selected}
            onAct={act}
            onLeave={() => setSelected(undefined)}
          />
        ) : (
          <NothingOpen me={me} hasOffers={offers.length > 0} problem={details.problem} onAct={act} />
        )}
      </main>
      <section className="context" aria-label="Context">
        <ContextPanel conversation={selected ? details.conversation : undefined} receipts={details.receipts} />
      </section>
    </div>
  );
}
