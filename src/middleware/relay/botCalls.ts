// What a bot asks of the Connector about its channel's conversations: recorded and sent in the log's order, or passed on as it is.

import { parseActivity } from '../../activityJson.js';
import { seqOf, type Activity } from '../../core/activity.js';
import { isObject } from '../../core/context.js';
import type { Conversation } from '../../core/conversation.js';
import { readSignal } from '../../core/escalation.js';
import { reaches } from '../../core/floor.js';
import { BadRequest, DeliveryFailed, Rejected } from '../../errors.js';
import type { ForeignAnswer, ForeignCall } from '../../hub/ports.js';
import { parseJson } from '../../json.js';
import { shownSeqs } from '../liveSends.js';
import { isStoreUnavailable } from '../outgoing.js';
import { ChannelRefused, jsonOf, type ChannelAnswer } from './channelHttp.js';
import { addressed, isHubsOwnId } from './channelSide.js';
import { addressAt, type Home, type Place } from './places.js';
import type { RelayedBot } from './relayedBot.js';

const OAUTH_CARD = 'application/vnd.microsoft.card.oauth';

export class BotCalls {
  constructor(private readonly relayed: RelayedBot) {}

  /** @returns undefined when this bot's channels have nothing to do with it. */
  async take(call: ForeignCall): Promise<ForeignAnswer | undefined> {
    const { relayed } = this;
    if (call.conversationId === undefined) {
      if (!call.botIds.has(relayed.botId)) return undefined;
      return this.#aboutNoConversation(call);
    }
    const place = await relayed.places.of(call.conversationId);
    if (place === undefined) return undefined;
    const state = await this.#stateAt(place);
    const speaker = [state?.lastBot, ...(state?.bots ?? []), relayed.botId].find(
      (id) => id !== undefined && call.botIds.has(id),
    );
    // Whoever takes no part is not told that there is such a conversation.
    if (speaker === undefined) return undefined;
    try {
      if (call.speaks) return await this.#speak(call, place, state, speaker);
      // Some channels show an uploaded history to the customer.
      if (isHistory(call) && state !== undefined && !reaches(state, speaker, undefined, this.relayed.hub.directory))
        throw new Rejected('notHolder', 'Only the bot that has the conversation can upload its history.', {
          phase: state.phase,
        });
      return await this.#passOn(place, call);
    } catch (error) {
      // The bot asked the channel something, as it would without the hub: the channel's own words are the answer.
      if (error instanceof ChannelRefused) return asIs(error.answer);
      throw error;
    }
  }

