import type { Limits } from '@millrace/protocol';

/** Roles that [LIM-3] exempts from the rate of messages. */
const EXEMPT: readonly string[] = ['publisher', 'admin'];
/** The server's buckets are refilled by another clock, so the last tenth of them is left alone. */
const SHARE = 0.9;
/** Of a minute's messages, where the server does not say how many may come at once. */
const MINUTE_BURST = 10;

/** One of the server's token buckets, as far as a client can know it. */
interface Bucket {
  readonly perMs: number;
  readonly burst: number;
  tokens: number;
}

/**
 * Counts what was sent against the server's token buckets, so that publications wait here instead of being refused.
 * Only they wait; everything else is sent at once and counted.
 */
export class Pacer {
  readonly #buckets: readonly Bucket[];
  #atMs: number;

  constructor(limits: Limits, roles: readonly string[], nowMs: number) {
    const { messagesPerSecond, messageBurst, messagesPerMinute, minuteBurst = MINUTE_BURST } = limits;
    const exempt = roles.some((role) => EXEMPT.includes(role));
    const buckets = [bucket(messagesPerSecond / 1000, messageBurst)];
    if (messagesPerMinute !== undefined) buckets.push(bucket(messagesPerMinute / 60_000, minuteBurst));
    this.#buckets = exempt ? [] : buckets;
    this.#atMs = nowMs;
  }

  take(nowMs: number): void {
    this.#refill(nowMs);
    for (const each of this.#buckets) each.tokens -= 1;
  }

  /** How long until one more message may be sent; 0 for now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return Math.max(0, ...this.#buckets.map(({ tokens, perMs }) => Math.ceil((1 - tokens) / perMs)));
  }

  #refill(nowMs: number): void {
    const passedMs = nowMs - this.#atMs;
    this.#atMs = nowMs;
    for (const each of this.#buckets) each.tokens = Math.min(each.burst, each.tokens + passedMs * each.perMs);
  }
}

function bucket(perMs: number, messages: number): Bucket {
  const burst = Math.max(1, Math.floor(messages * SHARE));
  return { perMs: perMs * SHARE, burst, tokens: burst };
}
