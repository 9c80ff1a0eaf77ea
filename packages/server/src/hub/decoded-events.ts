import type { StoredEvent } from '../engine/engine.ts';
import { EncodedEvent, type FrameBudget } from './encoded-event.ts';

/** What a decoded event costs beside its texts and frames, roughly. */
const OVERHEAD_BYTES = 256;

/** The events that were read last, decoded and with their frames, by number: who reads the same soon after finds them so. */
export class DecodedEvents implements FrameBudget {
  /** Twice as much is kept with those that are about to be forgotten. */
  readonly #maxBytes: number;
  #newer: Map<number, EncodedEvent> = new Map();
  #newerBytes = 0;
  /** Were read before those of `#newer`, and go when these are too many. */
  #older: Map<number, EncodedEvent> = new Map();
  #olderBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#newerBytes + this.#olderBytes;
  }

  /** One of them was encoded into a frame. */
  addFrame(bytes: number): void {
    this.#newerBytes += bytes;
  }

  /** `decode` is called where the event is not known any more. */
  get(number: number, decode: (number: number) => StoredEvent): EncodedEvent {
    const newer = this.#newer.get(number);
    if (newer !== undefined) return newer;
    const older = this.#older.get(number);
    if (this.#newerBytes >= this.#maxBytes) this.forgetOlder();
    const entry = older ?? new EncodedEvent(decode(number), this);
    this.#newer.set(number, entry);
    this.#newerBytes += entry.event.data.length + OVERHEAD_BYTES + entry.frameBytes();
    return entry;
  }

  /** Those that were read since are the older ones now. */
  forgetOlder(): void {
    if (this.#newer.size === 0 && this.#older.size === 0) return;
    this.#older = this.#newer;
    this.#olderBytes = this.#newerBytes;
    this.#newer = new Map();
    this.#newerBytes = 0;
  }
}