  async #speak(
    call: ForeignCall,
    place: Place,
    state: Conversation | undefined,
    speaker: string,
  ): Promise<ForeignAnswer> {
    switch (call.method) {
      case 'POST': {
        const activity = activityIn(call);
        this.#look(activity);
        // A question to the hub itself: no channel knows it.
        if (activity.type === 'invoke') {
          if (state === undefined) throw nothingUnderWay();
          return this.relayed.hub.botAsks(state.id, speaker, activity);
        }
        if (place.isGroup) return idAnswer(await this.relayed.sayUnrecorded(place, activity, call.activityId));
        return this.#say(activity, place, state, speaker, call.activityId);
      }
      case 'PUT':
        return this.#change(call, place, state, speaker, activityIn(call));
      case 'DELETE':
        return this.#change(call, place, state, speaker, undefined);
    }
    return this.#passOn(place, call);
  }

  async #say(
    activity: Activity,
    place: Place,
    state: Conversation | undefined,
    speaker: string,
    answeredId: string | undefined,
  ): Promise<ForeignAnswer> {
    const { relayed } = this;
    const { hub } = relayed;
    const repliedTo = answeredId ?? (typeof activity.replyToId === 'string' ? activity.replyToId : undefined);
    let conversationId = state?.id;
    // Nothing is under way: the bot speaks up as it could without the hub, unless it asks for people.
    if (conversationId === undefined) {
      if (readSignal(activity).kind !== 'escalate')
        return idAnswer(await relayed.sayUnrecorded(place, activity, repliedTo));
      const address = addressAt(place, relayed.botId);
      if (address === undefined) throw noCustomer();
      try {
        conversationId = await relayed.intake.open(activity as never, address);
      } catch (error) {
        if (!isStoreUnavailable(error)) throw error;
        return idAnswer(await relayed.sayUnrecorded(place, activity, repliedTo));
      }
    }
    const answers = await this.#entryOf(conversationId, repliedTo);
    const known = repliedTo === undefined || isHubsOwnId(conversationId, repliedTo) ? undefined : repliedTo;
    const send = () => relayed.channel.post(place, fitting(activity, place, speaker === relayed.botId), known);
    if (activity.type === 'typing') {
      await hub.signal(conversationId, { role: 'bot', id: speaker }, activity, answers);
      const now = (await hub.conversation(conversationId)) as Conversation;
      return idAnswer(reaches(now, speaker, answers, hub.directory) ? await send() : undefined);
    }
    const turn = relayed.running(conversationId, answers);
    const commit = async () => {
      const said =
        turn?.botId === speaker
          ? await turn.respond([activity])
          : await hub.botSays(conversationId, speaker, [activity], answers === undefined ? {} : { answers });
      id = said[0]?.id ?? '';
      return shownSeqs(hub, conversationId, [{ id }], [activity]);
    };
    let id = '';
    try {
      const [given] = await relayed.sends.through(conversationId, commit, [send]);
      return idAnswer(given ?? id);
    } catch (error) {
      if (error instanceof DeliveryFailed) return notTaken(error);
      if (!isStoreUnavailable(error) || !this.#botHolds(conversationId, speaker, answers)) throw error;
      hub.log.warn({ err: error, bot: speaker }, 'what a bot said was sent without being recorded');
      return idAnswer(await relayed.sayUnrecorded(place, activity, known));
    }
  }

  async #change(
    call: ForeignCall,
    place: Place,
    state: Conversation | undefined,
    speaker: string,
    activity: Activity | undefined,
  ): Promise<ForeignAnswer> {
    const { relayed } = this;
    const { hub } = relayed;
    const id = call.activityId ?? '';
    const send = async () => {
      const content = activity && { ...fitting(activity, place, speaker === relayed.botId), id };
      await relayed.channel.change(activity === undefined ? 'DELETE' : 'PUT', place, id, content);
      return undefined;
    };
    const done: ForeignAnswer = activity === undefined ? { status: 200 } : idAnswer(id);
    if (place.isGroup || state === undefined) {
      await send();
      return done;
    }
    const commit = async () => {
      const { seq } =
        activity === undefined
          ? await hub.botDeletes(state.id, speaker, id)
          : await hub.botEdits(state.id, speaker, id, activity);
      return [seq];
    };
    try {
      // The channel has nothing under an id that the hub made up.
      await relayed.sends.through(state.id, commit, [isHubsOwnId(state.id, id) ? undefined : send]);
    } catch (error) {
      if (error instanceof DeliveryFailed) return notTaken(error);
      const isUnknown = (error as { code?: string }).code === 'notFound';
      if (!isUnknown && !(isStoreUnavailable(error) && this.#botHolds(state.id, speaker, undefined))) throw error;
      // Sent before the hub was there: the bot may change it while it holds the conversation.
      const now = await hub.conversation(state.id);
      if (now !== undefined && reaches(now, speaker, undefined, hub.directory)) await send();
    }
    return done;
  }

  /** A conversation to be created, a file by its id, what only this channel has: asked of the channel it must mean. */
  async #aboutNoConversation(call: ForeignCall): Promise<ForeignAnswer | undefined> {
    const { places } = this.relayed;
    const [path = ''] = call.url.split('?');
    if (/^\/v3\/conversations\/?$/i.test(path) && call.method === 'POST') return this.#create(call);
    const attachment = /^\/v3\/attachments\/([^/]+)/i.exec(path)?.[1];
    const team = /^\/v3\/teams\/([^/]+)/i.exec(path)?.[1];
    const home =
      attachment !== undefined
        ? await places.home('attachment', decodeURIComponent(attachment))
        : ((team === undefined ? undefined : await places.home('team', decodeURIComponent(team))) ??
          (/^\/(?:v3\/(?:teams|batch)|v1\/meetings)\//i.test(path)
            ? await places.home('channel', 'msteams')
            : undefined));
    return home === undefined ? undefined : this.#passOn(home, call);
  }

  /** A conversation of the bot's own making: on the channel where it has the account it names. */
  async #create(call: ForeignCall): Promise<ForeignAnswer | undefined> {
    const { places, hub } = this.relayed;
    const asked = parseJson(call.body);
    if (!isObject(asked)) throw new BadRequest(400, 'BadArgument', 'Send ConversationParameters as a JSON object.');
    const { bot, members, isGroup, channelData } = asked as {
      bot?: { id?: unknown };
      members?: unknown;
      isGroup?: unknown;
      channelData?: { channel?: unknown };
    };
    const account = typeof bot?.id === 'string' ? bot.id : '';
    const isTeams = typeof asked['tenantId'] === 'string' || isObject(channelData);
    const home =
      (await places.home('account', account)) ??
      (await places.home('account', `28:${account}`)) ??
      (isTeams ? await places.home('channel', 'msteams') : undefined);
    if (home === undefined) return undefined;
    const [user] = (Array.isArray(members) ? members : []) as Place['user'][];
    const group = isGroup === true || isObject(channelData?.channel);
    // Channels give back the conversation that the customer has already: what is said in it goes the way of everything
    // the bot says there, and not past a person who has it.
    const { activity, ...bare } = asked;
    const first = user === undefined || group || !isObject(activity) ? undefined : activityOf(activity);
    const request = requestOf(first === undefined ? call : { ...call, body: Buffer.from(JSON.stringify(bare)) });
    const answer = await this.relayed.channel.http.call(home.serviceUrl, request);
    const made = jsonOf(answer.body);
    if (answer.status > 299 || !isObject(made) || typeof made['id'] !== 'string') return asIs(answer);
    // Who is known there is known by the id that the channel uses; the bot may have another one (Entra's, in Teams).
    const known = await places.of(made['id']);
    const place: Place = known ?? {
      ...home,
      conversation: { id: made['id'] } as Place['conversation'],
      ...(user === undefined || group ? {} : { user }),
      isGroup: group,
    };
    if (known === undefined) await places.learn(place);
    const said = first && (await this.#begin(call, place, first));
    if (said !== undefined && said.status > 299) return said;
    const activityId = isObject(said?.body) ? said.body['id'] : undefined;
    return {
      status: answer.status,
      body: {
        ...made,
        ...(typeof activityId === 'string' && activityId !== '' ? { activityId } : {}),
        ...(made['serviceUrl'] === undefined ? {} : { serviceUrl: hub.serviceUrl }),
      },
    };
  }

  /** The first words in a conversation that the bot asked for. */
  async #begin(call: ForeignCall, place: Place, activity: Activity): Promise<ForeignAnswer> {
    this.#look(activity);
    try {
      if (place.isGroup) return idAnswer(await this.relayed.sayUnrecorded(place, activity));
      const state = await this.#stateAt(place);
      const speaker = [state?.lastBot, ...(state?.bots ?? [])].find((id) => id !== undefined && call.botIds.has(id));
      return await this.#say(activity, place, state, speaker ?? this.relayed.botId, undefined);
    } catch (error) {
      if (error instanceof ChannelRefused) return notTaken(error);
      throw error;
    }
  }

  async #passOn(home: Home, call: ForeignCall): Promise<ForeignAnswer> {
    const answer = await this.relayed.channel.http.call(home.serviceUrl, requestOf(call));
    if (call.method === 'POST' && /\/attachments\/?$/i.test(call.url)) {
      const id = (jsonOf(answer.body) as { id?: unknown } | undefined)?.id;
      if (typeof id === 'string') await this.relayed.places.learnOf('attachment', id, home);
    }
    return asIs(answer);
  }

  /** The customer's open conversation there. */
  async #stateAt(place: Place): Promise<Conversation | undefined> {
    if (place.isGroup) return undefined;
    const address = addressAt(place, this.relayed.botId);
    if (address === undefined) return undefined;
    const { intake, hub } = this.relayed;
    try {
      const id = await intake.find(address);
      return id === undefined ? undefined : await hub.conversation(id);
    } catch (error) {
      if (isStoreUnavailable(error)) return intake.known(address);
      throw error;
    }
  }

  /** The entry that the bot answers: it names it by the id the channel gave to it. */
  async #entryOf(conversationId: string, repliedTo: string | undefined): Promise<number | undefined> {
    if (repliedTo === undefined) return undefined;
    const own = seqOf(conversationId, repliedTo);
    if (own !== undefined || isHubsOwnId(conversationId, repliedTo)) return own;
    try {
      return (await this.relayed.hub.store.findEntry(conversationId, { channelActivityId: repliedTo }))?.seq;
    } catch (error) {
      if (isStoreUnavailable(error)) return undefined;
      throw error;
    }
  }

  #botHolds(conversationId: string, bot: string, answers: number | undefined): boolean {
    const { hub } = this.relayed;
    const state = hub.known(conversationId);
    return state === undefined || reaches(state, bot, answers, hub.directory);
  }

  #look({ attachments }: Activity): void {
    if (!Array.isArray(attachments) || !attachments.some((one) => one?.contentType === OAUTH_CARD)) return;
    this.relayed.hub.botStatus.warn(
      this.relayed.botId,
      'signInCard',
      'The bot sent a sign-in card. Its link names the hub as the address of the conversation, where the token service has nothing to call: let customers type the code that the sign-in page shows, or use the single sign-on of the channel.',
    );
  }
}

