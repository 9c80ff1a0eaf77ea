import type { ServerMessage } from '@millrace/protocol';
import { ApiClient, type TestClient, TestServer } from '@millrace/testkit';
import { pack, unpack } from 'msgpackr';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `snapshot-${++tests}`;
});

async function publish(topic: string, key: string, data: unknown): Promise<string> {
  const { epoch, offset } = await server.server.publish(topic, 'x', data, { entity, key });
  return `${epoch}:${offset}`;
}

/** What the view `latest` has of a topic: data by key. */
function byKey(state: unknown): Record<string, unknown> {
  const { events } = state as { events: readonly { key: string; data: unknown }[] };
  return Object.fromEntries(events.map(({ key, data }) => [key, data]));
}

describe.each([
  ['JSON', JSON.stringify, {}],
  ['MessagePack', pack, { subprotocols: ['millrace.v1.msgpack'], decodeBinary: unpack }],
])('the native door in %s', (_, encode, options) => {
  test('[VIEW-1] gives the state of a topic at a position, and what follows it', async () => {
    await publish('some.topic', 'a', 1);
    await publish('some.topic', 'b', 2);
    const position = await publish('some.topic', 'a', 3);
    const client: TestClient<ServerMessage> = await server.connect('/ws', { entity }, options);
    client.socket.send(encode({ type: 'subscribe', id: 1, topic: 'some.topic', since: 'snapshot' }));
    expect(await client.next('subscribed')).toMatchObject({ id: 1, position, replayed: 0, snapshots: 1 });
    const snapshot = await client.next('snapshot');
    expect(snapshot).toMatchObject({ type: 'snapshot', topic: 'some.topic', view: 'latest', position });
    expect(byKey((snapshot as { state: unknown }).state)).toEqual({ a: 3, b: 2 });
    await publish('some.topic', 'b', 4);
    expect(await client.next('event')).toMatchObject({ offset: 4, data: 4 });
    client.close();
  });
});

test('[VIEW-2] a topic that does not exist has the initial state at offset 0, and everything follows', async () => {
  const client = await server.connect<ServerMessage>('/ws', { entity });
  client.send({ type: 'subscribe', topic: 'some.day', since: 'snapshot' });
  await client.next('subscribed');
  const snapshot = await client.next('snapshot');
  expect(snapshot).toMatchObject({ position: expect.stringMatching(/:0$/), state: { events: [] } });
  await publish('some.day', 'a', 1);
  expect(await client.next('event')).toMatchObject({ offset: 1 });
  client.close();
});

test('[VIEW-3] a pattern gives a snapshot of each topic that matches and is not hidden', async () => {
  const positions = [
    await publish('p.a', 'k', 1),
    await publish('p.b', 'k', 2),
    await publish('p.c.d', 'k', 3),
  ];
  await publish('other', 'k', 4);
  await publish('user.ann', 'k', 4);
  const client = await server.connect<ServerMessage>('/ws', { entity });
  client.send({ type: 'subscribe', topic: 'p.*', since: 'snapshot' });
  expect(await client.next('subscribed')).toMatchObject({ snapshots: 3, replayed: 0, recovered: true });
  const snapshots = [
    await client.next('snapshot'),
    await client.next('snapshot'),
    await client.next('snapshot'),
  ];
  expect(snapshots.sort((a, b) => (a.topic < b.topic ? -1 : 1))).toMatchObject([
    { topic: 'p.a', position: positions[0] },
    { topic: 'p.b', position: positions[1] },
    { topic: 'p.c.d', position: positions[2] },
  ]);
  await publish('p.b', 'k', 5);
  expect(await client.next('event')).toMatchObject({ topic: 'p.b', offset: 2 });
  client.close();
});

test('[VIEW-9] a snapshot that cannot be had is told as any other error, at an event stream as `problem`', async () => {
  for (let n = 0; n < 1001; n += 500) {
    const events = Array.from({ length: 500 }, (_, i) => ({ topic: `many.${n + i}`, event: 'x', data: 1 }));
    const api = new ApiClient(server.origin, await server.token({ entity }));
    await api.post('/api/v1/events', { events });
  }
  const client = await server.connect('/ws', { entity });
  client.send({ type: 'subscribe', id: 7, topic: 'many.*', since: 'snapshot' });
  expect(await client.next('error')).toMatchObject({
    id: 7,
    code: 'too-large',
    details: { topic: 'many.*' },
  });
  client.close();
  const stream = await server.stream('/events?topics=many.*&since=snapshot', { entity });
  const [problem] = await stream.take(1);
  expect(problem?.event).toBe('problem');
  expect(JSON.parse(problem?.data ?? '')).toMatchObject({ code: 'too-large', retryable: false });
  stream.close();
});

test('views are counted in /metrics', async () => {
  const api = new ApiClient(server.origin, await server.token({ entity: 'default' }));
  await publish('counted', 'a', 1);
  const own = new ApiClient(server.origin, await server.token({ entity }));
  await own.get('/api/v1/topics/counted/snapshot');
  const { text } = await api.get('/metrics');
  for (const name of ['snapshots_total', 'folded_events_total', 'cached_topics', 'cached_bytes']) {
    expect(text).toMatch(new RegExp(`^millrace_views_${name} [1-9]`, 'm'));
  }
  for (const name of ['stored_total', 'failures_total']) expect(text).toContain(`\nmillrace_views_${name} `);
});

