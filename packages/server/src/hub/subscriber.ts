import type { CodeName, ServerMessage } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import type { BatchChain, Batcher, Gathering } from './batcher.ts';
import { type Chunk, messageChunk, ownChunk } from './chunk.ts';
import { type Dialect, type Frame, joinFrames } from './dialect.ts';
import type { EntityFeed } from './entity-feed.ts';
import type { Flushable, Flusher } from './flusher.ts';
import type { FrameChain } from './frame-chain.ts';
import type { LogReader } from './log-reader.ts';
import type { Sink } from './sink.ts';
import type { Snapshot } from './snapshot.ts';
import type { Subscription } from './subscription.ts';

/** What a subscriber needs of the hub. */
export interface SubscriberHost {
  readonly flusher: Flusher;
  readonly emptyChain: FrameChain;
  readonly maxBytesInFlight: number;
  readonly counters: { deliveries: number; savedBytes: number };
  /**
   * It does not answer: what it follows is to be kept for it, by policy, from `unwritten` on (the first of each topic's events
   * that were to be written and were not).
   */
  slowDown(subscriber: Subscriber, unwritten: readonly StoredEvent[]): void;
  /** It answered, and what was kept for a subscription can be given to it. */
  release(subscription: Subscription): void;
  resume(reader: LogReader): void;
}

/** What a session brings with it. */
export interface SubscriberOptions {
  readonly dialect: Dialect;
  readonly sink: Sink;
  /** Topics whose live events it gets without a subscription. */
  readonly direct: readonly string[];
  /** Ends the session. */
  readonly end: (code: CodeName, reason: string) => void;
}

/** When a session's events are to be written: as soon as the flusher allows, at once, or after so many ms. */
export const NEXT_FLUSH = 0;
export const AT_ONCE = -1;

/** Longer than any window; a small integer, which V8 keeps without a box. */
const NOT_DUE = 2 ** 30 - 1;

/** A session as the hub sees it: what it follows, and what is to be written to it in the next flush. */
export class Subscriber implements Flushable, Gathering {
  readonly feed: EntityFeed;
  readonly direct: readonly string[];
  readonly subscriptions: Subscription[] = [];
  flushStartedMs = -Infinity;
  readonly #sink: Sink;
  readonly #host: SubscriberHost;
  readonly #end: SubscriberOptions['end'];
  #dialect: Dialect;
  #chain: FrameChain;
  /** The shortest wait of what is in the chain; `NEXT_FLUSH` or less once it is in the flusher's hands. */
  #dueMs = NOT_DUE;
  #closed = false;
  /** Batches that are being gathered. */
  #batches: Map<Batcher, BatchChain> | undefined;
  /** To be called when what was given is written. */
  #asking: (() => void)[] | undefined;
  /** Readers that wait until the client has answered for what is in flight. */
  #parked: LogReader[] | undefined;
  /** Subscriptions whose events are kept until then. */
  #held: Subscription[] | undefined;

  constructor(feed: EntityFeed, options: SubscriberOptions, host: SubscriberHost) {
    this.feed = feed;
    this.#dialect = options.dialect;
    this.direct = options.direct;
    this.#sink = options.sink;
    this.#host = host;
    this.#end = options.end;
    this.#chain = host.emptyChain;
    this.#batches = undefined;
    this.#asking = undefined;
    this.#parked = undefined;
    this.#held = undefined;
  }

  get dialect(): Dialect {
    return this.#dialect;
  }

