import { EVERY_TOPIC } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredEvent } from '../engine/engine.ts';
import { Deque } from './deque.ts';
import { Lane, RecentEvents, type TopicTrail } from './recent-events.ts';

const ENTITY = 'acme';
const ALL = { maxEvents: Infinity, maxBytes: Infinity };

class Trail implements TopicTrail {
  readonly topic: string;
  readonly recent: Deque<number> = new Deque();
  epoch = '';
  emptied = 0;

  constructor(topic: string) {
    this.topic = topic;
  }

  onEmptied(): void {
    this.emptied++;
  }
}

/** Two engines and some topics, of which everything that ever came is remembered as well. */
class World {
  readonly recent: RecentEvents;
  readonly lanes = [new Lane(ENTITY, 'live', 0, 0), new Lane(ENTITY, 'durable', 0, 0)];
  readonly trails = ['a', 'b.c', 'ü'].map((topic) => new Trail(topic));
  readonly pushed: StoredEvent[] = [];
  readonly #offsets: number[] = this.trails.map(() => 0);
  readonly #epochs: number[] = this.trails.map(() => 1);
  readonly #seqs = [0, 0];

  constructor(maxBytes: number) {
    this.recent = new RecentEvents(maxBytes);
  }

  push(topic: number, engine: number, event: Partial<StoredEvent> = {}): StoredEvent {
    const trail = this.trails[topic]!;
    const lane = this.lanes[engine]!;
    this.#offsets[topic]!++;
    this.#seqs[engine]!++;
    const stored: StoredEvent = {
      entity: ENTITY,
      topic: trail.topic,
      epoch: `e${this.#epochs[topic]}`,
      offset: this.#offsets[topic]!,
      slot: lane.slot,
      partition: 0,
      seq: this.#seqs[engine]!,
      id: `id-${this.pushed.length}`,
      event: 'task.progress',
      timestamp: 1_700_000_000_000 + this.pushed.length,
      data: '{}',
      source: undefined,
      key: undefined,
      priority: 'normal',
      sealed: false,
      ...event,
    };
    this.pushed.push(stored);
    this.recent.push(stored, lane, trail);
    return stored;
  }

  /** The topic was deleted and born again. */
  rebear(topic: number): void {
    this.#epochs[topic]!++;
    this.#offsets[topic] = 0;
  }

  readTrail(topic: number, epoch: string, offset: number): StoredEvent[] | undefined {
    const page = this.recent.readTrail(this.trails[topic]!, { epoch, offset }, ALL, 0);
    return page?.entries.map(({ event }) => event);
  }

