import { expect, test } from 'vitest';
import { FakeHttp, fullEvent, problem } from '../test/fake-http.ts';
import { collect, type Started, startClient } from '../test/start-client.ts';
import type { ClientOptions, Gap } from './types.ts';

interface StartedSse extends Started {
  readonly http: FakeHttp;
  /** Lets streams and requests run. */
  readonly settle: () => Promise<void>;
}

async function startSse(options: Partial<ClientOptions> = {}): Promise<StartedSse> {
  const started = startClient({ transport: 'sse', token: 'secret', ...options });
  const http = new FakeHttp(started.platform);
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await started.platform.flush();
  };
  await settle();
  return { ...started, http, settle };
}

test('[SSE-1] each subscription is one stream of whole events, with the token in a header', async () => {
  const { client, http, settle, states } = await startSse();
  const seen = collect(client.topic('task.*'));
  await settle();
  expect(http.stream.url.href).toBe('http://server.test/events?topics=task.*&format=full');
  expect(http.stream.authorization).toBe('Bearer secret');
  http.stream.write(`retry: 1000\nid: c0\n\n${fullEvent('c1', 'task.a', 1, 'one')}`);
  http.stream.write(fullEvent('c2', 'task.b', 1, 'two'));
  await settle();
  expect(seen).toEqual(['one', 'two']);
  expect(client.transport).toBe('sse');
  expect(states).toEqual(['connecting', 'connected']);
});

test('[SSE-2] [REC-4] after a broken stream everything resumes: topics from their position, patterns from their cursor', async () => {
  const { platform, client, http, settle } = await startSse();
  const topic = collect(client.topic('t', { since: 'earliest' }));
  const pattern = collect(client.topic('task.*'));
  await settle();
  const [ofTopic, ofPattern] = http.streams;
  ofTopic?.write(`retry: 1000\n\n${fullEvent('c4', 't', 1, 1)}`);
  ofPattern?.write('retry: 1000\nid: c7\n\n');
  await settle();
  ofTopic?.end();
  await settle();
  expect(ofPattern?.aborted).toBe(true);
  await platform.advance(2000);
  await settle();
  expect(http.streams.slice(2).map(({ url }) => url.searchParams.get('since'))).toEqual(['e1:1', 'c7']);
  http.streams[2]?.write(
    `retry: 1000\n\n${fullEvent('c8', 't', 1, 'a repeat')}${fullEvent('c9', 't', 2, 2)}`,
  );
  http.streams[3]?.write(`retry: 1000\n\n${fullEvent('c9', 'task.a', 1, 'a')}`);
  await settle();
  expect(topic).toEqual([1, 2]);
  expect(pattern).toEqual(['a']);
});

// Its pings are requests of their own, so they did not notice: the subscription stood still for good.
test('[SSE-3] a stream on which nothing comes any more, not even comments, is opened anew', async () => {
  const { platform, client, http, settle } = await startSse();
  const seen = collect(client.topic('t'));
  await settle();
  http.stream.write(`retry: 1000\n\n${fullEvent('c4', 't', 1, 1)}`);
  await settle();
  for (let i = 0; i < 10; i++) {
    await platform.advance(30_000);
    http.stream.write(': heartbeat\n\n');
    await settle();
  }
  expect(http.streams).toHaveLength(1);
  await platform.advance(95_000);
  await settle();
  expect(http.streams[0]?.aborted).toBe(true);
  expect(http.stream.url.searchParams.get('since')).toBe('e1:1');
  http.stream.write(`retry: 1000\n\n${fullEvent('c5', 't', 2, 2)}`);
  await settle();
  expect(seen).toEqual([1, 2]);
});

test.each(['together', 'apart'])('[SSE-2] a gap that comes %s with the first block is told', async (how) => {
  const { client, http, settle } = await startSse();
  const gaps: Gap[] = [];
  const sub = client.topic('t', { since: 'e1:5' });
  sub.on('gap', (gap) => gaps.push(gap));
  const seen = collect(sub);
  await settle();
  http.stream.write('retry: 1000\nid: c3\n\n');
  if (how === 'apart') await settle();
  http.stream.write('event: gap\ndata: {"reason":"epoch"}\n\n');
  http.stream.write(fullEvent('c4', 't', 1, 'new'));
  await settle();
  expect(gaps).toEqual([{ topic: 't', reason: 'epoch' }]);
  expect(seen).toEqual(['new']);
});

