import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatPosition, parsePosition } from './position.ts';

const epochLetters = 'ABCXYZabcxyz0189-';

describe('position', () => {
  test('what is printed is read back', () => {
    const epoch = fc.string({ unit: fc.constantFrom(...epochLetters), minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(epoch, fc.maxSafeNat(), (name, offset) => {
        const position = { epoch: name, offset };
        expect(parsePosition(formatPosition(position))).toEqual(position);
      }),
    );
  });

  test('what is read is printed the same', () => {
    const text = fc.string({ unit: fc.constantFrom(...'aZ-09::'), maxLength: 10 });
    fc.assert(
      fc.property(text, (printed) => {
        const position = parsePosition(printed);
        if (position !== undefined) expect(formatPosition(position)).toBe(printed);
      }),
      { numRuns: 5000 },
    );
  });

  test.for([
    '',
    ':1',
    'a:',
    'a',
    'a:01',
    'a:-1',
    'a:+1',
    'a:1.0',
    'a:1e3',
    'a:0x1',
    ' a:1',
    'a:1 ',
    'a:1\n',
    'a:9007199254740992',
    'a:99999999999999999',
    'a.b:1',
    'a_b:1',
    `${'a'.repeat(65)}:1`,
    'earliest',
  ])('%j is no position', (text) => {
    expect(parsePosition(text)).toBeUndefined();
  });
});
