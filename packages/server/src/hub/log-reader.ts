import type { StoredEvent } from '../engine/engine.ts';
import { type Frame, joinFrames } from './dialect.ts';
import type { EncodedEvent } from './encoded-event.ts';
import type { EntityFeed } from './entity-feed.ts';
import { type LogPage, type LogSource, type MovingCursor, POSITION_EVERY_MS } from './log-source.ts';
import type { ReadTurns } from './read-turns.ts';
import type { Snapshot } from './snapshot.ts';
import type { Subscription } from './subscription.ts';

/** A page is written at once, so it bounds what one replaying session holds in memory. */
export const PAGE = { maxEvents: 512, maxBytes: 64 * 1024 } as const;

/** Live events that may wait behind a read before it is easier to read them again, and the length of their data, in UTF-16 units. */
const MAX_WAITING = { events: 2048, dataLength: 256 * 1024 } as const;

/** Snapshots that are being written. */
interface Leading {
  readonly snapshots: LeadingSnapshots;
  next: number;
  readonly then: () => void;
}

/** Snapshots that come before what is read. */
export interface LeadingSnapshots {
  readonly all: readonly Snapshot[];
  /** Where a client resumes from that has got them all; one that has not is to ask for them again. */
  readonly place: string;
}

/** What a reader needs of the hub. */
export interface ReaderHost {
  readonly turns: ReadTurns;
  readPage(source: LogSource, limit: typeof PAGE): Promise<LogPage>;
  skipLost(source: LogSource): ReturnType<LogSource['skipLost']>;
  /** The subscription goes on live; its state is set by the host. */
  join(subscription: Subscription, read: LogSource): void;
  /** Events of the log that were written for this subscription. */
  countReplayed(events: number): void;
  /** Monotonic ms. */
  now(): number;
  fail(subscription: Subscription, error: unknown): void;
}

/**
 * Brings one subscription from a place in the log to the head, and hands it over to live delivery.
 *
 * It reads a page when the session has room for one, from memory where memory reaches back far enough. Before a read
 * that may reach the head it registers, so that live events which come meanwhile wait behind it: no gap and no repeat.
 */
export class LogReader {
  readonly subscription: Subscription;
  readonly #source: LogSource;
  readonly #feed: EntityFeed;
  readonly #host: ReaderHost;
  /** Says `lag {behind: 0}` at the end, because `lag` was said at the start. */
  readonly lagging: boolean;
  /** Live events since the reader registered; `undefined` while it is not registered. */
  #waiting: StoredEvent[] | undefined;
  /** Length of the data of those, in UTF-16 units. */
  #waitingLength = 0;
  #ended = false;
  /** Snapshots that are not written yet, and what follows them. */
  #leading: Leading | undefined;
  /** Events that followed the last page, at least. */
  #behind = 1;
  /** The topic's last event was kept back by the filter. */
  #keptSeal = false;
  /** When the client was told last how far it has come. */
  #toldMs: number;

  constructor(
    subscription: Subscription,
    source: LogSource,
    feed: EntityFeed,
    host: ReaderHost,
    options: { lagging: boolean },
  ) {
    this.subscription = subscription;
    this.#source = source;
    this.#feed = feed;
    this.#host = host;
    this.lagging = options.lagging;
    this.#waiting = undefined;
    this.#leading = undefined;
    this.#toldMs = host.now();
  }

  /** How many events it has yet to read: of a topic exactly, of patterns at least. */
  get behind(): number {
    return this.#source.behind(this.#feed) ?? this.#behind;
  }

  get source(): LogSource {
    return this.#source;
  }

