import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Rows beyond the window before a sweep pays off. */
const WORTH_A_SWEEP = 1000;
/** Rows that are beyond the window by number may be too young yet: between two sweeps lies at least this (ms). */
const SWEEP_PAUSE_MS = 60_000;

/** The idempotency window, handed in because its constants would load the whole protocol into the writer thread. */
export interface KeyWindow {
  /** A topic's newest keys are kept, however old. */
  readonly keys: number;
  /** All younger ones are kept, however many. */
  readonly ms: number;
}

/**
 * Bounds the table of idempotency keys to their window. The table has no index by topic, which would cost every append; instead a sweep walks
 * it in seq order, seldom, and only once enough rows are due.
 */
export class KeySweeper {
  readonly #window: KeyWindow;
  readonly #stored = new Map<number, number>();
  readonly #page: StatementSync;
  readonly #delete: StatementSync;
  /** Topics that are no more, with rows left. */
  readonly #gone = new Set<number>();
  /** Rows that have more than a full window of newer ones in their topic, or whose topic is gone. */
  #surplus = 0;
  /** The sweep under way has come to this seq; `undefined` between sweeps. */
  #at: number | undefined = undefined;
  #nextSweep = 0;

  constructor(database: DatabaseSync, window: KeyWindow) {
    this.#window = window;
    this.#page = database.prepare(
      'SELECT seq, topic, timestamp FROM keys WHERE seq > ? ORDER BY seq LIMIT ?',
    );
    this.#page.setReturnArrays(true);
    this.#delete = database.prepare('DELETE FROM keys WHERE seq = ?');
    const counts = database.prepare(
      `SELECT keys.topic, count(*), topics.id IS NULL OR topics.deleted FROM keys
       LEFT JOIN topics ON topics.id = keys.topic GROUP BY keys.topic`,
    );
    counts.setReturnArrays(true);
    for (const [topic, count, gone] of counts.iterate() as unknown as Iterable<[number, number, number]>) {
      this.#stored.set(topic, count);
      this.#surplus += Math.max(0, count - this.#window.keys);
      if (gone !== 0) this.topicGone(topic);
    }
  }

  idle(now: number): boolean {
    return this.#at === undefined && (this.#surplus < WORTH_A_SWEEP || now < this.#nextSweep);
  }

  /** Counts a committed row. */
  added(topic: number): void {
    const count = (this.#stored.get(topic) ?? 0) + 1;
    this.#stored.set(topic, count);
    if (count > this.#window.keys) this.#surplus++;
  }

  topicGone(topic: number): void {
    const count = this.#stored.get(topic);
    if (count === undefined || this.#gone.has(topic)) return;
    this.#gone.add(topic);
    this.#surplus += Math.min(count, this.#window.keys);
  }

  /** Looks at up to `maxRows` rows. Call {@link settle} with the answer once the transaction is committed. */
  sweep(maxRows: number, now: number): KeySweep {
    const deleted = new Map<number, number>();
    const rows = this.#page.all(this.#at ?? 0, maxRows) as unknown as [number, number, number][];
    for (const [seq, topic, timestamp] of rows) {
      // All that follow are as young: timestamps follow the order of commit, but for steps of the clock.
      if (timestamp >= now - this.#window.ms) return { at: undefined, now, deleted };
      const before = deleted.get(topic) ?? 0;
      const stored = (this.#stored.get(topic) ?? 0) - before;
      if (stored <= this.#window.keys && !this.#gone.has(topic)) continue;
      deleted.set(topic, before + 1);
      this.#delete.run(seq);
    }
    return { at: rows.length < maxRows ? undefined : rows.at(-1)?.[0], now, deleted };
  }

  settle({ at, now, deleted }: KeySweep): void {
    if (at === undefined) this.#nextSweep = now + SWEEP_PAUSE_MS;
    this.#at = at;
    for (const [topic, count] of deleted) {
      const stored = (this.#stored.get(topic) ?? 0) - count;
      this.#surplus -= count;
      if (stored > 0) {
        this.#stored.set(topic, stored);
      } else {
        this.#stored.delete(topic);
        this.#gone.delete(topic);
      }
    }
  }
}

export interface KeySweep {
  /** Where the sweep goes on; `undefined` when it has come to its end. */
  readonly at: number | undefined;
  readonly now: number;
  /** How many rows of each topic. */
  readonly deleted: ReadonlyMap<number, number>;
}
