import { expect, test } from 'vitest';
import { ManualClock } from './manual-clock.ts';

test('runs what falls due on the way, in order and at its own time', () => {
  const clock = new ManualClock(1000);
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name} at ${clock.now()}`);
  clock.after(20, note('b'));
  clock.after(10, () => {
    note('a')();
    clock.after(5, note('a again'));
  });
  clock.after(31, note('late'));
  const cancelled = clock.after(10, note('cancelled'));
  cancelled.cancel();
  cancelled.cancel();
  clock.advance(30);
  expect(ran).toEqual(['a at 1010', 'a again at 1015', 'b at 1020']);
  expect([clock.now(), clock.monotonic()]).toEqual([1030, 30]);
});

test('lets the wall clock step without any timer noticing', () => {
  const clock = new ManualClock(1000);
  let ran = false;
  clock.after(10, () => {
    ran = true;
  });
  clock.stepWall(3_600_000);
  expect([ran, clock.monotonic(), clock.now()]).toEqual([false, 0, 3_601_000]);
  clock.advance(10);
  expect(ran).toBe(true);
});
