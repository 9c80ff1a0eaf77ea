import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { Flusher } from './flusher.ts';

function setUp() {
  const clock = new ManualClock();
  const tasks: (() => void)[] = [];
  const flusher = new Flusher({
    clock,
    turns: { soon: (task) => void tasks.push(task) },
    onFlushed: () => {},
  });
  const turn = (): void => {
    for (const task of tasks.splice(0)) task();
  };
  return { clock, flusher, turn };
}

test('[STAT-4] observes how late the event was that was handed out first, when the flush is over', () => {
  const { clock, flusher, turn } = setUp();
  const session = { flushStartedMs: -Infinity, flush: () => clock.advance(4), dueNow: () => {} };
  flusher.add(session);
  flusher.noteStored(clock.now() - 6);
  flusher.noteStored(clock.now() - 1);
  turn();
  expect(flusher.latency.total.read()).toMatchObject({ count: 1, sum: 10 });
});

test('[STAT-4] observes nothing of a flush without events, nor less than nothing when the clock stepped back', () => {
  const { clock, flusher, turn } = setUp();
  flusher.add({ flushStartedMs: -Infinity, flush: () => {}, dueNow: () => {} });
  turn();
  expect(flusher.latency.total.read().count).toBe(0);
  expect(flusher.sizes.read()).toMatchObject({ count: 1, sum: 1 });
  flusher.add({ flushStartedMs: -Infinity, flush: () => {}, dueNow: () => {} });
  flusher.noteStored(clock.now() + 5000);
  clock.advance(100);
  turn();
  expect(flusher.latency.total.read()).toMatchObject({ count: 1, sum: 0 });
});

test.each([
  {
    who: 'those who were written to lately wait for company',
    sessions: ['a', 'a', 'a'],
    lastsMs: 4,
    waitsMs: 4,
  },
  { who: 'those who were not do not', sessions: ['a', 'b', 'c'], lastsMs: 4, waitsMs: 1 },
  { who: 'long flushes are paused after as well', sessions: ['a', 'a', 'a'], lastsMs: 30, waitsMs: 12 },
])('$who', ({ sessions, lastsMs, waitsMs }) => {
  const { clock, flusher, turn } = setUp();
  let flushes = 0;
  const flush = (): void => {
    flushes++;
    clock.advance(lastsMs);
  };
  const all = new Map(sessions.map((name) => [name, { flushStartedMs: -Infinity, flush, dueNow: () => {} }]));
  const [first, second, third] = sessions.map((name) => all.get(name)!);
  flusher.add(first!);
  turn();
  flusher.add(second!);
  flusher.hurry();
  turn();
  expect(flushes).toBe(2);
  flusher.add(third!);
  clock.advance(waitsMs - 0.5);
  expect(flushes).toBe(2);
  clock.advance(0.5);
  expect(flushes).toBe(3);
});
