import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { FIRST_START_KEY_FILE } from '@millrace/server/config';
import { ApiClient, ManualClock, TestClient, TestServer } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/** The application's sessions: what its backend answers to a token, or the HTTP status of its failure. */
const tokens = new Map<string, object | number>();
let backend: Server;
let clock: ManualClock;
let server: TestServer;

beforeAll(async () => {
  const check = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { token } = JSON.parse(await text(request)) as { token: string };
    const answer = tokens.get(token) ?? 401;
    response.statusCode = typeof answer === 'number' ? answer : 200;
    response.end(typeof answer === 'number' ? '' : JSON.stringify(answer));
  };
  backend = createServer((request, response) => void check(request, response)).listen(0, '127.0.0.1');
  await once(backend, 'listening');
});

afterAll(() => {
  backend.closeAllConnections();
  backend.close();
});

beforeEach(async () => {
  clock = new ManualClock();
  tokens.clear();
  const url = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;
  server = await TestServer.start({ clock, auth: { hook: { url, cache: '1s' } } });
});

afterEach(() => server.close());

const connect = (path: string): Promise<TestClient> =>
  new TestClient(server.origin.replace('http', 'ws') + path).opened();

describe('a server that asks the application’s backend', () => {
  test('[AUTH-13] lets in whom the backend names, with the rights that it names', async () => {
    tokens.set('good', { sub: 'ann', entity: 'acme', topics: { subscribe: ['task.*'] } });
    const client = await connect('/ws?token=good');
    expect(await client.next('welcome')).toMatchObject({
      userId: 'ann',
      entityId: 'acme',
      roles: ['observer'],
    });
    client.send({ type: 'subscribe', id: 1, topic: 'chat.a' });
    expect(await client.next('error')).toMatchObject({ id: 1, code: 'forbidden' });
    client.close();
    expect(existsSync(join(server.directory, FIRST_START_KEY_FILE))).toBe(false);
  });

  test('[AUTH-14] a backend that fails refuses retryably at every door, and lets nobody in', async () => {
    tokens.set('failing', 500);
    await expect(connect('/ws?token=failing')).rejects.toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      problem: { code: 'unavailable', retryable: true },
    });
    const late = await server.connectAnonymously();
    late.send({ type: 'auth', token: 'failing' });
    expect(await late.closed).toMatchObject({ code: 4006 });
    expect(await new ApiClient(server.origin, 'failing').get('/api/v1/topics')).toMatchObject({
      status: 503,
      body: { code: 'unavailable', retryable: true },
    });
    const sse = await fetch(`${server.origin}/events?token=failing`);
    expect([sse.status, sse.headers.get('retry-after')]).toEqual([503, '1']);
  });

  test('[AUTH-5] [AUTH-14] renews in band by its answers; where it fails the session lives on, and ends in time', async () => {
    const inSeconds = (seconds: number): number => clock.now() / 1000 + seconds;
    tokens.set('first', { sub: 'ann', exp: inSeconds(60) });
    tokens.set('fresh', { sub: 'ann', exp: inSeconds(120) });
    tokens.set('another', { sub: 'bob' });
    tokens.set('failing', 502);
    const client = await connect('/ws?token=first');
    await client.next('welcome');
    for (const [token, code, retryable] of [
      ['failing', 'unavailable', true],
      ['unknown', 'unauthorized', false],
      ['another', 'forbidden', false],
    ]) {
      client.send({ type: 'auth', id: token, token });
      expect(await client.next('error')).toMatchObject({ id: token, code, retryable });
    }
    client.send({ type: 'auth', token: 'fresh' });
    await client.next('welcome');
    clock.advance(100_000);
    client.send({ type: 'ping', id: 1 });
    await client.next('pong');
    clock.advance(25_000);
    expect(await client.closed).toMatchObject({ code: 4003 });
  });

  test('[CLOSE-4] a token without an end is checked again when the session has reached its longest lifetime', async () => {
    tokens.set('endless', { sub: 'ann' });
    const client = await connect('/ws?token=endless');
    await client.next('welcome');
    for (let minute = 0; minute < 59; minute++) {
      clock.advance(60_000);
      client.send({ type: 'ping', id: minute });
      await client.next('pong');
    }
    clock.advance(62_000);
    expect(await client.closed).toMatchObject({ code: 4002 });
    tokens.delete('endless');
    await expect(connect('/ws?token=endless')).rejects.toMatchObject({ status: 401 });
  });

  test('[AUTH-10] an opaque token can be revoked, by itself and by its user, also in band', async () => {
    for (const token of ['one', 'two']) tokens.set(token, { sub: 'ann' });
    tokens.set('root', { sub: 'root', roles: ['admin'] });
    const admin = new ApiClient(server.origin, 'root');
    const [one, two] = [await connect('/ws?token=one'), await connect('/ws?token=two')];
    expect((await admin.post('/api/v1/tokens/revoke', { token: 'one' })).status).toBe(200);
    expect(await one.closed).toMatchObject({ code: 4501 });
    two.send({ type: 'auth', id: 1, token: 'one' });
    expect(await two.next('error')).toMatchObject({ id: 1, code: 'unauthorized' });
    await admin.post('/api/v1/tokens/revoke', { user_id: 'ann' });
    expect(await two.closed).toMatchObject({ code: 4501 });
    // The backend is asked again, and is the one to know.
    clock.advance(1001);
    await (await connect('/ws?token=two')).next('welcome');
    await expect(connect('/ws?token=one')).rejects.toMatchObject({ status: 401 });
  });

  test('[AUTH-11] a backend that cannot be asked does not keep a token from being revoked', async () => {
    tokens.set('root', { sub: 'root', roles: ['admin'] });
    tokens.set('stolen', { sub: 'ann' });
    const client = await connect('/ws?token=stolen');
    await client.next('welcome');
    clock.advance(1001);
    tokens.set('stolen', 500);
    const admin = new ApiClient(server.origin, 'root');
    expect((await admin.post('/api/v1/tokens/revoke', { token: 'stolen' })).status).toBe(200);
    expect(await client.closed).toMatchObject({ code: 4501 });
  });
});

test('[AUTH-13] an application that embeds the server gives a function, and no key is made up beside it', async () => {
  const seen: string[] = [];
  const embedded = await TestServer.start({
    auth: {},
    authenticate: async (token, { address, headers }) => {
      seen.push(`${address} ${headers['x-tenant']} ${headers.authorization}`);
      return token === 'cookie-7' ? { sub: '7', entity: 'shop', roles: ['member'] } : undefined;
    },
  });
  const headers = { authorization: 'Bearer cookie-7', 'x-tenant': 'shop' };
  const client = await new TestClient(`${embedded.origin.replace('http', 'ws')}/ws`, { headers }).opened();
  expect(await client.next('welcome')).toMatchObject({ userId: '7', entityId: 'shop', roles: ['member'] });
  client.send({ type: 'auth', token: 'cookie-7' });
  await client.next('welcome');
  expect(seen).toEqual(['127.0.0.1 shop undefined', '127.0.0.1 undefined undefined']);
  expect((await new ApiClient(embedded.origin, 'cookie-8').get('/api/v1/topics')).status).toBe(401);
  expect(existsSync(join(embedded.directory, FIRST_START_KEY_FILE))).toBe(false);
  client.close();
  await embedded.close();
});
