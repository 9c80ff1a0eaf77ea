import { request } from 'node:http';
import {
  clientFrame,
  ManualClock,
  OPCODE,
  RawWebSocket,
  TestClient,
  TestServer,
  UpgradeRefused,
  until,
} from '@millrace/testkit';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemTurns } from '../clock.ts';
import type { FollowListener } from '../engine/engine.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';

const packr = new Packr({ useRecords: false });
let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start({ cors: { origins: ['https://app.example.com'] } });
});

afterAll(() => server.close());

const url = (path: string, of = server): string => of.origin.replace('http', 'ws') + path;

async function refusal(opening: Promise<unknown>): Promise<UpgradeRefused> {
  const outcome: unknown = await opening.catch((error: unknown) => error);
  if (!(outcome instanceof UpgradeRefused)) throw new Error(`not refused: ${String(outcome)}`);
  return outcome;
}

describe('subprotocols', () => {
  test.each([
    ['none', []],
    ['millrace.v1.json', ['millrace.v1.json']],
    ['the JSON one among unknown ones', ['graphql-ws', 'millrace.v1.json']],
  ])('[CONN-1] with %s every message is a text frame with one JSON object', async (_, subprotocols) => {
    const client = await server.connect('/ws', { entity: 'conn-1' }, { subprotocols });
    const binary: boolean[] = [];
    client.socket.on('message', (__, isBinary) => binary.push(isBinary));
    expect(await client.next('welcome')).toMatchObject({ protocol: 'millrace.v1.json' });
    client.send({ type: 'subscribe', topic: 'a.b' });
    client.send({ type: 'publish', id: 1, topic: 'a.b', event: 'x', data: { n: 1 } });
    expect(await client.next('event')).toMatchObject({ topic: 'a.b', event: 'x', data: { n: 1 } });
    expect(client.socket.protocol).toBe(subprotocols.length === 0 ? '' : 'millrace.v1.json');
    expect(binary.every((each) => !each)).toBe(true);
    client.close();
  });

  test('[CONN-2] with `millrace.v1.msgpack` every message is a binary frame of the same shape', async () => {
    const entity = 'conn-2';
    const json = await server.connect('/ws', { entity });
    const decodeBinary = (data: Buffer) => packr.unpack(data) as object;
    const options = { subprotocols: ['millrace.v1.msgpack'], decodeBinary };
    const client = await server.connect('/ws', { entity }, options);
    const send = (message: object) => client.socket.send(packr.pack(message));
    send({ type: 'subscribe', id: 1, topic: 'a.b' });
    json.send({ type: 'subscribe', id: 1, topic: 'a.b' });
    await json.next('subscribed');
    expect(await client.next()).toMatchObject({ type: 'welcome', protocol: 'millrace.v1.msgpack' });
    expect(await client.next()).toMatchObject({ type: 'subscribed', id: 1 });
    const data = { text: 'ж😀', list: [1, -2.5, 1e21, true, null], nested: { a: {} }, big: 2 ** 40 };
    send({ type: 'publish', id: 2, topic: 'a.b', event: 'x', data, key: 'k', priority: 'high' });
    const event = await json.next('event');
    expect(event).toMatchObject({ data, key: 'k', priority: 'high' });
    const answers = [await client.next(), await client.next()];
    expect(answers).toContainEqual(event);
    expect(answers).toContainEqual(expect.objectContaining({ type: 'ok', id: 2 }));
    expect(client.texts).toEqual([]);
    client.close();
    json.close();
  });

  test('[CONN-3] only unknown subprotocols: HTTP 400 with `bad-protocol`', async () => {
    const refused = await refusal(
      server.connect('/ws', {}, { subprotocols: ['graphql-ws', 'millrace.v9.json'] }),
    );
    expect(refused.status).toBe(400);
    expect(refused.problem).toMatchObject({ code: 'bad-protocol', retryable: false });
    expect(refused.problem.detail).toContain('millrace.v1.json');
  });

  test('[CONN-3] a token beside an unknown subprotocol does not make it known', async () => {
    const subprotocols = ['other', `bearer.${await server.token()}`];
    expect((await refusal(new TestClient(url('/ws'), { subprotocols }).opened())).status).toBe(400);
  });
});

