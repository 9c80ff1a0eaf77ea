import type { Position } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { LogHold } from '../engine/engine.ts';

/** How long retention waits for a state to be stored, in ms, and how many events it lets pile up meanwhile. */
const MAX_HELD_MS = 30_000;
const MAX_HELD_EVENTS = 20_000;

/** How long after a failure storing is tried again, in ms. */
const RETRY_MS = 1000;

export interface StateHoldOptions {
  readonly clock: Clock;
  /** Stores the topic's state as it is now, unless it is stored; resolves with the position of what is. */
  readonly store: () => Promise<Position>;
  readonly onError: (error: unknown, doing: string) => void;
}

/**
 * Keeps retention behind the stored state of one topic, so that what it takes stays in the state. It holds for a while only:
 * when the state cannot be stored in that time, the log is trimmed all the same and the failure is reported, because a log
 * that grows without bound ends worse than a state that misses something.
 */
export class StateHold implements LogHold {
  readonly #epoch: string;
  readonly #name: string;
  readonly #options: StateHoldOptions;
  /** The stored state has everything up to this offset. */
  #stored = 0;
  /** When retention was held up first, and the topic's last offset then; `undefined` while it is not. */
  #held: { readonly sinceMs: number; readonly head: number } | undefined;
  #storing = false;
  /** Until then nothing is stored or held. */
  #restUntilMs = 0;
  #letGo = false;
  /** Why the last attempt failed. */
  #cause: unknown;

  constructor({ topic, epoch }: { topic: string; epoch: string }, options: StateHoldOptions) {
    this.#name = topic;
    this.#epoch = epoch;
    this.#options = options;
    this.#held = undefined;
  }

  mayTrim(upTo: number, head: number): number {
    if (upTo <= this.#stored) return this.#stored;
    const now = this.#options.clock.monotonic();
    const resting = now < this.#restUntilMs;
    if (resting && this.#letGo) return head;
    this.#held ??= { sinceMs: now, head };
    if (now - this.#held.sinceMs >= MAX_HELD_MS || head - this.#held.head >= MAX_HELD_EVENTS) {
      this.#giveUp(now);
      return head;
    }
    if (!resting && !this.#storing) void this.#store();
    return this.#stored;
  }

  /** For a while: what failed may work again. */
  #giveUp(now: number): void {
    this.#letGo = true;
    this.#held = undefined;
    this.#restUntilMs = now + MAX_HELD_MS;
    const problem = `the log of topic ${this.#name} is trimmed, although the state of what goes is not stored`;
    this.#options.onError(new Error(problem, { cause: this.#cause }), 'holding a log for its view');
  }

  async #store(): Promise<void> {
    this.#storing = true;
    try {
      const { epoch, offset } = await this.#options.store();
      if (epoch === this.#epoch) this.#stored = Math.max(this.#stored, offset);
      this.#held = undefined;
      this.#cause = undefined;
    } catch (error) {
      // What is held stays so until it has been too long, which is when it is reported.
      this.#cause = error;
      this.#restUntilMs = this.#options.clock.monotonic() + RETRY_MS;
    } finally {
      this.#letGo = false;
      this.#storing = false;
    }
  }
}
