import { MillraceError } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import { addressKey } from './address.ts';
import { BoundedMap } from './bounded-map.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Violations } from './violations.ts';

export interface ArrivalsOptions {
  readonly clock: Clock;
  readonly violations: Violations;
  /** New connections a second of one address, and how many may come at once; without the rate there is no bound. */
  readonly perSecond: number | undefined;
  readonly burst: number;
}

/** Addresses that are remembered. */
const MAX_ADDRESSES = 10_000;

/** How fast each address opens connections ([LIM-5]). */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  readonly #buckets: BoundedMap<TokenBucket> = new BoundedMap(MAX_ADDRESSES);

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /** Counts one more. Throws a `MillraceError` (`rate-limited`) when it comes too early. */
  assertPace(address: string): void {
    const { clock, violations, perSecond, burst } = this.#options;
    if (perSecond === undefined) return;
    const key = addressKey(address);
    const nowMs = clock.monotonic();
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket({ perSecond, burst, nowMs });
      this.#buckets.set(key, bucket);
    }
    const retryAfterMs = bucket.take(nowMs);
    if (retryAfterMs === 0) return;
    violations.byAddress('too-many-connections', address);
    throw new MillraceError(
      'rate-limited',
      `this address opens more than ${perSecond} connections a second`,
      {
        details: { retryAfterMs },
      },
    );
  }
}
