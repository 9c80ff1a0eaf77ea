import type { Limits } from '@millrace/protocol';

/** Roles that [LIM-3] exempts from the rate of messages. */
const EXEMPT: readonly string[] = ['publisher', 'admin'];
/** The server's bucket is refilled by another clock, so the last tenth of it is left alone. */
const SHARE = 0.9;

/**
 * Counts what was sent against the server's token bucket, so that publications wait here instead of being refused.
 * Only they wait; everything else is sent at once and counted.
 */
export class Pacer {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(limits: Limits, roles: readonly string[], nowMs: number) {
    const exempt = roles.some((role) => EXEMPT.includes(role));
    this.#perMs = exempt ? Infinity : (limits.messagesPerSecond * SHARE) / 1000;
    this.#burst = exempt ? Infinity : Math.max(1, Math.floor(limits.messageBurst * SHARE));
    this.#tokens = this.#burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens -= 1;
  }

  /** How long until one more message may be sent; 0 for now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens >= 1 ? 0 : Math.ceil((1 - this.#tokens) / this.#perMs);
  }

  #refill(nowMs: number): void {
    if (this.#burst === Infinity) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
  }
}
