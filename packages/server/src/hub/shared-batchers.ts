import type { Clock } from '../clock.ts';
import { Batcher, type BatchOption } from './batcher.ts';

/** Batch options that are remembered; clients may invent any number of them. */
const MAX_OPTIONS = 256;

/** The batchers of a hub: sessions that ask for the same get the same one ([BATCH-2]). */
export class SharedBatchers {
  readonly #clock: Clock;
  readonly #known: Map<string, Batcher> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Whoever asks keeps what is answered for as long as it wants the same: an option that was asked for long ago is forgotten, and
   * has another batcher for who asks next, but one session's events of a topic must all go through one.
   */
  of(option: BatchOption, kept: boolean): Batcher {
    const key = `${option.maxEvents} ${option.maxDelayMs} ${kept}`;
    let batcher = this.#known.get(key);
    if (batcher !== undefined) return batcher;
    batcher = new Batcher(option, kept, this.#clock);
    this.#known.set(key, batcher);
    if (this.#known.size > MAX_OPTIONS) {
      const [oldest = key] = this.#known.keys();
      this.#known.delete(oldest);
    }
    return batcher;
  }
}
