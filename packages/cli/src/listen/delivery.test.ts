import { expect, test } from 'vitest';
import { type DeliveryOptions, deliver, retryDelayMs } from './delivery.ts';
import type { Attempt } from './webhook.ts';

const rules = { maxAttempts: 4, firstDelayMs: 1000, maxDelayMs: 60_000 };
const busy: Attempt = { name: 'failed', reason: 'HTTP 503', status: 503 };
const done: Attempt = { name: 'delivered', status: 204 };

function attempts(answers: readonly Attempt[], stop = new AbortController()) {
  const waits: number[] = [];
  const left = [...answers];
  const options: DeliveryOptions = {
    rules,
    post: async () => left.shift() ?? done,
    stop: stop.signal,
    sleep: async (ms) => {
      waits.push(ms);
    },
    random: () => 1,
    onFailure: () => {},
  };
  return { outcome: deliver(options), waits };
}

test('what fails is tried again, after waits that double', async () => {
  const { outcome, waits } = attempts([busy, busy, done]);
  expect(await outcome).toEqual({ name: 'delivered', attempts: 3, status: 204 });
  expect(waits).toEqual([1000, 2000]);
});

test('the receiver’s word on when counts', async () => {
  const { outcome, waits } = attempts([{ ...busy, afterMs: 7 }, { ...busy, afterMs: 0 }, done]);
  await outcome;
  expect(waits).toEqual([7, 0]);
});

test('what is refused is not tried again, and what fails not for ever', async () => {
  const refused = attempts([{ name: 'refused', reason: 'HTTP 404', status: 404 }]);
  expect(await refused.outcome).toEqual({ name: 'dead', attempts: 1, reason: 'HTTP 404', status: 404 });
  const failing = attempts([busy, busy, { name: 'failed', reason: 'ECONNREFUSED' }, busy]);
  expect(await failing.outcome).toMatchObject({ name: 'dead', attempts: 4, reason: 'HTTP 503' });
  expect(failing.waits).toHaveLength(3);
});

test('when it is to stop, nothing is given up', async () => {
  const stop = new AbortController();
  stop.abort();
  expect(await attempts([busy], stop).outcome).toEqual({ name: 'stopped' });
  expect(await attempts([done], stop).outcome).toMatchObject({ name: 'delivered' });
});

test('waits are spread over half of their bound, and have one', () => {
  expect(retryDelayMs(rules, 1, 0)).toBe(500);
  expect(retryDelayMs(rules, 3, 0.5)).toBe(3000);
  expect(retryDelayMs(rules, 40, 1)).toBe(60_000);
});