describe('the first message', () => {
  test('[CONN-4] is `welcome`, and says who one is and what is in force', async () => {
    const client = await server.connect('/ws', { sub: 'u-1', entity: 'e-1', roles: ['member', 'agent'] });
    const welcome = await client.next();
    expect(welcome).toEqual({
      type: 'welcome',
      connectionId: expect.stringMatching(/./),
      userId: 'u-1',
      entityId: 'e-1',
      roles: ['member', 'agent'],
      serverTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      heartbeatMs: 30_000,
      limits: {
        maxMessageBytes: 64_000,
        maxJsonDepth: 32,
        maxSubscriptions: 128,
        messagesPerSecond: 100,
        messageBurst: 200,
      },
      protocol: 'millrace.v1.json',
    });
    client.close();
  });

  test('[CONN-4] messages in the same packet as the upgrade wait for it', async () => {
    const first = Buffer.concat([
      clientFrame(OPCODE.text, '{"type":"subscribe","id":1,"topic":"a.b"}'),
      clientFrame(OPCODE.text, '{"type":"ping","id":2}'),
    ]);
    for (let i = 0; i < 5; i++) {
      const token = await server.token({ entity: `packet-${i}` });
      const socket = new RawWebSocket(url(`/ws?token=${token}`), { first });
      await socket.message('subscribed');
      await socket.message('pong');
      expect(socket.messages[0]).toMatchObject({ type: 'welcome' });
      expect(socket.messages).not.toContainEqual(expect.objectContaining({ type: 'error' }));
      socket.destroy();
    }
  });

  test('[CONN-4] messages wait for a log that is slow to follow; one that cannot be followed ends the session', async () => {
    const engine = createMemoryEngine({
      clock: systemClock,
      turns: systemTurns,
      retention: () => ({}),
      onError: () => {},
    });
    let begin: (() => void) | undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const slow = Object.assign(Object.create(engine) as typeof engine, {
      follow: async (entity: string, pattern: string, listener: FollowListener) => {
        // The server's own entity is followed before it serves.
        if (!entity.startsWith('$')) await begun;
        if (entity === 'broken') throw new Error('the disk is gone');
        return engine.follow(entity, pattern, listener);
      },
    });
    for (const name of ['append', 'read', 'readSince', 'cursor', 'head', 'topics', 'close'] as const) {
      Object.assign(slow, { [name]: engine[name].bind(engine) });
    }
    const late = await TestServer.start({ engine: slow });
    const client = await late.connect('/ws', { entity: 'fine' });
    client.send({ type: 'ping', id: 1 });
    const broken = await late.connect('/ws', { entity: 'broken' });
    broken.send({ type: 'ping', id: 1 });
    begin?.();
    expect((await client.next()).type).toBe('welcome');
    expect(await client.next()).toMatchObject({ type: 'pong', id: 1 });
    expect(await broken.closed).toMatchObject({ code: 4006 });
    client.close();
    await late.close();
    await engine.close();
  });
});

describe('origins', () => {
  const cases: [string, string, boolean][] = [
    ['an origin of the allow-list', 'https://app.example.com', true],
    ['a loopback origin, at a server bound to loopback', 'http://localhost:5173', true],
    ['another origin', 'https://evil.example.com', false],
    ['an origin that only begins like an allowed one', 'https://app.example.com.evil.com', false],
    ['another scheme', 'http://app.example.com', false],
    ['no origin at all (`null`)', 'null', false],
    ['what is no origin', 'javascript:alert(1)', false],
  ];
  test.each(cases)('[CONN-5] %s (%s): accepted is %s', async (_, origin, accepted) => {
    for (const path of ['/ws', '/ws/a/b', '/']) {
      const opening = server.connect(path, {}, { headers: { origin } });
      if (accepted) (await opening).close();
      else {
        const refused = await refusal(opening);
        expect(refused.status).toBe(403);
        expect(refused.problem.code).toBe('bad-origin');
      }
    }
    const stream = await server.stream('/events?topics=a', {}, { origin });
    expect((await stream.answered).status).toBe(accepted ? 200 : 403);
    stream.close();
  });
});

