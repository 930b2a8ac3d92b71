// Light or dark: what the person chose, or what the system asks for.
import type { Theme } from '@fluentui/react-components';
import { webDarkTheme, webLightTheme } from '@fluentui/react-components';
import { useState } from 'react';
import { usePrefersDark } from '../shared/usePrefersDark.js';

export type ThemeChoice = 'system' | 'light' | 'dark';

const KEY = 'handoff.theme';

export function useTheme(): { choice: ThemeChoice; dark: boolean; theme: Theme; choose(choice: ThemeChoice): void } {
  const prefersDark = usePrefersDark();
  const [choice, setChoice] = useState<ThemeChoice>(() => {
    const stored = localStorage.getItem(KEY);
    return stored === 'light' || stored === 'dark' ? stored : 'system';
  });
  const dark = choice === 'system' ? prefersDark : choice === 'dark';
  return {
    choice,
    dark,
    theme: dark ? webDarkTheme : webLightTheme,
    choose(next) {
      localStorage.setItem(KEY, next);
      setChoice(next);
    },
  };
}
