import { expect, test } from 'vitest';
import { collect, startClient } from '../test/start-client.ts';

const jwt = (expSeconds: number, name = ''): string => {
  return `e30.${btoa(JSON.stringify({ exp: expSeconds, name })).replaceAll('=', '')}.signature`;
};

test('[CONN-1] [CONN-4] it connects at once, speaks JSON, and is connected when welcomed', async () => {
  const { platform, client, states } = startClient();
  await platform.flush();
  expect(platform.socket.url).toBe('ws://server.test/ws');
  expect(platform.socket.protocols).toEqual(['millrace.v1.json']);
  expect(states).toEqual(['connecting', 'connected']);
  expect(client.session).toEqual({
    connectionId: 'k1',
    userId: 'ada',
    entityId: 'default',
    roles: ['publisher'],
  });
});

test('a path prefix is kept, and https becomes wss', async () => {
  const { platform } = startClient({ url: 'https://server.test:8443/live/' });
  await platform.flush();
  expect(platform.socket.url).toBe('wss://server.test:8443/live/ws');
});

test('a url that is none is refused at once', () => {
  expect(() => startClient({ url: 'server.test' })).toThrow(TypeError);
  expect(() => startClient({ url: 'ftp://server.test' })).toThrow('http(s):// or ws(s)://');
});

test('[AUTH-1] every connection is made with a fresh token, sent as the first message', async () => {
  let asked = 0;
  const { platform, server, states } = startClient({ token: async () => `token-${++asked}` });
  server.needsToken = true;
  await platform.advance(10_000);
  server.cutAll();
  await platform.advance(0);
  expect(server.tokens).toEqual(['token-1', 'token-2']);
  expect(platform.socket.messages[0]).toEqual({ type: 'auth', token: 'token-2' });
  expect(states).toEqual(['connecting', 'connected', 'disconnected', 'connecting', 'connected']);
});

test('[AUTH-1] where a socket does not open, every second attempt shows the token in opening, if it may stand there', async () => {
  for (const [token, shown] of [
    ['a.b-c', ['bearer.a.b-c']],
    ['a/b', []],
  ] as const) {
    const { platform, server, client } = startClient({ token });
    server.needsToken = true;
    const accept = platform.onSocket;
    platform.onSocket = (socket) => socket.pushClose(1006);
    await platform.advance(0);
    while (platform.sockets.length < 3) await platform.advance(100);
    platform.onSocket = accept;
    while (platform.sockets.length < 4) await platform.advance(100);
    await platform.flush();
    const plain = ['millrace.v1.json'];
    const showing = [...plain, ...shown];
    expect(platform.sockets.map(({ protocols }) => protocols)).toEqual([plain, showing, plain, showing]);
    expect(client.state).toBe('connected');
    server.cutAll();
    while (platform.sockets.length < 5) await platform.advance(100);
    expect(platform.socket.protocols).toEqual(plain);
  }
});

test('a token function that fails is asked again, and its error is told', async () => {
  const answers = [() => Promise.reject(new Error('login is down')), () => Promise.resolve('fine')];
  const { platform, states, errors } = startClient({ token: () => answers.shift()?.() ?? 'late' });
  await platform.advance(200);
  expect(states).toEqual(['connecting', 'connect_error', 'connecting', 'connected']);
  expect(errors).toEqual(['unavailable']);
});

// It threw deep inside, out of the socket's listener, which in Node ends the process.
test('a message that breaks the protocol is an error, after which the client connects anew and reads on', async () => {
  const { platform, client, states, errors } = startClient();
  const data = collect(client.topic('task.*'));
  await platform.flush();
  platform.socket.push({ type: 'batch', events: [{ type: 'event', event: 'x', offset: 1 }] });
  await platform.advance(200);
  expect(errors).toEqual(['unavailable']);
  expect(states.slice(-3)).toEqual(['disconnected', 'connecting', 'connected']);
  const published = client.publish('task.a', 'x', 'still there');
  await platform.flush();
  await published;
  expect(data).toEqual(['still there']);
});

test("[AUTH-5] the token is renewed on the same connection before it expires, by the server's clock", async () => {
  const seconds = Date.parse('2026-01-01T00:00:00.000Z') / 1000;
  let asked = 0;
  const { platform, server, states } = startClient({
    token: () => jwt(seconds + 600 * ++asked, String(asked)),
  });
  server.needsToken = true;
  await platform.advance(539_000);
  expect(server.tokens).toHaveLength(1);
  await platform.advance(2000);
  expect(server.tokens).toHaveLength(2);
  await platform.advance(600_000);
  expect(server.tokens).toHaveLength(3);
  expect(platform.sockets).toHaveLength(1);
  expect(states).toEqual(['connecting', 'connected']);
});

