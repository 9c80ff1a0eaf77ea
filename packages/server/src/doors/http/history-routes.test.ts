import type { MillraceEvent } from '@millrace/protocol';
import { ApiClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Problem } from '../problem.ts';

interface PageEnd {
  readonly next?: string;
  readonly filtered?: number;
}

interface TopicPage extends PageEnd {
  readonly events: readonly MillraceEvent[];
  readonly position: string;
  readonly behind: number;
  readonly sealed: boolean;
}

interface Page extends PageEnd {
  readonly events: readonly MillraceEvent[];
  readonly cursor: string;
  readonly behind: number;
}

let server: TestServer;
let api: ApiClient;
let names = 0;

/** The first part of topics that no other test reads. */
const fresh = (): string => `history.t${++names}`;

beforeAll(async () => {
  // A namespace that keeps five events, and trims at once.
  const brief = { durability: 'live', retention: { maxEvents: 5 } } as const;
  server = await TestServer.start({ namespaces: { brief } });
  api = new ApiClient(server.origin, await server.token());
});

afterAll(() => server.close());

async function fill(topic: string, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => ({ topic, event: 'x', data: n + 1 }));
  expect((await api.post('/api/v1/events', { events })).status).toBe(200);
}

const history = (topic: string, query = ''): ReturnType<typeof api.get<TopicPage & Problem>> =>
  api.get<TopicPage & Problem>(`/api/v1/topics/${topic}/events${query}`);

const offsets = ({ events }: { events: readonly MillraceEvent[] }): number[] =>
  events.map(({ offset }) => offset);

