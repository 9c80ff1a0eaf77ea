import { until } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { systemClock, systemTurns } from '../clock.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import type { Dialect, Frame } from './dialect.ts';
import { NO_SNAPSHOTS } from './fixtures/hub-world.ts';
import { Hub } from './hub.ts';

const ENTITY = 'default';
const SAVED = 100;

/** Each of its frames saved as much as any other; how many were made is counted. */
class SavingDialect implements Dialect {
  readonly index = 0;
  readonly name = 'saving';
  readonly carriesCursor = false;
  frames = 0;

  encodeEvent(event: Parameters<Dialect['eventPayload']>[0]): Frame {
    return this.frame(event.data);
  }

  encodeMessage(): undefined {}

  encodeSnapshot({ state }: Parameters<Dialect['encodeSnapshot']>[0]): Frame {
    return this.frame(state);
  }

  encodePlace(): undefined {}

  eventPayload(event: Parameters<Dialect['eventPayload']>[0]): string {
    return event.data;
  }

  batchPayload(events: Parameters<Dialect['batchPayload']>[0]): string {
    return events.join();
  }

  frame(payload: Parameters<Dialect['frame']>[0]): Frame {
    this.frames++;
    const frame: Frame = Buffer.from(payload as string);
    frame.savedBytes = SAVED;
    return frame;
  }
}

async function withHub(
  run: (hub: Hub, publish: (count: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const onError = (error: unknown): void => {
    throw error;
  };
  const shared = { clock: systemClock, turns: systemTurns, onError };
  let ids = 0;
  const engine = createMemoryEngine({ ...shared, retention: () => ({}), newId: () => `${++ids}` });
  const hub = new Hub({
    ...shared,
    engine,
    maxBytesInFlight: 1_000_000,
    maxRecentBytes: 1_000_000,
    maxAgeMs: () => undefined,
    queueBounds: { maxEvents: 10, maxBytes: 1000 },
    deliveryOf: () => ({ slow: 'catchup', flushWindowMs: 0 }),
    snapshots: NO_SNAPSHOTS,
  });
  const publish = async (count: number): Promise<void> => {
    await engine.append(
      Array.from({ length: count }, () => ({ entity: ENTITY, topic: 'a', event: 'x', data: '"some data"' })),
    );
  };
  await run(hub, publish);
  hub.close();
  await engine.close();
}

const attach = (hub: Hub, dialect: Dialect, written: Buffer[]) =>
  hub.attach(ENTITY, {
    dialect,
    sink: { write: (frames) => void written.push(frames), bytesInFlight: 0, confirm: () => {} },
    direct: [],
    end: () => {},
  });

const topic = { kind: 'topic', topic: 'a' } as const;
const textOf = (written: readonly Buffer[]): string => Buffer.concat(written).toString();

test('[COMP-2] an event is compressed once, and what it saved is counted for every session, live and replayed', async () => {
  await withHub(async (hub, publish) => {
    const dialect = new SavingDialect();
    const written: Buffer[][] = [[], [], []];
    for (const each of written) {
      await hub.subscribe(await attach(hub, dialect, each), topic, { kind: 'now' }, {}, () => {});
    }
    await publish(2);
    await until(() => written.every((each) => textOf(each) === '"some data""some data"'), 'the events');
    expect(dialect.frames).toBe(2);
    expect(hub.counters.savedBytes).toBe(3 * 2 * SAVED);

    const late: Buffer[] = [];
    await hub.subscribe(await attach(hub, dialect, late), topic, { kind: 'earliest' }, {}, () => {});
    await until(() => textOf(late) === '"some data""some data"', 'the replay');
    expect(hub.counters.savedBytes).toBe(4 * 2 * SAVED);
  });
});

test('[COMP-2] a batch is compressed as one, once for all who gather alike', async () => {
  await withHub(async (hub, publish) => {
    const dialect = new SavingDialect();
    const written: Buffer[][] = [[], []];
    const batch = { maxEvents: 3, maxDelayMs: 10_000 };
    for (const each of written) {
      await hub.subscribe(await attach(hub, dialect, each), topic, { kind: 'now' }, { batch }, () => {});
    }
    // The first event of a subscription makes it live, and comes by itself.
    await publish(1);
    await until(() => written.every((each) => textOf(each) === '"some data"'), 'the first event');
    for (const each of written) each.length = 0;
    await publish(3);
    const all = '"some data","some data","some data"';
    await until(() => written.every((each) => textOf(each) === all), 'the batch');
    expect(dialect.frames).toBe(1 + 1);
    expect(hub.counters.savedBytes).toBe(2 * 2 * SAVED);
  });
});
