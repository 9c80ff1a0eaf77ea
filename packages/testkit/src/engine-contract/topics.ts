import { describe, expect, test } from 'vitest';
import {
  append,
  type ContractSuite,
  dataOf,
  ENTITY,
  positionOf,
  readAfter,
  request,
  store,
  storeRange,
  testIf,
} from './harness.ts';

export function describeTopics(suite: ContractSuite): void {
  describe('topics', () => {
    test('are listed by pattern, sorted, a page at a time', async () => {
      const { engine } = suite.harness();
      const names = ['t.c', 't.a', 'u.x', 't.b', 't.a.b', 'u.a'];
      await engine.append(names.map((name) => request(name)));
      await store(engine, 't.secret', { entity: 'other' });
      const list = async (pattern: string, page?: { after?: string; limit?: number }) =>
        (await engine.topics(ENTITY, pattern, page)).map((head) => head.topic);
      expect(await list('*')).toEqual(['t.a', 't.a.b', 't.b', 't.c', 'u.a', 'u.x']);
      expect(await list('t.*')).toEqual(['t.a', 't.a.b', 't.b', 't.c']);
      expect(await list('*.a')).toEqual(['t.a', 'u.a']);
      expect(await list('t.b')).toEqual(['t.b']);
      expect(await list('t.none')).toEqual([]);
      expect(await list('*', { limit: 2 })).toEqual(['t.a', 't.a.b']);
      expect(await list('*', { after: 't.a.b', limit: 2 })).toEqual(['t.b', 't.c']);
      expect(await list('*', { after: 't.bb' })).toEqual(['t.c', 'u.a', 'u.x']);
      expect(await list('t.b', { after: 't.b' })).toEqual([]);
      expect(await list('*', { after: 'z' })).toEqual([]);
      await engine.delete(ENTITY, 't.b');
      await store(engine, 't.bb');
      expect(await list('t.*')).toEqual(['t.a', 't.a.b', 't.bb', 't.c']);
    });

    test('are found by entity: each that holds one is named once', async () => {
      const { engine } = suite.harness();
      expect(await engine.entities()).toEqual([]);
      await append(engine, 't.a', { entity: 'refused', expect: { offset: 3 } });
      for (const entity of ['a', 'b', 'c']) await store(engine, 't.a', { entity });
      await store(engine, 't.b', { entity: 'b' });
      expect((await engine.entities()).toSorted()).toEqual(['a', 'b', 'c']);
      await engine.delete('b', 't.a');
      await engine.delete('c', 't.a');
      expect((await engine.entities()).toSorted()).toEqual(['a', 'b']);
    });

    testIf(suite.reopens)('are found by entity after a restart', async () => {
      const harness = suite.harness();
      for (const entity of ['a', 'b']) await store(harness.engine, 't.a', { entity });
      await harness.engine.delete('b', 't.a');
      await harness.reopen?.();
      expect(await harness.engine.entities()).toEqual(['a']);
    });

    test('have a head with position, time and size; one that has no event has none', async () => {
      const { engine, clock } = suite.harness();
      expect(await engine.head(ENTITY, 't.a')).toBeUndefined();
      await store(engine, 't.a', { data: '12345' });
      clock.advance(1000);
      const { position } = await store(engine, 't.a', { data: '"ü"' });
      const head = await engine.head(ENTITY, 't.a');
      expect(head).toEqual({
        topic: 't.a',
        slot: expect.stringMatching(/^(live|durable)$/),
        partition: expect.any(Number),
        position,
        firstOffset: 1,
        trimmedSeq: 0,
        sealed: false,
        timestamp: clock.now(),
        bytes: 8,
      });
      expect(await engine.topics(ENTITY, 't.a')).toEqual([head]);
    });

    test('stay unborn when their first request is refused', async () => {
      const { engine } = suite.harness();
      await append(engine, 't.a', { expect: { offset: 3 } });
      expect(await engine.head(ENTITY, 't.a')).toBeUndefined();
      expect(await engine.topics(ENTITY, '*')).toEqual([]);
    });
  });

  describe('delete', () => {
    test('takes a topic and all that was known of it; what comes later is another log', async () => {
      const { engine } = suite.harness();
      const [first] = await storeRange(engine, 't.a', 1, 3);
      await store(engine, 't.a', { idempotencyKey: 'k', fence: { name: 'lock', token: 9 }, seal: true });
      expect(await engine.delete(ENTITY, 't.a')).toBe(true);
      expect(await engine.delete(ENTITY, 't.a')).toBe(false);
      expect(await engine.head(ENTITY, 't.a')).toBeUndefined();
      expect(await dataOf(engine, 't.a')).toEqual([]);
      expect(await readAfter(engine, 't.a', first!.position)).toBe('epoch');
      const reborn = await store(engine, 't.a', {
        idempotencyKey: 'k',
        fence: { name: 'lock', token: 1 },
        data: 'new',
      });
      expect(reborn).toMatchObject({ duplicate: false, position: { offset: 1 } });
      expect(reborn.position.epoch).not.toBe(first!.position.epoch);
      expect(await readAfter(engine, 't.a', first!.position)).toBe('epoch');
      expect(await dataOf(engine, 't.a')).toEqual(['new']);
    });

    test('tells those who waited for a topic that they missed a life of it', async () => {
      const { engine } = suite.harness();
      const unborn = await positionOf(engine, 't.a');
      await store(engine, 't.a');
      await engine.delete(ENTITY, 't.a');
      const between = await positionOf(engine, 't.a');
      expect(await readAfter(engine, 't.a', unborn)).toBe('epoch');
      await store(engine, 't.a', { data: '2' });
      expect(await readAfter(engine, 't.a', unborn)).toBe('epoch');
      expect(await readAfter(engine, 't.a', between)).toEqual(['2']);
    });

    test('comes after the appends made before it, and before those made after it', async () => {
      const { engine } = suite.harness();
      const before = store(engine, 't.a', { data: '1' });
      const deleted = engine.delete(ENTITY, 't.a');
      const after = store(engine, 't.a', { data: '2' });
      expect(await deleted).toBe(true);
      expect((await after).position.epoch).not.toBe((await before).position.epoch);
      expect(await dataOf(engine, 't.a')).toEqual(['2']);
    });

    test('leaves the same topic of another entity alone', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a', { entity: 'other', data: 'theirs' });
      expect(await engine.delete(ENTITY, 't.a')).toBe(false);
      expect(await dataOf(engine, 't.a', 'other')).toEqual(['theirs']);
    });

    testIf(suite.reopens)('is remembered after a restart', async () => {
      const harness = suite.harness();
      const unborn = await positionOf(harness.engine, 't.a');
      const { position } = await store(harness.engine, 't.a');
      await harness.engine.delete(ENTITY, 't.a');
      await harness.reopen?.();
      const reborn = await store(harness.engine, 't.a');
      expect(reborn.position).not.toEqual(position);
      expect(await readAfter(harness.engine, 't.a', position)).toBe('epoch');
      expect(await readAfter(harness.engine, 't.a', unborn)).toBe('epoch');
    });
  });

  describe('close', () => {
    test('finishes appends under way, then refuses; it may be called again', async () => {
      const { engine } = suite.harness();
      const underWay = append(engine, 't.a');
      await engine.close();
      expect(await underWay).toMatchObject({ status: 'stored' });
      expect(await append(engine, 't.a')).toMatchObject({ status: 'failed', code: 'unavailable' });
      const listener = { onEvents: () => {}, onGap: () => {} };
      const refused: Promise<unknown>[] = [
        engine.read(ENTITY, 't.a', { earliest: true }, { maxEvents: 1 }),
        engine.readSince(ENTITY, ['*'], 'earliest', { maxEvents: 1 }),
        engine.follow(ENTITY, '*', listener),
        engine.cursor(ENTITY),
        engine.head(ENTITY, 't.a'),
        engine.topics(ENTITY, '*'),
        engine.entities(),
        engine.trim(ENTITY, 't.a', 1),
        engine.delete(ENTITY, 't.a'),
        engine.acquireLease(ENTITY, 'l', 'me', 1000),
        engine.renewLease(ENTITY, 'l', 'me', 1000),
        engine.releaseLease(ENTITY, 'l', 'me'),
        engine.leaseHolders(ENTITY, 'l'),
        engine.consumer(ENTITY, 't.a', 'c'),
        engine.setConsumer(ENTITY, 't.a', 'c', 0, { acked: 0, sent: 0, runs: [] }),
      ];
      for (const call of refused) await expect(call).rejects.toMatchObject({ code: 'unavailable' });
      await engine.close();
    });
  });
}
