import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient, ManualClock, TestClient, TestServer, type TokenOptions } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemTurns } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';

const API_KEY = 'an-API-key-of-at-least-thirty-two-characters';
const DAY_MS = 86_400_000;

let directory: string;
let clock: ManualClock;
let server: TestServer;
let admin: ApiClient;

async function start(): Promise<void> {
  server = await TestServer.start({
    directory,
    clock,
    auth: {
      secret: 'a secret that only tests know, 32 bytes',
      maxTokenLifetime: '7d',
      apiKeys: [{ id: 'backend', key: API_KEY, entity: 'acme', roles: ['publisher'] }],
    },
  });
  admin = await adminOf('acme');
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-revocations-'));
  clock = new ManualClock();
  await start();
  // Tokens are told apart by whole seconds.
  clock.advance(1000);
});

afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

const token = (options: TokenOptions = {}): Promise<string> =>
  server.token({ entity: 'acme', sub: 'ann', clock, ttlMs: DAY_MS, ...options });

async function adminOf(entity: string): Promise<ApiClient> {
  const options = { entity, sub: 'root', roles: ['admin'], clock, ttlMs: 7 * DAY_MS } as const;
  return new ApiClient(server.origin, await server.token(options));
}

const revoke = (body: object, as = admin) => as.post('/api/v1/tokens/revoke', body);

const url = (path: string): string => server.origin.replace('http', 'ws') + path;

/** The answer of every door to a token: HTTP status, or close number. */
async function answers(bearer: string): Promise<Record<string, number>> {
  const upgrade = (path: string, headers: Record<string, string> = {}, subprotocols: string[] = []) =>
    new TestClient(url(path), { headers, subprotocols }).opened().then(
      (client) => {
        client.close();
        return 101;
      },
      ({ status }: { status: number }) => status,
    );
  const late = await server.connectAnonymously();
  late.send({ type: 'auth', token: bearer });
  const first = await Promise.race([
    late.next('welcome').then(
      () => 101,
      () => 0,
    ),
    late.closed.then(({ code }) => code),
  ]);
  late.close();
  const authorization = `Bearer ${bearer}`;
  const query = `token=${encodeURIComponent(bearer)}`;
  return {
    header: await upgrade('/ws', { authorization }),
    subprotocol: await upgrade('/ws', {}, ['millrace.v1.json', `bearer.${bearer}`]).catch(() => 0),
    query: await upgrade(`/ws?${query}`),
    bare: await upgrade(`/ws/task/a?${query}`),
    message: first,
    sse: await fetch(`${server.origin}/events`, {
      headers: { authorization },
      signal: AbortSignal.timeout(5000),
    }).then(async (answer) => {
      await answer.body?.cancel();
      return answer.status;
    }),
    http: (await new ApiClient(server.origin, bearer).get('/api/v1/topics')).status,
  };
}

const refused = { header: 401, subprotocol: 401, query: 401, bare: 401, message: 4501, sse: 401, http: 401 };
const letIn = { header: 101, subprotocol: 101, query: 101, bare: 101, message: 101, sse: 200, http: 200 };

