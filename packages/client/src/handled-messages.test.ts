import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HandledMessages } from './handled-messages.ts';

const received = (...offsets: number[]): HandledMessages => {
  const messages = new HandledMessages('e');
  for (const offset of offsets) expect(messages.receive(offset)).toBe(true);
  return messages;
};

test('only what is handled without a hole is acknowledged', () => {
  const messages = received(1, 2, 3);
  messages.handled(2);
  expect(messages.due).toBeUndefined();
  messages.handled(1);
  expect(messages.due).toBe(2);
  messages.told(2);
  expect(messages.due).toBeUndefined();
  messages.handled(3);
  expect(messages.due).toBe(3);
});

test('offsets that never came are no holes', () => {
  const messages = received(4, 9);
  messages.handled(4);
  messages.handled(9);
  expect(messages.due).toBe(9);
});

test('what waits, is being handled or was handled is not handed over again; what failed is', () => {
  const messages = received(1, 2, 3);
  messages.handled(2);
  messages.failed(3);
  expect([1, 2, 3].map((offset) => messages.receive(offset))).toEqual([false, false, true]);
});

test('what was handled and comes again is acknowledged again', () => {
  const messages = received(1, 2);
  messages.handled(1);
  messages.handled(2);
  messages.told(2);
  expect(messages.receive(2)).toBe(false);
  expect(messages.due).toBe(2);
});

test('by a new subscription nothing is acknowledged that it has not brought', () => {
  const messages = received(1, 2, 3);
  for (const offset of [1, 2, 3]) messages.handled(offset);
  messages.subscribed();
  expect(messages.due).toBeUndefined();
  expect(messages.receive(1)).toBe(false);
  expect(messages.due).toBe(1);
  messages.receive(2);
  expect(messages.due).toBe(2);
});

test('what the consumer has passed by other means holds nothing back', () => {
  const messages = received(1, 2, 3);
  messages.failed(1);
  messages.handled(2);
  messages.passed(1);
  expect(messages.due).toBe(2);
  messages.passed(3);
  expect(messages.due).toBeUndefined();
  messages.handled(3);
  expect(messages.due).toBeUndefined();
});

test('whatever comes in whatever order, nothing unhandled is ever acknowledged, and in the end everything is', () => {
  const step = fc.tuple(
    fc.constantFrom('receive', 'handled', 'failed', 'tell'),
    fc.integer({ min: 1, max: 8 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const messages = new HandledMessages('e');
      const inHand = new Set<number>();
      const handled = new Set<number>();
      const came = new Set<number>();
      const told = (): void => {
        const { due } = messages;
        if (due === undefined) return;
        for (const offset of came) if (offset <= due) expect(handled).toContain(offset);
        messages.told(due);
      };
      // What comes for the first time comes in order.
      const receive = (offset: number): void => {
        for (let each = 1; each <= offset; each++) {
          if (came.has(each) && each !== offset) continue;
          came.add(each);
          const given = messages.receive(each);
          expect(given && handled.has(each)).toBe(false);
          if (given) inHand.add(each);
        }
      };
      const finish = (offset: number, how: 'handled' | 'failed'): void => {
        if (!inHand.delete(offset)) return;
        messages[how](offset);
        if (how === 'handled') handled.add(offset);
      };
      for (const [what, offset] of steps) {
        if (what === 'receive') receive(offset);
        else if (what === 'tell') told();
        else finish(offset, what as 'handled' | 'failed');
      }
      for (const offset of came) receive(offset);
      for (const offset of [...inHand]) finish(offset, 'handled');
      told();
      expect(messages.doneUpTo).toBe(Math.max(0, ...came));
    }),
  );
});
