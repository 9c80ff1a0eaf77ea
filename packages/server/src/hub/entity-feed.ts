import { type Cursor, type Position, selectsTopic } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { StoredEvent } from '../engine/engine.ts';
import { type Audience, Channel, type Group, type Handed, resolveAudience, type Waiter } from './channel.ts';
import { CursorClock } from './cursor-clock.ts';
import type { Dialect } from './dialect.ts';
import type { Flusher } from './flusher.ts';
import {
  Lane,
  RecentEvent,
  type RecentEvents,
  type RecentPage,
  readLanes,
  readTrail,
} from './recent-events.ts';
import type { Subscriber } from './subscriber.ts';
import type { Subscription } from './subscription.ts';

export interface EntityFeedOptions {
  readonly recent: RecentEvents;
  readonly flusher: Flusher;
  readonly clock: Clock;
  /** Events older than this (ms since the epoch) are not served from memory. */
  readonly oldestMs: (topic: string) => number;
  /** Counts deliveries: an event written to a session. */
  readonly onDelivered: (deliveries: number) => void;
  readonly onPromoted: (subscription: Subscription) => void;
}

/** How often sessions that follow patterns are told how far they have come while events flow, in ms. */
const POSITION_EVERY_MS = 1000;

/**
 * One entity's live events on this node: hands each event to the sessions that are to get it, and keeps the newest in
 * memory. Everything here is synchronous, so that what memory holds and where live delivery stands always agree.
 */
export class EntityFeed {
  readonly entity: string;
  readonly recent: RecentEvents;
  /** Everything at or before it was handed out. */
  readonly cursor: CursorClock;
  readonly #options: EntityFeedOptions;
  readonly #channels: Map<string, Channel> = new Map();
  readonly #patternSubscriptions: Set<Subscription> = new Set();
  #patternVersion = 0;
  #lanes: Lane[] = [];
  #positionsDueMs = 0;
  #windowStart: Cursor;
  #window = -1;

  constructor(entity: string, start: Cursor, options: EntityFeedOptions) {
    this.entity = entity;
    this.recent = options.recent;
    this.cursor = new CursorClock(start);
    this.#options = options;
    this.#windowStart = start;
    this.#openLanes(start);
  }

  /** Counts a subscription in: live if its state says so, else every event is offered to it. */
  register(subscription: Subscription): void {
    const { selection } = subscription;
    if (selection.kind === 'topic') {
      const channel = this.#channel(selection.topic);
      channel.subscriptions.add(subscription);
      channel.audience = undefined;
    } else {
      this.#patternSubscriptions.add(subscription);
      this.#patternVersion++;
    }
  }

  unregister(subscription: Subscription): void {
    const { selection } = subscription;
    if (selection.kind === 'topic') {
      const channel = this.#channels.get(selection.topic);
      if (channel === undefined || !channel.subscriptions.delete(subscription)) return;
      channel.audience = undefined;
      channel.releaseIfUnused();
    } else if (this.#patternSubscriptions.delete(subscription)) {
      this.#patternVersion++;
    }
  }

  /** Where everybody stood who has been written to since the last flush: what a session that is lagging has for sure. */
  cursorBefore(window: number): Cursor {
    return this.#window === window ? this.#windowStart : this.cursor.now();
  }

  positionBefore(topic: string, window: number): Handed | undefined {
    return this.#channels.get(topic)?.positionBefore(window);
  }

  /** The last event of the topic that was handed out, where any was. */
  position(topic: string): Handed | undefined {
    return this.#channels.get(topic)?.positionBefore(-2);
  }

  onEvents(events: readonly StoredEvent[]): void {
    if (this.#window !== this.#options.flusher.window) {
      this.#window = this.#options.flusher.window;
      this.#windowStart = this.cursor.now();
    }
    let start = 0;
    while (start < events.length) {
      const { topic } = events[start] as StoredEvent;
      const channel = this.#channel(topic);
      const audience = this.#audienceOf(channel);
      let end = start + 1;
      // Those who wait look at each event, and may be live from the next on.
      if (audience.waiters.length === 0) {
        while (end < events.length && (events[end] as StoredEvent).topic === topic) end++;
      }
      this.#dispatch(channel, audience, events, start, end);
      start = end;
    }
    this.#tellPositions();
  }

