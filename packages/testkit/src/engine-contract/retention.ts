import { describe, expect, test } from 'vitest';
import { until } from '../until.ts';
import {
  append,
  type ContractSuite,
  dataOf,
  ENTITY,
  positionOf,
  Recorder,
  readAfter,
  since,
  store,
  storeRange,
  testIf,
} from './harness.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

const NOBODY = { acked: 1, sent: 1, runs: [] };

export function describeRetention(suite: ContractSuite): void {
  describe('retention', () => {
    test('by count keeps the newest events, and tells readers of older ones that theirs are gone', async () => {
      const { engine, clock } = await suite.open({ retention: () => ({ maxEvents: 5 }) });
      const stored = await storeRange(engine, 't.a', 1, 12);
      clock.advance(1000);
      await until(async () => (await engine.head(ENTITY, 't.a'))?.firstOffset === 8, 'trimming by count');
      expect(await dataOf(engine, 't.a')).toEqual(numbers(8, 12));
      expect(await readAfter(engine, 't.a', stored[6]!.position)).toEqual(numbers(8, 12));
      expect(await readAfter(engine, 't.a', stored[5]!.position)).toBe('expired');
      const expired = await engine.read(ENTITY, 't.a', { after: stored[0]!.position }, { maxEvents: 1 });
      const { position: head, seq } = stored[11]!;
      expect(expired).toEqual({ ok: false, reason: 'expired', head, seq, sealed: false });
      expect(await engine.head(ENTITY, 't.a')).toMatchObject({ bytes: 8, position: { offset: 12 } });
      const page = await engine.read(ENTITY, 't.a', { earliest: true }, { maxEvents: 2 });
      expect(page).toMatchObject({ ok: true, behind: 3, position: { offset: 9 } });
    });

    test('by bytes keeps the newest that fit', async () => {
      const { engine, clock } = await suite.open({ retention: () => ({ maxBytes: 25 }) });
      for (let n = 1; n <= 6; n++) await store(engine, 't.a', { data: `"${n}aaaaaaa"` });
      clock.advance(1000);
      await until(async () => (await engine.head(ENTITY, 't.a'))?.bytes === 20, 'trimming by bytes');
      expect(await dataOf(engine, 't.a')).toEqual(['"5aaaaaaa"', '"6aaaaaaa"']);
    });

    test('by age lets events go when their time is over', async () => {
      const { engine, clock } = await suite.open({ retention: () => ({ maxAgeMs: 10_000 }) });
      await storeRange(engine, 't.a', 1, 2);
      clock.advance(6000);
      await storeRange(engine, 't.a', 3, 4);
      clock.advance(6000);
      await until(async () => (await engine.head(ENTITY, 't.a'))?.firstOffset === 3, 'trimming by age');
      expect(await dataOf(engine, 't.a')).toEqual(['3', '4']);
    });

    test.each([
      ['count', { maxEvents: 3 }],
      ['bytes', { maxBytes: 3 }],
      ['age', { maxAgeMs: 1 }],
    ])('by %s goes no further than a topic’s hold lets it', async (bound, retention) => {
      let permitted = 0;
      const asked: number[] = [];
      const mayTrim = (upTo: number): number => {
        asked.push(upTo);
        return permitted;
      };
      const { engine, clock } = await suite.open({
        retention: () => retention,
        holdOf: (entity, topic) => (entity === ENTITY && topic === 't.held' ? { mayTrim } : undefined),
      });
      const firstOf = async (topic: string) => (await engine.head(ENTITY, topic))?.firstOffset;
      const trimmed = bound === 'age' ? 10 : 7;
      for (const topic of ['t.held', 't.free']) {
        for (let n = 0; n < 9; n++) await store(engine, topic, { data: String(n) });
      }
      clock.advance(1000);
      await until(async () => (await firstOf('t.free')) === trimmed, 'trimming of the other topic');
      expect(await firstOf('t.held')).toBe(1);
      expect(asked.every((upTo) => upTo >= 1 && upTo <= 9)).toBe(true);
      permitted = 4;
      clock.advance(1000);
      await until(async () => (await firstOf('t.held')) === 5, 'trimming as far as it may');
      permitted = 100;
      clock.advance(1000);
      await until(async () => (await firstOf('t.held')) === trimmed, 'the rest');
      permitted = 0;
      await store(engine, 't.held', { data: '9' });
      await engine.trim(ENTITY, 't.held', 10);
      expect(await firstOf('t.held')).toBe(11);
    });

    test('never breaks what follows: offsets, order, followers and keys go on', async () => {
      const { engine, clock } = await suite.open({ retention: () => ({ maxEvents: 3, maxAgeMs: 10_000 }) });
      const follower = new Recorder();
      await engine.follow(ENTITY, '*', follower);
      const first = await store(engine, 't.a', { data: '1', idempotencyKey: 'k' });
      for (let n = 2; n <= 20; n++) await store(engine, 't.a', { data: String(n) });
      clock.advance(20_000);
      await until(
        async () => (await engine.head(ENTITY, 't.a'))?.firstOffset === 21,
        'trimming of everything',
      );
      expect(await append(engine, 't.a', { idempotencyKey: 'k' })).toEqual({ ...first, duplicate: true });
      expect(await store(engine, 't.a', { data: '21' })).toMatchObject({
        position: { epoch: first.position.epoch, offset: 21 },
      });
      await follower.untilData('21');
      expect(follower.data).toEqual(numbers(1, 21));
      expect(follower.gaps).toEqual([]);
    });

    test('leaves a topic that holds nothing any more readable at its head', async () => {
      const { engine, clock } = await suite.open({ retention: () => ({ maxAgeMs: 1000 }) });
      const { position } = await store(engine, 't.a', { data: '1' });
      const cursor = await engine.cursor(ENTITY);
      clock.advance(5000);
      await until(
        async () => (await engine.head(ENTITY, 't.a'))?.firstOffset === 2,
        'trimming of everything',
      );
      expect(await readAfter(engine, 't.a', position)).toEqual([]);
      expect(await dataOf(engine, 't.a')).toEqual([]);
      expect(await since(engine, ['*'], cursor)).toEqual([]);
      expect(await engine.read(ENTITY, 't.a', { last: 3 }, { maxEvents: 9 })).toMatchObject({
        ok: true,
        position,
      });
    });

    test('forgets a topic that is empty and idle; those who had not read it to its end are told', async () => {
      const { engine, clock } = await suite.open({
        retention: () => ({ maxAgeMs: 1000 }),
        forgetAfterMs: 60_000,
      });
      const start = await engine.cursor(ENTITY);
      const unborn = await positionOf(engine, 't.a');
      const [first, second] = await storeRange(engine, 't.a', 1, 2);
      const end = await engine.cursor(ENTITY);
      await engine.setConsumer(ENTITY, 't.a', 'c', 0, { acked: 2, sent: 2, runs: [] });
      clock.advance(59_000);
      await until(
        async () => (await engine.head(ENTITY, 't.a'))?.firstOffset === 3,
        'trimming of everything',
      );
      clock.advance(5000);
      await until(async () => (await engine.head(ENTITY, 't.a')) === undefined, 'the topic to be forgotten');
      expect(await engine.topics(ENTITY, '*')).toEqual([]);
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toBeUndefined();
      const later = await positionOf(engine, 't.a');
      const reborn = await store(engine, 't.a', { data: 'new' });
      expect(reborn.position.offset).toBe(1);
      expect(reborn.position.epoch).not.toBe(second!.position.epoch);
      expect(await readAfter(engine, 't.a', first!.position)).toBe('expired');
      expect(await readAfter(engine, 't.a', unborn)).toBe('expired');
      expect(await readAfter(engine, 't.a', later)).toEqual(['new']);
      expect(await since(engine, ['t.*'], start)).toBe('expired');
      expect(await since(engine, ['t.*'], end)).toEqual(['new']);
    });
  });

  describe('trim', () => {
    test('takes a topic’s oldest events; readers of what is gone are told, the others go on', async () => {
      const { engine } = suite.harness();
      const start = await engine.cursor(ENTITY);
      const stored = await storeRange(engine, 't.a', 1, 9);
      await storeRange(engine, 't.b', 10, 11);
      const head = await engine.cursor(ENTITY);
      await engine.trim(ENTITY, 't.a', 4);
      expect(await engine.head(ENTITY, 't.a')).toMatchObject({
        firstOffset: 5,
        bytes: 5,
        position: stored[8]!.position,
      });
      expect(await dataOf(engine, 't.a')).toEqual(numbers(5, 9));
      expect(await dataOf(engine, 't.b')).toEqual(['10', '11']);
      expect(await readAfter(engine, 't.a', stored[3]!.position)).toEqual(numbers(5, 9));
      expect(await readAfter(engine, 't.a', stored[2]!.position)).toBe('expired');
      expect(await since(engine, ['t.*'], start)).toBe('expired');
      expect(await since(engine, ['t.b'], start)).toEqual(['10', '11']);
      expect(await since(engine, ['t.*'], head)).toEqual([]);
      expect(await engine.cursor(ENTITY)).toEqual(head);
      const page = await engine.read(ENTITY, 't.a', { earliest: true }, { maxEvents: 2 });
      expect(page).toMatchObject({ ok: true, behind: 3, position: { offset: 6 } });
    });

    test('of everything, and beyond the head, leaves the topic where it stands', async () => {
      const { engine } = suite.harness();
      await storeRange(engine, 't.a', 1, 2);
      const { position } = await store(engine, 't.a', { idempotencyKey: 'k' });
      await engine.setConsumer(ENTITY, 't.a', 'c', 0, NOBODY);
      await engine.trim(ENTITY, 't.a', Number.MAX_SAFE_INTEGER);
      expect(await engine.head(ENTITY, 't.a')).toMatchObject({ firstOffset: 4, bytes: 0, position });
      expect(await readAfter(engine, 't.a', position)).toEqual([]);
      expect(await append(engine, 't.a', { idempotencyKey: 'k' })).toMatchObject({
        position,
        duplicate: true,
      });
      expect(await store(engine, 't.a', { data: 'next' })).toMatchObject({
        position: { epoch: position.epoch, offset: 4 },
      });
      expect(await dataOf(engine, 't.a')).toEqual(['next']);
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toMatchObject(NOBODY);
    });

    test('of what is gone, of nothing, and of no topic changes nothing', async () => {
      const { engine } = suite.harness();
      await storeRange(engine, 't.a', 1, 5);
      await store(engine, 't.a', { entity: 'other' });
      await engine.trim(ENTITY, 't.a', 3);
      for (const upTo of [0, 1, 3]) await engine.trim(ENTITY, 't.a', upTo);
      await engine.trim(ENTITY, 't.none', 3);
      expect(await dataOf(engine, 't.a')).toEqual(['4', '5']);
      expect(await dataOf(engine, 't.a', 'other')).toHaveLength(1);
      expect(await engine.head(ENTITY, 't.none')).toBeUndefined();
    });

    test('runs beside appends and other trims, and the furthest counts', async () => {
      const { engine } = suite.harness();
      const follower = new Recorder();
      await engine.follow(ENTITY, '*', follower);
      const work: Promise<unknown>[] = [];
      for (let n = 0; n < 20; n++) {
        work.push(storeRange(engine, 't.a', n * 10 + 1, n * 10 + 10));
        for (const upTo of [n * 10 + 3, n * 10 - 2, n * 10 + 7]) work.push(engine.trim(ENTITY, 't.a', upTo));
        if (n % 5 === 4) await Promise.all(work.splice(0));
      }
      await engine.trim(ENTITY, 't.a', 197);
      expect(await dataOf(engine, 't.a')).toEqual(['198', '199', '200']);
      expect(await engine.head(ENTITY, 't.a')).toMatchObject({ bytes: 9 });
      await follower.untilData('200');
      expect(follower.data).toEqual(numbers(1, 200));
    });

    test('lets a topic that holds nothing any more be forgotten, with its consumers', async () => {
      const { engine, clock } = await suite.open({ forgetAfterMs: 60_000 });
      await store(engine, 't.a');
      await engine.setConsumer(ENTITY, 't.a', 'c', 0, NOBODY);
      await engine.trim(ENTITY, 't.a', 1);
      clock.advance(61_000);
      await until(async () => (await engine.head(ENTITY, 't.a')) === undefined, 'the topic to be forgotten');
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toBeUndefined();
      expect(await engine.entities()).toEqual([]);
    });

    testIf(suite.reopens)('is remembered after a restart', async () => {
      const harness = suite.harness();
      const stored = await storeRange(harness.engine, 't.a', 1, 9);
      const whole = await storeRange(harness.engine, 't.b', 1, 3);
      await Promise.all([harness.engine.trim(ENTITY, 't.a', 4), harness.engine.trim(ENTITY, 't.b', 3)]);
      const before = [await harness.engine.head(ENTITY, 't.a'), await harness.engine.head(ENTITY, 't.b')];
      await harness.reopen?.();
      const { engine } = harness;
      expect([await engine.head(ENTITY, 't.a'), await engine.head(ENTITY, 't.b')]).toEqual(before);
      expect(await dataOf(engine, 't.a')).toEqual(numbers(5, 9));
      expect(await readAfter(engine, 't.a', stored[2]!.position)).toBe('expired');
      expect(await readAfter(engine, 't.b', whole[2]!.position)).toEqual([]);
      expect(await store(engine, 't.b')).toMatchObject({ position: { offset: 4 } });
    });

    testIf(suite.failsCommits)('that cannot be stored is reported, and made good later', async () => {
      const harness = suite.harness();
      const { engine, clock } = harness;
      await storeRange(engine, 't.a', 1, 5);
      harness.failNextCommit?.('storage-full');
      await expect(engine.trim(ENTITY, 't.a', 3)).rejects.toMatchObject({ code: 'storage-full' });
      expect(await dataOf(engine, 't.a')).toEqual(['4', '5']);
      clock.advance(1000);
      await engine.trim(ENTITY, 't.a', 3);
      await harness.reopen?.();
      expect(await dataOf(harness.engine, 't.a')).toEqual(['4', '5']);
    });
  });
}
