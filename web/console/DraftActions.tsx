// What the person who holds a conversation does with a bot's draft: send it as it is, in other words, or put it away.
import { Button, Textarea } from '@fluentui/react-components';
import { createContext, useContext, useState } from 'react';
import type { SeenActivity } from '../shared/handoffActivity.js';

/** What this person may do with what a bot wrote while it did not hold the conversation. */
export interface DraftDesk {
  canResolve: boolean;
  /** Entries of the log that were sent or put away already. */
  resolved: ReadonlySet<number>;
  /** `text`: in place of the bot's words. */
  resolve(seq: number, send: boolean, text?: string): Promise<boolean>;
}

export const DraftContext = createContext<DraftDesk | undefined>(undefined);

/** Activity ids end in the number of their entry: `…|0000064`. */
const SEQ_AT_END = /\|0*(\d+)$/;

export function DraftActions({ activity }: { activity: SeenActivity }) {
  const drafts = useContext(DraftContext);
  const [busy, setBusy] = useState(false);
  /** undefined: as the bot wrote it. */
  const [words, setWords] = useState<string>();
  const seq = Number(SEQ_AT_END.exec(activity.id ?? '')?.[1] ?? 0);
  if (!drafts?.canResolve || seq === 0 || drafts.resolved.has(seq)) return null;

  const resolve = async (send: boolean) => {
    setBusy(true);
    await drafts.resolve(seq, send, send ? words : undefined);
    setBusy(false);
  };
  const send = (
    <Button size="small" disabled={busy || words?.trim() === ''} onClick={() => void resolve(true)}>
      Send to the customer
    </Button>
  );
  if (words !== undefined)
    return (
      <div className="draft-actions draft-editor">
        <Textarea
          aria-label={`The draft of ${activity.from?.name ?? 'the bot'}, in your words`}
          autoFocus
          resize="vertical"
          value={words}
          onChange={(_event, { value }) => setWords(value)}
        />
        {send}
        <Button size="small" appearance="subtle" disabled={busy} onClick={() => setWords(undefined)}>
          Cancel
        </Button>
      </div>
    );
  return (
    <div className="draft-actions">
      {send}
      <Button size="small" appearance="subtle" disabled={busy} onClick={() => setWords(activity.text ?? '')}>
        Edit
      </Button>
      <Button size="small" appearance="subtle" disabled={busy} onClick={() => void resolve(false)}>
        Discard
      </Button>
    </div>
  );
}
