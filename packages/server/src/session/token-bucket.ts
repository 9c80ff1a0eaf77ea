/** Rounding must not make a client wait that came back exactly when it was told to. */
const ROUNDING = 1e-9;

/** Allows a sustained rate after a burst. Holds a few numbers and no timer. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(options: { perSecond: number; burst: number; nowMs: number }) {
    this.#perMs = options.perSecond / 1000;
    this.#burst = options.burst;
    this.#tokens = options.burst;
    this.#at = options.nowMs;
  }

  /** Takes one token: 0 when there was one, else how many ms until there is. */
  take(nowMs: number): number {
    const waitMs = this.waitMs(nowMs);
    if (waitMs === 0) this.spend(1);
    return waitMs;
  }

  /** How many ms until there is a token; 0 when there is one. */
  waitMs(nowMs: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#at) * this.#perMs);
    this.#at = nowMs;
    return this.#tokens >= 1 - ROUNDING ? 0 : Math.ceil((1 - this.#tokens) / this.#perMs - ROUNDING);
  }

  /** How many are missing from the burst, those on credit included. */
  missing(nowMs: number): number {
    this.waitMs(nowMs);
    return this.#burst - this.#tokens;
  }

  /** Takes tokens, if need be on credit: nothing more is given until they are paid for. */
  spend(count: number): void {
    this.#tokens -= count;
  }
}
