// A conversation as a document: Bot Framework `.transcript`, JSON lines, plain text, a page to print.

import type { Activity, ChannelAccount } from './activity.js';
import { archivedActivities, isArchived } from './archive.js';
import type { ContextVariables } from './context.js';
import type { Conversation, Entry, Party } from './conversation.js';
import type { Directory } from './directory.js';
import { describeEvent } from './describe.js';
import { namesIn } from './names.js';
import { readActivities, projectActivity, type HandoffMark, type Reader } from './projection.js';
import { readableText, safeLinks } from './readable.js';

export const TRANSCRIPT_FORMATS = ['transcript', 'jsonl', 'text', 'html'] as const;
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number];

/** What a document says about the conversation besides its entries. */
export interface TranscriptFacts {
  readonly id: string;
  /** Shown as the title: the work stream's name. */
  readonly title: string;
  readonly channelId: string;
  readonly customer: { readonly id?: string; readonly name?: string };
  readonly startedAt: number;
  /** Shown to staff only. */
  readonly context?: ContextVariables;
  readonly nameOf: (party: Party) => string | undefined;
  /** Recorded elsewhere: its activities say themselves who spoke to whom. */
  readonly archived?: boolean;
}

export function transcriptFacts(state: Conversation, directory: Directory): TranscriptFacts {
  return {
    id: state.id,
    title: directory.workStreams[state.workStream]?.name ?? state.workStream,
    channelId: state.channel.id,
    customer: state.customer,
    startedAt: state.startedAt,
    context: state.context,
    nameOf: namesIn(directory, state),
    archived: isArchived(state),
  };
}

/**
 * Renders the log. For `customer` it holds exactly the entries everybody may read; for `staff` all of them, the
 * staff-only ones marked. The latest content of what was edited is shown, and nothing of what was deleted; only `jsonl`
 * for staff is the log itself, history included.
 */
export function renderTranscript(
  facts: TranscriptFacts,
  entries: readonly Entry[],
  format: TranscriptFormat,
  forWhom: 'staff' | 'customer',
): string {
  switch (format) {
    case 'transcript':
      return emulatorTranscript(facts, entries, forWhom);
    case 'jsonl':
      return jsonLines(facts, entries, forWhom);
    case 'text':
      return plainText(facts, entries, forWhom);
    case 'html':
      return page(facts, entries, forWhom);
  }
}

/** The media type to serve a format with. */
export function transcriptContentType(format: TranscriptFormat): string {
  switch (format) {
    case 'transcript':
      return 'application/json; charset=utf-8';
    case 'jsonl':
      return 'application/x-ndjson; charset=utf-8';
    case 'text':
      return 'text/plain; charset=utf-8';
    case 'html':
      return 'text/html; charset=utf-8';
  }
}

// ------------------------------------------------------------------------------------------------------ .transcript

/** The Emulator opens a JSON array of activities that say who spoke to whom. */
function emulatorTranscript(facts: TranscriptFacts, entries: readonly Entry[], forWhom: 'staff' | 'customer'): string {
  if (facts.archived === true) return document(archivedActivities(entries, forWhom));
  const customer: ChannelAccount = {
    id: facts.customer.id ?? 'customer',
    ...(facts.customer.name !== undefined && { name: facts.customer.name }),
    role: 'user',
  };
  let lastServing: ChannelAccount = { id: 'bot', role: 'bot' };
  for (const { event } of entries) {
    if (event.by.role === 'bot' || event.by.role === 'agent') {
      lastServing = { id: event.by.id, name: facts.nameOf(event.by) ?? event.by.id, role: 'bot' };
      break;
    }
  }
  const activities = readActivities(entries, readerFor(facts, forWhom)).map(({ activity }): Activity => {
    const byCustomer = activity.from?.role === 'user';
    if (!byCustomer && activity.from !== undefined) lastServing = activity.from;
    return { channelId: facts.channelId, ...activity, recipient: byCustomer ? lastServing : customer };
  });
  return document(activities);
}

function document(activities: readonly Activity[]): string {
  return `${JSON.stringify(activities, undefined, 2)}\n`;
}

// -------------------------------------------------------------------------------------------------------- JSON lines

