import { IDEMPOTENCY_WINDOW_MS } from '@millrace/protocol';
import { type FirstAppend, type HashedKey, hashKey, KeySegment, recordLength } from './key-segment.ts';

/** Keys that one topic remembers however old they are. */
export const IDEMPOTENCY_WINDOW_KEYS = 10_000;

/** Each segment is as large as all before it together, within these bounds, in bytes: few to look through, none that costs a pause. */
const MIN_SEGMENT_BYTES = 128;
const MAX_SEGMENT_BYTES = 4 * 1024 * 1024;

/**
 * One topic's memory of idempotency keys: the newest {@link IDEMPOTENCY_WINDOW_KEYS}, and all of the last
 * {@link IDEMPOTENCY_WINDOW_MS}. It knows nothing of the events themselves, so it survives their trimming. Keys live for
 * minutes and are hardly ever asked for: as bytes they take less than a third of the memory, and the collector of
 * garbage has nothing to do with them. (Earned by `npm run soak:llm`.)
 */
export class IdempotencyWindow {
  /** Oldest first; none but the last is empty. */
  readonly #segments: KeySegment[] = [];
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): FirstAppend | undefined {
    if (this.#size === 0) return undefined;
    const hashed = hashKey(key);
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const found = this.#segments[i]?.find(hashed);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Remembers a new key. Keys come in offset order; their timestamps drive the window. */
  add(key: string, first: FirstAppend): void {
    const hashed = hashKey(key);
    if (this.#segments.at(-1)?.add(hashed, first) !== true) this.#addSegment(hashed, first);
    this.#size++;
    this.#evict(first.timestamp - IDEMPOTENCY_WINDOW_MS);
  }

  /** Takes back a key whose append was rolled back: the newest that there is. */
  removeNewest(key: string): void {
    const segment = this.#segments.at(-1);
    if (segment?.removeNewest(hashKey(key)) !== true) throw new Error('keys are taken back newest first');
    this.#size--;
    if (segment.isEmpty) this.#forget(this.#segments.length - 1);
  }

  #addSegment(hashed: HashedKey, first: FirstAppend): void {
    const wanted = Math.min(Math.max(this.#bytes, MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES);
    const segment = new KeySegment(Math.max(wanted, recordLength(hashed, first.id)));
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
