import {
  BROADCAST_TOPIC,
  type Cursor,
  compileFilter,
  MAX_LAST_OF_PATTERN,
  MillraceError,
  overlapsPattern,
  type Position,
  type RecoveryFailure,
  selectsTopic,
} from '@millrace/protocol';
import type { Clock, Turns } from '../clock.ts';
import {
  type Engine,
  isCursor,
  type ReadFrom,
  type ReadResult,
  type ReadSinceFrom,
  type StoredEvent,
} from '../engine/engine.ts';
import { Batcher, takesBatches } from './batcher.ts';
import { cursorBefore, cursorReaches, laterCursor } from './cursor-clock.ts';
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
import { type Dropped, isDropping, type QueueBounds, type SlowPolicy, SlowQueue } from './slow-queue.ts';
import { Subscriber, type SubscriberHost, type SubscriberOptions } from './subscriber.ts';
import { Subscription, type SubscriptionOptions } from './subscription.ts';

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
  /** What may wait for one subscription of a slow session, under a policy that drops. */
  readonly queueBounds: QueueBounds;
  /** What a topic's namespace says of its delivery; a pattern's when its first segment is a name. */
  readonly deliveryOf: (topicOrPattern: string) => DeliveryPolicy;
  readonly onError: (error: unknown, doing: string) => void;
}

