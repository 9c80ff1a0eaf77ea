import { MillraceError, parseFilter } from '@millrace/protocol';
import { TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HubWorld, type HubWorldOptions, type Line, WITH_CURSORS } from './fixtures/hub-world.ts';

const EVEN = parseFilter({ 'data.even': true });
const datum = (n: number) => ({ n, even: n % 2 === 0 });
const numbers = (lines: readonly Line[]): number[] =>
  lines.flatMap((line) => (line.type === 'event' ? [(line.data as { n: number }).n] : []));

async function worldWith(count: number, options: HubWorldOptions = {}): Promise<HubWorld> {
  const world = new HubWorld(options);
  await world.publishAll(Array.from({ length: count }, (_, i) => ['a.b', datum(i + 1)] as const));
  return world;
}

describe('a filter', () => {
  test.each([
    ['memory', { maxRecentBytes: 1_000_000 }],
    ['the log', { maxRecentBytes: 1 }],
  ])('[FILT-2] is applied alike live, and in a replay from %s', async (_, options) => {
    const world = await worldWith(6, options);
    for (const name of ['a.b', 'a.*']) {
      const session = await world.session();
      await session.subscribe(name, { filter: EVEN, start: { kind: 'earliest' } });
      expect(numbers(session.take())).toEqual([2, 4, 6]);
      const offset = (await world.engine.head('e', 'a.b'))?.position.offset ?? 0;
      await world.publish('a.b', datum(offset + 1));
      await world.publish('a.b', datum(offset + 2));
      expect(numbers(session.take())).toEqual([offset + 2].filter((n) => n % 2 === 0));
      await world.engine.delete('e', 'a.b');
      await world.publishAll(Array.from({ length: 6 }, (__, i) => ['a.b', datum(i + 1)] as const));
    }
  });

  test('[FILT-2] is applied to what a slow session reads on from the log', async () => {
    const world = await worldWith(0, { maxBytesInFlight: 300 });
    const session = await world.session();
    await session.subscribe('a.b', { filter: EVEN });
    session.stall();
    for (let n = 1; n <= 40; n++) await world.publish('a.b', datum(n));
    await session.read();
    const lines = session.take();
    expect(lines.some(({ type }) => type === 'lag')).toBe(true);
    expect(numbers(lines)).toEqual(Array.from({ length: 20 }, (_, i) => 2 * i + 2));
  });

  test('[FILT-3] is asked once for all sessions that have it', async () => {
    const world = await worldWith(0);
    let asked = 0;
    const original = JSON.parse;
    for (let i = 0; i < 10; i++) {
      const session = await world.session();
      await session.subscribe('a.b', { filter: EVEN });
    }
    await world.publish('a.b', datum(1));
    JSON.parse = ((text: string) => {
      if (text.includes('counted')) asked++;
      return original(text);
    }) as typeof JSON.parse;
    try {
      await world.engine.append([
        { entity: 'e', topic: 'a.b', event: 'x', data: '{"even":false,"note":"counted"}' },
      ]);
      await world.settle();
    } finally {
      JSON.parse = original;
    }
    expect(asked).toBe(1);
  });

  test('[FILT-4] moves the client on while it keeps everything back, live at most once a second', async () => {
    const world = await worldWith(0);
    const session = await world.session();
    await session.subscribe('a.b', { filter: EVEN });
    for (let n = 0; n < 30; n++) {
      await world.publish('a.b', datum(1));
      await world.advance(100);
    }
    const positions = session.take().filter(({ type }) => type === 'position');
    expect(positions.length).toBeGreaterThanOrEqual(2);
    expect(positions.length).toBeLessThanOrEqual(4);
  });

  test('[FILT-4] moves the client on at the end of a replay, whatever it let through', async () => {
    const world = await worldWith(5, { maxRecentBytes: 1 });
    const session = await world.session();
    const answer = await session.subscribe('a.b', {
      filter: parseFilter({ 'data.n': 99 }),
      start: { kind: 'earliest' },
    });
    const head = await world.engine.head('e', 'a.b');
    expect(answer).toMatchObject({ recovered: true, replayed: 5 });
    expect(session.take()).toEqual([
      { type: 'position', topic: 'a.b', position: `${head?.position.epoch}:5` },
    ]);
    const pattern = await world.session();
    await pattern.subscribe('a.*', { filter: EVEN, start: { kind: 'earliest' } });
    const last = pattern.take().at(-1);
    expect(last).toMatchObject({ type: 'position', topic: 'a.*' });
    expect(last?.cursor).toBeTypeOf('string');
  });

  test('[FILT-4] one that lets nothing through never ends in `expired`', async () => {
    const world = await worldWith(0, { retention: { maxEvents: 50 } });
    const session = await world.session();
    await session.subscribe('a.b', { filter: parseFilter({ 'data.n': -1 }) });
    for (let round = 0; round < 5; round++) {
      await world.publishAll(Array.from({ length: 40 }, (_, i) => ['a.b', datum(i)] as const));
      await world.advance(1000);
    }
    await world.publish('a.b', datum(0));
    const { cursor } = session.take().findLast(({ type }) => type === 'position') as { cursor: string };
    const { parseCursor } = await import('@millrace/protocol');
    const again = await world.session();
    const parsed = parseCursor(cursor);
    if (parsed === undefined) throw new Error('not a cursor');
    expect(
      await again.subscribe('a.b', { filter: EVEN, start: { kind: 'cursor', cursor: parsed } }),
    ).toMatchObject({ recovered: true });
  });

  test('[FILT-4] tells an event stream an id of what it kept back', async () => {
    const world = await worldWith(0);
    const session = await world.session({ dialect: WITH_CURSORS });
    await session.subscribe('a.b', { filter: EVEN });
    session.take();
    await world.advance(1000);
    await world.publish('a.b', datum(1));
    expect(session.take()).toEqual([{ type: 'position', cursor: expect.any(String) }]);
  });

  test('[SUB-4] an event that one of several subscriptions lets through is delivered once', async () => {
    const world = await worldWith(0);
    const session = await world.session();
    await session.subscribe('a.b', { filter: EVEN });
    await session.subscribe('a.*', { filter: parseFilter({ 'data.n': [1, 2] }) });
    for (const n of [1, 2, 3, 4]) await world.publish('a.b', datum(n));
    expect(numbers(session.take())).toEqual([1, 2, 4]);
  });
});

