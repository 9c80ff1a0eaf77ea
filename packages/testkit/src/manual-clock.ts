import type { Clock, Timer } from '@millrace/server';

interface Pending {
  readonly due: number;
  readonly task: () => void;
}

/** A clock that moves only when it is told to. */
export class ManualClock implements Clock {
  #wall: number;
  #elapsed = 0;
  #pending: Pending[] = [];

  constructor(wall: number = Date.UTC(2026, 0, 1)) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(delayMs: number, task: () => void): Timer {
    const pending: Pending = { due: this.#elapsed + delayMs, task };
    this.#pending.push(pending);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== pending);
      },
    };
  }

  /** Lets time pass, and runs what falls due on the way, in order. */
  advance(ms: number): void {
    const end = this.#elapsed + ms;
    for (;;) {
      const next = this.#earliest(end);
      if (next === undefined) break;
      this.#pending = this.#pending.filter((other) => other !== next);
      this.#moveTo(Math.max(this.#elapsed, next.due));
      next.task();
    }
    this.#moveTo(end);
  }

  /** Sets the wall clock, as an administrator or NTP would: no timer notices. */
  stepWall(ms: number): void {
    this.#wall += ms;
  }

  #earliest(end: number): Pending | undefined {
    let earliest: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.due <= end && (earliest === undefined || pending.due < earliest.due)) earliest = pending;
    }
    return earliest;
  }

  #moveTo(elapsed: number): void {
    this.#wall += elapsed - this.#elapsed;
    this.#elapsed = elapsed;
  }
}
