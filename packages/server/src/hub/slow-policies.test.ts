import { TestServer } from '@millrace/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredEvent } from '../engine/engine.ts';
import { HubWorld, WITH_CURSORS } from './fixtures/hub-world.ts';
import { type Dropped, makeRoom, SlowQueue } from './slow-queue.ts';

const world = (more = {}): HubWorld => new HubWorld({ maxBytesInFlight: 300, maxQueuedEvents: 5, ...more });
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe('a slow client', () => {
  test.each(['a.b', 'a.*'])(
    '[FLOW-6] under `drop-oldest` is given the newest of %s and told what was left out',
    async (name) => {
      const hubWorld = world();
      const { hub } = hubWorld;
      const session = await hubWorld.session();
      await session.subscribe(name, { slow: 'drop-oldest' });
      session.stall();
      for (let n = 1; n <= 40; n++) await hubWorld.publish('a.b', n);
      expect(hub.queueDepth).toBe(5);
      await session.read();
      const lines = session.take();
      const got = lines.flatMap((line) => (line.type === 'event' ? [line.data as number] : []));
      expect(got.slice(-5)).toEqual([36, 37, 38, 39, 40]);
      const dropped = lines.filter(({ type }) => type === 'dropped');
      const [{ from, count } = {} as never] = dropped as unknown as Required<Dropped>[];
      expect(dropped).toEqual([{ type: 'dropped', topic: 'a.b', from, to: 35, count, reason: 'slow' }]);
      // Everything was delivered or told, in order.
      expect([...got.slice(0, -5), ...upTo(35).slice(from - 1)]).toEqual(upTo(35));
      expect(count).toBe(35 - from + 1);
      expect(hub.counters.dropped).toBe(count);
      expect(hub.queueDepth).toBe(0);
      await hubWorld.publish('a.b', 'live again');
      expect(session.takeData()).toEqual(['live again']);
    },
  );

  test('[FLOW-7] is given what waits for it before anything of another subscription that overlaps', async () => {
    const hubWorld = world();
    const session = await hubWorld.session();
    await session.subscribe('a.b', { slow: 'drop-oldest' });
    session.stall();
    for (let n = 1; n <= 40; n++) await hubWorld.publish('a.b', n);
    await session.subscribe('a.*');
    expect(hubWorld.hub.queueDepth).toBe(0);
    for (let n = 41; n <= 60; n++) await hubWorld.publish('a.b', n);
    await session.read();
    // Both read the log from there on, and offsets tell what is a repeat ([SUB-4]).
    const got: number[] = [];
    for (const n of session.takeData() as number[]) if (n > Math.max(35, ...got)) got.push(n);
    expect(got).toEqual(upTo(60).slice(35));
  });

  test('[FLOW-6] is kept no more for having many subscriptions: the fullest gives way', async () => {
    const hubWorld = world();
    const session = await hubWorld.session();
    const topics = Array.from({ length: 20 }, (_, i) => `a.${i}`);
    for (const topic of topics) await session.subscribe(topic, { slow: 'drop-oldest' });
    session.stall();
    for (let n = 1; n <= 20; n++) await hubWorld.publish('a.0', n);
    for (let n = 1; n <= 3; n++) await hubWorld.publish('a.1', n);
    expect(hubWorld.hub.queueDepth).toBe(5);
    session.take();
    await session.read();
    const events = session.take().filter(({ type }) => type === 'event');
    expect(events.map(({ topic, data }) => `${topic} ${data}`)).toEqual([
      'a.0 19',
      'a.0 20',
      'a.1 1',
      'a.1 2',
      'a.1 3',
    ]);
    expect(hubWorld.hub.queueDepth).toBe(0);
  });

  test('[FLOW-6] under `conflate` is given the newest event of each key', async () => {
    const hubWorld = world();
    const session = await hubWorld.session();
    await session.subscribe('a.b', { slow: 'conflate' });
    session.stall();
    for (let n = 1; n <= 10; n++) await hubWorld.publish('a.b', n);
    session.take();
    for (let n = 1; n <= 10; n++) {
      await hubWorld.publish('a.b', `x${n}`, { key: 'x' });
      await hubWorld.publish('a.b', `y${n}`, { key: 'y', event: `e${n}` });
      await hubWorld.publish('a.b', `z${n}`, { event: 'z' });
    }
    await session.read();
    const lines = session.take();
    expect(lines.filter(({ type }) => type === 'event').map(({ data }) => data)).toEqual([
      10,
      'x10',
      'y10',
      'z10',
    ]);
    expect(lines.filter(({ type }) => type === 'dropped')).toMatchObject([{ reason: 'conflated' }]);
  });

  test('[FLOW-6] under `disconnect` is ended with `slow-consumer`', async () => {
    const hubWorld = world();
    const session = await hubWorld.session();
    await session.subscribe('a.b', { slow: 'disconnect' });
    session.stall();
    for (let n = 1; n <= 10; n++) await hubWorld.publish('a.b', n);
    expect(session.ended).toBe('slow-consumer');
    expect(hubWorld.hub.counters.slowEnded).toBe(1);
  });

  test('[FLOW-6] is served by its namespace’s policy when it names none', async () => {
    const hubWorld = world({ delivery: { slow: 'drop-oldest' } });
    const session = await hubWorld.session();
    await session.subscribe('a.b');
    session.stall();
    for (let n = 1; n <= 40; n++) await hubWorld.publish('a.b', n);
    await session.read();
    expect(session.take().some(({ type }) => type === 'dropped')).toBe(true);
  });

  test('[FLOW-7] of several subscriptions each follows its own policy', async () => {
    const hubWorld = world();
    const session = await hubWorld.session();
    await session.subscribe('a.b', { slow: 'drop-oldest' });
    await session.subscribe('c.d');
    session.stall();
    for (let n = 1; n <= 30; n++) {
      await hubWorld.publish('a.b', -n);
      await hubWorld.publish('c.d', n);
    }
    await session.read();
    const data = session.takeData() as number[];
    expect(data.filter((n) => n > 0)).toEqual(upTo(30));
    const kept = data.filter((n) => n < 0);
    expect(kept.length).toBeLessThan(30);
    expect(kept.slice(-5)).toEqual([-26, -27, -28, -29, -30]);
  });

  test('[FLOW-7] where subscriptions overlap nothing is dropped', async () => {
    const hubWorld = world();
    const session = await hubWorld.session();
    await session.subscribe('a.b', { slow: 'drop-oldest' });
    await session.subscribe('a.*');
    session.stall();
    for (let n = 1; n <= 30; n++) await hubWorld.publish('a.b', n);
    await session.read();
    const lines = session.take();
    expect(lines.some(({ type }) => type === 'dropped')).toBe(false);
    expect(new Set(lines.flatMap(({ type, data }) => (type === 'event' ? [data] : [])))).toEqual(
      new Set(upTo(30)),
    );
  });

  test('[FLOW-6] an event stream’s ids go on from what it was given', async () => {
    const hubWorld = world();
    const session = await hubWorld.session({ dialect: WITH_CURSORS });
    await session.subscribe('a.*', { slow: 'drop-oldest' });
    session.stall();
    for (let n = 1; n <= 40; n++) await hubWorld.publish('a.b', n);
    await session.read();
    const events = session.take().filter(({ type }) => type === 'event');
    expect(new Set(events.map(({ cursor }) => cursor)).size).toBe(events.length);
  });

  test('[FLOW-6] that unsubscribes or goes leaves nothing in the queue', async () => {
    const hubWorld = world();
    for (const leave of ['unsubscribe', 'detach'] as const) {
      const session = await hubWorld.session();
      await session.subscribe('a.b', { slow: 'drop-oldest' });
      session.stall();
      for (let n = 1; n <= 30; n++) await hubWorld.publish('a.b', n);
      expect(hubWorld.hub.queueDepth).toBe(5);
      if (leave === 'detach') hubWorld.hub.detach(session.subscriber);
      else hubWorld.hub.unsubscribe(session.subscriber, 'a.b');
      expect(hubWorld.hub.queueDepth).toBe(0);
      await hubWorld.publish('a.b', 'more');
    }
  });
});

