// What hands a conversation over to people without the bot's doing: phrases of customers, replies that show a bot does not understand.

import type { Activity } from './activity.js';
import { isObject } from './context.js';
import { holderOf, SYSTEM, type Conversation, type EscalationReason, type OpenTurn } from './conversation.js';
import type { FallbackTrigger, PhraseTrigger, Triggers } from './directory.js';
import { isSurvey } from './floor.js';
import { compilePattern, type Pattern } from './pattern.js';
import { observe } from './observing.js';
import type { Plan } from './plan.js';

/** The phrase of the work stream that this message of a customer contains, if any. */
export function phraseIn(
  triggers: Triggers | undefined,
  activity: Activity,
  locale: string | undefined,
): string | undefined {
  if (triggers === undefined || triggers.phrases.length === 0) return undefined;
  if (activity.type !== 'message' || typeof activity.text !== 'string') return undefined;
  const spoken = typeof activity['locale'] === 'string' ? activity['locale'] : locale;
  const text = comparable(activity.text);
  for (const trigger of triggers.phrases) {
    if (!isIn(spoken, trigger.languages)) continue;
    const found = trigger.says.find((phrase) => says(text, comparable(phrase), trigger.match));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a bot's reply shows that it did not understand. */
export function isFallback({ texts, patterns, topics }: FallbackTrigger, activity: Activity): boolean {
  if (topicsOf(activity).some((topic) => topics.some((name) => isTopic(topic, name)))) return true;
  if (activity.type !== 'message' || typeof activity.text !== 'string') return false;
  const { text } = activity;
  const spoken = comparable(text);
  return (
    texts.some((phrase) => says(spoken, comparable(phrase), 'contains')) ||
    patterns.some((source) => patternOf(source)?.test(text) === true)
  );
}

/** Turns in a row that the bot did not understand, the present one included. */
export function missesOf(state: Conversation): number {
  const misses = state.phase === 'bot' ? state.misses : undefined;
  return misses === undefined ? 0 : misses.before + Number(misses.missed);
}

/**
 * Where the work stream only observes, no more than the record of it.
 * @returns false when no queue has people for it: the bot keeps the conversation, and staff can read why.
 */
export function handToPeople(
  plan: Plan,
  reason: Exclude<EscalationReason, 'signal' | 'customer'>,
  more: { note?: string; openTurn?: OpenTurn } = {},
): boolean {
  const state = plan.open;
  if (state.phase !== 'bot') return false;
  const { note, openTurn } = more;
  if (plan.observes) {
    const answers = openTurn?.answers === undefined ? {} : { answers: openTurn.answers };
    observe(plan, reason, { bot: state.bot, ...answers }, SYSTEM, note === undefined ? {} : { note });
    return true;
  }
  if (plan.prospect(true, reason, state.bot).by === 'none') return false;
  plan.emit(
    {
      type: 'escalated',
      reason,
      bot: state.bot,
      ...(openTurn?.answers === undefined ? {} : { answers: openTurn.answers }),
      ...(note === undefined ? {} : { body: { note } }),
    },
    SYSTEM,
  );
  return plan.route('escalated', true, openTurn);
}

/**
 * The bot it is with was taken out of the configuration: people take over, and where no queue has any it is over. Who has
 * said nothing yet asks nobody for anything, and is handed over with the first word.
 * @returns whether the bot is gone.
 */
export function leaveGoneBot(plan: Plan): boolean {
  const state = plan.open;
  const holder = holderOf(state);
  if (holder?.role !== 'bot' || plan.circumstances.directory.bots[holder.id] !== undefined) return false;
  if (!state.customerSaidSomething) return true;
  plan.emit({ type: 'botFailed', bot: holder.id, cause: 'It was taken out of the configuration.' });
  if (isSurvey(state)) {
    plan.endSurvey('botFailed', SYSTEM);
    return true;
  }
  plan.tell('botFailed', { bot: holder.id });
  if (plan.workStream.onBotFailure === 'close' || !handToPeople(plan, 'botUnavailable'))
    plan.close('botFailed', SYSTEM);
  return true;
}

// ------------------------------------------------------------------------------------------------------------ comparing

/** Without case, spacing, typographic apostrophes and the punctuation around it. */
export function comparable(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019\u02bc]/g, "'")
    .replace(/\s+/gu, ' ')
    .replace(/^[\s\p{P}\p{S}]+|[\s\p{P}\p{S}]+$/gu, '');
}

function says(text: string, phrase: string, match: PhraseTrigger['match']): boolean {
  if (phrase === '') return false;
  if (match === 'exact') return text === phrase;
  for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + 1))
    if (isEdge(text, at) && isEdge(text, at + phrase.length)) return true;
  return false;
}

const IN_WORD = /[\p{L}\p{N}\p{M}]/u;
/** Scripts that write words without spaces between them, or append to them: there a phrase may stand anywhere. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** Whether a word begins or ends at this position: "agent" is not in "reagent". */
function isEdge(text: string, at: number): boolean {
  const before = text.slice(0, at).match(/.$/su)?.[0];
  const after = text.slice(at, at + 2).match(/^./su)?.[0];
  if (before === undefined || after === undefined) return true;
  return !IN_WORD.test(before) || !IN_WORD.test(after) || UNSPACED.test(before) || UNSPACED.test(after);
}

function isIn(locale: string | undefined, languages: readonly string[] | undefined): boolean {
  if (languages === undefined || locale === undefined || locale === '') return true;
  const spoken = locale.toLowerCase();
  return languages.some((language) => {
    const tag = language.toLowerCase();
    return spoken === tag || spoken.startsWith(`${tag}-`);
  });
}

// ------------------------------------------------------------------------------------------------------- Copilot Studio

/** Copilot Studio says which topics wrote a message, and traces them in an event of its own. */
function topicsOf({ type, name, value, channelData }: Activity): string[] {
  const trace = type === 'event' && name === 'DialogTracing' ? value : undefined;
  const detail = isObject(channelData) ? channelData['DialogTraceDetail'] : undefined;
  return [trace, detail].flatMap((from) => {
    const actions = isObject(from) ? from['actions'] : undefined;
    if (!Array.isArray(actions)) return [];
    return (actions as unknown[]).flatMap((action) => {
      const topic = isObject(action) ? action['topicId'] : undefined;
      return typeof topic === 'string' ? [topic] : [];
    });
  });
}

/** A topic's id is the bot's schema name, `.topic.` and the topic's own name. */
function isTopic(id: string, name: string): boolean {
  const full = id.toLowerCase();
  const wanted = name.toLowerCase();
  return full === wanted || full.endsWith(`.${wanted}`);
}

// ------------------------------------------------------------------------------------------------------------- patterns

const MAX_KNOWN_PATTERNS = 1_000;
const known = new Map<string, Pattern | undefined>();

/** Compiled once; what cannot be compiled was refused with the configuration and matches nothing. */
function patternOf(source: string): Pattern | undefined {
  if (known.has(source)) return known.get(source);
  const compiled = compilePattern(source, true);
  const pattern = 'fault' in compiled ? undefined : compiled;
  if (known.size >= MAX_KNOWN_PATTERNS) known.clear();
  known.set(source, pattern);
  return pattern;
}
