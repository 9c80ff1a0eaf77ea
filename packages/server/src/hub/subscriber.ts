import type { ServerMessage } from '@millrace/protocol';
import type { Dialect } from './dialect.ts';
import type { EntityFeed } from './entity-feed.ts';
import type { Flushable, Flusher } from './flusher.ts';
import type { FrameChain } from './frame-chain.ts';
import type { LogReader } from './log-reader.ts';
import type { Sink } from './sink.ts';
import type { Subscription } from './subscription.ts';

/** What a subscriber needs of the hub. */
export interface SubscriberHost {
  readonly flusher: Flusher;
  readonly emptyChain: FrameChain;
  readonly maxBytesInFlight: number;
  /** Its live subscriptions are to be read from the log, because it does not answer. */
  lag(subscriber: Subscriber, events: number): void;
  resume(reader: LogReader): void;
}

/** A session as the hub sees it: what it follows, and what is to be written to it in the next flush. */
export class Subscriber implements Flushable {
  readonly feed: EntityFeed;
  readonly dialect: Dialect;
  readonly subscriptions: Subscription[] = [];
  readonly #sink: Sink;
  readonly #host: SubscriberHost;
  #chain: FrameChain;
  #dirty = false;
  #closed = false;
  /** Readers that wait until the client has answered for what is in flight. */
  #parked: LogReader[] | undefined;

  constructor(feed: EntityFeed, dialect: Dialect, sink: Sink, host: SubscriberHost) {
    this.feed = feed;
    this.dialect = dialect;
    this.#sink = sink;
    this.#host = host;
    this.#chain = host.emptyChain;
    this.#parked = undefined;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whatever the feed's cursor covers was given to this session. */
  get live(): boolean {
    return this.subscriptions.every(({ state }) => state.kind === 'live' || state.kind === 'joining');
  }

  /** Some subscription is read from the log because the client was slow. */
  get lagging(): boolean {
    return this.subscriptions.some(({ state }) => state.kind === 'reading' && state.reader.lagging);
  }

  find(name: string): Subscription | undefined {
    return this.subscriptions.find((subscription) => subscription.name === name);
  }

  /** Live events for everyone who asks with the same chunk. They may be dropped, to be read from the log instead. */
  giveEvents(chunk: Buffer, events: number): void {
    this.#chain = this.#chain.withEvents(chunk, events);
    if (!this.#dirty) this.#markDirty();
  }

  /** Frames for this session alone, in order with everything else. */
  give(frames: Buffer): void {
    if (this.#closed) return;
    this.#chain = this.#chain.withKept(frames);
    if (!this.#dirty) this.#markDirty();
  }

  tell(message: ServerMessage): void {
    const frame = this.dialect.encodeMessage(message);
    if (frame !== undefined) this.give(frame);
  }

  /** Whether a page of the log may be written now. */
  hasRoom(): boolean {
    return this.#sink.bytesInFlight + this.#chain.length < this.#host.maxBytesInFlight;
  }

  park(reader: LogReader): void {
    this.#parked ??= [];
    this.#parked.push(reader);
  }

  /** The door calls it when the client answered for bytes in flight. */
  relieved(): void {
    if (this.#parked === undefined || !this.hasRoom()) return;
    const parked = this.#parked;
    this.#parked = undefined;
    for (const reader of parked) this.#host.resume(reader);
  }

  flush(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    const chain = this.#chain;
    this.#chain = this.#host.emptyChain;
    if (this.#closed) return;
    if (chain.events > 0 && this.#sink.bytesInFlight >= this.#host.maxBytesInFlight) {
      const kept = chain.keptBytes();
      if (kept.length > 0) this.#sink.write(kept);
      this.#host.lag(this, chain.events);
    } else {
      this.#sink.write(chain.bytes());
    }
    if (this.#parked !== undefined) this.relieved();
  }

  close(): void {
    this.#closed = true;
    this.#parked = undefined;
    this.#chain = this.#host.emptyChain;
  }

  #markDirty(): void {
    this.#dirty = true;
    this.#host.flusher.add(this);
  }
}