test.each([4500, 4501, 4504, 4999])(
  '[CLOSE-1] after close number %i it does not come back',
  async (close) => {
    const { platform, client, states, errors } = startClient();
    await platform.flush();
    platform.socket.pushClose(close, 'told so');
    await platform.advance(3_600_000);
    expect(platform.sockets).toHaveLength(1);
    expect(states.at(-1)).toBe('reconnect_failed');
    expect(errors).toHaveLength(1);
    expect(client.failure?.message).toContain('told so');
  },
);

test.each([1001, 1006, 1012, 4000, 4001, 4005, 4499])(
  '[CLOSE-1] after close number %i it comes back at once',
  async (close) => {
    const { platform, states } = startClient();
    await platform.advance(10_000);
    platform.socket.pushClose(close);
    await platform.advance(0);
    expect(states).toEqual(['connecting', 'connected', 'disconnected', 'connecting', 'connected']);
  },
);

test('[LIM-1] a message that was too large is not sent again and again', async () => {
  const { platform, client } = startClient();
  await platform.flush();
  platform.socket.pushClose(1009);
  await platform.advance(60_000);
  expect(client.failure?.code).toBe('too-large');
  expect(platform.sockets).toHaveLength(1);
});

test('[AUTH-2] a refused token ends it, and connect() begins again', async () => {
  let token = 'forged';
  const { platform, server, client, states } = startClient({ token: () => token });
  server.needsToken = true;
  await platform.advance(60_000);
  expect(states).toEqual(['connecting', 'reconnect_failed']);
  expect(client.failure?.code).toBe('unauthorized');
  token = 'fine';
  client.connect();
  await platform.flush();
  expect(states.slice(2)).toEqual(['connecting', 'connected']);
});

test('[AUTH-5] a token that expired and cannot be renewed ends it; one from a function does not', async () => {
  const fixed = startClient({ token: 'expired' });
  fixed.server.needsToken = true;
  await fixed.platform.advance(60_000);
  expect(fixed.client.failure?.code).toBe('token-expired');

  const answers = ['expired', 'fine'];
  const renewed = startClient({ token: () => answers.shift() ?? 'late' });
  renewed.server.needsToken = true;
  await renewed.platform.advance(200);
  expect(renewed.client.state).toBe('connected');
});

test('[CLOSE-2] after `closing` it waits as long as the server asks before it comes back', async () => {
  const { platform, server, states } = startClient();
  await platform.flush();
  server.send({ type: 'closing', code: 'draining', reason: 'a deploy', retryAfterMs: 5000 });
  platform.socket.pushClose(4000);
  await platform.advance(4999);
  expect(states.at(-1)).toBe('disconnected');
  await platform.advance(100);
  expect(states.at(-1)).toBe('connected');
});

test('a server that is back after a long outage is found within two seconds', async () => {
  const { platform, server, client } = startClient();
  platform.chance = 0.999;
  await platform.flush();
  server.stop();
  await platform.advance(3_600_000);
  expect(client.state).toBe('connect_error');
  server.start();
  await platform.advance(2000);
  expect(client.state).toBe('connected');
});

test('a socket that cannot even be made is a failed attempt, and the state says so', async () => {
  const { platform, server, client, states } = startClient({ token: 'fine' });
  server.needsToken = true;
  platform.onSocket = () => {
    throw new Error('insecure WebSocket on a secure page');
  };
  await platform.flush();
  expect(client.state).toBe('connect_error');
  expect(states.at(-1)).toBe('connect_error');
  server.start();
  await platform.advance(2000);
  expect(states.at(-1)).toBe('connected');
});

test('it gives up after maxAttempts', async () => {
  const { platform, server, states } = startClient({ reconnect: { maxAttempts: 3 } });
  server.stop();
  await platform.advance(60_000);
  expect(platform.sockets).toHaveLength(3);
  expect(states.at(-1)).toBe('reconnect_failed');
});

test('an attempt that nobody answers times out', async () => {
  const silent = startClient({ timeoutMs: 500 });
  silent.platform.socket.held = true;
  await silent.platform.advance(499);
  expect(silent.states).toEqual(['connecting']);
  await silent.platform.advance(1);
  expect(silent.states).toEqual(['connecting', 'timeout']);
});

