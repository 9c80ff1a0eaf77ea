import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import { ConsumerRecord } from './consumer-record.ts';
import { buryDead } from './dead-letters.ts';
import { DeliveryRules } from './delivery-rules.ts';

const key = { entity: 'e', topic: 'jobs', name: 'ann:mailer' };
const RULES = new DeliveryRules({ redeliveryMs: [60_000], ttlMs: 3_600_000 });

// An acknowledgement names no epoch: one on its way while the topic is deleted is counted in the life that follows.
test('[ACK-1] what is over is not looked for behind the head, where a consumer has acknowledged more than the topic has', async () => {
  const clock = new ManualClock();
  const onError = (error: unknown): never => {
    throw error;
  };
  const turns = { soon: (task: () => void) => queueMicrotask(task) };
  const engine = createMemoryEngine({ clock, turns, retention: () => ({}), onError });
  await engine.append([{ entity: 'e', topic: 'jobs', event: 'x', data: '1' }]);
  await engine.setConsumer('e', 'jobs', key.name, 0, { acked: 3, sent: 3, runs: [] });
  const record = new ConsumerRecord(engine, key);
  await record.load();

  const read = engine.read.bind(engine);
  let reads = 0;
  engine.read = (...of) => (++reads > 5 ? Promise.reject(new Error('it reads without end')) : read(...of));
  expect(await buryDead(engine, record, RULES, () => clock.now())).toBeUndefined();
  expect(record.progress.acked).toBe(3);
  await engine.close();
});
