import type { MillraceEvent } from '@millrace/protocol';

/** One event, and the cursor that is reached with it, where one was told before the next event came. */
export interface BufferedEvent {
  readonly event: MillraceEvent;
  cursorAfter: string | undefined;
}

/** Events in order, first in first out, without moving what stays. */
export class EventBuffer {
  #items: BufferedEvent[] = [];
  #taken = 0;

  get length(): number {
    return this.#items.length - this.#taken;
  }

  push(event: MillraceEvent): void {
    this.#items.push({ event, cursorAfter: undefined });
  }

  /** Notes that `cursor` is reached with the newest event; false when there is none here. */
  mark(cursor: string): boolean {
    const last = this.#items.at(-1);
    if (last === undefined || this.length === 0) return false;
    last.cursorAfter = cursor;
    return true;
  }

  shift(): BufferedEvent | undefined {
    const item = this.#items[this.#taken];
    if (item === undefined) return undefined;
    this.#taken += 1;
    // Halving now and then costs less than moving everything for each event.
    if (this.#taken * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  /** Takes out the events of one topic; cursors that were reached with them are reached with those before. */
  drop(topic: string): void {
    this.#items = this.#items.slice(this.#taken).filter(({ event }) => event.topic !== topic);
    this.#taken = 0;
  }

  clear(): void {
    this.#items = [];
    this.#taken = 0;
  }
}
