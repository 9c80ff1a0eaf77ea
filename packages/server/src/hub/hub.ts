import { type Cursor, compileFilter, MillraceError, type Position } from '@millrace/protocol';
import type { Clock, Turns } from '../clock.ts';
import type { Engine, StoredEvent } from '../engine/engine.ts';
import { type Batcher, takesBatches } from './batcher.ts';
import { cursorReaches } from './cursor-clock.ts';
import type { Dialect } from './dialect.ts';
import { EntityFeed } from './entity-feed.ts';
import { Flusher } from './flusher.ts';
import { FollowedEntities } from './followed-entities.ts';
import { FrameChain } from './frame-chain.ts';
import type { LogReader, ReaderHost } from './log-reader.ts';
import { type LogPage, type LogSource, PatternSource, TopicSource } from './log-source.ts';
import { type Opened, Openings, type Start, sinceFrom } from './opening.ts';
import { keeps, overlaps } from './overlap.ts';
import { ReadTurns } from './read-turns.ts';
import { RecentEvents } from './recent-events.ts';
import type { Selection } from './selection.ts';
import { SharedBatchers } from './shared-batchers.ts';
import { isDropping, type QueueBounds, type SlowPolicy } from './slow-queue.ts';
import { SlowSessions } from './slow-sessions.ts';
import type { SnapshotSource } from './snapshot.ts';
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
  /** What may wait for one slow session, under policies that drop. */
  readonly queueBounds: QueueBounds;
  /** What a topic's namespace says of its delivery; a pattern's when its first segment is a name. */
  readonly deliveryOf: (topicOrPattern: string) => DeliveryPolicy;
  /** What subscriptions since a snapshot begin with. */
  readonly snapshots: SnapshotSource;
  readonly onError: (error: unknown, doing: string) => void;
}

/** How a namespace's events are delivered. */
export interface DeliveryPolicy {
  /** For subscriptions that name none. */
  readonly slow: SlowPolicy;
  /** How long an event may wait for company before it is written, in ms. */
  readonly flushWindowMs: number;
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
  readonly #batchers: SharedBatchers;
  readonly #slow: SlowSessions;
  readonly #openings: Openings;
  readonly #options: HubOptions;
  readonly #entities: FollowedEntities;

  constructor(options: HubOptions) {
    this.#options = options;
    this.maxBytesInFlight = options.maxBytesInFlight;
    this.turns = new ReadTurns(options);
    this.#batchers = new SharedBatchers(options.clock);
    this.recent = new RecentEvents(options.maxRecentBytes);
    this.flusher = new Flusher({ ...options, onFlushed: () => this.emptyChain.forget() });
    const { counters } = this;
    this.#slow = new SlowSessions({ ...options, readers: this, counters, add: (added) => this.#add(added) });
    this.#openings = new Openings({ ...options, readers: this, counters });
    this.#entities = new FollowedEntities({
      engine: options.engine,
      clock: options.clock,
      createFeed: (entity, start) => this.#createFeed(entity, start),
      readOn: (subscriber) => this.#slow.readOn(subscriber),
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

  /** What live delivery has handed out of an entity that is being followed; `undefined` of others. */
  feed(entity: string): EntityFeed | undefined {
    return this.#entities.feed(entity);
  }

  /** Events that wait for slow sessions now. */
  get queueDepth(): number {
    return this.#slow.queueDepth;
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
    if (selection.kind === 'patterns' && start.kind !== 'snapshot') sinceFrom(start);
    const before = subscriber.find(subscription.name);
    if (before !== undefined) this.#remove(before);
    this.#add(subscription);
    try {
      await this.#openings.open(subscription, start, onOpened);
    } catch (error) {
      this.#remove(subscription);
      throw error;
    }
  }

  /** False when nobody asked for such a subscription. Nothing of it is given to the subscriber afterwards. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const subscription = subscriber.find(name);
    if (subscription === undefined || subscription.implicit) return false;
    this.#remove(subscription);
    return true;
  }

  /** The session's client speaks another dialect: from the next frame on it is written to in that one. */
  changeDialect(subscriber: Subscriber, dialect: Dialect): void {
    if (subscriber.closed || subscriber.dialect === dialect) return;
    subscriber.speak(dialect);
    subscriber.feed.changed(subscriber);
    // Audiences group their sessions by dialect.
    for (const subscription of subscriber.subscriptions) {
      if (subscription.state.kind === 'live') subscriber.feed.register(subscription);
    }
  }

  /** Deletes a topic from the log and from memory. */
  async deleteTopic(entity: string, topic: string): Promise<boolean> {
    const deleted = await this.#options.engine.delete(entity, topic);
    this.#entities.feed(entity)?.forgetTopic(topic);
    if (deleted) await this.#options.snapshots.forget(entity, topic);
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
    this.#register(subscription);
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
    this.#slow.slowDown(subscriber, unwritten);
  }

  release(subscription: Subscription): void {
    this.#slow.release(subscription);
  }

  resume(reader: LogReader): void {
    this.turns.add(reader);
  }

  /** The last place of a topic that this session was surely handed; it must subscribe to the topic by name. */
  sentUpTo(subscriber: Subscriber, topic: string): Position | undefined {
    const state = subscriber.find(topic)?.state;
    if (state === undefined || state.kind === 'opening' || state.kind === 'ended' || state.kind === 'held')
      return undefined;
    const read = state.kind === 'reading' ? state.reader.source : state.read;
    if (!(read instanceof TopicSource)) return undefined;
    const head = state.kind === 'reading' ? undefined : subscriber.feed.position(topic);
    if (head === undefined || read.covers(head)) return read.position;
    return { epoch: head.epoch, offset: head.offset };
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

  #createSubscription(
    subscriber: Subscriber,
    selection: Selection,
    { filter, batch, slow }: SubscriptionOptions,
  ): Subscription {
    const [first = ''] = selection.kind === 'topic' ? [selection.topic] : selection.patterns;
    return new Subscription(subscriber, selection, {
      filter: filter === undefined || filter.length === 0 ? undefined : compileFilter(filter),
      batch,
      slow: slow ?? this.#options.deliveryOf(first).slow,
      implicit: false,
    });
  }

  #batcherOf(subscription: Subscription): Batcher | undefined {
    const { batch, subscriber } = subscription;
    if (batch === undefined || !takesBatches(subscriber.dialect)) return undefined;
    const kept = keeps(subscription);
    if (subscription.batcher?.kept !== kept) subscription.batcher = this.#batchers.of(batch, kept);
    return subscription.batcher;
  }

