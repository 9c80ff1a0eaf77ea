import { type IncomingMessage, request } from 'node:http';
import { ApiClient, parseExposition, type TestClient, TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemTurns } from '../../clock.ts';
import { createMemoryEngine } from '../../engine/memory-engine.ts';

async function scrape(server: TestServer): Promise<{ text: string; value: (key: string) => number }> {
  const api = new ApiClient(server.origin, await server.token());
  const { status, text } = await api.get('/metrics');
  expect(status).toBe(200);
  const samples = new Map([...parseExposition(text).values()].flatMap((family) => [...family.samples]));
  return { text, value: (key) => samples.get(key) ?? Number.NaN };
}

/** Everything that was sent to the client before has arrived. */
async function settle(client: TestClient): Promise<void> {
  client.send({ type: 'ping', id: 'settled' });
  await client.next('pong');
}

describe('what /metrics tells', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start();
  });

  afterAll(() => server.close());

  test('[STAT-2] is well-formed, and every name belongs to Millrace', async () => {
    const api = new ApiClient(server.origin, await server.token());
    const { headers, text } = await api.get('/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = parseExposition(text);
    expect(families.size).toBeGreaterThan(40);
    for (const { name, type } of families.values()) {
      expect(name).toMatch(/^(millrace_[a-z]+|realtime_streaming)_[a-z0-9_]+$/);
      if (type === 'counter') expect(name).toMatch(/_total$/);
    }
  });

  test('[STAT-2] agrees exactly with what clients did', async () => {
    const before = await scrape(server);
    const clients = await Promise.all([server.connect('/ws'), server.connect('/ws')]);
    for (const client of clients) {
      client.send({ type: 'subscribe', topics: ['counted.a', 'counted.b'] });
      await client.take('subscribed', 2);
    }
    for (let n = 0; n < 10; n++) await server.server.publish('counted.a', 'x', n, { idempotencyKey: `${n}` });
    await server.server.publish('counted.a', 'x', 0, { idempotencyKey: '0' });
    const [first, second] = clients as [TestClient, TestClient];
    for (const client of clients) {
      await client.take('event', 10);
      await settle(client);
    }
    const { position } = await resume(first, 'counted.a', 4);
    second.send({ type: 'publish', id: 1, topic: 'bad topic', event: 'x', data: 1 });
    await second.next('error');
    await new ApiClient(server.origin, await server.token()).get('/api/v1/topics/nothing');
    const third = await server.connect('/ws');
    third.send({ type: 'subscribe', topic: 'counted.a', since: position });
    await third.next('event');
    third.close();
    await third.closed;
    const after = await scrape(server);
    const grown = (key: string): number => after.value(key) - (before.value(key) || 0);

    expect(grown('millrace_publisher_events_total{outcome="stored"}')).toBe(10);
    expect(grown('millrace_publisher_events_total{outcome="duplicate"}')).toBe(1);
    expect(grown('millrace_publisher_events_total{outcome="refused"}')).toBe(1);
    expect(grown('millrace_hub_deliveries_total')).toBe(20);
    // Twice what came after the fourth.
    expect(grown('millrace_hub_replayed_events_total')).toBe(6 + 6);
    expect(grown('millrace_hub_recovered_events_total')).toBe(6 + 6);
    expect(grown('millrace_hub_recoveries_total{outcome="recovered"}')).toBe(2);
    expect(grown('millrace_hub_subscriptions')).toBe(4);
    expect(grown('millrace_connections_opened_total')).toBe(3);
    expect(grown('millrace_sessions_opened_total')).toBe(3);
    expect(grown('millrace_sessions_resumed_total')).toBe(2);
    expect(grown('millrace_connections_open')).toBe(2);
    expect(grown('millrace_connections_active{door="websocket"}')).toBe(2);
    // Two subscribed and pinged, one resumed, one published, one resumed at once.
    expect(grown('millrace_sessions_messages_received_total')).toBe(2 + 2 + 1 + 1 + 1);
    expect(grown('millrace_doors_errors_total{code="bad-topic"}')).toBe(1);
    expect(grown('millrace_doors_errors_total{code="not-found"}')).toBe(1);
    expect(grown('millrace_http_answers_total{status="404"}')).toBe(1);
    expect(grown('millrace_server_failures_total')).toBe(0);
    expect(grown('millrace_engine_commit_events_sum')).toBe(10);
    expect(after.value('millrace_hub_message_latency_seconds_count')).toBeGreaterThan(0);
    expect(after.value('realtime_streaming_active_connections')).toBe(
      after.value('millrace_connections_open'),
    );
    expect(after.value('realtime_streaming_message_latency_ms_count')).toBe(
      after.value('millrace_hub_message_latency_seconds_count'),
    );
    expect(after.value('realtime_streaming_message_latency_ms_sum')).toBeCloseTo(
      after.value('millrace_hub_message_latency_seconds_sum') * 1000,
      6,
    );
    for (const client of clients) client.close();
  });

  async function resume(client: TestClient, topic: string, offset: number): Promise<{ position: string }> {
    const event = client.messages.find((message) => message.type === 'event' && message.offset === offset);
    if (event?.type !== 'event') throw new Error('there is no such event');
    const position = `${event.epoch}:${offset}`;
    client.send({ type: 'subscribe', topic, since: position });
    await client.next('subscribed');
    await client.take('event', 10 - offset);
    return { position };
  }

  test('[STAT-2] names no user, entity, topic, event or token', async () => {
    const canary = { sub: 'canary-user', entity: 'canary-entity' };
    const token = await server.token(canary);
    const client = await server.connect('/ws/canary-topic/a', canary);
    await server.server.publish('canary-topic.a', 'canary-event', 'canary-data', { entity: 'canary-entity' });
    await until(() => client.messages.length > 0, 'the event');
    const own = new ApiClient(server.origin, token);
    await own.post('/api/v1/events', { topic: 'canary topic', event: 'x', data: 1 });
    await own.get(`/api/v1/canary-route?token=${token}`);
    const { text } = await scrape(server);
    expect(text).not.toContain('canary');
    expect(text).not.toContain(token.slice(-20));
    client.close();
  });

  test('[STAT-2] goes on without what the log holds when the log cannot be read', async () => {
    const engine = createMemoryEngine({
      clock: systemClock,
      retention: () => ({}),
      onError: () => {},
      turns: systemTurns,
    });
    const failing = await TestServer.start({ engine });
    await engine.close();
    const { value } = await scrape(failing);
    expect(value('millrace_connections_max')).toBe(10_000);
    expect(value('millrace_engine_events')).toBeNaN();
    await failing.close();
  });
});

