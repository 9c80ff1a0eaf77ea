import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { ManualClock, type SseBlock, type SseClient, TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `sse-${++tests}`;
});

async function stream(query: string, headers: Record<string, string> = {}): Promise<SseClient> {
  const client = await server.stream(`/events${query}`, { entity }, headers);
  if ((await client.answered).status === 200) {
    await client.until(({ blocks }) => blocks.length > 0, 'the first block');
  }
  return client;
}

async function publish(topic: string, data: unknown, event = 'x') {
  return server.server.publish(topic, event, data, { entity });
}

const dataOf = (blocks: readonly { data: string }[]): unknown[] =>
  blocks.map(({ data }) => JSON.parse(data) as unknown);

/** Publishes one last event, and returns all that came before it. */
async function before(client: SseClient, topic: string): Promise<(SseBlock & { data: string })[]> {
  await publish(topic, 'end');
  await client.until(({ events }) => events.some(({ data }) => data === '"end"'), 'the last event');
  return client.events.slice(
    0,
    client.events.findIndex(({ data }) => data === '"end"'),
  );
}

async function answerOf(path: string, headers: Record<string, string>) {
  const response = await fetch(server.origin + path, { headers });
  const body = (await response.json()) as { code?: string };
  return [response.status, body.code, response.headers.get('content-type')];
}

