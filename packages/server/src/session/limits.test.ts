import {
  ApiClient,
  clientFrame,
  ManualClock,
  OPCODE,
  RawWebSocket,
  type TestClient,
  TestServer,
  type TokenOptions,
  UpgradeRefused,
  until,
} from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

type Limits = NonNullable<NonNullable<Parameters<typeof TestServer.start>[0]>['limits']>;

let clock: ManualClock;
let server: TestServer;

beforeEach(() => {
  clock = new ManualClock();
});

afterEach(() => server.close());

async function start(limits: Limits, more: { server?: { trustProxy: number } } = {}): Promise<void> {
  server = await TestServer.start({ clock, limits, ...more });
}

const as = (options: TokenOptions): TokenOptions => ({ clock, ttlMs: 86_400_000, ...options });
const connect = (options: TokenOptions): Promise<TestClient> => server.connect('/ws', as(options));

async function refusal(opening: Promise<unknown>): Promise<UpgradeRefused> {
  const outcome = await opening.then(
    () => 'opened',
    (error: unknown) => error,
  );
  if (!(outcome instanceof UpgradeRefused)) throw new Error(`not refused: ${String(outcome)}`);
  return outcome;
}

async function api(options: TokenOptions): Promise<ApiClient> {
  return new ApiClient(server.origin, await server.token(as(options)));
}

/** How many of so many pings at once are answered. */
async function answered(client: TestClient, count: number): Promise<number> {
  const before = client.messages.length;
  for (let id = 0; id < count; id++) client.send({ type: 'ping', id });
  await until(() => client.messages.length >= before + count, 'all answers');
  return client.messages.slice(before).filter(({ type }) => type === 'pong').length;
}