  /** What was given so far goes out as it is. The hub's to call, which knows who groups sessions by dialect. */
  speak(dialect: Dialect): void {
    this.settleAll();
    this.#dialect = dialect;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whatever the feed's cursor covers was given to this session. */
  get live(): boolean {
    return this.subscriptions.every(({ state }) => state.kind === 'live' || state.kind === 'joining');
  }

  /** Something is kept or read from the log for it because the client was slow. */
  get slow(): boolean {
    return this.subscriptions.some(
      ({ state }) => state.kind === 'held' || (state.kind === 'reading' && state.reader.lagging),
    );
  }

  /** Events that it has yet to get because it is slow, as far as is known. */
  get behind(): number {
    let events = 0;
    for (const { state } of this.subscriptions) {
      if (state.kind === 'held') events += state.queue.length;
      else if (state.kind === 'reading' && state.reader.lagging) events += state.reader.behind;
    }
    return events;
  }

  find(name: string): Subscription | undefined {
    return this.subscriptions.find((subscription) => subscription.name === name);
  }

  /** Live events, or a message about them, for everyone who asks with the same chunk. */
  giveShared(chunk: Chunk, dueMs: number): void {
    this.#chain = this.#chain.withShared(chunk);
    if (dueMs < this.#dueMs) this.#hasten(dueMs);
  }

  /** A live event for a batch. */
  giveBatched(event: StoredEvent, batcher: Batcher): void {
    this.#batches ??= new Map();
    let chain = this.#batches.get(batcher);
    if (chain === undefined) {
      chain = batcher.empty;
      batcher.begin(this);
    }
    chain = chain.with(event);
    this.#batches.set(batcher, chain);
    if (batcher.closes(chain)) this.settle(batcher);
  }

  /** Frames for this session alone, in order with everything else. */
  give(frames: Frame): void {
    if (this.#closed) return;
    this.#chain = this.#chain.withOwn(ownChunk(frames));
    if (this.#dueMs > NEXT_FLUSH) this.#hasten(NEXT_FLUSH);
  }

  tell(message: ServerMessage): void {
    const frame = this.dialect.encodeMessage(message);
    if (frame !== undefined) this.give(frame);
  }

  /** A client that has the snapshot resumes from `place`, where one is given. Answers with how many bytes it takes. */
  giveSnapshot(snapshot: Snapshot, place: string | undefined): number {
    const frame = snapshot.frame(this.dialect);
    const before = place === undefined ? undefined : this.dialect.encodePlace(place);
    this.give(before === undefined ? frame : joinFrames([before, frame]));
    return frame.length;
  }

  /** How far it has come, which must not overtake the events before it, nor survive them. */
  givePosition(chunk: Chunk): void {
    this.settleAll();
    // What waits for company goes on waiting.
    this.giveShared(chunk, this.#dueMs === NOT_DUE ? NEXT_FLUSH : this.#dueMs);
  }

  tellPosition(message: ServerMessage & { type: 'position' }): void {
    const frame = this.dialect.encodeMessage(message);
    if (frame !== undefined) this.givePosition(messageChunk(frame));
  }

  settle(batcher: Batcher): void {
    const chain = this.#batches?.get(batcher);
    if (chain === undefined || this.#closed) return;
    this.#batches?.delete(batcher);
    this.giveShared(chain.chunk(this.dialect, batcher.kept), NEXT_FLUSH);
  }

  /** Closes all batches: what comes next is to come after what they hold. */
  settleAll(): void {
    if (this.#batches === undefined || this.#batches.size === 0) return;
    for (const batcher of [...this.#batches.keys()]) this.settle(batcher);
  }

  /**
   * Calls `onWritten` once what was given so far is written, and what that answers with once the transport confirms
   * that the client has it.
   */
  confirm(onWritten: () => () => void): void {
    if (this.#closed) return;
    const ask = (): void => this.#sink.confirm(onWritten());
    if (this.#dueMs === NOT_DUE) {
      ask();
      return;
    }
    this.#asking ??= [];
    this.#asking.push(ask);
  }

  /** Whether a page of the log may be written now. */
  hasRoom(): boolean {
    return this.#sink.bytesInFlight + this.#chain.length < this.#host.maxBytesInFlight;
  }

  park(reader: LogReader): void {
    this.#parked ??= [];
    this.#parked.push(reader);
  }

  /** Events of the subscription are kept until the client has answered. */
  hold(subscription: Subscription): void {
    this.#held ??= [];
    this.#held.push(subscription);
  }

  /** The door calls it when the client answered for bytes in flight. */
  relieved(): void {
    if ((this.#parked === undefined && this.#held === undefined) || !this.hasRoom()) return;
    const held = this.#held ?? [];
    const parked = this.#parked ?? [];
    this.#held = undefined;
    this.#parked = undefined;
    for (const subscription of held) this.#host.release(subscription);
    for (const reader of parked) this.#host.resume(reader);
  }

  flush(): void {
    if (this.#dueMs === NOT_DUE) return;
    this.#dueMs = NOT_DUE;
    if (this.#closed) {
      this.#chain = this.#host.emptyChain;
      return;
    }
    if (this.#chain.events > 0 && this.#sink.bytesInFlight >= this.#host.maxBytesInFlight) this.#flushSlow();
    else this.#flushAll();
    if (this.#asking !== undefined) this.#ask(this.#asking);
    if (this.#parked !== undefined || this.#held !== undefined) this.relieved();
  }

  dueNow(): void {
    if (this.#dueMs > NEXT_FLUSH && this.#dueMs !== NOT_DUE) this.#hasten(NEXT_FLUSH);
  }

  end(code: CodeName, reason: string): void {
    this.#end(code, reason);
  }

  close(): void {
    this.#closed = true;
    this.#batches = undefined;
    this.#asking = undefined;
    this.#parked = undefined;
    this.#held = undefined;
    this.#chain = this.#host.emptyChain;
  }

  #flushAll(): void {
    const chain = this.#takeChain();
    this.#host.counters.savedBytes += chain.savedBytes;
    this.#write(chain.bytes(), chain.events);
  }

  #flushSlow(): void {
    this.settleAll();
    const chain = this.#takeChain();
    this.#dueMs = NOT_DUE;
    const kept = chain.keptBytes();
    if (kept.length > 0) this.#write(kept, chain.keptEvents());
    this.#host.slowDown(this, chain.unkeptStarts());
  }

  #takeChain(): FrameChain {
    const chain = this.#chain;
    this.#chain = this.#host.emptyChain;
    return chain;
  }

  #ask(asking: readonly (() => void)[]): void {
    this.#asking = undefined;
    for (const ask of asking) ask();
  }

  #write(frames: Buffer, events: number): void {
    this.#host.counters.deliveries += events;
    this.#sink.write(frames);
  }

  #hasten(dueMs: number): void {
    const { flusher } = this.#host;
    const wasWithFlusher = this.#dueMs <= NEXT_FLUSH;
    this.#dueMs = dueMs;
    if (dueMs > NEXT_FLUSH) {
      flusher.addLater(this, dueMs);
      return;
    }
    if (!wasWithFlusher) flusher.add(this);
    if (dueMs === AT_ONCE) flusher.hurry();
  }
}
