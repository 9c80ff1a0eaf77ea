import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEngineContract, ManualClock, NotificationBus } from '@millrace/testkit';
import { systemTurns } from '../clock.ts';
import { WriterFaults } from './fixtures/writer-faults.ts';
import type { CommittedBatch } from './ledger.ts';
import { createSqliteEngine } from './sqlite-engine.ts';

describeEngineContract(
  'the SQLite engine',
  async ({ retention = () => ({}), holdOf, forgetAfterMs }) => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-engine-'));
    const clock = new ManualClock();
    const bus = new NotificationBus<CommittedBatch>();
    const faults = new WriterFaults();
    const errors: unknown[] = [];
    const open = () =>
      createSqliteEngine({
        directory,
        clock,
        turns: systemTurns,
        retention,
        holdOf,
        sweepIntervalMs: 200,
        bus: bus.relay,
        wrapWriter: faults.wrap,
        onError: (error) => errors.push(error),
        ...(forgetAfterMs === undefined ? {} : { forgetAfterMs }),
      });
    const harness = {
      engine: await open(),
      clock,
      bus,
      errors,
      failNextCommit: (outcome: 'storage-full' | 'unknown') =>
        faults.failNext(outcome === 'unknown' ? outcome : 'full'),
      async reopen() {
        await harness.engine.close();
        harness.engine = await open();
      },
      async close() {
        await harness.engine.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
    return harness;
  },
  { failsCommits: true, reopens: true },
);
