import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taskView } from '@millrace/catalog/views';
import { createServer } from '@millrace/server';
import { type CreateServer, TestServer, until, within } from '@millrace/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { CuttableProxy } from '../test/cuttable-proxy.ts';
import { collect } from '../test/start-client.ts';
import { createClient } from './client.ts';
import type { Client, Gap } from './types.ts';

/** What the tests use of a release: the same in both, since within version 1 nothing is changed or removed. */
interface Release {
  readonly createClient: typeof createClient;
  readonly createServer: CreateServer;
}

/** The release before this one, packed: see `packages/testkit/previous/README.md`. */
async function loadPreviousRelease(): Promise<Release> {
  const folder = new URL('../../testkit/previous/', import.meta.url);
  const load = (file: string): Promise<object> => import(/* @vite-ignore */ new URL(file, folder).href);
  const [client, server] = await Promise.all([load('client/index.js'), load('server/index.js')]);
  // Bundles have no types of their own.
  return { ...server, ...client } as Release;
}

const previous = await loadPreviousRelease();
const current: Release = { createClient, createServer };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Pair {
  readonly server: TestServer;
  readonly proxy: CuttableProxy;
  /** One more client of the pair's SDK. */
  readonly connect: () => Client;
}

const pairs = [
  { name: 'the previous SDK and this server', sdk: previous, serverOf: current },
  { name: 'this SDK and the previous server', sdk: current, serverOf: previous },
] as const;

describe.each(pairs)('$name', ({ sdk, serverOf }) => {
  describe.each(['websocket', 'sse'] as const)('over %s', (transport) => {
    async function start(): Promise<Pair> {
      const server = await TestServer.start({ create: serverOf.createServer });
      ends.push(() => server.close());
      const proxy = await CuttableProxy.start(server.listening.port);
      ends.push(() => proxy.close());
      const connect = (): Client => {
        const client = sdk.createClient({ url: proxy.url, token: () => server.token(), transport });
        ends.push(() => client.close());
        return client;
      };
      return { server, proxy, connect };
    }

    test('[MSG-3] publish, history and live events', async () => {
      const { connect } = await start();
      const client = connect();
      const options = { source: 'test', key: 'k', priority: 'high', idempotencyKey: 'once' } as const;
      const stored = await client.publish('task.a', 'task.step', { progress: 1 }, options);
      expect(await client.publish('task.a', 'task.step', { progress: 1 }, options)).toEqual({
        ...stored,
        duplicate: true,
      });
      const whole = collect(client.topic('task.a', { since: 'earliest' }));
      const last = collect(client.topic('task.*', { since: 'earliest' }));
      await until(() => whole.length === 1 && last.length === 1, 'history');
      await connect().publish('task.a', 'task.step', { progress: 2 });
      await until(() => whole.length === 2 && last.length === 2, 'the live event');
      expect(whole).toEqual([{ progress: 1 }, { progress: 2 }]);
    });

    test('[MSG-3] [REC-1] cuts are resumed without loss or repeat', async () => {
      const { server, proxy, connect } = await start();
      const client = connect();
      const gaps: Gap[] = [];
      const topic = client.topic('task.a', { since: 'earliest' });
      topic.on('gap', (gap) => gaps.push(gap));
      const ofTopic = collect(topic);
      const ofPattern = collect(client.topic('task.*', { since: 'earliest' }));
      const results: Promise<unknown>[] = [];
      for (let i = 0; i < 60; i++) {
        if (i % 2 === 0) results.push(client.publish('task.a', 'x', i));
        else await server.server.publish('task.a', 'x', i);
        if (i % 20 === 19) proxy.cut();
      }
      await within(Promise.all(results), 'all publications', 15_000);
      await until(() => ofTopic.length >= 60 && ofPattern.length >= 60, 'all events', 15_000);
      expect(new Set(ofTopic).size).toBe(60);
      expect(ofTopic).toHaveLength(60);
      expect(ofPattern).toEqual(ofTopic);
      expect(gaps).toEqual([]);
    });

    test('[MSG-3] [SUB-8] a sealed topic ends its readers, and refuses more', async () => {
      const { connect } = await start();
      const client = connect();
      const read = (async () => {
        const seen: unknown[] = [];
        for await (const { data } of client.topic('task.a', { since: 'earliest' })) seen.push(data);
        return seen;
      })();
      await client.publish('task.a', 'x', 1);
      await client.publish('task.a', 'x', 2, { seal: true });
      expect(await within(read, 'the end of the topic', 10_000)).toEqual([1, 2]);
      await expect(client.publish('task.a', 'x', 3)).rejects.toMatchObject({ code: 'sealed' });
    });
  });
});

test('[MSG-3] what the previous server does not offer is refused by its code', async () => {
  const server = await TestServer.start({ create: previous.createServer });
  ends.push(() => server.close());
  const client = createClient({ url: server.origin, token: await server.token() });
  ends.push(() => client.close());
  const next = client
    .topic('task.a', { filter: { types: 'x' } })
    [Symbol.asyncIterator]()
    .next();
  await expect(next).rejects.toMatchObject({ code: 'not-supported' });
  await client.publish('task.a', 'x', 1);
});

test('[MSG-3] a tracker tells its task to the previous server too, which has no state of it to give', async () => {
  const server = await TestServer.start({ create: previous.createServer });
  ends.push(() => server.close());
  const client = createClient({ url: server.origin, token: await server.token() });
  ends.push(() => client.close());
  await client.progress({ name: 'Build', id: 'a' }, (task) => task.update(50));
  const events: string[] = [];
  for await (const { event } of client.topic('task.a', { since: 'earliest' })) events.push(event);
  expect(events).toEqual(['task.started', 'task.progress', 'task.progress', 'task.completed']);
  const state = client.view('task.a', taskView)[Symbol.asyncIterator]().next();
  await expect(state).rejects.toMatchObject({ code: 'not-supported' });
});

test('[MSG-3] [REC-1] an upgrade of the server keeps what is stored, and its clients go on where they stopped', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-upgrade-'));
  ends.push(() => rm(directory, { recursive: true, force: true }));
  const before = await TestServer.start({ create: previous.createServer, directory });
  ends.push(() => before.close());
  const proxy = await CuttableProxy.start(before.listening.port);
  ends.push(() => proxy.close());
  const clients = [previous, current].map((sdk) => {
    const client = sdk.createClient({ url: proxy.url, token: () => before.token() });
    ends.push(() => client.close());
    return client;
  });
  const gaps: Gap[] = [];
  const readers = clients.map((client) => {
    const sub = client.topic('task.*', { since: 'earliest' });
    sub.on('gap', (gap) => gaps.push(gap));
    return collect(sub);
  });
  await clients[0]!.publish('task.a', 'x', 1);
  await until(() => readers.every(({ length }) => length === 1), 'the first event');
  await before.close();
  const after = await TestServer.start({ directory });
  ends.push(() => after.close());
  proxy.target = after.listening.port;
  await within(clients[1]!.publish('task.a', 'x', 2), 'the publication after the upgrade', 10_000);
  await until(() => readers.every(({ length }) => length === 2), 'the event after the upgrade');
  expect(readers).toEqual([
    [1, 2],
    [1, 2],
  ]);
  expect(gaps).toEqual([]);
});
