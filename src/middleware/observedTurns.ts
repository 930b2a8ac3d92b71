// Turns in a work stream that only observes: they run as without the hub, and what was said is put on record beside them.

import type { Activity } from '../core/activity.js';
import { Rejected } from '../core/rejected.js';
import { withoutAddresses } from '../hub/botFaults.js';
import type { Hub } from '../hub/hub.js';
import { within } from '../hub/patience.js';
import { isContinuation, type Address } from './address.js';
import type { BotTurnContext, ResourceResponse, SdkActivity } from './host.js';
import type { Intake } from './intake.js';
import { escalates, isKept } from './outgoing.js';
import type { Next } from './reach.js';
import { fromSdk } from './sdkActivity.js';
import { linkTurn } from './turnLink.js';

/** The end of a turn waits so long for its record: then a process that ends in order loses none. */
const RECORD_MS = 100;

/** Where the turn is on record; `seq` = the customer's entry, which the bot answers. */
interface Place {
  readonly conversationId: string;
  readonly seq?: number;
}

export class ObservedTurns {
  constructor(
    private readonly hub: Hub,
    private readonly botId: string,
    private readonly intake: Intake,
  ) {}

  /**
   * Neither waits for the record before the bot has finished, nor lets anything that goes wrong with it into the turn.
   * @throws what the bot throws.
   */
  async run(context: BotTurnContext, next: Next, address: Address | undefined): Promise<void> {
    const { hub, botId } = this;
    if (address === undefined || address.isGroup) {
      linkTurn(context, { hub, botId, conversationId: undefined });
      return next();
    }
    const turn = new ObservedTurn(hub, botId, this.intake, address, context.activity);
    linkTurn(context, { hub, botId, conversationId: turn.conversationId });
    turn.listen(context);
    try {
      await next();
    } catch (error) {
      turn.failed(error);
      throw error;
    } finally {
      // A record that is slow to be written delays no answer to the channel.
      await within(RECORD_MS, turn.recorded());
    }
  }
}

class ObservedTurn {
  readonly #activity: SdkActivity;
  #place: Promise<Place | undefined>;
  /** One after another, in the order of the turn; never rejected. */
  #record: Promise<void>;

  constructor(
    private readonly hub: Hub,
    private readonly botId: string,
    private readonly intake: Intake,
    private readonly address: Address,
    activity: SdkActivity,
  ) {
    // The bot may change its own.
    this.#activity = (this.#copyOf(activity) ?? { type: activity.type }) as unknown as SdkActivity;
    let place: Place | undefined;
    this.#record = this.#safely(async () => {
      place = await this.#hear();
    });
    this.#place = this.#record.then(() => place);
  }

  get conversationId(): Promise<string | undefined> {
    return this.#place.then((place) => place?.conversationId);
  }

  listen(context: BotTurnContext): void {
    context.onSendActivities(async (_context, activities, next) => {
      const said = activities.map((activity) => (isKept(activity) ? this.#copyOf(activity) : undefined));
      let sent: ResourceResponse[];
      try {
        sent = await next();
      } catch (error) {
        // The channel did not take it, but the bot has asked.
        this.#note(() => this.#say(said.map((one) => (one !== undefined && escalates(one) ? one : undefined))));
        throw error;
      }
      this.#note(() => this.#say(said, sent ?? []));
      return sent;
    });
    context.onUpdateActivity(async (_context, activity, next) => {
      const changed = this.#copyOf(activity);
      const answer = await next();
      if (changed !== undefined)
        this.#noteAt(({ conversationId }) =>
          this.hub.botEdits(conversationId, this.botId, activity.id ?? '', changed, { observed: true }),
        );
      return answer as void;
    });
    context.onDeleteActivity(async (_context, { activityId = '' }, next) => {
      const answer = await next();
      this.#noteAt(({ conversationId }) =>
        this.hub.botDeletes(conversationId, this.botId, activityId, { observed: true }),
      );
      return answer as void;
    });
  }

  failed(error: unknown): void {
    if (this.#activity.type !== 'message') return;
    const cause = withoutAddresses(error instanceof Error ? error.message : String(error));
    this.#noteAt(async ({ conversationId, seq }) => {
      if (seq === undefined) return;
      const failure = { type: 'botFailed', bot: this.botId, answers: seq, cause } as const;
      await this.hub.handle(conversationId, failure, { observed: true });
    });
  }

  /** Resolves when everything of the turn so far is on record, or could not be. */
  async recorded(): Promise<void> {
    let last: Promise<void>;
    do {
      last = this.#record;
      await last;
    } while (last !== this.#record);
  }

  /** What the bot says unasked, and typing, belongs to the conversation there is. */
  async #hear(): Promise<Place | undefined> {
    if (!isContinuation(this.#activity) && this.#activity.type !== 'typing')
      return this.intake.observe(this.#activity, this.address);
    const conversationId = await this.intake.find(this.address);
    return conversationId === undefined ? undefined : { conversationId };
  }

  async #say(said: readonly (Activity | undefined)[], sent: readonly ResourceResponse[] = []): Promise<void> {
    const kept = said.flatMap((activity, index) => (activity === undefined ? [] : [{ activity, id: sent[index]?.id }]));
    if (kept.length === 0) return;
    let place = await this.#place;
    if (place === undefined && kept.some(({ activity }) => escalates(activity))) {
      place = { conversationId: await this.intake.open(this.#activity, this.address, { observed: true }) };
      this.#place = Promise.resolve(place);
    }
    if (place === undefined) return;
    await this.hub.botSays(
      place.conversationId,
      this.botId,
      kept.map(({ activity }) => activity),
      {
        answers: place.seq,
        observed: { channelActivityIds: kept.map(({ id }) => (id === '' ? undefined : id)) },
      },
    );
  }

  #noteAt(work: (place: Place) => Promise<unknown>): void {
    this.#note(async () => {
      const place = await this.#place;
      if (place !== undefined) await work(place);
    });
  }

  #note(work: () => Promise<unknown>): void {
    this.#record = this.#record.then(() => this.#safely(work));
  }

  async #safely(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#missed(error);
    }
  }

  #copyOf(activity: Partial<SdkActivity>): Activity | undefined {
    try {
      return fromSdk(activity);
    } catch (error) {
      this.#missed(error);
      return undefined;
    }
  }

  #missed(error: unknown): void {
    const fields = { err: error, bot: this.botId };
    // What was sent before the hub was there cannot be changed in its log.
    if (error instanceof Rejected && error.code === 'notFound')
      this.hub.log.debug(fields, 'a change of what the log does not have was not recorded');
    else this.hub.log.warn(fields, 'something that was observed could not be recorded');
  }
}
