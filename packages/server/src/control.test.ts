import { ApiClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

const entity = 'acme';
let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.close());

test.each(['agent', 'publisher', 'admin'] as const)('[CTRL-3] %s follows a control topic', async (role) => {
  const client = await server.connect('/ws', { entity, roles: [role] });
  client.send({ type: 'subscribe', topic: `control.for-${role}` });
  await client.next('subscribed');
  await server.server.publish(`control.for-${role}`, 'control.cancel', { id: 'x' }, { entity });
  expect(await client.next('event')).toMatchObject({ event: 'control.cancel', data: { id: 'x' } });
  client.close();
});

test.each(['observer', 'member'] as const)('[CTRL-3] %s hears and finds nothing of one', async (role) => {
  const client = await server.connect('/ws', { entity, roles: [role] });
  client.send({
    type: 'subscribe',
    topics: ['*', '*.secret', 'control.secret', 'control.*'],
    since: 'earliest',
  });
  for (const topic of ['*', '*.secret']) expect(await client.next('subscribed')).toMatchObject({ topic });
  for (let i = 0; i < 2; i++) expect(await client.next('error')).toMatchObject({ code: 'forbidden' });
  await server.server.publish(
    'control.secret',
    'control.stdin',
    { execution_id: 'x', data: 'typed' },
    { entity },
  );
  await server.server.publish('chat.after', 'x', {}, { entity });
  expect(await client.next('event')).toMatchObject({ topic: 'chat.after' });
  const api = new ApiClient(server.origin, await server.token({ entity, roles: [role] }));
  expect(await api.get('/api/v1/topics/control.secret/events')).toMatchObject({ status: 403 });
  for (const path of ['topics', 'topics?pattern=control.*', 'events?topics=*']) {
    expect((await api.get(`/api/v1/${path}`)).text).not.toMatch(/secret|typed/);
  }
  client.close();
});

test('[CTRL-3] an admin’s patterns and lists show none either', async () => {
  const api = new ApiClient(server.origin, await server.token({ entity, roles: ['admin'] }));
  await server.server.publish(
    'control.listed',
    'control.stdin',
    { execution_id: 'x', data: 'typed' },
    { entity },
  );
  expect((await api.get('/api/v1/topics')).text).not.toContain('control.');
  expect((await api.get('/api/v1/topics?pattern=*')).text).not.toContain('control.');
  expect((await api.get('/api/v1/topics?pattern=control.listed')).text).toContain('control.listed');
  expect((await api.get('/api/v1/events?topics=*')).text).not.toContain('typed');
});

test('[CTRL-2] nobody publishes to one', async () => {
  const client = await server.connect('/ws', {
    entity,
    roles: ['admin'],
    topics: { publish: ['*', 'control.*'] },
  });
  client.send({ type: 'publish', id: 1, topic: 'control.x', event: 'control.cancel', data: { id: 'x' } });
  expect(await client.next('error')).toMatchObject({ id: 1, code: 'forbidden' });
  const api = new ApiClient(server.origin, await server.token({ entity, roles: ['admin'] }));
  const sent = await api.post('/api/v1/ws/send-to-channel/control.x', {
    event: 'control.cancel',
    data: { id: 'x' },
  });
  expect(sent.status).toBe(403);
  client.close();
});
