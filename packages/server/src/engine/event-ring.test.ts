import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoredEvent } from './engine.ts';
import { EventRing } from './event-ring.ts';

test('a ring is a queue, however it grows, wraps and shrinks', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('push') },
    fc.constant('shift'),
    fc.constant('shrink'),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const ring = new EventRing();
      const queue: number[] = [];
      let count = 0;
      for (const each of steps) {
        if (each === 'push') {
          // A ring never looks into its events.
          ring.push({ seq: ++count } as StoredEvent);
          queue.push(count);
        } else if (each === 'shift' && queue.length > 0) {
          ring.shift();
          queue.shift();
        } else {
          ring.shrink();
        }
        expect(ring.length).toBe(queue.length);
      }
      expect(queue.map((_, index) => ring.at(index).seq)).toEqual(queue);
    }),
  );
});
