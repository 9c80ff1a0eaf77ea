import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBuffer } from './token-buffer.ts';

describe('tokens that wait', () => {
  test('[LLM-2] are given in texts of bounded length that add up to them and cut no character', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 40 })),
        fc.integer({ min: 2, max: 50 }),
        (tokens, maxLength) => {
          const buffer = new TokenBuffer(maxLength);
          for (const token of tokens) buffer.push(token);
          let whole = '';
          while (!buffer.isEmpty) {
            const { text, tokens: count } = buffer.take();
            expect(text.isWellFormed()).toBe(true);
            expect(text.length).toBeLessThanOrEqual(maxLength);
            expect(count).toBeGreaterThan(0);
            whole += text;
          }
          expect(whole).toBe(tokens.join(''));
          expect(buffer.length).toBe(0);
        },
      ),
    );
  });

  test('count as they came, and are forgotten on request', () => {
    const buffer = new TokenBuffer(100);
    buffer.push('a');
    buffer.push('');
    buffer.push('b');
    expect(buffer.take()).toEqual({ text: 'ab', tokens: 2 });
    buffer.push('c');
    buffer.clear();
    expect(buffer.isEmpty).toBe(true);
  });
});
