import {
  type Cursor,
  formatCursor,
  formatPosition,
  type Position,
  type RecoveryFailure,
} from '@millrace/protocol';
import {
  type Engine,
  isCursor,
  type ReadLimit,
  type ReadSinceFrom,
  type StoredEvent,
} from '../engine/engine.ts';
import { CursorClock, cursorCovers, laterCursor } from './cursor-clock.ts';
import type { CursorSource } from './dialect.ts';
import type { EntityFeed } from './entity-feed.ts';
import type { PageLimit, RecentPage } from './recent-events.ts';

/** How often sessions that follow patterns, or filter, are told how far they have come, in ms ([HB-4], [FILT-4]). */
export const POSITION_EVERY_MS = 1000;

export type LogPage =
  | { readonly ok: true; readonly events: readonly StoredEvent[]; readonly behind: number }
  | { readonly ok: false; readonly reason: RecoveryFailure };

/** A cursor text that follows the events of a page as they are encoded. */
export interface MovingCursor extends CursorSource {
  advance(event: StoredEvent): void;
}

/** A place in the log that moves on as it is read. */
export interface LogSource {
  /** What memory holds after this place; `undefined` when memory does not reach back so far. Moves on. */
  readRecent(feed: EntityFeed, limit: PageLimit): RecentPage;
  /** The next page from the engine. Moves on when it is `ok`. */
  read(engine: Engine, limit: ReadLimit): Promise<LogPage>;
  /** After a failed read: moves to the oldest place from which reading is possible, and says what was left out. */
  skipLost(
    engine: Engine,
  ): Promise<{ readonly from?: number; readonly to?: number; readonly count?: number }>;
  /** Moves past events that were handed out by other means. */
  passed(events: readonly StoredEvent[]): void;
  /** How many events live delivery, which stands at `feed`, has come further; `undefined` where that is not known. */
  behind(feed: EntityFeed): number | undefined;
  /** This place as a client may name it, to read on from. */
  place(): { readonly position: string } | { readonly cursor: string };
  /** Whether the event lies at or before this place. */
  covers(event: StoredEvent): boolean;
  /** A cursor for a frame of an event that live delivery, which stands at `feed`, brings beyond this place. */
  cursorAt(feed: Cursor, event: StoredEvent): CursorSource;
  /** A cursor for frames that carry one: it stands where this source stands now, and moves with each event. */
  cursorClock(): MovingCursor;
}

/** One topic, by position. */
export class TopicSource implements LogSource {
  readonly entity: string;
  readonly topic: string;
  #position: Position;
  /** What the topic has at or before it was read, or is of a former life; 0 before anything was read. */
  #seq = 0;

  constructor(entity: string, topic: string, position: Position) {
    this.entity = entity;
    this.topic = topic;
    this.#position = position;
  }

  /** Everything at or before it was read. */
  get position(): Position {
    return this.#position;
  }

  moveTo(position: Position, seq: number): void {
    this.#position = position;
    this.#seq = seq;
  }