describe('one topic', () => {
  test('[HTTP-3] reads page by page from the oldest event, to the head', async () => {
    const topic = fresh();
    await fill(topic, 5);
    const first = (await history(topic, '?limit=2')).body;
    expect(offsets(first)).toEqual([1, 2]);
    expect(first).toMatchObject({ behind: 3, sealed: false });
    const second = (await history(topic, `?limit=2&after=${first.position}`)).body;
    expect(offsets(second)).toEqual([3, 4]);
    const third = (await history(topic, `?limit=2&after=${second.position}`)).body;
    expect(offsets(third)).toEqual([5]);
    expect(third.behind).toBe(0);
    expect(await history(topic, `?after=${third.position}`)).toMatchObject({
      status: 200,
      body: { events: [], position: third.position, behind: 0 },
    });
  });

  test('[HTTP-3] [EVT-2] an event is the same as at the WebSocket door, byte for byte', async () => {
    const topic = fresh();
    const client = await server.connect('/ws');
    client.send({ type: 'subscribe', topic });
    await client.next('subscribed');
    await fill(topic, 1);
    await client.next('event');
    const { text } = await history(topic);
    expect(text).toContain(client.texts.at(-1));
    client.close();
  });

  test('[HTTP-3] `last` gives the newest events, and `from` those since a time', async () => {
    const topic = fresh();
    await fill(topic, 4);
    expect(offsets((await history(topic, '?last=2')).body)).toEqual([3, 4]);
    expect(offsets((await history(topic, '?last=100')).body)).toEqual([1, 2, 3, 4]);
    const { body } = await history(topic, '?last=3&limit=1');
    expect(offsets(body)).toEqual([2]);
    expect(body.behind).toBe(2);
    expect(offsets((await history(topic, '?last=5000&limit=1')).body)).toEqual([1]);
    expect(offsets((await history(topic, '?from=2020-01-01T00:00:00Z')).body)).toEqual([1, 2, 3, 4]);
    expect(offsets((await history(topic, '?from=2999-01-01T00:00:00Z')).body)).toEqual([]);
  });

  test('[HTTP-3] `?last` without a number is 100, and `next` leads to the head, whatever a page began with', async () => {
    const topic = fresh();
    await fill(topic, 120);
    const all = Array.from({ length: 120 }, (_, n) => n + 1);
    expect(offsets((await history(topic, '?last')).body)).toEqual(all.slice(20));
    expect(offsets((await history(topic, '?last=')).body)).toEqual(all.slice(20));
    const starts: [string, number[]][] = [
      ['', all],
      ['since=earliest', all],
      ['last=50', all.slice(70)],
      ['from=2020-01-01', all],
    ];
    for (const [start, expected] of starts) {
      const seen: number[] = [];
      for (let query: string | undefined = start; query !== undefined; ) {
        const { body }: { body: TopicPage } = await history(topic, `?limit=33&${query}`);
        seen.push(...offsets(body));
        expect(body.behind).toBe(expected.length - seen.length);
        query = body.next === undefined ? undefined : `since=${body.next}`;
      }
      expect(seen).toEqual(expected);
    }
  });

  test('[HTTP-3] [FILT-1] a filter keeps events back, and the page says how many and moves on past them', async () => {
    const topic = fresh();
    await fill(topic, 25);
    const filter = (test: object) => `filter=${encodeURIComponent(JSON.stringify(test))}`;
    await api.post('/api/v1/events', { topic, event: 'y', data: { amount: 7 } });
    const all = (await history(topic, `?${filter({ event: 'x' })}`)).body;
    expect(offsets(all)).toHaveLength(25);
    expect(all).toMatchObject({ filtered: 1, behind: 0, position: expect.stringMatching(/:26$/) });
    expect(all.next).toBeUndefined();
    // Nothing passes in the first pages: they are looked through for one that has something.
    const rare = (await history(topic, `?limit=10&${filter({ minAmount: 5 })}`)).body;
    expect(rare).toMatchObject({ events: [{ offset: 26 }], filtered: 25, behind: 0 });
    const none = (await history(topic, `?limit=10&${filter({ event: 'z' })}`)).body;
    expect(none).toMatchObject({ events: [], filtered: 26, behind: 0, position: all.position });
    const last = (await history(topic, `?last=2&${filter({ event: 'y' })}`)).body;
    expect(last).toMatchObject({ events: [{ offset: 26 }], filtered: 1 });
    expect((await history(topic)).body.filtered).toBeUndefined();
  });

  test('[HTTP-3] a filter that lets nothing through ends its page after 10,000 events', async () => {
    const topic = fresh();
    for (let n = 0; n < 12; n++) await fill(topic, 1000);
    const { body } = await history(topic, '?limit=1000&filter={"event":"never"}');
    expect(body).toMatchObject({ events: [], filtered: 10_000, behind: 2000, next: body.position });
    const rest = await history(topic, `?limit=1000&filter={"event":"never"}&since=${body.next}`);
    expect(rest.body).toMatchObject({ events: [], filtered: 2000, behind: 0 });
  });

  test('[HTTP-3] [REC-4] `since` takes the cursor of another door', async () => {
    const topic = fresh();
    await fill(topic, 2);
    const client = await server.connect('/ws');
    client.send({ type: 'subscribe', topic: `${topic}.*` });
    const { cursor } = await client.next('subscribed');
    client.close();
    await fill(topic, 3);
    const { body } = await history(topic, `?since=${cursor}`);
    expect(offsets(body)).toEqual([3, 4, 5]);
    expect(body).toMatchObject({ behind: 0, position: expect.stringMatching(/:5$/) });
    const none = await history(
      topic,
      `?since=${(await api.get<Page>('/api/v1/events?topics=a')).body.cursor}`,
    );
    expect(none.body).toMatchObject({ events: [], position: body.position });
    expect(offsets((await history(topic, '?since=earliest')).body)).toEqual([1, 2, 3, 4, 5]);
  });

  test('[HTTP-3] a topic that does not exist reads as an empty log, which can be read on from', async () => {
    const topic = fresh();
    const { status, body } = await history(topic);
    expect({ status, body }).toMatchObject({ status: 200, body: { events: [], behind: 0, sealed: false } });
    await fill(topic, 1);
    expect(offsets((await history(topic, `?after=${body.position}`)).body)).toEqual([1]);
  });

  test('[HTTP-3] what retention removed is 410 `expired`, with the head', async () => {
    const topic = `brief.${++names}`;
    await fill(topic, 3);
    const { position } = (await history(topic, '?limit=1')).body;
    await fill(topic, 7);
    const { status, body } = await history(topic, `?after=${position}`);
    expect({ status, body }).toMatchObject({
      status: 410,
      body: { code: 'expired', details: { position: expect.stringMatching(/:10$/) } },
    });
    expect(offsets((await history(topic)).body)).toEqual([6, 7, 8, 9, 10]);
  });

  test('[HTTP-3] a position of another log is 409 `epoch`', async () => {
    const topic = fresh();
    await fill(topic, 3);
    const { position } = (await history(topic)).body;
    await api.delete(`/api/v1/topics/${topic}`);
    await fill(topic, 3);
    expect(await history(topic, `?after=${position}`)).toMatchObject({
      status: 409,
      body: { code: 'epoch' },
    });
    const beyond = (await history(topic)).body.position.replace(/:3$/, ':4');
    expect(await history(topic, `?after=${beyond}`)).toMatchObject({ status: 409, body: { code: 'epoch' } });
  });

  test('[HTTP-3] [SUB-8] says that the topic is sealed', async () => {
    const topic = fresh();
    await api.post('/api/v1/events', { topic, event: 'end', data: 0, seal: true });
    expect((await history(topic)).body).toMatchObject({
      sealed: true,
      behind: 0,
      events: [{ sealed: true }],
    });
  });

  test.each([
    ['?after=nowhere', 'bad-position'],
    ['?since=!', 'bad-position'],
    ['?from=yesterday', 'bad-position'],
    ['?last=0', 'bad-message'],
    ['?last=many', 'bad-message'],
    ['?limit=0', 'bad-message'],
    ['?limit=1001', 'bad-message'],
    ['?limit=1.5', 'bad-message'],
    ['?limit=', 'bad-message'],
    ['?limit=1e3', 'bad-message'],
    ['?last=1&after=a:1', 'bad-message'],
    ['?since=earliest&from=2020-01-01', 'bad-message'],
    ['?filter=x', 'bad-message'],
    ['?filter=[]', 'bad-message'],
    ['?filter={"colour":"red"}', 'bad-message'],
    ['?limits=5', 'bad-message'],
  ])('[HTTP-1] [HTTP-6] %s is refused', async (query, code) => {
    expect(await history('history.a', query)).toMatchObject({ status: 400, body: { code } });
  });

  test('[HTTP-1] a name that is no topic is 400, one that the token may not read 403', async () => {
    expect(await history('a%2Fb')).toMatchObject({ status: 400, body: { code: 'bad-topic' } });
    expect(await history('a.*')).toMatchObject({ status: 400, body: { code: 'bad-topic' } });
    expect(await history('a'.repeat(300))).toMatchObject({ status: 400, body: { code: 'bad-topic' } });
    const narrow = new ApiClient(server.origin, await server.token({ topics: { subscribe: ['task.*'] } }));
    expect(await narrow.get('/api/v1/topics/task.a/events')).toMatchObject({ status: 200 });
    expect(await narrow.get('/api/v1/topics/chat.a/events')).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
  });
});

