import type { Clock, Turns } from '../clock.ts';
import { Histogram, RecentHistogram } from '../metrics/histogram.ts';

/** Something that has frames to write. */
export interface Flushable {
  /** The flusher's own note, here because there are as many as sessions: when the last flush of this began, monotonic ms; -Infinity at first. */
  flushStartedMs: number;
  flush(): void;
  /** What waited may wait no longer. */
  dueNow(): void;
}

/** A flush and its pause together; a long flush gets a shorter pause, so that its events are not late as well. In ms. */
const CYCLE_MS = 14;

/** Timers are late by so much, in ms. */
const LATE_MS = 2;

/** The shortest pause, as a share of the flush, and the longest, in ms. */
const MIN_PAUSE_SHARE = 2 / 5;
const MAX_PAUSE_MS = 20;

/** A flush that is going to last waits for company: for a quarter of what the last one took, at most this, in ms. */
const MAX_GATHER_MS = 2;

/** Sessions of one flush. */
const SIZE_BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/** From the storing of an event to its writing, in ms. */
const LATENCY_BOUNDS_MS = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000, 10_000];

/**
 * Gathers sessions that have something to write and lets each write once a flush. A flush comes in the next turn of
 * the event loop, but after a pause as long as the last flush, somewhat less when that was long: under load events then
 * gather into fewer writes, and the event loop keeps time for others. Sessions that were not written to within such a cycle
 * would only be later for it, with as many writes: the pause is shorter by their share. Where there was no pause to gather in, a
 * flush with a large audience waits for the rest of a burst, which would else pay for a second flush. (Earned by the
 * scenarios "fan-out-even" and "fan-out-bursts" of `npm run bench`, and by `npm run soak:llm`.)
 */
export class Flusher {
  flushes = 0;
  writes = 0;
  /** Sessions a flush. */
  readonly sizes: Histogram = new Histogram(SIZE_BOUNDS);
  /**
   * How long after it was stored an event had been written to everybody, in ms: of each flush the event that was handed
   * out first, so that the others of the flush were faster.
   */
  readonly latency: RecentHistogram;
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #onFlushed: () => void;
  #dirty: Flushable[] = [];
  #scheduled: 'no' | 'paused' | 'soon' = 'no';
  /** Sessions whose events may wait, by how long (ms). */
  readonly #waiting: Map<number, Flushable[]> = new Map();
  #notBefore = 0;
  /** Of the first event that the next flush writes, ms since the Unix epoch; 0 when there is none yet. */
  #firstStoredMs = 0;
  #gatherMs = 0;
  /** How long the last flush and a whole pause after it take together: a session that had been written to within it gains by the pause. */
  #cycleMs = CYCLE_MS + LATE_MS;

  constructor(options: { clock: Clock; turns: Turns; onFlushed: () => void }) {
    this.#clock = options.clock;
    this.#turns = options.turns;
    this.#onFlushed = options.onFlushed;
    this.latency = new RecentHistogram(LATENCY_BOUNDS_MS, options.clock);
  }

  /** Adds a session to the next flush; the caller sees to it that it is added once a flush. */
  add(flushable: Flushable): void {
    this.#dirty.push(flushable);
    if (this.#scheduled !== 'no') return;
    const pause = this.#notBefore - this.#clock.monotonic();
    const wait = pause > 0 ? pause : this.#gatherMs;
    // Timers count whole milliseconds; less than one is a turn.
    if (wait < 1) this.hurry();
    else {
      this.#scheduled = 'paused';
      this.#clock.after(Math.round(wait), this.#run);
    }
  }

  /** An event stored at this time (ms since the Unix epoch) goes out with the next flush. */
  noteStored(storedMs: number): void {
    if (this.#firstStoredMs === 0) this.#firstStoredMs = storedMs;
  }

  /** The next flush comes in the next turn, whatever the pause. */
  hurry(): void {
    if (this.#scheduled === 'soon') return;
    this.#scheduled = 'soon';
    this.#turns.soon(this.#run);
  }

  /** Calls `dueNow` of a session after `delayMs`, in one turn with all others that wait as long. */
  addLater(flushable: Flushable, delayMs: number): void {
    const waiting = this.#waiting.get(delayMs);
    if (waiting !== undefined) {
      waiting.push(flushable);
      return;
    }
    this.#waiting.set(delayMs, [flushable]);
    this.#clock.after(delayMs, () => {
      const due = this.#waiting.get(delayMs) ?? [];
      this.#waiting.delete(delayMs);
      for (const each of due) each.dueNow();
    });
  }

  readonly #run = (): void => {
    // A flush that was hurried did what a pause was for.
    if (this.#dirty.length === 0) return;
    const start = this.#clock.monotonic();
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#scheduled = 'no';
    this.flushes++;
    this.writes += dirty.length;
    this.sizes.observe(dirty.length);
    let again = 0;
    for (let i = 0; i < dirty.length; i++) {
      const each = dirty[i] as Flushable;
      if (start - each.flushStartedMs <= this.#cycleMs) again++;
      each.flushStartedMs = start;
      each.flush();
    }
    this.#onFlushed();
    this.#observeLatency();
    const end = this.#clock.monotonic();
    const lasted = end - start;
    const pause = pauseAfter(lasted);
    this.#notBefore = end + (pause * again) / dirty.length;
    this.#cycleMs = Math.max(CYCLE_MS, lasted + pause) + LATE_MS;
    this.#gatherMs = Math.min(lasted / 4, MAX_GATHER_MS);
  };

  #observeLatency(): void {
    if (this.#firstStoredMs === 0) return;
    // The clock may have stepped back, and another node's need not agree with ours.
    this.latency.observe(Math.max(0, this.#clock.now() - this.#firstStoredMs));
    this.#firstStoredMs = 0;
  }
}

function pauseAfter(flushMs: number): number {
  return Math.min(flushMs, Math.max(CYCLE_MS - flushMs, flushMs * MIN_PAUSE_SHARE), MAX_PAUSE_MS);
}
