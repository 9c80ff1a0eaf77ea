import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cursor, coversCursor, formatCursor, parseCursor } from './cursor.ts';
import { parsePosition } from './position.ts';

const engine = fc.record({
  epoch: fc.string({ unit: fc.constantFrom(...'AZaz09-'), minLength: 1, maxLength: 32 }),
  seqs: fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 20 }),
});
const cursors: fc.Arbitrary<Cursor> = fc.oneof(
  fc.record({ live: engine }),
  fc.record({ durable: engine }),
  fc.record({ live: engine, durable: engine }),
);

describe('cursor', () => {
  test('is printed engine by engine, in base 36', () => {
    const cursor = { live: { epoch: 'k3f9', seqs: [1234] }, durable: { epoch: '8sq2', seqs: [0, 35] } };
    expect(formatCursor(cursor)).toBe('lk3f9.ya~d8sq2.0.z');
  });

  test('what is printed is read back, in any order of the engines', () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        const text = formatCursor(cursor);
        expect(parseCursor(text)).toEqual(cursor);
        expect(parseCursor(text.split('~').reverse().join('~'))).toEqual(cursor);
      }),
    );
  });

  test('is safe in a URL query and in an SSE id, and is never taken for a position', () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        const text = formatCursor(cursor);
        expect(encodeURIComponent(text)).toBe(text);
        expect(parsePosition(text)).toBeUndefined();
      }),
    );
  });

  test('256 partitions fit', () => {
    const cursor = { durable: { epoch: 'a', seqs: Array.from({ length: 256 }, (_, i) => i) } };
    expect(parseCursor(formatCursor(cursor))).toEqual(cursor);
  });

  test.for([
    '',
    'earliest',
    'snapshot',
    'a:1',
    'l',
    'la',
    'la.',
    'la..1',
    'xa.1',
    'a.1',
    'la.A',
    'la.-1',
    'la.1~',
    '~la.1',
    'la.1~lb.1',
    'la.1~db.1~db.2',
    'la.1 ',
    'la.1\n',
    'l_.1',
    `l${'a'.repeat(33)}.1`,
    'la.2gosa7pa2gw',
    'la.zzzzzzzzzzzz',
    `la${'.1'.repeat(257)}`,
  ])('%j is no cursor', (text) => {
    expect(parseCursor(text)).toBeUndefined();
  });

  test('refusing a long text takes linear time', () => {
    const start = performance.now();
    expect(parseCursor(`la${'.1'.repeat(1_000_000)}`)).toBeUndefined();
    expect(parseCursor('~'.repeat(1_000_000))).toBeUndefined();
    expect(parseCursor(`l${'a'.repeat(1_000_000)}`)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(500);
  });
});

test('a cursor covers another when no part of it lies before the other’s', () => {
  expect(coversCursor('d1.a', 'd1.9')).toBe(true);
  expect(coversCursor('l2.1~d1.a', 'd1.a')).toBe(true);
  expect(coversCursor('d1.9', 'd1.a')).toBe(false);
  expect(coversCursor('d1.9.5', 'd1.9.6')).toBe(false);
  expect(coversCursor('d1.z', 'l2.1~d1.a')).toBe(false);
  expect(coversCursor('d2.z', 'd1.a')).toBe(false);
  expect(coversCursor('later', 'later')).toBe(true);
  expect(coversCursor('d1.z', 'later')).toBe(false);
});
