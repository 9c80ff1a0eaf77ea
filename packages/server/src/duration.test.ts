import { describe, expect, test } from 'vitest';
import { durationMs, parseDuration } from './duration.ts';

describe('durations', () => {
  test.for([
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['0.25s', 250],
  ] as const)('%s are %i ms', ([text, ms]) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.for([
    '',
    '30',
    's',
    '30 s',
    '-1s',
    '1e3s',
    '30S',
    '1w',
    '0s',
    '0.0h',
    '1h30m',
    '.5s',
    '1.s',
    '9999999999s',
  ])('"%s" is not one', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('what is not one is refused with what to write', () => {
    expect(() => durationMs('30' as '30s')).toThrow('"30" is not a duration; write one as "500ms", "30s"');
  });
});
