import { describe, expect, test } from 'vitest';
import { until } from '../until.ts';
import {
  type ContractSuite,
  ENTITY,
  Recorder,
  request,
  since,
  store,
  storeRange,
  untilTrimmed,
} from './harness.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

export function describeFollowing(suite: ContractSuite): void {
  describe('follow', () => {
    test('gives each event once, in order, to everyone whose pattern matches', async () => {
      const { engine } = suite.harness();
      const patterns = ['*', 't.*', 't.a', '*.a', 'u.*', 't.b'];
      const followers = patterns.map(() => new Recorder());
      for (const [i, pattern] of patterns.entries()) await engine.follow(ENTITY, pattern, followers[i]!);
      await engine.append(
        ['t.a', 't.b', 'u.a', 't.a', 't.b.c'].map((topic, n) => request(topic, { data: `${topic} ${n}` })),
      );
      await store(engine, 't.a', { data: 'end' });
      await followers[0]!.untilData('end');
      await followers[2]!.untilData('end');
      expect(followers.map((follower) => follower.data)).toEqual([
        ['t.a 0', 't.b 1', 'u.a 2', 't.a 3', 't.b.c 4', 'end'],
        ['t.a 0', 't.b 1', 't.a 3', 't.b.c 4', 'end'],
        ['t.a 0', 't.a 3', 'end'],
        ['t.a 0', 'u.a 2', 't.a 3', 'end'],
        ['u.a 2'],
        ['t.b 1'],
      ]);
    });

    test('begins right after the cursor it answers with', async () => {
      const { engine } = suite.harness();
      const writing = Array.from({ length: 100 }, (_, n) => store(engine, 't.a', { data: String(n) }));
      const follower = new Recorder();
      const { cursor } = await engine.follow(ENTITY, '*', follower);
      await Promise.all(writing);
      const expected = await since(engine, ['*'], cursor);
      await follower.untilCount(expected.length);
      await store(engine, 't.a', { data: 'end' });
      await follower.untilData('end');
      expect(follower.data).toEqual([...expected, 'end']);
    });

    test('never calls from inside append', async () => {
      const { engine } = suite.harness();
      const follower = new Recorder();
      await engine.follow(ENTITY, '*', follower);
      const stored = store(engine, 't.a');
      expect(follower.events).toEqual([]);
      await stored;
      await follower.untilCount(1);
    });

    test('shows an event only once it can be read', async () => {
      const { engine } = suite.harness();
      const start = await engine.cursor(ENTITY);
      const readable: Promise<boolean>[] = [];
      await engine.follow(ENTITY, '*', {
        onEvents: (events) => {
          readable.push(
            since(engine, ['*'], start).then((data) => events.every((event) => data.includes(event.data))),
          );
        },
        onGap: () => {},
      });
      await storeRange(engine, 't.a', 1, 20);
      await until(() => readable.length > 0);
      expect(await Promise.all(readable)).not.toContain(false);
    });

    test('gives the same event as a read does', async () => {
      const { engine } = suite.harness();
      const follower = new Recorder();
      await engine.follow(ENTITY, '*', follower);
      await store(engine, 't.a', { source: 's', key: 'k', priority: 'low', seal: true });
      await follower.untilCount(1);
      const page = await engine.read(ENTITY, 't.a', { earliest: true }, { maxEvents: 1 });
      expect(page.ok && page.events).toEqual(follower.events);
    });

    test('stops when it is told to, also from inside a call', async () => {
      const { engine } = suite.harness();
      const witness = new Recorder();
      const stopped = new Recorder();
      const other = new Recorder();
      const stops: (() => void)[] = [];
      await engine.follow(ENTITY, '*', {
        onEvents: () => stops.splice(0).forEach((stop) => void stop()),
        onGap: () => {},
      });
      for (const pattern of ['*', 't.*', 't.a']) {
        const following = await engine.follow(ENTITY, pattern, stopped);
        stops.push(() => following.stop());
      }
      await engine.follow(ENTITY, 't.a', other);
      await engine.follow(ENTITY, '*', witness);
      await storeRange(engine, 't.a', 1, 3);
      await witness.untilData('3');
      await store(engine, 't.a', { data: 'end' });
      await witness.untilData('end');
      expect(stopped.events).toEqual([]);
      expect(other.data).toEqual(['1', '2', '3', 'end']);
    });

    test('can be begun from inside a call, and gets what comes after it', async () => {
      const { engine } = suite.harness();
      const late = new Recorder();
      let joined: Promise<unknown> | undefined;
      await engine.follow(ENTITY, '*', {
        onEvents: () => {
          joined ??= engine.follow(ENTITY, 't.*', late);
        },
        onGap: () => {},
      });
      await storeRange(engine, 't.a', 1, 3);
      await until(() => joined !== undefined);
      const { cursor } = (await joined) as { cursor: Parameters<typeof since>[2] };
      await storeRange(engine, 't.a', 4, 6);
      await late.untilData('6');
      expect(late.data).toEqual(await since(engine, ['*'], cursor));
    });

    test('is not disturbed by a listener that throws', async () => {
      const { engine, errors } = suite.harness();
      const follower = new Recorder();
      const faulty = new Error('a fault in a listener');
      for (const pattern of ['*', 't.*', 't.a']) {
        await engine.follow(ENTITY, pattern, {
          onEvents: () => {
            throw faulty;
          },
          onGap: () => {},
        });
      }
      await engine.follow(ENTITY, 't.*', follower);
      await store(engine, 't.a', { data: '1' });
      await follower.untilData('1');
      await store(engine, 't.a', { data: '2' });
      await follower.untilData('2');
      expect(errors.filter((error) => error === faulty)).not.toHaveLength(0);
    });

    test('hears nothing of another entity', async () => {
      const { engine } = suite.harness();
      const follower = new Recorder();
      const theirs = new Recorder();
      await engine.follow(ENTITY, '*', follower);
      await engine.follow('other', '*', theirs);
      await engine.append([
        request('t.a', { entity: 'other', data: 'theirs' }),
        request('t.a', { data: 'mine' }),
      ]);
      await follower.untilCount(1);
      await theirs.untilCount(1);
      expect(follower.data).toEqual(['mine']);
      expect(theirs.data).toEqual(['theirs']);
    });

    test('fills a hole from the log before what comes after it', async () => {
      const { engine, bus } = suite.harness();
      const followers = [new Recorder(), new Recorder()];
      await engine.follow(ENTITY, '*', followers[0]!);
      await engine.follow(ENTITY, 't.a', followers[1]!);
      await storeRange(engine, 't.a', 1, 2);
      bus.mode = 'drop';
      await storeRange(engine, 't.a', 3, 5);
      bus.mode = 'pass';
      await storeRange(engine, 't.a', 6, 7);
      for (const follower of followers) {
        await follower.untilData('7');
        expect(follower.data).toEqual(numbers(1, 7));
        expect(follower.gaps).toEqual([]);
      }
    });

    test('finds a lost tail within a second', async () => {
      const { engine, bus, clock } = suite.harness();
      const follower = new Recorder();
      await engine.follow(ENTITY, 't.*', follower);
      bus.mode = 'drop';
      await storeRange(engine, 't.a', 1, 3);
      expect(follower.events).toEqual([]);
      clock.advance(1000);
      await follower.untilData('3');
      bus.mode = 'pass';
      await storeRange(engine, 't.a', 4, 4);
      await follower.untilData('4');
      expect(follower.data).toEqual(numbers(1, 4));
    });

    test('puts late, reordered and repeated notifications in order', async () => {
      const { engine, bus, clock } = suite.harness();
      const follower = new Recorder();
      await engine.follow(ENTITY, '*', follower);
      bus.mode = 'hold';
      for (let n = 1; n <= 6; n++) await store(engine, 't.a', { data: String(n) });
      const held = bus.held;
      expect(held).toBeGreaterThan(0);
      clock.advance(1000);
      await follower.untilData('6');
      bus.release([...Array(held).keys(), ...Array(held).keys()].reverse());
      await store(engine, 't.a', { data: '7' });
      await follower.untilData('7');
      expect(follower.data).toEqual(numbers(1, 7));
    });

    test('keeps order and count while holes are filled and followers come and go', async () => {
      const { engine, bus, clock } = suite.harness();
      const steady = new Recorder();
      await engine.follow(ENTITY, '*', steady);
      const guests: { recorder: Recorder; cursor: Parameters<typeof since>[2] }[] = [];
      let n = 0;
      for (let round = 0; round < 30; round++) {
        bus.mode = round % 3 === 1 ? 'drop' : 'pass';
        const writing = [`t.${round % 4}`, 't.x'].map((topic) => store(engine, topic, { data: String(++n) }));
        if (round % 4 === 0) {
          const recorder = new Recorder();
          const following = await engine.follow(ENTITY, '*', recorder);
          if (round % 8 === 0) following.stop();
          else guests.push({ recorder, cursor: following.cursor });
        }
        await Promise.all(writing);
      }
      bus.mode = 'drop';
      await store(engine, 't.x', { data: 'end' });
      clock.advance(1000);
      await steady.untilData('end');
      expect(steady.data).toEqual([...numbers(1, n), 'end']);
      for (const { recorder, cursor } of guests) {
        await recorder.untilData('end');
        expect(recorder.data).toEqual(await since(engine, ['*'], cursor));
      }
    });

    test('says that there is a gap when the log has lost what was missed, and goes on after it', async () => {
      const harness = await suite.open({ retention: () => ({ maxEvents: 2 }) });
      const { engine, bus } = harness;
      const follower = new Recorder();
      await engine.follow(ENTITY, 't.*', follower);
      await storeRange(engine, 't.a', 1, 1);
      await follower.untilData('1');
      bus.mode = 'drop';
      for (let n = 2; n <= 6; n++) await store(engine, 't.a', { data: String(n) });
      await untilTrimmed(harness, 't.a', 5);
      bus.mode = 'pass';
      await store(engine, 't.a', { data: '7' });
      await until(() => follower.gaps.length > 0, 'a gap');
      await store(engine, 't.a', { data: '8' });
      await follower.untilData('8');
      const { reason, head } = follower.gaps[0]!;
      expect(reason).toBe('expired');
      expect(follower.gaps).toHaveLength(1);
      const next = follower.events[1]!;
      expect(follower.data[0]).toBe('1');
      expect(next.seq).toBeGreaterThan(head[next.slot]!.seqs[0]!);
      expect(follower.data.slice(1)).toEqual(numbers(Number(next.data), 8));
    });

    test('notices no gap when a topic is deleted before its eyes', async () => {
      const { engine, clock } = suite.harness();
      const follower = new Recorder();
      await engine.follow(ENTITY, 't.*', follower);
      await store(engine, 't.a', { data: '1' });
      await engine.delete(ENTITY, 't.a');
      await store(engine, 't.a', { data: '2' });
      await follower.untilData('2');
      clock.advance(1000);
      await store(engine, 't.a', { data: '3' });
      await follower.untilData('3');
      expect(follower.data).toEqual(['1', '2', '3']);
      expect(follower.gaps).toEqual([]);
      expect(new Set(follower.events.map((event) => event.epoch)).size).toBe(2);
    });
  });
}
