import { type TestClient, TestServer, UpgradeRefused } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

interface Flat {
  readonly type: string;
  readonly timestamp: string;
  readonly [field: string]: unknown;
}

let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `bare-${++tests}`;
});

const connect = (path: string): Promise<TestClient<Flat>> => server.connect<Flat>(path, { entity });

async function publish(topic: string, event: string, data: unknown) {
  return server.server.publish(topic, event, data, { entity });
}

/** Resolves when the door has subscribed: its answer to a ping comes after. */
async function ready(client: TestClient<Flat>): Promise<void> {
  client.send({ type: 'unsubscribe', id: 'ready', topic: 'nothing' });
  await client.next('error');
}

async function refusal(path: string, as: object = {}): Promise<UpgradeRefused> {
  const outcome: unknown = await server.connect(path, as).catch((error: unknown) => error);
  if (!(outcome instanceof UpgradeRefused)) throw new Error(`not refused: ${String(outcome)}`);
  return outcome;
}

describe('the bare door', () => {
  test('[BARE-1] subscribes to the path’s topic at once, and sends nothing unasked but its events', async () => {
    const client = await connect('/ws/task/build-7/log');
    await ready(client);
    await publish('task.build-7', 'above', {});
    await publish('task.build-7.log', 'line', { text: 'hello' });
    await publish('task.build-7.log.deep', 'below', {});
    await publish('task.build-7.log', 'line', { text: 'world' });
    const events = [await client.next('line'), await client.next('line')];
    expect(events.map(({ text }) => text)).toEqual(['hello', 'world']);
    // The answer to `ready`, and two events.
    expect(client.messages).toHaveLength(3);
    client.close();
  });

  test('[BARE-1] ten lines of code are a client: no subprotocol, no message, a flat object', async () => {
    const url = new URL('/ws/host/box-1', server.origin.replace('http', 'ws'));
    url.searchParams.set('token', await server.token({ entity }));
    const socket = new WebSocket(url);
    const first = new Promise<string>((resolve) => {
      socket.onmessage = ({ data }) => resolve(data as string);
    });
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    const publishing = setInterval(() => void publish('host.box-1', 'box.metrics', { cpu: 0.5 }), 5);
    expect(JSON.parse(await first)).toMatchObject({ type: 'box.metrics', cpu: 0.5 });
    clearInterval(publishing);
    socket.close();
  });

  const shapes: [string, unknown, object][] = [
    ['an object', { a: 1, b: { c: [2] } }, { a: 1, b: { c: [2] } }],
    ['an empty object', {}, {}],
    ['a number', 7, { data: 7 }],
    ['a text', 'x', { data: 'x' }],
    ['null', null, { data: null }],
    ['a list', [1, { type: 'y' }], { data: [1, { type: 'y' }] }],
    ['a field `type`', { type: 'mine', a: 1 }, { a: 1, data: { type: 'mine', a: 1 } }],
    ['a field `timestamp`', { timestamp: 5 }, { data: { timestamp: 5 } }],
    [
      'both, and a field `data`',
      { type: 1, timestamp: 2, data: 3, z: 4 },
      { z: 4, data: { type: 1, timestamp: 2, data: 3, z: 4 } },
    ],
    ['a field `data` alone', { data: 3, z: 4 }, { data: 3, z: 4 }],
    ['`type` further inside', { inner: { type: 'x', timestamp: 1 } }, { inner: { type: 'x', timestamp: 1 } }],
    ['`type` in a text', { text: '"type":1' }, { text: '"type":1' }],
  ];
  test.each(shapes)('[BARE-2] the data is %s: one flat object', async (_, data, expected) => {
    const client = await connect('/ws/flat/a');
    await ready(client);
    const { timestamp } = await publish('flat.a', 'named', data);
    const event = await client.next('named');
    expect(event).toEqual({ type: 'named', timestamp, ...expected });
    const keys = [...(client.texts.at(-1) ?? '').matchAll(/^\{"type":|,"type":"named"/g)];
    expect(keys).toHaveLength(1);
    client.close();
  });

  test('[BARE-3] `since` resumes as `subscribe` does', async () => {
    const first = await publish('resume.a', 'x', 1);
    await publish('resume.a', 'x', 2);
    const native = await server.connect('/ws', { entity });
    native.send({ type: 'subscribe', topic: 'resume.a' });
    const { cursor } = await native.next('subscribed');
    native.close();
    await publish('resume.a', 'x', 3);
    const expectations: [string, number[]][] = [
      ['earliest', [1, 2, 3]],
      [`${first.epoch}:1`, [2, 3]],
      [cursor, [3]],
      [`${first.epoch}:9`, []],
      ['another:1', []],
    ];
    for (const [index, [since, expected]] of expectations.entries()) {
      const client = await connect(`/ws/resume/a?since=${encodeURIComponent(since)}`);
      await ready(client);
      await publish('resume.a', 'end', index);
      while ((await client.next('end')).data !== index);
      const events = client.messages.filter(({ type }) => type === 'x');
      expect(events.map(({ data }) => data)).toEqual(expected);
      client.close();
    }
    expect((await refusal('/ws/resume/a?since=nonsense', { entity })).problem.code).toBe('bad-position');
  });

  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
  const starts: [string, number[]][] = [
    ['last=3', numbers(118, 120)],
    ['last', numbers(21, 120)],
    ['last=', numbers(21, 120)],
    ['time=2020-01-01T00:00:00Z', numbers(1, 120)],
    ['time=2999-01-01T00:00:00Z', []],
    ['last=4&filter={"event":["even","end"]}', [118, 120]],
  ];
  test.each(starts)('[BARE-3] ?%s says where it begins, and what comes', async (query, expected) => {
    await Promise.all(numbers(1, 120).map((n) => publish('start.a', n % 2 === 0 ? 'even' : 'odd', n)));
    const client = await connect(`/ws/start/a?${query}`);
    await ready(client);
    await publish('start.a', 'end', 0);
    await client.next('end');
    const events = client.messages.filter(({ type }) => type === 'odd' || type === 'even');
    expect(events.map(({ data }) => data)).toEqual(expected);
    client.close();
  });

  test.each([
    ['last=0', 'bad-message'],
    ['last=x', 'bad-message'],
    ['last=1&since=earliest', 'bad-message'],
    ['last=1&time=2026-01-01', 'bad-message'],
    ['time=yesterday', 'bad-position'],
    ['filter=x', 'bad-message'],
    ['filter={"colour":1}', 'bad-message'],
    ['sinc=earliest', 'bad-message'],
  ])('[BARE-3] ?%s refuses the upgrade', async (query, code) => {
    const refused = await refusal(`/ws/start/a?${query}`, { entity });
    expect([refused.status, refused.problem.code]).toEqual([400, code]);
  });

  test('[BARE-3] `subscribe`, `unsubscribe`, `publish` and `ping` work and are answered', async () => {
    const client = await connect('/ws/own/a');
    client.send({ type: 'subscribe', id: 1, topic: 'other.*' });
    expect(await client.next()).toMatchObject({ type: 'subscribed', id: 1, topic: 'other.*' });
    client.send({ type: 'publish', id: 2, topic: 'other.b', event: 'made', data: { a: 1 } });
    const answers = [await client.next(), await client.next()];
    expect(answers).toContainEqual(expect.objectContaining({ type: 'ok', id: 2 }));
    expect(answers).toContainEqual({ type: 'made', timestamp: expect.any(String), a: 1 });
    client.send({ type: 'ping', id: 3 });
    expect(await client.next()).toMatchObject({ type: 'pong', id: 3 });
    client.send({ type: 'unsubscribe', id: 4, topic: 'own.a' });
    expect(await client.next()).toMatchObject({ type: 'unsubscribed', id: 4, topic: 'own.a' });
    client.send({ type: 'dance', id: 5 });
    expect(await client.next()).toMatchObject({ type: 'error', id: 5, code: 'unknown-type' });
    client.close();
  });

  test('[BARE-4] an upgrade at `/` is a bare door without a topic', async () => {
    const client = await connect('/');
    client.send({ type: 'subscribe', id: 1, topic: 'root.a' });
    expect(await client.next()).toMatchObject({ type: 'subscribed', id: 1 });
    await publish('root.a', 'x', { a: 1 });
    expect(await client.next()).toMatchObject({ type: 'x', a: 1 });
    expect(client.messages).toHaveLength(2);
    client.close();
  });

  test('[BARE-4] [AUTH-2] a bare client may bring its token as the first message', async () => {
    const client = await server.connectAnonymously('/ws/late/a');
    client.send({ type: 'auth', token: await server.token({ entity }) });
    client.send({ type: 'ping', id: 1 });
    expect(await client.next()).toMatchObject({ type: 'pong', id: 1 });
    await publish('late.a', 'x', {});
    expect(await client.next()).toMatchObject({ type: 'x' });
    client.close();
    const observer = await server.connectAnonymously('/ws/secret/a');
    const token = await server.token({ entity, roles: ['observer'], topics: { subscribe: ['open.*'] } });
    observer.send({ type: 'auth', token });
    expect(await observer.next()).toMatchObject({ type: 'error', code: 'forbidden' });
    observer.close();
  });

  test.each(['/ws/a//b', '/ws/', '/ws/a/', '/ws/a b', '/ws/%ff', '/ws/a/*', '/ws/é'])(
    '[BARE-5] the path %s is no topic: HTTP 400 with `bad-topic`',
    async (path) => {
      const refused = await refusal(path);
      expect([refused.status, refused.problem.code]).toEqual([400, 'bad-topic']);
    },
  );

  test('[BARE-5] a topic that the token does not permit: HTTP 403 with `forbidden`', async () => {
    const refused = await refusal('/ws/secret/a', { roles: ['observer'], topics: { subscribe: ['open.*'] } });
    expect([refused.status, refused.problem.code]).toEqual([403, 'forbidden']);
    const inbox = await refusal('/ws/user/somebody', { roles: ['admin'] });
    expect([inbox.status, inbox.problem.code]).toEqual([403, 'forbidden']);
  });
});
