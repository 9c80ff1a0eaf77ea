import type { OkMessage } from '@millrace/protocol';
import { ManualClock, type TestClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

let server: TestServer;
let client: TestClient;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(async () => {
  entity = `publishing-${++tests}`;
  client = await server.connect('/ws', { entity });
  await client.next('welcome');
  return () => client.close();
});

interface Result {
  readonly topic: string;
  readonly id: string;
  readonly offset: number;
  readonly epoch: string;
  readonly timestamp: string;
  readonly duplicate?: true;
}

async function publish(fields: object): Promise<Result> {
  client.send({ type: 'publish', id: 'p', topic: 't.a', event: 'x', data: 1, ...fields });
  const ok: OkMessage = await client.next('ok');
  return ok.result as Result;
}

async function refused(fields: object): Promise<object> {
  client.send({ type: 'publish', id: 'p', topic: 't.a', event: 'x', data: 1, ...fields });
  return client.next('error');
}

describe('publishing', () => {
  test('[PUB-1] is answered with where the event stands, which is what subscribers see', async () => {
    client.send({ type: 'subscribe', topic: 't.a' });
    await client.next('subscribed');
    client.send({
      type: 'publish',
      id: 9,
      topic: 't.a',
      event: 'x',
      data: { a: [1] },
      source: 's',
      key: 'k',
    });
    const answers = [await client.next(), await client.next()];
    const ok = answers.find((each) => each.type === 'ok');
    const event = answers.find((each) => each.type === 'event');
    if (ok?.type !== 'ok' || event?.type !== 'event') throw new Error('an ok and an event were due');
    expect(ok).toEqual({
      type: 'ok',
      id: 9,
      result: {
        topic: 't.a',
        id: event.id,
        offset: 1,
        epoch: event.epoch,
        timestamp: event.timestamp,
      },
    });
    expect(event).toMatchObject({
      topic: 't.a',
      event: 'x',
      data: { a: [1] },
      source: 's',
      key: 'k',
      offset: 1,
    });
  });

  test('[PUB-1] without an id success is silent, and failure an `error` without an id', async () => {
    client.send({ type: 'publish', topic: 't.a', event: 'x', data: 1, seal: true });
    client.send({ type: 'publish', topic: 't.a', event: 'x', data: 2 });
    client.send({ type: 'publish', id: 'last', topic: 't.b', event: 'x', data: 3 });
    const error = await client.next();
    expect(error).toMatchObject({ type: 'error', code: 'sealed' });
    expect(error).not.toHaveProperty('id');
    expect(await client.next()).toMatchObject({ type: 'ok', id: 'last' });
  });

  test('[PUB-2] a repeat with the same key is answered with the first result, and stored once', async () => {
    const first = await publish({ idempotencyKey: 'k-1' });
    const other = await publish({ idempotencyKey: 'k-2' });
    const again = await publish({ idempotencyKey: 'k-1', data: 'another' });
    expect(again).toEqual({ ...first, duplicate: true });
    expect(other.offset).toBe(2);
    // Another topic is another scope.
    expect(await publish({ topic: 't.b', idempotencyKey: 'k-1' })).not.toHaveProperty('duplicate');
    expect((await publish({})).offset).toBe(3);
  });

  test('[PUB-2] repeats that are pipelined are stored once', async () => {
    for (let id = 0; id < 50; id++) {
      client.send({ type: 'publish', id, topic: 't.a', event: 'x', data: id, idempotencyKey: `k-${id % 5}` });
    }
    const oks = await client.take('ok', 50);
    const offsets = oks.map(({ result }) => (result as Result).offset);
    expect(offsets).toEqual(Array.from({ length: 50 }, (_, i) => (i % 5) + 1));
  });

  test('[PUB-3] a different head is a `conflict` that says the head; the right one appends', async () => {
    const first = await publish({ expectOffset: 0 });
    expect(await refused({ expectOffset: 0 })).toMatchObject({
      code: 'conflict',
      retryable: false,
      details: { position: `${first.epoch}:1` },
    });
    expect(await publish({ expectOffset: `${first.epoch}:1` })).toMatchObject({ offset: 2 });
    expect(await refused({ expectOffset: 'other:2' })).toMatchObject({ code: 'conflict' });
    expect(await refused({ expectOffset: 'nonsense' })).toMatchObject({ code: 'bad-position' });
    expect(await publish({ expectOffset: 2 })).toMatchObject({ offset: 3 });
  });

  test('[PUB-3] of many that expect the same head, one wins', async () => {
    const others = await Promise.all(Array.from({ length: 5 }, () => server.connect('/ws', { entity })));
    for (const each of others) {
      each.send({ type: 'publish', id: 1, topic: 't.race', event: 'x', data: 1, expectOffset: 0 });
    }
    await Promise.all(others.map((each) => each.next('welcome')));
    const answers = await Promise.all(others.map((each) => each.next()));
    expect(answers.map(({ type }) => type).sort()).toEqual(['error', 'error', 'error', 'error', 'ok']);
    for (const each of others) each.close();
  });

  test('[PUB-4] a fence is refused once the topic has seen a higher token under that name', async () => {
    await publish({ fence: { name: 'lock', token: 5 } });
    await publish({ fence: { name: 'lock', token: 5 } });
    await publish({ fence: { name: 'lock', token: 7 } });
    expect(await refused({ fence: { name: 'lock', token: 6 } })).toMatchObject({
      code: 'fenced',
      retryable: false,
    });
    expect(await publish({ fence: { name: 'other', token: 1 } })).toMatchObject({ offset: 4 });
    expect(await publish({ topic: 't.b', fence: { name: 'lock', token: 1 } })).toMatchObject({ offset: 1 });
  });

  test('[PUB-5] a sealed topic takes nothing more, except a repeat of the sealing event', async () => {
    await publish({});
    const sealing = await publish({ seal: true, idempotencyKey: 'end' });
    expect(await refused({})).toMatchObject({
      code: 'sealed',
      details: { position: `${sealing.epoch}:2` },
    });
    expect(await refused({ seal: true })).toMatchObject({ code: 'sealed' });
    expect(await publish({ seal: true, idempotencyKey: 'end' })).toEqual({ ...sealing, duplicate: true });
  });

  test('[PUB-7] publications of one session to one topic are stored in the order they were sent', async () => {
    const count = 3000;
    for (let i = 0; i < count; i++) {
      client.send({ type: 'publish', id: i, topic: `t.${i % 3}`, event: 'x', data: i });
    }
    const oks = await client.take('ok', count);
    expect(oks.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, i) => i));
    const reader = await server.connect('/ws', { entity });
    for (const topic of ['t.0', 't.1', 't.2']) {
      reader.send({ type: 'subscribe', topic, since: 'earliest' });
      const events = await reader.take('event', count / 3);
      expect(events.map(({ data }) => data)).toEqual(
        Array.from({ length: count / 3 }, (_, i) => i * 3 + Number(topic.at(-1))),
      );
    }
    reader.close();
  });

  test('[EVT-3] a topic’s timestamps never decrease, not even when the server’s clock is set back', async () => {
    const clock = new ManualClock();
    const timed = await TestServer.start({ clock });
    for (const topic of ['durable.a', 'host.live']) {
      const times: string[] = [];
      for (const step of [0, 1000, -3_600_000, 10, -50]) {
        clock.stepWall(step);
        times.push((await timed.server.publish(topic, 'x', step)).timestamp);
      }
      expect(times).toEqual([...times].sort());
    }
    await timed.close();
  });

  test('[EVT-4] an event that a subscriber has seen is in the log, whoever asks', async () => {
    const watcher = await server.connect('/ws', { entity });
    watcher.send({ type: 'subscribe', topic: '*' });
    await watcher.next('subscribed');
    for (let i = 0; i < 30; i++) {
      client.send({ type: 'publish', topic: `seen.${i % 3}`, event: 'x', data: i });
      const { topic, epoch, offset, data } = await watcher.next('event');
      expect(data).toBe(i);
      const reader = await server.connect('/ws', { entity });
      reader.send({ type: 'subscribe', topic, since: `${epoch}:${offset - 1}` });
      expect(await reader.next('subscribed')).toMatchObject({ recovered: true, replayed: 1 });
      expect(await reader.next('event')).toMatchObject({ offset, data: i });
      reader.close();
    }
    watcher.close();
  });
});

