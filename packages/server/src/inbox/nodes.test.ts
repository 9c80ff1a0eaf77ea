import type { EventMessage } from '@millrace/protocol';
import { ManualClock, type TestClient, TestServer, until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemTurns } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** What several servers share, and what outlives them. */
let engine: Engine;
let clock: ManualClock;
let servers: TestServer[];

beforeEach(() => {
  clock = new ManualClock();
  servers = [];
  const onError = (error: unknown): never => {
    throw error;
  };
  engine = createMemoryEngine({ clock, turns: systemTurns, retention: () => ({}), onError });
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await engine.close();
});

async function start(own: Engine = engine): Promise<TestServer> {
  const server = await TestServer.start({ clock, engine: own, log: { level: 'silent' } });
  servers.push(server);
  return server;
}

async function connect(server: TestServer, topic = 'user.ann'): Promise<TestClient> {
  const client = await server.connect('/ws', { sub: 'ann', roles: ['member'], clock, ttlMs: DAY });
  client.send({ type: 'subscribe', topic, consumer: 'inbox' });
  await client.next('subscribed');
  return client;
}

function attempts(client: TestClient): (number | undefined)[] {
  const events = client.messages.filter((each): each is EventMessage => each.type === 'event');
  return events.map(({ attempt }) => attempt);
}

async function letters(topic: string): Promise<unknown[]> {
  const page = await engine.read('default', topic, { earliest: true }, { maxEvents: 100 });
  return page.ok ? page.events.map(({ data }) => JSON.parse(data) as unknown) : [];
}

async function pass(ms: number, ...clients: TestClient[]): Promise<void> {
  for (let left = ms; left > 0; left -= 10_000) {
    clock.advance(Math.min(left, 10_000));
    for (const client of clients) {
      client.send({ type: 'ping', id: left });
      await client.next('pong');
    }
  }
}

describe('two nodes', () => {
  test('[ACK-6] count one delivery when both see that it is due, and give up once', async () => {
    const [one, other] = [await start(), await start()];
    const [phone, laptop] = [await connect(one), await connect(other)];
    await one.server.publish('user.ann', 'note', 'one');
    await until(() => attempts(phone).length === 1 && attempts(laptop).length === 1);
    for (const [i, minutes] of [1, 2, 4].entries()) {
      await pass(minutes * MINUTE, phone, laptop);
      const counted = async () =>
        (await engine.consumer('default', 'user.ann', 'ann:inbox'))?.runs[0]?.attempt === i + 2;
      await until(counted, `delivery ${i + 2} to be counted`);
      for (const client of [phone, laptop]) {
        for (const attempt of attempts(client).slice(1)) expect(attempt).toBeLessThanOrEqual(i + 2);
      }
    }
    await pass(4 * MINUTE, phone, laptop);
    await until(async () => (await engine.consumer('default', 'user.ann', 'ann:inbox'))?.acked === 1);
    expect(await letters('user.ann.dead-letter')).toMatchObject([
      { offset: 1, reason: 'failed', attempts: 4 },
    ]);
    phone.close();
    laptop.close();
  });

  test('[ACK-4] both take acknowledgements, and what one was told the other does not take back', async () => {
    const [one, other] = [await start(), await start()];
    const [phone, laptop] = [await connect(one), await connect(other)];
    const count = 50;
    for (let i = 0; i < count; i++) await one.server.publish('user.ann', 'note', i);
    await until(() => attempts(phone).length === count && attempts(laptop).length === count);
    for (let offset = 1; offset <= count; offset++) {
      const client = offset % 2 === 0 ? phone : laptop;
      client.send({ type: 'ack', id: offset, topic: 'user.ann', offset, consumer: 'inbox' });
    }
    const confirmed = [await phone.take('ok', count / 2), await laptop.take('ok', count / 2)].flat();
    for (const { id, result } of confirmed) {
      expect((result as { acked: number }).acked).toBeGreaterThanOrEqual(Number(id));
    }
    expect(await engine.consumer('default', 'user.ann', 'ann:inbox')).toMatchObject({ acked: count });
    phone.close();
    laptop.close();
  });
});

describe('a server that is killed', () => {
  test('[ACK-8] between the dead letter and moving on leaves one dead letter, and the next moves on', async () => {
    const run = { killed: false };
    const mortal = new Proxy(engine, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        if (name !== 'setConsumer') return member.bind(target);
        return (...args: unknown[]) => (run.killed ? new Promise(() => {}) : member.apply(target, args));
      },
    });
    const first = await TestServer.start({ clock, engine: mortal, log: { level: 'silent' } });
    const client = await connect(first, 'task.a');
    await first.server.publish('task.a', 'task.assigned', { task_id: 'a' });
    await until(() => attempts(client).length === 1);
    for (const [i, minutes] of [1, 2, 4].entries()) {
      await pass(minutes * MINUTE, client);
      await until(() => attempts(client).length === i + 2);
    }
    run.killed = true;
    await pass(4 * MINUTE, client);
    await until(async () => (await letters('dead-letter.task.a')).length === 1, 'the dead letter');
    expect(await engine.consumer('default', 'task.a', 'ann:inbox')).toMatchObject({ acked: 0 });
    client.socket.terminate();

    const next = await start();
    const again = await connect(next, 'task.a');
    expect(await engine.consumer('default', 'task.a', 'ann:inbox')).toMatchObject({ acked: 1 });
    expect(await letters('dead-letter.task.a')).toHaveLength(1);
    await next.server.publish('task.a', 'task.assigned', { task_id: 'b' });
    expect(await again.next('event')).toMatchObject({ offset: 2 });
    again.close();
  });
});
