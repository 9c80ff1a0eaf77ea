import { setImmediate as turn } from 'node:timers/promises';
import { earlier, eventFamily, eventType, type View } from '@millrace/catalog';
import { MillraceError } from '@millrace/protocol';
import { until } from '@millrace/testkit';
import Type from 'typebox';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '../engine/engine.ts';
import { ENTITY } from '../hub/fixtures/hub-world.ts';
import { familyOf, placesView, ViewsWorld, type ViewsWorldOptions } from './fixtures/views-world.ts';
import { VIEWS_ENTITY } from './stored-states.ts';

let world: ViewsWorld;
/** Calls of the engine's verbs by those who read it. */
let calls: Record<string, number> = {};

afterEach(() => world.close());

function counting(engine: Engine): Engine {
  calls = {};
  return new Proxy(engine, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        if (args[0] !== VIEWS_ENTITY) calls[String(name)] = (calls[String(name)] ?? 0) + 1;
        return member.apply(target, args);
      };
    },
  });
}

async function open(options: ViewsWorldOptions = {}): Promise<void> {
  world = await ViewsWorld.open({ wrap: counting, ...options });
}

/** Numbers from 1 on, in pages. */
async function fill(topic: string, count: number): Promise<void> {
  for (let done = 0; done < count; ) {
    const size = Math.min(500, count - done);
    await world.append(topic, ...Array.from({ length: size }, (_, i) => done + i + 1));
    done += size;
  }
}

const SUM: View<{ sum: number }> = {
  name: 'sum',
  version: 1,
  holdsLog: true,
  initial: () => ({ sum: 0 }),
  fold: (state, { data }) => ({ sum: state.sum + (data as number) }),
};

const sumOf = async (topic: string): Promise<number> =>
  (JSON.parse((await world.views.ofTopic(ENTITY, topic)).state) as { sum: number }).sum;

describe('folding', () => {
  test('a storm of requests is answered with one fold, and those that come while it runs with one more', async () => {
    await open({ families: [familyOf(['n.*'], SUM)] });
    await fill('n.a', 2000);
    const first = Array.from({ length: 100 }, () => world.views.ofTopic(ENTITY, 'n.a'));
    await turn();
    const second = Array.from({ length: 100 }, () => world.views.ofTopic(ENTITY, 'n.a'));
    const snapshots = await Promise.all([...first, ...second]);
    expect(new Set(snapshots).size).toBe(1);
    expect(world.views.counters).toMatchObject({ foldedEvents: 2000, snapshots: 200 });
    expect(calls.read).toBeLessThan(10);
  });

  test('what live delivery handed out is folded from memory', async () => {
    await open({ families: [familyOf(['n.*'], SUM)] });
    await world.session();
    await fill('n.a', 10);
    await world.settle();
    expect(await sumOf('n.a')).toBe(55);
    const before = calls.read;
    await fill('n.a', 10);
    await world.settle();
    expect(await sumOf('n.a')).toBe(110);
    expect(calls.read).toBe(before);
  });

  test('a long log lets the event loop have its turns', async () => {
    await open({ families: [familyOf(['n.*'], SUM)] });
    await fill('n.a', 5000);
    // Each look at the clock finds it a millisecond on.
    let ms = 0;
    world.clock.monotonic = () => ms++;
    let turns = 0;
    let done = false;
    const counting = (async () => {
      for (; !done; turns++) await turn();
    })();
    await sumOf('n.a');
    done = true;
    await counting;
    // Four looks a turn, of 32 events each.
    expect(turns).toBeGreaterThan(5000 / 32 / 4 - 5);
  });

  test('events of an earlier version reach the view as the newest', async () => {
    const event = eventType({
      name: 'x',
      description: 'For a test.',
      data: Type.Object({ amount: Type.Number() }),
      example: { amount: 1 },
      earlier: [earlier({ data: Type.Number(), upcast: (amount) => ({ amount }) })],
    });
    const view: View<number> = {
      name: 'amounts',
      version: 1,
      holdsLog: false,
      initial: () => 0,
      fold: (sum, { data }) => sum + (data as { amount: number }).amount,
    };
    await open({
      families: [
        eventFamily({ name: 'n', description: 'For a test.', topics: ['n.*'], events: [event], view }),
      ],
    });
    await world.append('n.a', 3, { amount: 4 });
    expect((await world.views.ofTopic(ENTITY, 'n.a')).state).toBe('7');
  });

  test('states over the memory they may have make room, those not asked for longest first', async () => {
    await open({ families: [familyOf(['n.*'], placesView())], maxCacheBytes: 20_000 });
    for (let n = 0; n < 40; n++) {
      await world.append(`n.${n}`, 'x'.repeat(200));
      await world.views.ofTopic(ENTITY, `n.${n}`);
      await world.views.ofTopic(ENTITY, 'n.0');
    }
    expect(world.views.cacheBytes).toBeLessThanOrEqual(20_000);
    expect(world.views.cachedTopics).toBeGreaterThan(5);
    const before = world.views.counters.foldedEvents;
    await world.views.ofTopic(ENTITY, 'n.0');
    expect(world.views.counters.foldedEvents).toBe(before);
    await world.views.ofTopic(ENTITY, 'n.1');
    expect(world.views.counters.foldedEvents).toBe(before + 1);
  });
});

