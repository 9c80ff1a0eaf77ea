import { expect, test } from 'vitest';
import { InFlight } from './in-flight.ts';

test('is bounded by number and bytes, and has room when half of both is free', async () => {
  const inFlight = new InFlight(4, 100);
  const answers = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  for (const { promise } of answers.slice(0, 3)) inFlight.add(promise, 10);
  expect(inFlight.full).toBe(false);
  inFlight.add((answers[3] as (typeof answers)[number]).promise, 70);
  expect(inFlight.full).toBe(true);
  let hasRoom = false;
  const room = inFlight.room().then(() => {
    hasRoom = true;
  });
  for (const { resolve } of answers.slice(0, 3)) resolve();
  await new Promise(setImmediate);
  expect(inFlight.items).toBe(1);
  expect(hasRoom).toBe(false);
  answers[3]?.resolve();
  await room;
  await inFlight.settled();
  expect(inFlight.items).toBe(0);
});

test('remembers the first failure', async () => {
  const inFlight = new InFlight(4);
  inFlight.add(Promise.reject(new Error('first')));
  inFlight.add(Promise.reject(new Error('second')));
  await inFlight.settled();
  expect(inFlight.failure).toEqual({ error: new Error('first') });
});
