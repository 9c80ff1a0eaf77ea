import {
  BROADCAST_TOPIC,
  type CompiledFilter,
  type Cursor,
  formatPosition,
  type Position,
  selectsTopic,
} from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { StoredEvent } from '../engine/engine.ts';
import { type Audience, type Group, resolveAudience, type Waiter } from './audience.ts';
import { type Batcher, HIGH_WITHIN_MS } from './batcher.ts';
import { Channel, type Handed } from './channel.ts';
import { type Chunk, CRITICAL, HIGH, messageChunk, NORMAL, rankOf } from './chunk.ts';
import { CursorClock } from './cursor-clock.ts';
import { type Dialect, type Frame, joinFrames } from './dialect.ts';
import { EncodedEvent } from './encoded-event.ts';
import { EventSubject } from './event-subject.ts';
import { POSITION_EVERY_MS } from './log-source.ts';
import { Lane, type PageLimit, type RecentEvents, type RecentPage } from './recent-events.ts';
import { AT_ONCE, NEXT_FLUSH, type Subscriber } from './subscriber.ts';
import type { Subscription } from './subscription.ts';

export interface EntityFeedOptions {
  readonly recent: RecentEvents;
  readonly clock: Clock;
  /** Events older than this (ms since the epoch) are not served from memory. */
  readonly oldestMs: (topic: string) => number;
  /** How long a topic's events may wait for company, in ms. */
  readonly flushWindowMs: (topic: string) => number;
  readonly batcherOf: (subscription: Subscription) => Batcher | undefined;
  /** Whether what a slow session misses of a live subscription is nowhere read again. */
  readonly keeps: (subscription: Subscription) => boolean;
  /** Live events go out with the next flush; the first of them was stored then (ms since the Unix epoch). */
  readonly onDue: (storedMs: number) => void;
  /** Live delivery has come to what the subscription has not read. */
  readonly onPromoted: (subscription: Subscription) => void;
  /** An event that a slow session is to have later. */
  readonly onHeld: (subscription: Subscription, event: StoredEvent) => void;
}

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
  /** Subscriptions by name of which a filter keeps events back. */
  readonly #filtered: Set<Subscription> = new Set();
  readonly #subscribers: Set<Subscriber> = new Set();
  /** By topic, the sessions that get its events without a subscription. */
  readonly #direct: Map<string, Set<Subscriber>> = new Map();
  #patternVersion = 0;
  #lanes: Lane[] = [];
  #positionsDueMs = 0;

  constructor(entity: string, start: Cursor, options: EntityFeedOptions) {
    this.entity = entity;
    this.recent = options.recent;
    this.cursor = new CursorClock(start);
    this.#options = options;
    this.#openLanes(start);
  }

  /** Counts a session in: it gets what is sent to it, or to everyone, without a subscription. */
  attach(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    for (const topic of subscriber.direct) {
      const own = this.#direct.get(topic);
      if (own === undefined) this.#direct.set(topic, new Set([subscriber]));
      else own.add(subscriber);
    }
    this.changed(subscriber);
  }

  detach(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    for (const topic of subscriber.direct) {
      const own = this.#direct.get(topic);
      if (own?.delete(subscriber) && own.size === 0) this.#direct.delete(topic);
    }
    this.changed(subscriber);
  }

  /** Counts a subscription in: live if its state says so, else every event is offered to it. */
  register(subscription: Subscription): void {
    const { selection } = subscription;
    if (selection.kind === 'topic') {
      const channel = this.#channel(selection.topic);
      channel.subscriptions.add(subscription);
      channel.audience = undefined;
      if (subscription.filter !== undefined) this.#filtered.add(subscription);
    } else {
      this.#patternSubscriptions.add(subscription);
      this.#patternVersion++;
    }
  }

  unregister(subscription: Subscription): void {
    const { selection } = subscription;
    if (selection.kind === 'topic') {
      this.#filtered.delete(subscription);
      const channel = this.#channels.get(selection.topic);
      if (channel === undefined || !channel.subscriptions.delete(subscription)) return;
      channel.audience = undefined;
      channel.releaseIfUnused();
    } else if (this.#patternSubscriptions.delete(subscription)) {
      this.#patternVersion++;
    }
  }

  /** The last event of the topic that was handed out, where any was. */
  position(topic: string): Handed | undefined {
    return this.#channels.get(topic)?.head;
  }

  onEvents(events: readonly StoredEvent[]): void {
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
    for (const channel of this.#channels.values()) channel.recent.clear();
    this.#openLanes(this.cursor.now());
  }

  /** The topic was deleted: what memory holds of it must not be served. */
  forgetTopic(topic: string): void {
    const channel = this.#channels.get(topic);
    if (channel === undefined || channel.recent.length === 0) return;
    channel.recent.clear();
    // A pattern's replay would still find the events in its lane, so that lanes begin anew as well.
    for (const lane of this.#lanes) {
      lane.floor = this.cursor.seq(lane.slot, lane.partition);
      lane.recent.clear();
    }
    channel.releaseIfUnused();
  }

  /** The newest event of a topic if memory holds everything after the position, and the position is of this log. */
  knownSince(topic: string, after: Position, id: string | undefined): StoredEvent | undefined {
    const channel = this.#channels.get(topic);
    if (channel === undefined) return undefined;
    const { recent } = this;
    if (recent.readTrail(channel, after, NOTHING, this.#options.oldestMs(topic)) === undefined)
      return undefined;
    if (id !== undefined && recent.find(channel, after.offset)?.id !== id) return undefined;
    return recent.newest(channel);
  }

  readTopic(topic: string, after: Position, limit: PageLimit): RecentPage {
    const channel = this.#channels.get(topic);
    return channel && this.recent.readTrail(channel, after, limit, this.#options.oldestMs(topic));
  }

  readPatterns(
    patterns: readonly string[],
    cursor: Cursor,
    limit: PageLimit,
  ): { readonly page: RecentPage; readonly cursor: Cursor } | undefined {
    const now = this.cursor.now();
    if (cursor.live?.epoch !== now.live?.epoch || cursor.durable?.epoch !== now.durable?.epoch)
      return undefined;
    const read = this.recent.readLanes(this.#lanes, patterns, cursor, limit, this.#options.oldestMs);
    return read.page && read;
  }

  #openLanes(start: Cursor): void {
    this.#lanes = [];
    for (const slot of ['live', 'durable'] as const) {
      start[slot]?.seqs.forEach((seq, partition) => {
        this.#lanes.push(new Lane(this.entity, slot, partition, seq));
      });
    }
  }

  #lane(event: StoredEvent): Lane {
    for (const lane of this.#lanes) {
      if (lane.slot === event.slot && lane.partition === event.partition) return lane;
    }
    const lane = new Lane(this.entity, event.slot, event.partition, event.seq - 1);
    this.#lanes.push(lane);
    return lane;
  }

  #channel(topic: string): Channel {
    let channel = this.#channels.get(topic);
    if (channel === undefined) {
      channel = new Channel(topic, this.#options.flushWindowMs(topic), this.#onUnused);
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
    const { topic } = channel;
    const audience = resolveAudience({
      topic,
      subscriptions: [channel.subscriptions, matching],
      direct: topic === BROADCAST_TOPIC ? this.#subscribers : (this.#direct.get(topic) ?? NOBODY),
      patternVersion: this.#patternVersion,
      batcherOf: this.#options.batcherOf,
      keeps: this.#options.keeps,
    });
    channel.audience = audience;
    return audience;
  }

  /** The session subscribed or unsubscribed, which may decide whether it is sent to directly. */
  changed({ direct }: Subscriber): void {
    for (const topic of [...direct, BROADCAST_TOPIC]) {
      const channel = this.#channels.get(topic);
      if (channel !== undefined) channel.audience = undefined;
    }
  }

  #dispatch(
    channel: Channel,
    audience: Audience,
    events: readonly StoredEvent[],
    start: number,
    end: number,
  ): void {
    const { groups, filters, waiters } = audience;
    const gathered: GroupChunk[] = [];
    for (let g = 0; g < groups.length; g++) gathered.push(new GroupChunk(groups[g] as Group));
    let entry: EncodedEvent | undefined;
    for (let i = start; i < end; i++) {
      const event = events[i] as StoredEvent;
      this.cursor.advance(event);
      entry = new EncodedEvent(event);
      const verdicts = filters.length === 0 ? NO_VERDICTS : judge(filters, event);
      for (let g = 0; g < gathered.length; g++) {
        const chunk = gathered[g] as GroupChunk;
        if (!chunk.takes(verdicts)) continue;
        if (chunk.group.batcher !== undefined) this.#giveBatched(chunk.group, chunk.group.batcher, event);
        else chunk.add(event, entry.frame(chunk.group.dialect, this.cursor));
      }
      this.recent.push(event, this.#lane(event), channel);
    }
    const last = events[end - 1] as StoredEvent;
    channel.head = { epoch: last.epoch, offset: last.offset, seq: last.seq };
    const whole = new Map<Dialect, Chunk>();
    for (let g = 0; g < gathered.length; g++) {
      const group = gathered[g] as GroupChunk;
      const chunk = group.length === end - start ? wholeChunk(group, whole) : group.chunk();
      if (chunk !== undefined) this.#give(channel, group, chunk);
    }
    if (entry !== undefined && waiters.length > 0) this.#offer(entry, waiters);
    if (last.sealed) this.#tellSealed(channel, last);
  }

  /** Who waits for the topic's end is told of it, also where a filter keeps the last event back ([SUB-8]). */
  #tellSealed({ subscriptions }: Channel, event: StoredEvent): void {
    const position = formatPosition(event);
    for (const subscription of subscriptions) {
      const { subscriber, name, state } = subscription;
      if (state.kind !== 'live' || subscription.passes(event)) continue;
      subscriber.tellPosition({ type: 'position', topic: name, position, sealed: true });
    }
  }

  #give(channel: Channel, gathered: GroupChunk, chunk: Chunk): void {
    const { members } = gathered.group;
    const dueMs = dueOf(gathered.urgency, channel.flushWindowMs);
    for (let m = 0; m < members.length; m++)
      (members[m] as (typeof members)[number]).giveShared(chunk, dueMs);
    if (dueMs <= NEXT_FLUSH) this.#options.onDue(gathered.storedMs);
  }

  #giveBatched({ members }: Group, batcher: Batcher, event: StoredEvent): void {
    for (let m = 0; m < members.length; m++)
      (members[m] as (typeof members)[number]).giveBatched(event, batcher);
  }

  /** A subscription that read ahead of live delivery must not be told a cursor that stands before what it read. */
  #frameFor({ subscriber: { dialect }, state }: Subscription, entry: EncodedEvent): Frame {
    if (!dialect.carriesCursor || state.kind !== 'joining') {
      return entry.frame(dialect, this.cursor);
    }
    return dialect.encodeEvent(entry.event, state.read.cursorAt(this.cursor.now(), entry.event));
  }

  /**
   * Events carry no cursor, so that a client of a pattern would have to resume from where it subscribed, and a filter may keep
   * a client where it is for long. Now and then it is told, in the same write as the events, with the same bytes for everyone
   * ([HB-4], [FILT-4]).
   */
  #tellPositions(): void {
    if (this.#patternSubscriptions.size === 0 && this.#filtered.size === 0) return;
    const now = this.#options.clock.monotonic();
    if (now < this.#positionsDueMs) return;
    this.#positionsDueMs = now + POSITION_EVERY_MS;
    const cursor = this.cursor.cursorText();
    const chunks = new Map<Dialect, Chunk | undefined>();
    const told = new Set<Subscriber>();
    for (const subscriptions of [this.#patternSubscriptions, this.#filtered]) {
      for (const subscription of subscriptions) {
        const { subscriber, state, filter } = subscription;
        const { dialect } = subscriber;
        if (state.kind !== 'live' && state.kind !== 'joining') continue;
        // Its events tell, unless they are kept back.
        if (dialect.carriesCursor && filter === undefined) continue;
        if (!subscriber.live) {
          if (filter !== undefined) this.#tellPlace(subscription);
          continue;
        }
        if (told.has(subscriber)) continue;
        told.add(subscriber);
        if (!chunks.has(dialect)) chunks.set(dialect, positionChunk(dialect, cursor));
        const chunk = chunks.get(dialect);
        if (chunk !== undefined) subscriber.givePosition(chunk);
      }
    }
  }

  /** One subscription alone is told, since another of its session is behind. */
  #tellPlace({ subscriber, selection, name: topic, state }: Subscription): void {
    if (state.kind !== 'live') return;
    if (selection.kind === 'patterns') {
      subscriber.tellPosition({ type: 'position', topic, cursor: this.cursor.cursorText() });
      return;
    }
    const head = this.position(selection.topic);
    if (head !== undefined)
      subscriber.tellPosition({ type: 'position', topic, position: formatPosition(head) });
  }

  #offer(entry: EncodedEvent, waiters: readonly Waiter[]): void {
    const given = new Set<Subscriber>();
    const { event } = entry;
    for (const { subscription, served } of waiters) {
      if (subscription.state.kind === 'held') {
        if (!served && subscription.passes(event)) this.#options.onHeld(subscription, event);
        continue;
      }
      if (!subscription.offer(event)) continue;
      const { subscriber } = subscription;
      if (!served && !given.has(subscriber) && subscription.passes(event)) {
        given.add(subscriber);
        const bytes = this.#frameFor(subscription, entry);
        const kept = this.#options.keeps(subscription);
        const chunk = { bytes, events: 1, starts: [event], rank: rankOf(event.priority), kept };
        subscriber.giveShared(chunk, NEXT_FLUSH);
      }
      this.#options.onPromoted(subscription);
    }
  }
}