test('without a token it says that one may be missing; with an empty one it gives up at once', async () => {
  const without = startClient({ timeoutMs: 500 });
  const messages: string[] = [];
  without.client.on('error', ({ message }) => messages.push(message));
  without.server.stop();
  without.server.needsToken = true;
  without.server.start();
  await without.platform.advance(3000);
  expect(messages.at(-1)).toContain('createClient was given none');
  const empty = startClient({ token: '' });
  await empty.platform.flush();
  expect(empty.platform.sockets).toEqual([]);
  expect(empty.states.at(-1)).toBe('reconnect_failed');
  expect(empty.errors).toEqual(['unauthorized']);
});

test('[HB-3] it pings every 30 s and knows the round trip', async () => {
  const { platform, client } = startClient();
  await platform.advance(91_000);
  expect(platform.socket.messages.filter(({ type }) => type === 'ping')).toHaveLength(3);
  expect(client.roundTripMs).toBe(0);
});

test('[HB-3] a connection on which nothing comes back is given up, and another made', async () => {
  const { platform, states } = startClient();
  await platform.flush();
  platform.socket.held = true;
  await platform.advance(39_999);
  expect(states).toEqual(['connecting', 'connected']);
  await platform.advance(1);
  expect(states).toEqual(['connecting', 'connected', 'timeout', 'connecting', 'connected']);
});

test('[HB-3] any message counts as an answer to a ping', async () => {
  const { platform, server, states } = startClient();
  await platform.advance(29_000);
  platform.socket.peer = {
    message: () => server.send({ type: 'position', cursor: 'd1.0' }),
    closed: () => {},
  };
  await platform.advance(120_000);
  expect(states).toEqual(['connecting', 'connected']);
});

test('after sleep the connection is asked at once, and replaced within seconds when it died meanwhile', async () => {
  const { platform, states } = startClient();
  await platform.flush();
  platform.socket.held = true;
  platform.sleep(3_600_000);
  await platform.advance(8000);
  expect(states).toEqual(['connecting', 'connected', 'timeout', 'connecting', 'connected']);
});

test('a wake-up event asks at once whether the connection lives', async () => {
  const { platform, states } = startClient();
  await platform.flush();
  platform.wake();
  await platform.advance(4000);
  expect(states).toEqual(['connecting', 'connected']);
  platform.socket.held = true;
  platform.wake();
  await platform.advance(3000);
  expect(states.slice(2)).toEqual(['timeout', 'connecting', 'connected']);
});

test('[MSG-3] messages and fields of a later server mean nothing, nor does what is not JSON', async () => {
  const { platform, server, client, states } = startClient();
  const sub = client.topic('t');
  const seen = collect(sub);
  await platform.flush();
  server.send({ type: 'weather', topic: 't', mood: 'fine' });
  platform.socket.pushText('{"type":');
  platform.socket.pushText('[1]');
  platform.socket.pushText('null');
  server.append('t', 1);
  await platform.flush();
  expect(seen).toEqual([1]);
  expect(states).toEqual(['connecting', 'connected']);
});

test('an error without an id is told to the application', async () => {
  const { platform, server, errors } = startClient();
  await platform.flush();
  server.send({ type: 'error', code: 'forbidden', message: 'another user', retryable: false, timestamp: '' });
  await platform.flush();
  expect(errors).toEqual(['forbidden']);
});

test('close() leaves nothing behind, and may be called again', async () => {
  const { platform, client, server, states } = startClient();
  const sub = client.topic('t');
  await platform.flush();
  client.close();
  client.close();
  client.connect();
  await platform.advance(60_000);
  expect(states).toEqual(['connecting', 'connected', 'disconnected']);
  expect(sub.closed).toBe(true);
  expect(client.topic('u').closed).toBe(true);
  expect(server.sessions.size).toBe(0);
  expect(platform.pendingTimers).toBe(0);
  expect(platform.wakeListeners).toBe(0);
});

test('close() while connecting makes no connection', async () => {
  const { platform, client } = startClient({ token: async () => 'late' });
  client.close();
  await platform.advance(60_000);
  expect(platform.sockets).toHaveLength(0);
  expect(platform.pendingTimers).toBe(0);
});

test('a listener that throws stops neither the others nor the client', async () => {
  const { platform, client } = startClient();
  const later: string[] = [];
  client.on('state', () => {
    throw new Error('a fault of the application');
  });
  client.on('state', (state) => later.push(state));
  await expect(platform.advance(1)).rejects.toThrow('a fault of the application');
  await expect(platform.advance(1)).resolves.toBeUndefined();
  expect(later).toEqual(['connected']);
});

test('a listener is not called after its undo', async () => {
  const { platform, client } = startClient();
  const seen: string[] = [];
  const off = client.on('state', (state) => seen.push(state));
  off();
  off();
  await platform.flush();
  expect(seen).toEqual([]);
});
