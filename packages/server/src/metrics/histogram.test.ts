import { ManualClock } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { Histogram, quantileOf, RecentHistogram } from './histogram.ts';

describe('a histogram', () => {
  test('puts an observation into the first bucket whose bound it does not exceed', () => {
    const histogram = new Histogram([1, 10, 100]);
    for (const value of [0, 1, 1.5, 10, 100, 101, 5000]) histogram.observe(value);
    expect(histogram.read()).toEqual({
      bounds: [1, 10, 100],
      counts: [2, 2, 1, 2],
      count: 7,
      sum: 5213.5,
      max: 5000,
    });
  });

  test('tells quantiles to a bucket, and none when it has seen nothing', () => {
    const histogram = new Histogram([10, 20, 40]);
    expect(quantileOf(histogram.read(), 0.99)).toBe(0);
    for (let i = 0; i < 90; i++) histogram.observe(5);
    for (let i = 0; i < 10; i++) histogram.observe(30);
    const reading = histogram.read();
    expect(quantileOf(reading, 0.45)).toBe(5);
    expect(quantileOf(reading, 0.9)).toBe(10);
    expect(quantileOf(reading, 0.95)).toBe(25);
    expect(quantileOf(reading, 1)).toBe(30);
  });

  test('never tells a quantile beyond the greatest value', () => {
    const histogram = new Histogram([10]);
    histogram.observe(3);
    expect(quantileOf(histogram.read(), 0.99)).toBeLessThanOrEqual(3);
    histogram.observe(70);
    expect(quantileOf(histogram.read(), 1)).toBe(70);
  });

  test('forgets within two minutes in its recent part, and never in its total', () => {
    const clock = new ManualClock();
    const histogram = new RecentHistogram([10], clock);
    histogram.observe(50);
    clock.advance(59_000);
    histogram.observe(5);
    expect(histogram.readRecent()).toMatchObject({ count: 2, max: 50 });
    clock.advance(2000);
    histogram.observe(7);
    expect(histogram.readRecent()).toMatchObject({ count: 3, counts: [2, 1], sum: 62 });
    clock.advance(60_000);
    expect(histogram.readRecent()).toMatchObject({ count: 1, max: 7 });
    clock.advance(600_000);
    expect(histogram.readRecent()).toMatchObject({ count: 0, max: 0 });
    expect(histogram.total.read().count).toBe(3);
  });
});
