import { randomBytes } from 'node:crypto';
import { constants, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Compression, type WindowBits } from './compression.ts';
import { bareDialect, DIALECT_COUNT, jsonDialect, msgpackDialect } from './dialects.ts';

const WINDOWS: readonly WindowBits[] = [15, 12, 9];
const RSV1 = 0x40;

/** Where time stands still, there is time for everything. */
const STILL = { monotonic: () => 0 };

const create = (level: 'fast' | 'default' | 'best' = 'default', minBytes = 1024) =>
  new Compression({ level, minBytes }, STILL);

function payloadOf(frame: Buffer): Buffer {
  const short = (frame[1] as number) & 0x7f;
  return frame.subarray(short < 126 ? 2 : short === 126 ? 4 : 10);
}

/** As a client does it that has agreed to a window and keeps nothing between messages. */
function inflate(frame: Buffer, windowBits: number): Buffer {
  if (((frame[0] as number) & RSV1) === 0) return payloadOf(frame);
  return inflateRawSync(Buffer.concat([payloadOf(frame), Buffer.of(0, 0, 0xff, 0xff)]), {
    windowBits,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
}

const prose = (bytes: number): string =>
  'The task was taken by agent 7; step 3 of 9 is done. '.repeat(Math.ceil(bytes / 52)).slice(0, bytes);

test.each(['fast', 'default', 'best'] as const)(
  '[COMP-2] %s: whatever is sent comes out as it was',
  (level) => {
    const compression = create(level, 1);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'grapheme', maxLength: 3000 }),
          fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
          fc.integer({ min: 0, max: 90_000 }).map(prose),
        ),
        fc.constantFrom(...WINDOWS),
        (payload, windowBits) => {
          const expected = typeof payload === 'string' ? Buffer.from(payload) : payload;
          expect(inflate(compression.frame(payload, windowBits), windowBits).equals(expected)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  },
);

test.each(WINDOWS)(
  '[COMP-2] a text that repeats beyond a window of %d bits stays readable with it',
  (bits) => {
    const block = randomBytes(2 ** bits).toString('base64');
    const frame = create().frame(block.repeat(3), bits);
    expect((frame[0] as number) & RSV1).toBe(RSV1);
    expect(inflate(frame, bits).toString()).toBe(block.repeat(3));
  },
);

test('[COMP-3] what has fewer bytes than `minBytes` is an ordinary frame', () => {
  const compression = create('default', 1024);
  expect(compression.frame(prose(1023), 15)[0]).toBe(0x81);
  expect(compression.frame(prose(1024), 15)[0]).toBe(0x81 | RSV1);
  expect(compression.frame('ж'.repeat(511), 15)[0]).toBe(0x81);
  expect(compression.frame('ж'.repeat(512), 15)[0]).toBe(0x81 | RSV1);
});

test('[COMP-3] what does not become shorter is an ordinary frame', () => {
  const compression = create();
  const noise = randomBytes(5000);
  const frame = compression.frame(noise, 15);
  expect(frame[0]).toBe(0x82);
  expect(frame.savedBytes).toBeUndefined();
  expect(payloadOf(frame).equals(noise)).toBe(true);
  expect(compression.counters).toEqual({ compressedMessages: 0, rawBytes: 0, compressedBytes: 0 });
});

test('counts what it compressed, and says of each frame what it saved', () => {
  const compression = create();
  const frames = [compression.frame(prose(2000), 15), compression.frame(Buffer.from(prose(9000)), 9)];
  const sent = frames.map((frame) => payloadOf(frame).length);
  expect(frames.map(({ savedBytes }) => savedBytes)).toEqual([2000 - sent[0]!, 9000 - sent[1]!]);
  expect(compression.counters).toEqual({
    compressedMessages: 2,
    rawBytes: 11_000,
    compressedBytes: sent[0]! + sent[1]!,
  });
});

test('[COMP-2] one dialect for each dialect and window, with a place of its own for its frames', () => {
  const compression = create();
  const plain = [jsonDialect, msgpackDialect, bareDialect];
  const dialects = WINDOWS.flatMap((bits) => plain.map((each) => compression.dialect(each, bits)));
  const indices = dialects.map(({ index }) => index);
  expect(new Set(indices).size).toBe(9);
  expect(Math.min(...indices)).toBeGreaterThanOrEqual(DIALECT_COUNT);
  expect(compression.dialect(jsonDialect, 12)).toBe(compression.dialect(jsonDialect, 12));
});

/** How many of 1000 events are compressed when each takes 1 ms and 3 ms lie between them, the loop idle for so much of the time. */
function compressedInFlood(idleShare: number): number {
  let looked = 0;
  // Two looks at the clock for each that is compressed.
  const clock = { monotonic: () => (looked += 1) };
  const compression = new Compression({ level: 'default', minBytes: 1024 }, clock, () => looked * idleShare);
  let compressed = 0;
  for (let i = 0; i < 1000; i++) {
    if (((compression.frame(prose(2000), 15)[0] as number) & RSV1) === RSV1) compressed++;
    looked += 3;
  }
  return compressed;
}

test('[COMP-3] what comes when compressing has taken its share of the time is sent as it is', () => {
  const busy = compressedInFlood(0);
  expect(busy).toBeGreaterThan(60);
  expect(busy).toBeLessThan(200);
});

test('[COMP-3] what comes first is compressed, and so is what comes after a flood', () => {
  // Each look at the clock takes 10 ms, and so does each compression.
  let now = 0;
  const clock = { monotonic: () => (now += 10) };
  const compression = new Compression({ level: 'default', minBytes: 1024 }, clock, () => 0);
  const isCompressed = () => ((compression.frame(prose(2000), 15)[0] as number) & RSV1) === RSV1;
  const flood = Array.from({ length: 50 }, isCompressed);
  expect(flood[0]).toBe(true);
  expect(flood.filter((compressed) => !compressed).length).toBeGreaterThan(10);
  now += 1000;
  expect(isCompressed()).toBe(true);
});

test('[COMP-3] there is more time for compressing where the event loop has nothing else to do', () => {
  expect(compressedInFlood(0.5)).toBeGreaterThan(1.5 * compressedInFlood(0));
});
