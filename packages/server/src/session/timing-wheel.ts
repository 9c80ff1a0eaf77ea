import type { Clock, Timer } from '../clock.ts';

/** Something that wants to be looked at when a time has come. */
export interface Timed {
  /** Called at or up to one tick after the due time. Returns when to call again (ms, monotonic), or `undefined`. */
  onDue(nowMs: number): number | undefined;
}

/** How late an entry may be looked at. */
export const TICK_MS = 250;
const SLOTS = 256;

/**
 * One timer for any number of sessions: slots of a quarter of a second each, and every entry in the slot of its due time. An entry
 * that is due beyond the wheel's turn is looked at once a turn. Nothing is ever taken out: an entry that is over says
 * so when it is looked at.
 */
export class TimingWheel {
  readonly #clock: Clock;
  readonly #slots: Timed[][] = Array.from({ length: SLOTS }, () => []);
  #count = 0;
  #tick: number;
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tick = this.#tickOf(clock.monotonic());
  }

  add(entry: Timed, dueMs: number): void {
    if (this.#closed) return;
    if (this.#count++ === 0) this.#tick = this.#tickOf(this.#clock.monotonic());
    this.#place(entry, dueMs);
    this.#timer ??= this.#clock.after(TICK_MS, this.#turn);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const slot of this.#slots) slot.length = 0;
  }

  #tickOf(ms: number): number {
    return Math.floor(ms / TICK_MS);
  }

  #place(entry: Timed, dueMs: number): void {
    // Never the slot that is being emptied, never beyond one turn.
    const tick = Math.min(Math.max(this.#tickOf(dueMs) + 1, this.#tick + 1), this.#tick + SLOTS - 1);
    (this.#slots[tick % SLOTS] as Timed[]).push(entry);
  }

  readonly #turn = (): void => {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    // A late timer catches up; more than one turn behind, every slot is looked at once.
    const until = this.#tickOf(now);
    if (until - this.#tick > SLOTS) this.#tick = until - SLOTS;
    while (this.#tick < until && !this.#closed) {
      this.#tick++;
      const index = this.#tick % SLOTS;
      const due = this.#slots[index] as Timed[];
      if (due.length === 0) continue;
      this.#slots[index] = [];
      for (const entry of due) {
        const again = entry.onDue(now);
        if (again === undefined) this.#count--;
        else this.#place(entry, again);
      }
    }
    if (this.#count > 0 && !this.#closed) this.#timer = this.#clock.after(TICK_MS, this.#turn);
  };
}
