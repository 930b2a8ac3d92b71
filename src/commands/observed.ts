// `handoff observed`: what a work stream that only observes has seen, and how long customers would wait with how many people.

import { observedShape } from '../console/shapes.js';
import type { Directory } from '../core/directory.js';
import type { QueueReport, Tally } from '../core/observed.js';
import type { Waits } from '../core/staffing.js';
import { ConfigError } from '../errors.js';
import { observedIn, readQuestion, type AskedInWords, type Observed } from '../hub/observed.js';
import { reading } from '../openStore.js';
import { directoryInForce } from './data.js';
import type { Flags } from './flags.js';
import { counted } from './words.js';

export async function observed(flags: Flags): Promise<number> {
  const { since, people, handling, capacity } = flags;
  const asked: AskedInWords = { since, people, handling, capacity };
  const read = readQuestion(asked, (field) => `--${field}`, Date.now());
  if ('faults' in read) throw new ConfigError(read.faults);
  const { report, directory } = await reading(flags, async (store) => {
    const inForce = await directoryInForce(store, flags);
    return { report: await observedIn(store, inForce, read.question), directory: inForce };
  });
  console.log(flags.json ? JSON.stringify(observedShape(report)) : show(report, directory));
  return 0;
}

/** A table for people, at most 100 columns. */
export function show(report: Observed, directory: Directory): string {
  const { total, queues, together, conversations, truncated, assumptions, from, to } = report;
  const looked = `${counted(conversations, 'conversation')} looked at${truncated ? '; older ones were left out' : ''}`;
  if (from === undefined || to === undefined) {
    const observing = Object.values(directory.workStreams).filter(({ observe }) => observe);
    const why =
      observing.length === 0
        ? 'No work stream observes: set "observe: true" in one.'
        : `${observing.map(({ id }) => id).join(', ')} observes: nobody has asked for a person yet.`;
    return `No escalation was observed (${looked}). ${why}`;
  }
  const nameOf = ({ queue }: QueueReport) => queue ?? '(nobody)';
  const width = Math.min(30, Math.max(12, ...queues.map((one) => nameOf(one).length)));
  const head = ['', 'asked', 'repeats', 'chats', 'to bots', 'busiest hour (UTC)'];
  const rows = [...queues.map((one) => row(nameOf(one), one)), ...(queues.length > 1 ? [row('all', total)] : [])];
  const waits = queues.filter((one) => one.waits.length > 0);
  return [
    `Observed from ${minute(from)} to ${minute(to)} (UTC); ${looked}.`,
    '',
    ...[head, ...rows].map((cells) => line(cells, width)),
    '',
    `Reasons: ${Object.entries(total.reasons)
      .map(([reason, count]) => `${reason} ${count}`)
      .join(', ')}`,
    ...waits.flatMap((one) => waitsTable(`Waits in ${nameOf(one)}`, one.waits)),
    ...(together.length > 0 ? waitsTable('Waits if everybody serves every queue', together) : []),
    '',
    'What this supposes:',
    ...assumptions.map((assumption) => wrapped(`- ${assumption}`)),
  ].join('\n');
}

function row(name: string, { escalations, repeats, conversations, toBots, busiestHour }: Tally): string[] {
  const busiest = busiestHour === undefined ? '' : `${minute(busiestHour.from)} (${busiestHour.escalations})`;
  return [name, ...[escalations, repeats, conversations, toBots].map(String), busiest];
}

function line([name = '', ...cells]: string[], width: number): string {
  const busiest = cells.pop() ?? '';
  const shown = name.length > width ? `${name.slice(0, width - 1)}…` : name;
  return `${shown.padEnd(width)}${cells.map((cell) => cell.padStart(9)).join('')}   ${busiest}`.trimEnd();
}

function waitsTable(title: string, waits: readonly Waits[]): string[] {
  const head = ['people', 'median', '9 of 10 below', 'longest', 'served at once', 'over the limit'];
  const rows = waits.map(({ people, medianMs, p90Ms, longestMs, servedAtOnce, overLimit }) => [
    String(people),
    span(medianMs),
    span(p90Ms),
    span(longestMs),
    percent(servedAtOnce),
    percent(overLimit),
  ]);
  return [
    '',
    title,
    ...[head, ...rows].map((cells) =>
      cells
        .map((cell) => cell.padStart(15))
        .join('')
        .slice(6),
    ),
  ];
}

function minute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}

function span(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Not all and not none is never shown as one of the two. */
function percent(share: number): string {
  if (share > 0 && share < 0.005) return '<1 %';
  if (share < 1 && share >= 0.995) return '>99 %';
  return `${Math.round(share * 100)} %`;
}

/** At most 100 columns. */
function wrapped(text: string): string {
  return text.replace(/(.{1,96})(?: |$)/g, (_, part: string, at: number) => `${at === 0 ? '' : '\n  '}${part}`);
}
