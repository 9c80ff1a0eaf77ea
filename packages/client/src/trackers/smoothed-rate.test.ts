import { expect, test } from 'vitest';
import { SmoothedRate } from './smoothed-rate.ts';

/** Observes `done` in all after each time, and answers how many seconds `left` more would take then. */
function estimate(
  sequence: readonly (readonly [atMs: number, done: number])[],
  left: number,
): number | undefined {
  const rate = new SmoothedRate(0);
  let lastMs = 0;
  for (const [atMs, done] of sequence) {
    rate.observe(done, atMs);
    lastMs = atMs;
  }
  const ms = rate.remainingMs(left, lastMs);
  return ms === undefined ? undefined : ms / 1000;
}

const every = (stepMs: number, untilMs: number, done: (atMs: number) => number) =>
  Array.from({ length: untilMs / stepMs }, (_, i) => [(i + 1) * stepMs, done((i + 1) * stepMs)] as const);

test('of a steady rate the estimate is exact, however often it is looked at', () => {
  for (const stepMs of [10, 100, 1000, 20_000]) {
    expect(
      estimate(
        every(stepMs, 60_000, (ms) => ms / 1000),
        30,
      ),
    ).toBeCloseTo(30, 6);
  }
});

test('nothing is said before there is something to tell from', () => {
  expect(estimate([], 10)).toBeUndefined();
  expect(estimate([[0, 50]], 50)).toBeUndefined();
  expect(estimate([[100, 50]], 50)).toBeUndefined();
  expect(estimate([[5000, 0]], 50)).toBeUndefined();
  expect(estimate([[5000, 10]], 50)).toBeCloseTo(25, 6);
  expect(estimate([[100, 50]], 0)).toBe(0);
});

test('bursts that come regularly count as often as they come, not as fast', () => {
  // 100 at once, every ten seconds, for five minutes: ten a second, whether asked before a burst or after it.
  const after = every(10_000, 300_000, (ms) => ms / 100);
  const split = after.flatMap(
    ([ms, done]) =>
      [
        [ms - 30, done - 60],
        [ms - 10, done - 20],
        [ms, done],
      ] as const,
  );
  const before = [...split, [309_000, 3000]] as const;
  for (const left of [100, 1000]) {
    expect(estimate(after, left)! / (left / 10)).toBeCloseTo(1, 0);
    expect(estimate(split, left)! / (left / 10)).toBeCloseTo(estimate(after, left)! / (left / 10), 1);
    expect(estimate(before, left)! / (left / 10)).toBeCloseTo(1, 0);
  }
});

test('what a cache gave at the start is forgotten', () => {
  // 900 at once, then one a second: 30 s later the estimate is of the right size, after two minutes right.
  const sequence = (untilMs: number) => [[1, 900], ...every(1000, untilMs, (ms) => 900 + ms / 1000)] as const;
  expect(estimate(sequence(30_000), 100)).toBeGreaterThan(20);
  expect(estimate(sequence(120_000), 100)).toBeGreaterThan(80);
  expect(estimate(sequence(600_000), 100)).toBeCloseTo(100, 0);
});

test('a rate that changes is followed, in proportion to how long the work has lasted', () => {
  const slower = (ms: number): number => (ms <= 60_000 ? ms / 100 : 600 + (ms - 60_000) / 1000);
  expect(estimate(every(500, 60_000, slower), 60)).toBeCloseTo(6, 6);
  expect(estimate(every(500, 240_000, slower), 60)).toBeGreaterThan(40);
  expect(estimate(every(500, 900_000, slower), 60)).toBeCloseTo(60, 0);
});

test('a pause makes it later, message by message', () => {
  const running = every(1000, 30_000, (ms) => ms / 1000);
  const paused = [...running, [40_000, 30], [50_000, 30]] as const;
  expect(estimate(paused, 30)).toBeGreaterThan(estimate(running, 30)! * 1.5);
});

test('work that begins again is measured anew', () => {
  const sequence = [...every(1000, 30_000, (ms) => ms / 100), [30_500, 0], [35_500, 5]] as const;
  expect(estimate(sequence, 10)).toBeCloseTo(10, 6);
});