describe('a view that fails', () => {
  const failing: View<number> = {
    name: 'brittle',
    version: 1,
    holdsLog: true,
    initial: () => 0,
    fold: (count, { data }) => {
      if (data === 'bad') throw new Error('what is this');
      return count + 1;
    },
  };

  test('[VIEW-9] gives a clear error, and nothing else is broken', async () => {
    await open({ families: [familyOf(['brittle.*'], failing), familyOf(['n.*'], SUM)] });
    await world.append('brittle.a', 1, 'bad', 3);
    await fill('n.a', 3);
    const client = await world.session();
    const error: unknown = await client.subscribe('brittle.a').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MillraceError);
    expect(error).toMatchObject({
      code: 'internal',
      retryable: false,
      message: expect.stringContaining(
        'the view "brittle" of topic "brittle.a" failed at offset 2: what is this',
      ),
      details: { topic: 'brittle.a', view: 'brittle', offset: 2 },
    });
    await expect(client.subscribe('*')).rejects.toMatchObject({ details: { topic: 'brittle.a' } });
    await client.subscribe('n.a');
    await client.subscribe('brittle.a', { start: { kind: 'earliest' } });
    await world.settle();
    expect(client.of('n.a')).toMatchObject([{ type: 'snapshot', state: { sum: 6 } }]);
    expect(client.of('brittle.a').map(({ data }) => data)).toEqual([1, 'bad', 3]);
    expect(world.errors).toHaveLength(1);
  });

  test('is not tried again for ten seconds, however many ask', async () => {
    await open({ families: [familyOf(['brittle.*'], failing)] });
    await world.append('brittle.a', 1, 'bad');
    for (let n = 0; n < 5; n++)
      await expect(world.views.ofTopic(ENTITY, 'brittle.a')).rejects.toThrow('brittle');
    expect(world.views.counters).toMatchObject({ failures: 1, foldedEvents: 1 });
    world.clock.advance(10_000);
    await world.engine.trim(ENTITY, 'brittle.a', 2);
    await world.append('brittle.a', 3);
    expect((await world.views.ofTopic(ENTITY, 'brittle.a')).state).toBe('1');
  });

  test('to bound its state gives `too-large`', async () => {
    const swelling: View<string> = { ...SUM, initial: () => 'x'.repeat(5_000_000), fold: (state) => state };
    await open({ families: [familyOf(['n.*'], swelling)] });
    const asked = world.views.ofTopic(ENTITY, 'n.a');
    await expect(asked).rejects.toMatchObject({ code: 'too-large', retryable: false });
  });

  test('to give JSON is a failure like any other', async () => {
    const odd: View<unknown> = { ...failing, initial: () => undefined, fold: () => undefined };
    await open({ families: [familyOf(['n.*'], odd)] });
    await expect(world.views.ofTopic(ENTITY, 'n.a')).rejects.toThrow('its state is not JSON');
  });
});

