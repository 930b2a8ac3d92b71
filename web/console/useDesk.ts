// How every part of the console reaches the one desk it shows.
import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Desk, DeskState } from './desk.js';

export const DeskContext = createContext<Desk | undefined>(undefined);

/** Where short notices appear. */
export const TOASTER = 'console';

export function useDesk(): [DeskState, Desk] {
  const desk = useContext(DeskContext);
  if (!desk) throw new Error('useDesk belongs under App, which provides the desk.');
  return [useSyncExternalStore(desk.subscribe, desk.getState), desk];
}
