import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Growth } from './growth.ts';

test('says by how much a count grew in the time looked back at, and nothing at first', () => {
  const growth = new Growth(60_000);
  expect(growth.observe(100, 0)).toBe(0);
  expect(growth.observe(107, 30_000)).toBe(7);
  expect(growth.observe(107, 60_000)).toBe(7);
  expect(growth.observe(107, 90_000)).toBe(0);
});

test('a count that begins anew has not shrunk', () => {
  const growth = new Growth(60_000);
  growth.observe(100, 0);
  expect(growth.observe(3, 1000)).toBe(0);
  expect(growth.observe(5, 2000)).toBe(2);
});

test('is what was added within the time, to a sixtieth of it, however often it is asked', () => {
  const steps = fc.array(
    fc.record({ afterMs: fc.integer({ min: 1, max: 5000 }), added: fc.integer({ min: 0, max: 9 }) }),
    { maxLength: 300 },
  );
  fc.assert(
    fc.property(steps, (course) => {
      const growth = new Growth(60_000);
      const added: { atMs: number; count: number }[] = [];
      let nowMs = 0;
      let total = 0;
      growth.observe(0, 0);
      for (const step of course) {
        nowMs += step.afterMs;
        total += step.added;
        added.push({ atMs: nowMs, count: step.added });
        const grown = growth.observe(total, nowMs);
        const since = (ms: number): number =>
          added.filter(({ atMs }) => atMs > nowMs - ms).reduce((sum, { count }) => sum + count, 0);
        expect(grown).toBeGreaterThanOrEqual(since(60_000));
        // A mark may be as late as a sixtieth and the longest step.
        expect(grown).toBeLessThanOrEqual(since(60_000 + 1000 + 5000));
      }
    }),
  );
});
