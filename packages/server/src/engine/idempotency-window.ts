import { IDEMPOTENCY_WINDOW_MS } from '@millrace/protocol';

/** Keys that one topic remembers however old they are. */
export const IDEMPOTENCY_WINDOW_KEYS = 10_000;

/** What the first append with a key was told. */
export interface FirstAppend {
  readonly offset: number;
  readonly seq: number;
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

interface Entry extends FirstAppend {
  readonly key: string;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/**
 * One topic's memory of idempotency keys: the newest {@link IDEMPOTENCY_WINDOW_KEYS}, and all of the last
 * {@link IDEMPOTENCY_WINDOW_MS}. It knows nothing of the events themselves, so it survives their trimming.
 */
export class IdempotencyWindow {
  readonly #entries = new Map<string, Entry>();
  // A list of its own, because finding a Map's oldest entry gets slow once its front is full of deleted ones.
  #oldest: Entry | undefined;
  #newest: Entry | undefined;

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): FirstAppend | undefined {
    return this.#entries.get(key);
  }

  /** Remembers a new key. Keys come in offset order; their timestamps drive the window. */
  add(key: string, offset: number, seq: number, id: string, timestamp: number): void {
    const entry: Entry = { key, offset, seq, id, timestamp, older: this.#newest, newer: undefined };
    this.#entries.set(key, entry);
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#evict(timestamp - IDEMPOTENCY_WINDOW_MS);
  }

  /** Takes back a key whose append was rolled back. */
  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
  }

  #evict(before: number): void {
    while (this.#entries.size > IDEMPOTENCY_WINDOW_KEYS) {
      const oldest = this.#oldest;
      if (oldest === undefined || oldest.timestamp >= before) return;
      this.remove(oldest.key);
    }
  }
}
