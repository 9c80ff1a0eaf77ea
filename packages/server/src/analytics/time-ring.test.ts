import { expect, test } from 'vitest';
import { TimeRing } from './time-ring.ts';

const OPTIONS = { slotMs: 1000, slots: 5, fields: ['a', 'b'] } as const;

const read = (ring: TimeRing<'a' | 'b'>, nowMs: number): [number, number, number][] =>
  ring.past(nowMs).map(({ atMs, values }) => [atMs, values.a, values.b]);

test('counts by slot, tells those that are over, and the empty ones between', () => {
  const ring = new TimeRing(OPTIONS);
  expect(read(ring, 10_000)).toEqual([]);
  ring.add('a', 10_100);
  ring.add('a', 10_900, 2);
  ring.raise('b', 12_500, 7);
  ring.raise('b', 12_600, 4);
  expect(read(ring, 12_999)).toEqual([
    [10_000, 3, 0],
    [11_000, 0, 0],
  ]);
  expect(read(ring, 13_000).at(-1)).toEqual([12_000, 0, 7]);
});

test('forgets what is too old, and holds nothing of quiet times', () => {
  const ring = new TimeRing(OPTIONS);
  for (let s = 0; s < 100; s++) ring.add('a', s * 1000);
  expect(ring.state).toHaveLength(5);
  expect(read(ring, 99_500)).toHaveLength(4);
  ring.add('a', 1_000_000);
  expect(ring.state).toHaveLength(1);
  expect(ring.sum('a', 1_000_500, 3_000)).toBe(1);
});

test('goes on from what was stored, and where the clock was set back', () => {
  const ring = new TimeRing(OPTIONS);
  ring.add('a', 5000, 3);
  const next = new TimeRing(OPTIONS, ring.state);
  next.add('a', 5999);
  next.add('b', 1000);
  expect(read(next, 6000)).toEqual([[5000, 4, 1]]);
});
