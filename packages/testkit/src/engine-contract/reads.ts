import { describe, expect, test } from 'vitest';
import {
  ALL,
  type ContractSuite,
  dataOf,
  ENTITY,
  positionOf,
  readAfter,
  store,
  storeRange,
  testIf,
} from './harness.ts';

export function describeReads(suite: ContractSuite): void {
  describe('read', () => {
    test('gives everything after a position, and where it stands', async () => {
      const { engine } = suite.harness();
      const stored = await storeRange(engine, 't.a', 1, 5);
      const result = await engine.read(ENTITY, 't.a', { after: stored[1]!.position }, ALL);
      expect(result).toMatchObject({
        ok: true,
        position: stored[4]!.position,
        head: stored[4]!.position,
        behind: 0,
        sealed: false,
      });
      expect(result.ok && result.events.map((event) => [event.data, event.offset, event.id])).toEqual(
        stored.slice(2).map((each, i) => [String(i + 3), each.position.offset, each.id]),
      );
    });

    test('at the head gives nothing, and the same position', async () => {
      const { engine } = suite.harness();
      const { position } = await store(engine, 't.a');
      expect(await engine.read(ENTITY, 't.a', { after: position }, ALL)).toMatchObject({
        ok: true,
        events: [],
        position,
        behind: 0,
      });
    });

    test('says by a seq what comes before and after it, over the lives of the topic', async () => {
      const { engine } = suite.harness();
      const old = await store(engine, 't.a');
      await engine.delete(ENTITY, 't.a');
      const unborn = await engine.read(ENTITY, 't.a', { last: 0 }, ALL);
      const [first, second, third] = await storeRange(engine, 't.a', 1, 3);
      const page = await engine.read(ENTITY, 't.a', { earliest: true }, { maxEvents: 2 });
      const head = await engine.read(ENTITY, 't.a', { last: 0 }, ALL);
      await engine.delete(ENTITY, 't.a');
      const next = await store(engine, 't.a');
      for (const [read, before, after] of [
        [unborn, old, first],
        [page, second, third],
        [head, third, next],
      ] as const) {
        expect(read.seq).toBeGreaterThanOrEqual(before!.seq);
        expect(read.seq).toBeLessThan(after!.seq);
      }
    });

    test('pages by count, and says how many are still behind', async () => {
      const { engine } = suite.harness();
      await storeRange(engine, 't.a', 1, 7);
      let after = { epoch: (await positionOf(engine, 't.a')).epoch, offset: 0 };
      const pages: [string[], number][] = [];
      for (let behind = 1; behind > 0; ) {
        const page = await engine.read(ENTITY, 't.a', { after }, { maxEvents: 3 });
        if (!page.ok) throw new Error(page.reason);
        pages.push([page.events.map((event) => event.data), page.behind]);
        after = page.position;
        behind = page.behind;
      }
      expect(pages).toEqual([
        [['1', '2', '3'], 4],
        [['4', '5', '6'], 1],
        [['7'], 0],
      ]);
    });

    test('ends a page with the event that reaches the bytes, and never before the first', async () => {
      const { engine } = suite.harness();
      for (const data of ['"aaaaaaaa"', '"bbbbbbbb"', '"cccccccc"']) await store(engine, 't.a', { data });
      const sizes = async (maxBytes: number) => {
        const page = await engine.read(ENTITY, 't.a', { earliest: true }, { maxEvents: 10, maxBytes });
        return page.ok && [page.events.length, page.behind];
      };
      expect(await sizes(1)).toEqual([1, 2]);
      expect(await sizes(10)).toEqual([1, 2]);
      expect(await sizes(11)).toEqual([2, 1]);
      expect(await sizes(1000)).toEqual([3, 0]);
    });

    test('begins at the oldest event, with the newest n, or at a time', async () => {
      const { engine, clock } = suite.harness();
      const times: number[] = [];
      for (let n = 1; n <= 5; n++) {
        times.push((await store(engine, 't.a', { data: String(n) })).timestamp);
        if (n !== 3) clock.advance(100);
      }
      const read = async (from: Parameters<typeof engine.read>[2]) => {
        const page = await engine.read(ENTITY, 't.a', from, ALL);
        return page.ok && page.events.map((event) => event.data);
      };
      expect(await read({ earliest: true })).toEqual(['1', '2', '3', '4', '5']);
      expect(await read({ last: 2 })).toEqual(['4', '5']);
      expect(await read({ last: 99 })).toEqual(['1', '2', '3', '4', '5']);
      expect(await read({ time: times[2]! })).toEqual(['3', '4', '5']);
      expect(await read({ time: times[1]! + 1 })).toEqual(['3', '4', '5']);
      expect(await read({ time: 0 })).toEqual(['1', '2', '3', '4', '5']);
      expect(await read({ time: clock.now() })).toEqual([]);
    });

    test('from a time after the last event stands at the head', async () => {
      const { engine, clock } = suite.harness();
      const { position } = await store(engine, 't.a');
      clock.advance(10);
      const page = await engine.read(ENTITY, 't.a', { time: clock.now() }, ALL);
      expect(page).toMatchObject({ ok: true, position, behind: 0 });
    });

    test('takes a position of another epoch, or beyond the head, for one of another log', async () => {
      const { engine } = suite.harness();
      const { position, seq } = await store(engine, 't.a');
      expect(await readAfter(engine, 't.a', { ...position, offset: 2 })).toBe('epoch');
      expect(await readAfter(engine, 't.a', { epoch: 'foreign-1', offset: 0 })).toBe('epoch');
      expect(await readAfter(engine, 't.a', { epoch: 'foreign-1', offset: 1 })).toBe('epoch');
      const failed = await engine.read(ENTITY, 't.a', { after: { epoch: 'x', offset: 1 } }, ALL);
      expect(failed).toEqual({ ok: false, reason: 'epoch', head: position, seq, sealed: false });
    });

    test('takes a position whose event has another id than the reader saw for one of another log', async () => {
      const { engine } = suite.harness();
      const { position, id } = await store(engine, 't.a');
      expect(await engine.read(ENTITY, 't.a', { after: position, id }, ALL)).toMatchObject({ ok: true });
      const mismatch = await engine.read(ENTITY, 't.a', { after: position, id: `${id}x` }, ALL);
      expect(mismatch).toMatchObject({ ok: false, reason: 'epoch' });
    });

    test('sees a topic that does not exist as an empty log', async () => {
      const { engine } = suite.harness();
      for (const from of [{ earliest: true }, { last: 5 }, { time: 0 }] as const) {
        const empty = await engine.read(ENTITY, 't.a', from, ALL);
        expect(empty).toMatchObject({
          ok: true,
          events: [],
          behind: 0,
          sealed: false,
          position: { offset: 0 },
        });
      }
    });

    test('from a place before the topic existed gives all of it', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.other');
      const unborn = await positionOf(engine, 't.a');
      await storeRange(engine, 't.other', 1, 3);
      expect(await readAfter(engine, 't.a', unborn)).toEqual([]);
      await storeRange(engine, 't.a', 1, 3);
      expect(await readAfter(engine, 't.a', unborn)).toEqual(['1', '2', '3']);
    });

    test('of a topic that did not exist stays good however long it does not', async () => {
      const { engine } = suite.harness();
      let place = await positionOf(engine, 't.a');
      for (let n = 0; n < 3; n++) {
        await store(engine, 't.other');
        const page = await engine.read(ENTITY, 't.a', { after: place }, ALL);
        if (!page.ok) throw new Error(page.reason);
        place = page.position;
      }
      await store(engine, 't.a', { data: '1' });
      expect(await readAfter(engine, 't.a', place)).toEqual(['1']);
    });

    testIf(suite.reopens)('goes on after a restart where it stopped before', async () => {
      const harness = suite.harness();
      const stored = await storeRange(harness.engine, 't.a', 1, 3);
      const unborn = await positionOf(harness.engine, 't.new');
      await harness.reopen?.();
      await storeRange(harness.engine, 't.a', 4, 5);
      await store(harness.engine, 't.new', { data: 'n' });
      expect(await readAfter(harness.engine, 't.a', stored[0]!.position)).toEqual(['2', '3', '4', '5']);
      expect(await readAfter(harness.engine, 't.new', unborn)).toEqual(['n']);
      expect((await positionOf(harness.engine, 't.a')).offset).toBe(5);
    });

    test('reaches no other entity', async () => {
      const { engine } = suite.harness();
      const mine = await store(engine, 't.a', { data: 'mine' });
      await store(engine, 't.a', { entity: 'other', data: 'theirs' });
      expect(await dataOf(engine, 't.a')).toEqual(['mine']);
      expect(await dataOf(engine, 't.a', 'other')).toEqual(['theirs']);
      expect(await engine.head('other', 't.a')).not.toMatchObject({ position: mine.position });
      expect(await engine.read('other', 't.a', { after: mine.position }, ALL)).toMatchObject({
        ok: false,
        reason: 'epoch',
      });
      expect(await dataOf(engine, 't.a', 'nobody')).toEqual([]);
    });
  });
}
