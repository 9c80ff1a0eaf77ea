import { expect, test } from 'vitest';
import { closest } from './closest.ts';

test('finds what was meant', () => {
  const candidates = ['host', 'port', 'publicUrl'];
  expect(closest('prot', candidates)).toBe('port');
  expect(closest('PUBLICURL', candidates)).toBe('publicUrl');
  expect(closest('directory', candidates)).toBeUndefined();
  expect(closest('x', [])).toBeUndefined();
});
