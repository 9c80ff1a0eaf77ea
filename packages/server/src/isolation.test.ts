import { type SseClient, type TestClient, TestServer, type TokenOptions } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/*
 * Two entities whose topics, users and tokens have the same names. `ours` holds a secret; `theirs` tries every verb at
 * every door. What is proved is that the secret never crosses over, nor does a message that would say it exists.
 */

let server: TestServer;
let ours = '';
let theirs = '';
let tests = 0;
let witness: TestClient;
/** Places of our log: a position and a cursor before the secret. */
let places: { position: string; cursor: string; id: string };

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

const SECRET = 'our secret';
const TOPICS = ['task.a', 'host.a', 'user.ann'];
const ROLES: NonNullable<TokenOptions['roles']>[] = [
  ['admin'],
  ['publisher'],
  ['member'],
  ['observer'],
  ['agent'],
];

async function publish(entity: string, topic: string, data: unknown): Promise<string> {
  const { epoch, offset } = await server.server.publish(topic, 'x', data, { entity });
  return `${epoch}:${offset}`;
}

beforeEach(async () => {
  ours = `ours-${++tests}`;
  theirs = `theirs-${tests}`;
  witness = await server.connect('/ws', { entity: ours, sub: 'ann' });
  witness.send({ type: 'subscribe', topics: TOPICS });
  const [{ cursor } = { cursor: '' }] = await witness.take('subscribed', 3);
  const { epoch, offset, id } = await server.server.publish('task.a', 'x', 'first', { entity: ours });
  await witness.next('event');
  places = { position: `${epoch}:${offset}`, cursor, id };
  await tellSecret();
  return () => witness.close();
});

/** Published, stored and handed out, on every topic. */
async function tellSecret(): Promise<void> {
  for (const topic of TOPICS) await publish(ours, topic, SECRET);
  await witness.take('event', TOPICS.length);
}

/**
 * Tells the secret once more when everything that the client asked for is in place; a round trip on the same node then
 * shows what came before it.
 */
async function settle(client: TestClient): Promise<void> {
  // Answered after every subscription that was asked for before.
  client.send({ type: 'unsubscribe', id: 'in place', topic: 'never.subscribed' });
  await answered(client, 'error', 'in place');
  await tellSecret();
  client.send({ type: 'ping', id: 'settled' });
  await answered(client, 'pong', 'settled');
}

async function answered(client: TestClient, type: string, id: string): Promise<void> {
  for (;;) {
    const message = (await client.next()) as { type: string; id?: unknown };
    if (message.type === type && message.id === id) return;
  }
}

function expectNothing(client: TestClient): void {
  expect(client.texts.join('\n')).not.toContain(SECRET);
  expect(client.messages.filter(({ type }) => type === 'event')).toEqual([]);
}

const sinces = (): Record<string, unknown> => ({
  none: undefined,
  earliest: 'earliest',
  'their position': places.position,
  'their position with its id': { ...split(places.position), id: places.id },
  'offset 0 of their epoch': `${split(places.position).epoch}:0`,
  'their cursor': places.cursor,
  last: { last: 100 },
  time: { time: '2000-01-01T00:00:00Z' },
});

function split(position: string): { epoch: string; offset: number } {
  const [epoch = '', offset = ''] = position.split(':');
  return { epoch, offset: Number(offset) };
}

describe('subscribing from another entity', () => {
  test.each(ROLES.map((roles) => [roles[0], roles]))(
    '[AUTH-7] [AUTH-8] as %s: no topic, pattern, position or cursor reaches us at the native door',
    async (_, roles) => {
      const client = await server.connect('/ws', { entity: theirs, sub: 'ann', roles });
      const names = [...TOPICS, '*', 'task.*', '*.a', 'host.*', 'user.*', 'user.ann.*', '*.ann', '*.*'];
      for (const name of [...names, `${ours}.task.a`, `${ours}:task.a`]) {
        for (const since of Object.values(sinces())) client.send({ type: 'subscribe', topic: name, since });
      }
      await settle(client);
      expectNothing(client);
      const replays = client.messages.flatMap((each) => (each.type === 'subscribed' ? [each.replayed] : []));
      expect(replays.every((replayed) => replayed === 0)).toBe(true);
      expect(replays.length).toBeGreaterThan(0);
      client.close();
    },
  );

  test.each(['none', 'earliest', 'their position', 'their cursor'])(
    '[AUTH-7] since %s: nothing at the bare door and the event stream',
    async (kind) => {
      const since = sinces()[kind];
      const query = typeof since === 'string' ? `since=${encodeURIComponent(since)}` : '';
      const identity = { entity: theirs, sub: 'ann' };
      const bare = await Promise.all(
        ['/ws/task/a', '/ws/host/a', '/ws/user/ann'].map((path) =>
          server.connect(`${path}?${query}`, identity),
        ),
      );
      const streams: SseClient[] = [];
      for (const topics of ['topics=task.a', 'topics=user.ann', 'topics=task.a,host.*', '']) {
        for (const format of ['', 'format=full']) {
          const stream = await server.stream(`/events?${[topics, query, format].join('&')}`, identity);
          streams.push(stream);
        }
      }
      for (const client of bare) {
        await settle(client);
        expectNothing(client);
      }
      for (const topic of TOPICS) await publish(theirs, topic, 'their own');
      for (const stream of streams) {
        if ((await stream.answered).status === 200) {
          await stream.until(
            ({ events }) => events.some(({ data }) => data.includes('their own')),
            'their own event',
          );
        }
        expect(stream.text).not.toContain(SECRET);
        stream.close();
      }
      for (const client of bare) client.close();
    },
  );

  test('[AUTH-7] no field of any message names another entity', async () => {
    const client = await server.connect('/ws', { entity: theirs });
    const fields = { entity: ours, entityId: ours, currentEntityId: ours, accountId: ours };
    client.send({ type: 'subscribe', topic: 'task.*', since: 'earliest', ...fields });
    client.send({ type: 'publish', id: 1, topic: 'task.a', event: 'x', data: 'intruder', ...fields });
    await client.next('ok');
    await settle(client);
    expect(client.texts.join('\n')).not.toContain(SECRET);
    const other = await server.connect(`/ws?entity=${ours}&entityId=${ours}`, { entity: theirs });
    expect(await other.next('welcome')).toMatchObject({ entityId: theirs });
    expect(witness.texts.join('\n')).not.toContain('intruder');
    client.close();
    other.close();
  });
});

