import { ApiClient, TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../clock.ts';
import { createMemoryEngine } from '../../engine/memory-engine.ts';
import type { ConnectionInfo } from '../../session/connections.ts';

let server: TestServer;
let api: ApiClient;

beforeAll(async () => {
  server = await TestServer.start();
  api = new ApiClient(server.origin, await server.token());
});

afterAll(() => server.close());

describe('connections', () => {
  test('[HTTP-4] are listed with what is known of them', async () => {
    const client = await server.connect('/ws', { sub: 'anna', roles: ['observer'] });
    const { connectionId } = await client.next('welcome');
    client.send({ type: 'subscribe', topics: ['task.a', 'chat.*'] });
    await client.next('subscribed');
    await client.next('subscribed');
    const { body } = await api.get<{ connections: ConnectionInfo[] }>('/api/v1/connections');
    expect(body.connections.find((connection) => connection.connectionId === connectionId)).toEqual({
      connectionId,
      userId: 'anna',
      entityId: 'default',
      door: 'websocket',
      subscriptions: ['task.a', 'chat.*'],
      rooms: [],
      connectedAt: expect.stringMatching(/Z$/),
      lastActivity: expect.stringMatching(/Z$/),
      state: 'open',
    });
    client.close();
  });

  test('[CLOSE-3] are ended by an administrator with 4504', async () => {
    const client = await server.connect('/ws', { sub: 'bert' });
    const { connectionId } = await client.next('welcome');
    expect((await api.delete(`/api/v1/connections/${connectionId}`)).status).toBe(204);
    expect(await client.closed).toMatchObject({ code: 4504 });
    expect(await api.delete(`/api/v1/connections/${connectionId}`)).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
  });

  test('[AUTH-6] are an administrator’s matter', async () => {
    const client = await server.connect('/ws', { sub: 'carl' });
    const { connectionId } = await client.next('welcome');
    const publisher = new ApiClient(server.origin, await server.token({ roles: ['publisher'] }));
    for (const answer of [
      await publisher.get('/api/v1/connections'),
      await publisher.delete(`/api/v1/connections/${connectionId}`),
    ]) {
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
    client.close();
  });
});

describe('figures', () => {
  test('[STAT-1] tell the operator what the node has counted', async () => {
    const client = await server.connect('/ws');
    client.send({ type: 'subscribe', topic: 'figures.a' });
    await client.next('subscribed');
    await server.server.publish('figures.a', 'x', 1);
    await client.next('event');
    const { status, body } = await api.get<{ metrics: Record<string, number> }>('/api/v1/realtime/stats');
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        connections: {
          active_connections: expect.any(Number),
          total_created: expect.any(Number),
          max_connections: 10_000,
        },
        backpressure_clients: 0,
        timestamp: expect.stringMatching(/Z$/),
      },
    });
    expect(body.metrics.messages_sent).toBeGreaterThanOrEqual(1);
    expect(body.metrics.published).toBeGreaterThanOrEqual(1);
    expect(body.metrics.subscriptions).toBeGreaterThanOrEqual(1);
    client.close();
  });

  test('[STAT-1] count together whatever numbers of their own clients close with', async () => {
    for (const code of [4000, 4123, 4124, 3999]) {
      const client = await server.connect('/ws', { sub: 'closing' });
      client.socket.close(code);
      await client.closed;
    }
    const codes = async () => {
      const { body } = await api.get<{ metrics: { disconnects_by_code: Record<string, number> } }>(
        '/api/v1/realtime/stats',
      );
      return body.metrics.disconnects_by_code;
    };
    await until(async () => (await codes()).other === 3, 'the last one');
    expect(Object.keys(await codes())).not.toContain('4123');
    expect(await codes()).toMatchObject({ 4000: 1 });
  });

  test('[STAT-1] [AUTH-7] tell everybody else of their own entity alone', async () => {
    const stranger = await server.connect('/ws', { entity: 'another' });
    await stranger.next('welcome');
    const own = new ApiClient(server.origin, await server.token({ entity: 'mine', roles: ['admin'] }));
    const { body } = await own.get('/api/v1/realtime/stats');
    expect(body).toEqual({
      connections: { active_connections: 0, max_connections: 10_000 },
      metrics: { subscriptions: 0, avg_queue_depth: 0, event_history_size: 0 },
      backpressure_clients: 0,
      timestamp: expect.any(String),
    });
    expect((await own.get('/api/v1/system/metrics')).body).toEqual({
      ...body,
      timestamp: expect.any(String),
    });
    const member = new ApiClient(server.origin, await server.token({ roles: ['member'] }));
    const { body: seen } = await member.get<{ metrics: object }>('/api/v1/system/metrics');
    expect(Object.keys(seen.metrics)).toEqual(['avg_queue_depth', 'event_history_size', 'subscriptions']);
    expect(seen).not.toHaveProperty('host');
    stranger.close();
  });
});