describe('who may read /metrics', () => {
  test('[STAT-2] the operator; on loopback alone, programs of the machine need no token', async () => {
    const server = await TestServer.start();
    const anyone = new ApiClient(server.origin);
    const ask = (headers: Record<string, string>) => anyone.call('/metrics', { headers });
    expect((await ask({})).status).toBe(200);
    // For somebody else, by way of this machine.
    expect((await ask({ 'x-forwarded-for': '203.0.113.7' })).status).toBe(401);
    expect((await ask({ forwarded: 'for=203.0.113.7' })).status).toBe(401);
    expect((await ask({ origin: server.origin })).status).toBe(401);
    expect(await statusWithHost(server, 'attacker.example')).toBe(401);
    expect(await statusWithHost(server, 'localhost:3001')).toBe(200);
    await server.close();
  });

  test('[STAT-2] a server that others can reach wants the operator’s token', async () => {
    const server = await TestServer.start({ server: { host: '0.0.0.0' } });
    const status = async (token?: string): Promise<number> =>
      (await new ApiClient(server.origin, token).get('/metrics')).status;
    expect(await status()).toBe(401);
    expect(await status(await server.token({ roles: ['publisher'] }))).toBe(403);
    expect(await status(await server.token({ entity: 'another', roles: ['admin'] }))).toBe(403);
    expect(await status(await server.token())).toBe(200);
    await server.close();
  });

  test('[STAT-2] a proxy that is said to stand before the server makes nobody local', async () => {
    const server = await TestServer.start({ server: { publicUrl: 'https://events.example.com' } });
    expect((await new ApiClient(server.origin).get('/metrics')).status).toBe(401);
    await server.close();
  });

  test('[STAT-2] anybody or nobody, when configured so', async () => {
    const open = await TestServer.start({ server: { host: '0.0.0.0' }, metrics: { public: true } });
    expect((await new ApiClient(open.origin).get('/metrics')).status).toBe(200);
    await open.close();
    const closed = await TestServer.start({ metrics: { enabled: false } });
    expect((await new ApiClient(closed.origin, await closed.token()).get('/metrics')).status).toBe(404);
    await closed.close();
  });
});

/** `fetch` sets the header by itself. */
async function statusWithHost(server: TestServer, host: string): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { port } = server.listening;
  request({ host: '127.0.0.1', port, path: '/metrics', headers: { host } }, resolve)
    .on('error', reject)
    .end();
  const response = await promise;
  response.resume();
  return response.statusCode;
}