describe('a full node', () => {
  test('[CONN-6] one connection more than allowed is answered with 503 and `Retry-After`', async () => {
    const small = await TestServer.start({ limits: { maxConnections: 2 } });
    const first = await small.connect();
    const second = await small.connect('/ws/a/b');
    const refused = await refusal(small.connect());
    expect(refused.status).toBe(503);
    expect(refused.problem).toMatchObject({ code: 'overloaded', retryable: true });
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    const stream = await small.stream('/events?topics=a');
    expect((await stream.answered).status).toBe(503);
    // A place that is free again is given again.
    first.close();
    await first.closed;
    const readmitted = async () => {
      const third = await small.connect().catch(() => undefined);
      third?.close();
      return third !== undefined;
    };
    await until(readmitted);
    second.close();
    await small.close();
  });

  test('[CONN-6] connections without a token cannot take the places of those that bring one', async () => {
    const small = await TestServer.start({ limits: { maxConnections: 4 } });
    const strangers = [await small.connectAnonymously(), await small.connectAnonymously()];
    expect((await refusal(small.connectAnonymously())).status).toBe(503);
    const known = [await small.connect(), await small.connect()];
    // One that has shown its token is no stranger any more, but the node is full.
    for (const client of [...strangers, ...known]) client.close();
    await Promise.all([...strangers, ...known].map(({ closed }) => closed));
    const again = await small.connectAnonymously();
    again.close();
    await small.close();
  });

  test('[CONN-6] many that come at once do not slip through while their tokens are checked', async () => {
    const small = await TestServer.start({ limits: { maxConnections: 3 } });
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => small.connect('/ws', { sub: `user-${i}` })),
    );
    const opened = attempts.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(opened).toHaveLength(3);
    for (const client of opened) client.close();
    await small.close();
  });
});

describe('paths', () => {
  test('[CONN-1] an upgrade elsewhere is answered with 404', async () => {
    expect((await refusal(server.connect('/socket'))).status).toBe(404);
    expect((await refusal(server.connect('/wsx'))).status).toBe(404);
  });

  test('[CONN-1] a plain request for `/ws`, or a malformed upgrade, is answered with an HTTP error', async () => {
    const statusOf = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asking = request(`${server.origin}/ws`, { headers, agent: false }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        asking.on('error', reject);
        asking.end();
      });
    const authorization = `Bearer ${await server.token()}`;
    expect(await statusOf({ authorization })).toBeGreaterThanOrEqual(400);
    const upgrade = { authorization, connection: 'Upgrade', upgrade: 'websocket' };
    expect(await statusOf({ ...upgrade, 'sec-websocket-version': '13' })).toBe(400);
    expect(
      await statusOf({ ...upgrade, 'sec-websocket-version': '7', 'sec-websocket-key': 'x'.repeat(24) }),
    ).toBeGreaterThanOrEqual(400);
  });
});

describe('the server’s own clock', () => {
  test('[CONN-4] `serverTime` is the server’s', async () => {
    const clock = new ManualClock(Date.UTC(2030, 0, 1));
    const timed = await TestServer.start({ clock });
    const client = await timed.connect('/ws', { clock });
    expect(await client.next('welcome')).toMatchObject({ serverTime: '2030-01-01T00:00:00.000Z' });
    client.close();
    await timed.close();
  });
});
