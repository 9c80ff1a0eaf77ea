import type { Role } from '@millrace/protocol';
import { ApiClient, type TestClient, TestServer, type TokenOptions } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

interface Sent {
  readonly topic: string;
  readonly id: string;
  readonly offset: number;
  readonly epoch: string;
  readonly reached: number;
}

let server: TestServer;
let entity = '';
let tests = 0;
let api: ApiClient;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(async () => {
  entity = `send-${++tests}`;
  api = await apiOf(['publisher']);
});

async function apiOf(roles: readonly Role[], more: TokenOptions = {}): Promise<ApiClient> {
  return new ApiClient(server.origin, await server.token({ entity, roles, ...more }));
}

async function join(sub: string, of = entity): Promise<{ client: TestClient; id: string }> {
  const client = await server.connect('/ws', { entity: of, sub, roles: ['observer'] });
  return { client, id: (await client.next('welcome')).connectionId };
}

async function historyOf(topic: string): Promise<object[]> {
  const events: object[] = [];
  const reader = await server.connect('/ws', { entity, roles: ['admin'] });
  reader.send({ type: 'subscribe', topic, since: 'earliest' });
  const { replayed } = await reader.next('subscribed');
  for (let i = 0; i < replayed; i++) events.push(await reader.next('event'));
  reader.close();
  return events;
}