describe('the event stream', () => {
  test('[SSE-1] has the head of an event stream, and each event as id, name and data', async () => {
    const client = await stream('?topics=a.b');
    const { status, headers } = await client.answered;
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/event-stream');
    expect(headers['cache-control']).toContain('no-cache');
    const data = { text: 'line\nbreak "quoted" ж😀', list: [1, null] };
    await publish('a.b', data, 'named event');
    const [event] = await client.take(1);
    expect(event).toEqual({ id: expect.any(String), event: 'named event', data: JSON.stringify(data) });
    client.close();
  });

  test('[SSE-1] takes names and patterns; without `topics`, everything the token may read', async () => {
    const some = await stream('?topics=a.b,c.*');
    const all = await stream('');
    for (const topic of ['a.b', 'a.c', 'c.d', 'c.d.e', 'user.tester', 'user.other'])
      await publish(topic, topic);
    // What is sent to the user comes without being asked for ([SEND-1]).
    expect(dataOf(await before(some, 'a.b'))).toEqual(['a.b', 'c.d', 'c.d.e', 'user.tester']);
    expect(dataOf(await before(all, 'a.b')).filter((data) => data !== 'end')).toEqual([
      'a.b',
      'a.c',
      'c.d',
      'c.d.e',
      'user.tester',
    ]);
    some.close();
    all.close();
  });

  test('[SSE-1] `format=full` has the whole event as the native door sends it', async () => {
    const native = await server.connect('/ws', { entity });
    native.send({ type: 'subscribe', topic: 'a.b' });
    await native.next('subscribed');
    const client = await stream('?topics=a.b&format=full');
    await publish('a.b', { n: 1 });
    const [event] = await client.take(1);
    await native.next('event');
    expect(event?.data).toBe(native.texts.at(-1));
    client.close();
    native.close();
  });

  test('[SSE-1] an event that two of the topics select comes once', async () => {
    const client = await stream('?topics=a.b,a.*,*');
    await publish('a.b', 1);
    await publish('a.b', 2);
    expect(dataOf(await before(client, 'a.b'))).toEqual([1, 2]);
    client.close();
  });

  const refusals: [string, string, string, number, string][] = [
    ['no token', '/events?topics=a', '', 401, 'unauthorized'],
    ['a forged token', '/events?topics=a', 'Bearer forged', 401, 'unauthorized'],
    ['a bad topic', '/events?topics=a..b', 'ok', 400, 'bad-topic'],
    ['an empty list', '/events?topics=', 'ok', 400, 'bad-topic'],
    ['another’s inbox', '/events?topics=user.other', 'ok', 403, 'forbidden'],
    ['an unreadable since', '/events?topics=a&since=nonsense', 'ok', 400, 'bad-position'],
    ['a position for a pattern', '/events?topics=a.*&since=abc:1', 'ok', 400, 'bad-position'],
    ['a position for several topics', '/events?topics=a,b&since=abc:1', 'ok', 400, 'bad-position'],
    ['an unreadable time', '/events?topics=a&time=yesterday', 'ok', 400, 'bad-position'],
    ['an unreadable count', '/events?topics=a&last=0', 'ok', 400, 'bad-message'],
    ['two beginnings', '/events?topics=a&last=1&since=earliest', 'ok', 400, 'bad-message'],
    [
      'a misspelt name, with which everything would be streamed,',
      '/events?topic=a',
      'ok',
      400,
      'bad-message',
    ],
    ['an unreadable filter', '/events?topics=a&filter=%5B%5D', 'ok', 400, 'bad-message'],
  ];
  test.each(refusals)(
    '[SSE-1] [HTTP-6] %s is refused before the stream begins',
    async (_, path, token, status, code) => {
      const authorization = token === 'ok' ? `Bearer ${await server.token({ entity })}` : token;
      const headers: Record<string, string> = authorization === '' ? {} : { authorization };
      expect(await answerOf(path, headers)).toEqual([status, code, 'application/problem+json']);
    },
  );

  test('[HTTP-6] names that nobody could have meant otherwise are let through', async () => {
    const client = await stream('?topics=a.b&_=17&utm_source=x');
    expect((await client.answered).status).toBe(200);
    client.close();
  });

  test('[SSE-2] [REC-7] `last` and `time` begin a stream of any topics; an id from within resumes there', async () => {
    const topics = ['a.one', 'host.live', 'b.x', 'a.one', 'host.live', 'b.x'];
    const clock = new ManualClock();
    const timed = await TestServer.start({ clock });
    const open = (query: string, headers: Record<string, string> = {}) =>
      timed.stream(`/events${query}`, { sub: 'u', clock }, headers);
    for (const [n, topic] of topics.entries()) {
      clock.advance(1);
      await timed.server.publish(topic, 'x', n);
    }
    for (const [query, expected] of [
      ['?topics=a.one,b.*,host.live&last=4', [2, 3, 5, 4]],
      ['?topics=a.one,b.*,host.live&last', [0, 2, 3, 5, 1, 4]],
      ['?topics=b.*&time=2020-01-01', [2, 5]],
      ['?topics=a.one&last=1', [3]],
      ['?topics=*&time=2999-01-01', []],
      [`?topics=*&last=5&filter=${encodeURIComponent('{"topic":["b.x","host.live"]}')}`, [2, 5, 1, 4]],
    ] as const) {
      const client = await open(query);
      const events = await client.take(expected.length);
      expect(dataOf(events)).toEqual(expected);
      client.close();
      // The beginning stays in the address when a browser comes back; where it has come to counts.
      for (const [index, { id = '' }] of events.entries()) {
        const again = await open(query, { 'last-event-id': id });
        expect(dataOf(await again.take(expected.length - index - 1))).toEqual(expected.slice(index + 1));
        expect(again.events.some(({ event }) => event === 'gap')).toBe(false);
        again.close();
      }
    }
    await timed.close();
  });

  test('[SSE-2] `Last-Event-ID` resumes every topic and pattern, after each single event, exactly', async () => {
    const query = '?topics=a.one,b.*,host.live';
    const first = await stream(query);
    const topics = ['a.one', 'b.x', 'host.live', 'b.y', 'a.one', 'host.live', 'b.new.born', 'a.other'];
    for (const [index, topic] of topics.entries()) await publish(topic, index);
    const all = await before(first, 'a.one');
    expect(dataOf(all).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const [index, { id = '' }] of all.entries()) {
      const resumed = await stream(query, { 'last-event-id': id });
      const rest = dataOf(await before(resumed, 'a.one'));
      const missing = dataOf(all.slice(index + 1));
      // The two engines’ logs are merged anew; within each the order is the log’s.
      expect(rest.filter((data) => data !== 'end').toSorted()).toEqual(missing.toSorted());
      resumed.close();
    }
    first.close();
  });

  test('[SSE-2] resuming again and again in the middle of a replay repeats and skips nothing', async () => {
    const total = 60;
    for (let i = 0; i < total; i++) await publish(['a.one', 'b.x', 'host.live', 'b.y'][i % 4] ?? '', i);
    for (const query of [
      '?topics=a.one,b.*,host.live&since=earliest',
      '?since=earliest',
      '?topics=b.x&since=earliest',
    ]) {
      const expected = query.includes('b.x')
        ? Array.from({ length: total / 4 }, (_, i) => i * 4 + 1)
        : Array.from({ length: total }, (_, i) => i);
      const seen: unknown[] = [];
      let lastEventId: string | undefined;
      while (seen.length < expected.length) {
        const client = await stream(query, lastEventId === undefined ? {} : { 'last-event-id': lastEventId });
        // As if the connection were cut after seven events.
        const got = await client.take(Math.min(7, expected.length - seen.length));
        lastEventId = got.at(-1)?.id;
        expect(lastEventId).toMatch(/./);
        seen.push(...dataOf(got));
        client.close();
      }
      expect((seen as number[]).toSorted((a, b) => a - b)).toEqual(expected);
    }
  });

  test('[SSE-2] when it is not possible, an event `gap` with the reason comes first', async () => {
    const gone = 'lxxxxxx.5~dyyyyyy.7';
    for (const query of ['?topics=a.b', '?topics=a.b,c.*', '']) {
      const client = await stream(query, { 'last-event-id': gone });
      await publish('a.b', 'after');
      const [gap, event] = await client.take(2);
      expect(gap).toMatchObject({ event: 'gap', data: '{"reason":"epoch"}' });
      expect(event).toMatchObject({ event: 'x', data: '"after"' });
      client.close();
    }
  });

  test('[REC-4] a position or cursor taken at one door resumes at any other', async () => {
    const first = await publish('doors.a', 1);
    const native = await server.connect('/ws', { entity });
    native.send({ type: 'subscribe', topic: 'doors.a' });
    const { cursor, position } = await native.next('subscribed');
    await publish('doors.a', 2);
    await publish('doors.a', 3);
    for (const since of [cursor, position ?? '', `${first.epoch}:1`]) {
      const sse = await stream(`?topics=doors.a&since=${encodeURIComponent(since)}`);
      expect(dataOf(await sse.take(2))).toEqual([2, 3]);
      const ids = (await sse.take(2)).map(({ id }) => id ?? '');
      for (const path of ['/ws', '/ws/doors/a']) {
        const query = path === '/ws' ? '' : `?since=${encodeURIComponent(ids[0] ?? '')}`;
        const client = await server.connect(path + query, { entity });
        if (path === '/ws') client.send({ type: 'subscribe', topic: 'doors.a', since: ids[0] });
        await client.next((path === '/ws' ? 'event' : 'x') as 'event');
        expect(client.messages.at(-1)).toMatchObject({ data: 3 });
        client.close();
      }
      sse.close();
    }
    native.close();
  });

  test('[SSE-3] a comment keeps a silent stream alive, and carries an id once the cursor moved', async () => {
    const clock = new ManualClock();
    const timed = await TestServer.start({ clock });
    const client = await timed.stream('/events?topics=quiet.a', { clock, ttlMs: 86_400_000 });
    await client.until(({ blocks }) => blocks.length > 0, 'the first block');
    const comments = () => client.blocks.filter(({ comment }) => comment !== undefined).length;
    for (let i = 1; i <= 8; i++) {
      clock.advance(32_000);
      await client.until(() => comments() >= i, 'a comment');
    }
    const { lastEventId } = client;
    const witness = await timed.connect('/ws', { clock });
    witness.send({ type: 'subscribe', topic: 'loud.a' });
    await witness.next('subscribed');
    await timed.server.publish('loud.a', 'x', 1);
    await witness.next('event');
    clock.advance(32_000);
    await client.until((each) => each.lastEventId !== lastEventId, 'an id');
    expect(client.events).toEqual([]);
    const resumed = await timed.stream(
      '/events?topics=loud.a,quiet.a',
      { clock, ttlMs: 86_400_000 },
      {
        'last-event-id': client.lastEventId ?? '',
      },
    );
    await timed.server.publish('quiet.a', 'x', 2);
    expect(dataOf(await resumed.take(1))).toEqual([2]);
    for (const each of [client, resumed, witness]) each.close();
    await timed.close();
  });

  test('[SSE-4] the first block has `retry` and, when nothing is to be replayed, an id to resume from', async () => {
    const client = await stream('?topics=a.*');
    const [first] = client.blocks;
    expect(first).toEqual({ retry: expect.stringMatching(/^\d+$/), id: expect.stringMatching(/./) });
    client.close();
    await publish('a.b', 'while away');
    const resumed = await stream('?topics=a.*', { 'last-event-id': first?.id ?? '' });
    expect(resumed.blocks[0]).not.toHaveProperty('id');
    expect(dataOf(await resumed.take(1))).toEqual(['while away']);
    resumed.close();
  });

  test('[SSE-4] resumed by a position, the ids of one topic’s replay are positions', async () => {
    const { epoch } = await publish('a.b', 1);
    await publish('a.b', 2);
    await publish('a.b', 3);
    const client = await stream(`?topics=a.b&since=${epoch}:1`);
    expect((await client.take(2)).map(({ id }) => id)).toEqual([`${epoch}:2`, `${epoch}:3`]);
    client.close();
  });

  test('[AUTH-5] a stream ends when its token expires', async () => {
    const clock = new ManualClock();
    const timed = await TestServer.start({ clock });
    const client = await timed.stream('/events?topics=a', { clock, ttlMs: 20_000 });
    await client.until(({ blocks }) => blocks.length > 0, 'the first block');
    clock.advance(22_000);
    await client.ended;
    await timed.close();
  });

  // Only its own side was closed: the socket stayed for as long as the client liked.
  test('[AUTH-5] a stream that ended is let go of although its client does not close', async () => {
    const clock = new ManualClock();
    const timed = await TestServer.start({ clock });
    const shared = createServer();
    timed.server.attach(shared);
    await new Promise<void>((resolve) => shared.listen(0, resolve));
    const { port } = shared.address() as AddressInfo;
    const tcp = connect({ port, allowHalfOpen: true });
    let answered = false;
    tcp.on('data', () => {
      answered = true;
    });
    const token = await timed.token({ clock, ttlMs: 20_000 });
    tcp.write(`GET /events?topics=a&token=${token} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until(() => answered, 'the stream');
    clock.advance(22_000);
    const connections = () =>
      new Promise<number>((resolve) => shared.getConnections((_, count) => resolve(count)));
    await until(async () => (await connections()) === 0, 'the server to let go of the socket');
    tcp.destroy();
    shared.close();
    await timed.close();
  });
});
