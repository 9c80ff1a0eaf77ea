import { expect, test } from 'vitest';
import { formatAge, formatBytes, formatDuration, formatFigure } from './format.ts';

test.each([
  [0, '0'],
  [0.426, '0.43'],
  [1.6, '1.6'],
  [9.999, '10'],
  [57.26, '57.3'],
  [12345.6, '12,346'],
])('%d is written %s', (value, text) => {
  expect(formatFigure(value)).toBe(text);
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KB'],
  [1_048_575, '1 MB'],
  [1536, '1.5 KB'],
  [16e9, '15 GB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [-5, '0 ms'],
  [999, '999 ms'],
  [42_310, '42.3 s'],
  [59_990, '1 min 00 s'],
  [245_000, '4 min 05 s'],
  [7_620_000, '2 h 07 min'],
  [273_600_000, '3 d 4 h'],
])('%d ms take %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [-3000, 'now'],
  [12_000, '12 s ago'],
  [300_000, '5 min ago'],
  [10_800_000, '3 h ago'],
  [172_800_000, '2 d ago'],
])('%d ms ago is %s', (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
