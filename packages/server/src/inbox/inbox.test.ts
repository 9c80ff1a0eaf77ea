import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventMessage } from '@millrace/protocol';
import { ManualClock, type TestClient, TestServer, until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

let clock: ManualClock;
let server: TestServer;
let directory: string;

beforeEach(async () => {
  clock = new ManualClock();
  directory = await mkdtemp(join(tmpdir(), 'millrace-inbox-'));
  server = await TestServer.start({ clock, directory });
});

afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

async function send(...data: unknown[]): Promise<void> {
  for (const each of data) await server.server.publish('user.ann', 'note', each);
}

async function connect(
  consumer = 'inbox',
  { topic = 'user.ann', sub = 'ann' }: { topic?: string; sub?: string } = {},
): Promise<TestClient> {
  const client = await server.connect('/ws', { sub, roles: ['member'], clock, ttlMs: DAY });
  client.send({ type: 'subscribe', id: 1, topic, consumer });
  await client.next('welcome');
  return client;
}

/** Lets time pass as a connected client does: it answers pings on the way. */
async function pass(ms: number, ...clients: TestClient[]): Promise<void> {
  for (let left = ms; left > 0; left -= 10_000) {
    clock.advance(Math.min(left, 10_000));
    for (const client of clients) {
      client.send({ type: 'ping', id: left });
      await client.next('pong');
    }
  }
}

function seen(client: TestClient): string[] {
  const events = client.messages.filter((each): each is EventMessage => each.type === 'event');
  return events.map(({ offset, attempt }) => (attempt === undefined ? `${offset}` : `${offset}#${attempt}`));
}

/** Waits until the client was sent exactly this, and then was not sent more before the answer to a ping. */
async function expectSeen(client: TestClient, ...expected: string[]): Promise<void> {
  await until(() => seen(client).length >= expected.length, `${expected}; was sent ${seen(client)}`);
  client.send({ type: 'ping', id: 'seen' });
  await until(
    () => client.messages.some((each) => each.type === 'pong' && each.id === 'seen'),
    'the answer to a ping',
  );
  expect(seen(client)).toEqual(expected);
}

async function acked(
  client: TestClient,
  offset: number,
  consumer = 'inbox',
  topic = 'user.ann',
): Promise<void> {
  client.send({ type: 'ack', id: `ack ${offset}`, topic, offset, consumer });
  expect(await client.next('ok')).toMatchObject({
    id: `ack ${offset}`,
    result: { topic, consumer, acked: offset },
  });
}

async function leave(client: TestClient): Promise<void> {
  client.close();
  await client.closed;
}

/** The same data, served by another process: what was only in memory is gone. */
async function restart(): Promise<void> {
  await server.server.close();
  server = await TestServer.start({ clock, directory });
}

async function deadLetters(topic = 'user.ann.dead-letter', sub = 'ann'): Promise<EventMessage[]> {
  const token = await server.token({ sub, roles: ['member'], clock });
  const response = await fetch(`${server.origin}/api/v1/topics/${topic}/events`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return ((await response.json()) as { events: EventMessage[] }).events;
}

describe('a consumer', () => {
  test('[ACK-1] gets everything that it has not acknowledged, in order, then live events', async () => {
    await send('one', 'two');
    const client = await connect();
    expect(await client.next('subscribed')).toMatchObject({ id: 1, recovered: true, replayed: 2 });
    await send('three');
    await expectSeen(client, '1', '2', '3');
    await acked(client, 2);
    await leave(client);
    const again = await connect();
    await expectSeen(again, '3');
    again.close();
  });

  test('[ACK-1] comes back after a restart of the server to where it was', async () => {
    await send('one', 'two');
    const client = await connect();
    await expectSeen(client, '1', '2');
    await acked(client, 1);
    await restart();
    const again = await connect();
    await expectSeen(again, '2');
    again.close();
  });

  test.each([
    ['a pattern', { topic: 'user.ann.*' }, 'bad-topic'],
    ['a filter', { filter: { types: ['note'] } }, 'bad-message'],
    ['batches', { batch: true }, 'bad-message'],
    ['a policy that drops', { slow: 'drop-oldest' }, 'bad-message'],
    ['a policy that conflates', { slow: 'conflate' }, 'bad-message'],
  ])('[ACK-2] does not go with %s', async (_, option, code) => {
    const client = await connect();
    await client.next('subscribed');
    client.send({ type: 'subscribe', id: 2, topic: 'user.ann', consumer: 'inbox', ...option });
    expect(await client.next()).toMatchObject({ type: 'error', id: 2, code });
    client.close();
  });

  test('[ACK-3] is its user’s own, and of an inbox there is one, whatever it is called', async () => {
    for (const data of ['one', 'two']) await server.server.publish('chat.a', 'note', data);
    const mine = await connect('c', { topic: 'chat.a' });
    await expectSeen(mine, '1', '2');
    await acked(mine, 2, 'c', 'chat.a');
    const others = await connect('c', { topic: 'chat.a', sub: 'bob' });
    await expectSeen(others, '1', '2');
    const another = await connect('d', { topic: 'chat.a' });
    await expectSeen(another, '1', '2');
    await send('for ann');
    const phone = await connect('phone');
    await expectSeen(phone, '1');
    await acked(phone, 1, 'phone');
    const tablet = await connect('tablet');
    await expectSeen(tablet);
    for (const client of [mine, others, another, phone, tablet]) client.close();
  });

  test('[ACK-4] acknowledges what its session was sent, and nothing beyond; a repeat is answered alike', async () => {
    await send('one', 'two');
    const client = await connect();
    await expectSeen(client, '1', '2');
    client.send({ type: 'ack', id: 1, topic: 'user.ann', offset: 3, consumer: 'inbox' });
    expect(await client.next('error')).toMatchObject({ id: 1, code: 'ack-ahead', details: { sent: 2 } });
    client.send({ type: 'ack', id: 2, topic: 'user.ann', offset: 1, consumer: 'another' });
    expect(await client.next('error')).toMatchObject({ id: 2, code: 'not-subscribed' });
    await acked(client, 2);
    await acked(client, 2);
    client.send({ type: 'ack', id: 3, topic: 'user.ann', offset: 1, consumer: 'inbox' });
    expect(await client.next('ok')).toMatchObject({ id: 3, result: { acked: 2 } });
    client.send({ type: 'unsubscribe', id: 4, topic: 'user.ann' });
    client.send({ type: 'ack', id: 5, topic: 'user.ann', offset: 2, consumer: 'inbox' });
    expect(await client.next('error')).toMatchObject({ id: 5, code: 'not-subscribed' });
    client.close();
  });

  test('[ACK-5] tells its other sessions, each of which acknowledges what it was sent itself', async () => {
    await send('one', 'two', 'three');
    const phone = await connect();
    const laptop = await connect();
    await expectSeen(phone, '1', '2', '3');
    await expectSeen(laptop, '1', '2', '3');
    await acked(phone, 2);
    expect(await laptop.next('acked')).toEqual({
      type: 'acked',
      topic: 'user.ann',
      consumer: 'inbox',
      offset: 2,
    });
    await acked(laptop, 3);
    expect(await phone.next('acked')).toMatchObject({ offset: 3 });
    expect(laptop.messages.filter(({ type }) => type === 'acked')).toHaveLength(1);
    phone.close();
    laptop.close();
  });

  test('[ACK-6] [ACK-8] is sent again 1, 2 and 4 minutes after each delivery; 4 minutes later it is a dead letter', async () => {
    await send('one');
    const client = await connect();
    await expectSeen(client, '1');
    await pass(MINUTE - 1, client);
    await expectSeen(client, '1');
    await pass(1, client);
    await expectSeen(client, '1', '1#2');
    await pass(2 * MINUTE - 1, client);
    await expectSeen(client, '1', '1#2');
    await pass(1, client);
    await expectSeen(client, '1', '1#2', '1#3');
    await pass(4 * MINUTE, client);
    await expectSeen(client, '1', '1#2', '1#3', '1#4');
    await pass(4 * MINUTE - 1, client);
    expect(await deadLetters()).toEqual([]);
    await pass(1, client);
    expect(await client.next('acked')).toMatchObject({ topic: 'user.ann', offset: 1 });
    expect(await deadLetters()).toMatchObject([
      {
        event: 'message.dead_lettered',
        data: {
          message_id: expect.any(String),
          topic: 'user.ann',
          offset: 1,
          event: 'note',
          data: 'one',
          reason: 'failed',
          attempts: 4,
        },
      },
    ]);
    await pass(10 * MINUTE, client);
    await expectSeen(client, '1', '1#2', '1#3', '1#4');
    client.close();
  });

  test('[ACK-6] each message has a time of its own, and what is acknowledged is not sent again', async () => {
    await send('one');
    const phone = await connect();
    const laptop = await connect();
    await expectSeen(phone, '1');
    await pass(30_000, phone, laptop);
    await send('two', 'three');
    await expectSeen(phone, '1', '2', '3');
    await pass(30_000, phone, laptop);
    await expectSeen(phone, '1', '2', '3', '1#2');
    await expectSeen(laptop, '1', '2', '3', '1#2');
    await acked(phone, 2);
    await pass(30_000, phone, laptop);
    await expectSeen(phone, '1', '2', '3', '1#2', '3#2');
    await expectSeen(laptop, '1', '2', '3', '1#2', '3#2');
    phone.close();
    laptop.close();
  });

  test('[ACK-7] counts no delivery while nobody is there; the replay of who comes is the one that is due', async () => {
    await send('one');
    const first = await connect();
    await expectSeen(first, '1');
    await leave(first);
    clock.advance(20 * MINUTE);
    const second = await connect();
    await expectSeen(second, '1');
    await leave(second);
    // The second delivery; too early for a third, so this replay counts for nothing.
    clock.advance(MINUTE);
    const third = await connect();
    await expectSeen(third, '1');
    await pass(MINUTE, third);
    await expectSeen(third, '1', '1#3');
    third.close();
  });
});
