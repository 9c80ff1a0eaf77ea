import { overlapsPattern } from '@millrace/protocol';
import { isDropping } from './slow-queue.ts';
import type { Subscription } from './subscription.ts';

/** Whether what a slow session misses of a live subscription is nowhere read again, so that it must be written. */
export function keeps(subscription: Subscription): boolean {
  return isDropping(subscription.slow) && !overlapsAnother(subscription);
}

/** Where subscriptions overlap, an event belongs to both: then nothing is dropped, and the log is read ([FLOW-7]). */
export function overlapsAnother(subscription: Subscription): boolean {
  const { subscriptions } = subscription.subscriber;
  if (subscriptions.length === 1) return false;
  return subscriptions.some(
    (other) => other !== subscription && overlaps(other.patterns, subscription.patterns),
  );
}

export function overlaps(some: readonly string[], others: readonly string[]): boolean {
  return some.some((a) => others.some((b) => overlapsPattern(a, b)));
}
