import type { Attempt } from './webhook.ts';

export interface DeliveryRules {
  /** Tries in all, the first included. */
  readonly maxAttempts: number;
  /** Upper bound of the first delay; it doubles with each failure. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** What became of an event. */
export type Outcome =
  | { readonly name: 'delivered'; readonly attempts: number; readonly status: number }
  | {
      readonly name: 'dead';
      readonly attempts: number;
      readonly reason: string;
      readonly status: number | undefined;
    }
  /** We were told to stop before it was clear. */
  | { readonly name: 'stopped' };

export interface DeliveryOptions {
  readonly rules: DeliveryRules;
  readonly post: () => Promise<Attempt>;
  readonly stop: AbortSignal;
  /** Resolves when the time is over, or at once when `stop` is given. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly random: () => number;
  readonly onFailure: (failure: {
    readonly reason: string;
    readonly attempts: number;
    readonly delayMs: number;
  }) => void;
}

/** The wait after so many failures: half of a bound that doubles, and a random part of the other half, so that receivers are not hit in step. */
export function retryDelayMs(rules: DeliveryRules, failures: number, random: number): number {
  const bound = Math.min(rules.maxDelayMs, rules.firstDelayMs * 2 ** (failures - 1));
  return Math.round(bound / 2 + (random * bound) / 2);
}

/** Posts until it is delivered, refused for good, or the tries are used up. */
export async function deliver(options: DeliveryOptions): Promise<Outcome> {
  const { rules, stop } = options;
  for (let attempts = 1; ; attempts++) {
    const attempt = await options.post();
    if (attempt.name === 'delivered') return { name: 'delivered', attempts, status: attempt.status };
    // The attempt may have failed because it was cut.
    if (stop.aborted) return { name: 'stopped' };
    const { reason, status } = attempt;
    if (attempt.name === 'refused' || attempts >= rules.maxAttempts) {
      return { name: 'dead', attempts, reason, status };
    }
    const delayMs = attempt.afterMs ?? retryDelayMs(rules, attempts, options.random());
    options.onFailure({ reason, attempts, delayMs });
    await options.sleep(delayMs);
    if (stop.aborted) return { name: 'stopped' };
  }
}
