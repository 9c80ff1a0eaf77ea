import { expect, test } from 'vitest';
import { findPeaks, findSilences, type Minute } from './rhythm.ts';

const START = Date.UTC(2026, 10, 20, 12);
const minutes = (...counts: number[]): Minute[] =>
  counts.map((count, i) => ({ atMs: START + i * 60_000, count }));
const at = (minute: number): string => new Date(START + minute * 60_000).toISOString();
const even = (length: number, count: number): number[] => Array.from({ length }, () => count);
const RULE = { atLeast: 60, factor: 4 };

test('a burst is one stretch, told with how much it is above what is usual', () => {
  const found = findPeaks(minutes(...even(12, 20), 100, 140, ...even(3, 20)), RULE);
  expect(found).toEqual([{ from: at(12), to: at(14), minutes: 2, count: 240, times_usual: 6 }]);
});

test('one that goes on has no end yet', () => {
  const [burst] = findPeaks(minutes(...even(12, 20), 100), RULE);
  expect(burst).toEqual({ from: at(12), minutes: 1, count: 100, times_usual: 5 });
});

test('what is always so is no burst, nor is what is little, nor what nothing can be compared with', () => {
  expect(findPeaks(minutes(...even(30, 500)), RULE)).toEqual([]);
  expect(findPeaks(minutes(...even(30, 1), 59), RULE)).toEqual([]);
  expect(findPeaks(minutes(1, 1, 1, 500), RULE)).toEqual([]);
});

test('a silence is two minutes and more without anything, where there was something', () => {
  const found = findSilences(minutes(...even(10, 3), 0, 0, 0, 5, 0, 5, 0, 0));
  expect(found).toEqual([
    { from: at(10), to: at(13), minutes: 3, count: 0, times_usual: 0 },
    { from: at(16), minutes: 2, count: 0, times_usual: 0 },
  ]);
});

test('who seldom has something to say is not silent', () => {
  expect(findSilences(minutes(...even(5, 0), 1, ...even(20, 0)))).toEqual([]);
});