describe('many topics', () => {
  const read = (query: string): ReturnType<typeof api.get<Page & Problem>> =>
    api.get<Page & Problem>(`/api/v1/events${query}`);

  test('[HTTP-3] [REC-6] reads on by cursor, topics that were born meanwhile included', async () => {
    const name = fresh();
    await fill(`${name}.a`, 2);
    await fill(`${name}.b`, 2);
    const first = (await read(`?topics=${name}.*&limit=3`)).body;
    expect(first.events.map(({ topic, offset }) => [topic, offset])).toEqual([
      [`${name}.a`, 1],
      [`${name}.a`, 2],
      [`${name}.b`, 1],
    ]);
    expect(first.behind).toBe(1);
    await fill(`${name}.c`, 1);
    const second = (await read(`?topics=${name}.*&since=${first.cursor}`)).body;
    expect(second.events.map(({ topic, offset }) => [topic, offset])).toEqual([
      [`${name}.b`, 2],
      [`${name}.c`, 1],
    ]);
    expect(second.behind).toBe(0);
  });

  test('[HTTP-3] [REC-4] its cursor resumes at another door', async () => {
    const name = fresh();
    await fill(`${name}.a`, 2);
    const { cursor } = (await read(`?topics=${name}.*`)).body;
    await fill(`${name}.a`, 1);
    const client = await server.connect('/ws');
    client.send({ type: 'subscribe', topic: `${name}.*`, since: cursor });
    expect(await client.next('subscribed')).toMatchObject({ recovered: true, replayed: 1 });
    expect(await client.next('event')).toMatchObject({ offset: 3 });
    client.close();
  });

  test('[HTTP-3] [REC-7] `last` and `from` count over all topics that match, and `next` leads to the head', async () => {
    const name = fresh();
    for (let n = 0; n < 6; n++) {
      await api.post('/api/v1/events', { topic: `${name}.${n % 3}`, event: 'x', data: n });
    }
    const dataOf = ({ events }: Page) => events.map(({ data }) => data);
    const newest = (await read(`?topics=${name}.*&last=4&limit=3`)).body;
    expect(dataOf(newest)).toEqual([2, 3, 4]);
    expect(newest).toMatchObject({ behind: 1, next: newest.cursor });
    const rest = (await read(`?topics=${name}.*&since=${newest.next}`)).body;
    expect(dataOf(rest)).toEqual([5]);
    expect(rest.next).toBeUndefined();
    expect(dataOf((await read(`?topics=${name}.*&last`)).body)).toEqual([0, 1, 2, 3, 4, 5]);
    const from = newest.events[0]?.timestamp ?? '';
    expect(dataOf((await read(`?topics=${name}.*&from=${from}`)).body)).toEqual(
      expect.arrayContaining([2, 3, 4, 5]),
    );
    expect(dataOf((await read(`?topics=${name}.*&from=2999-01-01`)).body)).toEqual([]);
    const filtered = (await read(`?topics=${name}.*&filter={"topic":"${name}.1"}`)).body;
    expect(dataOf(filtered)).toEqual([1, 4]);
    expect(filtered).toMatchObject({ filtered: 4, behind: 0 });
  });

  test('[HTTP-3] without `topics` it reads everything that the token may read', async () => {
    const name = fresh();
    await fill(`${name}.a`, 1);
    await fill(`${name}.b`, 1);
    const token = await server.token({ topics: { subscribe: [`${name}.b`, 'nothing.*'] } });
    const { body } = await new ApiClient(server.origin, token).get<Page>('/api/v1/events');
    expect(body.events.map(({ topic }) => topic)).toEqual([`${name}.b`]);
  });

  test('[HTTP-3] what retention removed is 410 `expired`', async () => {
    const topic = `brief.${++names}`;
    await fill(topic, 1);
    const { cursor } = (await read(`?topics=${topic}`)).body;
    await fill(topic, 10);
    expect(await read(`?topics=brief.*&since=${cursor}`)).toMatchObject({
      status: 410,
      body: { code: 'expired' },
    });
  });

  test.each([
    ['?topics=a..b', 400, 'bad-topic'],
    ['?topics=', 400, 'bad-topic'],
    ['?topics=a&since=a:1', 400, 'bad-position'],
    ['?topics=a&since=!', 400, 'bad-position'],
    ['?topics=a&limit=0', 400, 'bad-message'],
    ['?topics=a&from=yesterday', 400, 'bad-position'],
    ['?topics=a&last=1&since=earliest', 400, 'bad-message'],
    ['?topics=a&last=10001', 400, 'bad-position'],
    ['?topics=a&filter={', 400, 'bad-message'],
    ['?topics=user.somebody', 403, 'forbidden'],
    [`?topics=${Array(129).fill('a').join(',')}`, 429, 'too-many-subscriptions'],
  ])('[HTTP-1] %s is refused', async (query, status, code) => {
    expect(await read(query)).toMatchObject({ status, body: { code } });
  });

  test('[HTTP-1] a pattern that the token does not cover is 403', async () => {
    const narrow = new ApiClient(server.origin, await server.token({ topics: { subscribe: ['task.*'] } }));
    expect(await narrow.get('/api/v1/events?topics=*')).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
  });
});
