// The bar on top: who I am, whether I take requests, how full I am, and how the page looks and sounds.
import {
  Avatar,
  Button,
  Menu,
  MenuItemCheckbox,
  MenuItemRadio,
  MenuList,
  MenuPopover,
  MenuTrigger,
  PresenceBadge,
  Select,
  Tooltip,
} from '@fluentui/react-components';
import { AlertRegular } from '@fluentui/react-icons/svg/alert';
import { AlertOffRegular } from '@fluentui/react-icons/svg/alert-off';
import { WeatherMoonRegular } from '@fluentui/react-icons/svg/weather-moon';
import { WeatherSunnyRegular } from '@fluentui/react-icons/svg/weather-sunny';
import type { AlertSettings } from './alerts.js';
import type { Me, Presence } from './api.js';
import { api, takesRequests } from './api.js';
import { ChatAccess } from './ChatAccess.js';
import type { ThemeChoice, useTheme } from './theme.js';
import { CHOOSABLE, PRESENCE_BADGE, PRESENCE_WORDS } from './words.js';

interface Props {
  me: Me;
  theme: ReturnType<typeof useTheme>;
  settings: AlertSettings;
  onSettings(change: Partial<AlertSettings>): void;
  onAct(what: string, command: () => Promise<unknown>): Promise<boolean>;
}

export function TopBar({ me, theme, settings, onSettings, onAct }: Props) {
  const choices = CHOOSABLE.includes(me.presence) ? CHOOSABLE : [me.presence, ...CHOOSABLE];
  return (
    <header className="top-bar">
      <img src="/handoff.svg" alt="" width="24" height="24" />
      <h1>Handoff</h1>
      <span className="grow" />
      <Capacity load={me.load ?? 0} capacity={me.capacity ?? 0} />
      {takesRequests(me) && (
        <>
          <div className="presence">
            <PresenceBadge status={PRESENCE_BADGE[me.presence]} size="medium" aria-hidden="true" />
            <Select
              aria-label="Presence"
              value={me.presence}
              onChange={(_, { value }) => void onAct('Presence', () => api.setPresence(value as Presence))}
            >
              {choices.map((presence) => (
                <option key={presence} value={presence} disabled={presence === 'inactive'}>
                  {PRESENCE_WORDS[presence]}
                </option>
              ))}
            </Select>
          </div>
          <AlertMenu settings={settings} onSettings={onSettings} />
          <ChatAccess onAct={onAct} />
        </>
      )}
      <ThemeMenu theme={theme} />
      <span className="me">
        <Avatar name={me.name} color="colorful" size={28} aria-hidden="true" />
        <span>{me.name}</span>
      </span>
    </header>
  );
}

function Capacity({ load, capacity }: { load: number; capacity: number }) {
  if (capacity === 0) return null;
  return (
    <Tooltip content="Work units in use: requests, chats and wrap-ups" relationship="description">
      <span
        className="capacity"
        tabIndex={0}
        role="meter"
        aria-label="Capacity"
        aria-valuemin={0}
        aria-valuemax={capacity}
        aria-valuenow={load}
      >
        {load} of {capacity}
        <span className="bars" aria-hidden="true">
          {Array.from({ length: Math.min(capacity, 12) }, (_, unit) => (
            <i key={unit} className={unit < load ? 'used' : ''} />
          ))}
        </span>
      </span>
    </Tooltip>
  );
}

function AlertMenu({ settings, onSettings }: Pick<Props, 'settings' | 'onSettings'>) {
  const checked = [...(settings.sound ? ['sound'] : []), ...(settings.desktop ? ['desktop'] : [])];
  return (
    <Menu
      checkedValues={{ alerts: checked }}
      onCheckedValueChange={(_, { checkedItems }) =>
        onSettings({ sound: checkedItems.includes('sound'), desktop: checkedItems.includes('desktop') })
      }
    >
      <MenuTrigger disableButtonEnhancement>
        <Button
          appearance="subtle"
          aria-label="Alerts"
          icon={checked.length > 0 ? <AlertRegular /> : <AlertOffRegular />}
        />
      </MenuTrigger>
      <MenuPopover>
        <MenuList>
          <MenuItemCheckbox name="alerts" value="sound">
            Sound on a new request
          </MenuItemCheckbox>
          <MenuItemCheckbox name="alerts" value="desktop">
            Desktop notification while this tab is hidden
          </MenuItemCheckbox>
        </MenuList>
      </MenuPopover>
    </Menu>
  );
}

const THEMES: { value: ThemeChoice; words: string }[] = [
  { value: 'system', words: 'As the system' },
  { value: 'light', words: 'Light' },
  { value: 'dark', words: 'Dark' },
];

function ThemeMenu({ theme }: Pick<Props, 'theme'>) {
  return (
    <Menu
      checkedValues={{ theme: [theme.choice] }}
      onCheckedValueChange={(_, { checkedItems }) => theme.choose((checkedItems[0] ?? 'system') as ThemeChoice)}
    >
      <MenuTrigger disableButtonEnhancement>
        <Button
          appearance="subtle"
          aria-label="Appearance"
          icon={theme.dark ? <WeatherMoonRegular /> : <WeatherSunnyRegular />}
        />
      </MenuTrigger>
      <MenuPopover>
        <MenuList>
          {THEMES.map(({ value, words }) => (
            <MenuItemRadio key={value} name="theme" value={value}>
              {words}
            </MenuItemRadio>
          ))}
        </MenuList>
      </MenuPopover>
    </Menu>
  );
}
