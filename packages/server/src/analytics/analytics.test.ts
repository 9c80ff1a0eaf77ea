import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MillraceEvent } from '@millrace/protocol';
import { ApiClient, ManualClock, type TestClient, TestServer, until } from '@millrace/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { RecentHistogram } from '../metrics/histogram.ts';
import { Analytics } from './analytics.ts';
import type { NodeLoad } from './node-load.ts';
import type { ScopeStore, StoredScope } from './scope-store.ts';

const WATCHED = { analytics: { sessions: true } };

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function events(topic: string): Promise<MillraceEvent<Record<string, unknown>>[]> {
  const api = new ApiClient(server!.origin, await server!.token());
  const { body } = await api.get<{ events: MillraceEvent<Record<string, unknown>>[] }>(
    `/api/v1/topics/${topic}/events`,
  );
  return body.events ?? [];
}

async function come(as: object = {}, path?: string): Promise<TestClient> {
  const client = await server!.connect(path, as);
  await client.next();
  return client;
}

describe('the life of sessions', () => {
  test('[LIFE-1] a session is told when it comes and when it goes, on its door’s topic', async () => {
    server = await TestServer.start(WATCHED);
    const ann = await come({ sub: 'ann', roles: ['member'] });
    ann.send({ type: 'subscribe', topic: 'task.*' });
    await ann.next();
    ann.send({ type: 'subscribe', topic: 'chat.a' });
    await ann.next();
    ann.send({ type: 'unsubscribe', topic: 'chat.a' });
    await ann.next();
    ann.close();
    await until(async () => (await events('connections.websocket')).length === 2);
    const [connected, disconnected] = await events('connections.websocket');
    expect(connected).toMatchObject({
      event: 'connection.connected',
      data: { user_id: 'ann', door: 'websocket', roles: ['member'], connecting_ms: expect.any(Number) },
    });
    expect(disconnected).toMatchObject({
      event: 'connection.disconnected',
      data: {
        connection_id: connected?.data.connection_id,
        user_id: 'ann',
        messages: 3,
        topics: ['task.*', 'chat.a'],
        code: 1005,
        reason: 'the client closed it',
        duration_ms: expect.any(Number),
      },
    });
  });

  test('[LIFE-2] why it ended is told, as the server knows it', async () => {
    server = await TestServer.start(WATCHED);
    const ann = await come({ sub: 'ann' });
    const api = new ApiClient(server.origin, await server.token());
    const { body } = await api.get<{ connections: { connectionId: string }[] }>('/api/v1/connections');
    await api.delete(`/api/v1/connections/${body.connections[0]?.connectionId}`);
    await ann.closed;
    await until(async () => (await events('connections.websocket')).length === 2);
    expect((await events('connections.websocket'))[1]?.data).toMatchObject({
      code: 4504,
      reason: 'an administrator ended the connection',
    });
  });

  test('[LIFE-3] only administrators are told, who ask by name, and nobody else can write there', async () => {
    server = await TestServer.start(WATCHED);
    for (const role of ['observer', 'member', 'agent', 'publisher'] as const) {
      const client = await come({ sub: 'ann', roles: [role] });
      for (const topic of ['connections.websocket', 'connections.*']) {
        client.send({ type: 'subscribe', topic });
        expect(await client.next()).toMatchObject({ type: 'error', code: 'forbidden' });
      }
      client.close();
    }
    const admin = await come({ sub: 'root' });
    // Four that came and went, and this one.
    await until(async () => (await events('connections.websocket')).length === 9);
    admin.send({ type: 'publish', id: 1, topic: 'connections.websocket', event: 'x', data: {} });
    expect(await admin.next()).toMatchObject({ type: 'error', code: 'forbidden' });
    admin.send({ type: 'subscribe', topic: '*' });
    await admin.next();
    admin.send({ type: 'subscribe', topic: 'connections.*' });
    await admin.next();
    await come({ sub: 'bob' });
    expect(await admin.next()).toMatchObject({ topic: 'connections.websocket', data: { user_id: 'bob' } });
    admin.send({ type: 'unsubscribe', topic: 'connections.*' });
    await admin.next('unsubscribed');
    await come({ sub: 'cid' });
    await until(async () =>
      (await events('connections.websocket')).some(({ data }) => data.user_id === 'cid'),
    );
    admin.send({ type: 'ping' });
    expect(await admin.next()).toMatchObject({ type: 'pong' });
  });

  test('[AUTH-7] administrators of another entity hear of their own sessions alone', async () => {
    server = await TestServer.start(WATCHED);
    const theirs = await come({ sub: 'root', entity: 'theirs' });
    theirs.send({ type: 'subscribe', topic: 'connections.*', since: 'earliest' });
    await theirs.next('subscribed');
    await come({ sub: 'ann', entity: 'ours' });
    await come({ sub: 'bob', entity: 'theirs' });
    const told = await theirs.take('event', 2);
    expect(told.map(({ data }) => (data as { user_id: string }).user_id)).toEqual(['root', 'bob']);
  });

  test('[LIFE-5] there are none where the configuration says so', async () => {
    server = await TestServer.start({ analytics: { sessions: false } });
    (await come()).close();
    const admin = await come();
    expect(await events('connections.websocket')).toEqual([]);
    admin.close();
  });
});

