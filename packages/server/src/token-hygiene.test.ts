import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ApiClient, TestClient, TestServer, UpgradeRefused, until } from '@millrace/testkit';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

/*
 * Every door is shown tokens, good and bad, in every way and at the worst moments. All that the server writes anywhere
 * is kept, and none of it may have a token in it.
 */

const API_KEY = 'canary-api-key-0123456789-abcdefghijklm';
/** Of the application's backend, by what it answers. */
const HOOK = {
  good: 'canary-hook-good',
  refused: 'canary-hook-refused',
  // A failure is logged when the one before was none.
  echoed: 'canary-hook-echoed',
  failing: 'canary-hook-failing',
};
const FUNCTION = { good: 'canary-function-good', throwing: 'canary-function-throwing' };
const FORGED = 'canary-forged';

/** What was written, and where. */
const written: (readonly [where: string, text: string])[] = [];
let backend: Server;
let server: TestServer;
let directory: string;
let admin: ApiClient;
let jwt: string;
let bearers: readonly string[];

function note(where: string, what: unknown): void {
  written.push([where, typeof what === 'string' ? what : JSON.stringify(what)]);
}

beforeAll(async () => {
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream);
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      note('stdio', String(chunk));
      return write(chunk);
    });
  }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { token } = JSON.parse(await text(request)) as { token: string };
    const status = { [HOOK.good]: 200, [HOOK.echoed]: 200, [HOOK.failing]: 500 }[token] ?? 401;
    response.statusCode = status;
    response.end(token === HOOK.good ? '{"sub":"by-hook"}' : `the token ${token} is none of ours`);
  };
  backend = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  directory = await mkdtemp(join(tmpdir(), 'millrace-hygiene-'));
  server = await TestServer.start({
    directory,
    logger: pino({ level: 'trace' }, { write: (line: string) => note('log', line) }),
    limits: { maxAddressViolations: 100_000 },
    auth: {
      secret: 'a secret that only tests know, 32 bytes',
      apiKeys: [{ id: 'backend', key: API_KEY, roles: ['admin'] }],
      hook: {
        url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}`,
        headers: { 'x-key': 'canary-header' },
      },
    },
    authenticate: (token) => {
      if (token === FUNCTION.throwing) throw new Error(`cannot read ${token}`, { cause: token });
      return token === FUNCTION.good ? { sub: 'by-function' } : undefined;
    },
  });
  jwt = await server.token({ sub: 'by-jwt' });
  admin = new ApiClient(server.origin, await server.token({ sub: 'root' }));
  const [, ...others] = jwt.split('.');
  const foreign = `${jwt.slice(0, jwt.lastIndexOf('.'))}.${Buffer.from(FORGED).toString('base64url')}`;
  bearers = [
    jwt,
    foreign,
    others.join('.'),
    API_KEY,
    ...Object.values(HOOK),
    ...Object.values(FUNCTION),
    FORGED,
    `${FORGED}.${FORGED}.${FORGED}`,
    `${FORGED}-${'x'.repeat(9000)}`,
  ];
}, 60_000);

afterAll(async () => {
  vi.restoreAllMocks();
  backend.closeAllConnections();
  backend.close();
  await rm(directory, { recursive: true });
});

const wsUrl = (path: string): string => server.origin.replace('http', 'ws') + path;

/** Opens, says something, and keeps what comes until the end. */
async function overWebSocket(
  path: string,
  options: ConstructorParameters<typeof TestClient>[1],
  messages: readonly (object | string)[] = [],
): Promise<void> {
  const client = new TestClient(wsUrl(path), options);
  try {
    await client.opened();
  } catch (error) {
    if (!(error instanceof UpgradeRefused)) throw error;
    note(`refusal of ${path.split('?')[0]}`, [error.body, error.headers]);
    return;
  }
  for (const message of messages)
    client.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  client.send({ type: 'ping', id: 'last' });
  // What is not let in is closed, or told so.
  const hasAnswered = (): boolean =>
    client.payloads.some((payload) => payload.includes('"last"')) ||
    // Which does not read the ping, and says so.
    (client.socket.protocol.endsWith('msgpack') && client.payloads.length > 0);
  await until(() => hasAnswered() || client.socket.readyState === client.socket.CLOSED);
  client.close();
  note('frames', client.payloads.map(String));
  note('close', await client.closed);
}

async function overHttp(path: string, request: RequestInit = {}): Promise<void> {
  const answer = await fetch(server.origin + path, { ...request, signal: AbortSignal.timeout(2000) });
  const isStream = answer.headers.get('content-type')?.includes('event-stream') ?? false;
  note(path.split('?')[0] ?? '', [[...answer.headers], isStream ? '' : await answer.text()]);
  if (isStream) await answer.body?.cancel();
}

/** A request that no ordinary client would send. */
async function raw(request: string): Promise<void> {
  const socket = connect(server.listening.port, '127.0.0.1');
  socket.end(request);
  note('raw', await text(socket));
}

test('[AUTH-15] no token is in anything that the server writes', async () => {
  for (const bearer of bearers) {
    const query = `token=${encodeURIComponent(bearer)}`;
    const authorization = `Bearer ${bearer}`;
    for (const path of [
      '/ws',
      '/',
      '/ws/task/a',
      '/ws/user/by-jwt',
      '/ws/not..a/topic',
      '/ws/%ff',
      '/nothing',
    ]) {
      await overWebSocket(`${path}?${query}`, {});
    }
    await overWebSocket('/ws', { headers: { authorization } });
    await overWebSocket('/ws', { headers: { authorization, origin: 'https://evil.example' } });
    await overWebSocket('/ws', { headers: { authorization: `Basic ${bearer}`, cookie: `token=${bearer}` } });
    if (/^[\w.-]+$/.test(bearer)) {
      for (const protocol of ['millrace.v1.json', 'millrace.v1.msgpack', 'unknown']) {
        await overWebSocket('/ws', { subprotocols: [protocol, `bearer.${bearer}`] });
      }
    }
    for (const message of [
      { type: 'auth', token: bearer },
      { type: 'auth', token: [bearer] },
      { type: 'auth', tokn: bearer },
      { type: 'auth', token: bearer, id: { bearer } },
      `{"type":"auth","token":"${bearer}"`,
      `{"type":"auth","token":"${bearer}\u0001"}`,
      `{"type":"auth","__proto__":{},"token":"${bearer}"}`,
    ]) {
      await overWebSocket('/ws', {}, [message]);
      // In a session that is open already.
      await overWebSocket('/ws', { headers: { authorization: `Bearer ${API_KEY}` } }, [message]);
    }
    for (const path of [
      '/api/v1/topics',
      '/api/v1/events',
      '/api/v1/nothing',
      '/nothing',
      '/docs',
      '/metrics',
      '/events',
      '/events?topics=**',
      '/%ff',
      '/api/v1/topics/%ff',
    ]) {
      await overHttp(path, { headers: { authorization } });
      await overHttp(`${path}${path.includes('?') ? '&' : '?'}${query}`);
      await overHttp(`${path}${path.includes('?') ? '&' : '?'}%74oken=${encodeURIComponent(bearer)}`, {
        method: 'POST',
      });
    }
    for (const body of [
      `{"token":"${bearer}`,
      JSON.stringify([bearer]),
      JSON.stringify({ token: { bearer } }),
      JSON.stringify({ token: bearer, reason: bearer }),
      JSON.stringify({ token: bearer, jti: 'a' }),
    ]) {
      const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
      await overHttp('/api/v1/tokens/revoke', { method: 'POST', headers, body });
    }
    await raw(`GET /ws?${query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`);
    await raw(`GET /api/v1/topics?${query} HTTP/9.9\r\n${authorization}\r\n\r\n`);
  }
  // Used while it lives, and then revoked, each by a live session's token.
  const open = [];
  for (const bearer of [jwt, HOOK.good, FUNCTION.good]) {
    const client = await new TestClient(wsUrl(`/ws/task/a?token=${bearer}`)).opened();
    client.send({ type: 'publish', id: 1, topic: 'chat.a', event: 'x', data: 1 });
    open.push(client);
  }
  for (const path of [
    '/api/v1/connections',
    '/api/v1/bans',
    '/api/v1/topics',
    '/api/v1/events',
    '/api/v1/realtime/stats',
    '/api/v1/system/metrics',
    '/api/v1/ws/stats',
    '/metrics',
    '/openapi.json',
    '/asyncapi.json',
    '/docs',
    '/docs/events',
    '/healthz?verbose',
  ]) {
    note(path, (await admin.get(path)).text);
  }
  for (const bearer of [jwt, HOOK.good, FUNCTION.good, API_KEY]) {
    note('revoked', (await admin.post('/api/v1/tokens/revoke', { token: bearer, reason: 'leaked' })).text);
  }
  for (const client of open) note('close', [await client.closed, client.texts]);
  for (const bearer of [jwt, HOOK.good, FUNCTION.good, API_KEY])
    await overWebSocket(`/ws?token=${bearer}`, {});
  note('audit', (await admin.get('/api/v1/audit?last=1000')).text);
  await server.close();
  for (const file of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) note(file.name, await readFile(join(file.parentPath, file.name), 'latin1'));
  }
  const canaries = [
    'canary',
    jwt.slice(0, jwt.lastIndexOf('.')),
    jwt.slice(jwt.lastIndexOf('.') + 1),
    Buffer.from(FORGED).toString('base64url'),
  ];
  const found = written.filter(([, what]) => canaries.some((canary) => what.includes(canary)));
  expect(found.map(([where, what]) => `${where}: ${what.slice(0, 300)}`)).toEqual([]);
  // It was all there to be found.
  const places = new Set(written.map(([where]) => where));
  expect([...places]).toEqual(
    expect.arrayContaining(['log', 'frames', 'close', 'audit', 'raw', '/metrics', 'refusal of /ws']),
  );
  const log = written.flatMap(([where, what]) => (where === 'log' ? [what] : [])).join('');
  for (const line of ['revoke', 'the function `authenticate` failed', 'asking the backend'])
    expect(log).toContain(line);
}, 120_000);
