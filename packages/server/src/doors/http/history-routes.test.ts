import type { MillraceEvent } from '@millrace/protocol';
import { ApiClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Problem } from '../problem.ts';

interface TopicPage {
  readonly events: readonly MillraceEvent[];
  readonly position: string;
  readonly behind: number;
  readonly sealed: boolean;
}

interface Page {
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
    expect(offsets((await history(topic, '?from=2020-01-01T00:00:00Z')).body)).toEqual([1, 2, 3, 4]);
    expect(offsets((await history(topic, '?from=2999-01-01T00:00:00Z')).body)).toEqual([]);
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
  ])('[HTTP-1] %s is refused', async (query, code) => {
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
