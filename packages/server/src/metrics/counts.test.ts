import { ManualClock } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { NameCounts } from './name-counts.ts';
import { RecentCount } from './recent-count.ts';

describe('counts by name', () => {
  test('count names beyond the bound together', () => {
    const counts = new NameCounts(2);
    for (const name of ['a', 'b', 'c', 'a', 'd', 'b']) counts.add(name);
    expect(counts.entries()).toEqual([
      ['a', 2],
      ['b', 2],
      ['other', 2],
    ]);
    expect(counts.total).toBe(6);
    expect(counts.get('c')).toBe(0);
  });
});

describe('a recent count', () => {
  test('forgets what happened before its window', () => {
    const clock = new ManualClock();
    const recent = new RecentCount({ clock, windowMs: 300_000 });
    recent.add();
    clock.advance(200_000);
    recent.add();
    recent.add();
    expect(recent.read()).toBe(3);
    clock.advance(100_000);
    expect(recent.read()).toBe(2);
    clock.advance(199_000);
    recent.add();
    expect(recent.read()).toBeLessThanOrEqual(3);
    clock.advance(10_000_000);
    expect(recent.read()).toBe(0);
  });
});
