import { describeEngineContract, ManualClock, NotificationBus } from '@millrace/testkit';
import { systemTurns } from '../clock.ts';
import type { CommittedBatch } from './ledger.ts';
import { createMemoryEngine } from './memory-engine.ts';

describeEngineContract('the memory engine', async ({ retention = () => ({}), holdOf, forgetAfterMs }) => {
  const clock = new ManualClock();
  const bus = new NotificationBus<CommittedBatch>();
  const errors: unknown[] = [];
  const engine = createMemoryEngine({
    clock,
    turns: systemTurns,
    retention,
    holdOf,
    bus: bus.relay,
    onError: (error) => errors.push(error),
    ...(forgetAfterMs === undefined ? {} : { forgetAfterMs }),
  });
  return { engine, clock, bus, errors, close: () => engine.close() };
});
