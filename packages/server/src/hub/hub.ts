import { type Cursor, MillraceError, type Position, type RecoveryFailure } from '@millrace/protocol';
import type { Clock, Turns } from '../clock.ts';
import type { Engine, ReadFrom, ReadResult } from '../engine/engine.ts';
import { CursorClock, cursorOrigin, cursorReaches, laterCursor } from './cursor-clock.ts';
import type { Dialect } from './dialect.ts';
import { EntityFeed } from './entity-feed.ts';
import { Flusher } from './flusher.ts';
import { FollowedEntities } from './followed-entities.ts';
import { FrameChain } from './frame-chain.ts';
import { LogReader, PAGE, type ReaderHost } from './log-reader.ts';
import { type LogPage, type LogSource, PatternSource, TopicSource } from './log-source.ts';
import { readByCursor } from './read-by-cursor.ts';
import { ReadTurns } from './read-turns.ts';
import { RecentEvents } from './recent-events.ts';
import type { Selection } from './selection.ts';
import type { Sink } from './sink.ts';
import { Subscriber, type SubscriberHost } from './subscriber.ts';
import { Subscription } from './subscription.ts';

export interface HubOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Bytes on their way to a client beyond which it counts as slow. */
  readonly maxBytesInFlight: number;
  /** Memory for recent events, over all entities. */
  readonly maxRecentBytes: number;
  /** The longest age of an event that the topic's retention allows, in ms. */
  readonly maxAgeMs: (topic: string) => number | undefined;
  readonly onError: (error: unknown, doing: string) => void;
}

/** Where a subscription begins. */
export type Start =
  | { readonly kind: 'now' }
  | { readonly kind: 'earliest' }
  | { readonly kind: 'position'; readonly position: Position; readonly id?: string }
  | { readonly kind: 'cursor'; readonly cursor: Cursor }
  | { readonly kind: 'last'; readonly count: number }
  | { readonly kind: 'time'; readonly timeMs: number };

/** What a client is told before the first event of a subscription. */
export interface Opened {
  /** The topic's head; missing for patterns. */
  readonly position?: Position;
  readonly cursor: string;
  readonly recovered?: boolean;
  readonly reason?: RecoveryFailure;
  readonly replayed: number;
  readonly sealed: boolean;
}

/** Brings every event to the sessions that are to get it, live or from the log. */
export class Hub implements ReaderHost, SubscriberHost {
  readonly turns: ReadTurns;
  readonly flusher: Flusher;
  readonly emptyChain: FrameChain = FrameChain.createEmpty();
  readonly maxBytesInFlight: number;
  readonly recent: RecentEvents;
  /** Plain counters: the hot path only counts. */
  readonly counters = {
    deliveries: 0,
    replayed: 0,
    lags: 0,
    recoveries: 0,
    failedRecoveries: 0,
    subscriptions: 0,
  };
  readonly #options: HubOptions;
  readonly #entities: FollowedEntities;

