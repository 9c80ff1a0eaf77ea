import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { MessageInflater } from './message-inflater.ts';

const MAX_BYTES = 64_000;

const deflated = (text: string): Buffer =>
  deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

function inflate(inflater: MessageInflater, data: Buffer, isLast = true): Promise<Buffer | Error> {
  return new Promise((resolve) => {
    let within = true;
    inflater.decompress(data, isLast, (error, inflated) => {
      expect(within).toBe(false);
      resolve(error ?? (inflated as Buffer));
    });
    within = false;
  });
}

test('[COMP-4] inflates message after message, each by itself', async () => {
  const inflater = new MessageInflater(MAX_BYTES);
  for (const text of ['first', '', 'x'.repeat(MAX_BYTES)]) {
    expect(String(await inflate(inflater, deflated(text)))).toBe(text);
  }
  expect(inflater.closeCode).toBeUndefined();
});

test('[COMP-4] gathers fragments and forgets them with their message', async () => {
  const inflater = new MessageInflater(MAX_BYTES);
  const data = deflated('in three parts');
  expect(String(await inflate(inflater, data.subarray(0, 4), false))).toBe('');
  expect(String(await inflate(inflater, data.subarray(4, 4), false))).toBe('');
  expect(String(await inflate(inflater, data.subarray(4)))).toBe('in three parts');
  expect(String(await inflate(inflater, deflated('the next')))).toBe('the next');
});

// `ws` looks at the size as well, but only at what has been inflated.
test('[LIM-1] gives a message up as soon as it is too long', async () => {
  const inflater = new MessageInflater(MAX_BYTES);
  const bomb = deflated('x'.repeat(60_000_000));
  const before = process.memoryUsage().arrayBuffers;
  const inflating = inflate(inflater, bomb);
  expect(await inflating).toMatchObject({ code: 'ERR_BUFFER_TOO_LARGE' });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * MAX_BYTES);
  expect(inflater.closeCode).toBe(1009);
});

test('[COMP-4] says what is no deflated data', async () => {
  const inflater = new MessageInflater(MAX_BYTES);
  expect(await inflate(inflater, Buffer.of(0xff, 0xff, 0xff))).toBeInstanceOf(Error);
  expect(inflater.closeCode).toBe(1007);
});

test('[COMP-4] a connection that is over is not called back', async () => {
  const inflater = new MessageInflater(MAX_BYTES);
  let called = false;
  inflater.decompress(deflated('late'), true, () => {
    called = true;
  });
  inflater.cleanup();
  await new Promise((resolve) => setImmediate(resolve));
  expect(called).toBe(false);
});
