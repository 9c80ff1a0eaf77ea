import { TestServer } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { DEFAULT_BATCH } from './batcher.ts';
import { ENTITY, HubWorld, type WorldSession } from './fixtures/hub-world.ts';

const batch = { maxEvents: 3, maxDelayMs: 50 };
/** The first event of a subscription comes alone: it shows that the log was read up to it. */
async function gathering(world: HubWorld, sessions: readonly WorldSession[], name: string): Promise<void> {
  for (const session of sessions) await session.subscribe(name, { batch });
  await world.publish('a.b', 0);
  await world.advance(batch.maxDelayMs);
  for (const session of sessions) session.take();
}

const sizes = (session: WorldSession): number[] =>
  session.lines.splice(0).flatMap((line) => (line.events === undefined ? [] : [line.events.length]));

describe('a batch', () => {
  test('[BATCH-1] closes when it is full, or when its first event has waited long enough', async () => {
    const world = new HubWorld();
    const session = await world.session();
    await gathering(world, [session], 'a.*');
    for (let n = 1; n <= 4; n++) await world.publish(`a.${n}`, n);
    expect(sizes(session)).toEqual([3]);
    await world.advance(49);
    expect(sizes(session)).toEqual([]);
    await world.advance(1);
    expect(sizes(session)).toEqual([1]);
    expect(DEFAULT_BATCH).toEqual({ maxEvents: 10, maxDelayMs: 100 });
  });

  test('[BATCH-2] is encoded once for all sessions that gathered the same events', async () => {
    const world = new HubWorld();
    const sessions = await Promise.all(Array.from({ length: 5 }, () => world.session()));
    await gathering(world, sessions, 'a.b');
    let encoded = 0;
    const { dialect } = (sessions[0] as WorldSession).subscriber;
    const original = dialect.batchPayload;
    Object.assign(dialect, {
      batchPayload: (events: Parameters<typeof original>[0]) => {
        if (events.length > 0) encoded++;
        return original(events);
      },
    });
    try {
      for (let n = 1; n <= 3; n++) await world.publish('a.b', n);
    } finally {
      Object.assign(dialect, { batchPayload: original });
    }
    expect(sessions.map(sizes)).toEqual([[3], [3], [3], [3], [3]]);
    expect(encoded).toBe(1);
  });

  test('[BATCH-3] a critical event closes it at once, a high one within 100 ms', async () => {
    const world = new HubWorld();
    const session = await world.session();
    await session.subscribe('a.b', { batch: { maxEvents: 100, maxDelayMs: 1000 } });
    await world.publish('a.b', 0);
    session.take();
    await world.publish('a.b', 1);
    await world.publish('a.b', 2, { priority: 'critical' });
    expect(session.takeData()).toEqual([1, 2]);
    await world.publish('a.b', 3);
    await world.publish('a.b', 4, { priority: 'high' });
    expect(session.takeData()).toEqual([]);
    await world.advance(100);
    expect(session.takeData()).toEqual([3, 4]);
  });

  test('[BATCH-4] nothing of it follows the end of the subscription, and nothing before it is left out', async () => {
    const world = new HubWorld();
    const session = await world.session();
    await session.subscribe('a.b', { batch });
    await world.publish('a.b', 1);
    world.hub.unsubscribe(session.subscriber, 'a.b');
    session.subscriber.tell({ type: 'unsubscribed', topic: 'a.b', code: 'client-request', reason: '' });
    await world.advance(1000);
    expect(session.take().map(({ type }) => type)).toEqual(['event', 'unsubscribed']);
  });

  test('[BATCH-4] a client that reads slowly is given everything in order, once', async () => {
    const world = new HubWorld({ maxBytesInFlight: 400 });
    const session = await world.session();
    await session.subscribe('a.*', { batch });
    session.stall();
    for (let n = 1; n <= 50; n++) {
      await world.publish(`a.${n % 3}`, n);
      if (n % 7 === 0) await world.advance(50);
    }
    await session.read();
    await world.advance(50);
    await session.read();
    expect(session.takeData()).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  test('[BATCH-1] closes when it holds 64 KB, so that nobody gathers without bound', async () => {
    const world = new HubWorld();
    const session = await world.session();
    await session.subscribe('a.b', { batch: { maxEvents: 1000, maxDelayMs: 10_000 } });
    await world.publish('a.b', 0);
    session.take();
    for (let n = 1; n <= 5; n++) await world.publish('a.b', 'x'.repeat(16 * 1024));
    expect(sizes(session)).toEqual([4]);
  });

  test('[BATCH-4] keeps the order also of options that more than 256 others came after', async () => {
    const world = new HubWorld();
    const other = await world.session();
    for (let n = 1; n <= 300; n++) {
      await other.subscribe(`b.${n}`, { batch: { maxEvents: 2, maxDelayMs: n } });
      await world.publish(`b.${n}`);
      await world.publish(`b.${n}`);
    }
    const session = await world.session();
    await gathering(world, [session], 'a.b');
    await world.publish('a.b', 1);
    await other.subscribe('a.b');
    for (let n = 2; n <= 4; n++) await world.publish('a.b', n);
    await world.advance(batch.maxDelayMs);
    expect(session.takeData()).toEqual([1, 2, 3, 4]);
  });

  test('[EVT-1] is written before what another subscription of the session brings at once', async () => {
    const world = new HubWorld();
    const session = await world.session();
    await session.subscribe('a.*', { batch: { maxEvents: 100, maxDelayMs: 1000 } });
    await world.publish('a.b', 0);
    session.take();
    // The second subscription finds it in the log before it is handed out.
    const stored = world.engine.append([{ entity: ENTITY, topic: 'a.b', event: 'x', data: '1' }]);
    await session.subscribe('a.b');
    await stored;
    await world.publish('a.b', 2);
    await world.publish('a.b', 3);
    await world.advance(1000);
    expect(session.takeData()).toEqual([1, 2, 3]);
  });

  test('[BATCH-1] comes as `batch {events}` over a WebSocket', async () => {
    const server = await TestServer.start();
    const entity = 'batch';
    const client = await server.connect('/ws', { entity });
    client.send({ type: 'subscribe', topic: 'a.b', batch: { maxEvents: 2 } });
    await client.next('subscribed');
    for (const n of [0, 1, 2]) await server.server.publish('a.b', 'x', n, { entity });
    expect(await client.next('event')).toMatchObject({ data: 0 });
    const { events } = await client.next('batch');
    expect(events.map(({ data, offset, type }) => [type, offset, data])).toEqual([
      ['event', 2, 1],
      ['event', 3, 2],
    ]);
    client.close();
    await server.close();
  });
});
