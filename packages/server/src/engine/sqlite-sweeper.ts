import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A topic whose rows up to an offset no reader may see any more. */
export interface SweepOrder {
  readonly topic: number;
  readonly through: number;
  /** Nothing of the topic remains: its own row goes last. */
  readonly deleted: boolean;
}

/** What one call of {@link Sweeper.sweep} did, true once its transaction is committed. */
export interface Sweep {
  /** Seq of the oldest row to delete of each topic it touched; `undefined` when none is left. */
  readonly moved: readonly (readonly [Pending, number | undefined])[];
  readonly span: number;
}

interface Pending {
  order: SweepOrder;
  /** Seq of its oldest row to delete. */
  seq: number;
}

const SMALLEST_SPAN = 16;

/**
 * Deletes what retention and deletions have left behind, some rows at a time, inside the caller's transaction.
 *
 * It goes through the events in seq order, for all topics at once, because neighbours in the file share pages: to
 * delete topic by topic would write the same pages again for each of them (50 topics: 64,000 appends/s with every one
 * of them paid for by a deletion, against 145,000; `bench/append.ts --keep 2000`).
 */
export class Sweeper {
  readonly #pending = new Map<number, Pending>();
  readonly #deleteRows: StatementSync;
  readonly #oldest: StatementSync;
  readonly #setDue: StatementSync;
  readonly #clearDue: StatementSync;
  readonly #deleteFences: StatementSync;
  readonly #deleteTopic: StatementSync;
  /** Seqs that a sweep covers: grows while most of them are to be deleted, so that sparse ones cost a jump each. */
  #span = SMALLEST_SPAN;

  constructor(database: DatabaseSync) {
    database.exec(
      'PRAGMA temp_store = MEMORY; CREATE TEMP TABLE due (topic INTEGER PRIMARY KEY, through INTEGER NOT NULL)',
    );
    this.#deleteRows = database.prepare(
      `DELETE FROM events WHERE seq >= ? AND seq < ?
         AND offset <= (SELECT through FROM temp.due WHERE due.topic = events.topic)`,
    );
    this.#oldest = database.prepare('SELECT seq, offset FROM events WHERE topic = ? ORDER BY offset LIMIT 1');
    this.#setDue = database.prepare('INSERT OR REPLACE INTO temp.due VALUES (?, ?)');
    this.#clearDue = database.prepare('DELETE FROM temp.due WHERE topic = ?');
    this.#deleteFences = database.prepare('DELETE FROM fences WHERE topic = ?');
    this.#deleteTopic = database.prepare('DELETE FROM topics WHERE id = ?');
  }

  get idle(): boolean {
    return this.#pending.size === 0;
  }

  /** Takes note of what has to go. Not to be called inside a transaction. */
  order(order: SweepOrder): void {
    this.#setDue.run(order.topic, order.through);
    const pending = this.#pending.get(order.topic);
    if (pending === undefined) this.#pending.set(order.topic, { order, seq: this.#oldestOf(order) ?? 0 });
    else pending.order = order;
  }

  /** Deletes events out of at most `maxRows`. */
  sweep(maxRows: number): Sweep {
    const from = this.#first();
    const span = Math.min(this.#span, maxRows);
    const deleted = Number(this.#deleteRows.run(from, from + span).changes);
    const moved: [Pending, number | undefined][] = [];
    for (const pending of this.#pending.values()) {
      if (pending.seq >= from + span) continue;
      const seq = this.#oldestOf(pending.order);
      moved.push([pending, seq]);
      if (seq === undefined && pending.order.deleted) this.#deleteTopicRows(pending.order.topic);
    }
    return { moved, span: deleted * 4 >= span ? span * 2 : Math.max(SMALLEST_SPAN, span / 2) };
  }

  settle({ moved, span }: Sweep): void {
    this.#span = span;
    for (const [pending, seq] of moved) {
      if (seq !== undefined) {
        pending.seq = seq;
        continue;
      }
      this.#pending.delete(pending.order.topic);
      this.#clearDue.run(pending.order.topic);
    }
  }

  #first(): number {
    let first = Number.MAX_SAFE_INTEGER;
    for (const { seq } of this.#pending.values()) if (seq < first) first = seq;
    return first;
  }

  #oldestOf({ topic, through }: SweepOrder): number | undefined {
    const row = this.#oldest.get(topic) as { seq: number; offset: number } | undefined;
    return row !== undefined && row.offset <= through ? row.seq : undefined;
  }

  #deleteTopicRows(topic: number): void {
    this.#deleteFences.run(topic);
    this.#deleteTopic.run(topic);
  }
}
