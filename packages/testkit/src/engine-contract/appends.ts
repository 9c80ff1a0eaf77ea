import { describe, expect, test } from 'vitest';
import {
  append,
  asStored,
  type ContractSuite,
  dataOf,
  describeIf,
  ENTITY,
  positionOf,
  Recorder,
  request,
  store,
  storeRange,
  testIf,
} from './harness.ts';

export function describeAppends(suite: ContractSuite): void {
  describe('append', () => {
    test('answers in the order of the requests, with offsets from 1 and growing seqs', async () => {
      const { engine } = suite.harness();
      const results = await engine.append([request('t.a'), request('t.b'), request('t.a')]);
      const stored = results.map(asStored);
      expect(stored.map((result) => result.position.offset)).toEqual([1, 1, 2]);
      expect(stored[1]!.seq).toBeGreaterThan(stored[0]!.seq);
      expect(stored[2]!.seq).toBeGreaterThan(stored[1]!.seq);
      expect(stored[0]!.position.epoch).toBe(stored[2]!.position.epoch);
      expect(new Set(stored.map((result) => result.id)).size).toBe(3);
      expect(stored.some((result) => result.duplicate)).toBe(false);
    });

    test('of nothing answers with nothing', async () => {
      expect(await suite.harness().engine.append([])).toEqual([]);
    });

    test('stores every field as it was given', async () => {
      const { engine, clock } = suite.harness();
      const data = '{"text":"ünï \\u0000 \\ud83d\\ude00","n":1.50}';
      const full = request('t.a', {
        event: 'task.progress',
        data,
        source: 's',
        key: 'k',
        priority: 'high',
        seal: true,
      });
      const [, result] = (await engine.append([request('t.b'), full])).map(asStored);
      const page = await engine.read(ENTITY, 't.a', { earliest: true }, { maxEvents: 10 });
      expect(page.ok && page.events[0]).toEqual({
        entity: ENTITY,
        topic: 't.a',
        epoch: result!.position.epoch,
        offset: 1,
        slot: expect.stringMatching(/^(live|durable)$/),
        partition: 0,
        seq: result!.seq,
        id: result!.id,
        event: 'task.progress',
        timestamp: clock.now(),
        data,
        source: 's',
        key: 'k',
        priority: 'high',
        sealed: true,
      });
      const plain = await engine.read(ENTITY, 't.b', { earliest: true }, { maxEvents: 10 });
      expect(plain.ok && plain.events[0]).toMatchObject({ priority: 'normal', sealed: false });
      expect(plain.ok && plain.events[0]?.source).toBeUndefined();
      expect(plain.ok && plain.events[0]?.key).toBeUndefined();
    });

    test('commits two calls in the order in which they were made, though neither was awaited', async () => {
      const { engine } = suite.harness();
      const calls = Array.from({ length: 200 }, (_, n) => append(engine, 't.a', { data: String(n) }));
      const results = (await Promise.all(calls)).map(asStored);
      expect(results.map((result) => result.position.offset)).toEqual(results.map((_, n) => n + 1));
      expect(await dataOf(engine, 't.a')).toEqual(results.map((_, n) => String(n)));
    });

    test('refuses one request of a call without harm to the others', async () => {
      const { engine } = suite.harness();
      const results = await engine.append([
        request('t.a', { data: '1' }),
        request('t.a', { data: '2', expect: { offset: 7 } }),
        request('t.a', { data: '3' }),
      ]);
      expect(results.map((result) => result.status)).toEqual(['stored', 'refused', 'stored']);
      expect(await dataOf(engine, 't.a')).toEqual(['1', '3']);
    });

    test('gives timestamps that never decrease within a topic, though the wall clock does', async () => {
      const { engine, clock } = suite.harness();
      const first = await store(engine, 't.a');
      clock.stepWall(-60_000);
      const second = await store(engine, 't.a');
      const other = await store(engine, 't.b');
      expect(second.timestamp).toBe(first.timestamp);
      expect(other.timestamp).toBe(clock.now());
    });

    describe('with an idempotency key', () => {
      test('answers a repeat with the first result and stores nothing', async () => {
        const { engine, clock } = suite.harness();
        const first = await store(engine, 't.a', { idempotencyKey: 'k', data: '1' });
        await store(engine, 't.a', { data: '2' });
        clock.advance(5000);
        expect(await append(engine, 't.a', { idempotencyKey: 'k', data: '3' })).toEqual({
          ...first,
          duplicate: true,
        });
        expect(await dataOf(engine, 't.a')).toEqual(['1', '2']);
      });

      test('knows a repeat within one call, and in a call made before the first was stored', async () => {
        const { engine } = suite.harness();
        const repeat = request('t.a', { idempotencyKey: 'k' });
        const [both, later] = await Promise.all([engine.append([repeat, repeat]), engine.append([repeat])]);
        const [first] = both.map(asStored);
        expect(both[1]).toEqual({ ...first, duplicate: true });
        expect(later[0]).toEqual({ ...first, duplicate: true });
        expect(await dataOf(engine, 't.a')).toHaveLength(1);
      });

      test('takes the same key in another topic and another entity for another event', async () => {
        const { engine } = suite.harness();
        await store(engine, 't.a', { idempotencyKey: 'k' });
        expect(await store(engine, 't.b', { idempotencyKey: 'k' })).toMatchObject({ duplicate: false });
        expect(await store(engine, 't.a', { idempotencyKey: 'k', entity: 'other' })).toMatchObject({
          duplicate: false,
        });
      });

      test('checks the key before seal, fence and expected offset', async () => {
        const { engine } = suite.harness();
        const fence = { name: 'lock', token: 5 };
        const first = await store(engine, 't.a', { idempotencyKey: 'k', fence, expect: { offset: 0 } });
        await store(engine, 't.a', { fence: { name: 'lock', token: 6 }, seal: true });
        const repeat = await append(engine, 't.a', { idempotencyKey: 'k', fence, expect: { offset: 0 } });
        expect(repeat).toEqual({ ...first, duplicate: true });
      });

      test('remembers no key of a request that was refused', async () => {
        const { engine } = suite.harness();
        await append(engine, 't.a', { idempotencyKey: 'k', expect: { offset: 3 } });
        expect(await store(engine, 't.a', { idempotencyKey: 'k' })).toMatchObject({ duplicate: false });
      });

      test('remembers the newest 10,000 keys of a topic, however old, and more within ten minutes', async () => {
        const { engine, clock } = suite.harness();
        for (let start = 0; start < 10_500; start += 500) {
          const keys = Array.from({ length: 500 }, (_, n) =>
            request('t.a', { idempotencyKey: `k${start + n}` }),
          );
          await engine.append(keys);
        }
        expect(await store(engine, 't.a', { idempotencyKey: 'k0' })).toMatchObject({ duplicate: true });
        clock.advance(3_600_000);
        await store(engine, 't.a', { idempotencyKey: 'after an hour' });
        expect(await store(engine, 't.a', { idempotencyKey: 'k501' })).toMatchObject({ duplicate: true });
        expect(await store(engine, 't.a', { idempotencyKey: 'k10499' })).toMatchObject({ duplicate: true });
      });

      testIf(suite.reopens)('still knows the key after a restart', async () => {
        const harness = suite.harness();
        const first = await store(harness.engine, 't.a', { idempotencyKey: 'k' });
        await harness.reopen?.();
        expect(await append(harness.engine, 't.a', { idempotencyKey: 'k' })).toEqual({
          ...first,
          duplicate: true,
        });
      });
    });

    describe('with an expected offset', () => {
      test('stores only at that head, and answers with the head otherwise', async () => {
        const { engine } = suite.harness();
        const first = await store(engine, 't.a', { expect: { offset: 0 } });
        const head = first.position;
        expect(await append(engine, 't.a', { expect: { offset: 0 } })).toEqual({
          status: 'refused',
          code: 'conflict',
          head,
        });
        expect(await append(engine, 't.a', { expect: { offset: 2 } })).toEqual({
          status: 'refused',
          code: 'conflict',
          head,
        });
        await store(engine, 't.a', { expect: { offset: 1 } });
      });

      test('lets exactly one of many rivals win', async () => {
        const { engine } = suite.harness();
        const rivals = Array.from({ length: 20 }, () => append(engine, 't.a', { expect: { offset: 0 } }));
        const statuses = (await Promise.all(rivals)).map((result) => result.status);
        expect(statuses.filter((status) => status === 'stored')).toHaveLength(1);
      });

      test('compares the epoch too when it is given', async () => {
        const { engine } = suite.harness();
        const { position } = await store(engine, 't.a');
        await engine.delete(ENTITY, 't.a');
        const reborn = await store(engine, 't.a');
        expect(await append(engine, 't.a', { expect: position })).toMatchObject({
          code: 'conflict',
          head: reborn.position,
        });
        await store(engine, 't.a', { expect: reborn.position });
      });

      test('with the position of a topic that does not exist, stores its first event only', async () => {
        const { engine } = suite.harness();
        const unborn = await positionOf(engine, 't.a');
        await store(engine, 't.other');
        await store(engine, 't.a', { expect: unborn });
        expect(await append(engine, 't.a', { expect: unborn })).toMatchObject({ code: 'conflict' });
        await engine.delete(ENTITY, 't.a');
        expect(await append(engine, 't.a', { expect: unborn })).toMatchObject({ code: 'conflict' });
        await store(engine, 't.a', { expect: await positionOf(engine, 't.a') });
      });
    });

    describe('with a fence', () => {
      test('is refused once the topic has seen a higher token of that name', async () => {
        const { engine } = suite.harness();
        await store(engine, 't.a', { fence: { name: 'lock', token: 5 } });
        await store(engine, 't.a', { fence: { name: 'lock', token: 7 } });
        await store(engine, 't.a', { fence: { name: 'lock', token: 7 } });
        expect(await append(engine, 't.a', { fence: { name: 'lock', token: 6 } })).toEqual({
          status: 'refused',
          code: 'fenced',
          token: 7,
        });
        await store(engine, 't.a', { fence: { name: 'other', token: 1 } });
        await store(engine, 't.b', { fence: { name: 'lock', token: 1 } });
      });

      test('of a request that is refused leaves no trace', async () => {
        const { engine } = suite.harness();
        await append(engine, 't.a', { fence: { name: 'lock', token: 9 }, expect: { offset: 4 } });
        await store(engine, 't.a', { fence: { name: 'lock', token: 5 } });
      });

      test('is checked before the expected offset', async () => {
        const { engine } = suite.harness();
        await store(engine, 't.a', { fence: { name: 'lock', token: 5 } });
        const both = { fence: { name: 'lock', token: 4 }, expect: { offset: 9 } };
        expect(await append(engine, 't.a', both)).toMatchObject({ code: 'fenced' });
      });

      testIf(suite.reopens)('holds after a restart', async () => {
        const harness = suite.harness();
        await store(harness.engine, 't.a', { fence: { name: 'lock', token: 5 } });
        await harness.reopen?.();
        const stale = await append(harness.engine, 't.a', { fence: { name: 'lock', token: 4 } });
        expect(stale).toMatchObject({ code: 'fenced', token: 5 });
      });
    });

    describe('with a seal', () => {
      test('closes the topic with that event', async () => {
        const { engine } = suite.harness();
        const last = await store(engine, 't.a', { seal: true });
        const refused = { status: 'refused', code: 'sealed', head: last.position };
        expect(await append(engine, 't.a')).toEqual(refused);
        expect(await append(engine, 't.a', { seal: true })).toEqual(refused);
        expect(await engine.head(ENTITY, 't.a')).toMatchObject({ sealed: true, position: last.position });
        expect(await engine.read(ENTITY, 't.a', { after: last.position }, { maxEvents: 1 })).toMatchObject({
          ok: true,
          events: [],
          sealed: true,
        });
      });

      test('refuses what comes after it in the same call', async () => {
        const { engine } = suite.harness();
        const results = await engine.append([request('t.a', { seal: true }), request('t.a')]);
        expect(results.map((result) => result.status)).toEqual(['stored', 'refused']);
      });

      test('answers a repeat of the sealing event with its first result', async () => {
        const { engine } = suite.harness();
        const last = await store(engine, 't.a', { seal: true, idempotencyKey: 'end' });
        const repeat = await append(engine, 't.a', { seal: true, idempotencyKey: 'end' });
        expect(repeat).toEqual({ ...last, duplicate: true });
      });

      test('is checked before fence and expected offset', async () => {
        const { engine } = suite.harness();
        await store(engine, 't.a', { seal: true, fence: { name: 'lock', token: 5 } });
        const stale = { fence: { name: 'lock', token: 4 }, expect: { offset: 9 } };
        expect(await append(engine, 't.a', stale)).toMatchObject({ code: 'sealed' });
      });

      testIf(suite.reopens)('holds after a restart', async () => {
        const harness = suite.harness();
        await store(harness.engine, 't.a', { seal: true });
        await harness.reopen?.();
        expect(await append(harness.engine, 't.a')).toMatchObject({ code: 'sealed' });
      });
    });

    describeIf(suite.failsCommits)('whose commit fails', () => {
      test('fails as a whole with the outcome, shows nothing to anyone, and the next one works', async () => {
        const harness = suite.harness();
        const { engine } = harness;
        const follower = new Recorder();
        await engine.follow(ENTITY, '*', follower);
        await storeRange(engine, 't.a', 1, 2);
        const before = await engine.cursor(ENTITY);
        harness.failNextCommit?.('storage-full');
        const results = await engine.append([
          request('t.a', { idempotencyKey: 'k', fence: { name: 'lock', token: 9 } }),
          request('t.a', { seal: true }),
          request('t.new'),
        ]);
        for (const result of results)
          expect(result).toMatchObject({ status: 'failed', code: 'storage-full' });
        expect(await engine.cursor(ENTITY)).toEqual(before);
        expect(await dataOf(engine, 't.a')).toEqual(['1', '2']);
        expect(await engine.head(ENTITY, 't.new')).toBeUndefined();
        const retry = { idempotencyKey: 'k', fence: { name: 'lock', token: 5 }, data: '3' };
        expect(await store(engine, 't.a', retry)).toMatchObject({
          duplicate: false,
          position: { offset: 3 },
        });
        await follower.untilData('3');
        expect(follower.data).toEqual(['1', '2', '3']);
        expect(follower.gaps).toEqual([]);
      });

      test('says so when nobody can know whether it was stored; a repeat with the same key settles it', async () => {
        const harness = suite.harness();
        harness.failNextCommit?.('unknown');
        expect(await append(harness.engine, 't.a', { idempotencyKey: 'k' })).toMatchObject({
          status: 'unknown',
        });
        await store(harness.engine, 't.a', { idempotencyKey: 'k' });
        expect(await dataOf(harness.engine, 't.a')).toHaveLength(1);
      });

      test('fails calls that share the commit, or answers them on their own', async () => {
        const harness = suite.harness();
        harness.failNextCommit?.('storage-full');
        const calls = Array.from({ length: 10 }, (_, n) =>
          append(harness.engine, 't.a', { data: String(n) }),
        );
        const results = await Promise.all(calls);
        const stored = results.flatMap((result, n) => (result.status === 'stored' ? [String(n)] : []));
        expect(stored.length).toBeLessThan(10);
        expect(await dataOf(harness.engine, 't.a')).toEqual(stored);
      });
    });
  });
}