describe('sessions and users', () => {
  test('[STAT-1] are counted for their entity, by door', async () => {
    const entity = 'counted';
    const clients = [
      await server.connect('/ws', { entity, sub: 'anna' }),
      await server.connect('/ws', { entity, sub: 'anna' }),
      await server.connect('/ws/task/a', { entity, sub: 'bert' }),
    ];
    const anonymous = await server.connectAnonymously();
    const own = new ApiClient(server.origin, await server.token({ entity, roles: ['observer'] }));
    const count = () => own.get<{ active_sessions: number }>('/api/v1/ws/stats');
    await until(async () => (await count()).body.active_sessions === 3, 'all sessions to be open');
    expect((await count()).body).toEqual({
      active_connections: 3,
      active_sessions: 3,
      active_users: 2,
      by_door: { websocket: 2, bare: 1, sse: 0 },
      timestamp: expect.stringMatching(/Z$/),
    });
    for (const client of [...clients, anonymous]) client.close();
  });

  test('[STAT-1] [AUTH-7] are counted over all entities for the operator alone', async () => {
    const clients = [
      await server.connect('/ws', { entity: 'one', sub: 'anna' }),
      await server.connect('/ws', { entity: 'two', sub: 'anna' }),
    ];
    for (const client of clients) await client.next('welcome');
    const { body } = await api.get<Record<string, number>>('/api/v1/ws/stats');
    expect(body.active_users).toBeGreaterThanOrEqual(2);
    expect(body.total_connections).toBeGreaterThanOrEqual(body.active_connections ?? NaN);
    expect(body.peak_concurrent).toBeGreaterThanOrEqual(2);
    for (const client of clients) client.close();
  });
});

describe('health', () => {
  test('[HTTP-4] needs no token', async () => {
    const anyone = new ApiClient(server.origin);
    for (const path of ['/livez', '/readyz', '/healthz']) {
      expect(await anyone.get(path)).toMatchObject({ status: 200, body: { status: 'ok' } });
      expect(await anyone.call(path, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    }
    expect((await anyone.get('/healthz?verbose')).body).toEqual({
      status: 'ok',
      version: expect.stringMatching(/^\d+\./),
      uptime_seconds: expect.any(Number),
      checks: [{ name: 'engine', status: 'ok', ms: expect.any(Number) }],
    });
  });

  test('[HTTP-1] a log that does not answer makes the node not ready, but not dead', async () => {
    const engine = createMemoryEngine({
      clock: systemClock,
      retention: () => ({}),
      onError: () => {},
      turns: { soon: setImmediate },
    });
    const failing = await TestServer.start({ engine });
    const anyone = new ApiClient(failing.origin);
    await engine.close();
    const answer = await anyone.get('/readyz');
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'unavailable', details: { checks: [{ name: 'engine', status: 'failed' }] } },
    });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect((await anyone.get('/healthz?verbose')).status).toBe(503);
    expect((await anyone.get('/livez')).status).toBe(200);
    await failing.close();
  });
});
