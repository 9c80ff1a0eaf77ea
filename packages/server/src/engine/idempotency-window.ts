import { IDEMPOTENCY_WINDOW_MS } from '@millrace/protocol';
import {
  type FirstAppend,
  type HashedKey,
  hashKey,
  KeySegment,
  NEWEST_FIRST,
  recordLength,
} from './key-segment.ts';

/** Keys that one topic remembers however old they are. */
export const IDEMPOTENCY_WINDOW_KEYS = 10_000;

/** Each segment is as large as all before it together, within these bounds, in bytes: few to look through, and none is ever copied. */
const MIN_SEGMENT_BYTES = 1024;
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024;

/** As many keys are kept as they are. */
const MAX_FEW = 8;

interface Entry {
  readonly key: string;
  readonly first: FirstAppend;
}

/**
 * One topic's memory of idempotency keys: the newest {@link IDEMPOTENCY_WINDOW_KEYS}, and all of the last
 * {@link IDEMPOTENCY_WINDOW_MS}. It knows nothing of the events themselves, so it survives their trimming. Keys live for
 * minutes and are hardly ever asked for: as bytes they take less than half of the memory, and the collector of
 * garbage has nothing to do with them. (Earned by `npm run soak:llm`.) Where there are only a few, a segment would take twice
 * as much as they do.
 */
export class IdempotencyWindow {
  /** All keys, oldest first, while they are few. */
  #few: readonly Entry[] | undefined = [];
  /** Oldest first; only the last may be empty. */
  readonly #segments: KeySegment[] = [];
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): FirstAppend | undefined {
    if (this.#size === 0) return undefined;
    if (this.#few !== undefined) return this.#few.find((entry) => entry.key === key)?.first;
    const hashed = hashKey(key);
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const found = this.#segments[i]?.find(hashed);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Remembers a new key. Keys come in offset order; their timestamps drive the window. */
  add(key: string, first: FirstAppend): void {
    this.#size++;
    if (this.#few !== undefined) {
      this.#few = [...this.#few, { key, first }];
      if (this.#few.length <= MAX_FEW) return;
      for (const entry of this.#few) this.#append(hashKey(entry.key), entry.first);
      this.#few = undefined;
    } else {
      this.#append(hashKey(key), first);
    }
    this.#evict(first.timestamp - IDEMPOTENCY_WINDOW_MS);
  }

  /**
   * Takes back a key whose append was rolled back: the newest that there is, unless it has left the window meanwhile.
   * One emptied segment stays: for whoever tries again while the disk is full, it would else be made anew each time.
   */
  removeNewest(key: string): void {
    if (this.#few !== undefined) {
      this.#few = withoutNewest(this.#few, key);
      this.#size = this.#few.length;
      return;
    }
    let last = this.#segments.length - 1;
    if (this.#segments[last]?.isEmpty) last--;
    const segment = this.#segments[last];
    if (segment?.removeNewest(hashKey(key)) !== true) return;
    this.#size--;
    if (segment.isEmpty && last + 1 < this.#segments.length) this.#forget(last + 1);
  }

  #append(hashed: HashedKey, first: FirstAppend): void {
    if (this.#segments.at(-1)?.add(hashed, first) === true) return;
    const wanted = Math.min(Math.max(this.#bytes, MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES);
    const segment = new KeySegment(Math.max(wanted, recordLength(hashed.key, first.id)));
    segment.add(hashed, first);
    this.#segments.push(segment);
    this.#bytes += segment.bytes;
  }

  #evict(before: number): void {
    while (this.#size > IDEMPOTENCY_WINDOW_KEYS) {
      const oldest = this.#segments[0];
      if (oldest === undefined || oldest.oldestTimestamp >= before) return;
      oldest.dropOldest();
      this.#size--;
      if (oldest.isEmpty) this.#forget(0);
    }
  }

  #forget(index: number): void {
    const [segment] = this.#segments.splice(index, 1);
    this.#bytes -= segment?.bytes ?? 0;
  }
}

function withoutNewest(few: readonly Entry[], key: string): readonly Entry[] {
  const at = few.findIndex((entry) => entry.key === key);
  if (at === -1) return few;
  if (at !== few.length - 1) throw new Error(NEWEST_FIRST);
  return few.slice(0, -1);
}
