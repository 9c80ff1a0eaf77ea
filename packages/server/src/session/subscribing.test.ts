import type { EventMessage } from '@millrace/protocol';
import { type TestClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `subscribing-${++tests}`;
});

const connect = (): Promise<TestClient> => server.connect('/ws', { entity });

async function publish(topic: string, data: unknown, options: { seal?: boolean } = {}) {
  return server.server.publish(topic, 'x', data, { entity, ...options });
}

const eventsOf = (client: TestClient): EventMessage[] =>
  client.messages.filter(({ type }) => type === 'event') as never;
const places = (events: readonly EventMessage[]): string[] =>
  events.map(({ topic, offset }) => `${topic}:${offset}`);

/** Once it has come, so has all that was published before it. */
async function fence(client: TestClient, topic: string): Promise<void> {
  await publish(topic, 'fence');
  while ((await client.next('event')).data !== 'fence');
}

describe('subscribing', () => {
  test('[SUB-1] is answered before any event of the subscription; several topics one by one, in order', async () => {
    for (const topic of ['t.a', 't.b', 't.c']) await publish(topic, 1);
    const client = await connect();
    const topics = ['t.c', 't.missing', 't.a', 't.*', 't.b'];
    client.send({ type: 'subscribe', id: 5, topics, since: 'earliest' });
    const answers = await client.take('subscribed', 5);
    expect(answers.map(({ id, topic }) => [id, topic])).toEqual(topics.map((topic) => [5, topic]));
    await fence(client, 't.b');
    for (const topic of ['t.a', 't.b', 't.c']) {
      const answer = client.messages.findIndex((each) => each.type === 'subscribed' && each.topic === topic);
      const event = client.messages.findIndex((each) => each.type === 'event' && each.topic === topic);
      const pattern = client.messages.findIndex((each) => each.type === 'subscribed' && each.topic === 't.*');
      expect(event).toBeGreaterThan(Math.min(answer, pattern));
    }
    client.close();
  });

  test('[SUB-1] one topic that is refused leaves the others of the list alone', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 5, topics: ['fine.a', 'bad..topic', 'user.somebody', 'fine.b'] });
    await client.next('welcome');
    const answers = [await client.next(), await client.next(), await client.next(), await client.next()];
    expect(answers).toMatchObject([
      { type: 'subscribed', topic: 'fine.a' },
      { type: 'error', id: 5, code: 'bad-topic', details: { topic: 'bad..topic' } },
      { type: 'error', id: 5, code: 'forbidden', details: { topic: 'user.somebody' } },
      { type: 'subscribed', topic: 'fine.b' },
    ]);
    client.close();
  });

  test('[SUB-2] without `since` begins with the first event after the position, for a pattern after the cursor', async () => {
    await publish('s.a', 'before');
    const client = await connect();
    client.send({ type: 'subscribe', topic: 's.a' });
    const { position, replayed, recovered } = await client.next('subscribed');
    expect([position?.split(':')[1], replayed, recovered]).toEqual(['1', 0, undefined]);
    const other = await connect();
    other.send({ type: 'subscribe', topic: 's.*' });
    const answer = await other.next('subscribed');
    expect(answer).not.toHaveProperty('position');
    for (const each of [client, other]) {
      await publish('s.a', each === client ? 'one' : 'two');
    }
    await fence(client, 's.a');
    await fence(other, 's.a');
    expect(
      eventsOf(client)
        .map(({ data }) => data)
        .slice(0, 2),
    ).toEqual(['one', 'two']);
    expect(
      eventsOf(other)
        .map(({ data }) => data)
        .slice(0, 2),
    ).toEqual(['one', 'two']);
    const third = await connect();
    third.send({ type: 'subscribe', topic: 's.*', since: answer.cursor });
    expect(await third.next('subscribed')).toMatchObject({ recovered: true, replayed: 4 });
    for (const each of [client, other, third]) each.close();
  });

  test('[SUB-3] `replayed` events follow, all at or before `position`, then live ones, while others publish', async () => {
    const publishing = (async () => {
      for (let i = 1; i <= 400; i++) await publish('r.a', i);
    })();
    const clients = await Promise.all(Array.from({ length: 8 }, connect));
    for (const client of clients) client.send({ type: 'subscribe', topic: 'r.a', since: 'earliest' });
    await publishing;
    for (const client of clients) {
      const { replayed, position } = await client.next('subscribed');
      const head = Number(position?.split(':')[1]);
      expect(replayed).toBe(head);
      await fence(client, 'r.a');
      const offsets = eventsOf(client).map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.map((_, index) => index + 1));
      expect(offsets.length).toBeGreaterThanOrEqual(401);
      client.close();
    }
  });

  test('[SUB-4] an event that several subscriptions match is delivered once', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topics: ['o.a', 'o.*', '*', 'o.a.*'] });
    await client.take('subscribed', 4);
    for (let i = 0; i < 20; i++) await publish(i % 2 === 0 ? 'o.a' : 'o.a.b', i);
    await fence(client, 'o.z');
    expect(eventsOf(client).map(({ data }) => data)).toEqual([
      ...Array.from({ length: 20 }, (_, i) => i),
      'fence',
    ]);
    client.send({ type: 'unsubscribe', topic: '*' });
    client.send({ type: 'unsubscribe', topic: 'o.a' });
    await client.take('unsubscribed', 2);
    await publish('o.a', 'still by o.*');
    expect(await client.next('event')).toMatchObject({ data: 'still by o.*' });
    client.close();
  });

  test('[SUB-4] a subscription that replays delivers its own events whatever the others delivered', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'o.*' });
    await client.next('subscribed');
    for (let i = 1; i <= 3; i++) await publish('o.a', i);
    await fence(client, 'o.a');
    client.send({ type: 'subscribe', topic: 'o.a', since: 'earliest' });
    expect(await client.next('subscribed')).toMatchObject({ replayed: 4 });
    expect((await client.take('event', 4)).map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
    await publish('o.a', 'live');
    expect(await client.next('event')).toMatchObject({ offset: 5 });
    await fence(client, 'o.b');
    expect(eventsOf(client).filter(({ offset, topic }) => topic === 'o.a' && offset === 5)).toHaveLength(1);
    client.close();
  });

  test('[SUB-5] subscribing again goes on from the new `since`, also while the first replay runs', async () => {
    for (let i = 1; i <= 1500; i++) void publish('again.a', i);
    await publish('again.a', 1501);
    const client = await connect();
    client.send({ type: 'subscribe', id: 1, topic: 'again.a', since: 'earliest' });
    client.send({ type: 'subscribe', id: 2, topic: 'again.a', since: { last: 2 } });
    expect(await client.next('subscribed')).toMatchObject({ id: 1, replayed: 1501 });
    expect(await client.next('subscribed')).toMatchObject({ id: 2, replayed: 2 });
    await fence(client, 'again.a');
    const second = client.messages.findIndex((each) => each.type === 'subscribed' && each.id === 2);
    const after = client.messages.slice(second).filter(({ type }) => type === 'event') as EventMessage[];
    expect(after.map(({ offset }) => offset)).toEqual([1500, 1501, 1502]);
    client.close();
  });

  test('[SUB-5] a replacement counts once against the limit and once in delivery', async () => {
    const client = await connect();
    for (let id = 0; id < 200; id++)
      client.send({ type: 'subscribe', id, topic: id % 2 === 0 ? 'n.a' : 'n.*' });
    await client.take('subscribed', 200);
    await publish('n.a', 'once');
    await fence(client, 'n.b');
    expect(places(eventsOf(client))).toEqual(['n.a:1', 'n.b:1']);
    client.close();
  });

  test('[SUB-6] no event of a subscription follows `unsubscribed`, however many are on their way', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topics: ['u.a', 'u.*'] });
    await client.take('subscribed', 2);
    let answered = false;
    const publishing = (async () => {
      while (!answered) await Promise.all(Array.from({ length: 20 }, (_, i) => publish('u.a', i)));
    })();
    await client.take('event', 100);
    client.send({ type: 'unsubscribe', id: 'a', topic: 'u.a' });
    client.send({ type: 'unsubscribe', id: 'b', topic: 'u.*' });
    expect(await client.next('unsubscribed')).toMatchObject({
      id: 'a',
      topic: 'u.a',
      code: 'client-request',
    });
    expect(await client.next('unsubscribed')).toMatchObject({
      id: 'b',
      topic: 'u.*',
      code: 'client-request',
    });
    answered = true;
    await publishing;
    for (let i = 0; i < 3; i++) await publish('u.a', 'late');
    client.send({ type: 'subscribe', topic: 'u.z' });
    await fence(client, 'u.z');
    const last = client.messages.findLastIndex(({ type }) => type === 'unsubscribed');
    const after = client.messages.slice(last).filter(({ type }) => type === 'event') as EventMessage[];
    expect(places(after)).toEqual(['u.z:1']);
    client.close();
  });

  test('[SUB-6] unsubscribing ends a replay that runs; what was not subscribed is `not-subscribed`', async () => {
    await Promise.all(Array.from({ length: 3000 }, (_, i) => publish('u.long', i)));
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'u.long', since: 'earliest' });
    client.send({ type: 'unsubscribe', id: 1, topic: 'u.long' });
    client.send({ type: 'unsubscribe', id: 2, topic: 'u.long' });
    await client.next('unsubscribed');
    expect(await client.next()).toMatchObject({ type: 'error', id: 2, code: 'not-subscribed' });
    client.send({ type: 'unsubscribe', id: 3, topic: 'never.seen' });
    expect(await client.next()).toMatchObject({ type: 'error', id: 3, code: 'not-subscribed' });
    client.send({ type: 'ping', id: 4 });
    expect(await client.next()).toMatchObject({ type: 'pong', id: 4 });
    client.close();
  });

  test('[SUB-7] a topic that does not exist has offset 0, and its events come once it does', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'unborn.a' });
    expect((await client.next('subscribed')).position).toMatch(/^[A-Za-z0-9-]+:0$/);
    await publish('unborn.a', 'born');
    expect(await client.next('event')).toMatchObject({ offset: 1, data: 'born' });
    client.close();
  });

  test('[SUB-8] the last event carries `sealed`, and subscribing afterwards says it', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topics: ['seal.a', 'seal.*'] });
    expect(await client.next('subscribed')).not.toHaveProperty('sealed');
    await publish('seal.a', 1);
    await publish('seal.a', 2, { seal: true });
    const [first, second] = await client.take('event', 2);
    expect(first).not.toHaveProperty('sealed');
    expect(second).toMatchObject({ offset: 2, sealed: true });
    const epoch = second?.epoch;
    for (const since of [undefined, 'earliest', `${epoch}:1`, `${epoch}:2`, { last: 1 }]) {
      const late = await connect();
      late.send({ type: 'subscribe', topic: 'seal.a', since });
      expect(await late.next('subscribed')).toMatchObject({ sealed: true, position: `${epoch}:2` });
      late.close();
    }
    client.close();
  });

  test('[SUB-9] a topic that is deleted and written anew goes on in its new epoch, at topic and pattern', async () => {
    const byName = await connect();
    byName.send({ type: 'subscribe', topic: 'reborn.a' });
    const byPattern = await connect();
    byPattern.send({ type: 'subscribe', topic: 'reborn.*' });
    await byName.next('subscribed');
    await byPattern.next('subscribed');
    const epochs = new Set<string>();
    for (let life = 1; life <= 3; life++) {
      await publish('reborn.a', `${life}.1`);
      await publish('reborn.a', `${life}.2`);
      for (const client of [byName, byPattern]) {
        const [first, second] = await client.take('event', 2);
        expect([first?.data, first?.offset]).toEqual([`${life}.1`, 1]);
        expect([second?.data, second?.offset]).toEqual([`${life}.2`, 2]);
        expect(first?.epoch).toBe(second?.epoch);
        epochs.add(first?.epoch ?? '');
      }
      const token = await server.token({ entity });
      const deleted = await fetch(`${server.origin}/api/v1/topics/reborn.a`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
      });
      expect(deleted.ok).toBe(true);
    }
    expect(epochs.size).toBe(3);
    const [epoch = ''] = epochs;
    const late = await connect();
    late.send({ type: 'subscribe', topic: 'reborn.a', since: `${epoch}:2` });
    expect(await late.next('subscribed')).toMatchObject({ recovered: false, reason: 'epoch', replayed: 0 });
    await publish('reborn.a', 'later');
    expect(await late.next('event')).toMatchObject({ data: 'later', offset: 1 });
    for (const client of [byName, byPattern, late]) client.close();
  });
});