/** How a namespace's events are delivered. */
export interface DeliveryPolicy {
  /** For subscriptions that name none. */
  readonly slow: SlowPolicy;
  /** How long an event may wait for company before it is written, in ms. */
  readonly flushWindowMs: number;
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
    /** Live events written to sessions. */
    deliveries: 0,
    /** Events of the log written to sessions. */
    replayed: 0,
    lags: 0,
    recoveries: 0,
    failedRecoveries: 0,
    /** Events that recoveries promised. */
    recoveredEvents: 0,
    subscriptions: 0,
    /** Events that slow sessions were not given, by their policy. */
    dropped: 0,
    /** Sessions ended because they read too slowly. */
    slowEnded: 0,
    /** By compression, over all that was written. */
    savedBytes: 0,
  };
  readonly #batchers: Map<string, Batcher> = new Map();
  #queued = 0;
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
  attach(entity: string, options: SubscriberOptions): Promise<Subscriber> {
    return this.#entities.join(entity, (feed) => {
      const subscriber = new Subscriber(feed, options, this);
      feed.attach(subscriber);
      return subscriber;
    });
  }

  /** Events that wait for slow sessions now. */
  get queueDepth(): number {
    return this.#queued;
  }

  detach(subscriber: Subscriber): void {
    if (subscriber.closed) return;
    for (const subscription of subscriber.subscriptions) this.#end(subscription);
    this.counters.subscriptions -= subscriber.subscriptions.length;
    subscriber.subscriptions.length = 0;
    subscriber.close();
    subscriber.feed.detach(subscriber);
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
    options: SubscriptionOptions,
    onOpened: (opened: Opened) => void,
  ): Promise<void> {
    const subscription = this.#createSubscription(subscriber, selection, options);
    // Before the subscription of that name is let go, which a bad request must not end.
    if (selection.kind === 'patterns') sinceFrom(start);
    this.unsubscribe(subscriber, subscription.name);
    this.#add(subscription);
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

  now(): number {
    return this.#options.clock.monotonic();
  }

  slowDown(subscriber: Subscriber, unwritten: readonly StoredEvent[]): void {
    this.counters.lags++;
    this.#addImplicit(subscriber, unwritten);
    const following = subscriber.subscriptions.filter(
      ({ state: { kind } }) => kind === 'live' || kind === 'joining',
    );
    if (following.some(({ slow }) => slow === 'disconnect')) {
      this.counters.slowEnded++;
      subscriber.end(
        'slow-consumer',
        'the client does not read as fast as events come; read faster, or filter',
      );
      return;
    }
    for (const subscription of following) {
      const { slow } = subscription;
      if (isDropping(slow) && !overlapsAnother(subscription)) this.#hold(subscription, slow);
      else this.#readOn(subscription, unwritten);
    }
  }

  resume(reader: LogReader): void {
    this.turns.add(reader);
  }

  release(subscription: Subscription): void {
    const { state, subscriber } = subscription;
    if (state.kind !== 'held') return;
    const { dialect, feed } = subscriber;
    const { events, dropped } = state.queue.drain();
    this.#queued -= events.length;
    for (const each of dropped) subscriber.tell({ type: 'dropped', ...told(each, subscription) });
    const clock = state.read.cursorClock();
    const frames = events.map((event) => {
      clock.advance(event);
      return dialect.encodeEvent(event, clock);
    });
    if (frames.length > 0) subscriber.give(Buffer.concat(frames));
    subscription.state = { kind: 'live', read: this.#placeNow(subscription, state.read) };
    feed.register(subscription);
  }

  /** The last place of a topic that this session was surely handed; it must subscribe to the topic by name. */
  sentUpTo(subscriber: Subscriber, topic: string): Position | undefined {
    const state = subscriber.find(topic)?.state;
    if (state === undefined || state.kind === 'ended' || state.kind === 'held') return undefined;
    const read = state.kind === 'reading' ? state.reader.source : state.read;
    if (!(read instanceof TopicSource)) return undefined;
    const head = state.kind === 'reading' ? undefined : subscriber.feed.position(topic);
    if (head === undefined || read.covers(head)) return read.position;
    return { epoch: head.epoch, offset: head.offset };
  }

  /** Live events wait in a queue of bounded size from now on; what was written up to here is behind it. */
  #hold(subscription: Subscription, policy: 'drop-oldest' | 'conflate'): void {
    const { state, subscriber } = subscription;
    if (state.kind !== 'live' && state.kind !== 'joining') return;
    const queue = new SlowQueue(policy, this.#options.queueBounds);
    const read = state.kind === 'joining' ? state.read : this.#placeNow(subscription, state.read);
    subscription.state = { kind: 'held', read, queue };
    subscriber.feed.register(subscription);
    subscriber.hold(subscription);
  }

  #queue(subscription: Subscription, event: StoredEvent): void {
    const { state } = subscription;
    if (state.kind !== 'held' || state.read.covers(event)) return;
    const before = state.queue.length;
    state.queue.push(event);
    const grown = state.queue.length - before;
    this.#queued += grown;
    this.counters.dropped += 1 - grown;
  }

  /** From now on the log is read for it, from where the client surely is. */
  #readOn(subscription: Subscription, unwritten: readonly StoredEvent[]): void {
    const { state, subscriber, name: topic } = subscription;
    if (state.kind !== 'live' && state.kind !== 'joining') return;
    const { feed } = subscriber;
    const source = this.#sourceBefore(subscription, state.read, unwritten);
    feed.unregister(subscription);
    const reader = new LogReader(subscription, source, feed, this, { lagging: true });
    subscription.state = { kind: 'reading', reader };
    subscriber.tell({
      type: 'lag',
      topic,
      behind: source.behind(feed) ?? Math.max(unwritten.length, 1),
    });
    subscriber.park(reader);
  }

  /** Events that a session gets without a subscription are read from the log like any other, once it is slow. */
  #addImplicit(subscriber: Subscriber, unwritten: readonly StoredEvent[]): void {
    for (const event of unwritten) {
      const { topic } = event;
      // What an unsubscribed topic still had to bring is not wanted any more.
      if (topic !== BROADCAST_TOPIC && !subscriber.direct.includes(topic)) continue;
      if (subscriber.subscriptions.some(({ patterns }) => selectsTopic(patterns, topic))) continue;
      const subscription = new Subscription(
        subscriber,
        { kind: 'topic', topic },
        { filter: undefined, batch: undefined, slow: 'catchup', implicit: true },
      );
      const { epoch, offset } = event;
      const read = new TopicSource(event.entity, topic, { epoch, offset: offset - 1 });
      subscription.state = { kind: 'live', read };
      this.#add(subscription);
    }
  }

  #placeNow({ subscriber: { feed } }: Subscription, read: LogSource): LogSource {
    if (read instanceof PatternSource)
      return new PatternSource(read.entity, read.patterns, feed.cursor.now());
    if (!(read instanceof TopicSource)) return read;
    const head = feed.position(read.topic);
    if (head === undefined || read.covers(head)) return read;
    const now = new TopicSource(read.entity, read.topic, { epoch: head.epoch, offset: head.offset });
    now.moveTo(now.position, head.seq);
    return now;
  }

  /** A place before everything that the session may not have, and not before what it began with. */
  #sourceBefore(subscription: Subscription, read: LogSource, unwritten: readonly StoredEvent[]): LogSource {
    const { feed } = subscription.subscriber;
    if (read instanceof TopicSource) {
      const first = unwritten.find(({ topic }) => topic === read.topic);
      const before = first
        ? { ...first, offset: first.offset - 1, seq: first.seq - 1 }
        : feed.position(read.topic);
      if (before === undefined || read.covers(before)) {
        return new TopicSource(read.entity, read.topic, read.position);
      }
      return new TopicSource(read.entity, read.topic, { epoch: before.epoch, offset: before.offset });
    }
    if (!(read instanceof PatternSource)) return read;
    const matching = unwritten.filter(({ topic }) => selectsTopic(read.patterns, topic));
    const written = cursorBefore(feed.cursor.now(), matching);
    // What it began with may be ahead in one partition and behind in another.
    return new PatternSource(read.entity, read.patterns, laterCursor(read.cursor, written));
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
      const replayed = known.offset - source.position.offset;
      this.#countRecovery(asked, true, replayed);
      const position = { epoch: known.epoch, offset: known.offset };
      onOpened({ position, cursor, recovered: true, replayed, sealed: known.sealed });
      this.turns.add(reader);
      return;
    }

    // Live events wait from here on, so that the head that is read below and what follows it fit together.
    reader.register();
    const first = await this.#readFirst(feed.entity, topic, start);
    if (reader.ended) return;
    const replayed = first.ok ? first.events.length + first.behind : 0;
    this.#countRecovery(asked, first.ok, replayed);
    onOpened({
      position: first.head,
      cursor,
      ...(asked && { recovered: first.ok }),
      ...(!first.ok && { reason: first.reason }),
      replayed,
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
    const from = sinceFrom(start);
    const source = new PatternSource(feed.entity, patterns, from);
    const reader = new LogReader(subscription, source, feed, this, { lagging: false });
    subscription.state = { kind: 'reading', reader };
    const known = isCursor(from) ? feed.readPatterns(patterns, from, PAGE.maxBytes)?.page : undefined;
    if (known !== undefined && !known.more) {
      const replayed = known.entries.length;
      this.#countRecovery(true, true, replayed);
      onOpened({ cursor, recovered: true, replayed, sealed: false });
      this.turns.add(reader);
      return;
    }
    const first = await reader.readFirst();
    if (reader.ended) return;
    const replayed = first.ok ? first.events.length + first.behind : 0;
    this.#countRecovery(true, first.ok, replayed);
    if (first.ok) {
      onOpened({ cursor, recovered: true, replayed, sealed: false });
      // The events of the first page must carry a place to resume from, wherever it was found to begin.
      reader.proceed(first, source.clockBeforePage());
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

  #countRecovery(asked: boolean, recovered: boolean, replayed: number): void {
    if (!asked) return;
    this.counters.recoveredEvents += replayed;
    if (recovered) this.counters.recoveries++;
    else this.counters.failedRecoveries++;
  }

  #createSubscription(
    subscriber: Subscriber,
    selection: Selection,
    { filter, batch, slow }: SubscriptionOptions,
  ): Subscription {
    const [first = ''] = selection.kind === 'topic' ? [selection.topic] : selection.patterns;
    return new Subscription(subscriber, selection, {
      filter: filter === undefined || filter.length === 0 ? undefined : compileFilter(filter),
      batch: takesBatches(subscriber.dialect) ? batch : undefined,
      slow: slow ?? this.#options.deliveryOf(first).slow,
      implicit: false,
    });
  }

  #batcherOf(subscription: Subscription): Batcher | undefined {
    const { batch } = subscription;
    if (batch === undefined) return undefined;
    const kept = keeps(subscription);
    const key = `${batch.maxEvents} ${batch.maxDelayMs} ${kept}`;
    let batcher = this.#batchers.get(key);
    if (batcher === undefined) {
      batcher = new Batcher(batch, kept, this.#options.clock);
      this.#batchers.set(key, batcher);
    }
    return batcher;
  }

  #add(subscription: Subscription): void {
    const { subscriber } = subscription;
    // What the session was given before goes before what this changes.
    subscriber.settleAll();
    subscriber.subscriptions.push(subscription);
    this.counters.subscriptions++;
    this.#refreshOthers(subscription);
  }

  #remove(subscription: Subscription): void {
    const { subscriber } = subscription;
    const { subscriptions } = subscriber;
    const index = subscriptions.indexOf(subscription);
    if (index === -1) return;
    subscriber.settleAll();
    subscriptions.splice(index, 1);
    this.counters.subscriptions--;
    this.#end(subscription);
    this.#refreshOthers(subscription);
  }

  /** How a session gets the events of a dropping subscription depends on whether another overlaps it. */
  #refreshOthers({ subscriber, patterns }: Subscription): void {
    for (const other of subscriber.subscriptions) {
      if (isDropping(other.slow) && other.state.kind === 'live' && overlaps(other.patterns, patterns)) {
        subscriber.feed.register(other);
      }
    }
  }

  #end(subscription: Subscription): void {
    if (subscription.state.kind === 'reading') subscription.state.reader.end();
    if (subscription.state.kind === 'held') this.#queued -= subscription.state.queue.length;
    subscription.subscriber.feed.unregister(subscription);
    subscription.state = { kind: 'ended' };
  }

  #createFeed(entity: string, start: Cursor): EntityFeed {
    return new EntityFeed(entity, start, {
      recent: this.recent,
      clock: this.#options.clock,
      oldestMs: (topic) => this.#oldestMs(topic),
      flushWindowMs: (topic) => this.#options.deliveryOf(topic).flushWindowMs,
      batcherOf: (subscription) => this.#batcherOf(subscription),
      keeps,
      onDue: (storedMs) => this.flusher.noteStored(storedMs),
      onPromoted: (subscription) => this.#promote(subscription),
      onHeld: (subscription, event) => this.#queue(subscription, event),
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

/** Where the replay of patterns begins; for `now`, which has none, the head. */
function sinceFrom(start: Start): ReadSinceFrom {
  switch (start.kind) {
    case 'now':
      return { last: 0 };
    case 'earliest':
      return 'earliest';
    case 'cursor':
      return start.cursor;
    case 'last':
      if (start.count <= MAX_LAST_OF_PATTERN) return { last: start.count };
      throw new MillraceError(
        'bad-position',
        `last: at most ${MAX_LAST_OF_PATTERN} events of a pattern; use a time or "earliest"`,
      );
    case 'time':
      return { time: start.timeMs };
    case 'position':
      throw new MillraceError(
        'bad-position',
        'a position resumes one topic; several topics and patterns are resumed by a cursor',
      );
  }
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

/** Whether what a slow session misses of a live subscription is nowhere read again, so that it must be written. */
function keeps(subscription: Subscription): boolean {
  return isDropping(subscription.slow) && !overlapsAnother(subscription);
}

/** Where subscriptions overlap, an event belongs to both: then nothing is dropped, and the log is read ([FLOW-7]). */
function overlapsAnother(subscription: Subscription): boolean {
  const { subscriptions } = subscription.subscriber;
  if (subscriptions.length === 1) return false;
  return subscriptions.some(
    (other) => other !== subscription && overlaps(other.patterns, subscription.patterns),
  );
}

function overlaps(some: readonly string[], others: readonly string[]): boolean {
  return some.some((a) => others.some((b) => overlapsPattern(a, b)));
}

function told({ topic, ...rest }: Dropped, subscription: Subscription): Dropped & { topic: string } {
  return { topic: topic ?? subscription.name, ...rest };
}