  readLanes(
    seqs: readonly [number, number],
    patterns: readonly string[] = EVERY_TOPIC,
  ): StoredEvent[] | undefined {
    const cursor = {
      live: { epoch: 'l', seqs: [seqs[0]] },
      durable: { epoch: 'd', seqs: [seqs[1]] },
    };
    const { page } = this.recent.readLanes(this.lanes, patterns, cursor, ALL, () => 0);
    return page?.entries.map(({ event }) => event);
  }
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const pushes = fc.array(
  fc.record({
    topic: fc.nat({ max: 2 }),
    engine: fc.nat({ max: 1 }),
    rebear: fc.nat({ max: 20 }).map((n) => n === 0),
    event: fc.record({
      data: text.map((value) => JSON.stringify({ value })),
      id: text,
      event: text,
      source: fc.option(text, { nil: undefined }),
      key: fc.option(text, { nil: undefined }),
      priority: fc.constantFrom('critical', 'high', 'normal', 'low'),
      sealed: fc.boolean(),
    }),
  }),
  { maxLength: 80 },
);

describe('recent events', () => {
  test('whatever is given was given so, without a hole up to the newest, over all budgets', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 150, 300, 1000, 5000, 1_000_000), pushes, (maxBytes, script) => {
        const world = new World(maxBytes);
        for (const { topic, engine, rebear, event } of script) {
          if (rebear) world.rebear(topic);
          const { epoch } = world.push(topic, engine, event);
          const all = world.pushed.filter((each) => each.topic === world.trails[topic]!.topic);
          const own = all.filter((each) => each.epoch === epoch);
          for (let offset = 0; offset <= own.length; offset++) {
            const read = world.readTrail(topic, epoch, offset);
            if (read !== undefined) expect(read).toEqual(own.slice(offset));
          }
          expect(world.readTrail(topic, 'another', 0)).toBeUndefined();
        }
        const after = [world.lanes[0]!.floor, world.lanes[1]!.floor] as const;
        const expected = world.pushed.filter(({ slot, seq }) => seq > after[slot === 'live' ? 0 : 1]);
        expect(world.readLanes(after)).toEqual(expected);
        expect(world.readLanes(after, ['b.*'])).toEqual(expected.filter(({ topic }) => topic === 'b.c'));
      }),
    );
  });

  test('as many are kept as the budget has room for, the newest', () => {
    const world = new World(10_000);
    for (let i = 0; i < 1000; i++) world.push(0, 1, { data: `{"n":${'9'.repeat(i % 200)}}` });
    expect(world.recent.bytes).toBeGreaterThan(9000);
    expect(world.recent.bytes).toBeLessThanOrEqual(10_000);
    const kept = world.trails[0]!.recent.length;
    expect(world.readTrail(0, 'e1', 1000 - kept)).toEqual(world.pushed.slice(-kept));
    expect(world.readTrail(0, 'e1', 1000 - kept - 1)).toBeUndefined();
    expect(world.recent.find(world.trails[0]!, 1001 - kept)).toEqual(world.pushed.at(-kept));
    expect(world.recent.find(world.trails[0]!, 1000 - kept)).toBeUndefined();
    expect(world.recent.newest(world.trails[0]!)).toEqual(world.pushed.at(-1));
  });

  test('a topic whose last event left is told, also by events of others', () => {
    const world = new World(2000);
    world.push(0, 1);
    for (let i = 0; i < 30; i++) world.push(1, 1);
    expect(world.trails[0]!.emptied).toBe(1);
    expect(world.trails[1]!.emptied).toBe(0);
  });

  test('an event that is longer than the budget is not kept, and nothing is taken for its continuation', () => {
    const world = new World(1000);
    world.push(0, 1);
    world.push(0, 1, { data: `"${'x'.repeat(2000)}"` });
    expect(world.readTrail(0, 'e1', 0)).toBeUndefined();
    expect(world.readLanes([0, 0])).toBeUndefined();
    const next = world.push(0, 1);
    expect(world.readTrail(0, 'e1', 1)).toBeUndefined();
    expect(world.readTrail(0, 'e1', 2)).toEqual([next]);
    expect(world.readLanes([0, 2])).toEqual([next]);
  });

  test.each([
    { ends: 'holds enough data', limit: { maxEvents: 10, maxBytes: 250 } },
    { ends: 'holds enough events', limit: { maxEvents: 3, maxBytes: 10_000 } },
  ])('a page ends when it $ends, and says that there is more', ({ limit }) => {
    const world = new World(100_000);
    for (let i = 0; i < 10; i++) world.push(0, 1, { data: `"${'x'.repeat(98)}"` });
    const page = world.recent.readTrail(world.trails[0]!, { epoch: 'e1', offset: 0 }, limit, 0);
    expect(page).toMatchObject({ more: true });
    expect(page?.entries).toHaveLength(3);
    const cursor = { live: { epoch: 'l', seqs: [0] }, durable: { epoch: 'd', seqs: [0] } };
    const lanes = world.recent.readLanes(world.lanes, EVERY_TOPIC, cursor, limit, () => 0);
    expect(lanes).toMatchObject({ page: { more: true }, cursor: { durable: { seqs: [3] } } });
  });

  test('a topic does not lose its last event to the one that follows it', () => {
    const world = new World(250);
    for (let i = 0; i < 10; i++) {
      for (const topic of [0, 1, 2]) {
        const event = world.push(topic, 1, { data: `"${'x'.repeat(100)}"` });
        expect(world.recent.newest(world.trails[topic]!)).toEqual(event);
      }
      // The others have left, and were told so.
      expect(world.trails.map(({ emptied }) => emptied)).toEqual([i + 1, i + 1, i]);
    }
  });

  test('what is decoded counts, and is forgotten as others come', () => {
    const [world, unread] = [new World(1_000_000), new World(1_000_000)];
    for (const each of [world, unread]) each.push(0, 1);
    world.readTrail(0, 'e1', 0);
    expect(world.recent.bytes).toBeGreaterThan(unread.recent.bytes);
    for (let i = 0; i < 2 * 4096; i++) for (const each of [world, unread]) each.push(1, 1);
    expect(world.recent.bytes).toBe(unread.recent.bytes);
  });

  test('of large events few stay decoded, but those that were read last', () => {
    const [world, unread] = [new World(10_000_000), new World(10_000_000)];
    const data = `"${'x'.repeat(32 * 1024)}"`;
    for (const each of [world, unread]) for (let i = 0; i < 100; i++) each.push(0, 1, { data });
    const readLast = () =>
      world.recent.readTrail(world.trails[0]!, { epoch: 'e1', offset: 98 }, ALL, 0)?.entries;
    world.readTrail(0, 'e1', 0);
    expect(world.recent.bytes - unread.recent.bytes).toBeLessThan(20 * data.length);
    expect(readLast()?.[0]).toBe(readLast()?.[0]);
  });

  test('who reads the same gets the same event, encoded once', () => {
    const world = new World(100_000);
    world.push(0, 1);
    const [first] =
      world.recent.readTrail(world.trails[0]!, { epoch: 'e1', offset: 0 }, ALL, 0)?.entries ?? [];
    const [again] =
      world.recent.readTrail(world.trails[0]!, { epoch: 'e1', offset: 0 }, ALL, 0)?.entries ?? [];
    expect(again).toBe(first);
    expect(first).toBeDefined();
  });
});
