import type { StoredEvent } from '../engine/engine.ts';
import type { CursorSource, Dialect, Frame } from './dialect.ts';

/** Whoever keeps an event counts its frames. */
export interface FrameBudget {
  addFrame(bytes: number): void;
}

/** An event with the frames it was encoded into. */
export class EncodedEvent {
  readonly event: StoredEvent;
  readonly #budget: FrameBudget | undefined;
  #frames: (Frame | undefined)[] = [];

  constructor(event: StoredEvent, budget?: FrameBudget) {
    this.event = event;
    this.#budget = budget;
  }

  /** The event's frame, encoded once; `at` must stand at this event. */
  frame(dialect: Dialect, at: CursorSource): Frame {
    const known = this.#frames[dialect.index];
    if (known !== undefined) return known;
    const frame = dialect.encodeEvent(this.event, at);
    this.#frames[dialect.index] = frame;
    this.#budget?.addFrame(frame.length);
    return frame;
  }

  frameBytes(): number {
    let bytes = 0;
    for (const frame of this.#frames) bytes += frame?.length ?? 0;
    return bytes;
  }
}