/** The frames of one run of events that one group takes. */
class GroupChunk {
  readonly group: Group;
  readonly #frames: Frame[] = [];
  #first: StoredEvent | undefined;
  /** Of the most urgent event. */
  urgency = Number.POSITIVE_INFINITY;

  constructor(group: Group) {
    this.group = group;
    this.#first = undefined;
  }

  /** When the first event was stored. */
  get storedMs(): number {
    return this.#first?.timestamp ?? 0;
  }

  /** How many events it took. */
  get length(): number {
    return this.#frames.length;
  }

  takes(verdicts: readonly boolean[]): boolean {
    const { filters } = this.group;
    if (filters.length === 0) return true;
    for (let i = 0; i < filters.length; i++) if (verdicts[filters[i] as number] === true) return true;
    return false;
  }

  add(event: StoredEvent, frame: Frame): void {
    this.#first ??= event;
    this.urgency = Math.min(this.urgency, rankOf(event.priority));
    this.#frames.push(frame);
  }

  /** `undefined` when the group took none. */
  chunk(): Chunk | undefined {
    if (this.#first === undefined) return undefined;
    const { dialect, kept } = this.group;
    const frames = this.#frames;
    return {
      bytes: joinFrames(frames),
      events: frames.length,
      starts: [this.#first],
      // A cursor in a frame says that all before it was given: such frames keep their order.
      rank: dialect.carriesCursor ? NORMAL : this.urgency,
      kept,
    };
  }
}

/** Groups whose filters let everything through are given one chunk, so that their sessions stay at one link. */
function wholeChunk(gathered: GroupChunk, whole: Map<Dialect, Chunk>): Chunk | undefined {
  const { dialect, kept } = gathered.group;
  if (kept) return gathered.chunk();
  const known = whole.get(dialect);
  if (known !== undefined) return known;
  const chunk = gathered.chunk();
  if (chunk !== undefined) whole.set(dialect, chunk);
  return chunk;
}

function judge(filters: readonly CompiledFilter[], event: StoredEvent): readonly boolean[] {
  const subject = new EventSubject(event);
  return filters.map((filter) => filter.matches(subject));
}

function dueOf(rank: number, flushWindowMs: number): number {
  if (rank === CRITICAL) return AT_ONCE;
  if (flushWindowMs === 0) return NEXT_FLUSH;
  return rank === HIGH ? Math.min(flushWindowMs, HIGH_WITHIN_MS) : flushWindowMs;
}

function positionChunk(dialect: Dialect, cursor: string): Chunk | undefined {
  const frame = dialect.encodeMessage({ type: 'position', cursor });
  return frame === undefined ? undefined : messageChunk(frame);
}

/** Whether memory reaches back is all that is asked. */
const NOTHING: PageLimit = { maxEvents: 0, maxBytes: 0 };
const NO_VERDICTS: readonly boolean[] = [];
const NOBODY: Iterable<Subscriber> = [];
