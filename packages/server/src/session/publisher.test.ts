import { createCatalog } from '@millrace/catalog';
import type { PublishResult } from '@millrace/protocol';
import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { systemTurns } from '../clock.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import { EventChecks } from './event-checks.ts';
import { Publisher } from './publisher.ts';

test('what the server keeps for itself is stored, whatever limits clients', async () => {
  const clock = new ManualClock();
  const engine = createMemoryEngine({ clock, turns: systemTurns, retention: () => ({}), onError: () => {} });
  const catalog = createCatalog([]);
  const checks = new EventChecks({ catalog, unknownEventsOf: () => 'refuse', onUnknown: () => {} });
  const publisher = new Publisher({ engine, clock, checks, maxEventBytes: 10, priorityOf: () => 'normal' });
  const publish = (entity: string, data: string) =>
    publisher.publishInternally(entity, [{ topic: 't', event: 'x', data }]);
  const long = JSON.stringify('x'.repeat(10));
  expect(await publish('$system', long)).toMatchObject([{ offset: 1 }]);
  expect(await publish('a', '1')).toMatchObject([{ code: 'unknown-event' }]);
  expect(await publish('a', long)).toMatchObject([{ code: 'too-large' }]);
  await engine.close();
});

// Timed calls once took a shorter way back than the others, and a client got every 16th answer first.
test('[PUB-7] answers come in the order of the publications, timed or not', async () => {
  const clock = new ManualClock();
  const engine = createMemoryEngine({ clock, turns: systemTurns, retention: () => ({}), onError: () => {} });
  const checks = new EventChecks({
    catalog: createCatalog([]),
    unknownEventsOf: () => 'allow',
    onUnknown: () => {},
  });
  const publisher = new Publisher({ engine, clock, checks, maxEventBytes: 1000, priorityOf: () => 'normal' });
  const answered: number[] = [];
  await Promise.all(
    Array.from({ length: 100 }, async () => {
      const [result] = await publisher.publishInternally('a', [{ topic: 't', event: 'x', data: '1' }]);
      answered.push((result as PublishResult).offset);
    }),
  );
  expect(answered).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  expect(publisher.appendLatency.read().count).toBe(7);
  expect(publisher.counters).toMatchObject({ published: 100, refused: 0 });
  await engine.close();
});

test('one event of the server’s own is stored, or it says why not', async () => {
  const clock = new ManualClock();
  const engine = createMemoryEngine({ clock, turns: systemTurns, retention: () => ({}), onError: () => {} });
  const checks = new EventChecks({
    catalog: createCatalog([]),
    unknownEventsOf: () => 'allow',
    onUnknown: () => {},
  });
  const publisher = new Publisher({ engine, clock, checks, maxEventBytes: 10, priorityOf: () => 'normal' });
  const publish = (data: string) => publisher.publishOneInternally('a', { topic: 't', event: 'x', data });
  expect(await publish('1')).toMatchObject({ topic: 't', offset: 1 });
  await expect(publish(`"${'x'.repeat(10)}"`)).rejects.toMatchObject({ code: 'too-large' });
  await engine.close();
});
