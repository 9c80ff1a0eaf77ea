import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestServer, until, within } from '@millrace/testkit';
import { afterEach, expect, test } from 'vitest';
import { CuttableProxy } from '../test/cuttable-proxy.ts';
import { collect } from '../test/start-client.ts';
import { createClient } from './client.ts';
import type { Client, ClientOptions, Gap } from './types.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startServer(options: Parameters<typeof TestServer.start>[0] = {}): Promise<TestServer> {
  const server = await TestServer.start(options);
  ends.push(() => server.close());
  return server;
}

function clientOf(server: TestServer, options: Partial<ClientOptions> = {}): Client {
  const client = createClient({ url: server.origin, token: () => server.token(), ...options });
  ends.push(() => client.close());
  return client;
}

async function startProxy(server: TestServer): Promise<CuttableProxy> {
  const proxy = await CuttableProxy.start(server.listening.port);
  ends.push(() => proxy.close());
  return proxy;
}

const transports = ['websocket', 'sse'] as const;

test.each(transports)(
  '[AUTH-1] [PUB-1] [SUB-3] over %s: publish, history and live events',
  async (transport) => {
    const server = await startServer();
    const client = clientOf(server, { transport });
    await client.publish('task.a', 'task.step', { progress: 1 });
    const stored = await client.publish('task.a', 'task.step', { progress: 2 }, { source: 'test' });
    expect(stored).toMatchObject({ topic: 'task.a', offset: 2 });
    const history = collect(client.topic('task.a', { since: 'earliest' }));
    const last = collect(client.topic('task.a', { since: { last: 1 } }));
    await until(() => history.length === 2 && last.length === 1, 'history');
    await client.publish('task.a', 'task.step', { progress: 3 });
    await until(() => history.length === 3 && last.length === 2, 'the live event');
    expect(history).toEqual([{ progress: 1 }, { progress: 2 }, { progress: 3 }]);
    const session = { userId: 'tester', roles: ['admin'] };
    expect(client.session).toEqual(transport === 'sse' ? undefined : expect.objectContaining(session));
  },
);

// The SDK gives its token in its first message, and whoever shared a banned address could not come in.
test('[LIM-6] [AUTH-1] from an address that is banned it comes in by showing its token in opening', async () => {
  const server = await startServer({ limits: { maxAddressViolations: 1 } });
  const forged = await fetch(`${server.origin}/api/v1/topics?token=forged`);
  expect(forged.status).toBe(429);
  const client = clientOf(server, { reconnect: { maxAttempts: 2 } });
  await until(() => client.state === 'connected', 'the connection');
  await client.publish('task.a', 'x', 1);
});

test.each(transports)(
  '[SEND-6] over %s what is sent to everyone or to the user is told once, unless a subscription reads it',
  async (transport) => {
    const server = await startServer();
    const client = clientOf(server, { transport });
    const direct: unknown[] = [];
    client.on('direct', ({ data }) => direct.push(data));
    const read = collect(client.topic('a.b', { since: 'earliest' }));
    const overlapping = collect(client.topic('a.*', { since: 'earliest' }));
    await client.publish('a.b', 'x', 'seen');
    await until(() => read.length === 1 && overlapping.length === 1, 'both subscriptions');
    await client.publish('system.broadcast', 'x', 'to all');
    await client.publish('user.tester', 'x', 'to me');
    await until(() => direct.length === 2, 'what was sent directly');
    const broadcasts = collect(client.topic('system.broadcast', { since: { last: 1 } }));
    await until(() => broadcasts.length === 1, 'the last broadcast');
    await client.publish('system.broadcast', 'x', 'again');
    await client.publish('user.tester', 'x', 'done');
    await until(() => direct.includes('done'), 'the last direct send');
    expect(direct).toEqual(['to all', 'to me', 'done']);
    expect(broadcasts).toEqual(['to all', 'again']);
  },
);

test.each(transports)('[SUB-8] over %s the loop ends with the sealed topic', async (transport) => {
  const server = await startServer();
  const client = clientOf(server, { transport });
  const read = (async () => {
    const seen: unknown[] = [];
    for await (const event of client.topic('task.a', { since: 'earliest' })) seen.push(event.data);
    return seen;
  })();
  await client.publish('task.a', 'x', 1);
  await client.publish('task.a', 'x', 2, { seal: true });
  expect(await within(read, 'the end of the topic')).toEqual([1, 2]);
  await expect(client.publish('task.a', 'x', 3)).rejects.toMatchObject({ code: 'sealed' });
});

test.each(transports)(
  '[REC-1] [REC-6] [PUB-2] over %s, cuts at any time lose and repeat nothing',
  async (transport) => {
    const server = await startServer();
    const proxy = await startProxy(server);
    const client = clientOf(server, { url: proxy.url, transport });
    let connected = 0;
    client.on('state', (state) => {
      if (state === 'connected') connected += 1;
    });
    const topic = collect(client.topic('task.a', { since: 'earliest' }));
    const pattern = collect(client.topic('job.*', { since: 'earliest' }));
    const results: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++) {
      const where = i % 2 === 0 ? 'task.a' : `job.${i % 14}`;
      if (i % 3 === 0) results.push(client.publish(where, 'x', i));
      else await server.server.publish(where, 'x', i);
      if (i % 40 === 39) proxy.cut();
    }
    await within(Promise.all(results), 'all publications', 15_000);
    await until(() => topic.length >= 100 && pattern.length >= 100, 'all events', 15_000);
    expect(connected).toBeGreaterThan(1);
    const byNumber = (a: unknown, b: unknown): number => Number(a) - Number(b);
    expect([...topic].sort(byNumber)).toEqual(Array.from({ length: 100 }, (_, i) => 2 * i));
    expect([...pattern].sort(byNumber)).toEqual(Array.from({ length: 100 }, (_, i) => 2 * i + 1));
    // What one publisher published to one topic stands in its order.
    const own = topic.map(Number).filter((n) => n % 3 === 0);
    expect(own).toEqual([...own].sort(byNumber));
  },
);

