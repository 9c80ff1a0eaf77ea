import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredEvent } from '../engine/engine.ts';
import { type Chunk, ownChunk } from './chunk.ts';
import { HubWorld } from './fixtures/hub-world.ts';
import { orderByPriority } from './priority-order.ts';

const chunk = (topic: string, rank: number): Chunk => ({
  bytes: Buffer.from(topic),
  events: 1,
  starts: [{ topic } as StoredEvent],
  rank,
  kept: false,
});

describe('[PRIO-2] the order of a flush', () => {
  test('is by urgency; an event moved ahead takes the earlier events of its topic with it', () => {
    const [a1, b1, a2, c1] = [chunk('a', 3), chunk('b', 2), chunk('a', 0), chunk('c', 1)] as const;
    expect(orderByPriority([a1, b1, a2, c1])).toEqual([a1, a2, c1, b1]);
  });

  test('nothing passes a message', () => {
    const [a, message, b] = [chunk('a', 2), ownChunk(Buffer.from('m')), chunk('b', 0)] as const;
    expect(orderByPriority([a, message, b])).toEqual([a, message, b]);
  });

  test('keeps every topic’s order, and loses nothing', () => {
    const chunks = fc.array(
      fc.oneof(
        { weight: 8, arbitrary: fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3)) },
        { weight: 1, arbitrary: fc.constant(undefined) },
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(chunks, (described) => {
        const given = described.map((each) => (each ? chunk(...each) : ownChunk(Buffer.alloc(0))));
        const ordered = orderByPriority(given);
        expect(new Set(ordered)).toEqual(new Set(given));
        for (const topic of ['a', 'b', 'c']) {
          const of = (all: readonly Chunk[]) => all.filter(({ starts }) => starts[0]?.topic === topic);
          expect(of(ordered)).toEqual(of(given));
        }
        const places = (all: readonly Chunk[]) =>
          all.flatMap(({ starts }, i) => (starts.length === 0 ? [i] : []));
        expect(places(ordered)).toEqual(places(given));
      }),
    );
  });
});

describe('priorities', () => {
  test('[PRIO-2] a critical event of another topic is written before what came earlier in the same flush', async () => {
    const world = new HubWorld();
    const session = await world.session();
    await session.subscribe('*');
    await world.publishAll([
      ['bulk.a', 1, 'low'],
      ['news.a', 2],
      ['alarm.a', 3],
      ['alarm.a', 4, 'critical'],
      ['news.b', 5, 'high'],
    ]);
    expect(session.takeData()).toEqual([3, 4, 5, 2, 1]);
  });

  test('[PRIO-3] a namespace’s flush window holds events back, high ones for 100 ms, critical ones not at all', async () => {
    const world = new HubWorld({ delivery: { flushWindowMs: 500 } });
    const session = await world.session();
    await session.subscribe('a.*');
    await world.publish('a.b', 1);
    await world.publish('a.b', 2);
    await world.advance(499);
    expect(session.takeData()).toEqual([]);
    await world.advance(1);
    expect(session.takeData()).toEqual([1, 2]);
    expect(session.writes).toBe(1);
    await world.publish('a.b', 3);
    await world.publish('a.b', 4, { priority: 'high' });
    await world.advance(100);
    expect(session.takeData()).toEqual([3, 4]);
    await world.publish('a.b', 5);
    await world.publish('a.b', 6, { priority: 'critical' });
    expect(session.takeData()).toEqual([5, 6]);
  });

  test('[PRIO-3] what waits for a window is read from the log when the session turns slow', async () => {
    const world = new HubWorld({ delivery: { flushWindowMs: 500 }, maxBytesInFlight: 300 });
    const session = await world.session();
    await session.subscribe('a.*');
    session.stall();
    for (let n = 1; n <= 40; n++) {
      await world.publish(`a.${n % 2}`, n);
      await world.advance(100);
    }
    await session.read();
    await world.advance(500);
    await session.read();
    expect(session.takeData()).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });
});