describe('patterns', () => {
  test('[TOPIC-2] `*` is one segment in the middle, and one or more at the end', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topics: ['p.*.c', 'q.*'] });
    await client.take('subscribed', 2);
    for (const topic of ['p.c', 'p.b.c', 'p.b.b.c', 'p.b.c.d', 'q', 'q.a', 'q.a.b.c', 'qq.a']) {
      await publish(topic, topic);
    }
    await fence(client, 'q.end');
    expect(eventsOf(client).map(({ topic }) => topic)).toEqual(['p.b.c', 'q.a', 'q.a.b.c', 'q.end']);
    client.close();
  });

  test('[TOPIC-3] [AUTH-8] a user’s inbox is one segment, whatever the id holds', async () => {
    const sub = 'ann.smith@example.com';
    const client = await server.connect('/ws', { entity, sub, roles: ['member'] });
    client.send({ type: 'subscribe', id: 1, topic: 'user.ann_2esmith_40example_2ecom' });
    expect(await client.next('subscribed')).toMatchObject({ id: 1 });
    client.send({ type: 'subscribe', id: 2, topic: 'user.ann' });
    expect(await client.next('error')).toMatchObject({ id: 2, code: 'forbidden' });
    await publish('user.ann_2esmith_40example_2ecom', 'for ann');
    expect(await client.next('event')).toMatchObject({ data: 'for ann' });
    client.close();
  });
});

describe('what a session may have', () => {
  test('[LIM-2] a subscription beyond the limit is `too-many-subscriptions`; one given back makes room', async () => {
    const small = await TestServer.start({ limits: { maxSubscriptions: 3 } });
    const client = await small.connect();
    client.send({ type: 'subscribe', id: 1, topics: ['a', 'b', 'c.*', 'd', 'a'] });
    await client.next('welcome');
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await client.next());
    expect(answers).toMatchObject([
      { topic: 'a' },
      { topic: 'b' },
      { topic: 'c.*' },
      { type: 'error', code: 'too-many-subscriptions', details: { topic: 'd' } },
      { type: 'subscribed', topic: 'a' },
    ]);
    client.send({ type: 'unsubscribe', topic: 'b' });
    client.send({ type: 'subscribe', id: 2, topic: 'd' });
    expect(await client.next('subscribed')).toMatchObject({ id: 2, topic: 'd' });
    const stream = await small.stream('/events?topics=a,b,c,d');
    expect((await stream.answered).status).toBe(429);
    client.close();
    await small.close();
  });
});
