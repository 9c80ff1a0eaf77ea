import { expect, test } from 'vitest';
import { fingerprintOf } from './token-fingerprint.ts';

const SIGNED = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9';

test('[AUTH-10] however the signature of a JWT is written, its fingerprint is the same', () => {
  const fingerprint = fingerprintOf(`${SIGNED}.c2lnbmF0dXJA`);
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  for (const signature of ['c2lnbmF0dXJB', 'another', '']) {
    expect(fingerprintOf(`${SIGNED}.${signature}`)).toBe(fingerprint);
  }
  expect(fingerprintOf(`${SIGNED}x.c2lnbmF0dXJA`)).not.toBe(fingerprint);
});

test('[AUTH-10] of any other token the whole counts', () => {
  const tokens = ['opaque', 'a.b.c', 'a.b.d', 'with.two.dots', 'with.two.dashes', `${SIGNED}.a.b`, SIGNED];
  expect(new Set(tokens.map(fingerprintOf)).size).toBe(tokens.length);
});