describe('revoking', () => {
  const ways: [string, (jwt: string) => object][] = [
    ['a token', (jwt) => ({ token: jwt })],
    ['a user', () => ({ user_id: 'ann', reason: 'left the company' })],
  ];

  test.each(ways)(
    '[AUTH-10] %s: it is refused at every door from the answer on, also after a restart',
    async (_, body) => {
      const jwt = await token();
      const bobs = await token({ sub: 'bob' });
      expect(await answers(jwt)).toEqual(letIn);
      expect(await revoke(body(jwt))).toMatchObject({ status: 200 });
      expect(await answers(jwt)).toEqual(refused);
      expect(await answers(bobs)).toEqual(letIn);
      await server.close();
      await start();
      expect(await answers(jwt)).toEqual(refused);
      expect(await answers(bobs)).toEqual(letIn);
    },
    30_000,
  );

  test('[AUTH-10] the sessions of what is revoked are closed with 4501 at once, all others live on', async () => {
    const jwt = await token();
    const connect = (bearer: string, path = '/ws') => new TestClient(url(`${path}?token=${bearer}`)).opened();
    const ended = [await connect(jwt), await connect(jwt, '/ws/task/a')];
    const stream = await server.stream('/events', { entity: 'acme', sub: 'ann', clock, ttlMs: DAY_MS });
    const others = [
      await connect(await token({ sub: 'bob' })),
      await connect(await token({ entity: 'else' })),
      await connect(API_KEY),
    ];
    expect(await revoke({ user_id: 'ann' })).toMatchObject({ status: 200 });
    for (const client of ended)
      expect(await client.closed).toEqual({ code: 4501, reason: 'the token was revoked' });
    await stream.ended;
    for (const client of others) {
      client.send({ type: 'ping', id: 'alive' });
      await client.next('pong');
      client.close();
    }
  });

  test('[AUTH-10] a user comes back with a token that was issued later', async () => {
    await revoke({ user_id: 'ann' });
    clock.advance(1000);
    expect((await new ApiClient(server.origin, await token()).get('/api/v1/topics')).status).toBe(200);
  });

  test('[AUTH-10] a token in another spelling of its signature stays revoked', async () => {
    const jwt = await token();
    await revoke({ token: jwt });
    // The last of 43 characters holds four bits: the others may be anything.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(jwt.at(-1) ?? '');
    for (const spelling of [last ^ 1, last ^ 2, last ^ 3]) {
      const other = jwt.slice(0, -1) + alphabet[spelling];
      expect((await new ApiClient(server.origin, other).get('/api/v1/topics')).status).toBe(401);
    }
  });

  test.each([{ api_key: 'backend' }, { token: API_KEY }])(
    '[AUTH-10] an API key is revoked by its id or by itself, for good: %j',
    async (body) => {
      const client = await new TestClient(url(`/ws?token=${API_KEY}`)).opened();
      expect((await revoke(body)).body).toEqual({ revoked: 'api_key', until: null });
      expect(await client.closed).toMatchObject({ code: 4501 });
      await server.close();
      clock = new ManualClock(clock.now() + 60 * DAY_MS);
      await start();
      expect((await new ApiClient(server.origin, API_KEY).get('/api/v1/topics')).status).toBe(401);
    },
  );

  test('[AUTH-5] [AUTH-10] a fresh token in band outlives the revoked one, a revoked one is refused', async () => {
    const [first, second, third] = [
      await token({ ttlMs: 1000 * 60 }),
      await token({ ttlMs: 1000 * 90 }),
      await token(),
    ];
    const client = await new TestClient(url(`/ws?token=${first}`)).opened();
    client.send({ type: 'auth', token: second });
    await client.take('welcome', 2);
    await revoke({ token: first });
    await revoke({ token: third });
    client.send({ type: 'auth', id: 3, token: third });
    expect(await client.next('error')).toMatchObject({ id: 3, code: 'unauthorized' });
    client.send({ type: 'ping' });
    await client.next('pong');
    await revoke({ token: second });
    expect(await client.closed).toMatchObject({ code: 4501 });
  });
});

describe('who may revoke what', () => {
  test('[AUTH-11] an administrator reaches the own entity alone', async () => {
    const jwt = await token();
    const outsider = await adminOf('else');
    expect(await revoke({ token: jwt }, outsider)).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    expect(await revoke({ token: API_KEY }, outsider)).toMatchObject({ status: 403 });
    for (const body of [{ user_id: 'ann' }, { jti: 'j' }, { api_key: 'backend' }]) {
      expect((await revoke(body, outsider)).status).toBe(200);
    }
    expect(await answers(jwt)).toEqual(letIn);
    expect(await answers(API_KEY)).toEqual(letIn);
  });

  test('[AUTH-11] nobody else may', async () => {
    for (const roles of [['observer'], ['member'], ['agent'], ['publisher']] as const) {
      const api = new ApiClient(server.origin, await token({ roles }));
      expect(await revoke({ user_id: 'bob' }, api)).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      });
    }
  });

  test.each([
    [{}, 'exactly one'],
    [{ jti: 'a', user_id: 'b' }, 'exactly one'],
    [{ user_id: 7 }, '/user_id'],
    [{ token: 'what nobody has signed' }, 'nothing to revoke'],
    [{ jti: 'x'.repeat(256) }, '/jti'],
  ])('[AUTH-11] %j is refused as a bad message', async (body, problem) => {
    expect(await revoke(body)).toMatchObject({
      status: 400,
      body: { code: 'bad-message', detail: expect.stringContaining(problem) },
    });
  });

  test('[AUTH-11] a reason that quotes the token is refused, and neither is stored', async () => {
    const jwt = await token();
    expect(await revoke({ token: jwt, reason: `leaked: ${jwt}` })).toMatchObject({ status: 400 });
    await revoke({ token: jwt, reason: 'leaked' });
    const { text } = await admin.get('/api/v1/audit');
    expect(text).toContain('"reason":"leaked"');
    expect(text).not.toContain(jwt.slice(0, jwt.lastIndexOf('.')));
  });
});