describe('the rate of messages', () => {
  test('[LIM-3] goes by role, of several the one that may most, and `welcome` says it', async () => {
    await start({
      messagesPerSecond: 10,
      messageBurst: 5,
      roles: { agent: { messagesPerSecond: 1000, messageBurst: 40 }, publisher: { messageBurst: 7 } },
    });
    const expected: [TokenOptions['roles'] & object, number, number][] = [
      [['member'], 10, 5],
      [['agent'], 1000, 40],
      [['observer', 'agent'], 1000, 40],
      [['publisher'], 10, 7],
    ];
    for (const [roles, messagesPerSecond, messageBurst] of expected) {
      const client = await connect({ roles, sub: roles.join() });
      expect((await client.next('welcome')).limits).toMatchObject({ messagesPerSecond, messageBurst });
      expect(await answered(client, messageBurst + 3)).toBe(messageBurst);
      clock.advance(1000 / messagesPerSecond);
      expect(await answered(client, 2)).toBe(1);
      client.close();
    }
    const admin = await connect({ roles: ['member', 'admin'] });
    await admin.next('welcome');
    expect(await answered(admin, 100)).toBe(100);
    admin.close();
  });

  test('[LIM-3] may be of a minute, too', async () => {
    await start({ messagesPerMinute: 100, minuteBurst: 10 });
    const client = await connect({ roles: ['member'] });
    expect((await client.next('welcome')).limits).toMatchObject({ messagesPerMinute: 100, minuteBurst: 10 });
    expect(await answered(client, 12)).toBe(10);
    expect(client.messages.at(-1)).toMatchObject({ code: 'rate-limited', details: { retryAfterMs: 600 } });
    clock.advance(600);
    expect(await answered(client, 2)).toBe(1);
    client.close();
  });

  test('[LIM-3] a fresh token is no fresh allowance', async () => {
    await start({ messagesPerSecond: 1, messageBurst: 4 });
    const client = await connect({ roles: ['member'] });
    await client.next('welcome');
    expect(await answered(client, 3)).toBe(3);
    client.send({ type: 'auth', token: await server.token(as({ roles: ['member'] })) });
    await client.next('welcome');
    expect(await answered(client, 1)).toBe(0);
    client.close();
  });

  test.each([
    ['pings', OPCODE.ping],
    ['pongs that answer nothing', OPCODE.pong],
  ])('[LIM-3] counts %s of the protocol, too: too many are not answered, and cut', async (_, opcode) => {
    await start({ messagesPerSecond: 10, messageBurst: 5, maxViolations: 20 });
    const socket = new RawWebSocket(
      `${server.origin}/ws?token=${await server.token(as({ roles: ['member'] }))}`,
    );
    await socket.message('welcome');
    const flood = (count: number) => {
      for (let i = 0; i < count; i++) socket.tcp.write(clientFrame(opcode, 'x'));
    };
    const frames = (wanted: number) => socket.frames.filter((frame) => frame.opcode === wanted);
    flood(24);
    socket.tcp.write(clientFrame(OPCODE.text, '{"type":"ping","id":1}'));
    await socket.until(() => frames(OPCODE.close).length > 0, 'the end');
    expect(frames(OPCODE.pong)).toHaveLength(opcode === OPCODE.ping ? 5 : 0);
    expect(frames(OPCODE.close)[0]?.payload.readUInt16BE(0)).toBe(4505);
    socket.destroy();
  });

  test('[LIM-4] over HTTP a request counts as a message: the one too many is 429 and says when', async () => {
    await start({ messagesPerSecond: 10, messageBurst: 5 });
    const member = await api({ roles: ['member'] });
    for (let i = 0; i < 5; i++) expect((await member.get('/api/v1/topics')).status).toBe(200);
    const refused = await member.post('/api/v1/events', { topic: 'chat.a', event: 'x', data: 1 });
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate-limited', retryable: true } });
    expect(refused.body.details).toEqual({ retryAfterMs: 100 });
    expect(refused.headers.get('retry-after')).toBe('1');
    clock.advance(100);
    expect((await member.post('/api/v1/events', { topic: 'chat.a', event: 'x', data: 1 })).status).toBe(200);
    expect((await member.get('/api/v1/topics')).status).toBe(429);
    // Others are not held to it.
    expect((await (await api({ roles: ['member'], sub: 'other' })).get('/api/v1/topics')).status).toBe(200);
    const publisher = await api({ roles: ['publisher'] });
    for (let i = 0; i < 20; i++) expect((await publisher.get('/api/v1/topics')).status).toBe(200);
  });

  test('[LIM-4] tokens of several roles, used in turn, give no more than the larger allowance', async () => {
    await start({ messagesPerSecond: 10, messageBurst: 5, roles: { agent: { messageBurst: 8 } } });
    const [member, agent] = [await api({ roles: ['member'] }), await api({ roles: ['agent'] })];
    let taken = 0;
    for (let i = 0; i < 40; i++) {
      if ((await (i % 2 === 0 ? member : agent).get('/api/v1/topics')).status === 200) taken++;
    }
    expect(taken).toBeGreaterThanOrEqual(5);
    expect(taken).toBeLessThanOrEqual(8);
  });

  test('[LIM-3] the same holds of a session that is given them in turn', async () => {
    await start({ messagesPerSecond: 10, messageBurst: 5, roles: { agent: { messageBurst: 8 } } });
    const client = await connect({ roles: ['member'] });
    await client.next('welcome');
    const tokens = [
      await server.token(as({ roles: ['agent'] })),
      await server.token(as({ roles: ['member'] })),
    ];
    let taken = 0;
    for (let i = 0; i < 30; i++) {
      const before = client.messages.length;
      client.send({ type: 'auth', id: i, token: tokens[i % 2] });
      await until(() => client.messages.length > before, 'the answer');
      if (client.messages[before]?.type === 'welcome') taken++;
    }
    expect(taken).toBeGreaterThanOrEqual(5);
    expect(taken).toBeLessThanOrEqual(8);
    client.close();
  });

  test('[LIM-4] each event of a batch counts: those after it wait until it is paid for', async () => {
    await start({ messagesPerSecond: 10, messageBurst: 5 });
    const member = await api({ roles: ['member'] });
    const events = Array.from({ length: 15 }, (_, i) => ({ topic: 'chat.a', event: 'x', data: i }));
    expect((await member.post('/api/v1/events', { events })).status).toBe(200);
    expect((await member.post('/api/v1/events', { events })).body.details).toEqual({ retryAfterMs: 1100 });
    clock.advance(1099);
    expect((await member.get('/api/v1/topics')).status).toBe(429);
    clock.advance(1);
    expect((await member.get('/api/v1/topics')).status).toBe(200);
  });
});

