import { MillraceError } from '@millrace/protocol';
import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import type { EncodedInput } from '../session/publisher.ts';
import { StorageWatch } from './storage-watch.ts';

const full = new MillraceError('storage-full', 'the disk is full');

/** A log that is broken until it is mended. */
function createWatch() {
  const clock = new ManualClock(Date.UTC(2026, 10, 20));
  const stored: EncodedInput[] = [];
  const log = { broken: true, tries: 0 };
  const watch = new StorageWatch({
    clock,
    publisher: {
      publishInternally: async (_, inputs) => {
        log.tries++;
        if (!log.broken) stored.push(...inputs);
        return [log.broken ? full : ({} as never)];
      },
    },
  });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await new Promise(setImmediate);
  };
  return { watch, stored, log, pass };
}

test('[SYS-2] repeated trouble is told once, as soon as it can be stored', async () => {
  const { watch, stored, log, pass } = createWatch();
  for (let i = 0; i < 5; i++) watch.failed({ topic: 'task.a' }, full);
  await pass(1000);
  await pass(2000);
  expect(stored).toEqual([]);
  log.broken = false;
  await pass(4000);
  expect(stored.map(({ data }) => JSON.parse(data))).toEqual([
    {
      message: '5 events could not be stored within 7 s: the disk is full',
      code: 'storage-full',
      failed: 5,
      since: '2026-11-20T00:00:00.000Z',
      until: '2026-11-20T00:00:07.000Z',
    },
  ]);
  await pass(100_000);
  expect(log.tries).toBe(3);
});

test('[SYS-2] what fails once or twice, or while it is told, is no trouble of its own', async () => {
  const { watch, log, pass } = createWatch();
  watch.failed({ topic: 'task.a' }, full);
  watch.failed({ topic: 'task.a' }, full);
  for (let i = 0; i < 5; i++) watch.failed({ topic: 'system.error' }, full);
  await pass(100_000);
  expect(log.tries).toBe(0);
});
