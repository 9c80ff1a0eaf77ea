import { ApiClient, type TestClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/*
 * Two entities with everything alike: the same users, topics and event names. Whatever one of them asks, it must see
 * what it would see if the other did not exist.
 */

const SECRET = 'the secret of entity b';

let server: TestServer;
let a: ApiClient;
let clientOfB: TestClient;
let connectionOfB = '';
let cursorOfB = '';
let positionOfB = '';

beforeAll(async () => {
  server = await TestServer.start();
  a = new ApiClient(server.origin, await server.token({ entity: 'a', roles: ['admin'] }));
  const b = new ApiClient(server.origin, await server.token({ entity: 'b', roles: ['admin'] }));
  clientOfB = await server.connect('/ws', { entity: 'b' });
  connectionOfB = (await clientOfB.next('welcome')).connectionId;
  for (const topic of ['task.1', 'metrics.m', 'user.tester']) {
    await server.server.publish(topic, 'x', SECRET, { entity: 'b' });
  }
  cursorOfB = (await b.get<{ cursor: string }>('/api/v1/events')).body.cursor;
  positionOfB = (await b.get<{ position: string }>('/api/v1/topics/task.1')).body.position;
});

afterAll(() => server.close());

describe('[AUTH-7] no verb reaches another entity', () => {
  /** Every way to say an entity that somebody might hope for. */
  const disguises: [string, string, Record<string, string>][] = [
    ['as it is', '', {}],
    ['by query', 'entity=b&entityId=b&tenant=b', {}],
    ['by header', '', { 'x-entity': 'b', 'x-millrace-entity': 'b', 'x-forwarded-for': 'b' }],
  ];
  const reads = [
    '/api/v1/topics',
    '/api/v1/topics?pattern=*',
    '/api/v1/topics?pattern=user.*',
    '/api/v1/topics/task.1',
    '/api/v1/topics/metrics.m',
    '/api/v1/topics/task.1/events',
    '/api/v1/topics/user.tester/events',
    '/api/v1/topics/task.1/events?last=10',
    '/api/v1/topics/task.1/events?from=2020-01-01',
    '/api/v1/topics/b.task.1/events',
    '/api/v1/topics/b:task.1/events',
    '/api/v1/events',
    '/api/v1/events?topics=*',
    '/api/v1/events?topics=task.*,metrics.*,user.tester',
    '/api/v1/connections',
    '/api/v1/realtime/stats',
    '/api/v1/ws/stats',
    '/api/v1/ws/message-queue/stats',
    '/api/v1/system/metrics',
  ];

  describe.each(disguises)('asked %s', (_, query, headers) => {
    test.each(reads)('GET %s', async (path) => {
      const url = query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`;
      const { status, text } = await a.call(url, { headers });
      expect([200, 404]).toContain(status);
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain(connectionOfB);
      const body = JSON.parse(text) as Record<string, unknown>;
      for (const list of ['topics', 'events', 'connections']) {
        if (Array.isArray(body[list])) expect(body[list]).toEqual([]);
      }
      if (path.endsWith('realtime/stats') || path.endsWith('system/metrics'))
        expect(body).toMatchObject({ connections: { active_connections: 0 } });
      if (path.endsWith('ws/stats')) expect(body).toMatchObject({ active_sessions: 0, active_users: 0 });
    });

    test('DELETE /api/v1/topics/task.1', async () => {
      const answer = await a.call(`/api/v1/topics/task.1?${query}`, { method: 'DELETE', headers });
      expect(answer.status).toBe(404);
    });

    test('DELETE /api/v1/connections/{id}', async () => {
      const answer = await a.call(`/api/v1/connections/${connectionOfB}?${query}`, {
        method: 'DELETE',
        headers,
      });
      expect(answer.status).toBe(404);
    });

    test('POST /api/v1/ws/send-to-session/{id}, and to everyone', async () => {
      const send = (path: string) =>
        a.call(`/api/v1/ws/${path}?${query}`, {
          method: 'POST',
          headers,
          body: { data: 1, entity: 'b', entityId: 'b' },
        });
      expect((await send(`send-to-session/${connectionOfB}`)).status).toBe(404);
      for (const path of ['broadcast', 'send-to-user/tester', 'send-to-channel/task.1']) {
        expect(await send(path), path).toMatchObject({ status: 200, body: { reached: 0 } });
      }
      for (const topic of ['system.broadcast', 'user.tester', 'task.1']) {
        await a.delete(`/api/v1/topics/${topic}`);
      }
    });

    test('POST /api/v1/events', async () => {
      const topic = `intruder.${disguises.findIndex(([, said]) => said === query)}`;
      const body = { topic, event: 'x', data: 1, entity: 'b', entityId: 'b' };
      expect((await a.call(`/api/v1/events?${query}`, { method: 'POST', headers, body })).status).toBe(200);
      await a.delete(`/api/v1/topics/${topic}`);
    });
  });

  test('a position or cursor of another entity opens nothing', async () => {
    for (const path of [
      `/api/v1/topics/task.1/events?after=${positionOfB}`,
      `/api/v1/topics/task.1/events?after=${positionOfB.replace(/:\d+$/, ':0')}`,
      `/api/v1/topics/task.1/events?since=${cursorOfB}`,
      `/api/v1/events?since=${cursorOfB}`,
    ]) {
      expect((await a.get(path)).text).not.toContain(SECRET);
    }
  });

  test('and the other entity has noticed nothing', async () => {
    const b = new ApiClient(server.origin, await server.token({ entity: 'b', roles: ['admin'] }));
    const { body } = await b.get<{ topics: { topic: string }[] }>('/api/v1/topics');
    expect(body.topics.map(({ topic }) => topic)).toEqual(['metrics.m', 'task.1', 'user.tester']);
    clientOfB.send({ type: 'ping', id: 'alive' });
    expect(await clientOfB.next('pong')).toMatchObject({ id: 'alive' });
    clientOfB.close();
  });
});

describe('[AUTH-8] no pattern reaches another user’s inbox', () => {
  test.each(['admin', 'publisher', 'observer'] as const)('whatever the role: %s', async (role) => {
    await server.server.publish('user.anna', 'x', 'for anna', { entity: 'c' });
    await server.server.publish('task.1', 'x', 'for all', { entity: 'c' });
    const bert = new ApiClient(
      server.origin,
      await server.token({ sub: 'bert', entity: 'c', roles: [role] }),
    );
    for (const path of [
      '/api/v1/events',
      '/api/v1/events?topics=*',
      '/api/v1/events?topics=*.*',
      '/api/v1/topics',
    ]) {
      const { status, text, body } = await bert.get<{ behind?: number }>(path);
      expect(status).toBe(200);
      expect(text).toContain('task.1');
      expect(text).not.toContain('anna');
      expect(body.behind ?? 0).toBe(0);
    }
    for (const path of [
      '/api/v1/topics/user.anna',
      '/api/v1/topics/user.anna/events',
      '/api/v1/events?topics=user.anna',
      '/api/v1/events?topics=user.*',
    ]) {
      expect(await bert.get(path)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });

  test('and the own one is read by its name, or with everything', async () => {
    await server.server.publish('user.dora', 'x', 'for dora', { entity: 'd' });
    const dora = new ApiClient(
      server.origin,
      await server.token({ sub: 'dora', entity: 'd', roles: ['observer'] }),
    );
    for (const path of [
      '/api/v1/topics/user.dora/events',
      '/api/v1/events',
      '/api/v1/events?topics=user.dora',
    ]) {
      expect((await dora.get(path)).text).toContain('for dora');
    }
    expect((await dora.get('/api/v1/events?topics=*')).text).not.toContain('for dora');
  });
});
