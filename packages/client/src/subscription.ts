import {
  formatPosition,
  hasWildcard,
  type MillraceError,
  type MillraceEvent,
  type SnapshotMessage,
} from '@millrace/protocol';
import { Emitter } from './emitter.ts';
import { type BufferedEvent, EventBuffer } from './event-buffer.ts';
import type { Reader, Standing } from './feed.ts';
import type { EventOf, Gap, Lag, Subscribed, Subscription, SubscriptionEvents } from './types.ts';
import { DONE, type Waiter } from './waiter.ts';

/** What a subscription asks of whoever feeds it. */
export interface Source {
  /** The buffer is full: stop, and lose nothing. */
  pause(reader: Reader): void;
  unpause(reader: Reader): void;
  detach(reader: Reader): void;
}

export interface TopicSubscriptionOptions {
  readonly topic: string;
  readonly maxBufferedEvents: number;
  readonly source: Source;
  readonly onThrow: (error: unknown) => void;
}

/** How a subscription ends once its buffer is empty. */
type Outcome =
  | { readonly name: 'sealed' }
  | { readonly name: 'failed'; readonly error: MillraceError }
  | { readonly name: 'closed' };

/** The application's side of a feed: a bounded buffer between it and the loop or the listeners. */
export class TopicSubscription<Catalog extends object> implements Subscription<Catalog>, Reader {
  readonly topic: string;
  readonly #source: Source;
  readonly #maxBufferedEvents: number;
  readonly #emitter: Emitter<SubscriptionEvents<Catalog>>;
  readonly #buffer = new EventBuffer();
  readonly #waiters: Waiter<EventOf<Catalog>>[] = [];
  #iterating = false;
  #paused = false;
  /** The last event handed over, or the place where reading began. */
  #at: MillraceEvent | string | undefined;
  #cursor: string | undefined;
  #outcome: Outcome | undefined;
  #ended = false;
  /** Thrown once into the loop. */
  #interruption: MillraceError | undefined;

  constructor(options: TopicSubscriptionOptions) {
    this.topic = options.topic;
    this.#source = options.source;
    this.#maxBufferedEvents = options.maxBufferedEvents;
    this.#emitter = new Emitter(options.onThrow);
  }