describe('a pattern', () => {
  test('[VIEW-3] gives the newest topics first', async () => {
    await open();
    for (const topic of ['p.b', 'p.a', 'p.c', 'p.a']) {
      world.clock.advance(1);
      await world.append(topic, 1);
    }
    const { snapshots } = await world.views.ofPatterns(ENTITY, ['p.*']);
    expect(snapshots.map(({ topic }) => topic)).toEqual(['p.a', 'p.c', 'p.b']);
  });

  test('[VIEW-3] of over 1,000 topics is answered with `too-large`; hidden ones do not count', async () => {
    await open();
    for (let n = 0; n < 1000; n++) await world.append(`p.${n}`, 1);
    for (let n = 0; n < 50; n++) await world.append(`user.${n}`, 1);
    expect((await world.views.ofPatterns(ENTITY, ['*'])).snapshots).toHaveLength(1000);
    await world.append('p.1000', 1);
    await expect(world.views.ofPatterns(ENTITY, ['*'])).rejects.toMatchObject({ code: 'too-large' });
  });

  test('[VIEW-3] of over 32 MiB of states is answered with `too-large`', async () => {
    const large: View<string> = { ...SUM, initial: () => '', fold: () => 'x'.repeat(4_000_000) };
    await open({ families: [familyOf(['p.*'], large)] });
    for (let n = 0; n < 10; n++) await world.append(`p.${n}`, 1);
    await expect(world.views.ofPatterns(ENTITY, ['p.*'])).rejects.toMatchObject({ code: 'too-large' });
  });

  test('[VIEW-3] with a topic by its name gives that one although it does not exist', async () => {
    await open();
    const { snapshots } = await world.views.ofPatterns(ENTITY, ['p.a', 'q.*']);
    expect(snapshots).toMatchObject([{ topic: 'p.a', position: { offset: 0 } }]);
  });

  test('is not made to begin anew by those who fold its topics meanwhile', async () => {
    let hold: Promise<void> | undefined;
    const wrap = (engine: Engine): Engine => {
      const listed = counting(engine);
      return new Proxy(listed, {
        get: (target, name) =>
          name === 'topics'
            ? async (...args: Parameters<Engine['topics']>) => {
                await hold;
                return listed.topics(...args);
              }
            : (Reflect.get(target, name) as unknown),
      });
    };
    await open({ families: [familyOf(['n.*'], SUM)], wrap });
    await world.session();
    await fill('n.a', 10);
    await world.settle();
    const { promise, resolve } = Promise.withResolvers<void>();
    hold = promise;
    const taken = world.views.ofPatterns(ENTITY, ['n.*']);
    await world.settle();
    for (let n = 0; n < 5; n++) {
      await world.append('n.a', 100);
      await world.settle();
      expect(await sumOf('n.a')).toBe(155 + 100 * n);
    }
    resolve();
    expect((await taken).snapshots.map(({ state }) => state)).toEqual(['{"sum":55}']);
    expect(calls.topics).toBe(1);
  });

  test('[FLOW-1] is written as the client reads, and what follows comes behind it', async () => {
    const long: View<string> = { ...SUM, initial: () => '', fold: () => 'x'.repeat(10_000) };
    await open({ families: [familyOf(['p.*'], long)], maxBytesInFlight: 50_000 });
    for (let n = 0; n < 100; n++) await world.append(`p.${n}`, 1);
    const client = await world.session();
    client.stall();
    await client.subscribe('p.*');
    await world.settle();
    const written = client.lines.length;
    // What may be in flight, and a page.
    expect(written).toBeLessThan(15);
    await world.append('p.0', 2);
    await world.settle();
    expect(client.lines).toHaveLength(written);
    while (client.lines.length < 101) {
      client.read();
      await world.settle(5);
    }
    await world.settle();
    expect(client.lines.filter(({ type }) => type === 'snapshot')).toHaveLength(100);
    expect(client.lines.at(-1)).toMatchObject({ type: 'event', topic: 'p.0', offset: 2 });
  });

  test('that many ask for at once is taken once', async () => {
    await open({ families: [familyOf(['n.*'], SUM)] });
    await fill('n.a', 10);
    const taken = await Promise.all(
      Array.from({ length: 50 }, () => world.views.ofPatterns(ENTITY, ['n.*'])),
    );
    expect(new Set(taken).size).toBe(1);
    expect(calls.topics).toBe(1);
  });
});

