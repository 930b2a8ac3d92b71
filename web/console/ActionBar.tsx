// What this person may do with the open conversation, in the phase it is in.
import {
  Button,
  Menu,
  MenuDivider,
  MenuGroup,
  MenuGroupHeader,
  MenuItem,
  MenuList,
  MenuPopover,
  MenuTrigger,
  PresenceBadge,
} from '@fluentui/react-components';
import { useState } from 'react';
import type { Conversation, Me, TransferTarget } from './api.js';
import { api } from './api.js';
import { useDesk } from './useDesk.js';
import { PRESENCE_BADGE, PRESENCE_WORDS } from './words.js';

interface Props {
  conversation: Conversation;
  me: Me;
  onAct(what: string, command: () => Promise<unknown>): Promise<boolean>;
}

export function ActionBar({ conversation, me, onAct }: Props) {
  const [busy, setBusy] = useState(false);
  const { id, phase } = conversation;
  const isMine = conversation.agent?.id === me.id;

  const act = async (what: string, command: () => Promise<unknown>) => {
    setBusy(true);
    await onAct(what, command);
    setBusy(false);
  };
  if (isMine && phase === 'agent')
    return (
      <div className="actions">
        <Button disabled={busy} onClick={() => void act('Return to bot', () => api.returnToBot(id))}>
          Return to bot
        </Button>
        <TransferMenu
          conversation={conversation}
          me={me}
          disabled={busy}
          onTransfer={(to) => void act('Transfer', () => api.transfer(id, to))}
        />
        <span className="grow" />
        <Button disabled={busy} onClick={() => void act('End', () => api.end(id))}>
          End
        </Button>
      </div>
    );
  if (isMine && phase === 'wrapUp')
    return (
      <div className="actions">
        <span className="grow" />
        <Button appearance="primary" disabled={busy} onClick={() => void act('Close', () => api.close(id))}>
          Close
        </Button>
      </div>
    );
  return null;
}

interface TransferProps {
  conversation: Conversation;
  me: Me;
  disabled: boolean;
  onTransfer(to: TransferTarget): void;
}

function TransferMenu({ conversation, me, disabled, onTransfer }: TransferProps) {
  const [{ queues, agents }] = useDesk();
  const others = agents.filter(({ id, roles }) => id !== me.id && (roles?.includes('agent') ?? true));
  return (
    <Menu>
      <MenuTrigger disableButtonEnhancement>
        <Button disabled={disabled}>Transfer</Button>
      </MenuTrigger>
      <MenuPopover>
        <MenuList>
          <MenuGroup>
            <MenuGroupHeader>To a queue</MenuGroupHeader>
            {queues.map(({ id, name }) => (
              <MenuItem key={id} onClick={() => onTransfer({ queue: id })}>
                {name ?? id}
                {id === conversation.queue ? ' (again)' : ''}
              </MenuItem>
            ))}
          </MenuGroup>
          <MenuDivider />
          <MenuGroup>
            <MenuGroupHeader>To a person</MenuGroupHeader>
            {others.length === 0 && <MenuItem disabled>Nobody else</MenuItem>}
            {others.map(({ id, name, presence, load, capacity }) => (
              <MenuItem
                key={id}
                disabled={presence === 'offline'}
                icon={<PresenceBadge status={PRESENCE_BADGE[presence]} aria-label={PRESENCE_WORDS[presence]} />}
                secondaryContent={capacity === undefined ? undefined : `${load ?? 0} of ${capacity}`}
                onClick={() => onTransfer({ agent: id })}
              >
                {name}
              </MenuItem>
            ))}
          </MenuGroup>
        </MenuList>
      </MenuPopover>
    </Menu>
  );
}
