import { ApiClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TopicBody } from './wire-shapes.ts';

interface TopicList {
  readonly topics: readonly TopicBody[];
  readonly next?: string;
}

let server: TestServer;
let api: ApiClient;

beforeAll(async () => {
  server = await TestServer.start();
  api = new ApiClient(server.origin, await server.token());
  for (const topic of ['task.a', 'task.b', 'task.c', 'chat.a', 'metrics.cpu']) {
    await server.server.publish(topic, 'x', { n: 1 });
  }
  await server.server.publish('task.a', 'x', 'é', { seal: true });
});

afterAll(() => server.close());

const list = async (query: string, client = api): Promise<TopicList> =>
  (await client.get<TopicList>(`/api/v1/topics${query}`)).body;
const names = ({ topics }: TopicList): string[] => topics.map(({ topic }) => topic);

describe('listing', () => {
  test('[HTTP-4] says of each topic how far it is and what is kept', async () => {
    expect((await list('?pattern=task.a')).topics).toEqual([
      {
        topic: 'task.a',
        position: expect.stringMatching(/:2$/),
        firstOffset: 1,
        events: 2,
        bytes: '{"n":1}"é"'.length,
        sealed: true,
        timestamp: expect.stringMatching(/Z$/),
        durability: 'durable',
      },
    ]);
    expect((await list('?pattern=metrics.*')).topics).toMatchObject([{ durability: 'live', sealed: false }]);
  });

  test('[HTTP-4] goes page by page, sorted by name', async () => {
    expect(names(await list(''))).toEqual(['chat.a', 'metrics.cpu', 'task.a', 'task.b', 'task.c']);
    const first = await list('?limit=2');
    expect(names(first)).toEqual(['chat.a', 'metrics.cpu']);
    const second = await list(`?limit=2&after=${first.next}`);
    expect(names(second)).toEqual(['task.a', 'task.b']);
    const third = await list(`?limit=2&after=${second.next}`);
    expect(names(third)).toEqual(['task.c']);
    expect(third.next).toBeUndefined();
    expect(await list('?pattern=task.*&limit=3')).not.toHaveProperty('next');
  });

  test('[AUTH-6] shows what the token may read', async () => {
    const narrow = new ApiClient(
      server.origin,
      await server.token({ topics: { subscribe: ['task.b', 'chat.*'] } }),
    );
    expect(names(await list('', narrow))).toEqual(['chat.a', 'task.b']);
    expect(names(await list('?pattern=task.*', narrow))).toEqual(['task.b']);
    const nothing = new ApiClient(server.origin, await server.token({ topics: { subscribe: [] } }));
    expect(names(await list('', nothing))).toEqual([]);
  });

  test('[AUTH-8] shows nobody else’s inbox, and the own one when it is named or nothing is', async () => {
    await server.server.publish('user.anna', 'x', 1);
    await server.server.publish('user.bert', 'x', 1);
    const anna = new ApiClient(server.origin, await server.token({ sub: 'anna', roles: ['admin'] }));
    expect(names(await list('?pattern=*', anna))).not.toContain('user.anna');
    expect(names(await list('?pattern=*', anna))).not.toContain('user.bert');
    expect(names(await list('?pattern=user.*', anna))).toEqual(['user.anna']);
    expect(names(await list('?pattern=user.bert', anna))).toEqual([]);
    expect(names(await list('', anna))).toContain('user.anna');
    expect(names(await list('', anna))).not.toContain('user.bert');
  });

  test.each([
    ['?pattern=a..b', 'bad-topic'],
    ['?limit=0', 'bad-message'],
    ['?limit=1001', 'bad-message'],
  ])('[HTTP-1] %s is refused', async (query, code) => {
    expect(await api.get(`/api/v1/topics${query}`)).toMatchObject({ status: 400, body: { code } });
  });
});

describe('one topic', () => {
  test('[HTTP-4] is read by its name', async () => {
    expect(await api.get('/api/v1/topics/task.b')).toMatchObject({
      status: 200,
      body: { topic: 'task.b', events: 1, sealed: false },
    });
  });

  test('[HTTP-1] that does not exist is 404, one that is none 400', async () => {
    expect(await api.get('/api/v1/topics/task.z')).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
    expect(await api.get('/api/v1/topics/task.*')).toMatchObject({
      status: 400,
      body: { code: 'bad-topic' },
    });
  });

  test('[AUTH-6] that the token may not read is 403, be there one or not', async () => {
    const narrow = new ApiClient(server.origin, await server.token({ topics: { subscribe: ['task.*'] } }));
    for (const topic of ['chat.a', 'chat.z']) {
      expect(await narrow.get(`/api/v1/topics/${topic}`)).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      });
    }
  });
});

describe('deleting', () => {
  test('[HTTP-4] removes the topic; what is published later begins a new log', async () => {
    const { epoch } = await server.server.publish('doomed.a', 'x', 1);
    expect(await api.delete('/api/v1/topics/doomed.a')).toMatchObject({ status: 204, text: '' });
    expect((await api.get('/api/v1/topics/doomed.a')).status).toBe(404);
    const again = await server.server.publish('doomed.a', 'x', 1);
    expect(again.offset).toBe(1);
    expect(again.epoch).not.toBe(epoch);
  });

  test('[HTTP-1] what is not there is 404', async () => {
    expect(await api.delete('/api/v1/topics/task.z')).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
    expect(await api.delete('/api/v1/topics/task.*')).toMatchObject({
      status: 400,
      body: { code: 'bad-topic' },
    });
  });

  test('[AUTH-6] is for administrators', async () => {
    for (const role of ['observer', 'member', 'agent', 'publisher'] as const) {
      const client = new ApiClient(server.origin, await server.token({ roles: [role] }));
      expect(await client.delete('/api/v1/topics/task.b')).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      });
    }
    expect((await api.get('/api/v1/topics/task.b')).status).toBe(200);
  });
});