test('[VIEW-7] a topic that is deleted and written anew begins with a state of its own', async () => {
  await publish('born.twice', 'before', 1);
  const api = new ApiClient(server.origin, await server.token({ entity }));
  const path = '/api/v1/topics/born.twice/snapshot';
  expect(byKey((await api.get(path)).body.state)).toEqual({ before: 1 });
  await api.delete('/api/v1/topics/born.twice');
  expect((await api.get(path)).body).toMatchObject({ position: expect.stringMatching(/:0$/) });
  const position = await publish('born.twice', 'after', 2);
  const { body } = await api.get(path);
  expect(body).toMatchObject({ position });
  expect(byKey(body.state)).toEqual({ after: 2 });
});

test('[VIEW-8] a filter keeps nothing back of the state', async () => {
  await publish('filtered', 'a', { n: 1 });
  const client = await server.connect<ServerMessage>('/ws', { entity });
  client.send({ type: 'subscribe', topic: 'filtered', since: 'snapshot', filter: { 'data.n': { gte: 5 } } });
  const { state } = (await client.next('snapshot')) as { state: unknown };
  expect(byKey(state)).toEqual({ a: { n: 1 } });
  await publish('filtered', 'b', { n: 2 });
  await publish('filtered', 'b', { n: 5 });
  expect(await client.next('event')).toMatchObject({ data: { n: 5 } });
  client.close();
});

test('[VIEW-4] at the bare door the snapshot is one flat object before the events', async () => {
  const position = await publish('plain.topic', 'a', 1);
  const client = await server.connect<ServerMessage & { timestamp: string }>(
    '/ws/plain/topic?since=snapshot',
    {
      entity,
    },
  );
  const snapshot = await client.next('snapshot');
  expect(snapshot).toMatchObject({ topic: 'plain.topic', view: 'latest', position });
  expect(Date.parse(snapshot.timestamp)).toBeGreaterThan(0);
  await server.server.publish('plain.topic', 'hello', { a: 1 }, { entity });
  expect(await client.next()).toMatchObject({ type: 'hello', a: 1 });
  expect(client.messages.map(({ type }) => type)).toEqual(['snapshot', 'hello']);
  client.close();
});

describe('the SSE door', () => {
  test('[VIEW-5] sends an event `snapshot`, whose id resumes after it', async () => {
    const position = await publish('sse.topic', 'a', 1);
    const stream = await server.stream('/events?topics=sse.topic&since=snapshot', { entity });
    const [event] = await stream.take(1);
    expect(event).toMatchObject({ event: 'snapshot', id: position });
    expect(JSON.parse(event?.data ?? '')).toMatchObject({ topic: 'sse.topic', view: 'latest', position });
    stream.close();
    await publish('sse.topic', 'a', 2);
    const last = { 'last-event-id': position };
    const again = await server.stream('/events?topics=sse.topic&since=snapshot', { entity }, last);
    expect(await again.take(1)).toMatchObject([{ event: 'x', data: '2' }]);
    again.close();
  });

  test('[VIEW-5] a Last-Event-ID that cannot be recovered gives the snapshot anew', async () => {
    const position = await publish('gone.topic', 'a', 1);
    const api = new ApiClient(server.origin, await server.token({ entity }));
    await api.delete('/api/v1/topics/gone.topic');
    await publish('gone.topic', 'a', 2);
    for (const topics of ['gone.topic', 'gone.*']) {
      const id = topics === 'gone.*' ? 'd0000.1' : position;
      const stream = await server.stream(
        `/events?topics=${topics}&since=snapshot`,
        { entity },
        { 'last-event-id': id },
      );
      const [event] = await stream.take(1);
      expect(event?.event).toBe('snapshot');
      expect(byKey((JSON.parse(event?.data ?? '') as { state: unknown }).state)).toEqual({ a: 2 });
      stream.close();
    }
  });

  test('[VIEW-5] of several snapshots the last alone carries an id', async () => {
    for (const topic of ['s.a', 's.b']) await publish(topic, 'k', topic);
    const stream = await server.stream('/events?topics=s.*&since=snapshot', { entity });
    const blocks = await stream.take(2);
    expect(blocks.map(({ event }) => event)).toEqual(['snapshot', 'snapshot']);
    expect(blocks.map(({ id }) => id === undefined)).toEqual([true, false]);
    // Nothing before it has one either.
    expect(stream.blocks.filter(({ id }) => id !== undefined)).toHaveLength(1);
    stream.close();
    await publish('s.a', 'k', 3);
    const last = { 'last-event-id': stream.lastEventId ?? '' };
    const again = await server.stream('/events?topics=s.*', { entity }, last);
    expect(await again.take(1)).toMatchObject([{ event: 'x', data: '3' }]);
    again.close();
  });
});

describe('GET /api/v1/topics/{topic}/snapshot', () => {
  test('[VIEW-6] answers with the state and its position', async () => {
    const position = await publish('http.topic', 'a', { n: 1 });
    const api = new ApiClient(server.origin, await server.token({ entity }));
    const { status, body } = await api.get('/api/v1/topics/http.topic/snapshot');
    expect(status).toBe(200);
    expect(body).toMatchObject({ topic: 'http.topic', view: 'latest', position });
    expect(byKey((body as { state: unknown }).state)).toEqual({ a: { n: 1 } });
  });
});
