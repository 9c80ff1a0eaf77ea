import {
  ApiClient,
  ManualClock,
  OPCODE,
  RawWebSocket,
  TestServer,
  type UpgradeRefused,
  until,
} from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { DEFAULT_ENTITY } from '../auth/identity.ts';
import { systemClock, systemTurns } from '../clock.ts';
import type { AppendRequest } from '../engine/engine.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import type { ConnectionInfo } from './connections.ts';

describe('a server that closes', () => {
  test('[CLOSE-2] says `closing` to everyone, and closes with 4000', async () => {
    const server = await TestServer.start();
    const clients = [await server.connect(), await server.connect('/ws', { entity: 'another' })];
    for (const client of clients) await client.next('welcome');
    const bare = await server.connect('/ws/a/b');
    const waiting = await server.connectAnonymously();
    const stream = await server.stream('/events?topics=a');
    await stream.until(({ blocks }) => blocks.length > 0, 'the first block');
    await server.close();
    for (const client of clients) {
      expect(await client.next()).toMatchObject({
        type: 'closing',
        code: 'draining',
        reason: expect.any(String),
        retryAfterMs: expect.any(Number),
      });
      expect(await client.closed).toMatchObject({ code: 4000 });
    }
    expect(await bare.closed).toMatchObject({ code: 4000 });
    expect(bare.texts).toEqual([]);
    expect(await waiting.closed).toMatchObject({ code: 4000 });
    await stream.ended;
    expect(stream.blocks.at(-1)).toHaveProperty('retry');
    await server.server.close();
  });

  test('[CLOSE-2] finishes the publications under way, each of them acknowledged and kept', async () => {
    const server = await TestServer.start();
    const { directory } = server;
    const client = await server.connect();
    await client.next('welcome');
    const count = 2000;
    for (let id = 1; id <= count; id++) {
      client.send({ type: 'publish', id, topic: 'last.words', event: 'x', data: id });
    }
    // Some are under way now, some not yet read, and none is answered by mistake.
    await client.next('ok');
    await server.server.close();
    expect(await client.closed).toMatchObject({ code: 4000 });
    const acknowledged = client.messages.flatMap((each) => (each.type === 'ok' ? [each.id] : []));
    const closing = client.messages.findIndex(({ type }) => type === 'closing');
    expect(closing).toBeGreaterThan(-1);
    const refused = client.messages.flatMap((each) => (each.type === 'error' ? [each] : []));
    for (const each of refused) expect(each).toMatchObject({ code: 'draining', retryable: true });
    expect(refused.filter(({ id }) => acknowledged.includes(id as number))).toEqual([]);
    const again = await TestServer.start({ directory });
    const reader = await again.connect();
    reader.send({ type: 'subscribe', topic: 'last.words', since: 'earliest' });
    const { replayed } = await reader.next('subscribed');
    // What was under way was answered before the goodbye's close frame: nothing is stored that nobody was told of.
    expect(replayed).toBe(acknowledged.length);
    const events = await reader.take('event', replayed);
    expect(events.map(({ data }) => data)).toEqual(acknowledged);
    reader.close();
    await again.close();
    await server.close();
  });

  test('[SYS-1] who follows system.maintenance hears of it first, and nobody else is told by an event', async () => {
    const server = await TestServer.start();
    const [follower, other] = [
      await server.connect('/ws', { entity: 'a' }),
      await server.connect('/ws', { entity: 'b' }),
    ];
    const bare = await server.connect<{ type: string }>('/ws/system/maintenance', { entity: 'a' });
    const api = new ApiClient(server.origin, await server.token({ entity: 'a' }));
    await until(async () => {
      const { body } = await api.get<{ connections: ConnectionInfo[] }>('/api/v1/connections');
      return body.connections.some(
        ({ door, subscriptions }) => door === 'bare' && subscriptions.length === 1,
      );
    });
    follower.send({ type: 'subscribe', topic: 'system.*' });
    await follower.next('subscribed');
    other.send({ type: 'subscribe', topic: 'task.*' });
    await other.next('subscribed');
    const closed = server.close();
    expect(await bare.next()).toMatchObject({ type: 'system.maintenance', message: expect.any(String) });
    expect(await follower.next()).toMatchObject({
      event: 'system.maintenance',
      data: { starts_at: expect.any(String) },
    });
    await follower.next('closing');
    expect(await other.next()).toMatchObject({ type: 'closing' });
    await closed;
  });

  test('[CLOSE-2] takes no publication after its goodbye, and says so', async () => {
    const gate = Promise.withResolvers<void>();
    const engine = createMemoryEngine({
      clock: systemClock,
      turns: systemTurns,
      retention: () => ({}),
      onError: (error) => {
        throw error;
      },
    });
    const slow = new Proxy(engine, {
      get: (target, key) => {
        if (key === 'append')
          return (requests: AppendRequest[]) => gate.promise.then(() => target.append(requests));
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const server = await TestServer.start({ engine: slow });
    const client = await server.connect();
    client.send({ type: 'publish', id: 'before', topic: 'last.words', event: 'x', data: 1 });
    client.send({ type: 'ping', id: 1 });
    await client.next('pong');
    const closed = server.close();
    await client.next('closing');
    client.send({ type: 'publish', id: 'after', topic: 'last.words', event: 'x', data: 2 });
    expect(await client.next('error')).toMatchObject({ id: 'after', code: 'draining', retryable: true });
    gate.resolve();
    expect(await client.next('ok')).toMatchObject({ id: 'before', result: { offset: 1 } });
    expect(await client.closed).toMatchObject({ code: 4000 });
    await closed;
    expect(await engine.head(DEFAULT_ENTITY, 'last.words')).toMatchObject({ position: { offset: 1 } });
    await engine.close();
  });

  test('[CLOSE-2] lets nobody in any more, and does not wait for clients that do not answer', async () => {
    const clock = new ManualClock();
    const server = await TestServer.start({ clock });
    const deaf = new RawWebSocket(`${server.origin}/ws?token=${await server.token({ clock })}`);
    await deaf.message('welcome');
    const closed = server.close();
    const late: unknown = await server.connect('/ws', { clock }).then(
      (client) => client.closed,
      (error: unknown) => error,
    );
    // The port is closed, or the upgrade is refused: either way the client is to come back.
    const code = (late as UpgradeRefused).problem?.code ?? (late as NodeJS.ErrnoException).code;
    expect(['draining', 'ECONNREFUSED', 'ECONNRESET']).toContain(code);
    await deaf.until(({ frames }) => frames.some(({ opcode }) => opcode === OPCODE.close), 'a close frame');
    clock.advance(5000);
    await closed;
    deaf.destroy();
  });
});