  get position(): string | undefined {
    if (typeof this.#at !== 'object') return this.#at;
    return hasWildcard(this.topic) ? undefined : formatPosition(this.#at);
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  get closed(): boolean {
    return this.#ended;
  }

  on<Name extends keyof SubscriptionEvents<Catalog>>(
    name: Name,
    listener: (value: SubscriptionEvents<Catalog>[Name]) => void,
  ): () => void {
    const undo = this.#emitter.on(name, listener);
    // What came before the first listener is handed over after the caller's turn.
    if (name === 'event' && this.#buffer.length > 0) void Promise.resolve().then(() => this.#handOver());
    return undo;
  }

  close(): void {
    this.#buffer.clear();
    this.#conclude({ name: 'closed' });
  }

  [Symbol.asyncIterator](): AsyncIterator<EventOf<Catalog>, undefined> {
    if (this.#iterating) {
      throw new Error(
        `${this.topic}: this subscription is being read by another loop; call client.topic() again for a second reader`,
      );
    }
    this.#iterating = true;
    return {
      next: () => this.#next(),
      return: () => {
        this.#iterating = false;
        this.close();
        return Promise.resolve(DONE);
      },
    };
  }

  // Reader: called by the feed.

  event(event: MillraceEvent): void {
    if (this.#outcome !== undefined) return;
    this.#interruption = undefined;
    const listening = this.#emitter.has('event');
    if (!this.#iterating && listening && this.#buffer.length === 0) {
      this.#deliver({ event, cursorAfter: undefined });
      return;
    }
    if (this.#iterating && listening) this.#emitter.emit('event', this.#typed(event));
    this.#buffer.push(event);
    this.#serve();
    if (this.#paused || this.#buffer.length < this.#maxBufferedEvents) return;
    this.#paused = true;
    this.#source.pause(this);
  }

  snapshot({ topic, view, position, state }: SnapshotMessage): void {
    if (this.#outcome !== undefined) return;
    // Events that still wait are in it already.
    this.#buffer.drop(topic);
    if (topic === this.topic) this.#at = position;
    this.#emitter.emit('snapshot', { topic, view, position, state });
    this.#unpauseWhenDrained();
  }

  reached(cursor: string): void {
    if (!this.#buffer.mark(cursor)) this.#cursor = cursor;
  }

  gap(gap: Gap): void {
    this.#emitter.emit('gap', gap);
  }

  subscribed(answer: Subscribed, standing: Standing): void {
    if (this.#outcome !== undefined) return;
    this.#interruption = undefined;
    if (standing.cursor !== undefined) this.reached(standing.cursor);
    if (this.#buffer.length === 0) this.#at = standing.position ?? this.#at;
    this.#emitter.emit('subscribed', answer);
  }

  lag(lag: Lag): void {
    this.#emitter.emit('lag', lag);
  }

  sealed(): void {
    this.#conclude({ name: 'sealed' });
  }

  failed(error: MillraceError): void {
    this.#conclude({ name: 'failed', error });
  }

  interrupted(error: MillraceError): void {
    this.#interruption = error;
    this.#serve();
  }

  #next(): Promise<IteratorResult<EventOf<Catalog>, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#serve();
    });
  }

  /** Gives what is there to who waits for it. */
  #serve(): void {
    while (this.#waiters.length > 0 && this.#buffer.length > 0) {
      const item = this.#buffer.shift();
      if (item !== undefined) this.#waiters.shift()?.resolve({ done: false, value: this.#take(item) });
    }
    this.#unpauseWhenDrained();
    this.#endWhenDrained();
    if (this.#waiters.length === 0) return;
    if (this.#ended) this.#settleEnded();
    else if (this.#interruption !== undefined) this.#settleInterrupted(this.#interruption);
  }

  #settleEnded(): void {
    this.#iterating = false;
    for (const waiter of this.#waiters.splice(0)) {
      if (this.#outcome?.name === 'failed') waiter.reject(this.#outcome.error);
      else waiter.resolve(DONE);
    }
  }

  #settleInterrupted(error: MillraceError): void {
    this.#interruption = undefined;
    this.#iterating = false;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #handOver(): void {
    while (!this.#iterating && this.#emitter.has('event')) {
      const item = this.#buffer.shift();
      if (item === undefined) break;
      this.#deliver(item);
    }
    this.#unpauseWhenDrained();
    this.#endWhenDrained();
  }

  #deliver(item: BufferedEvent): void {
    this.#emitter.emit('event', this.#take(item));
  }

  #take({ event, cursorAfter }: BufferedEvent): EventOf<Catalog> {
    this.#at = event;
    if (cursorAfter !== undefined) this.#cursor = cursorAfter;
    return this.#typed(event);
  }

  #typed(event: MillraceEvent): EventOf<Catalog> {
    // The catalog is the application's word for what is published; it exists at compile time only.
    return event as EventOf<Catalog>;
  }

  #unpauseWhenDrained(): void {
    if (!this.#paused || this.#outcome !== undefined) return;
    if (this.#buffer.length > this.#maxBufferedEvents / 2) return;
    this.#paused = false;
    this.#source.unpause(this);
  }

  #conclude(outcome: Outcome): void {
    if (this.#ended) return;
    this.#outcome = outcome;
    this.#source.detach(this);
    this.#serve();
  }

  #endWhenDrained(): void {
    const outcome = this.#outcome;
    if (outcome === undefined || this.#ended || this.#buffer.length > 0) return;
    // A loop that has its last event ends when it asks for another, so that it is done with the last by then.
    if (this.#iterating && this.#waiters.length === 0 && outcome.name !== 'closed') return;
    this.#ended = true;
    if (outcome.name === 'sealed') this.#emitter.emit('sealed', { topic: this.topic });
    if (outcome.name === 'failed') this.#emitter.emit('error', outcome.error);
    this.#emitter.emit('closed', { topic: this.topic });
  }
}