test('[REC-8] a gap within a stream is told with its topic', async () => {
  const { client, http, settle } = await startSse();
  const gaps: Gap[] = [];
  client.topic('task.*').on('gap', (gap) => gaps.push(gap));
  await settle();
  http.stream.write('retry: 1000\nid: c3\n\nevent: gap\ndata: {"reason":"expired","topic":"task.a"}\n\n');
  await settle();
  expect(gaps).toMatchObject([{ topic: 'task.a', reason: 'expired' }]);
});

test('[ACK-5] a consumer asks for its stream by its name, acknowledges by HTTP, and is told what others acknowledge', async () => {
  const { platform, client, http, settle } = await startSse();
  const acks: unknown[] = [];
  http.answer = ({ pathname }, { body }) => {
    if (!pathname.endsWith('/ack')) return undefined;
    acks.push([pathname, JSON.parse(String(body))]);
    return Response.json({ topic: 'jobs', consumer: 'mailer', acked: 1 });
  };
  const consumer = client.consume('jobs', { consumer: 'mailer', slow: 'disconnect' });
  const told: number[] = [];
  consumer.on('acknowledged', ({ offset }) => told.push(offset));
  const handed: unknown[] = [];
  void consumer.handle(({ data }) => handed.push(data));
  await settle();
  expect(http.stream.url.search).toBe('?topics=jobs&format=full&slow=disconnect&consumer=mailer');
  http.stream.write(`retry: 1000\n\n${fullEvent('c1', 'jobs', 1, 'one')}`);
  await settle();
  await platform.advance(100);
  expect(acks).toEqual([['/api/v1/topics/jobs/ack', { offset: 1, consumer: 'mailer' }]]);
  const acked = { type: 'acked', topic: 'jobs', consumer: 'mailer', offset: 7 };
  http.stream.write(`event: acked\ndata: ${JSON.stringify(acked)}\n\n`);
  http.stream.write(fullEvent('c2', 'jobs', 8, 'an event').replace('event: x', 'event: acked'));
  await settle();
  expect(told).toEqual([7]);
  expect(handed).toEqual(['one', 'an event']);
});

test('[FILT-5] [FLOW-6] a filter and a policy go with the stream, and what is left out is a gap', async () => {
  const { client, http, settle } = await startSse();
  const gaps: Gap[] = [];
  const sub = client.topic('t', { filter: { types: 'x' }, slow: 'conflate', batch: true });
  sub.on('gap', (gap) => gaps.push(gap));
  await settle();
  expect(http.stream.url.searchParams.get('filter')).toBe('{"types":"x"}');
  expect(http.stream.url.searchParams.get('slow')).toBe('conflate');
  http.stream.write('retry: 1000\nid: c3\n\nevent: gap\ndata: {"reason":"conflated","topic":"t"}\n\n');
  await settle();
  expect(gaps).toMatchObject([{ topic: 't', reason: 'conflated' }]);
});

test('[REC-7] a pattern begins at a count or a time', async () => {
  const { client, http, settle } = await startSse();
  client.topic('t.*', { since: { last: 3 } });
  client.topic('u.*', { since: { time: '2026-11-20T12:00:00Z' } });
  await settle();
  expect(http.streams.map(({ url }) => url.searchParams.get('last') ?? url.searchParams.get('time'))).toEqual(
    ['3', '2026-11-20T12:00:00Z'],
  );
});

test('an event of the application may be called gap', async () => {
  const { client, http, settle } = await startSse();
  const seen = collect(client.topic('t'));
  await settle();
  http.stream.write('retry: 1000\nid: c3\n\n');
  http.stream.write(fullEvent('c4', 't', 1, 'mind it').replace('event: x', 'event: gap'));
  await settle();
  expect(seen).toEqual(['mind it']);
});

test('[SSE-3] the id of a heartbeat moves the cursor', async () => {
  const { client, http, settle } = await startSse();
  const sub = client.topic('task.*');
  await settle();
  http.stream.write('retry: 1000\nid: c1\n\n');
  http.stream.write(': heartbeat\n\nid: c2\n\n');
  await settle();
  expect(sub.cursor).toBe('c2');
});

test('[HTTP-3] `last` begins where history says that it does', async () => {
  const { client, http, settle } = await startSse();
  http.answer = ({ pathname, search }) => {
    if (pathname !== '/api/v1/topics/t/events') return undefined;
    expect(search).toBe('?last=2');
    return Response.json({ events: [{ epoch: 'e1', offset: 8 }], position: 'e1:9', behind: 0 });
  };
  client.topic('t', { since: { last: 2 } });
  await settle();
  expect(http.stream.url.searchParams.get('since')).toBe('e1:7');
});

