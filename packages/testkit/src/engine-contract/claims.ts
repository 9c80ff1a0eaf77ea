import { describe, expect, test } from 'vitest';
import { type ContractSuite, ENTITY, store, testIf } from './harness.ts';

const STATE = {
  acked: 1,
  sent: 7,
  runs: [
    { upTo: 4, attempt: 3, nextAt: 1_795_000_000_000 },
    { upTo: 7, attempt: 1, nextAt: 1_795_000_060_000 },
  ],
};

export function describeClaims(suite: ContractSuite): void {
  describe('a lease', () => {
    test('that is exclusive has one holder at a time', async () => {
      const { engine, clock } = suite.harness();
      const first = await engine.acquireLease(ENTITY, 'l', 'me', 5000, { exclusive: true, data: '{"a":1}' });
      expect(first).toMatchObject({
        acquired: true,
        lease: { owner: 'me', expiresAt: clock.now() + 5000, data: '{"a":1}' },
      });
      const holder = first.acquired ? first.lease : undefined;
      for (const options of [{ exclusive: true }, {}]) {
        expect(await engine.acquireLease(ENTITY, 'l', 'you', 5000, options)).toEqual({
          acquired: false,
          holder,
        });
      }
      expect(await engine.leaseHolders(ENTITY, 'l')).toEqual([holder]);
      expect(await engine.acquireLease(ENTITY, 'other', 'you', 5000, { exclusive: true })).toMatchObject({
        acquired: true,
      });
      expect(await engine.acquireLease('other', 'l', 'you', 5000, { exclusive: true })).toMatchObject({
        acquired: true,
      });
    });

    test('that is shared has any number of holders, listed by token', async () => {
      const { engine } = suite.harness();
      for (const owner of ['a', 'b', 'c']) {
        expect(await engine.acquireLease(ENTITY, 'l', owner, 5000)).toMatchObject({ acquired: true });
      }
      await engine.acquireLease(ENTITY, 'l', 'a', 5000);
      const holders = await engine.leaseHolders(ENTITY, 'l');
      expect(holders.map((lease) => lease.owner)).toEqual(['a', 'b', 'c']);
      expect(holders.map((lease) => lease.token)).toEqual(
        holders.map((lease) => lease.token).sort((a, b) => a - b),
      );
      expect(await engine.acquireLease(ENTITY, 'l', 'd', 5000, { exclusive: true })).toMatchObject({
        acquired: false,
        holder: { owner: 'a' },
      });
    });

    test('expires on time, also when the wall clock is set back', async () => {
      const { engine, clock } = suite.harness();
      await engine.acquireLease(ENTITY, 'l', 'me', 5000, { exclusive: true });
      clock.stepWall(-3_600_000);
      clock.advance(4999);
      expect(await engine.acquireLease(ENTITY, 'l', 'you', 5000, { exclusive: true })).toMatchObject({
        acquired: false,
      });
      clock.advance(1);
      expect(await engine.leaseHolders(ENTITY, 'l')).toEqual([]);
      expect(await engine.renewLease(ENTITY, 'l', 'me', 5000)).toBe(false);
      expect(await engine.acquireLease(ENTITY, 'l', 'you', 5000, { exclusive: true })).toMatchObject({
        acquired: true,
      });
    });

    test('is prolonged by renewing or claiming it again, and keeps its token', async () => {
      const { engine, clock } = suite.harness();
      const first = await engine.acquireLease(ENTITY, 'l', 'me', 5000, { exclusive: true, data: '1' });
      clock.advance(4000);
      expect(await engine.renewLease(ENTITY, 'l', 'me', 5000)).toBe(true);
      clock.advance(4000);
      const again = await engine.acquireLease(ENTITY, 'l', 'me', 5000, { exclusive: true, data: '2' });
      expect(again).toMatchObject({ acquired: true, lease: { expiresAt: clock.now() + 5000, data: '2' } });
      expect(again.acquired && first.acquired && again.lease.token === first.lease.token).toBe(true);
      expect(await engine.renewLease(ENTITY, 'l', 'you', 5000)).toBe(false);
    });

    test('is free at once when it is given up', async () => {
      const { engine } = suite.harness();
      await engine.acquireLease(ENTITY, 'l', 'me', 5000, { exclusive: true });
      expect(await engine.releaseLease(ENTITY, 'l', 'you')).toBe(false);
      expect(await engine.releaseLease(ENTITY, 'l', 'me')).toBe(true);
      expect(await engine.releaseLease(ENTITY, 'l', 'me')).toBe(false);
      expect(await engine.acquireLease(ENTITY, 'l', 'you', 5000, { exclusive: true })).toMatchObject({
        acquired: true,
      });
    });

    test('gets a higher token with each new holder, at least the time in µs', async () => {
      const { engine, clock } = suite.harness();
      const tokens: number[] = [];
      for (let n = 0; n < 5; n++) {
        const result = await engine.acquireLease(ENTITY, 'l', `owner ${n}`, 1000, { exclusive: true });
        if (result.acquired) tokens.push(result.lease.token);
        if (n === 2) clock.stepWall(-60_000);
        await engine.releaseLease(ENTITY, 'l', `owner ${n}`);
      }
      expect(tokens).toHaveLength(5);
      expect(tokens[0]).toBeGreaterThanOrEqual(Date.UTC(2026, 0, 1) * 1000);
      for (let n = 1; n < 5; n++) expect(tokens[n]).toBeGreaterThan(tokens[n - 1]!);
    });
  });

  describe('a consumer', () => {
    test('is stored by compare-and-set', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a');
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toBeUndefined();
      const first = await engine.setConsumer(ENTITY, 't.a', 'c', 0, STATE);
      expect(first).toEqual({ stored: true, state: { ...STATE, version: 1 } });
      expect(await engine.setConsumer(ENTITY, 't.a', 'c', 0, { ...STATE, acked: 9 })).toEqual({
        stored: false,
        state: { ...STATE, version: 1 },
      });
      expect(await engine.setConsumer(ENTITY, 't.a', 'c', 1, { ...STATE, acked: 9 })).toMatchObject({
        stored: true,
      });
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toEqual({ ...STATE, acked: 9, version: 2 });
      expect(await engine.setConsumer(ENTITY, 't.a', 'd', 1, STATE)).toEqual({
        stored: false,
        state: undefined,
      });
    });

    test('lets exactly one of many rivals win', async () => {
      const { engine } = suite.harness();
      const rivals = Array.from({ length: 10 }, (_, n) =>
        engine.setConsumer(ENTITY, 't.a', 'c', 0, { ...STATE, acked: n }),
      );
      const results = await Promise.all(rivals);
      expect(results.filter((result) => result.stored)).toHaveLength(1);
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toMatchObject({ version: 1 });
    });

    test('is its own in each topic and entity, and goes with its topic', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a');
      await engine.setConsumer(ENTITY, 't.a', 'c', 0, STATE);
      expect(await engine.consumers(ENTITY, 't.a')).toEqual(['c']);
      expect(await engine.consumers(ENTITY, 't.b')).toEqual([]);
      expect(await engine.consumers('other', 't.a')).toEqual([]);
      expect(await engine.consumer(ENTITY, 't.b', 'c')).toBeUndefined();
      expect(await engine.consumer('other', 't.a', 'c')).toBeUndefined();
      await engine.delete(ENTITY, 't.a');
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toBeUndefined();
      expect(await engine.consumers(ENTITY, 't.a')).toEqual([]);
    });

    test('keeps every run it is given, and no hold on the caller’s list', async () => {
      const { engine } = suite.harness();
      await store(engine, 't.a');
      const runs = Array.from({ length: 2000 }, (_, n) => ({
        upTo: n + 1,
        attempt: n % 4,
        nextAt: n * 1000,
      }));
      await engine.setConsumer(ENTITY, 't.a', 'c', 0, { acked: 0, sent: 2000, runs });
      const kept = runs.slice();
      runs.length = 1;
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toEqual({
        acked: 0,
        sent: 2000,
        runs: kept,
        version: 1,
      });
      await engine.setConsumer(ENTITY, 't.a', 'c', 1, { acked: 2000, sent: 2000, runs: [] });
      expect(await engine.consumer(ENTITY, 't.a', 'c')).toMatchObject({ runs: [], version: 2 });
    });

    testIf(suite.reopens)('is still there after a restart', async () => {
      const harness = suite.harness();
      await store(harness.engine, 't.a');
      await harness.engine.setConsumer(ENTITY, 't.a', 'c', 0, STATE);
      await harness.engine.setConsumer(ENTITY, 't.a', 'done', 0, { acked: 7, sent: 7, runs: [] });
      await harness.reopen?.();
      expect(await harness.engine.consumer(ENTITY, 't.a', 'c')).toEqual({ ...STATE, version: 1 });
      expect(await harness.engine.consumer(ENTITY, 't.a', 'done')).toEqual({
        acked: 7,
        sent: 7,
        runs: [],
        version: 1,
      });
    });
  });
}
