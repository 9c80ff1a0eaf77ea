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
} from './harness.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

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
      await engine.setConsumer(ENTITY, 't.a', 'c', 0, { acked: 2, sent: 2, attempt: 1, nextAt: 0 });
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
}
