import { type Cursor, type Position, selectsTopic } from '@millrace/protocol';
import type { EngineSlot, ReadLimit, StoredEvent } from '../engine/engine.ts';
import { ByteRing } from './byte-ring.ts';
import { DecodedEvents } from './decoded-events.ts';
import { Deque } from './deque.ts';
import type { EncodedEvent } from './encoded-event.ts';
import {
  measureEvent,
  readEvent,
  readOffset,
  readSeq,
  readTimestamp,
  recordLength,
  writeEvent,
} from './event-record.ts';

/**
 * What events that were read may take, decoded and with their frames; twice as much with those that are about to be forgotten. Of large ones a
 * few pages are kept, for those who read side by side: one takes the memory of a hundred small ones, and saves a single decoding.
 */
const DECODED_BYTES = { small: 4 * 1024 * 1024, large: 256 * 1024 } as const;
/** So long is the record of a large event, in bytes. */
const LARGE_RECORD = 8 * 1024;
/** After so many further events, those that nobody has read since are forgotten. */
const FORGET_EVERY = 4096;

/** The recent events of one (entity, engine, partition), in `seq` order without holes after `floor`. */
export class Lane {
  readonly entity: string;
  readonly slot: EngineSlot;
  readonly partition: number;
  /** The numbers under which {@link RecentEvents} keeps them. */
  readonly recent: Deque<number> = new Deque();
  /** Events with a higher seq are all here. */
  floor: number;

  constructor(entity: string, slot: EngineSlot, partition: number, floor: number) {
    this.entity = entity;
    this.slot = slot;
    this.partition = partition;
    this.floor = floor;
  }
}

/** The recent events of one topic, contiguous by offset within one epoch. */
export interface TopicTrail {
  readonly topic: string;
  /** The numbers under which {@link RecentEvents} keeps them. */
  readonly recent: Deque<number>;
  /** Of the events that are kept; not meant where none is. */
  epoch: string;
  /** Called when the last event left. */
  onEmptied(): void;
}

/** A page of recent events, or `undefined` where memory does not reach back far enough. */
export type RecentPage = { readonly entries: readonly EncodedEvent[]; readonly more: boolean } | undefined;

/** What one page may hold of events that match. */
export type PageLimit = Required<ReadLimit>;

/** A lane that is being read. */
interface LaneReading {
  readonly lane: Lane;
  /** How far each partition of its engine was looked at; the lane's own moves on. */
  readonly seqs: number[];
  index: number;
}

/**
 * Keeps the newest events of all followed entities, so that a storm of resuming clients reads memory and not the disk. One
 * budget in bytes over everything; the oldest go first. They are kept as bytes: as objects, each would grow old and cost
 * the collector of garbage its time, though hardly any is ever read. Those that were read last stay decoded, within bounds of
 * their own, since in a storm everyone reads the same.
 */
export class RecentEvents {
  readonly #ring: ByteRing;
  // Of the events that are kept, by their number: the first has the number `#first`, those after it follow.
  readonly #starts: Deque<number> = new Deque();
  readonly #lanes: Deque<Lane> = new Deque();
  readonly #trails: Deque<TopicTrail> = new Deque();
  #first = 0;
  #bytes = 0;
  readonly #small = new DecodedEvents(DECODED_BYTES.small);
  readonly #large = new DecodedEvents(DECODED_BYTES.large);
  #forgetAt = FORGET_EVERY;

  constructor(maxBytes: number) {
    this.#ring = new ByteRing(maxBytes);
  }

  get bytes(): number {
    return this.#bytes + this.#small.bytes + this.#large.bytes;
  }