  /** From now on live events wait; called before a read that may reach the head. */
  register(): void {
    if (this.#waiting !== undefined || this.#ended) return;
    this.#waiting = [];
    this.#waitingLength = 0;
    this.#feed.register(this.subscription);
  }

  offer(event: StoredEvent): void {
    if (this.#waiting === undefined) return;
    this.#waitingLength += event.data.length;
    const fits = this.#waiting.length < MAX_WAITING.events && this.#waitingLength <= MAX_WAITING.dataLength;
    if (fits) this.#waiting.push(event);
    else this.#unregister();
  }

  /** Live delivery left something out: what waits here is no continuation of what is being read. */
  stopWaiting(): void {
    this.#unregister();
  }

  /** Reads the first page without writing it, so that the answer to the client can come before. */
  readFirst(): Promise<LogPage> {
    this.register();
    return this.#host.readPage(this.#source, PAGE);
  }

  /** Writes the snapshots, if there are any, as the session has room for them; then goes on. */
  begin(snapshots: LeadingSnapshots | undefined, then: () => void): void {
    if (snapshots === undefined || snapshots.all.length === 0) {
      then();
      return;
    }
    this.#leading = { snapshots, next: 0, then };
    this.#host.turns.add(this);
  }

  /** Writes a page that was read, and goes on from there; `before` stands where the page begins. */
  proceed(page: LogPage & { ok: true }, before: MovingCursor): void {
    if (this.#ended) return;
    this.#behind = page.behind;
    const { subscriber } = this.subscription;
    const frames: Frame[] = [];
    for (const event of page.events) {
      before.advance(event);
      if (this.#passes(event)) frames.push(subscriber.dialect.encodeEvent(event, before));
    }
    this.#write(frames);
    if (page.behind === 0 && this.#waiting !== undefined) {
      this.#join();
      return;
    }
    this.#tellPlaceNowAndThen();
    if (page.behind > PAGE.maxEvents) this.#unregister();
    this.#host.turns.add(this);
  }

  /** One step of reading, when the session has room. Called by `ReadTurns`. */
  step(): void {
    if (this.#ended) return;
    const { subscriber } = this.subscription;
    if (!subscriber.hasRoom()) {
      // What comes while the client does not answer is read from the log later: nothing is held for a slow session.
      this.#unregister();
      subscriber.park(this);
      return;
    }
    if (this.#leading !== undefined) {
      this.#lead(this.#leading);
      return;
    }
    const clock = this.#source.cursorClock();
    const recent = this.#source.readRecent(this.#feed, PAGE);
    if (recent === undefined) {
      void this.#readPage();
      return;
    }
    this.#write(this.#framesOf(recent.entries, clock));
    // What memory gave reaches to the very event that was handed out last: nothing can be in between.
    if (!recent.more) {
      this.#join();
      return;
    }
    this.#tellPlaceNowAndThen();
    this.#host.turns.add(this);
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
    this.#unregister();
  }

  /** As much of the snapshots as a page of events may hold. */
  #lead(leading: Leading): void {
    const { all, place } = leading.snapshots;
    const { subscriber } = this.subscription;
    for (let bytes = 0; bytes < PAGE.maxBytes && leading.next < all.length; ) {
      const snapshot = all[leading.next++] as Snapshot;
      bytes += subscriber.giveSnapshot(snapshot, leading.next === all.length ? place : undefined);
    }
    if (leading.next < all.length) {
      this.#host.turns.add(this);
      return;
    }
    this.#leading = undefined;
    leading.then();
  }

  #framesOf(entries: readonly EncodedEvent[], clock: MovingCursor): Frame[] {
    const { dialect } = this.subscription.subscriber;
    const frames: Frame[] = [];
    for (const entry of entries) {
      if (dialect.carriesCursor) clock.advance(entry.event);
      if (!this.#passes(entry.event)) continue;
      frames.push(
        dialect.carriesCursor ? dialect.encodeEvent(entry.event, clock) : entry.frame(dialect, clock),
      );
    }
    return frames;
  }

  async #readPage(): Promise<void> {
    this.register();
    const clock = this.#source.cursorClock();
    try {
      const page = await this.#host.readPage(this.#source, PAGE);
      if (this.#ended) return;
      if (page.ok) {
        this.proceed(page, clock);
        return;
      }
      const lost = await this.#host.skipLost(this.#source);
      if (this.#ended) return;
      this.subscription.subscriber.tell({
        type: 'dropped',
        topic: this.subscription.name,
        ...lost,
        reason: page.reason,
      });
      this.#host.turns.add(this);
    } catch (error) {
      if (!this.#ended) this.#host.fail(this.subscription, error);
    }
  }

  /** A filter may keep everything back for long: the client is to resume from here all the same ([FILT-4]). */
  #tellPlaceNowAndThen(): void {
    if (this.subscription.filter === undefined || this.#host.now() < this.#toldMs + POSITION_EVERY_MS) return;
    this.#tellPlace();
  }

  #tellPlace(): void {
    this.#toldMs = this.#host.now();
    const { subscriber, name } = this.subscription;
    const place = { type: 'position', topic: name, ...this.#source.place() } as const;
    subscriber.tellPosition(this.#keptSeal ? { ...place, sealed: true } : place);
  }

  #passes(event: StoredEvent): boolean {
    const passes = this.subscription.passes(event);
    if (event.sealed && !passes) this.#keptSeal = this.subscription.selection.kind === 'topic';
    return passes;
  }

  #write(frames: readonly Frame[]): void {
    if (frames.length === 0) return;
    this.#host.countReplayed(frames.length);
    this.subscription.subscriber.give(joinFrames(frames));
  }

  #join(): void {
    const waiting = this.#waiting ?? [];
    this.#ended = true;
    this.#unregister();
    const missed = waiting.filter((event) => !this.#source.covers(event));
    const { subscriber } = this.subscription;
    if (missed.length > 0) {
      const clock = this.#source.cursorClock();
      const frames: Frame[] = [];
      for (const event of missed) {
        clock.advance(event);
        if (this.#passes(event)) frames.push(subscriber.dialect.encodeEvent(event, clock));
      }
      this.#write(frames);
      this.#source.passed(missed);
    }
    if (this.subscription.filter !== undefined) this.#tellPlace();
    if (this.lagging) subscriber.tell({ type: 'lag', topic: this.subscription.name, behind: 0 });
    this.#host.join(this.subscription, this.#source);
  }

  #unregister(): void {
    if (this.#waiting === undefined) return;
    this.#waiting = undefined;
    this.#feed.unregister(this.subscription);
  }
}
