import { type Cursor, selectsTopic } from '@millrace/protocol';
import type { EngineSlot, StoredEvent } from '../engine/engine.ts';
import { Deque } from './deque.ts';
import type { CursorSource, Dialect, Frame } from './dialect.ts';

/** What an entry costs in memory beside its texts and frames, roughly. */
const ENTRY_OVERHEAD_BYTES = 256;

/** Beyond this length a text is taken for one of two bytes a character, as one that is not all Latin letters is kept. */
const LONG_TEXT = 4096;

function sizeOf({ data }: StoredEvent): number {
  return (data.length > LONG_TEXT ? 2 * data.length : data.length) + ENTRY_OVERHEAD_BYTES;
}

/** An event with the frames it was encoded into. */
export class RecentEvent {
  readonly event: StoredEvent;
  readonly lane: Lane;
  readonly trail: TopicTrail;
  /** Grows in the order in which events were handed out, over all lanes. */
  order = 0;
  #frames: (Frame | undefined)[] = [];

  constructor(event: StoredEvent, lane: Lane, trail: TopicTrail) {
    this.event = event;
    this.lane = lane;
    this.trail = trail;
  }

  /** The event's frame, encoded once; `at` must stand at this event. */
  frame(dialect: Dialect, at: CursorSource, budget: RecentBudget): Frame {
    const known = this.#frames[dialect.index];
    if (known !== undefined) return known;
    const frame = dialect.encodeEvent(this.event, at);
    this.#frames[dialect.index] = frame;
    budget.add(frame.length);
    return frame;
  }

  frameBytes(): number {
    let bytes = 0;
    for (const frame of this.#frames) bytes += frame?.length ?? 0;
    return bytes;
  }
}

/** The recent events of one (entity, engine, partition), in `seq` order without holes after `floor`. */
export class Lane {
  readonly slot: EngineSlot;
  readonly partition: number;
  readonly events: Deque<RecentEvent> = new Deque();
  /** Events with a higher seq are all here. */
  floor: number;

  constructor(slot: EngineSlot, partition: number, floor: number) {
    this.slot = slot;
    this.partition = partition;
    this.floor = floor;
  }
}

/** The recent events of one topic, contiguous by offset within one epoch. */
export interface TopicTrail {
  readonly topic: string;
  readonly events: Deque<RecentEvent>;
  /** Called when the last event left. */
  onEmptied(): void;
}

export interface RecentBudget {
  add(bytes: number): void;
}

/**
 * Keeps the newest events of all followed entities as they were encoded, so that a storm of resuming clients reads
 * memory and not the disk. One budget in bytes over everything; the oldest go first.
 */
export class RecentEvents implements RecentBudget {
  readonly #maxBytes: number;
  readonly #all: Deque<RecentEvent> = new Deque();
  #bytes = 0;
  #pushed = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  push(entry: RecentEvent): void {
    entry.order = ++this.#pushed;
    entry.lane.events.push(entry);
    const { events } = entry.trail;
    // A new epoch is another log: what is older must not be read as its beginning.
    if (events.length > 0 && events.at(events.length - 1).event.epoch !== entry.event.epoch) events.clear();
    events.push(entry);
    this.#all.push(entry);
    this.#bytes += sizeOf(entry.event);
    while (this.#bytes > this.#maxBytes && this.#all.length > 1) this.#evictOldest();
  }

  #evictOldest(): void {
    const entry = this.#all.shift();
    if (entry === undefined) return;
    this.#bytes -= sizeOf(entry.event) + entry.frameBytes();
    // Entries leave in the order they came, so this one is the oldest of its lane and trail too,
    // unless these were cleared meanwhile.
    if (entry.lane.events.length > 0 && entry.lane.events.at(0) === entry) entry.lane.events.shift();
    entry.lane.floor = Math.max(entry.lane.floor, entry.event.seq);
    const { trail } = entry;
    if (trail.events.length > 0 && trail.events.at(0) === entry) {
      trail.events.shift();
      if (trail.events.length === 0) trail.onEmptied();
    }
  }
}

/** A page of recent events, or `undefined` where memory does not reach back far enough. */
export type RecentPage = { readonly entries: readonly RecentEvent[]; readonly more: boolean } | undefined;

/** Everything of one topic after a position, up to `maxBytes` of data. */
export function readTrail(
  trail: TopicTrail,
  after: { epoch: string; offset: number },
  maxBytes: number,
  oldestMs: number,
): RecentPage {
  const { events } = trail;
  if (events.length === 0) return undefined;
  const first = events.at(0).event;
  if (first.epoch !== after.epoch || first.offset > after.offset + 1 || first.timestamp < oldestMs)
    return undefined;
  const start = after.offset + 1 - first.offset;
  if (start > events.length) return undefined;
  const entries: RecentEvent[] = [];
  let bytes = 0;
  let index = start;
  for (; index < events.length && bytes < maxBytes; index++) {
    const entry = events.at(index);
    entries.push(entry);
    bytes += entry.event.data.length;
  }
  return { entries, more: index < events.length };
}

/** A lane that is being read. */
interface LaneReading {
  readonly lane: Lane;
  /** How far each partition of its engine was looked at; the lane's own moves on. */
  readonly seqs: number[];
  index: number;
}

/**
 * Everything that matches after a cursor, up to `maxBytes` of data, in the order in which it was handed out: what came
 * meanwhile in one lane must not overtake what a replay still has to give of another. Moves `cursor` seqs with what was
 * looked at.
 */
export function readLanes(
  lanes: readonly Lane[],
  patterns: readonly string[],
  cursor: Cursor,
  maxBytes: number,
  oldestMs: (topic: string) => number,
): { readonly page: RecentPage; readonly cursor: Cursor } {
  const reached: Record<EngineSlot, number[] | undefined> = {
    live: cursor.live && [...cursor.live.seqs],
    durable: cursor.durable && [...cursor.durable.seqs],
  };
  const readings: LaneReading[] = [];
  for (const lane of lanes) {
    const seqs = reached[lane.slot];
    const after = seqs?.[lane.partition];
    if (seqs === undefined || after === undefined || after < lane.floor) return { page: undefined, cursor };
    readings.push({ lane, seqs, index: lane.events.findFirst((entry) => entry.event.seq > after) });
  }
  const entries: RecentEvent[] = [];
  let bytes = 0;
  let reading = nextToRead(readings);
  for (; reading !== undefined && bytes < maxBytes; reading = nextToRead(readings)) {
    const { lane, seqs } = reading;
    const entry = lane.events.at(reading.index++);
    const { topic, seq, timestamp, data } = entry.event;
    seqs[lane.partition] = seq;
    if (!selectsTopic(patterns, topic)) continue;
    if (timestamp < oldestMs(topic)) return { page: undefined, cursor };
    entries.push(entry);
    bytes += data.length;
  }
  const moved = {
    ...(cursor.live && { live: { epoch: cursor.live.epoch, seqs: reached.live as number[] } }),
    ...(cursor.durable && { durable: { epoch: cursor.durable.epoch, seqs: reached.durable as number[] } }),
  };
  return { page: { entries, more: reading !== undefined }, cursor: moved };
}

/** The lane whose next event was handed out first; `undefined` when all have been read. */
function nextToRead(readings: readonly LaneReading[]): LaneReading | undefined {
  let next: LaneReading | undefined;
  let order = Infinity;
  for (const reading of readings) {
    const { lane, index } = reading;
    if (index >= lane.events.length) continue;
    const { order: own } = lane.events.at(index);
    if (own >= order) continue;
    next = reading;
    order = own;
  }
  return next;
}