test('[HTTP-1] a refused subscription throws its code, and the others live on', async () => {
  const { client, http, settle, states } = await startSse();
  http.answer = ({ searchParams }) =>
    searchParams.get('topics') === 'secret' ? problem(403, 'forbidden') : undefined;
  const refused = client.topic('secret')[Symbol.asyncIterator]().next();
  const rejected = expect(refused).rejects.toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('refused'),
  });
  client.topic('t');
  await settle();
  await rejected;
  expect(http.streams).toHaveLength(1);
  expect(states).toEqual(['connecting', 'connected']);
});

test('[HTTP-1] a token that is not accepted ends the client, one that expired is renewed', async () => {
  let token = 'expired';
  const { platform, client, http, settle } = await startSse({ token: () => token });
  http.answer = (_, init) => {
    const given = new Headers(init.headers).get('authorization');
    if (given === 'Bearer expired') return problem(401, 'token-expired');
    return given === 'Bearer forged' ? problem(401, 'unauthorized') : undefined;
  };
  client.topic('t');
  await settle();
  token = 'fine';
  await platform.advance(2000);
  await settle();
  expect(http.stream.authorization).toBe('Bearer fine');
  token = 'forged';
  http.stream.end();
  await settle();
  await platform.advance(2000);
  await settle();
  expect(client.state).toBe('reconnect_failed');
  expect(client.failure?.code).toBe('unauthorized');
});

test('[HTTP-2] publications are posted one after the other, in order', async () => {
  const { client, http, settle } = await startSse();
  const results = [1, 2, 3].map((n) => client.publish('t', 'x', n, { key: 'k' }));
  await settle();
  expect((await Promise.all(results)).map(({ offset }) => offset)).toEqual([1, 2, 3]);
  expect(http.published[0]).toEqual({
    topic: 't',
    event: 'x',
    data: 1,
    key: 'k',
    idempotencyKey: expect.any(String),
  });
  expect(http.published.map(({ data }) => data)).toEqual([1, 2, 3]);
});

test('[HTTP-1] [PUB-3] a refused publication rejects with its code and details', async () => {
  const { client, http, settle } = await startSse();
  http.answer = (_, { method }) =>
    method === 'POST' ? problem(409, 'conflict', false, { position: 'e1:4' }) : undefined;
  const outcome = expect(client.publish('t', 'x', 1)).rejects.toMatchObject({
    code: 'conflict',
    details: { position: 'e1:4' },
  });
  await settle();
  await outcome;
});

test('an answer of a proxy is an error by its status', async () => {
  const { platform, client, http, settle } = await startSse();
  let refusals = 1;
  http.answer = (_, { method }) =>
    method === 'POST' && refusals-- > 0 ? new Response('<html>', { status: 502 }) : undefined;
  const result = client.publish('t', 'x', 1);
  await settle();
  expect(http.published).toHaveLength(0);
  await platform.advance(1000);
  await settle();
  await expect(result).resolves.toMatchObject({ offset: 1 });
});

test('leaving aborts the stream, and close() all of them', async () => {
  const { client, http, settle } = await startSse();
  const left = client.topic('a');
  client.topic('b');
  await settle();
  left.close();
  await settle();
  expect(http.streams.map(({ aborted }) => aborted)).toEqual([true, false]);
  client.close();
  expect(http.streams.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test('auto falls back when WebSocket never opens and HTTP answers', async () => {
  const { platform, server, client } = startClient();
  const http = new FakeHttp(platform);
  server.stop();
  const seen = collect(client.topic('t'));
  await platform.advance(3000);
  expect(client.transport).toBe('sse');
  expect(client.state).toBe('connected');
  http.stream.write(`retry: 1000\nid: c0\n\n${fullEvent('c1', 't', 1, 'over HTTP')}`);
  await platform.advance(1);
  expect(seen).toEqual(['over HTTP']);
});

test('auto does not fall back while nothing answers, nor after WebSocket has worked once', async () => {
  const away = startClient();
  new FakeHttp(away.platform).alive = false;
  away.server.stop();
  await away.platform.advance(10_000);
  expect(away.client.transport).toBe('websocket');

  const worked = startClient();
  new FakeHttp(worked.platform);
  await worked.platform.flush();
  worked.server.stop();
  await worked.platform.advance(10_000);
  expect(worked.client.transport).toBe('websocket');
});

test('websocket is never left when it was asked for', async () => {
  const { platform, server, client } = startClient({ transport: 'websocket' });
  new FakeHttp(platform);
  server.stop();
  await platform.advance(10_000);
  expect(client.transport).toBe('websocket');
});