/** Everything stays as the bot said it; only where it says it is the channel's own. */
function fitting(activity: Activity, place: Place, isOwn: boolean): Activity {
  if (isOwn) return { ...activity, serviceUrl: place.serviceUrl };
  return { ...activity, ...addressed(place, activity.from?.name) };
}

function activityIn({ body }: ForeignCall): Activity {
  const activity = parseJson(body);
  if (!isObject(activity))
    throw new BadRequest(400, 'BadArgument', 'The body is no activity. Send one activity as a JSON object.');
  return activityOf(activity);
}

/** @throws BadRequest 400 */
function activityOf(fields: Record<string, unknown>): Activity {
  return parseActivity({ ...fields, type: typeof fields['type'] === 'string' ? fields['type'] : 'message' });
}

function isHistory({ method, url }: ForeignCall): boolean {
  return method === 'POST' && /\/activities\/history\/*(?:\?|$)/i.test(url);
}

function requestOf({ method, url, body, contentType }: ForeignCall) {
  return {
    method,
    url,
    ...(body.length === 0 ? {} : { body }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

function asIs({ status, headers, body }: ChannelAnswer): ForeignAnswer {
  const passed = ['content-type', 'retry-after'] as const;
  return {
    status,
    headers: Object.fromEntries(
      passed.flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : [])),
    ) as Record<string, string>,
    body,
  };
}

/** It is in the log already: with a status from 500 on the SDKs would send it again, and it would be there twice. */
function notTaken(error: DeliveryFailed): ForeignAnswer {
  if (error instanceof ChannelRefused && error.answer.status < 500) return asIs(error.answer);
  return { status: 424, body: { error: { code: 'ChannelError', message: error.message } } };
}

function idAnswer(id: string | undefined): ForeignAnswer {
  return { status: 200, body: { id: id ?? '' } };
}

function nothingUnderWay(): BadRequest {
  return new BadRequest(404, 'ConversationNotFound', 'Nothing is under way here that people could take over.');
}

function noCustomer(): BadRequest {
  return new BadRequest(400, 'BadArgument', 'Nobody is known in this conversation who could be handed over.');
}