function jsonLines(facts: TranscriptFacts, entries: readonly Entry[], forWhom: 'staff' | 'customer'): string {
  const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
  const reader: Reader = { ...readerFor(facts, forWhom), original: (seq) => bySeq.get(seq) };
  const latest = new Map(readActivities(entries, reader).map(({ seq, activity }) => [seq, activity]));
  const lines: string[] = [];
  for (const entry of entries) {
    const { event, seq } = entry;
    if (forWhom === 'customer' && event.audience !== 'everyone') continue;
    const activity = forWhom === 'staff' ? projectActivity(entry, reader) : latest.get(seq);
    const { v: _v, at, by, audience, type, body, key: _key, timers: _timers, ...more } = event;
    const { activity: _activity, reference: _reference, ...rest } = body ?? {};
    const line = {
      conversationId: entry.conversationId,
      seq,
      at: new Date(at).toISOString(),
      type,
      audience,
      by: { role: by.role, id: by.id, name: nameIn(facts, entry, activity) },
      // What happened inside is staff's business; a customer's copy says who spoke, when and what.
      ...(forWhom === 'staff' && { ...more, ...rest }),
      ...(activity !== undefined && { activity }),
    };
    lines.push(JSON.stringify(line));
  }
  return lines.map((line) => `${line}\n`).join('');
}

// ---------------------------------------------------------------------------------------------------- text and page

interface Line {
  readonly at: number;
  /** `happened` lines tell what changed; the others are spoken. */
  readonly kind: 'customer' | 'other' | 'system' | 'happened';
  readonly name: string;
  readonly text: string;
  readonly links: readonly { name: string; url: string }[];
  readonly edited: boolean;
  /** Why only staff see it: note, draft, summary. */
  readonly staffOnly?: string;
}

function linesOf(facts: TranscriptFacts, entries: readonly Entry[], forWhom: 'staff' | 'customer'): Line[] {
  const read = new Map(readActivities(entries, readerFor(facts, forWhom)).map((one) => [one.seq, one]));
  const lines: Line[] = [];
  for (const entry of entries) {
    const { event } = entry;
    const shown = read.get(entry.seq);
    if (shown !== undefined) {
      const text = readableText(shown.activity);
      const links = safeLinks(shown.activity);
      if (text === '' && links.length === 0) continue;
      const mark = markOf(shown.activity);
      lines.push({
        at: event.at,
        kind: event.by.role === 'customer' ? 'customer' : event.by.role === 'system' ? 'system' : 'other',
        name: shown.activity.from?.name ?? event.by.id,
        text,
        links,
        edited: shown.edited,
        ...(mark.audience === 'staff' && { staffOnly: mark.kind ?? 'note' }),
      });
      continue;
    }
    const happened = forWhom === 'staff' ? describeEvent(event, facts.nameOf) : undefined;
    if (happened !== undefined) {
      lines.push({ at: event.at, kind: 'happened', name: '', text: happened, links: [], edited: false });
    }
  }
  return lines;
}

function plainText(facts: TranscriptFacts, entries: readonly Entry[], forWhom: 'staff' | 'customer'): string {
  const head = [
    `${facts.title}: conversation ${facts.id}`,
    `Customer: ${customerName(facts)}`,
    `Started: ${clockTime(facts.startedAt)}`,
    ...(forWhom === 'staff' ? contextRows(facts).map(([name, value]) => `${name}: ${value}`) : []),
  ];
  const lines = linesOf(facts, entries, forWhom).map((line) => {
    const time = `[${clockTime(line.at)}]`;
    if (line.kind === 'happened') return `${time} * ${line.text}`;
    const marks = `${line.staffOnly === undefined ? '' : ` (staff only, ${line.staffOnly})`}${line.edited ? ' (edited)' : ''}`;
    const text = [line.text, ...line.links.map((link) => `${link.name}: ${link.url}`)].filter((part) => part !== '');
    // Continued lines are indented: nobody can write a line that looks like somebody else's.
    return `${time} ${oneLine(line.name)}${marks}: ${text.join('\n').replace(/\r\n|\r|\n|\u2028|\u2029/g, '\n    ')}`;
  });
  return `${head.map(oneLine).join('\n')}\n\n${lines.join('\n')}\n`;
}