test('[CLOSE-2] [REC-1] a restarted server is found again and continues without a gap', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-client-'));
  ends.push(() => rm(directory, { recursive: true, force: true }));
  const first = await startServer({ directory });
  const proxy = await startProxy(first);
  const client = clientOf(first, { url: proxy.url });
  const gaps: Gap[] = [];
  const sub = client.topic('task.*');
  sub.on('gap', (gap) => gaps.push(gap));
  const seen = collect(sub);
  await within(new Promise((resolve) => sub.on('subscribed', resolve)), 'the subscription');
  await client.publish('task.a', 'x', 1);
  await first.close();
  const meanwhile = client.publish('task.b', 'x', 2);
  const second = await startServer({ directory });
  proxy.target = second.listening.port;
  await within(meanwhile, 'the waiting publication', 10_000);
  await until(() => seen.length === 2, 'both events');
  expect(seen).toEqual([1, 2]);
  expect(gaps).toEqual([]);
});

test('[REC-2] a topic that was lost with its server is a gap', async () => {
  const first = await startServer();
  const proxy = await startProxy(first);
  const client = clientOf(first, { url: proxy.url });
  const sub = client.topic('task.a', { since: 'earliest' });
  const gaps: Gap[] = [];
  sub.on('gap', (gap) => gaps.push(gap));
  const seen = collect(sub);
  await client.publish('task.a', 'x', 'old');
  await until(() => seen.length === 1, 'the first event');
  const second = await startServer();
  proxy.target = second.listening.port;
  proxy.cut();
  await until(() => gaps.length === 1, 'the gap');
  await client.publish('task.a', 'x', 'new');
  await until(() => seen.length === 2, 'the event of the new log');
  expect(gaps).toEqual([{ topic: 'task.a', reason: 'epoch' }]);
  expect(seen).toEqual(['old', 'new']);
});

test('[AUTH-6] what the token does not permit is refused with its code', async () => {
  const server = await startServer();
  const client = clientOf(server, { token: await server.token({ roles: ['observer'] }) });
  await expect(client.publish('task.a', 'x', 1)).rejects.toMatchObject({ code: 'forbidden' });
  const next = client.topic('user.somebody-else')[Symbol.asyncIterator]().next();
  await expect(next).rejects.toMatchObject({ code: 'forbidden' });
});

test('[AUTH-2] a forged token ends the client with `unauthorized`', async () => {
  const server = await startServer();
  const client = clientOf(server, { token: `${await server.token()}x` });
  await until(() => client.state === 'reconnect_failed', 'the refusal');
  expect(client.failure?.code).toBe('unauthorized');
});

test('[AUTH-5] a session outlives its first token', async () => {
  const server = await startServer();
  const tokens: string[] = [];
  const client = clientOf(server, {
    token: async () => {
      tokens.push(await server.token({ ttlMs: tokens.length === 0 ? 3000 : 600_000 }));
      return tokens.at(-1) ?? '';
    },
  });
  const states: string[] = [];
  client.on('state', (state) => states.push(state));
  const started = performance.now();
  await until(() => performance.now() - started > 4000, 'the first token to expire', 6000);
  await client.publish('task.a', 'x', 1);
  expect(tokens).toHaveLength(2);
  expect(states).toEqual(['connected']);
});

test('[SUB-4] a slow loop beside a fast one, history beside live: each gets all, once', async () => {
  const server = await startServer();
  const client = clientOf(server);
  const fast = collect(client.topic('task.*', { since: 'earliest' }));
  const slow = client.topic('task.a', { since: 'earliest', maxBufferedEvents: 8 });
  const results = Array.from({ length: 300 }, (_, i) => client.publish('task.a', 'x', i));
  await Promise.all(results);
  await until(() => fast.length === 300, 'the fast reader');
  const taken: unknown[] = [];
  for await (const { data } of slow) {
    taken.push(data);
    if (taken.length === 300) break;
  }
  expect(taken).toEqual(results.map((_, i) => i));
  expect(fast).toEqual(taken);
});

test('auto falls back to SSE when a proxy refuses upgrades', async () => {
  const server = await startServer();
  const proxy = await startProxy(server);
  proxy.refusesUpgrades = true;
  const client = clientOf(server, { url: proxy.url });
  const seen = collect(client.topic('task.a', { since: 'earliest' }));
  await within(client.publish('task.a', 'x', 'over HTTP'), 'the publication');
  await until(() => seen.length === 1, 'the event');
  expect(client.transport).toBe('sse');
  expect(seen).toEqual(['over HTTP']);
});