describe('a session that sends too fast', () => {
  const limits = { messagesPerSecond: 10, messageBurst: 5 };

  test('[LIM-3] is answered with `rate-limited` and when to come back, and not acted on', async () => {
    const clock = new ManualClock();
    const slow = await TestServer.start({ clock, limits });
    const member = await slow.connect('/ws', { roles: ['member'], clock });
    await member.next('welcome');
    for (let id = 0; id < 7; id++)
      member.send({ type: 'publish', id, topic: 'chat.a', event: 'x', data: id });
    const errors = await member.take('error', 2);
    expect(errors).toMatchObject([
      { id: 5, code: 'rate-limited', retryable: true, details: { retryAfterMs: 100 } },
      { id: 6, code: 'rate-limited', retryable: true },
    ]);
    clock.advance(100);
    member.send({ type: 'publish', id: 'again', topic: 'chat.a', event: 'x', data: 'again' });
    const reader = await slow.connect('/ws', { roles: ['observer'], clock });
    while ((await member.next('ok')).id !== 'again');
    reader.send({ type: 'subscribe', topic: 'chat.a', since: 'earliest' });
    const events = await reader.take('event', 6);
    expect(events.map(({ data }) => data)).toEqual([0, 1, 2, 3, 4, 'again']);
    member.close();
    reader.close();
    await slow.close();
  });

  test('[LIM-3] malformed messages count as well; publishers and admins are exempt', async () => {
    const clock = new ManualClock();
    const slow = await TestServer.start({ clock, limits });
    const member = await slow.connect('/ws', { roles: ['member'], clock });
    for (let i = 0; i < 5; i++) member.socket.send('nonsense');
    member.send({ type: 'ping', id: 1 });
    expect((await member.take('error', 6)).map(({ code }) => code)).toEqual([
      ...Array.from({ length: 5 }, () => 'bad-json'),
      'rate-limited',
    ]);
    for (const role of ['publisher', 'admin'] as const) {
      const free = await slow.connect('/ws', { roles: ['member', role], clock });
      for (let id = 0; id < 50; id++) free.send({ type: 'ping', id });
      await free.take('pong', 50);
      free.close();
    }
    member.close();
    await slow.close();
  });
});