describe('abuse', () => {
  const limits: Limits = { messagesPerSecond: 10, messageBurst: 5, maxViolations: 20 };

  test('[LIM-6] is answered up to the last violation, and then disconnects every session of the user', async () => {
    await start(limits);
    const flooding = await connect({ sub: 'eve', roles: ['member'], entity: 'acme' });
    const elsewhere = await connect({ sub: 'eve', roles: ['member'], entity: 'acme' });
    const stream = await server.stream('/events?topics=a', as({ sub: 'eve', entity: 'acme' }));
    await stream.until(({ blocks }) => blocks.length > 0, 'the first block');
    const namesake = await connect({ sub: 'eve', roles: ['member'], entity: 'other' });
    const colleague = await connect({ sub: 'ann', roles: ['member'], entity: 'acme' });
    await flooding.next('welcome');
    expect(await answered(flooding, 5 + 19)).toBe(5);
    expect(flooding.messages.filter(({ type }) => type === 'error')).toHaveLength(19);
    flooding.send({ type: 'ping' });
    expect(await flooding.closed).toMatchObject({ code: 4505 });
    expect(await elsewhere.closed).toMatchObject({ code: 4505 });
    await stream.ended;
    for (const client of [namesake, colleague]) {
      await client.next('welcome');
      expect(await answered(client, 1)).toBe(1);
      client.close();
    }
  });

  test('[LIM-6] a banned user is refused at every door with 429 and `Retry-After` for exactly 300 s', async () => {
    await start(limits);
    const who: TokenOptions = { sub: 'eve', roles: ['member'], entity: 'acme' };
    const flooding = await connect(who);
    await flooding.next('welcome');
    for (let i = 0; i < 5 + 20; i++) flooding.send({ type: 'ping' });
    await flooding.closed;
    const refused = await refusal(connect(who));
    expect(refused).toMatchObject({ status: 429, problem: { code: 'abuse' } });
    expect(refused.headers['retry-after']).toBe('300');
    const stream = await server.stream('/events?topics=a', as(who));
    expect((await stream.answered).status).toBe(429);
    const answer = await (await api(who)).get('/api/v1/topics');
    expect(answer).toMatchObject({ status: 429, body: { code: 'abuse' } });
    expect(answer.headers.get('retry-after')).toBe('300');
    const late = await server.connectAnonymously();
    late.send({ type: 'auth', token: await server.token(as(who)) });
    expect(await late.closed).toMatchObject({ code: 4505 });
    clock.advance(299_999);
    expect((await refusal(connect(who))).headers['retry-after']).toBe('1');
    clock.advance(1);
    const back = await connect(who);
    await back.next('welcome');
    back.close();
  });

  test('[LIM-6] over HTTP it is the same', async () => {
    await start(limits);
    const member = await api({ roles: ['member'] });
    for (let i = 0; i < 5 + 19; i++) await member.get('/api/v1/topics');
    expect((await member.get('/api/v1/topics')).body).toMatchObject({ code: 'rate-limited' });
    expect((await member.get('/api/v1/topics')).body).toMatchObject({ code: 'abuse' });
    expect((await refusal(connect({ roles: ['member'] }))).status).toBe(429);
  });

  test('[LIM-6] an address with bad tokens is refused what brings no valid token, and nothing else', async () => {
    await start({ maxAddressViolations: 4 });
    const bad = (): Promise<unknown> =>
      fetch(`${server.origin}/api/v1/topics?token=forged`).then((answer) => answer.status);
    expect(await bad()).toBe(401);
    expect(await bad()).toBe(401);
    const anonymous = await server.connectAnonymously();
    const forging = await server.connectAnonymously();
    forging.send({ type: 'auth', token: 'forged' });
    expect(await forging.closed).toMatchObject({ code: 4501 });
    // The fourth is one too many.
    expect(await bad()).toBe(429);
    expect(await bad()).toBe(429);
    const refused = await refusal(server.connectAnonymously());
    expect(refused).toMatchObject({ status: 429, problem: { code: 'abuse' } });
    expect(refused.headers['retry-after']).toBe('300');
    const valid = await connect({ roles: ['observer'] });
    await valid.next('welcome');
    valid.close();
    // Who came before, and says who it is, is let in, too.
    anonymous.send({ type: 'auth', token: await server.token(as({})) });
    await anonymous.next('welcome');
    anonymous.close();
    clock.advance(300_000);
    expect(await bad()).toBe(401);
    (await server.connectAnonymously()).close();
  });

  test('[LIM-6] tokens that have expired, as those of a computer that wakes up, ban no address', async () => {
    await start({ maxAddressViolations: 2 });
    const token = await server.token({ clock, ttlMs: 1000 });
    clock.advance(2000);
    for (let i = 0; i < 5; i++) {
      const answer = await fetch(`${server.origin}/api/v1/topics?token=${token}`);
      expect(await answer.json()).toMatchObject({ code: 'token-expired' });
    }
  });

  test('[LIM-6] behind a trusted proxy the address is what the proxy saw', async () => {
    await start({ maxAddressViolations: 2 }, { server: { trustProxy: 1 } });
    const bad = async (forwarded: string): Promise<number> => {
      const headers = { 'x-forwarded-for': forwarded };
      return (await fetch(`${server.origin}/api/v1/topics?token=forged`, { headers })).status;
    };
    expect(await bad('203.0.113.9')).toBe(401);
    expect(await bad('192.0.2.7, 203.0.113.9')).toBe(429);
    expect(await bad('203.0.113.9, 192.0.2.7')).toBe(401);
  });
});

