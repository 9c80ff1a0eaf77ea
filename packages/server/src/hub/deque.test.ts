import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deque } from './deque.ts';

test('holds what an array would, however it grows and shrinks', () => {
  const step = fc.record({ push: fc.nat(40), shift: fc.nat(40), clear: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const deque = new Deque<number>();
      let model: number[] = [];
      let next = 0;
      for (const { push, shift, clear } of steps) {
        if (clear && push % 5 === 0) {
          deque.clear();
          model = [];
        }
        for (let i = 0; i < push; i++) {
          deque.push(next);
          model.push(next++);
        }
        for (let i = 0; i < shift; i++) expect(deque.shift()).toBe(model.shift());
        expect(Array.from({ length: deque.length }, (_, i) => deque.at(i))).toEqual(model);
        const middle = model[Math.floor(model.length / 2)] ?? 0;
        expect(deque.findFirst((item) => item >= middle)).toBe(Math.floor(model.length / 2));
      }
    }),
  );
});
