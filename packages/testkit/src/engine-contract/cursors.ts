import { type Cursor, formatCursor, parseCursor } from '@millrace/protocol';
import type { ReadSinceFrom } from '@millrace/server';
import { describe, expect, test } from 'vitest';
import {
  ALL,
  type ContractSuite,
  dataOrReason,
  ENTITY,
  mapCursor,
  request,
  since,
  store,
  storeRange,
  testIf,
  untilTrimmed,
} from './harness.ts';

export function describeCursors(suite: ContractSuite): void {
  describe('readSince', () => {
    test('merges all topics that match in seq order', async () => {
      const { engine } = suite.harness();
      const start = await engine.cursor(ENTITY);
      await engine.append(
        ['t.a', 't.b', 'u.a', 't.a', 't.b.c', 'u.b'].map((topic, n) =>
          request(topic, { data: `${topic} ${n}` }),
        ),
      );
      expect(await since(engine, ['t.*'], start)).toEqual(['t.a 0', 't.b 1', 't.a 3', 't.b.c 4']);
      expect(await since(engine, ['*'], start)).toHaveLength(6);
      expect(await since(engine, ['t.a', 'u.b'], start)).toEqual(['t.a 0', 't.a 3', 'u.b 5']);
      expect(await since(engine, ['*.a'], start)).toEqual(['t.a 0', 'u.a 2', 't.a 3']);
      expect(await since(engine, ['t.a', 't.*', '*'], start)).toHaveLength(6);
      expect(await since(engine, ['v.*'], start)).toEqual([]);
      expect(await since(engine, [], start)).toEqual([]);
    });

    test('includes topics that were born while the reader was away', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a', { data: 'before' });
      const cursor = await engine.cursor(ENTITY);
      await store(engine, 't.new', { data: 'new' });
      await store(engine, 't.a', { data: 'after' });
      expect(await since(engine, ['t.*'], cursor)).toEqual(['new', 'after']);
    });

    test('pages without loss or repeat, and ends at the head', async () => {
      const { engine } = suite.harness();
      const requests = Array.from({ length: 50 }, (_, n) => request(`t.${n % 7}`, { data: String(n) }));
      await engine.append(requests);
      for (const start of [
        'earliest',
        mapCursor(await engine.cursor(ENTITY), (part) => ({ ...part, seqs: [0] })),
      ] as const) {
        const seen: string[] = [];
        let from: Cursor | 'earliest' = start;
        for (let behind = 1; behind > 0; ) {
          const page = await engine.readSince(ENTITY, ['t.*'], from, { maxEvents: 8 });
          if (!page.ok) throw new Error(page.reason);
          seen.push(...page.events.map((event) => event.data));
          expect(page.behind).toBe(50 - seen.length);
          behind = page.behind;
          from = page.cursor;
        }
        expect(seen).toEqual(requests.map((each) => each.data));
        expect(from).toEqual(await engine.cursor(ENTITY));
      }
    });

    test('ends a page with the event that reaches the bytes, and never before the first', async () => {
      const { engine } = suite.harness();
      for (const topic of ['t.a', 't.b', 't.c']) await store(engine, topic, { data: '"aaaaaaaa"' });
      const page = await engine.readSince(ENTITY, ['*'], 'earliest', { maxEvents: 10, maxBytes: 11 });
      expect(page.ok && [page.events.length, page.behind]).toEqual([2, 1]);
      const least = await engine.readSince(ENTITY, ['*'], 'earliest', { maxEvents: 10, maxBytes: 1 });
      expect(least.ok && [least.events.length, least.behind]).toEqual([1, 2]);
    });

    test('moves the cursor past what does not match', async () => {
      const { engine } = suite.harness();
      const start = await engine.cursor(ENTITY);
      await storeRange(engine, 't.a', 1, 5);
      const page = await engine.readSince(ENTITY, ['t.b'], start, ALL);
      expect(page).toMatchObject({ ok: true, events: [], behind: 0, cursor: await engine.cursor(ENTITY) });
    });

    test('takes a cursor of another epoch, from the future, or without this engine for one of another log', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a');
      const cursor = await engine.cursor(ENTITY);
      expect(
        await since(
          engine,
          ['*'],
          mapCursor(cursor, (part) => ({ ...part, epoch: 'alien' })),
        ),
      ).toBe('epoch');
      expect(
        await since(
          engine,
          ['*'],
          mapCursor(cursor, (part) => ({ ...part, seqs: [9_999_999] })),
        ),
      ).toBe('epoch');
      expect(await since(engine, ['*'], {})).toBe('epoch');
      const failed = await engine.readSince(ENTITY, ['*'], {}, ALL);
      expect(failed).toEqual({ ok: false, reason: 'epoch', head: cursor });
    });

    test('fails with `epoch` when a topic that matches was deleted since, and only then', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a');
      await store(engine, 'u.a', { data: 'u' });
      const before = await engine.cursor(ENTITY);
      await engine.delete(ENTITY, 't.a');
      const after = await engine.cursor(ENTITY);
      await store(engine, 't.a', { data: 'reborn' });
      expect(await since(engine, ['t.*'], before)).toBe('epoch');
      expect(await since(engine, ['t.a'], before)).toBe('epoch');
      expect(await since(engine, ['u.*'], before)).toEqual([]);
      expect(await since(engine, ['t.*'], after)).toEqual(['reborn']);
      expect(await since(engine, ['*'], 'earliest')).toEqual(expect.arrayContaining(['u', 'reborn']));
    });

    test('fails with `expired` when an event of a topic that matches was trimmed since, and only then', async () => {
      const harness = await suite.open({
        retention: (topic) => (topic === 't.short' ? { maxEvents: 2 } : {}),
      });
      const { engine } = harness;
      await store(engine, 't.long', { data: 'l0' });
      const start = await engine.cursor(ENTITY);
      await store(engine, 't.short', { data: 's1' });
      const second = await engine.cursor(ENTITY);
      await storeRange(engine, 't.short', 2, 3);
      await store(engine, 't.long', { data: 'l1' });
      await untilTrimmed(harness, 't.short', 2);
      expect(await since(engine, ['t.*'], start)).toBe('expired');
      expect(await since(engine, ['t.short'], start)).toBe('expired');
      expect(await since(engine, ['t.long'], start)).toEqual(['l1']);
      expect(await since(engine, ['t.*'], second)).toEqual(['2', '3', 'l1']);
      expect(await since(engine, ['t.*'], 'earliest')).toEqual(['l0', '2', '3', 'l1']);
    });

    test('from the earliest pages on past what was trimmed or deleted before, but not past what was lost since', async () => {
      const harness = await suite.open({
        retention: (topic) => (topic === 't.short' ? { maxEvents: 2 } : {}),
      });
      const { engine } = harness;
      await store(engine, 't.gone');
      await storeRange(engine, 't.long', 1, 4);
      await storeRange(engine, 't.short', 5, 9);
      await untilTrimmed(harness, 't.short', 4);
      await engine.delete(ENTITY, 't.gone');
      const first = await engine.readSince(ENTITY, ['t.*'], 'earliest', { maxEvents: 3 });
      if (!first.ok) throw new Error(first.reason);
      const printed = parseCursor(formatCursor(first.cursor))!;
      expect(printed).toEqual(first.cursor);
      expect(await since(engine, ['t.*'], printed)).toEqual(['4', '8', '9']);
      await storeRange(engine, 't.short', 10, 10);
      await untilTrimmed(harness, 't.short', 5);
      expect(await since(engine, ['t.*'], printed)).toBe('expired');
      expect(await since(engine, ['t.long'], printed)).toEqual(['4']);
    });

    test('from the newest begins with as many as are asked for, over all topics that match', async () => {
      const { engine } = suite.harness();
      const topics = ['t.a', 't.b', 'u.a', 't.a', 't.c', 'u.b', 't.a', 't.b', 'u.a'];
      await engine.append(topics.map((topic, n) => request(topic, { data: String(n) })));
      const newest = (patterns: readonly string[], last: number) => since(engine, patterns, { last });
      expect(await newest(['t.*'], 1)).toEqual(['7']);
      expect(await newest(['t.*'], 3)).toEqual(['4', '6', '7']);
      expect(await newest(['t.*', 'u.b'], 4)).toEqual(['4', '5', '6', '7']);
      expect(await newest(['t.a'], 2)).toEqual(['3', '6']);
      expect(await newest(['*'], 9)).toHaveLength(9);
      expect(await newest(['t.*'], 1_000_000)).toEqual(['0', '1', '3', '4', '6', '7']);
      expect(await newest(['*'], 0)).toEqual([]);
      expect(await newest(['v.*'], 3)).toEqual([]);
      expect(await since(engine, ['*'], { last: 0 })).toEqual([]);
      expect(dataOrReason(await engine.readSince('other', ['*'], { last: 3 }, ALL))).toEqual([]);
    });

    test('from a time begins with the first event that is not older', async () => {
      const { engine, clock } = suite.harness();
      const begin = clock.now();
      for (const [n, topic] of ['t.a', 't.b', 'u.a', 't.a', 't.b'].entries()) {
        await store(engine, topic, { data: String(n) });
        clock.advance(1000);
      }
      const from = (seconds: number) => since(engine, ['t.*'], { time: begin + seconds * 1000 });
      expect(await from(-10)).toEqual(['0', '1', '3', '4']);
      expect(await from(0)).toEqual(['0', '1', '3', '4']);
      expect(await from(0.001)).toEqual(['1', '3', '4']);
      expect(await from(2)).toEqual(['3', '4']);
      expect(await from(4)).toEqual(['4']);
      expect(await from(4.001)).toEqual([]);
      clock.stepWall(-3_600_000);
      await store(engine, 't.c', { data: 'set back' });
      expect(await from(4)).toEqual(['4', 'set back']);
      expect(await from(4.001)).toEqual([]);
    });

    test('from the newest or a time pages without loss or repeat, and its pages can be read again', async () => {
      const { engine, clock } = suite.harness();
      const data = Array.from({ length: 40 }, (_, n) => String(n));
      await engine.append(data.slice(0, 15).map((n) => request(`t.${Number(n) % 5}`, { data: n })));
      clock.advance(1000);
      await engine.append(data.slice(15).map((n) => request(`t.${Number(n) % 5}`, { data: n })));
      for (const start of [{ last: 25 }, { time: clock.now() }] as const) {
        const seen: string[] = [];
        let from: ReadSinceFrom = start;
        for (let behind = 1; behind > 0; ) {
          const page = await engine.readSince(ENTITY, ['t.*'], from, { maxEvents: 8 });
          if (!page.ok) throw new Error(page.reason);
          const again = await engine.readSince(ENTITY, ['t.*'], page.start, { maxEvents: 8 });
          expect(again).toEqual({ ...page, start: expect.anything() });
          seen.push(...page.events.map((event) => event.data));
          expect(page.behind).toBe(25 - seen.length);
          behind = page.behind;
          from = page.cursor;
        }
        expect(seen).toEqual(data.slice(15));
        expect(from).toEqual(await engine.cursor(ENTITY));
      }
    });

    test('from the newest counts what is kept, and forgives what was lost before, but not since', async () => {
      const { engine } = suite.harness();
      const data = ['t.a', 't.b', 't.a', 't.b', 't.gone', 't.a', 't.b'];
      await engine.append(data.map((topic, n) => request(topic, { data: String(n) })));
      await engine.trim(ENTITY, 't.a', 2);
      await engine.delete(ENTITY, 't.gone');
      expect(await since(engine, ['t.*'], { last: 3 })).toEqual(['3', '5', '6']);
      const page = await engine.readSince(ENTITY, ['t.*'], { last: 100 }, { maxEvents: 1 });
      if (!page.ok) throw new Error(page.reason);
      expect(page).toMatchObject({ events: [{ data: '1' }], behind: 3 });
      expect(await since(engine, ['t.*'], page.start)).toEqual(['1', '3', '5', '6']);
      expect(await since(engine, ['t.*'], page.cursor)).toEqual(['3', '5', '6']);
      await engine.trim(ENTITY, 't.a', 3);
      expect(await since(engine, ['t.*'], page.cursor)).toBe('expired');
      expect(await since(engine, ['t.*'], { last: 2 })).toEqual(['3', '6']);
      await engine.trim(ENTITY, 't.b', 3);
      expect(await since(engine, ['t.*'], { last: 2 })).toEqual([]);
    });

    test('covers one entity: its cursor does not move with another', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a');
      const cursor = await engine.cursor(ENTITY);
      await store(engine, 't.a', { entity: 'other' });
      await engine.delete('other', 't.a');
      expect(await engine.cursor(ENTITY)).toEqual(cursor);
      expect(await since(engine, ['*'], cursor)).toEqual([]);
      const theirs = await engine.readSince('other', ['*'], 'earliest', ALL);
      expect(theirs).toMatchObject({ ok: true, events: [] });
    });

    testIf(suite.reopens)('goes on after a restart where it stopped before', async () => {
      const harness = suite.harness();
      await store(harness.engine, 't.gone');
      const old = await harness.engine.cursor(ENTITY);
      await harness.engine.delete(ENTITY, 't.gone');
      const cursor = await harness.engine.cursor(ENTITY);
      await harness.reopen?.();
      expect(await harness.engine.cursor(ENTITY)).toEqual(cursor);
      await store(harness.engine, 't.a', { data: '1' });
      expect(await since(harness.engine, ['*'], cursor)).toEqual(['1']);
      expect(await since(harness.engine, ['*'], old)).toBe('epoch');
    });
  });
}