describe('forgetting', () => {
  test('[AUTH-12] a token is kept until its end, what has none for the longest lifetime', async () => {
    const at = (ms: number): string => new Date(clock.now() + ms).toISOString();
    expect((await revoke({ token: await token() })).body).toEqual({ revoked: 'token', until: at(DAY_MS) });
    expect((await revoke({ user_id: 'ann' })).body).toEqual({ revoked: 'user_id', until: at(7 * DAY_MS) });
    expect((await revoke({ jti: 'j' })).body).toEqual({ revoked: 'jti', until: at(7 * DAY_MS) });
  });

  test('[AUTH-12] a token that lives longer than revocations are kept is refused', async () => {
    const long = await token({ ttlMs: 7 * DAY_MS + 1000 });
    const answer = await new ApiClient(server.origin, long).get('/api/v1/topics');
    expect(answer).toMatchObject({
      status: 401,
      body: { detail: expect.stringContaining('auth.maxTokenLifetime') },
    });
    // Its end comes nearer, its lifetime stays what it is.
    clock.stepWall(6 * DAY_MS);
    expect((await new ApiClient(server.origin, long).get('/api/v1/topics')).status).toBe(401);
  });

  test('[AUTH-12] the configuration cannot make the server forget earlier', async () => {
    for (const name of ['revocations', 'key-revocations']) {
      const namespaces = { [name]: { retention: { maxAge: '1s' } } } as const;
      await expect(TestServer.start({ namespaces })).rejects.toThrow(
        `namespaces.${name} is the server’s own`,
      );
    }
  });
});

describe('nodes that share a log', () => {
  const options = { clock: systemClock, turns: systemTurns, retention: () => ({}), onError: () => {} };

  test('[AUTH-10] what one of them revokes the others refuse, and end its sessions', async () => {
    const engine = createMemoryEngine(options);
    const [here, there] = [await TestServer.start({ engine }), await TestServer.start({ engine })];
    const client = await there.connect('/ws', { sub: 'ann' });
    await client.next('welcome');
    const api = new ApiClient(here.origin, await here.token({ sub: 'root' }));
    expect((await api.post('/api/v1/tokens/revoke', { user_id: 'ann' })).status).toBe(200);
    expect(await client.closed).toMatchObject({ code: 4501 });
    await Promise.all([here.close(), there.close()]);
    await engine.close();
  });

  test('[AUTH-10] a session that is being opened while its token is revoked never opens', async () => {
    const engine = createMemoryEngine(options);
    const following = Promise.withResolvers<void>();
    const slow: Engine = new Proxy(engine, {
      get: (_, name: keyof Engine) =>
        name === 'follow'
          ? async (...[entity, ...rest]: Parameters<Engine['follow']>) => {
              if (entity === 'slow') await following.promise;
              return engine.follow(entity, ...rest);
            }
          : engine[name].bind(engine),
    });
    const node = await TestServer.start({ engine: slow });
    const client = await node.connect('/ws', { entity: 'slow', sub: 'ann' });
    const api = new ApiClient(node.origin, await node.token({ entity: 'slow', sub: 'root' }));
    expect((await api.post('/api/v1/tokens/revoke', { user_id: 'ann' })).status).toBe(200);
    following.resolve();
    expect(await client.closed).toMatchObject({ code: 4501 });
    expect(client.messages).toEqual([]);
    await node.close();
    await engine.close();
  });
});