describe('a hold', () => {
  const HELD = { families: [familyOf(['n.*'], SUM)], retention: { maxEvents: 10 } };
  const firstOf = async () => (await world.engine.head(ENTITY, 'n.a'))?.firstOffset ?? 0;

  test('lets the log be trimmed behind the stored state alone, which stays complete', async () => {
    await open(HELD);
    for (let n = 1; n <= 300; n++) {
      await world.append('n.a', n);
      await world.settle(2);
    }
    await world.settle();
    expect(await firstOf()).toBeGreaterThan(250);
    expect(await sumOf('n.a')).toBe((300 * 301) / 2);
    expect(
      (await world.engine.topics(VIEWS_ENTITY, '*')).map(({ topic, position }) => [
        topic,
        position.offset > 0,
      ]),
    ).toEqual([['n.e.a', true]]);
    // Far from each of them.
    expect(world.views.counters.storedStates).toBeLessThan(60);
  });

  test('does nothing for topics of other views', async () => {
    await open({ ...HELD, families: [] });
    await fill('n.a', 300);
    await world.settle();
    expect(await firstOf()).toBe(291);
    expect(world.views.counters).toMatchObject({ storedStates: 0, foldedEvents: 0 });
  });

  test('of a view that fails lets go after 30 seconds, and says so', async () => {
    const failing: View<number> = {
      ...SUM,
      initial: () => 0,
      fold: () => {
        throw new Error('broken');
      },
    };
    await open({ ...HELD, families: [familyOf(['n.*'], failing)] });
    for (let second = 0; second < 29; second++) {
      await fill('n.a', 20);
      world.clock.advance(1000);
      await world.settle(3);
    }
    expect(await firstOf()).toBe(1);
    world.clock.advance(1500);
    await world.settle();
    expect(await firstOf()).toBe(29 * 20 - 9);
    expect(world.errors.map(String)).toContainEqual(
      expect.stringContaining('is trimmed, although the state'),
    );
    // It is tried again later, not with each append.
    const before = world.views.counters.failures;
    await fill('n.a', 100);
    await world.settle();
    expect(await firstOf()).toBe(29 * 20 + 100 - 9);
    expect(world.views.counters.failures).toBe(before);
  });

  test('lets at most 20,000 events pile up', async () => {
    await open({
      ...HELD,
      // Nothing is ever stored.
      wrap: (engine) =>
        new Proxy(engine, {
          get: (target, name) => {
            const member: unknown = Reflect.get(target, name);
            if (name === 'append') return () => new Promise(() => {});
            return typeof member === 'function' ? member.bind(target) : member;
          },
        }),
    });
    await fill('n.a', 20_000);
    await world.settle();
    expect(await firstOf()).toBe(1);
    await fill('n.a', 1000);
    expect(await firstOf()).toBe(20_991);
  });
});

describe('a stored state', () => {
  const stored = async () => (await world.engine.topics(VIEWS_ENTITY, '*')).map(({ topic }) => topic);

  test('is written once a thousand events were folded, and only its newest is kept', async () => {
    await open({ families: [familyOf(['n.*'], SUM)] });
    await fill('n.a', 1000);
    await sumOf('n.a');
    expect(await stored()).toEqual([]);
    for (let n = 0; n < 4; n++) {
      await fill('n.a', 1001);
      await sumOf('n.a');
      await world.settle();
    }
    expect(world.views.counters.storedStates).toBe(4);
    expect(await world.engine.head(VIEWS_ENTITY, 'n.e.a')).toMatchObject({
      firstOffset: 4,
      position: { offset: 4 },
    });
  });

  test('is forgotten with its topic', async () => {
    await open({ families: [familyOf(['n.*'], SUM)], retention: { maxAgeMs: 1000 } });
    await fill('n.a', 2000);
    await sumOf('n.a');
    await fill('n.b.c', 2000);
    await sumOf('n.b.c');
    await until(async () => (await stored()).length === 2, 'states to be stored');
    await world.hub.deleteTopic(ENTITY, 'n.a');
    expect(await stored()).toEqual(['n.e.b.c']);
    // Retention empties the other one, and the engine forgets it after a while.
    for (let minute = 0; minute < 25; minute++) {
      world.clock.advance(60_000);
      await world.settle(3);
    }
    expect(await world.engine.head(ENTITY, 'n.b.c')).toBeUndefined();
    await until(async () => (await stored()).length === 0, 'the state to be forgotten');
  });
});
