import type { Clock } from '../clock.ts';

const SLOTS = 30;

/** How often something happened within a window that ends now, to a thirtieth of it. Holds no timer. */
export class RecentCount {
  readonly #clock: Clock;
  readonly #slotMs: number;
  readonly #counts: Float64Array = new Float64Array(SLOTS);
  #slot: number;

  constructor({ clock, windowMs }: { readonly clock: Clock; readonly windowMs: number }) {
    this.#clock = clock;
    this.#slotMs = windowMs / SLOTS;
    this.#slot = this.#slotNow();
  }

  add(): void {
    this.#forgetOld();
    (this.#counts[this.#slot % SLOTS] as number)++;
  }

  read(): number {
    this.#forgetOld();
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #slotNow(): number {
    return Math.floor(this.#clock.monotonic() / this.#slotMs);
  }

  #forgetOld(): void {
    const now = this.#slotNow();
    const passed = Math.min(now - this.#slot, SLOTS);
    for (let i = 1; i <= passed; i++) this.#counts[(this.#slot + i) % SLOTS] = 0;
    this.#slot = now;
  }
}