  #add(subscription: Subscription): void {
    const { subscriber } = subscription;
    // What the session was given before goes before what this changes.
    subscriber.settleAll();
    subscriber.subscriptions.push(subscription);
    subscriber.feed.changed(subscriber);
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
    subscriber.feed.changed(subscriber);
    this.counters.subscriptions--;
    this.#end(subscription);
    this.#refreshOthers(subscription);
  }

  /**
   * How a session gets the events of a dropping subscription depends on whether another overlaps it. What waits for it
   * must come before the other's events ([FLOW-7]).
   */
  #refreshOthers(subscription: Subscription): void {
    const { subscriber, patterns } = subscription;
    for (const other of subscriber.subscriptions) {
      if (other === subscription || !isDropping(other.slow) || !overlaps(other.patterns, patterns)) continue;
      if (other.state.kind === 'held') this.#slow.release(other);
      else if (other.state.kind === 'live') subscriber.feed.register(other);
    }
  }

  #end(subscription: Subscription): void {
    if (subscription.state.kind === 'reading') subscription.state.reader.end();
    this.#slow.forget(subscription);
    subscription.subscriber.feed.unregister(subscription);
    subscription.state = { kind: 'ended' };
  }

  /** It may be live now, and its session get at once what was gathered before: that goes first. */
  #register(subscription: Subscription): void {
    const { subscriber } = subscription;
    subscriber.settleAll();
    subscriber.feed.register(subscription);
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
      onHeld: (subscription, event) => this.#slow.keep(subscription, event),
    });
  }

  #oldestMs(topic: string): number {
    const maxAgeMs = this.#options.maxAgeMs(topic);
    return maxAgeMs === undefined ? 0 : this.#options.clock.now() - maxAgeMs;
  }

  #promote(subscription: Subscription): void {
    if (subscription.state.kind !== 'joining') return;
    const { read } = subscription.state;
    // Of one topic, whatever follows an event that was not read ahead was not read ahead either, also in a log that was
    // not born when the reader looked. Of several, one may be ahead and another not.
    if (read instanceof TopicSource) subscription.state = { kind: 'live', read };
    else this.#promoteIfReached(subscription, read);
    // The audience was made for a subscription that waits.
    if (subscription.state.kind !== 'joining') this.#register(subscription);
  }
}
