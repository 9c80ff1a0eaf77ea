import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, TestServer, until, within } from '@millrace/testkit';
import { afterEach, expect, test } from 'vitest';
import { CuttableProxy } from '../test/cuttable-proxy.ts';
import { collect } from '../test/start-client.ts';
import { createClient } from './client.ts';
import type { Message } from './consumer-types.ts';
import type { EventFilter } from './event-filter.ts';
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

async function startProxy(server: TestServer): Promise<CuttableProxy> {
  const proxy = await CuttableProxy.start(server.listening.port);
  ends.push(() => proxy.close());
  return proxy;
}

/** A client of the user `ann`. */
function clientOf(server: TestServer, options: Partial<ClientOptions> = {}): Client {
  const token = (): Promise<string> => server.token({ sub: 'ann' });
  const client = createClient({ url: server.origin, token, ...options });
  ends.push(() => client.close());
  return client;
}

/** The data of everything that the user's inbox hands over to this client. */
function handleInbox(client: Client): readonly unknown[] {
  const handed: unknown[] = [];
  void client.inbox().handle(({ data }) => handed.push(data));
  return handed;
}

/** How far the user's inbox is acknowledged, as the API tells. */
async function ackedOf(server: TestServer): Promise<number> {
  const headers = { authorization: `Bearer ${await server.token({ sub: 'ann' })}` };
  const response = await fetch(`${server.origin}/api/v1/users/ann/inbox`, { headers });
  return ((await response.json()) as { acked: number }).acked;
}

const transports = ['websocket', 'sse'] as const;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test.each(transports)(
  '[FILT-2] [FILT-4] over %s a filter holds live, in history and after cuts, and repeats nothing',
  async (transport) => {
    const server = await startServer();
    const proxy = await startProxy(server);
    const client = clientOf(server, { url: proxy.url, transport });
    const filter = { 'data.n': { gt: 100 }, event: { prefix: 'x.' } };
    const gaps: Gap[] = [];
    const subs = ['task.a', 'task.*'].map((topic) => client.topic(topic, { since: 'earliest', filter }));
    for (const sub of subs) sub.on('gap', (gap) => gaps.push(gap));
    const seen = subs.map(collect);
    for (let n = 1; n <= 130; n++) {
      await server.server.publish('task.a', n % 2 === 0 ? 'x.even' : 'odd', { n });
      if (n % 45 === 0) proxy.cut();
    }
    const wanted = numbers(130).filter((n) => n > 100 && n % 2 === 0);
    await until(
      () => seen.every(({ length }) => length >= wanted.length),
      'what the filter lets through',
      15_000,
    );
    expect(seen).toEqual([wanted.map((n) => ({ n })), wanted.map((n) => ({ n }))]);
    expect(gaps).toEqual([]);
  },
);

test('[FILT-4] a filter that rarely matches does not end in `expired`', async () => {
  const clock = new ManualClock();
  const server = await startServer({ clock, namespaces: { task: { retention: { maxEvents: 20 } } } });
  const proxy = await startProxy(server);
  const token = (): Promise<string> => server.token({ clock });
  const client = clientOf(server, { url: proxy.url, token });
  const sub = client.topic('task.a', { filter: { types: 'wanted' } });
  const gaps: Gap[] = [];
  sub.on('gap', (gap) => gaps.push(gap));
  const seen = collect(sub);
  await within(new Promise((resolve) => sub.on('subscribed', resolve)), 'the subscription');
  await client.publish('task.a', 'wanted', 1);
  for (let n = 0; n < 30; n++) await client.publish('task.a', 'other', n);
  clock.advance(1500);
  // The position is told with the next event, and comes before the answer to the last.
  for (let n = 0; n < 2; n++) await client.publish('task.a', 'other', n);
  proxy.cut();
  await client.publish('task.a', 'wanted', 2);
  await until(() => seen.length === 2, 'the rare event');
  expect(gaps).toEqual([]);
});

test('[SUB-8] [FILT-3] a filtered reader of a sealed topic comes to its end', async () => {
  const server = await startServer();
  const client = clientOf(server);
  await Promise.all(numbers(1500).map((n) => server.server.publish('task.a', 'x', n)));
  await client.publish('task.a', 'y', 'last', { seal: true });
  const seen: unknown[] = [];
  const read = async (): Promise<void> => {
    const filter = { types: 'x', 'data.n': { exists: false } };
    for await (const { data } of client.topic('task.a', { since: 'earliest', filter })) seen.push(data);
  };
  await within(read(), 'the end of the topic', 10_000);
  expect(seen).toEqual(numbers(1500));
});

