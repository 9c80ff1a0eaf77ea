import { MillraceError } from '@millrace/protocol';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { readMsgpack } from './msgpack-reader.ts';

const packr = new Packr({ useRecords: false });
const compact = new Packr({ useRecords: false, variableMapSize: true });

function codeOf(bytes: Uint8Array, maxDepth = 32): string {
  try {
    readMsgpack(Buffer.from(bytes), maxDepth);
    return 'read';
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
}

test('reads every JSON value as msgpackr writes it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }), (value) => {
      fc.pre(!JSON.stringify(value).includes('__proto__'));
      for (const each of [packr, compact]) {
        const read = readMsgpack(Buffer.from(each.pack(value)), 32);
        expect(JSON.stringify(read)).toBe(JSON.stringify(value));
      }
    }),
  );
});

test.each([
  0,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  -1,
  -32,
  -33,
  -128,
  -129,
  -32_768,
  -32_769,
  -(2 ** 31),
  -(2 ** 31) - 1,
  0.5,
  1e300,
])('reads the number %d', (value) => {
  expect(readMsgpack(Buffer.from(packr.pack(value)), 32)).toBe(value);
});

test.each([0, 31, 32, 255, 256, 65_535, 65_536])('reads a text of %d bytes', (length) => {
  const text = 'x'.repeat(length);
  expect(readMsgpack(Buffer.from(packr.pack(text)), 32)).toBe(text);
});

test('throws nothing but its own errors, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      codeOf(bytes);
    }),
    { numRuns: 2000 },
  );
});

test('refuses lengths that the bytes do not hold, without making room for them', () => {
  for (const head of [0xdd, 0xdf, 0xdb])
    expect(codeOf(Uint8Array.of(head, 0xff, 0xff, 0xff, 0xff))).toBe('bad-json');
});

test('refuses what JSON has no word for', () => {
  expect(codeOf(Buffer.from([0xc4, 1, 0]))).toBe('bad-message');
  expect(codeOf(packr.pack(new Date()))).toBe('bad-message');
  expect(codeOf(packr.pack(Number.NaN))).toBe('bad-message');
  expect(codeOf(packr.pack(new Map([[1, 2]])))).toBe('bad-message');
  expect(codeOf(Buffer.from([0xd4, 0x72, 0x40]))).toBe('bad-message');
  expect(codeOf(Buffer.from([0xa1, 0xff]))).toBe('bad-utf8');
  expect(codeOf(Buffer.from([0xc1]))).toBe('bad-json');
  expect(codeOf(Buffer.from([0x01, 0x01]))).toBe('bad-json');
});

test('counts nesting as JSON messages are counted', () => {
  const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
  expect(codeOf(nested(32))).toBe('read');
  expect(codeOf(nested(33))).toBe('too-deep');
  expect(codeOf(nested(60_000))).toBe('too-deep');
});
