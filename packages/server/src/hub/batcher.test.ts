import { expect, test } from 'vitest';
import { Batcher } from './batcher.ts';

// Node's timers count in whole milliseconds, and may come a fraction before the time that the clock shows: the batch was
// left open, and no timer was set for any batch after it.
test('[BATCH-1] a batch is closed also when its timer comes a little early, and so is the next', () => {
  let nowMs = 1000;
  const timers: (() => void)[] = [];
  const clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (_: number, task: () => void) => {
      timers.push(task);
      return { cancel: () => {} };
    },
  };
  const batcher = new Batcher({ maxEvents: 10, maxDelayMs: 20 }, false, clock);
  let settled = 0;
  const gathering = { settle: () => settled++ };
  for (const round of [1, 2]) {
    batcher.begin(gathering);
    nowMs += 19.6;
    timers.shift()?.();
    expect(settled).toBe(round);
  }
});

// Every batch of a session was noted until the time of the first: with `maxEvents: 1` and 10 s, every event.
test('[BATCH-1] a session that fills many batches before their time is asked once to close the last', () => {
  const timers: (() => void)[] = [];
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_: number, task: () => void) => {
      timers.push(task);
      return { cancel: () => {} };
    },
  };
  const batcher = new Batcher({ maxEvents: 1, maxDelayMs: 10_000 }, false, clock);
  let settled = 0;
  const gathering = { settle: () => settled++ };
  for (let i = 0; i < 1000; i++) batcher.begin(gathering);
  timers[0]?.();
  expect(settled).toBe(1);
});
