import { describe, expect, test } from 'vitest';
import { MessageRate } from './message-rate.ts';
import { RoleRates } from './role-rates.ts';
import { TokenBucket } from './token-bucket.ts';

describe('a token bucket', () => {
  test('gives its burst at once, and then one at exactly the pace of its rate', () => {
    for (const perSecond of [1, 3, 7, 10, 100, 999, 1000]) {
      const bucket = new TokenBucket({ perSecond, burst: 5, nowMs: 0 });
      for (let i = 0; i < 5; i++) expect(bucket.take(0)).toBe(0);
      let now = 0;
      for (let i = 0; i < 1000; i++) {
        const waitMs = bucket.take(now);
        expect(waitMs).toBeGreaterThan(0);
        expect(bucket.take(now + waitMs - 1)).toBeGreaterThan(0);
        now += waitMs;
        expect(bucket.take(now)).toBe(0);
      }
      // Waiting is counted in whole milliseconds, and what is waited too long is not lost.
      expect(now).toBeLessThanOrEqual((1000 / perSecond) * 1000 + 1);
    }
  });

  test('never holds more than its burst', () => {
    const bucket = new TokenBucket({ perSecond: 100, burst: 3, nowMs: 0 });
    for (let i = 0; i < 3; i++) expect(bucket.take(1_000_000)).toBe(0);
    expect(bucket.take(1_000_000)).toBe(10);
  });

  test('gives nothing until what was spent on credit is paid for', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 5, nowMs: 0 });
    expect(bucket.take(0)).toBe(0);
    bucket.spend(9);
    expect(bucket.waitMs(0)).toBe(600);
    expect(bucket.take(599)).toBe(1);
    expect(bucket.take(600)).toBe(0);
  });
});

describe('the rate of a client', () => {
  const limits = { messagesPerSecond: 100, messageBurst: 50, messagesPerMinute: 100, minuteBurst: 10 };

  test('holds to the minute as well as to the second, and what is refused costs nothing', () => {
    const rate = new MessageRate(limits, 0);
    for (let i = 0; i < 10; i++) expect(rate.take(0)).toBe(0);
    for (let i = 0; i < 100; i++) expect(rate.take(0)).toBe(600);
    expect(rate.take(599)).toBe(1);
    expect(rate.take(600)).toBe(0);
    let taken = 0;
    for (let now = 601; now <= 60_600; now++) if (rate.take(now) === 0) taken++;
    expect(taken).toBe(100);
  });

  test('is that of the role that may most, and none for backends unless one is given', () => {
    const base = { messagesPerSecond: 100, messageBurst: 200 };
    const plain = new RoleRates({ base, byRole: { agent: { messagesPerSecond: 1000 } } });
    expect(plain.limitsOf(['observer'])).toEqual(base);
    expect(plain.limitsOf(['agent'])).toEqual({ messagesPerSecond: 1000, messageBurst: 200 });
    expect(plain.limitsOf(['observer', 'agent', 'member'])?.messagesPerSecond).toBe(1000);
    expect(plain.limitsOf(['publisher'])).toBeUndefined();
    expect(plain.limitsOf(['observer', 'admin'])).toBeUndefined();
    const strict = new RoleRates({
      base: { ...base, messagesPerMinute: 60 },
      byRole: { publisher: { messagesPerMinute: 600 } },
    });
    expect(strict.limitsOf(['publisher', 'member'])?.messagesPerMinute).toBe(600);
  });
});
