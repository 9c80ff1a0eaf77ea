import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import { DeliveryRules } from './delivery-rules.ts';
import { Keeper } from './keeper.ts';

const key = { entity: 'e', topic: 'jobs', name: 'ann:mailer' };

// It was answered from what was known of the old topic while the new one's consumer was being looked up.
test('[ACK-4] what is acknowledged of a topic that was deleted and written anew is stored before it is answered', async () => {
  const clock = new ManualClock();
  const onError = (error: unknown): never => {
    throw error;
  };
  const turns = { soon: (task: () => void) => queueMicrotask(task) };
  const engine = createMemoryEngine({ clock, turns, retention: () => ({}), onError });
  const append = (count: number) =>
    engine.append(
      Array.from({ length: count }, () => ({ entity: 'e', topic: 'jobs', event: 'x', data: '1' })),
    );
  const headOf = async () => (await engine.head('e', 'jobs'))?.position;

  await append(3);
  let sent = await headOf();
  const rules = new DeliveryRules({ redeliveryMs: [60_000], ttlMs: 3_600_000 });
  const keeper = new Keeper(key, { engine, clock, rules, onError });
  await keeper.begin();
  const reader = { sentUpTo: () => sent, hasRoom: () => true, giveAgain: () => {}, tellAcked: () => {} };
  const attachment = keeper.attach(reader, 0);
  attachment.opened(3);
  expect(await attachment.acknowledge(3)).toBe(3);

  const lookedUp = Promise.withResolvers<void>();
  const consumer = engine.consumer.bind(engine);
  engine.consumer = async (...of) => {
    await lookedUp.promise;
    return consumer(...of);
  };
  await engine.delete('e', 'jobs');
  await append(1);
  sent = await headOf();
  const acked = attachment.acknowledge(1);
  lookedUp.resolve();
  expect(await acked).toBe(1);
  expect(await consumer('e', 'jobs', key.name)).toMatchObject({ acked: 1 });
  await keeper.close();
  await engine.close();
});
