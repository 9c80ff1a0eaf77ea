import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lowestWhere, lowestWhereFromEnd, lowestWhereFromStart } from './partition-point.ts';

describe.each([
  ['lowestWhere', lowestWhere],
  ['lowestWhereFromEnd', lowestWhereFromEnd],
  ['lowestWhereFromStart', lowestWhereFromStart],
])('%s', (_name, search) => {
  it('finds the border wherever it lies', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(300), fc.nat(301), (low, length, at) => {
        const border = low + Math.min(at, length);
        const answer = search(low, low + length - 1, (n) => {
          expect(n).toBeGreaterThanOrEqual(low);
          expect(n).toBeLessThan(low + length);
          return n >= border;
        });
        expect(answer).toBe(border);
      }),
    );
  });
});

it('needs few tests near the end it starts from', () => {
  let tests = 0;
  const count = (border: number) => (n: number) => {
    tests++;
    return n >= border;
  };
  lowestWhereFromEnd(1, 1_000_000, count(999_998));
  lowestWhereFromStart(1, 1_000_000, count(4));
  expect(tests).toBeLessThan(12);
});