describe('[FLOW-6] what waits for a slow client', () => {
  const event = (offset: number, key: string | undefined, size: number): StoredEvent =>
    ({ topic: `t${offset % 3}`, event: 'x', epoch: 'e', offset, key, data: 'x'.repeat(size) }) as StoredEvent;

  test('is bounded by number and bytes, keeps its order, and everything else is counted', () => {
    const pushed = fc.array(fc.tuple(fc.option(fc.constantFrom('k', 'l'), { nil: undefined }), fc.nat(40)), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(pushed, fc.constantFrom('drop-oldest', 'conflate'), (sizes, policy) => {
        const queue = new SlowQueue(policy);
        sizes.forEach(([key, size], i) => {
          queue.push(event(i + 1, key, size));
          makeRoom([queue], { maxEvents: 7, maxBytes: 100 });
        });
        const { events, dropped } = queue.drain();
        const offsets = events.map(({ offset }) => offset);
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
        expect(events.length).toBeLessThanOrEqual(7);
        if (events.length > 1)
          expect(events.reduce((sum, { data }) => sum + data.length, 0)).toBeLessThanOrEqual(100);
        expect(events.length + dropped.reduce((sum, { count }) => sum + count, 0)).toBe(sizes.length);
        expect(queue.drain()).toEqual({ events: [], dropped: [] });
      }),
    );
  });

  test('names at most so many topics one by one', () => {
    const queue = new SlowQueue('drop-oldest');
    for (let i = 0; i < 100; i++) {
      queue.push({
        topic: `t${i}`,
        event: 'x',
        epoch: 'e',
        offset: 1,
        key: undefined,
        data: '',
      } as StoredEvent);
      makeRoom([queue], { maxEvents: 1, maxBytes: 1000 });
    }
    const { dropped } = queue.drain();
    expect(dropped).toHaveLength(33);
    expect(dropped.at(-1)).toEqual({ topic: undefined, count: 99 - 32, reason: 'slow' });
  });
});

test('[FLOW-6] over a WebSocket a client that stops reading is ended under `disconnect`', async () => {
  const server = await TestServer.start();
  const entity = 'slow-disconnect';
  const client = await server.connect('/ws', { entity });
  client.send({ type: 'subscribe', topic: 'a.b', slow: 'disconnect' });
  await client.next('subscribed');
  client.socket.pause();
  const filler = 'x'.repeat(16_000);
  for (let i = 0; i < 60; i++) {
    await Promise.all(
      Array.from({ length: 20 }, () => server.server.publish('a.b', 'x', filler, { entity })),
    );
  }
  client.socket.resume();
  expect((await client.closed).code).toBe(4004);
  await server.close();
}, 30_000);