test('[SUB-8] a filtered reader comes to the end of a topic that is sealed while it reads', async () => {
  const server = await startServer();
  const client = clientOf(server);
  const seen: unknown[] = [];
  const live = client.topic('task.a', { filter: { types: 'x' } });
  const subscribed = new Promise((resolve) => live.on('subscribed', resolve));
  const read = async (): Promise<void> => {
    for await (const { data } of live) seen.push(data);
  };
  const reading = read();
  await within(subscribed, 'the subscription');
  await client.publish('task.a', 'x', 1);
  await client.publish('task.a', 'y', 2, { seal: true });
  await within(reading, 'the end of the topic');
  expect(seen).toEqual([1]);
});

test('[SUB-4] readers of one topic by different filters each get theirs', async () => {
  const server = await startServer();
  const client = clientOf(server);
  const small = collect(client.topic('task.a', { since: 'earliest', filter: { 'data.n': { lte: 2 } } }));
  const large = collect(client.topic('task.a', { since: 'earliest', filter: { 'data.n': { gt: 2 } } }));
  const all = collect(client.topic('task.a', { since: 'earliest' }));
  for (const n of numbers(5)) await client.publish('task.a', 'x', { n });
  await until(() => small.length + large.length + all.length === 10, 'all events');
  expect(small).toEqual([{ n: 1 }, { n: 2 }]);
  expect(large).toEqual([{ n: 3 }, { n: 4 }, { n: 5 }]);
});

test('[BATCH-4] batches change nothing but when events come', async () => {
  const server = await startServer();
  const client = clientOf(server);
  const batched = client.topic('task.*', { batch: { maxEvents: 7, maxDelayMs: 20 } });
  const seen = collect(batched);
  await within(new Promise((resolve) => batched.on('subscribed', resolve)), 'the subscription');
  await Promise.all(numbers(100).map((n) => client.publish('task.a', 'x', n)));
  await until(() => seen.length >= 100, 'all events');
  expect(seen).toEqual(numbers(100));
});

test('[FILT-1] a filter that is none throws into the loop', async () => {
  const server = await startServer();
  const client = clientOf(server);
  const filter = { event: { prefix: 7 } } as unknown as EventFilter;
  const next = client.topic('task.a', { filter })[Symbol.asyncIterator]().next();
  await expect(next).rejects.toMatchObject({
    code: 'bad-message',
    message: expect.stringContaining('prefix'),
  });
});

test.each(transports)(
  '[ACK-1] [ACK-4] over %s an inbox brings what came while the user was away, once, whatever is cut',
  async (transport) => {
    const server = await startServer();
    const proxy = await startProxy(server);
    for (const n of numbers(20)) await server.server.publish('user.ann', 'note', n);
    const first = clientOf(server, { url: proxy.url, transport });
    const handed = handleInbox(first);
    for (const n of numbers(60).slice(20)) {
      await server.server.publish('user.ann', 'note', n);
      if (n % 15 === 10) proxy.cut();
    }
    await until(() => handed.length >= 60, `all messages after ${JSON.stringify(handed)}`, 15_000);
    expect(handed).toEqual(numbers(60));
    first.close();
    await until(async () => (await ackedOf(server)) === 60, 'the acknowledgements');
    const second = handleInbox(clientOf(server, { transport }));
    await server.server.publish('user.ann', 'note', 'new');
    await until(() => second.includes('new'), 'the new message');
    expect(second).toEqual(['new']);
  },
);

// What is sent to a user comes without a subscription too: live, it must not overtake a long replay.
test.each(transports)(
  '[ACK-1] over %s a long backlog is read in order while new messages come',
  async (transport) => {
    const server = await startServer();
    const publish = (from: number, to: number): Promise<unknown> =>
      Promise.all(
        numbers(to)
          .slice(from)
          .map((n) => server.server.publish('user.ann', 'note', n)),
      );
    await publish(0, 4000);
    const client = clientOf(server, { transport });
    const handed = handleInbox(client);
    let published = 4000;
    const publishMore = async (): Promise<void> => {
      await publish(published, published + 10);
      published += 10;
    };
    await until(
      async () => {
        if (handed.length < 4000) await publishMore();
        return handed.length >= published;
      },
      'all messages',
      15_000,
    );
    expect(handed).toEqual(numbers(published));
    await until(async () => (await ackedOf(server)) === published, 'the acknowledgements');
  },
);

