import type { StoredEvent } from '../engine/engine.ts';
import type { CursorSource, Dialect, Frame } from './dialect.ts';

/** An event with the frames it was encoded into. */
export class EncodedEvent {
  readonly event: StoredEvent;
  #frames: (Frame | undefined)[] = [];

  constructor(event: StoredEvent) {
    this.event = event;
  }

  /** The event's frame, encoded once; `at` must stand at this event. */
  frame(dialect: Dialect, at: CursorSource): Frame {
    const known = this.#frames[dialect.index];
    if (known !== undefined) return known;
    const frame = dialect.encodeEvent(this.event, at);
    this.#frames[dialect.index] = frame;
    return frame;
  }
}
