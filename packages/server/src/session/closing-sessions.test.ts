import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { ClosingSessions } from './closing-sessions.ts';
import type { Session } from './session.ts';
import { TimingWheel } from './timing-wheel.ts';

test('[LIM-10] what is left of a session 5 min after its end is destroyed; what went by itself is let go of', () => {
  const clock = new ManualClock();
  const closing = new ClosingSessions(new TimingWheel(clock), 300_000);
  const destroyed: string[] = [];
  const session = (name: string): Session =>
    // The only member that is used.
    ({ destroy: () => destroyed.push(name) }) as unknown as Session;
  const [stuck, gone, later] = [session('stuck'), session('gone'), session('later')];
  closing.add(stuck, clock.monotonic());
  closing.add(gone, clock.monotonic());
  clock.advance(100_000);
  closing.add(later, clock.monotonic());
  closing.delete(gone);
  clock.advance(199_999);
  expect(destroyed).toEqual([]);
  clock.advance(251);
  expect(destroyed).toEqual(['stuck']);
  clock.advance(100_000);
  expect(destroyed).toEqual(['stuck', 'later']);
  expect(closing.size).toBe(0);
  expect(closing.counters.destroyed).toBe(2);
  // And again, after it had nothing to wait for.
  closing.add(stuck, clock.monotonic());
  clock.advance(300_250);
  expect(destroyed).toEqual(['stuck', 'later', 'stuck']);
});
