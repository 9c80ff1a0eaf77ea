import { describeEngineContract, ManualClock, NotificationBus } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { systemTurns } from '../clock.ts';
import type { AppendRequest, Engine, EngineSlot, HoldOf, ReadSinceFrom, Retention } from './engine.ts';
import { createEnginePair } from './engine-pair.ts';
import type { CommittedBatch } from './ledger.ts';
import { createMemoryEngine } from './memory-engine.ts';

interface PairOptions {
  readonly retention?: (topic: string) => Retention;
  readonly holdOf?: HoldOf | undefined;
  readonly forgetAfterMs?: number;
  readonly slotOf?: (topic: string) => EngineSlot;
}

const bySegment = (topic: string): EngineSlot => (/^[a-l]/.test(topic) ? 'live' : 'durable');

function openPair({ retention = () => ({}), holdOf, forgetAfterMs, slotOf = bySegment }: PairOptions = {}) {
  const clock = new ManualClock();
  const bus = new NotificationBus<CommittedBatch>();
  const errors: unknown[] = [];
  const open = (slot: EngineSlot) =>
    createMemoryEngine({
      clock,
      turns: systemTurns,
      slot,
      retention,
      holdOf,
      bus: bus.relay,
      onError: (error) => errors.push(error),
      ...(forgetAfterMs === undefined ? {} : { forgetAfterMs }),
    });
  const live = open('live');
  const durable = open('durable');
  const engine = createEnginePair({ live, durable, slotOf });
  return { engine, live, durable, clock, bus, errors, close: () => engine.close() };
}

describeEngineContract('a pair, all in its durable engine,', async (options) =>
  openPair({ ...options, slotOf: () => 'durable' }),
);
describeEngineContract('a pair, all in its live engine,', async (options) =>
  openPair({ ...options, slotOf: () => 'live' }),
);

const request = (topic: string, data: string, more: Partial<AppendRequest> = {}): AppendRequest => ({
  entity: 'acme',
  topic,
  event: 'x',
  data,
  ...more,
});

async function since(engine: Engine, patterns: readonly string[], from: ReadSinceFrom) {
  const page = await engine.readSince('acme', patterns, from, { maxEvents: 100 });
  return page.ok ? page.events.map((event) => event.data) : page.reason;
}

async function readPages(engine: Engine, from: ReadSinceFrom, maxEvents: number) {
  const pages: [data: string, behind: number][] = [];
  let cursor = from;
  for (let behind = 1; behind > 0; ) {
    const page = await engine.readSince('acme', ['*'], cursor, { maxEvents });
    if (!page.ok) return page.reason;
    pages.push([page.events.map((event) => event.data).join(), page.behind]);
    ({ cursor, behind } = page);
  }
  return pages;
}