  /** The newest event of a lane and of a trail. One that is longer than the whole budget leaves nothing before it either. */
  push(event: StoredEvent, lane: Lane, trail: TopicTrail): void {
    // A new epoch is another log: what is older must not be read as its beginning.
    if (trail.epoch !== event.epoch) trail.recent.clear();
    trail.epoch = event.epoch;
    const record = measureEvent(event);
    if (record === undefined || record.length > this.#ring.capacity) {
      lane.recent.clear();
      lane.floor = event.seq;
      trail.recent.clear();
      trail.onEmptied();
      return;
    }
    // Before room is made for it: a topic whose newest event this is has not lost its last one.
    const number = this.#first + this.#starts.length;
    lane.recent.push(number);
    trail.recent.push(number);
    let start = this.#ring.take(record.length);
    while (start === undefined) {
      this.#evictOldest();
      start = this.#ring.take(record.length);
    }
    writeEvent(this.#ring.memory, start, record);
    this.#starts.push(start);
    this.#lanes.push(lane);
    this.#trails.push(trail);
    this.#bytes += record.length;
    if (number < this.#forgetAt) return;
    this.#forgetAt = number + FORGET_EVERY;
    this.#small.forgetOlder();
    this.#large.forgetOlder();
  }

  /** Everything of one topic after a position, up to a limit. */
  readTrail(trail: TopicTrail, after: Position, limit: PageLimit, oldestMs: number): RecentPage {
    const { recent } = trail;
    if (recent.length === 0 || trail.epoch !== after.epoch) return undefined;
    const first = this.#start(recent.at(0));
    const firstOffset = readOffset(this.#ring.memory, first);
    if (firstOffset > after.offset + 1 || readTimestamp(this.#ring.memory, first) < oldestMs)
      return undefined;
    const start = after.offset + 1 - firstOffset;
    if (start > recent.length) return undefined;
    const entries: EncodedEvent[] = [];
    let bytes = 0;
    let index = start;
    for (; index < recent.length && bytes < limit.maxBytes && entries.length < limit.maxEvents; index++) {
      const entry = this.#decode(recent.at(index));
      entries.push(entry);
      bytes += entry.event.data.length;
    }
    return { entries, more: index < recent.length };
  }

  /** The event of a topic at an offset of the epoch that is kept; `undefined` where memory lacks it. */
  find(trail: TopicTrail, offset: number): StoredEvent | undefined {
    const { recent } = trail;
    if (recent.length === 0) return undefined;
    const index = offset - readOffset(this.#ring.memory, this.#start(recent.at(0)));
    return index >= 0 && index < recent.length ? this.#decode(recent.at(index)).event : undefined;
  }

  /** The newest event of a topic; `undefined` where none is kept. */
  newest({ recent }: TopicTrail): StoredEvent | undefined {
    return recent.length === 0 ? undefined : this.#decode(recent.at(recent.length - 1)).event;
  }

  /**
   * Everything that matches after a cursor, up to a limit, in the order in which it was handed out: what came meanwhile in
   * one lane must not overtake what a replay still has to give of another. Moves `cursor` seqs with what was looked at.
   */
  readLanes(
    lanes: readonly Lane[],
    patterns: readonly string[],
    cursor: Cursor,
    limit: PageLimit,
    oldestMs: (topic: string) => number,
  ): { readonly page: RecentPage; readonly cursor: Cursor } {
    const reached: Record<EngineSlot, number[] | undefined> = {
      live: cursor.live && [...cursor.live.seqs],
      durable: cursor.durable && [...cursor.durable.seqs],
    };
    const { memory } = this.#ring;
    const readings: LaneReading[] = [];
    for (const lane of lanes) {
      const seqs = reached[lane.slot];
      const after = seqs?.[lane.partition];
      if (seqs === undefined || after === undefined || after < lane.floor) return { page: undefined, cursor };
      const index = lane.recent.findFirst((number) => readSeq(memory, this.#start(number)) > after);
      readings.push({ lane, seqs, index });
    }
    const entries: EncodedEvent[] = [];
    let bytes = 0;
    let reading = nextToRead(readings);
    for (; reading !== undefined; reading = nextToRead(readings)) {
      if (bytes >= limit.maxBytes || entries.length >= limit.maxEvents) break;
      const { lane, seqs } = reading;
      const number = lane.recent.at(reading.index++);
      const start = this.#start(number);
      const { topic } = this.#trails.at(number - this.#first);
      seqs[lane.partition] = readSeq(memory, start);
      if (!selectsTopic(patterns, topic)) continue;
      if (readTimestamp(memory, start) < oldestMs(topic)) return { page: undefined, cursor };
      const entry = this.#decode(number);
      entries.push(entry);
      bytes += entry.event.data.length;
    }
    const moved = {
      ...(cursor.live && { live: { epoch: cursor.live.epoch, seqs: reached.live as number[] } }),
      ...(cursor.durable && { durable: { epoch: cursor.durable.epoch, seqs: reached.durable as number[] } }),
    };
    return { page: { entries, more: reading !== undefined }, cursor: moved };
  }

  #start(number: number): number {
    return this.#starts.at(number - this.#first);
  }

  #decode(number: number): EncodedEvent {
    const isLarge = recordLength(this.#ring.memory, this.#start(number)) >= LARGE_RECORD;
    return (isLarge ? this.#large : this.#small).get(number, this.#read);
  }

  readonly #read = (number: number): StoredEvent => {
    const index = number - this.#first;
    const { topic } = this.#trails.at(index);
    return readEvent(this.#ring.memory, this.#starts.at(index), this.#lanes.at(index), topic);
  };

  #evictOldest(): void {
    const number = this.#first++;
    const start = this.#starts.shift() as number;
    const lane = this.#lanes.shift() as Lane;
    const trail = this.#trails.shift() as TopicTrail;
    const { memory } = this.#ring;
    // Events leave in the order they came, so this one is the oldest of its lane and trail too, unless these were cleared
    // meanwhile.
    if (lane.recent.length > 0 && lane.recent.at(0) === number) lane.recent.shift();
    lane.floor = Math.max(lane.floor, readSeq(memory, start));
    if (trail.recent.length > 0 && trail.recent.at(0) === number) trail.recent.shift();
    if (trail.recent.length === 0) trail.onEmptied();
    this.#bytes -= recordLength(memory, start);
    this.#ring.free(this.#starts.length === 0 ? undefined : this.#starts.at(0));
  }
}

/** The lane whose next event was handed out first; `undefined` when all have been read. */
function nextToRead(readings: readonly LaneReading[]): LaneReading | undefined {
  let next: LaneReading | undefined;
  let first = Infinity;
  for (const reading of readings) {
    const { lane, index } = reading;
    if (index >= lane.recent.length) continue;
    const number = lane.recent.at(index);
    if (number >= first) continue;
    next = reading;
    first = number;
  }
  return next;
}