  /** After a gap: memory is no continuation any more. A part that `head` lacks goes on undisturbed. */
  restartAt(head: Cursor): void {
    this.cursor.moveTo(head);
    const now = this.cursor.now();
    this.#windowStart = now;
    for (const channel of this.#channels.values()) channel.events.clear();
    this.#openLanes(now);
  }

  /** The topic was deleted: what memory holds of it must not be served. */
  forgetTopic(topic: string): void {
    const channel = this.#channels.get(topic);
    if (channel === undefined || channel.events.length === 0) return;
    channel.events.clear();
    // A pattern's replay would still find the events in its lane, so that lanes begin anew as well.
    for (const lane of this.#lanes) {
      lane.floor = this.cursor.seq(lane.slot, lane.partition);
      lane.events.clear();
    }
    channel.releaseIfUnused();
  }

  /** The newest event of a topic if memory holds everything after the position, and the position is of this log. */
  knownSince(topic: string, after: Position, id: string | undefined): StoredEvent | undefined {
    const channel = this.#channels.get(topic);
    if (channel === undefined || readTrail(channel, after, 1, this.#options.oldestMs(topic)) === undefined) {
      return undefined;
    }
    if (id !== undefined) {
      const index = after.offset - channel.events.at(0).event.offset;
      if (index < 0 || channel.events.at(index).event.id !== id) return undefined;
    }
    return channel.events.at(channel.events.length - 1).event;
  }

  readTopic(topic: string, after: Position, maxBytes: number): RecentPage {
    const channel = this.#channels.get(topic);
    return channel && readTrail(channel, after, maxBytes, this.#options.oldestMs(topic));
  }

  readPatterns(
    patterns: readonly string[],
    cursor: Cursor,
    maxBytes: number,
  ): { readonly page: RecentPage; readonly cursor: Cursor } | undefined {
    const now = this.cursor.now();
    if (cursor.live?.epoch !== now.live?.epoch || cursor.durable?.epoch !== now.durable?.epoch)
      return undefined;
    const read = readLanes(this.#lanes, patterns, cursor, maxBytes, this.#options.oldestMs);
    return read.page && read;
  }

  #openLanes(start: Cursor): void {
    this.#lanes = [];
    for (const slot of ['live', 'durable'] as const) {
      start[slot]?.seqs.forEach((seq, partition) => {
        this.#lanes.push(new Lane(slot, partition, seq));
      });
    }
  }

  #lane(event: StoredEvent): Lane {
    for (const lane of this.#lanes) {
      if (lane.slot === event.slot && lane.partition === event.partition) return lane;
    }
    const lane = new Lane(event.slot, event.partition, event.seq - 1);
    this.#lanes.push(lane);
    return lane;
  }

  #channel(topic: string): Channel {
    let channel = this.#channels.get(topic);
    if (channel === undefined) {
      channel = new Channel(topic, this.#onUnused);
      this.#channels.set(topic, channel);
    }
    return channel;
  }

  readonly #onUnused = (channel: Channel): void => {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic);
  };

  #audienceOf(channel: Channel): Audience {
    const known = channel.audience;
    if (known !== undefined && known.patternVersion === this.#patternVersion) return known;
    const matching: Subscription[] = [];
    for (const subscription of this.#patternSubscriptions) {
      const { selection } = subscription;
      if (selection.kind === 'patterns' && selectsTopic(selection.patterns, channel.topic)) {
        matching.push(subscription);
      }
    }
    const audience = resolveAudience([channel.subscriptions, matching], this.#patternVersion);
    channel.audience = audience;
    return audience;
  }

  #dispatch(
    channel: Channel,
    audience: Audience,
    events: readonly StoredEvent[],
    start: number,
    end: number,
  ): void {
    const { groups, waiters } = audience;
    const { recent } = this.#options;
    const frames: Buffer[][] = [];
    for (let g = 0; g < groups.length; g++) frames.push([]);
    for (let i = start; i < end; i++) {
      const event = events[i] as StoredEvent;
      this.cursor.advance(event);
      const entry = new RecentEvent(event, this.#lane(event), channel);
      for (let g = 0; g < groups.length; g++) {
        (frames[g] as Buffer[]).push(entry.frame((groups[g] as Group).dialect, this.cursor, recent));
      }
      recent.push(entry);
    }
    channel.dispatched(events[end - 1] as StoredEvent, this.#window);
    for (let g = 0; g < groups.length; g++) {
      const { members } = groups[g] as Group;
      const own = frames[g] as Buffer[];
      const chunk = own.length === 1 ? (own[0] as Buffer) : Buffer.concat(own);
      for (let m = 0; m < members.length; m++)
        (members[m] as (typeof members)[number]).giveEvents(chunk, own.length);
      this.#options.onDelivered(members.length * own.length);
    }
    if (waiters.length > 0) this.#offer(channel.events.at(channel.events.length - 1), waiters);
  }

  /** A subscription that read ahead of live delivery must not be told a cursor that stands before what it read. */
  #frameFor({ subscriber: { dialect }, state }: Subscription, entry: RecentEvent): Buffer {
    if (!dialect.carriesCursor || state.kind !== 'joining') {
      return entry.frame(dialect, this.cursor, this.recent);
    }
    return dialect.encodeEvent(entry.event, state.read.cursorAt(this.cursor.now(), entry.event));
  }

  /**
   * Events carry no cursor, so that a client of a pattern would have to resume from where it subscribed. Now and then
   * it is told, in the same write as the events, with the same bytes for everyone ([HB-4]).
   */
  #tellPositions(): void {
    if (this.#patternSubscriptions.size === 0) return;
    const now = this.#options.clock.monotonic();
    if (now < this.#positionsDueMs) return;
    this.#positionsDueMs = now + POSITION_EVERY_MS;
    const cursor = this.cursor.cursorText();
    const frames = new Map<Dialect, Buffer | undefined>();
    const told = new Set<Subscriber>();
    for (const { subscriber, state } of this.#patternSubscriptions) {
      const { dialect } = subscriber;
      if (state.kind === 'reading' || dialect.carriesCursor || !subscriber.live || told.has(subscriber))
        continue;
      told.add(subscriber);
      if (!frames.has(dialect)) frames.set(dialect, dialect.encodeMessage({ type: 'position', cursor }));
      const frame = frames.get(dialect);
      if (frame !== undefined) subscriber.giveEvents(frame, 0);
    }
  }

  #offer(entry: RecentEvent, waiters: readonly Waiter[]): void {
    const given = new Set<Subscriber>();
    for (const { subscription, served } of waiters) {
      if (!subscription.offer(entry.event)) continue;
      const { subscriber } = subscription;
      if (!served && !given.has(subscriber)) {
        given.add(subscriber);
        subscriber.giveEvents(this.#frameFor(subscription, entry), 1);
        this.#options.onDelivered(1);
      }
      this.#options.onPromoted(subscription);
    }
  }
}
