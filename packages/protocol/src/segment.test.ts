import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSegment, encodeSegment } from './segment.ts';
import { isTopic } from './topic.ts';

describe('encodeSegment', () => {
  test.for<[id: string, segment: string]>([
    ['alice', 'alice'],
    ['a.b@x', 'a_2eb_40x'],
    ['_', '_5f'],
    ['a:b', 'a_3ab'],
    ['*', '_2a'],
    ['é', '_c3_a9'],
    ['😀', '_f0_9f_98_80'],
    ['\u0000', '_00'],
    ['\ufeffa', '_ef_bb_bfa'],
  ])('[TOPIC-3] writes %j as %s and reads it back', ([id, segment]) => {
    expect(encodeSegment(id)).toBe(segment);
    expect(decodeSegment(segment)).toBe(id);
  });

  test('[TOPIC-3] every id becomes one segment of its own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), (id) => {
        const segment = encodeSegment(id);
        expect(segment).not.toContain('.');
        expect(isTopic(segment)).toBe(true);
        expect(decodeSegment(segment)).toBe(id);
      }),
      { numRuns: 2000 },
    );
  });

  test('[TOPIC-3] what can be read is exactly what is written', () => {
    const unit = fc.constantFrom('a', 'Z', '-', '_', '_2e', '_61', '_c3', '_a9', '_EF', '_ff', '2', ':', '.');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 6 }), (segment) => {
        const id = decodeSegment(segment);
        if (id !== undefined) expect(encodeSegment(id)).toBe(segment);
      }),
      { numRuns: 2000 },
    );
  });

  test.for(['', '_', '_2', '_2E', '_61', 'a.b', 'a:b', '_ff', '_c3', '_ed_a0_80', 'é', '_2g'])(
    '[TOPIC-3] %j is no encoded id',
    (segment) => {
      expect(decodeSegment(segment)).toBeUndefined();
    },
  );

  // Written as U+FFFD, two such ids would share one inbox.
  test.for(['', '\ud800', 'a\udc00b'])('[TOPIC-3] %j cannot be written', (id) => {
    expect(() => encodeSegment(id)).toThrow(RangeError);
  });
});