  constructor(options: HubOptions) {
    this.#options = options;
    this.maxBytesInFlight = options.maxBytesInFlight;
    this.turns = new ReadTurns(options);
    this.recent = new RecentEvents(options.maxRecentBytes);
    this.flusher = new Flusher({ ...options, onFlushed: () => this.emptyChain.forget() });
    this.#entities = new FollowedEntities({
      engine: options.engine,
      clock: options.clock,
      createFeed: (entity, start) => this.#createFeed(entity, start),
    });
  }

  /** Brings a session in; it gets nothing until it subscribes. */
  attach(entity: string, dialect: Dialect, sink: Sink): Promise<Subscriber> {
    return this.#entities.join(entity, (feed) => new Subscriber(feed, dialect, sink, this));
  }

  detach(subscriber: Subscriber): void {
    if (subscriber.closed) return;
    for (const subscription of subscriber.subscriptions) this.#end(subscription);
    this.counters.subscriptions -= subscriber.subscriptions.length;
    subscriber.subscriptions.length = 0;
    subscriber.close();
    this.#entities.leave(subscriber);
  }

  /**
   * Subscribes and replays. `onOpened` is called once, before any event of the subscription is given to the
   * subscriber. Rejects when the log cannot be read; then nothing is subscribed.
   */
  async subscribe(
    subscriber: Subscriber,
    selection: Selection,
    start: Start,
    onOpened: (opened: Opened) => void,
  ): Promise<void> {
    const subscription = new Subscription(subscriber, selection);
    // Before the subscription of that name is let go, which a bad request must not end.
    if (selection.kind === 'patterns') assertStartOfPattern(start);
    this.unsubscribe(subscriber, subscription.name);
    subscriber.subscriptions.push(subscription);
    this.counters.subscriptions++;
    try {
      if (selection.kind === 'topic') await this.#openTopic(subscription, selection.topic, start, onOpened);
      else await this.#openPatterns(subscription, selection.patterns, start, onOpened);
    } catch (error) {
      this.#remove(subscription);
      throw error;
    }
  }

  /** False when there is no such subscription. Nothing of it is given to the subscriber afterwards. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const subscription = subscriber.find(name);
    if (subscription === undefined) return false;
    this.#remove(subscription);
    return true;
  }

  /** Deletes a topic from the log and from memory. */
  async deleteTopic(entity: string, topic: string): Promise<boolean> {
    const deleted = await this.#options.engine.delete(entity, topic);
    this.#entities.feed(entity)?.forgetTopic(topic);
    return deleted;
  }

  close(): void {
    this.#entities.close();
  }

  // What readers and subscribers ask of the hub.

  readPage(source: LogSource, limit: { maxEvents: number; maxBytes: number }): Promise<LogPage> {
    return source.read(this.#options.engine, limit);
  }

  skipLost(source: LogSource): ReturnType<LogSource['skipLost']> {
    return source.skipLost(this.#options.engine);
  }

  countReplayed(events: number): void {
    this.counters.replayed += events;
  }

  join(subscription: Subscription, read: LogSource): void {
    subscription.state = { kind: 'joining', read };
    this.#promoteIfReached(subscription, read);
    subscription.subscriber.feed.register(subscription);
  }

  fail(subscription: Subscription, error: unknown): void {
    this.#options.onError(error, `reading the log for the subscription ${subscription.name}`);
    this.#remove(subscription);
    const code = error instanceof MillraceError ? error.code : 'internal';
    const reason = 'the log could not be read; subscribe again';
    subscription.subscriber.tell({ type: 'unsubscribed', topic: subscription.name, code, reason });
  }

  lag(subscriber: Subscriber, events: number): void {
    this.counters.lags++;
    // The window that is being flushed has already been left behind by the flusher.
    const window = this.flusher.window - 1;
    const { feed } = subscriber;
    for (const subscription of subscriber.subscriptions) {
      const { state } = subscription;
      if (state.kind !== 'live' && state.kind !== 'joining') continue;
      const source = this.#sourceBefore(subscription, state.read, window);
      feed.unregister(subscription);
      const reader = new LogReader(subscription, source, feed, this, { lagging: true });
      subscription.state = { kind: 'reading', reader };
      subscriber.tell({ type: 'lag', topic: subscription.name, behind: this.#behind(source, feed, events) });
      subscriber.park(reader);
    }
  }

  resume(reader: LogReader): void {
    this.turns.add(reader);
  }

  /** A place before everything that the session may not have, and not before what it began with. */
  #sourceBefore(subscription: Subscription, read: LogSource, window: number): LogSource {
    const { feed } = subscription.subscriber;
    if (read instanceof TopicSource) {
      const before = feed.positionBefore(read.topic, window);
      if (before === undefined || read.covers(before)) {
        return new TopicSource(read.entity, read.topic, read.position);
      }
      return new TopicSource(read.entity, read.topic, { epoch: before.epoch, offset: before.offset });
    }
    if (!(read instanceof PatternSource)) return read;
    // What it began with may be ahead in one partition and behind in another.
    return new PatternSource(read.entity, read.patterns, laterCursor(read.cursor, feed.cursorBefore(window)));
  }

  #behind(source: LogSource, feed: EntityFeed, atLeast: number): number {
    if (!(source instanceof TopicSource)) return atLeast;
    const head = feed.position(source.topic);
    return head?.epoch === source.position.epoch ? head.offset - source.position.offset : atLeast;
  }

  #promoteIfReached(subscription: Subscription, read: LogSource): void {
    const { feed } = subscription.subscriber;
    const reached =
      read instanceof TopicSource
        ? feed.position(read.topic)?.epoch === read.position.epoch &&
          (feed.position(read.topic)?.offset ?? 0) >= read.position.offset
        : read instanceof PatternSource && cursorReaches(feed.cursor.now(), read.cursor);
    if (reached) subscription.state = { kind: 'live', read };
  }

  async #openTopic(
    subscription: Subscription,
    topic: string,
    start: Start,
    onOpened: (opened: Opened) => void,
  ): Promise<void> {
    const { subscriber } = subscription;
    const { feed } = subscriber;
    const cursor = feed.cursor.cursorText();
    const asked = start.kind !== 'now';
    const source = new TopicSource(feed.entity, topic, start.kind === 'position' ? start.position : NOWHERE);
    const reader = new LogReader(subscription, source, feed, this, { lagging: false });
    subscription.state = { kind: 'reading', reader };

    const known = start.kind === 'position' ? feed.knownSince(topic, start.position, start.id) : undefined;
    if (known !== undefined) {
      this.#countRecovery(asked, true);
      const replayed = known.offset - source.position.offset;
      const position = { epoch: known.epoch, offset: known.offset };
      onOpened({ position, cursor, recovered: true, replayed, sealed: known.sealed });
      this.turns.add(reader);
      return;
    }

    // Live events wait from here on, so that the head that is read below and what follows it fit together.
    reader.register();
    const first = await this.#readFirst(feed.entity, topic, start);
    if (reader.ended) return;
    this.#countRecovery(asked, first.ok);
    onOpened({
      position: first.head,
      cursor,
      ...(asked && { recovered: first.ok }),
      ...(!first.ok && { reason: first.reason }),
      replayed: first.ok ? first.events.length + first.behind : 0,
      sealed: first.sealed,
    });
    source.moveTo(first.ok ? first.position : first.head, first.seq);
    reader.proceed({ ok: true, events: [], behind: 0, ...(first.ok && first) }, source.cursorClock());
  }

  #readFirst(entity: string, topic: string, start: Start): Promise<ReadResult> {
    const { engine } = this.#options;
    if (start.kind === 'cursor') return readByCursor(engine, entity, topic, start.cursor, PAGE);
    return engine.read(entity, topic, readFrom(start), PAGE);
  }

  async #openPatterns(
    subscription: Subscription,
    patterns: readonly string[],
    start: Start,
    onOpened: (opened: Opened) => void,
  ): Promise<void> {
    const { subscriber } = subscription;
    const { feed } = subscriber;
    const now = feed.cursor.now();
    const cursor = feed.cursor.cursorText();
    if (start.kind === 'now') {
      subscription.state = { kind: 'live', read: new PatternSource(feed.entity, patterns, now) };
      feed.register(subscription);
      onOpened({ cursor, replayed: 0, sealed: false });
      return;
    }
    assertStartOfPattern(start);
    const from = start.kind === 'earliest' ? 'earliest' : start.cursor;
    const source = new PatternSource(feed.entity, patterns, from);
    const reader = new LogReader(subscription, source, feed, this, { lagging: false });
    subscription.state = { kind: 'reading', reader };
    const known = from === 'earliest' ? undefined : feed.readPatterns(patterns, from, PAGE.maxBytes)?.page;
    if (known !== undefined && !known.more) {
      this.#countRecovery(true, true);
      onOpened({ cursor, recovered: true, replayed: known.entries.length, sealed: false });
      this.turns.add(reader);
      return;
    }
    // The events of the first page must carry a place to resume from, also those before all others.
    const clock = from === 'earliest' ? new CursorClock(cursorOrigin(now)) : source.cursorClock();
    const first = await reader.readFirst();
    if (reader.ended) return;
    this.#countRecovery(true, first.ok);
    if (first.ok) {
      onOpened({ cursor, recovered: true, replayed: first.events.length + first.behind, sealed: false });
      reader.proceed(first, clock);
      return;
    }
    reader.end();
    const head = feed.cursor.now();
    subscription.state = { kind: 'live', read: new PatternSource(feed.entity, patterns, head) };
    feed.register(subscription);
    onOpened({
      cursor: feed.cursor.cursorText(),
      recovered: false,
      reason: first.reason,
      replayed: 0,
      sealed: false,
    });
  }

  #countRecovery(asked: boolean, recovered: boolean): void {
    if (!asked) return;
    if (recovered) this.counters.recoveries++;
    else this.counters.failedRecoveries++;
  }

  #remove(subscription: Subscription): void {
    const { subscriptions } = subscription.subscriber;
    const index = subscriptions.indexOf(subscription);
    if (index === -1) return;
    subscriptions.splice(index, 1);
    this.counters.subscriptions--;
    this.#end(subscription);
  }

  #end(subscription: Subscription): void {
    if (subscription.state.kind === 'reading') subscription.state.reader.end();
    subscription.subscriber.feed.unregister(subscription);
    subscription.state = { kind: 'ended' };
  }

  #createFeed(entity: string, start: Cursor): EntityFeed {
    return new EntityFeed(entity, start, {
      recent: this.recent,
      flusher: this.flusher,
      clock: this.#options.clock,
      oldestMs: (topic) => this.#oldestMs(topic),
      onDelivered: (deliveries) => {
        this.counters.deliveries += deliveries;
      },
      onPromoted: (subscription) => this.#promote(subscription),
    });
  }

  #oldestMs(topic: string): number {
    const maxAgeMs = this.#options.maxAgeMs(topic);
    return maxAgeMs === undefined ? 0 : this.#options.clock.now() - maxAgeMs;
  }

  #promote(subscription: Subscription): void {
    if (subscription.state.kind !== 'joining') return;
    const { feed } = subscription.subscriber;
    const { read } = subscription.state;
    // Of one topic, whatever follows an event that was not read ahead was not read ahead either, also in a log that was
    // not born when the reader looked. Of several, one may be ahead and another not.
    if (read instanceof TopicSource) subscription.state = { kind: 'live', read };
    else this.#promoteIfReached(subscription, read);
    // The audience was made for a subscription that waits.
    if (subscription.state.kind !== 'joining') feed.register(subscription);
  }
}

type StartOfPattern = Extract<Start, { kind: 'now' | 'earliest' | 'cursor' }>;

function assertStartOfPattern(start: Start): asserts start is StartOfPattern {
  if (start.kind === 'now' || start.kind === 'earliest' || start.kind === 'cursor') return;
  throw new MillraceError(
    'bad-position',
    'a pattern is resumed by a cursor or "earliest", not by a position, count or time',
  );
}

/** A position that no log has; it is replaced by the first read. */
const NOWHERE: Position = { epoch: '', offset: 0 };

function readFrom(start: Exclude<Start, { kind: 'cursor' }>): ReadFrom {
  switch (start.kind) {
    case 'now':
      return { last: 0 };
    case 'earliest':
      return { earliest: true };
    case 'last':
      return { last: start.count };
    case 'time':
      return { time: start.timeMs };
    case 'position':
      return { after: start.position, ...(start.id !== undefined && { id: start.id }) };
  }
}
