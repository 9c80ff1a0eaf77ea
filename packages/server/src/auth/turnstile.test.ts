import { expect, test } from 'vitest';
import { Turnstile } from './turnstile.ts';

test('lets so many in, the others in order, and refuses who would wait in too long a row', async () => {
  const turnstile = new Turnstile({ maxInside: 2, maxWaiting: 2 });
  const begun: number[] = [];
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const passes = gates.map(({ promise }, i) =>
    turnstile.pass(() => {
      begun.push(i);
      return promise;
    }),
  );
  await expect(turnstile.pass(async () => {})).rejects.toThrow('too many wait');
  expect(begun).toEqual([0, 1]);
  gates[1]?.reject(new Error('failed'));
  await expect(passes[1]).rejects.toThrow('failed');
  expect(begun).toEqual([0, 1, 2]);
  for (const { resolve } of gates) resolve();
  await Promise.allSettled(passes);
  expect(begun).toEqual([0, 1, 2, 3]);
  expect(await turnstile.pass(async () => 'in at once')).toBe('in at once');
});