describe('a pair of engines', () => {
  test('stores each request in the engine of its namespace, and answers in their order', async () => {
    const { engine, live, durable } = openPair();
    const results = await engine.append([request('a.x', '1'), request('z.x', '2'), request('a.x', '3')]);
    expect(results.map((result) => result.status === 'stored' && result.position.offset)).toEqual([1, 1, 2]);
    expect(await since(live, ['*'], 'earliest')).toEqual(['1', '3']);
    expect(await since(durable, ['*'], 'earliest')).toEqual(['2']);
    const heads = await engine.topics('acme', '*');
    expect(heads.map((head) => [head.topic, head.slot])).toEqual([
      ['a.x', 'live'],
      ['z.x', 'durable'],
    ]);
  });

  test('pages through both logs with one cursor, from any place', async () => {
    const { engine } = openPair({ retention: (topic) => (topic === 'a.short' ? { maxEvents: 1 } : {}) });
    await engine.append(
      ['a.short', 'z.x', 'a.x', 'z.x', 'a.short', 'z.y'].map((topic, n) => request(topic, `${n}`)),
    );
    const middle = await engine.cursor('acme');
    expect(await readPages(engine, 'earliest', 2)).toEqual([
      ['1,3', 3],
      ['5,2', 1],
      ['4', 0],
    ]);
    expect(await readPages(engine, 'earliest', 3)).toEqual([
      ['1,3,5', 2],
      ['2,4', 0],
    ]);
    expect(await readPages(engine, 'earliest', 1)).toHaveLength(5);
    await engine.append(['a.x', 'z.x', 'a.x', 'z.y'].map((topic, n) => request(topic, `n${n}`)));
    expect(await readPages(engine, middle, 2)).toEqual([
      ['n1,n3', 2],
      ['n0,n2', 0],
    ]);
  });

  test('needs of a cursor only the part of an engine whose topics can match', async () => {
    const { engine } = openPair();
    const { durable, live } = await engine.cursor('acme');
    await engine.append([request('a.x', 'live'), request('z.x', 'durable')]);
    expect(await since(engine, ['z.*'], { durable: durable! })).toEqual(['durable']);
    expect(await since(engine, ['a.*'], { live: live! })).toEqual(['live']);
    expect(await since(engine, ['a.*'], { live: live!, durable: { epoch: 'other', seqs: [3] } })).toEqual([
      'live',
    ]);
    expect(await since(engine, ['*.x'], { durable: durable! })).toBe('epoch');
    expect(await since(engine, ['a.*', 'z.*'], { live: live! })).toBe('epoch');
    const page = await engine.readSince('acme', ['z.*'], { durable: durable! }, { maxEvents: 9 });
    expect(page.ok && page.cursor).toEqual(await engine.cursor('acme'));
  });

  test('takes the newest of both by time, the older half of a page first', async () => {
    const { engine, clock } = openPair();
    const slots = 'zzazaaazzaza';
    for (const [n, first] of [...slots].entries()) {
      await engine.append([request(`${first}.x`, String(n))]);
      clock.advance(1);
    }
    for (let last = 0; last <= slots.length + 1; last++) {
      const newest = [...slots].map((slot, n) => ({ slot, n })).slice(-last || slots.length);
      const expected = ['z', 'a'].flatMap((half) => newest.filter(({ slot }) => slot === half));
      expect(await since(engine, ['*'], { last })).toEqual(expected.map(({ n }) => String(n)));
      const pages = await readPages(engine, { last }, 2);
      const seen = (pages as [string, number][]).map(([data]) => data).join();
      expect(seen.replace(/^,|,$/, '')).toBe(expected.map(({ n }) => n).join());
    }
    expect(await since(engine, ['a.*'], { last: 2 })).toEqual(['9', '11']);
    expect(await since(engine, ['z.*'], { last: 2 })).toEqual(['8', '10']);
  });

  test('counts the rest of a page from the newest or a time exactly, and resumes within it', async () => {
    const { engine, clock, live } = openPair();
    const fill = (from: number) =>
      engine.append(Array.from({ length: 6 }, (_, n) => request(n % 2 ? 'a.x' : 'z.x', String(from + n))));
    await fill(0);
    clock.advance(1000);
    await fill(6);
    for (const from of [{ last: 6 }, { time: clock.now() }]) {
      expect(await readPages(engine, from, 2)).toEqual([
        ['6,8', 4],
        ['10,7', 2],
        ['9,11', 0],
      ]);
      const page = await engine.readSince('acme', ['*'], from, { maxEvents: 2 });
      expect(page.ok && (await since(engine, ['*'], page.start))).toEqual(['6', '8', '10', '7', '9', '11']);
      await live.trim('acme', 'a.x', 3);
      expect(page.ok && (await since(engine, ['*'], page.cursor))).toEqual(['10', '7', '9', '11']);
    }
    const page = await engine.readSince('acme', ['*'], { last: 6 }, { maxEvents: 2 });
    await live.trim('acme', 'a.x', 4);
    expect(page.ok && (await since(engine, ['*'], page.cursor))).toBe('expired');
  });

  test('finds the newest of long logs', async () => {
    const { engine, clock } = openPair();
    for (let n = 0; n < 30; n++) {
      await engine.append(Array.from({ length: 100 }, () => request(n % 3 ? 'a.x' : 'z.x', String(n))));
      clock.advance(1);
    }
    const page = await engine.readSince('acme', ['*'], { last: 1250 }, { maxEvents: 5000 });
    if (!page.ok) throw new Error(page.reason);
    const rounds = new Map<string, number>();
    for (const { data } of page.events) rounds.set(data, (rounds.get(data) ?? 0) + 1);
    const newest = Array.from({ length: 12 }, (_, n) => [String(18 + n), 100] as const);
    expect(rounds).toEqual(new Map([['17', 50], ...newest]));
  });

  test('follows both, or the one that can match', async () => {
    const { engine } = openPair();
    const seen: string[] = [];
    const onlyLive: string[] = [];
    const everything = Promise.withResolvers<void>();
    const { cursor, stop } = await engine.follow('acme', '*', {
      onEvents: (events) => {
        seen.push(...events.map((event) => event.data));
        if (seen.length === 4) everything.resolve();
      },
      onGap: () => {},
    });
    const one = await engine.follow('acme', 'a.*', {
      onEvents: (events) => onlyLive.push(...events.map((event) => event.data)),
      onGap: () => {},
    });
    expect(one.cursor).toEqual(cursor);
    await engine.append([request('a.x', '1'), request('z.x', '2'), request('a.x', '3'), request('z.y', '4')]);
    await everything.promise;
    expect(seen.filter((data) => data === '1' || data === '3')).toEqual(['1', '3']);
    expect([...seen].sort()).toEqual(['1', '2', '3', '4']);
    expect(onlyLive).toEqual(['1', '3']);
    stop();
    stop();
  });

  test('lists topics a page at a time, without those a namespace left behind when it moved', async () => {
    const { engine, live } = openPair();
    await live.append(['z.a', 'z.b', 'z.c', 'z.d'].map((topic) => request(topic, 'left behind')));
    await engine.append(['a.x', 'z.b', 'z.x', 'b.x'].map((topic) => request(topic, '1')));
    const list = async (page?: { after?: string; limit?: number }) =>
      (await engine.topics('acme', '*', page)).map((head) => head.topic);
    expect(await list()).toEqual(['a.x', 'b.x', 'z.b', 'z.x']);
    expect(await list({ limit: 3 })).toEqual(['a.x', 'b.x', 'z.b']);
    expect(await list({ after: 'b.x', limit: 1 })).toEqual(['z.b']);
  });

  test('gives a topic another epoch when its namespace moves', async () => {
    let slot: EngineSlot = 'live';
    const { engine } = openPair({ slotOf: () => slot });
    await engine.append([request('a.x', '1')]);
    const { head } = await engine.read('acme', 'a.x', { earliest: true }, { maxEvents: 1 });
    slot = 'durable';
    await engine.append([request('a.x', '2')]);
    const moved = await engine.read('acme', 'a.x', { after: head }, { maxEvents: 1 });
    expect(moved).toMatchObject({ ok: false, reason: 'epoch' });
  });
});