describe('before a client is known', () => {
  test('[LIM-7] so many bytes of messages are taken, and not one more', async () => {
    await start({ maxEarlyBytes: 4096 });
    const message = (bytes: number): string => `{"type":"ping"}${' '.repeat(bytes - 15)}`;
    const within = await server.connectAnonymously();
    for (let i = 0; i < 4; i++) within.socket.send(message(1024 - 256));
    await within.take('error', 4);
    within.socket.send('{}');
    expect(await within.closed).toMatchObject({ code: 4505 });
    const one = await server.connectAnonymously();
    one.socket.send(message(4096 - 256 + 1));
    expect(await one.closed).toMatchObject({ code: 4505 });
  });

  test('[LIM-7] pings of the protocol count', async () => {
    await start({ maxEarlyBytes: 1024 });
    const socket = new RawWebSocket(`${server.origin}/ws`);
    for (let i = 0; i < 4; i++) socket.tcp.write(clientFrame(OPCODE.ping, 'x'));
    await socket.until(({ frames }) => frames.some(({ opcode }) => opcode === OPCODE.close), 'the end');
    expect(socket.frames.map(({ opcode }) => opcode)).toEqual([
      OPCODE.pong,
      OPCODE.pong,
      OPCODE.pong,
      OPCODE.close,
    ]);
    socket.destroy();
  });

  test('[LIM-7] what waits for a token’s check is bounded the same way', async () => {
    await start({ maxEarlyBytes: 65_536 });
    const token = await server.token(as({}));
    const messages = [{ type: 'auth', token }, ...Array.from({ length: 300 }, () => ({ type: 'ping' }))];
    const raw = new RawWebSocket(`${server.origin}/ws`, {
      first: Buffer.concat(messages.map((each) => clientFrame(OPCODE.text, JSON.stringify(each)))),
    });
    await raw.until(({ frames }) => frames.some(({ opcode }) => opcode === OPCODE.close), 'a close frame');
    expect(raw.frames.at(-1)?.payload.readUInt16BE(0)).toBe(4505);
    raw.destroy();
  });
});