describe('a direct send', () => {
  test('[SEND-1] [SEND-2] to everyone is an event on system.broadcast, answered with whom it reached', async () => {
    const anna = await join('anna');
    const bert = await join('bert');
    const stranger = await join('anna', `${entity}-other`);
    const { status, body } = await api.post<Sent>('/api/v1/ws/broadcast', { data: { text: 'hello' } });
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        topic: 'system.broadcast',
        id: expect.any(String),
        offset: 1,
        epoch: expect.any(String),
        timestamp: expect.stringMatching(/Z$/),
        reached: 2,
      },
    });
    expect(await historyOf('system.broadcast')).toMatchObject([
      { event: 'system.notification', id: body.id, data: { text: 'hello' } },
    ]);
    for (const { client } of [anna, bert, stranger]) client.close();
  });

  test('[SEND-1] [SEND-2] to a user is an event in the inbox, whoever is there', async () => {
    const devices = [await join('a.b@x'), await join('a.b@x'), await join('someone')];
    const send = (userId: string) =>
      api.post<Sent>(`/api/v1/ws/send-to-user/${encodeURIComponent(userId)}`, { event: 'paid', data: 1 });
    expect(await send('a.b@x')).toMatchObject({
      status: 200,
      body: { topic: 'user.a_2eb_40x', offset: 1, reached: 2 },
    });
    expect(await send('offline')).toMatchObject({ status: 200, body: { topic: 'user.offline', reached: 0 } });
    for (const { client } of devices) client.close();
  });

  test('[SEND-1] [SEND-4] to a session is an event of its own topic, and only of the entity’s sessions', async () => {
    const own = await join('anna');
    const foreign = await join('anna', `${entity}-other`);
    const send = (id: string) => api.post<Sent>(`/api/v1/ws/send-to-session/${id}`, { data: null });
    expect(await send(own.id)).toMatchObject({
      status: 200,
      body: { topic: `session.${own.id}`, offset: 1, reached: 1 },
    });
    for (const id of [foreign.id, 'nobody', '%00', 'a.b', '*']) {
      expect(await send(id), id).toMatchObject({ status: 404, body: { code: 'not-found' } });
    }
    own.client.close();
    await own.client.closed;
    foreign.client.close();
  });

  test('[SEND-1] [SEND-2] to a channel is an event of that topic, for those who follow it', async () => {
    const byName = await join('anna');
    const byPattern = await join('bert');
    const other = await join('carl');
    byName.client.send({ type: 'subscribe', topic: 'chat.lobby' });
    byPattern.client.send({ type: 'subscribe', topics: ['chat.*', 'chat.lobby'] });
    other.client.send({ type: 'subscribe', topic: 'chat.attic' });
    await Promise.all([byName, other].map(({ client }) => client.next('subscribed')));
    await byPattern.client.take('subscribed', 2);
    const { body } = await api.post<Sent>('/api/v1/ws/send-to-channel/chat.lobby', {
      event: 'chat.message',
      data: { text: 'hi' },
      priority: 'high',
    });
    expect(body).toMatchObject({ topic: 'chat.lobby', reached: 2 });
    for (const { client } of [byName, byPattern]) {
      expect(await client.next('event')).toMatchObject({
        id: body.id,
        event: 'chat.message',
        priority: 'high',
      });
    }
    expect(await api.post('/api/v1/ws/send-to-channel/chat.*', { data: 1 })).toMatchObject({
      status: 400,
      body: { code: 'bad-topic' },
    });
    for (const { client } of [byName, byPattern, other]) client.close();
  });

  test('[SEND-2] that is repeated is stored once and reaches nobody anew', async () => {
    const { client } = await join('anna');
    const send = () => api.post<Sent>('/api/v1/ws/broadcast', { data: 1, idempotencyKey: 'once' });
    const first = await send();
    const second = await send();
    expect(first.body.reached).toBe(1);
    expect(second).toMatchObject({ status: 200, body: { ...first.body, duplicate: true, reached: 0 } });
    client.close();
  });

  test('[SEND-2] of a broken body is refused and stores nothing', async () => {
    const send = (body: object | string) => api.post('/api/v1/ws/broadcast', body);
    expect(await send({})).toMatchObject({
      status: 400,
      body: { code: 'bad-message', details: { path: '/data' } },
    });
    expect(await send('')).toMatchObject({ status: 400, body: { code: 'bad-message' } });
    expect(await send({ event: 'a\nb', data: 1 })).toMatchObject({
      status: 400,
      body: { code: 'bad-message' },
    });
    expect(await send({ event: '', data: 1 })).toMatchObject({ status: 400, body: { code: 'bad-message' } });
    expect(await send('{"data": {"__proto__": 1}}')).toMatchObject({
      status: 400,
      body: { code: 'forbidden-key' },
    });
    expect(await send({ data: 'x'.repeat(70_000) })).toMatchObject({
      status: 413,
      body: { code: 'too-large' },
    });
    expect(await api.post(`/api/v1/ws/send-to-user/${'x'.repeat(300)}`, { data: 1 })).toMatchObject({
      status: 400,
      body: { code: 'bad-message' },
    });
    expect(await historyOf('system.broadcast')).toEqual([]);
  });

  test.each<Role>(['observer', 'member', 'agent', 'publisher', 'admin'])(
    '[SEND-3] as %s goes out only for publishers and admins',
    async (role) => {
      const { client, id } = await join('anna');
      const sender = await apiOf([role], { topics: { publish: ['*', 'user.*', 'session.*'] } });
      for (const path of [
        'broadcast',
        'send-to-user/anna',
        `send-to-session/${id}`,
        'send-to-channel/chat.a',
      ]) {
        const answer = await sender.post(`/api/v1/ws/${path}`, { data: 1 });
        if (role === 'publisher' || role === 'admin') expect(answer.status, path).toBe(200);
        else expect(answer, path).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      }
      const around = await sender.post('/api/v1/events', { topic: 'system.broadcast', event: 'x', data: 1 });
      expect(around.status).toBe(role === 'publisher' || role === 'admin' ? 200 : 403);
      client.close();
    },
  );

  test('[SEND-3] takes a token that may publish to the topic', async () => {
    const narrow = await apiOf(['publisher'], { topics: { publish: ['chat.*'] } });
    expect((await narrow.post('/api/v1/ws/send-to-channel/chat.a', { data: 1 })).status).toBe(200);
    for (const path of ['send-to-channel/task.a', 'broadcast', 'send-to-user/anna']) {
      expect(await narrow.post(`/api/v1/ws/${path}`, { data: 1 }), path).toMatchObject({ status: 403 });
    }
  });

  test('[SEND-2] is kept in the audit, with whom it was for and without what it said', async () => {
    const admin = await apiOf(['admin'], { sub: 'boss' });
    await admin.post('/api/v1/ws/broadcast', { data: 'the secret' });
    await admin.post('/api/v1/ws/send-to-user/anna', { data: 'the secret' });
    await admin.post('/api/v1/ws/send-to-channel/chat.a', { data: 'x'.repeat(70_000) });
    const { body, text } = await admin.get<{ entries: object[] }>('/api/v1/audit');
    expect(body.entries).toMatchObject([
      { action: 'broadcast', userId: 'boss', target: {}, outcome: 'done' },
      { action: 'send-to-user', target: { userId: 'anna' }, outcome: 'done' },
      { action: 'send-to-channel', target: { topic: 'chat.a' }, outcome: 'too-large' },
    ]);
    expect(text).not.toContain('the secret');
  });

  test('[SEND-5] to a session is seen by no subscription and in no list', async () => {
    const { client, id } = await join('anna');
    const admin = await apiOf(['admin']);
    const spy = await server.connect('/ws', { entity, roles: ['admin'] });
    spy.send({ type: 'subscribe', topics: ['*', `session.${id}`, 'session.*'], since: 'earliest' });
    expect(await spy.next('subscribed')).toMatchObject({ topic: '*' });
    expect(await spy.next('error')).toMatchObject({ code: 'forbidden' });
    expect(await spy.next('error')).toMatchObject({ code: 'forbidden' });
    await api.post(`/api/v1/ws/send-to-session/${id}`, { event: 'secret', data: 1 });
    await api.post('/api/v1/ws/send-to-channel/chat.after', { data: 1 });
    expect(await spy.next('event')).toMatchObject({ topic: 'chat.after' });
    expect((await admin.get('/api/v1/topics')).text).not.toContain('session.');
    expect((await admin.get('/api/v1/topics?pattern=session.*')).text).not.toContain(id);
    expect((await admin.get('/api/v1/events?topics=*')).text).not.toContain('secret');
    expect(await admin.get(`/api/v1/topics/session.${id}/events`)).toMatchObject({ status: 403 });
    for (const one of [client, spy]) one.close();
  });
});
