import type { ConsumerRun, StoredEvent } from '../engine/engine.ts';
import { isInbox } from './consumer-key.ts';
import { type Progress, runAt } from './progress.ts';

/** Why an event is given up. */
export type DeadReason = 'failed' | 'expired';

/** When an event that is not acknowledged is sent again, and when it is given up. Times in ms. */
export class DeliveryRules {
  /** After each delivery: how long until the next. */
  readonly #redeliveryMs: readonly number[];
  /** Of a message in an inbox. */
  readonly ttlMs: number;

  /** `redeliveryMs` has at least one time. */
  constructor(options: { redeliveryMs: readonly number[]; ttlMs: number }) {
    this.#redeliveryMs = options.redeliveryMs;
    this.ttlMs = options.ttlMs;
  }

  /** How long an event waits for its acknowledgement after it was sent for the `attempt`th time. */
  waitAfter(attempt: number): number {
    const { length } = this.#redeliveryMs;
    return this.#redeliveryMs[Math.min(attempt, length) - 1] as number;
  }

  /** Whether the run is to be sent once more. */
  isDue({ attempt, nextAt }: ConsumerRun, now: number): boolean {
    return nextAt <= now && attempt <= this.#redeliveryMs.length;
  }

  /** Whether the run was sent as often as it may be, and waited for once more. */
  isExhausted({ attempt, nextAt }: ConsumerRun, now: number): boolean {
    return nextAt <= now && attempt > this.#redeliveryMs.length;
  }

  /** When a message ends, acknowledged or not; `undefined` for a topic that is no inbox: there retention decides. */
  expiresAt({ topic, timestamp }: Pick<StoredEvent, 'topic' | 'timestamp'>): number | undefined {
    return isInbox(topic) ? timestamp + this.ttlMs : undefined;
  }

  /** Why an event that is not acknowledged is to be given up now; `undefined` while it lives. */
  reasonToBury(event: StoredEvent, progress: Progress, now: number): DeadReason | undefined {
    if ((this.expiresAt(event) ?? Number.POSITIVE_INFINITY) <= now) return 'expired';
    const run = runAt(progress, event.offset);
    return run !== undefined && this.isExhausted(run, now) ? 'failed' : undefined;
  }
}