describe('the number of connections', () => {
  test('[LIM-9] of a user: one more is 503 with `Retry-After`, one that is closed makes room', async () => {
    await start({ maxConnectionsPerUser: 2 });
    const first = await connect({ sub: 'ann' });
    const stream = await server.stream('/events?topics=a', as({ sub: 'ann' }));
    await stream.until(({ blocks }) => blocks.length > 0, 'the first block');
    const refused = await refusal(connect({ sub: 'ann' }));
    expect(refused).toMatchObject({ status: 503, problem: { code: 'overloaded' } });
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    const late = await server.connectAnonymously();
    late.send({ type: 'auth', token: await server.token(as({ sub: 'ann' })) });
    expect(await late.closed).toMatchObject({ code: 4005 });
    for (const other of [{ sub: 'bob' }, { sub: 'ann', entity: 'another' }]) (await connect(other)).close();
    first.close();
    await first.closed;
    let again: TestClient | undefined;
    await until(async () => {
      again = await connect({ sub: 'ann' }).catch(() => undefined);
      return again !== undefined;
    }, 'room');
    await again?.next('welcome');
    again?.close();
    stream.close();
  });

  test('[LIM-9] of an entity', async () => {
    await start({ maxConnectionsPerEntity: 2 });
    const clients = [
      await connect({ sub: 'a', entity: 'acme' }),
      await connect({ sub: 'b', entity: 'acme' }),
    ];
    for (const client of clients) await client.next('welcome');
    expect((await refusal(connect({ sub: 'c', entity: 'acme' }))).problem.code).toBe('overloaded');
    const stream = await server.stream('/events?topics=a', as({ sub: 'c', entity: 'acme' }));
    expect((await stream.answered).status).toBe(503);
    (await connect({ sub: 'c', entity: 'other' })).close();
    for (const client of clients) client.close();
  });

  test('[LIM-9] many of one user that come at once do not slip through', async () => {
    await start({ maxConnectionsPerUser: 3 });
    const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => connect({ sub: 'ann' })));
    const opened = attempts.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const welcomed = await Promise.all(
      opened.map((client) => Promise.race([client.next('welcome').catch(() => undefined), client.closed])),
    );
    expect(welcomed.filter((each) => each !== undefined && 'connectionId' in each)).toHaveLength(3);
    for (const client of opened) client.close();
  });

  test('[LIM-9] of an address, authenticated or not', async () => {
    await start({ maxConnectionsPerAddress: 2 }, { server: { trustProxy: 1 } });
    const at = async (address: string): Promise<TestClient> =>
      server.connectAnonymously('/ws', { headers: { 'x-forwarded-for': address } });
    const clients = [await at('203.0.113.9'), await at('::ffff:203.0.113.9')];
    const refused = await refusal(at('203.0.113.9'));
    expect(refused).toMatchObject({ status: 503, problem: { code: 'overloaded' } });
    clients.push(await at('203.0.113.10'), await at('2001:db8::1'), await at('2001:db8::2'));
    expect((await refusal(at('2001:db8::3'))).status).toBe(503);
    for (const client of clients) client.close();
  });

  test('[LIM-5] an address that opens them too fast is told 429 and when to come back', async () => {
    await start({ connectionsPerSecond: 2, connectionBurst: 3 });
    const clients: TestClient[] = [];
    for (let i = 0; i < 3; i++) clients.push(await connect({}));
    const refused = await refusal(connect({}));
    expect(refused).toMatchObject({ status: 429, problem: { code: 'rate-limited' } });
    expect(refused.headers['retry-after']).toBe('1');
    const stream = await server.stream('/events?topics=a', as({}));
    expect((await stream.answered).status).toBe(429);
    clock.advance(499);
    expect((await refusal(connect({}))).status).toBe(429);
    clock.advance(1);
    clients.push(await connect({}));
    for (const client of clients) client.close();
  });
});

