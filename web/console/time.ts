// Times as people read them: durations count up, deadlines count down, the exact time is in the tooltip.
import type { Instant } from './api.js';

export function timeOf(instant: Instant): number;
export function timeOf(instant: Instant | undefined): number | undefined;
export function timeOf(instant: Instant | undefined): number | undefined {
  if (instant === undefined) return undefined;
  return typeof instant === 'number' ? instant : Date.parse(instant);
}

/** 42 s → "0:42", 72 s → "1:12", 3,700 s → "1:01:40", two days → "2 d 3 h". Never negative. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours > 0) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

/** Rounded up, so that a countdown reaches 0:00 only when the time is really up. */
export function formatCountdown(milliseconds: number): string {
  return formatDuration(Math.ceil(milliseconds / 1000) * 1000);
}

export function formatClock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

export function formatExact(at: number): string {
  return new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });
}
