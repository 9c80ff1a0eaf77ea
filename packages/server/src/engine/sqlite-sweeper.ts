import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A topic whose rows up to an offset no reader may see any more. */
export interface SweepOrder {
  readonly topic: number;
  readonly through: number;
  /** Nothing of the topic remains: its own row goes last. */
  readonly deleted: boolean;
}

/** Deletes what retention and deletions have left behind, some rows at a time. Runs inside the caller's transaction. */
export class Sweeper {
  readonly #pending = new Map<number, SweepOrder>();
  readonly #deleteRows: StatementSync;
  readonly #deleteFences: StatementSync;
  readonly #deleteTopic: StatementSync;

  constructor(database: DatabaseSync) {
    this.#deleteRows = database.prepare(
      `DELETE FROM events WHERE seq IN
         (SELECT seq FROM events WHERE topic = ? AND offset <= ? ORDER BY offset LIMIT ?)`,
    );
    this.#deleteFences = database.prepare('DELETE FROM fences WHERE topic = ?');
    this.#deleteTopic = database.prepare('DELETE FROM topics WHERE id = ?');
  }

  get idle(): boolean {
    return this.#pending.size === 0;
  }

  order(order: SweepOrder): void {
    this.#pending.set(order.topic, order);
  }

  /**
   * Deletes at most `maxRows` events. Returns the topics that are done, to be handed to {@link settle} once the
   * transaction is committed.
   */
  sweep(maxRows: number): SweepOrder[] {
    const done: SweepOrder[] = [];
    let left = maxRows;
    for (const order of this.#pending.values()) {
      if (left <= 0) break;
      const deleted = Number(this.#deleteRows.run(order.topic, order.through, left).changes);
      if (deleted === left) break;
      left -= deleted;
      if (order.deleted) {
        this.#deleteFences.run(order.topic);
        this.#deleteTopic.run(order.topic);
      }
      done.push(order);
      // A topic without rows costs a statement too.
      left--;
    }
    return done;
  }

  settle(done: readonly SweepOrder[]): void {
    for (const order of done) {
      if (this.#pending.get(order.topic) === order) this.#pending.delete(order.topic);
    }
  }
}