describe('a message that stands still', () => {
  const half = clientFrame(OPCODE.text, '{"type":"ping","id":"half"}');
  const beginnings: [string, Buffer][] = [
    ['the first byte of a header', half.subarray(0, 1)],
    ['a header', half.subarray(0, 6)],
    ['half a payload', half.subarray(0, 15)],
    ['a first fragment', clientFrame(OPCODE.text, '{"type":', { fin: false })],
  ];

  async function raw(): Promise<RawWebSocket> {
    const socket = new RawWebSocket(`${server.origin}/ws?token=${await server.token(as({}))}`);
    // Or pieces wait in the kernel for an acknowledgement of those before.
    socket.tcp.setNoDelay(true);
    await socket.message('welcome');
    return socket;
  }

  /** Sends bytes after a ping, whose answer says that they were read. */
  async function write(socket: RawWebSocket, bytes: Buffer, id: string): Promise<void> {
    const ping = clientFrame(OPCODE.text, JSON.stringify({ type: 'ping', id }));
    socket.tcp.write(Buffer.concat([ping, bytes]));
    await socket.message('pong', (pong) => pong.id === id);
  }

  function seconds(count: number): void {
    for (let i = 0; i < count; i++) clock.advance(1000);
  }

  const closes = ({ frames }: RawWebSocket): number[] =>
    frames.filter(({ opcode }) => opcode === OPCODE.close).map(({ payload }) => payload.readUInt16BE(0));

  test.each(beginnings)(
    '[LIM-8] after %s: its session is closed within 10 s, and not waited for',
    async (_, bytes) => {
      await start({});
      const stalled = await raw();
      await write(stalled, bytes, 'a');
      const bystander = await raw();
      seconds(5);
      await write(bystander, Buffer.alloc(0), 'b');
      expect(closes(stalled)).toEqual([]);
      seconds(5);
      await stalled.ended;
      expect(closes(stalled)).toEqual([4001]);
      await write(bystander, Buffer.alloc(0), 'c');
      seconds(15);
      await write(bystander, Buffer.alloc(0), 'd');
      expect(closes(bystander)).toEqual([]);
      bystander.destroy();
    },
  );

  test('[LIM-8] one that goes on slowly, or is ended in time, is not', async () => {
    await start({});
    const slow = await raw();
    const long = clientFrame(OPCODE.text, `{"type":"ping","id":"long","x":"${'x'.repeat(40_000)}"}`);
    await write(slow, long.subarray(0, 2000), 'a');
    let sent = 2000;
    const fence = await raw();
    while (sent < long.length) {
      slow.tcp.write(long.subarray(sent, sent + 2000));
      sent += 2000;
      // What another connection sent later has been read later.
      await write(fence, Buffer.alloc(0), String(sent));
      seconds(3);
    }
    await slow.message('pong', ({ id }) => id === 'long');
    expect(closes(slow)).toEqual([]);
    slow.destroy();
    fence.destroy();
  });

  test.each([
    ['', {}, 0],
    [' that is deflated', { 'sec-websocket-extensions': 'permessage-deflate' }, 0x40],
  ])('[LIM-8] pings between fragments are no going on with a message%s', async (_, headers, rsv1) => {
    await start({});
    const token = await server.token(as({}));
    const stalled = new RawWebSocket(`${server.origin}/ws?token=${token}`, { headers });
    await stalled.until(({ frames }) => frames.length > 0, 'the welcome');
    const fence = await raw();
    const first = clientFrame(OPCODE.text, 'some bytes', { fin: false });
    first[0]! |= rsv1;
    stalled.tcp.write(first);
    for (let i = 1; i <= 10 && closes(stalled).length === 0; i++) {
      for (let ping = 0; ping < 10; ping++) stalled.tcp.write(clientFrame(OPCODE.ping, 'x'.repeat(125)));
      const answered = ({ opcode }: { opcode: number }) => opcode === OPCODE.pong;
      const over = (socket: RawWebSocket) => closes(socket).length > 0;
      await stalled.until(
        (socket) => over(socket) || socket.frames.filter(answered).length >= 10 * i,
        'the pongs',
      );
      await write(fence, Buffer.alloc(0), String(i));
      seconds(1);
    }
    await stalled.until((socket) => closes(socket).length > 0, 'the end');
    expect(closes(stalled)).toEqual([4001]);
    stalled.destroy();
    fence.destroy();
  });

  test('[LIM-8] one that goes on a byte at a time is', async () => {
    await start({});
    const trickling = await raw();
    const fence = await raw();
    const frame = clientFrame(OPCODE.text, `{"type":"ping","id":"${'x'.repeat(100)}"}`);
    await write(trickling, frame.subarray(0, 10), 'a');
    for (let i = 10; i < 20; i++) {
      trickling.tcp.write(frame.subarray(i, i + 1));
      await write(fence, Buffer.alloc(0), String(i));
      seconds(1);
    }
    await trickling.ended;
    expect(closes(trickling)).toEqual([4001]);
    fence.destroy();
  });
});
