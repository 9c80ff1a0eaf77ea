import type { Session } from './session.ts';
import type { Timed, TimingWheel } from './timing-wheel.ts';

/**
 * Sessions that have ended and whose connections are not gone yet: a peer that never closes its side, or a handshake
 * that got stuck. Each is given its time, and is then destroyed.
 */
export class ClosingSessions implements Timed {
  readonly counters = { destroyed: 0 };
  readonly #wheel: TimingWheel;
  readonly #maxMs: number;
  /** Since when, monotonic ms, the oldest first. */
  readonly #since: Map<Session, number> = new Map();
  #waiting = false;

  constructor(wheel: TimingWheel, maxMs: number) {
    this.#wheel = wheel;
    this.#maxMs = maxMs;
  }

  get size(): number {
    return this.#since.size;
  }

  add(session: Session, nowMs: number): void {
    this.#since.set(session, nowMs);
    if (this.#waiting) return;
    this.#waiting = true;
    this.#wheel.add(this, nowMs + this.#maxMs);
  }

  /** The connection is gone. */
  delete(session: Session): void {
    this.#since.delete(session);
  }

  onDue(now: number): number | undefined {
    for (const [session, sinceMs] of this.#since) {
      if (sinceMs + this.#maxMs > now) return sinceMs + this.#maxMs;
      this.#since.delete(session);
      this.counters.destroyed++;
      session.destroy();
    }
    this.#waiting = false;
    return undefined;
  }
}
