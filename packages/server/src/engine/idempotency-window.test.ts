import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { IDEMPOTENCY_WINDOW_MS } from '@millrace/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IDEMPOTENCY_WINDOW_KEYS, IdempotencyWindow } from './idempotency-window.ts';
import type { FirstAppend } from './key-segment.ts';

function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function first(n: number, timestamp: number): FirstAppend {
  return { offset: n, seq: n, id: `id${n.toString(36)}`, timestamp };
}

test('forgets the oldest keys beyond the window, whatever was taken back in between', () => {
  const window = new IdempotencyWindow();
  for (let n = 1; n <= IDEMPOTENCY_WINDOW_KEYS + 2; n++) {
    window.add(`undone-${n}`, first(n, 1000));
    window.removeNewest(`undone-${n}`);
    window.add(`key-${n}`, first(n, 1000));
  }
  expect(window.size).toBe(IDEMPOTENCY_WINDOW_KEYS + 2);
  window.add('later', first(1, 1001 + IDEMPOTENCY_WINDOW_MS));
  expect(window.size).toBe(IDEMPOTENCY_WINDOW_KEYS);
  expect(window.get('key-3')).toBeUndefined();
  expect(window.get('key-4')).toEqual(first(4, 1000));
  expect(window.get('undone-4')).toBeUndefined();
  expect(window.get('later')).toMatchObject({ offset: 1 });
});

test('a key that was forgotten may come again', () => {
  const window = new IdempotencyWindow();
  const cycle = IDEMPOTENCY_WINDOW_KEYS + 5;
  for (let n = 0; n < cycle; n++) window.add(`key-${n}`, first(n, 1000));
  const late = 1001 + IDEMPOTENCY_WINDOW_MS;
  window.add('later', first(cycle, late));
  for (let n = 0; n < 3 * cycle; n++) {
    const key = `key-${n % cycle}`;
    expect(window.get(key)).toBeUndefined();
    window.add(key, first(n, late + n * IDEMPOTENCY_WINDOW_MS));
    expect(window.get(key)).toMatchObject({ offset: n });
  }
  expect(window.size).toBe(IDEMPOTENCY_WINDOW_KEYS);
});

const keys = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  // Lone surrogates, which UTF-8 cannot tell apart.
  fc
    .array(fc.integer({ min: 0xd7fe, max: 0xe001 }), { maxLength: 3 })
    .map((units) => String.fromCharCode(...units)),
);

test('answers for all keys that clients may send as a map does', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(keys, { maxLength: 200 }),
      fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      (all, undone, idPrefix) => {
        const window = new IdempotencyWindow();
        const model = new Map<string, FirstAppend>();
        for (const [i, key] of all.entries()) {
          const added = { ...first(i, 1000), id: `${idPrefix}${i}` };
          window.add(key, added);
          model.set(key, added);
          const newest = [...model.keys()].at(-1);
          if (undone[i] !== true || newest === undefined) continue;
          window.removeNewest(newest);
          model.delete(newest);
        }
        expect(window.size).toBe(model.size);
        for (const key of all) expect(window.get(key)).toEqual(model.get(key));
      },
    ),
  );
});

test('takes keys back newest first, and no others', () => {
  const window = new IdempotencyWindow();
  const add = (n: number) => window.add(`key-${n}`, first(n, 1000));
  for (let n = 0; n < 1000; n++) add(n);
  expect(() => window.removeNewest('key-998')).toThrow('newest first');
  // To and fro over the ends of segments.
  for (let n = 999; n >= 0; n--) {
    window.removeNewest(`key-${n}`);
    if (n % 3 === 0) {
      add(n);
      expect(window.get(`key-${n}`)).toEqual(first(n, 1000));
      window.removeNewest(`key-${n}`);
    }
    expect(window.get(`key-${n}`)).toBeUndefined();
    expect(window.size).toBe(n);
  }
  window.removeNewest('key-0');
  expect(window.size).toBe(0);
});

// A disk that is full for hours: whoever tries again with the same key left an entry behind each time.
test.each([0, 20])('beside %i others, holds nothing of keys that were taken back', (others) => {
  const window = new IdempotencyWindow();
  for (let n = 0; n < others; n++) window.add(`other-${n}`, first(n, 0));
  const before = heldBytes();
  for (let n = 0; n < 200_000; n++) {
    window.add('again', first(1, n));
    window.removeNewest('again');
  }
  expect(window.size).toBe(others);
  expect(heldBytes() - before).toBeLessThan(5_000_000);
});

// 5,000 events a second of one topic for ten minutes are three million keys.
test('a key of the SDK takes less than 140 bytes', () => {
  const keys = 200_000;
  const before = heldBytes();
  const window = new IdempotencyWindow();
  for (let n = 0; n < keys; n++) window.add(n.toString(16).padStart(32, '0'), first(n, 1000));
  expect((heldBytes() - before) / keys).toBeLessThan(140);
  expect(window.size).toBe(keys);
});
