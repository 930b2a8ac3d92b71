// How a signed-in person goes on in a chat (Emulator, Teams): a code to write to the bot there.
import { Button, Menu, MenuPopover, MenuTrigger, Spinner } from '@fluentui/react-components';
import { ChatRegular } from '@fluentui/react-icons/svg/chat';
import { useState } from 'react';
import { api } from './api.js';

interface Props {
  onAct(what: string, command: () => Promise<unknown>): Promise<boolean>;
}

/** A code works once: each opening makes a new one. */
export function ChatAccess({ onAct }: Props) {
  const [write, setWrite] = useState<string>();

  function changed(open: boolean) {
    setWrite(undefined);
    if (open) void onAct('A code for the chat', async () => setWrite((await api.pairingCode()).write));
  }

  return (
    <Menu onOpenChange={(_, { open }) => changed(open)}>
      <MenuTrigger disableButtonEnhancement>
        <Button appearance="subtle" aria-label="Work from a chat" title="Work from a chat" icon={<ChatRegular />} />
      </MenuTrigger>
      <MenuPopover className="chat-access">
        <p>Write this to the bot for staff, in the Emulator or Teams:</p>
        {write === undefined ? <Spinner size="tiny" label="A code is being made" /> : <code>{write}</code>}
        <p>It works once, for ten minutes.</p>
      </MenuPopover>
    </Menu>
  );
}