describe('at the doors', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(() => server.close());

  test('[FILT-1] a WebSocket client is given what its filter lets through; a bad filter names the condition', async () => {
    const entity = 'filter-ws';
    const client = await server.connect('/ws', { entity });
    client.send({ type: 'subscribe', id: 1, topic: 'pay.*', filter: { minAmount: 100, types: ['paid'] } });
    await client.next('subscribed');
    await server.server.publish('pay.a', 'paid', { amount: 99 }, { entity });
    await server.server.publish('pay.a', 'asked', { amount: 200 }, { entity });
    await server.server.publish('pay.b', 'paid', { amount: 100 }, { entity });
    expect(await client.next('event')).toMatchObject({ topic: 'pay.b', data: { amount: 100 } });
    client.send({ type: 'subscribe', id: 2, topic: 'pay.a', filter: { 'data.x': { like: 1 } } });
    expect(await client.next('error')).toMatchObject({
      id: 2,
      code: 'bad-message',
      details: { path: '/filter/data.x' },
    });
    client.close();
  });

  test('[FILT-5] an event stream and a bare path take a filter in their query', async () => {
    const entity = 'filter-query';
    const query = `filter=${encodeURIComponent('{"data.ok":true}')}`;
    const stream = await server.stream(`/events?topics=q.a&${query}`, { entity });
    const bare = await server.connect(`/ws/q/a?${query}`, { entity });
    await stream.until(({ blocks }) => blocks.length > 0, 'the first block');
    await server.server.publish('q.a', 'x', { ok: false, n: 1 }, { entity });
    await server.server.publish('q.a', 'x', { ok: true, n: 2 }, { entity });
    const [event] = await stream.take(1);
    expect(JSON.parse(event?.data ?? '')).toEqual({ ok: true, n: 2 });
    expect(await bare.next('x' as 'event')).toMatchObject({ n: 2 });
    stream.close();
    bare.close();
    await expect(server.connect('/ws/q/a?filter=nonsense', { entity })).rejects.toMatchObject({
      status: 400,
    });
  });

  test('[FILT-1] names what a filter may not be', () => {
    expect(() => parseFilter({ 'data.a': { regex: 'x' } })).toThrow(MillraceError);
  });
});
