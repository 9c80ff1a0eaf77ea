import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventMessage } from '@millrace/protocol';
import {
  type ApiAnswer,
  ApiClient,
  type ApiRequest,
  clientFrame,
  ManualClock,
  OPCODE,
  RawWebSocket,
  type TestClient,
  TestServer,
  type TokenOptions,
  until,
} from '@millrace/testkit';
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

/** Since it subscribed: what is sent directly comes before that, too. */
function seen(client: TestClient): string[] {
  const subscribed = client.messages.findIndex(({ type }) => type === 'subscribed');
  const events = client.messages
    .slice(subscribed)
    .filter((each): each is EventMessage => each.type === 'event');
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

async function call<Body = Record<string, unknown>>(
  path: string,
  { as = {}, ...request }: ApiRequest & { as?: TokenOptions } = {},
): Promise<ApiAnswer<Body>> {
  // A publisher is not limited, however often a test looks.
  const token = await server.token({ sub: 'ann', roles: ['publisher'], clock, ...as });
  return new ApiClient(server.origin, token).call<Body>(path, request);
}

interface Status {
  readonly message_id: string;
  readonly status: string;
  readonly attempts: number;
  readonly expires_at: string;
}

/** Of each message of ann's inbox: its status and how often it was sent. */
async function statuses(): Promise<string[]> {
  const { body } = await call<{ messages: Status[] }>('/api/v1/users/ann/inbox');
  return body.messages.map(({ status, attempts }) => `${status} ${attempts}`);
}

async function deadLetters(topic = 'user.ann.dead-letter', sub = 'ann'): Promise<EventMessage[]> {
  const { body } = await call<{ events: EventMessage[] }>(`/api/v1/topics/${topic}/events`, { as: { sub } });
  return body.events;
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

  test('[ACK-3] is one of a bounded number that its user may have of a topic', async () => {
    const small = await TestServer.start({ clock, inbox: { maxConsumers: 2 } });
    const read = async (sub: string, consumer: string): Promise<unknown> => {
      const client = await small.connect('/ws', { sub, roles: ['member'], clock, ttlMs: DAY });
      client.send({ type: 'subscribe', id: 1, topic: 'jobs', consumer });
      await client.next('welcome');
      const answer = await client.next();
      if (answer.type === 'subscribed') {
        await client.next('event');
        client.send({ type: 'ack', id: 2, topic: 'jobs', consumer, offset: 1 });
        await client.next('ok');
      }
      client.close();
      return 'code' in answer ? answer.code : answer.type;
    };
    await small.server.publish('jobs', 'job', 1);
    expect(await read('ann', 'a')).toBe('subscribed');
    expect(await read('ann', 'b')).toBe('subscribed');
    expect(await read('ann', 'c')).toBe('too-many-subscriptions');
    expect(await read('bob', 'c')).toBe('subscribed');
    await small.close();
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

describe('an inbox', () => {
  test('[ACK-1] its user comes after days: what is alive comes, in order, what is not became a dead letter', async () => {
    await send('too old');
    clock.advance(3 * DAY);
    await swept(async () => (await deadLetters()).length === 1, 'the dead letter');
    await send('one', 'two', 'three');
    clock.advance(30 * MINUTE);
    const client = await connect();
    expect(await client.next('subscribed')).toMatchObject({ replayed: 3 });
    await expectSeen(client, '2', '3', '4');
    client.close();
  });

  test('[ACK-9] gives up what is over, once, whether somebody looks or not, and keeps what is alive', async () => {
    await send('one');
    clock.advance(30 * MINUTE);
    await send('two');
    clock.advance(29 * MINUTE);
    await settle();
    expect(await deadLetters()).toEqual([]);
    clock.advance(MINUTE);
    await swept(async () => (await deadLetters()).length === 1, 'the dead letter');
    expect(await deadLetters()).toMatchObject([
      { data: { offset: 1, data: 'one', reason: 'expired', attempts: 0 } },
    ]);
    const client = await connect();
    await expectSeen(client, '2');
    await acked(client, 2);
    client.close();
    clock.advance(DAY);
    await swept(async () => (await statuses()).length === 0, 'the messages to go');
    expect(await deadLetters()).toHaveLength(1);
  });

  test('[ACK-9] a message that is sent and not acknowledged ends with its time, too', async () => {
    const short = await TestServer.start({ clock, inbox: { ttl: '90s' } });
    await short.server.publish('user.ann', 'note', 'one');
    const client = await short.connect('/ws', { sub: 'ann', clock });
    client.send({ type: 'subscribe', topics: ['user.ann.dead-letter'] });
    client.send({ type: 'subscribe', topic: 'user.ann', consumer: 'inbox' });
    await until(() => seen(client).length === 1);
    await pass(MINUTE, client);
    await until(() => seen(client).length === 2);
    await pass(30_000, client);
    await until(() => seen(client).length === 3);
    expect(client.messages.at(-1)).toMatchObject({
      topic: 'user.ann.dead-letter',
      data: { reason: 'expired', attempts: 2 },
    });
    client.close();
    await short.close();
  });

  test('[ACK-9] what is acknowledged stays until it is old, so that its status can be told', async () => {
    await send('one', 'two');
    const client = await connect();
    await expectSeen(client, '1', '2');
    await acked(client, 2);
    await leave(client);
    clock.advance(59 * MINUTE);
    await settle();
    expect(await statuses()).toEqual(['acknowledged 1', 'acknowledged 1']);
    clock.advance(2 * MINUTE);
    await swept(async () => (await statuses()).length === 0, 'the messages to go');
    expect(await deadLetters()).toEqual([]);
  });

  test('[ACK-8] what failed while nobody is there any more becomes a dead letter, too', async () => {
    await send('one');
    const client = await connect();
    await expectSeen(client, '1');
    for (const [i, minutes] of [1, 2, 4].entries()) {
      await pass(minutes * MINUTE, client);
      await expectSeen(client, ...['1', '1#2', '1#3', '1#4'].slice(0, i + 2));
    }
    await leave(client);
    clock.advance(4 * MINUTE);
    await swept(async () => (await deadLetters()).length === 1, 'the dead letter');
    expect(await deadLetters()).toMatchObject([{ data: { reason: 'failed', attempts: 4 } }]);
  });

  test('[ACK-12] says what became of each message, and nothing of its content', async () => {
    const ids: string[] = [];
    for (const data of ['one', 'two', 'three']) {
      ids.push((await server.server.publish('user.ann', 'note', { secret: data })).id);
    }
    expect(await statuses()).toEqual(['pending 0', 'pending 0', 'pending 0']);
    const client = await connect();
    await expectSeen(client, '1', '2', '3');
    await acked(client, 1);
    await pass(MINUTE, client);
    await expectSeen(client, '1', '2', '3', '2#2', '3#2');
    await until(async () => (await statuses()).at(-1) === 'delivered 2', 'the delivery to be counted');
    await acked(client, 2);
    await until(async () => (await statuses())[1] === 'acknowledged 2');
    expect(await statuses()).toEqual(['acknowledged 1', 'acknowledged 2', 'delivered 2']);
    for (const minutes of [2, 4]) {
      const before = seen(client).length;
      await pass(minutes * MINUTE, client);
      await until(() => seen(client).length > before);
    }
    await pass(4 * MINUTE, client);
    await until(async () => (await statuses())[2] === 'failed 4', 'it to fail');
    const page = await call('/api/v1/users/ann/inbox?limit=2');
    expect(page.body).toEqual({
      messages: ids.slice(0, 2).map((message_id, i) => ({
        message_id,
        status: 'acknowledged',
        attempts: i + 1,
        offset: i + 1,
        event: 'note',
        timestamp: '2026-01-01T00:00:00.000Z',
        expires_at: '2026-01-01T01:00:00.000Z',
      })),
      acked: 3,
      head: 3,
      next: 2,
    });
    expect(page.text).not.toContain('secret');
    const rest = await call<{ messages: Status[] }>('/api/v1/users/ann/inbox?after=2');
    expect(rest.body.messages.map(({ message_id }) => message_id)).toEqual([ids[2]]);
    const one = `/api/v1/users/ann/inbox/${ids[2]}`;
    expect((await call(one)).body).toMatchObject({ message_id: ids[2], status: 'failed', attempts: 4 });
    client.close();
    clock.advance(2 * 60 * MINUTE);
    await swept(async () => (await statuses()).length === 0, 'the messages to go');
    // The dead letter still tells.
    expect((await call(one)).body).toMatchObject({
      message_id: ids[2],
      status: 'failed',
      attempts: 4,
      expires_at: '2026-01-01T01:00:00.000Z',
    });
  });

  test('[ACK-12] counts a delivery that was a replay, however soon it is acknowledged', async () => {
    await send('one');
    const client = await connect();
    await expectSeen(client, '1');
    await leave(client);
    await until(async () => (await statuses())[0] === 'delivered 1', 'the delivery to be counted');
    clock.advance(MINUTE);
    const again = await connect();
    await expectSeen(again, '1');
    await acked(again, 1);
    expect(await statuses()).toEqual(['acknowledged 2']);
  });

  test('[ACK-12] is shown to its user, and to those who may send to users', async () => {
    const { id } = await server.server.publish('user.ann', 'note', 1);
    for (const path of ['/api/v1/users/ann/inbox', `/api/v1/users/ann/inbox/${id}`]) {
      const codes: unknown[] = [];
      for (const as of [
        { sub: 'ann', roles: ['member'] },
        { sub: 'backend', roles: ['publisher'] },
        { sub: 'root', roles: ['admin'] },
        { sub: 'bob', roles: ['member'] },
        { sub: 'bot', roles: ['agent'] },
        { sub: 'eye', roles: ['observer'] },
        { sub: 'root', roles: ['admin'], entity: 'another' },
        { sub: 'ann', roles: ['member'], entity: 'another' },
      ] satisfies TokenOptions[]) {
        const { status, body } = await call(path, { as });
        codes.push(
          status === 200 && 'messages' in body ? (body.messages as []).length : (body.code ?? status),
        );
      }
      const own = path.endsWith('inbox') ? 1 : 200;
      const nobody = path.endsWith('inbox') ? 0 : 'not-found';
      const forbidden = ['forbidden', 'forbidden', 'forbidden'];
      expect(codes).toEqual([own, own, own, ...forbidden, 'not-found', nobody]);
    }
    expect((await call('/api/v1/users/ann/inbox/unknown')).body).toMatchObject({ code: 'not-found' });
  });
});

describe('a long inbox', () => {
  test.each([
    ['from memory', 100],
    ['from the log', 3000],
  ])('[ACK-1] [SEND-6] comes in order, each message once, while others are sent (%s)', async (_, length) => {
    const text = 'x'.repeat(length);
    await Promise.all(Array.from({ length: 3000 }, () => server.server.publish('user.ann', 'note', text)));
    const client = await connect();
    for (let i = 0; i < 200; i++) await server.server.publish('user.ann', 'note', 'more');
    await until(() => seen(client).length >= 3200, 'all messages', 20_000);
    await expectSeen(client, ...Array.from({ length: 3200 }, (__, i) => String(i + 1)));
    await acked(client, 3200);
    client.close();
  });
});

describe('clients that cannot acknowledge', () => {
  test('[ACK-10] a bare path: the pong that follows the message acknowledges it', async () => {
    await send('one');
    const token = await server.token({ sub: 'ann', roles: ['member'], clock });
    const url = `${server.origin.replace('http', 'ws')}/ws/user/ann?token=${token}`;
    const raw = new RawWebSocket(url);
    await raw.until(() => raw.frames.some(({ opcode }) => opcode === OPCODE.text), 'the message');
    expect(JSON.parse(raw.frames[0]?.payload.toString() ?? '')).toMatchObject({ type: 'note', data: 'one' });
    clock.advance(100);
    await raw.until(() => raw.frames.some(({ opcode }) => opcode === OPCODE.ping), 'a ping');
    await until(async () => (await statuses())[0] === 'delivered 1', 'the message to be delivered');
    const ping = raw.frames.findLast(({ opcode }) => opcode === OPCODE.ping);
    raw.tcp.write(clientFrame(OPCODE.pong, ping?.payload ?? ''));
    await until(async () => (await statuses())[0] === 'acknowledged 1', 'the message to be acknowledged');
    raw.tcp.destroy();
  });

  test('[ACK-10] an event stream: what the kernel took is acknowledged; it resumes as ever', async () => {
    await send('one');
    const stream = await server.stream('/events?topics=user.ann', { sub: 'ann', clock });
    await stream.until(({ events }) => events.length === 1, 'the message');
    clock.advance(100);
    await until(async () => (await statuses())[0] === 'acknowledged 1', 'the message to be acknowledged');
    await send('two');
    await stream.until(({ events }) => events.length === 2, 'the next message');
    clock.advance(100);
    await until(async () => (await statuses())[1] === 'acknowledged 1', 'the message to be acknowledged');
    const [first] = stream.events;
    stream.close();
    await send('three');
    const headers = { 'last-event-id': first?.id ?? '' };
    const again = await server.stream('/events?topics=user.ann', { sub: 'ann', clock }, headers);
    await again.until(({ events }) => events.length === 2, 'what followed the last event');
    expect(again.events.map(({ data }) => data)).toEqual(['"two"', '"three"']);
    clock.advance(100);
    await until(async () => (await statuses())[2] === 'acknowledged 1', 'the message to be acknowledged');
    again.close();
  });

  test('[ACK-5] [ACK-10] [ACK-11] one of whole events acknowledges over HTTP what it was sent', async () => {
    await send('one', 'two');
    const path = '/events?topics=user.ann&format=full&consumer=inbox';
    const stream = await server.stream(path, { sub: 'ann', clock });
    await stream.until(({ events }) => events.length === 2, 'the messages');
    const ack = (offset: number, as: TokenOptions = {}) =>
      call('/api/v1/topics/user.ann/ack', { method: 'POST', body: { consumer: 'inbox', offset }, as });
    expect((await ack(3)).body).toMatchObject({ status: 409, code: 'ack-ahead' });
    expect((await ack(1, { sub: 'bob' })).body).toMatchObject({ code: 'forbidden' });
    expect((await ack(1)).body).toEqual({ topic: 'user.ann', consumer: 'inbox', acked: 1 });
    await pass(MINUTE);
    await stream.until(({ events }) => events.length === 4, 'the acknowledgement and the second delivery');
    expect(stream.events[2]?.event).toBe('acked');
    expect(JSON.parse(stream.events[2]?.data ?? '')).toMatchObject({ type: 'acked', offset: 1 });
    expect(JSON.parse(stream.events[3]?.data ?? '')).toMatchObject({ offset: 2, attempt: 2 });
    expect((await ack(2)).body).toMatchObject({ acked: 2 });
    stream.close();
  });

  test('[ACK-10] asking for history acknowledges nothing', async () => {
    await send('one');
    const stream = await server.stream('/events?topics=user.ann&since=earliest', { sub: 'ann', clock });
    const bare = await server.connect<{ data: unknown }>('/ws/user/ann?since=earliest', {
      sub: 'ann',
      clock,
    });
    expect(await bare.next()).toMatchObject({ data: 'one' });
    await stream.until(({ events }) => events.length === 1, 'the message');
    clock.advance(100);
    await settle();
    expect(await statuses()).toEqual(['pending 0']);
    stream.close();
    bare.close();
  });
});

/** Waits for what the next looks through all inboxes bring about. */
async function swept(condition: () => Promise<boolean>, description: string): Promise<void> {
  const look = async (): Promise<boolean> => {
    if (await condition()) return true;
    clock.advance(10_000);
    return false;
  };
  await until(look, description, 10_000);
}

/** What was started by the clock, and needs no more of it, is done. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await call('/api/v1/users/ann/inbox');
}