test.each(transports)(
  '[ACK-6] over %s what a handler throws for comes again, and nothing else does',
  async (transport) => {
    const server = await startServer({ inbox: { redelivery: ['300ms', '300ms', '300ms'] } });
    const client = clientOf(server, { transport });
    const handed: unknown[] = [];
    void client.inbox().handle(({ data, attempt }) => {
      handed.push([data, attempt ?? 1]);
      if (data === 2 && (attempt ?? 1) < 3) throw new Error('not yet');
    });
    for (const n of numbers(3)) await server.server.publish('user.ann', 'note', n);
    await until(() => handed.length === 5, `the third attempt, after ${JSON.stringify(handed)}`, 10_000);
    expect(handed).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [2, 2],
      [2, 3],
    ]);
  },
);

// The next reader began before the acknowledgement of the one before it was stored.
test('[ACK-1] [ACK-4] who reads on where another loop has left off gets what that had not handled', async () => {
  const server = await startServer();
  for (const n of numbers(20)) await server.server.publish('user.ann', 'note', n);
  const client = clientOf(server);
  const seen: unknown[] = [];
  const left: unknown[] = [];
  for (let round = 0; round < 5; round++) {
    let count = 0;
    for await (const { data } of client.inbox()) {
      count += 1;
      if (count <= 3) seen.push(data);
      else left.push(data);
      // The loop is left with the fourth: it comes again.
      if (count === 4) break;
    }
  }
  expect(seen).toEqual(numbers(15));
  expect(left).toEqual([4, 7, 10, 13, 16]);
});

test('[ACK-5] [ACK-8] what another device acknowledges, and what is given up, is told', async () => {
  const server = await startServer({ inbox: { redelivery: ['100ms'] } });
  const phone = clientOf(server).inbox();
  const laptop = clientOf(server).inbox();
  const acknowledged: number[] = [];
  laptop.on('acknowledged', ({ offset }) => acknowledged.push(offset));
  const shown: Message[] = [];
  laptop.on('message', (message) => shown.push(message));
  const messages: Message[] = [];
  phone.on('message', (message) => messages.push(message));
  await server.server.publish('user.ann', 'note', 1);
  await until(() => messages.length === 1 && shown.length === 1, 'the message on both');
  messages[0]?.ack();
  await until(() => acknowledged.length === 1, 'the acknowledgement of the phone');
  await server.server.publish('user.ann', 'note', 2);
  await until(() => acknowledged.at(-1) === 2, 'the dead letter', 10_000);
  expect(shown.map(({ data }) => data)).toEqual([1, 2]);
});

test('[ACK-1] a restarted server brings what was not acknowledged, and the client hands it over once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-inbox-'));
  ends.push(() => rm(directory, { recursive: true, force: true }));
  const first = await startServer({ directory });
  const proxy = await startProxy(first);
  const inbox = clientOf(first, { url: proxy.url }).inbox();
  const loop = inbox[Symbol.asyncIterator]();
  const seen: unknown[] = [];
  const take = async (): Promise<void> => {
    const { value } = await within(loop.next(), 'a message', 10_000);
    seen.push(value?.data);
  };
  for (const n of numbers(3)) await first.server.publish('user.ann', 'note', n);
  await take();
  await take();
  await first.close();
  const second = await startServer({ directory });
  proxy.target = second.listening.port;
  await second.server.publish('user.ann', 'note', 4);
  await take();
  await take();
  expect(seen).toEqual(numbers(4));
});

test('[AUTH-8] the inbox is that of the token’s user; another’s is refused', async () => {
  const server = await startServer();
  const client = clientOf(server, { token: await server.token({ sub: 'ann', roles: ['member'] }) });
  const handed = handleInbox(client);
  await server.server.publish('user.ann', 'note', 'for ann');
  await until(() => handed.length === 1, 'the message');
  const other = client.inbox({ userId: 'bob' }).handle(() => {});
  await expect(other).rejects.toMatchObject({ code: 'forbidden' });
});