  readRecent(feed: EntityFeed, limit: PageLimit): RecentPage {
    const page = feed.readTopic(this.topic, this.#position, limit);
    const last = page?.entries.at(-1)?.event;
    if (last !== undefined) this.#moveToEvent(last);
    return page;
  }

  async read(engine: Engine, limit: ReadLimit): Promise<LogPage> {
    const result = await engine.read(this.entity, this.topic, { after: this.#position }, limit);
    if (!result.ok) return { ok: false, reason: result.reason };
    this.moveTo(result.position, result.seq);
    return { ok: true, events: result.events, behind: result.behind };
  }

  async skipLost(engine: Engine): Promise<{ from?: number; to?: number; count?: number }> {
    const before = this.#position;
    const head = await engine.head(this.entity, this.topic);
    if (head === undefined || head.position.epoch !== before.epoch) {
      // Another log: it is read from its oldest event on, and how much of the old one is missing cannot be known.
      const oldest = await engine.read(this.entity, this.topic, { last: 0 }, { maxEvents: 1 });
      this.#position = head ? { epoch: head.position.epoch, offset: head.firstOffset - 1 } : oldest.head;
      return {};
    }
    this.#position = { epoch: before.epoch, offset: head.firstOffset - 1 };
    return {
      from: before.offset + 1,
      to: head.firstOffset - 1,
      count: Math.max(head.firstOffset - 1 - before.offset, 0),
    };
  }

  passed(events: readonly StoredEvent[]): void {
    const last = events.at(-1);
    if (last !== undefined) this.#moveToEvent(last);
  }

  behind(feed: EntityFeed): number | undefined {
    const head = feed.position(this.topic);
    return head?.epoch === this.#position.epoch ? head.offset - this.#position.offset : undefined;
  }

  /** Of another life of the topic, the seq tells whether it came before or after. */
  covers({ epoch, offset, seq }: Pick<StoredEvent, 'epoch' | 'offset' | 'seq'>): boolean {
    return epoch === this.#position.epoch ? offset <= this.#position.offset : seq <= this.#seq;
  }

  place(): { position: string } {
    return { position: formatPosition(this.#position) };
  }

  #moveToEvent({ epoch, offset, seq }: StoredEvent): void {
    this.moveTo({ epoch, offset }, seq);
  }

  cursorAt(_feed: Cursor, { epoch, offset }: StoredEvent): CursorSource {
    return { cursorText: () => formatPosition({ epoch, offset }) };
  }

  cursorClock(): MovingCursor {
    let at = this.#position;
    return {
      advance: ({ epoch, offset }) => {
        at = { epoch, offset };
      },
      cursorText: () => formatPosition(at),
    };
  }
}

/** Everything that matches some patterns, by cursor. */
export class PatternSource implements LogSource {
  readonly entity: string;
  readonly patterns: readonly string[];
  #from: ReadSinceFrom;
  /** Where the page that was read last begins. */
  #pageStart: Cursor = {};

  constructor(entity: string, patterns: readonly string[], from: ReadSinceFrom) {
    this.entity = entity;
    this.patterns = patterns;
    this.#from = from;
  }

  /** Everything at or before it was read; meaningful once the first page is read. */
  get cursor(): Cursor {
    return isCursor(this.#from) ? this.#from : {};
  }

  /** As {@link cursorClock}, but standing where the page begins that was read last. */
  clockBeforePage(): MovingCursor {
    return new CursorClock(this.#pageStart);
  }

  readRecent(feed: EntityFeed, limit: PageLimit): RecentPage {
    if (!isCursor(this.#from)) return undefined;
    const read = feed.readPatterns(this.patterns, this.#from, limit);
    if (read === undefined) return undefined;
    this.#from = read.cursor;
    return read.page;
  }

  async read(engine: Engine, limit: ReadLimit): Promise<LogPage> {
    const result = await engine.readSince(this.entity, this.patterns, this.#from, limit);
    if (!result.ok) return { ok: false, reason: result.reason };
    this.#from = result.cursor;
    this.#pageStart = result.start;
    return { ok: true, events: result.events, behind: result.behind };
  }

  async skipLost(engine: Engine): Promise<Record<string, never>> {
    this.#from = await engine.cursor(this.entity);
    return {};
  }

  place(): { cursor: string } {
    return { cursor: formatCursor(this.cursor) };
  }

  /** Cursors count what others are to get as well. */
  behind(): undefined {
    return undefined;
  }

  passed(events: readonly StoredEvent[]): void {
    const clock = new CursorClock(this.cursor);
    for (const event of events) clock.advance(event);
    this.#from = clock.now();
  }

  covers(event: StoredEvent): boolean {
    return isCursor(this.#from) && cursorCovers(this.#from, event);
  }

  cursorAt(feed: Cursor): CursorSource {
    return new CursorClock(laterCursor(this.cursor, feed));
  }

  cursorClock(): MovingCursor {
    return new CursorClock(this.cursor);
  }
}
