// A private note, while the customer can no longer be written to (wrap-up).
import { Button, Field, Textarea } from '@fluentui/react-components';
import { NoteRegular } from '@fluentui/react-icons/svg/note';
import { useState } from 'react';
import { keepDraft, readDraft } from './drafts.js';

export function NoteBox({ draftKey, onNote }: { draftKey: string; onNote(text: string): Promise<boolean> }) {
  const [text, setText] = useState(() => readDraft(draftKey));
  const [busy, setBusy] = useState(false);
  const type = (value: string) => {
    setText(value);
    keepDraft(draftKey, value);
  };
  async function save(): Promise<void> {
    setBusy(true);
    if (await onNote(text)) type('');
    setBusy(false);
  }
  return (
    <div className="note-box">
      <Field label="Private note" className="grow">
        <Textarea
          value={text}
          rows={2}
          onChange={(_, { value }) => type(value)}
          placeholder="What the next person should know"
        />
      </Field>
      <Button icon={<NoteRegular />} disabled={busy || !text.trim()} onClick={() => void save()}>
        Note
      </Button>
    </div>
  );
}
