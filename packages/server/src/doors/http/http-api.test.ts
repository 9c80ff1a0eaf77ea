import { once } from 'node:events';
import { connect } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { ApiClient, TestServer, within } from '@millrace/testkit';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const FRIEND = 'https://app.example.com';
const STRANGER = 'https://evil.example.com';

let server: TestServer;
let token = '';
let api: ApiClient;
let lines: string[] = [];

beforeAll(async () => {
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  server = await TestServer.start({ cors: { origins: [FRIEND] }, server: { host: '127.0.0.1' }, logger });
  token = await server.token();
  api = new ApiClient(server.origin, token);
});

beforeEach(() => {
  lines = [];
});

afterAll(() => server.close());

/** An answer to a request that no ordinary client would send. */
async function raw(request: string): Promise<string> {
  const socket = connect(server.listening.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`${request}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  return within(readAll(socket), 'the answer');
}

describe('problems', () => {
  test('[HTTP-1] have every field of RFC 9457 and ours', async () => {
    const { status, headers, body } = await api.get('/api/v1/topics/nothing');
    expect(status).toBe(404);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'there is no topic "nothing"',
      code: 'not-found',
      retryable: false,
      details: { topic: 'nothing' },
    });
  });

  test('[HTTP-1] what is no route is 404, what cannot be decoded 400', async () => {
    expect(await api.get('/api/v1/nothing')).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
    expect(await api.post('/nothing', {})).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect(await api.get('/api/v1/topics/%ff')).toMatchObject({ status: 400, body: { code: 'bad-message' } });
    expect((await api.get(`/api/v1/topics/${'a'.repeat(5000)}`)).status).toBe(404);
    expect((await api.delete(`/api/v1/topics/${'a'.repeat(5000)}`)).status).toBe(400);
  });

  test('[HTTP-1] a request target that is no URL is answered as well', async () => {
    expect(await raw('GET //%%%// HTTP/1.1')).toMatch(/^HTTP\/1\.1 (400|404) .*application\/problem\+json/s);
    expect(await raw('GET http://[::1 HTTP/1.1')).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await api.get('/livez')).status).toBe(200);
  });
});

describe('tokens', () => {
  test('[AUTH-1] come as a header or as ?token=; the header counts', async () => {
    const anyone = new ApiClient(server.origin);
    expect((await anyone.get(`/api/v1/topics?token=${token}`)).status).toBe(200);
    expect((await anyone.get(`/api/v1/topics?token=${token}&token=forged`)).status).toBe(200);
    expect((await anyone.get(`/api/v1/topics?token=forged&token=${token}`)).status).toBe(401);
    expect((await api.get('/api/v1/topics?token=forged')).status).toBe(200);
    const basic = { headers: { authorization: `Basic ${token}` } };
    expect(await anyone.call(`/api/v1/topics?token=${token}`, basic)).toMatchObject({
      status: 401,
      body: { code: 'unauthorized' },
    });
  });

  test.each([
    ['GET', '/api/v1/topics'],
    ['GET', '/api/v1/topics/a'],
    ['GET', '/api/v1/topics/a/events'],
    ['GET', '/api/v1/events'],
    ['GET', '/api/v1/connections'],
    ['GET', '/api/v1/realtime/stats'],
    ['GET', '/api/v1/ws/stats'],
    ['GET', '/api/v1/ws/message-queue/stats'],
    ['GET', '/api/v1/system/metrics'],
    ['POST', '/api/v1/ws/broadcast'],
    ['POST', '/api/v1/ws/send-to-user/a'],
    ['POST', '/api/v1/ws/send-to-session/a'],
    ['POST', '/api/v1/ws/send-to-channel/a'],
    ['POST', '/api/v1/events'],
    ['DELETE', '/api/v1/topics/a'],
    ['DELETE', '/api/v1/connections/a'],
  ])(
    '[AUTH-2] %s %s is 401 without one, with a forged one, and with one that expired',
    async (method, path) => {
      const expired = await server.token({ ttlMs: -60_000 });
      const call = (bearer?: string) => new ApiClient(server.origin, bearer).call(path, { method });
      expect(await call()).toMatchObject({ status: 401, body: { code: 'unauthorized', retryable: false } });
      expect(await call('forged')).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
      expect(await call(expired)).toMatchObject({
        status: 401,
        body: { code: 'token-expired', retryable: true },
      });
    },
  );

  test('[AUTH-1] appear in no log line and no answer', async () => {
    const secret = 'tok-that-nobody-may-see';
    const anyone = new ApiClient(server.origin);
    for (const path of [
      `/api/v1/topics?token=${secret}`,
      `/api/v1/topics?limit=1&%74oken=${secret}`,
      `/nothing?token=${secret}`,
      `/%ff?token=${secret}`,
      `/?token=${secret}`,
    ]) {
      expect((await anyone.get(path)).text).not.toContain(secret);
    }
    const forged = await new ApiClient(server.origin, secret).get('/api/v1/topics');
    expect(forged.text).not.toContain(secret);
    await api.get(`/api/v1/topics?token=${token}`);
    const log = lines.join('');
    expect(log).toContain('/api/v1/topics?limit=1&token=');
    expect(log).not.toContain(secret);
    expect(log).not.toContain(token);
    expect(log).not.toContain(token.slice(token.lastIndexOf('.')));
  });
});

describe('the log', () => {
  test('[HTTP-4] has a line for each request and administrative action, none for probes', async () => {
    await server.server.publish('audited.a', 'x', 1);
    await api.delete('/api/v1/topics/audited.a');
    await api.get('/livez');
    await api.get('/readyz');
    await api.get('/api/v1/topics/audited.a');
    const written = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(written.filter(({ msg }) => msg === 'audit')).toMatchObject([
      {
        entityId: 'default',
        audit: {
          action: 'delete-topic',
          userId: 'tester',
          address: '127.0.0.1',
          target: { topic: 'audited.a' },
          outcome: 'done',
        },
      },
    ]);
    expect(written.filter(({ msg }) => msg === 'request')).toMatchObject([
      { level: 20, method: 'DELETE', status: 204 },
      { level: 30, method: 'GET', url: '/api/v1/topics/audited.a', status: 404, ms: expect.any(Number) },
    ]);
  });
});

describe('origins', () => {
  const call = (origin: string, path = '/api/v1/topics') => api.call(path, { headers: { origin } });

  test('[CONN-5] on the allow-list are told that they may read the answer', async () => {
    const { status, headers } = await call(FRIEND);
    expect(status).toBe(200);
    expect(headers.get('access-control-allow-origin')).toBe(FRIEND);
    expect(headers.get('access-control-allow-credentials')).toBe('true');
    expect(headers.get('access-control-expose-headers')).toContain('Retry-After');
    expect(headers.get('vary')).toContain('Origin');
    const problem = await call(FRIEND, '/api/v1/topics/nothing');
    expect(problem.headers.get('access-control-allow-origin')).toBe(FRIEND);
  });

  test('[CONN-5] that are strangers are refused, whatever the token', async () => {
    const answer = await call(STRANGER);
    expect(answer).toMatchObject({ status: 403, body: { code: 'bad-origin' } });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect((await call('null')).status).toBe(403);
  });

  test('[CONN-5] are asked about before a browser sends: a preflight needs no token', async () => {
    const preflight = (origin: string) =>
      new ApiClient(server.origin).call('/api/v1/events', {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
      });
    const { status, headers } = await preflight(FRIEND);
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe(FRIEND);
    expect(headers.get('access-control-allow-methods')).toContain('POST');
    expect(headers.get('access-control-allow-headers')).toContain('authorization');
    expect(headers.get('access-control-max-age')).toBe('600');
    const refused = await preflight(STRANGER);
    expect(refused).toMatchObject({ status: 403, body: { code: 'bad-origin' } });
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('methods', () => {
  test('[HTTP-1] HEAD is GET without a body', async () => {
    expect(await api.call('/api/v1/topics', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    expect(await api.call('/api/v1/topics/nothing', { method: 'HEAD' })).toMatchObject({
      status: 404,
      text: '',
    });
  });

  test.each([
    ['/api/v1/events', 'GET, HEAD, OPTIONS, POST'],
    ['/api/v1/topics', 'GET, HEAD, OPTIONS'],
    ['/api/v1/topics/a', 'DELETE, GET, HEAD, OPTIONS'],
    ['/api/v1/connections/a', 'DELETE, OPTIONS'],
    ['/livez', 'GET, HEAD, OPTIONS'],
    ['/openapi.json', 'GET, HEAD, OPTIONS'],
  ])('[HTTP-1] %s says that it takes %s, and refuses the rest with 405', async (path, allowed) => {
    const options = await api.call(path, { method: 'OPTIONS' });
    expect(options.status).toBe(204);
    expect(options.headers.get('allow')).toBe(allowed);
    for (const method of ['PUT', 'PATCH']) {
      const answer = await api.call(path, { method, body: 'x'.repeat(100) });
      expect(answer).toMatchObject({ status: 405, body: { status: 405, code: 'method-not-allowed' } });
      expect(answer.headers.get('allow')).toBe(allowed);
    }
  });
});

describe('headers', () => {
  test('[HTTP-1] every answer forbids sniffing, framing and caching', async () => {
    for (const path of ['/api/v1/topics', '/api/v1/topics/nothing', '/nothing', '/livez', '/%ff']) {
      const { headers } = await api.get(path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cache-control')).toBe('no-store');
    }
  });
});

describe('draining', () => {
  test('[CLOSE-2] a server that shuts down answers what is under way, and nothing else', async () => {
    const leaving = await TestServer.start();
    const client = new ApiClient(leaving.origin, await leaving.token());
    expect((await client.get('/readyz')).status).toBe(200);
    const underWay = Array.from({ length: 20 }, (_, n) =>
      client.post('/api/v1/events', { topic: 'drain.a', event: 'x', data: n }).catch(() => undefined),
    );
    const answers = await Promise.all(underWay.slice(0, 10)).then(async (first) => {
      const closed = leaving.close();
      const rest = await Promise.all(underWay.slice(10));
      await closed;
      return [...first, ...rest];
    });
    for (const answer of answers) {
      if (answer !== undefined && answer.status !== 200) {
        expect(answer).toMatchObject({ status: 503, body: { code: 'draining', retryable: true } });
        expect(answer.headers.get('retry-after')).toBe('1');
      }
    }
    expect(answers.filter((answer) => answer?.status === 200).length).toBeGreaterThanOrEqual(10);
    await expect(client.get('/livez')).rejects.toThrow();
  });
});