function page(facts: TranscriptFacts, entries: readonly Entry[], forWhom: 'staff' | 'customer'): string {
  const rows = contextRows(facts);
  const context =
    forWhom === 'staff' && rows.length > 0
      ? `<h2>Context</h2>\n<table>${rows
          .map(([name, value]) => `<tr><th scope="row">${escaped(name)}</th><td>${escaped(value)}</td></tr>`)
          .join('\n')}</table>\n`
      : '';
  const items = linesOf(facts, entries, forWhom).map(pageLine).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(`${facts.title} – ${customerName(facts)} – ${clockTime(facts.startedAt)}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(facts.title)}</h1>
<p>${escaped(customerName(facts))} · ${timeElement(facts.startedAt)} · <code>${escaped(facts.id)}</code></p>
</header>
<main>
${context}<ol>
${items}
</ol>
</main>
</body>
</html>
`;
}

function pageLine(line: Line): string {
  if (line.kind === 'happened') return `<li class="happened">${timeElement(line.at)} ${escaped(line.text)}</li>`;
  const marks = [
    ...(line.staffOnly === undefined ? [] : [`<span class="mark">Private ${escaped(line.staffOnly)}</span>`]),
    ...(line.edited ? ['<span class="mark">edited</span>'] : []),
  ].join(' ');
  const links = line.links
    .map(
      (link) =>
        `<p class="file"><a href="${escaped(link.url)}" rel="noopener noreferrer">${escaped(link.name)}</a></p>`,
    )
    .join('');
  const text = line.text === '' ? '' : `<p class="text">${escaped(line.text)}</p>`;
  return `<li class="${line.kind}${line.staffOnly === undefined ? '' : ' private'}"><p class="who"><b>${escaped(line.name)}</b> ${timeElement(line.at)} ${marks}</p>${text}${links}</li>`;
}

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --customer: #0f6cbd22; --other: #8881; --private: #f7b50026; }
body { font: 15px/1.45 "Segoe UI", system-ui, sans-serif; margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; } header p { margin: .2rem 0 0; opacity: .75; }
table { border-collapse: collapse; font-size: .9rem; } th, td { border: 1px solid var(--line); padding: .2rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
ol { list-style: none; margin: 1.5rem 0 0; padding: 0; display: flex; flex-direction: column; gap: .5rem; }
li { border-radius: 8px; padding: .5rem .75rem; max-width: 80%; background: var(--other); overflow-wrap: anywhere; break-inside: avoid; align-self: flex-start; }
li.customer { background: var(--customer); align-self: flex-end; }
li.system, li.happened { align-self: center; background: none; text-align: center; font-size: .85rem; opacity: .8; padding: .1rem .5rem; }
li.private { background: var(--private); border: 1px dashed var(--line); opacity: 1; }
p { margin: 0; } .who { font-size: .8rem; } .text { white-space: pre-wrap; } .file { font-size: .9rem; }
time { opacity: .7; font-size: .8rem; } .mark { border: 1px solid var(--line); border-radius: 4px; font-size: .7rem; padding: 0 .3rem; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } li { border: 1px solid var(--line); background: none; } }
`;

// ------------------------------------------------------------------------------------------------------------- parts

function readerFor(facts: TranscriptFacts, viewer: 'staff' | 'customer'): Reader {
  return { viewer, nameOf: facts.nameOf };
}

function nameIn(facts: TranscriptFacts, entry: Entry, activity: Activity | undefined): string {
  return activity?.from?.name ?? facts.nameOf(entry.event.by) ?? entry.event.by.id;
}

function markOf(activity: Activity): HandoffMark {
  const data = activity.channelData as { handoff?: HandoffMark } | undefined;
  return data?.handoff ?? {};
}

function customerName(facts: TranscriptFacts): string {
  return facts.customer.name ?? facts.customer.id ?? 'unknown customer';
}

function contextRows(facts: TranscriptFacts): [string, string][] {
  return Object.entries(facts.context ?? {}).map(([name, { value }]) => [
    name,
    Array.isArray(value) ? value.join(', ') : value === null ? '' : String(value),
  ]);
}

function clockTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function timeElement(at: number): string {
  return `<time datetime="${new Date(at).toISOString()}">${clockTime(at)}</time>`;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\u2028\u2029]+/g, ' ');
}

function escaped(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}