interface Figures {
  readonly [field: string]: unknown;
}

async function figures(name: string, as: object = {}): Promise<Figures> {
  const api = new ApiClient(server!.origin, await server!.token(as));
  return (await api.get<Figures>(`/api/v1/analytics/${name}`)).body;
}

describe('analytics', () => {
  test('[STAT-6] an administrator sees the entity’s, the operator the node’s', async () => {
    server = await TestServer.start();
    await come({ sub: 'ann', entity: 'acme' });
    await come({ sub: 'bob', entity: 'acme' });
    await come({ sub: 'ann' });
    expect(await figures('connections', { entity: 'acme' })).toMatchObject({
      total_connections: 2,
      active_sessions: 2,
      peak_concurrent_users: 2,
      feature_usage: { doors: { websocket: 2 } },
    });
    const performance = await figures('performance', { entity: 'acme' });
    expect(performance).toMatchObject({ connection_time: { count: 2 }, patterns: { bursts: [] } });
    expect(performance).not.toHaveProperty('memory_usage');
    expect(await figures('connections')).toMatchObject({ total_connections: 3, peak_concurrent_users: 3 });
    expect(await figures('performance')).toMatchObject({
      message_latency: { unit: 'ms' },
      memory_usage: { rss: expect.any(Number) },
      cpu_usage: { process_percent: expect.any(Number) },
      network_throughput: { sent_per_second: expect.any(Number) },
    });
    expect(await figures('connections', { roles: ['publisher'] })).toMatchObject({ code: 'forbidden' });
  });

  test('[STAT-6] what clients do adds up: events, topics, comebacks, errors, and who did not get in', async () => {
    server = await TestServer.start();
    const ann = await come({ sub: 'ann' });
    for (let i = 0; i < 3; i++) ann.send({ type: 'publish', topic: 'job.a', event: 'step', data: i });
    ann.send({ type: 'publish', id: 1, topic: 'user.bob', event: 'note', data: 1 });
    await ann.next();
    ann.send({ type: 'nonsense' });
    await ann.next();
    const bob = await come({ sub: 'bob' });
    bob.send({
      type: 'subscribe',
      topic: 'job.a',
      since: `${(await server.server.publish('job.a', 'end', {})).epoch}:4`,
    });
    await bob.next();
    bob.close();
    const refused = await fetch(`${server.origin}/events?token=forged`);
    await refused.body?.cancel();
    await until(async () => (await figures('connections')).active_sessions === 1);
    expect(await figures('connections')).toMatchObject({
      reconnection_rate: 0.5,
      feature_usage: {
        events: { step: 3, note: 1, end: 1 },
        topics: [
          { topic: 'job.a', published: 4, sessions: 1 },
          { topic: 'user.*', published: 1, sessions: 0 },
        ],
      },
      failed_connections: { total: 1, by_code: { unauthorized: 1 } },
    });
  });

  test('[STAT-7] a restart costs nothing', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-analytics-'));
    server = await TestServer.start({ directory });
    (await come({ sub: 'ann' })).close();
    await until(async () => (await figures('connections')).active_sessions === 0);
    await server.close();
    server = await TestServer.start({ directory });
    expect(await figures('connections')).toMatchObject({ total_connections: 1, peak_concurrent_users: 1 });
    await server.close();
    server = undefined;
    await rm(directory, { recursive: true });
  });

  test('[STAT-7] what changed is saved every five minutes, so a crash costs no more', async () => {
    const clock = new ManualClock();
    const saved: StoredScope[] = [];
    const analytics = await Analytics.open({
      clock,
      store: {
        load: async () => [],
        save: async (scopes: readonly StoredScope[]) => void saved.push(...scopes),
      } as unknown as ScopeStore,
      load: { sample() {} } as unknown as NodeLoad,
      latency: new RecentHistogram([1], clock),
      sessions: () => [],
      onError: () => {},
    });
    analytics.stored('acme', [{ topic: 'a', event: 'x' }]);
    analytics.stored('$system', [{ topic: 'a', event: 'x' }]);
    clock.advance(299_000);
    expect(saved).toEqual([]);
    clock.advance(1000);
    expect(saved).toMatchObject([{ id: '$node' }, { id: 'acme', state: { events: [['x', 1]] } }]);
    clock.advance(300_000);
    expect(saved).toHaveLength(2);
    await analytics.close();
  });

  test('[STAT-6] without analytics the routes say so', async () => {
    server = await TestServer.start({ analytics: { enabled: false } });
    expect(await figures('connections')).toMatchObject({ code: 'not-supported' });
  });
});