describe('writing from another entity', () => {
  test('[AUTH-7] publishing to a topic of the same name is another topic, at every door', async () => {
    const native = await server.connect('/ws', { entity: theirs });
    const bare = await server.connect('/ws/task/a', { entity: theirs });
    for (const client of [native, bare]) {
      for (const topic of TOPICS) {
        client.send({ type: 'publish', id: topic, topic, event: 'x', data: 'intruder' });
        await client.next('ok');
      }
    }
    await tellSecret();
    expect(witness.texts.join('\n')).not.toContain('intruder');
    native.close();
    bare.close();
  });

  test('[AUTH-7] seals, keys, fences and expected offsets there change nothing here', async () => {
    const client = await server.connect('/ws', { entity: theirs });
    const base = { type: 'publish', topic: 'task.a', event: 'x', data: 1 };
    client.send({ ...base, id: 1, expectOffset: places.position });
    expect((await client.next('error')).code).toBe('conflict');
    client.send({ ...base, id: 2, idempotencyKey: 'k', fence: { name: 'lock', token: 1e9 }, seal: true });
    expect(await client.next('ok')).toMatchObject({ id: 2, result: { offset: 1 } });
    const here = await server.connect('/ws', { entity: ours });
    here.send({ ...base, id: 3, idempotencyKey: 'k', fence: { name: 'lock', token: 1 } });
    const answer = await here.next('ok');
    expect(answer.result).not.toHaveProperty('duplicate');
    client.close();
    here.close();
  });

  test('[AUTH-7] unsubscribing there ends nothing here', async () => {
    const client = await server.connect('/ws', { entity: theirs });
    for (const topic of [...TOPICS, '*']) {
      client.send({ type: 'unsubscribe', id: topic, topic });
      expect(await client.next('error')).toMatchObject({ id: topic, code: 'not-subscribed' });
    }
    await tellSecret();
    client.close();
  });
});

describe('inboxes within one entity', () => {
  test('[AUTH-8] no pattern, live or replayed, shows another user’s inbox, whatever the roles', async () => {
    for (const roles of ROLES) {
      const client = await server.connect('/ws', { entity: ours, sub: 'bob', roles });
      for (const topic of ['user.ann', 'user.*', '*', '*.ann', '*.*', 'user.ann.*']) {
        for (const since of [undefined, 'earliest', places.cursor])
          client.send({ type: 'subscribe', topic, since });
      }
      await settle(client);
      // What is for all comes last, behind every replay.
      const last = `last for ${roles[0]}`;
      await publish(ours, 'task.a', last);
      await witness.next('event');
      while ((await client.next('event')).data !== last);
      const seen = client.messages.flatMap((each) => (each.type === 'event' ? [each.topic] : []));
      expect(seen.length).toBeGreaterThan(0);
      expect(seen).not.toContain('user.ann');
      client.close();
      const stream = await server.stream('/events?since=earliest&format=full', {
        entity: ours,
        sub: 'bob',
        roles,
      });
      await stream.until(({ events }) => events.some(({ data }) => data.includes(SECRET)), 'what is for all');
      await tellSecret();
      await publish(ours, 'task.a', `end for ${roles[0]}`);
      await witness.next('event');
      await stream.until(({ text }) => text.includes(`end for ${roles[0]}`), 'the end');
      expect(stream.text).not.toContain('user.ann');
      stream.close();
    }
  });

  test('[AUTH-8] a pattern that begins with `*` does not even show one’s own; its name does', async () => {
    const client = await server.connect('/ws', { entity: ours, sub: 'ann', roles: ['member'] });
    client.send({ type: 'subscribe', topic: '*', since: 'earliest' });
    await settle(client);
    await publish(ours, 'task.a', 'last');
    while ((await client.next('event')).data !== 'last');
    const inbox = client.messages.flatMap((each) =>
      each.type === 'event' && each.topic === 'user.ann' ? [each] : [],
    );
    // The one that was sent meanwhile came without being asked for ([SEND-6]); the one before was not replayed.
    expect(inbox.map(({ offset }) => offset)).toEqual([2]);
    client.send({ type: 'subscribe', topic: 'user.ann', since: 'earliest' });
    expect(await client.next('event')).toMatchObject({ topic: 'user.ann', offset: 1, data: SECRET });
    client.close();
  });
});
