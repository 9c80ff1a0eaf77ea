import { MillraceError } from '@millrace/protocol';
import { TokenBucket } from './token-bucket.ts';

/** How fast a client may send: a sustained rate after a burst, a second and, when given, a minute. */
export interface RateLimits {
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  readonly messagesPerMinute?: number;
  /** How many of a minute's may come at once. */
  readonly minuteBurst?: number;
}

/** How many of a minute's messages may come at once, when only the rate a minute is configured. */
const MINUTE_BURST = 10;

/** How fast one client sends. What is refused costs it nothing. */
export class MessageRate {
  readonly limits: RateLimits;
  readonly #second: TokenBucket;
  readonly #minute: TokenBucket | undefined;

  constructor(limits: RateLimits, nowMs: number) {
    const { messagesPerSecond, messageBurst, messagesPerMinute, minuteBurst = MINUTE_BURST } = limits;
    this.limits = limits;
    this.#second = new TokenBucket({ perSecond: messagesPerSecond, burst: messageBurst, nowMs });
    this.#minute =
      messagesPerMinute === undefined
        ? undefined
        : new TokenBucket({ perSecond: messagesPerMinute / 60, burst: minuteBurst, nowMs });
  }

  /** 0 when one more message may come, else how many ms until it may. */
  take(nowMs: number): number {
    const waitMs = Math.max(this.#second.waitMs(nowMs), this.#minute?.waitMs(nowMs) ?? 0);
    if (waitMs === 0) this.charge(1);
    return waitMs;
  }

  /** The same client under other limits: what it has sent it has sent. */
  under(limits: RateLimits, nowMs: number): MessageRate {
    const changed = new MessageRate(limits, nowMs);
    changed.charge(this.#second.missing(nowMs));
    return changed;
  }

  /** Counts messages that came together with one that was taken; those after them wait the longer. */
  charge(count: number): void {
    this.#second.spend(count);
    this.#minute?.spend(count);
  }
}

/** The answer to what came too early. */
export function tooFast(retryAfterMs: number): MillraceError {
  return new MillraceError('rate-limited', `too many messages; send the next in ${retryAfterMs} ms`, {
    details: { retryAfterMs },
  });
}
