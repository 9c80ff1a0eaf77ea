import type { Client, Subscription } from '@millrace/client';
import { MillraceError, type MillraceEvent, namespaceOf } from '@millrace/protocol';
import { Bookmark, type BookmarkState, type Ticket } from './bookmark.ts';
import type { BookmarkTopic } from './bookmark-topic.ts';
import { type DeliveryOptions, deliver, type Outcome } from './delivery.ts';
import { TopicLanes } from './topic-lanes.ts';
import type { Attempt } from './webhook.ts';

export const LISTEN_NAMESPACE = 'listen';
export const DEAD_LETTER_EVENT = 'message.dead_lettered';

/** Events that wait or are on their way; a topic whose receiver is away may fill it, and the others then wait with it. */
const MAX_PENDING = 1000;
const SAVE_EVERY_MS = 1000;

export interface ForwarderOptions {
  readonly client: Client;
  readonly name: string;
  readonly deadLetterTopic: string;
  readonly bookmarks: BookmarkTopic;
  readonly known: BookmarkState | undefined;
  readonly maxActive: number;
  readonly delivery: Pick<DeliveryOptions, 'rules' | 'sleep' | 'random'>;
  readonly post: (event: MillraceEvent, stop: AbortSignal) => Promise<Attempt>;
  readonly stop: AbortSignal;
  readonly tell: (event: MillraceEvent, news: ForwardNews) => void;
  /** Called once: whatever is published from now on is forwarded, even when this process ends at once. */
  readonly onReady: () => void;
}

/** What is told about an event. */
export type ForwardNews =
  | Exclude<Outcome, { readonly name: 'stopped' }>
  | { readonly name: 'failed'; readonly reason: string; readonly attempts: number; readonly delayMs: number };

/**
 * Gives each event of a subscription to a receiver: in order within a topic, several topics at a time. What cannot be delivered becomes
 * a dead letter first, and only then counts as done; how far all of it is done is saved once a second, and at the end.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #bookmark: Bookmark;
  readonly #lanes: TopicLanes;
  #saving: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  readonly #failed = Promise.withResolvers<never>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#bookmark = new Bookmark(options.known);
    this.#lanes = new TopicLanes({ maxActive: options.maxActive, maxJobs: MAX_PENDING });
    // Whoever runs us may not be listening yet.
    this.#failed.promise.catch(() => {});
  }

  /** Resolves when the topic is sealed and all of it done, or when it was stopped; rejects when it cannot go on. */
  async run(subscription: Subscription): Promise<void> {
    try {
      await this.#begin(subscription);
      await Promise.race([this.#read(subscription), this.#failed.promise]);
      await Promise.race([this.#lanes.settled(), this.#failed.promise]);
      await this.#save();
    } finally {
      clearTimeout(this.#timer);
    }
  }

  async #begin(subscription: Subscription): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      subscription.on('error', reject);
      subscription.on('closed', () => resolve());
      const undo = subscription.on('subscribed', () => {
        undo();
        // Nothing has been handed over yet.
        this.#bookmark.mark(standing(subscription));
        resolve();
      });
    });
    const { state } = this.#bookmark;
    if (state !== undefined) await this.#options.bookmarks.claim(state);
    this.#options.onReady();
  }

  async #read(subscription: Subscription): Promise<void> {
    for await (const event of subscription) {
      const ticket = this.#isOwn(subscription, event) ? undefined : this.#bookmark.take(event);
      this.#bookmark.mark(standing(subscription));
      this.#saveSoon(subscription);
      await this.#lanes.room();
      // What was taken and is not done holds the bookmark back.
      if (this.#options.stop.aborted) return;
      if (ticket !== undefined) this.#lanes.add(event.topic, () => this.#forward(ticket));
    }
  }

  /** What listeners write themselves would go round in circles, under a pattern such as `*`. */
  #isOwn({ topic: pattern }: Subscription, { topic }: MillraceEvent): boolean {
    if (namespaceOf(topic) !== LISTEN_NAMESPACE) return false;
    const own = `${LISTEN_NAMESPACE}.${this.#options.name}`;
    return namespaceOf(pattern) !== LISTEN_NAMESPACE || topic === own || topic.startsWith(`${own}.`);
  }

  async #forward(ticket: Ticket): Promise<void> {
    const { event } = ticket;
    const { delivery, post, stop, tell } = this.#options;
    if (stop.aborted) return;
    try {
      const outcome = await deliver({
        ...delivery,
        stop,
        post: () => post(event, stop),
        onFailure: (failure) => tell(event, { name: 'failed', ...failure }),
      });
      if (outcome.name === 'stopped') return;
      if (outcome.name === 'dead') await this.#bury(event, outcome);
      tell(event, outcome);
      this.#bookmark.settle(ticket);
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  /** As the server writes what an inbox gives up; without its data where that makes it too large. */
  async #bury(event: MillraceEvent, outcome: Outcome & { readonly name: 'dead' }): Promise<void> {
    const { client, name, deadLetterTopic } = this.#options;
    const { topic, offset, epoch, timestamp, data } = event;
    const { reason, status, attempts } = outcome;
    const letter = {
      message_id: event.id,
      topic,
      offset,
      epoch,
      event: event.event,
      reason,
      status,
      attempts,
      timestamp,
    };
    const options = {
      source: name,
      key: event.id,
      idempotencyKey: `${epoch}:${topic}:${offset}`.slice(-255),
    };
    try {
      await client.publish(deadLetterTopic, DEAD_LETTER_EVENT, { ...letter, data }, options);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'too-large') throw error;
      await client.publish(deadLetterTopic, DEAD_LETTER_EVENT, letter, options);
    }
  }

  #saveSoon(subscription: Subscription): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // A turn of its own: whatever the subscription has handed over was taken by the loop.
      this.#bookmark.mark(standing(subscription));
      this.#save().catch((error: unknown) => this.#failed.reject(error));
      // A pattern's cursor follows later than what is done.
      if (!this.#bookmark.exact) this.#saveSoon(subscription);
    }, SAVE_EVERY_MS);
  }

  /** One at a time: each names the one before it. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const { state } = this.#bookmark;
      if (state !== undefined) await this.#options.bookmarks.save(state);
    });
    return this.#saving;
  }
}

/** Behind everything that the subscription has handed over. */
function standing({ position, cursor }: Subscription): string | undefined {
  return position ?? cursor;
}
