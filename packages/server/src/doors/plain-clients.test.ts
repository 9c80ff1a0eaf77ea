import { SUBPROTOCOLS } from '@millrace/protocol';
import { ApiClient, type TestClient, TestServer, UpgradeRefused, until } from '@millrace/testkit';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

interface Flat {
  readonly type: string;
  readonly [field: string]: unknown;
}

let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start({
    plain: {
      aliases: { money: 'transactions.*', agents: 'agents' },
      paths: {
        '/legacy': { topics: ['alerts', 'task.*'] },
        '/quiet': { format: 'native', topics: ['task.a'] },
        '/ws/rooms': { topics: ['money'] },
      },
    },
  });
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `plain-${++tests}`;
});

const connect = (path = '/ws', options = {}): Promise<TestClient<Flat>> =>
  server.connect<Flat>(path, { entity }, options);

async function publish(topic: string, event: string, data: unknown, source?: string) {
  return server.server.publish(topic, event, data, { entity, ...(source !== undefined && { source }) });
}

/** Everything that was sent before has been answered. */
async function ready(client: TestClient<Flat>): Promise<void> {
  client.send({ type: 'ping', id: 'ready' });
  while ((await client.next('pong')).id !== 'ready');
}

const PORTAL = {
  portal_id: 'portal-07',
  account_id: 'account-7',
  metrics: {
    consciousness_level: 0.91,
    harmony: 0.83,
    resilience: 0.77,
    prana: 0.68,
    drishti: 0.9,
    klesha: 0.12,
    zoom: 0.5,
  },
  status: 'healthy',
  uptime_percent: 99.98,
};

describe('a stream', () => {
  test.each(['/ws', '/', '/ws/task/a'])(
    '[PLAIN-1] [PLAIN-2] is answered by its name, and its events come flat, at %s',
    async (path) => {
      const client = await connect(path);
      client.send({ type: 'subscribe', stream: 'consciousness' });
      expect(await client.next('subscribed')).toEqual({ type: 'subscribed', stream: 'consciousness' });
      const { timestamp } = await publish('metrics.consciousness', 'consciousness_update', PORTAL);
      expect(await client.next()).toEqual({ type: 'consciousness_update', timestamp, ...PORTAL });
      client.close();
    },
  );

  test('[PLAIN-1] repeats an `id`, tells of recovery where it was asked for, and ends by its name', async () => {
    await publish('system.alerts', 'raised', { alert_id: 'a' });
    const client = await connect();
    client.send({ type: 'subscribe', stream: 'alerts', id: 4, since: 'earliest' });
    expect(await client.next('subscribed')).toEqual({
      type: 'subscribed',
      id: 4,
      stream: 'alerts',
      recovered: true,
      replayed: 1,
    });
    expect(await client.next()).toMatchObject({ type: 'raised', alert_id: 'a' });
    client.send({ type: 'unsubscribe', stream: 'alerts', id: 5 });
    expect(await client.next()).toEqual({
      type: 'unsubscribed',
      id: 5,
      stream: 'alerts',
      code: 'client-request',
      reason: 'as asked',
    });
    await publish('system.alerts', 'raised', { alert_id: 'b' });
    await ready(client);
    expect(client.texts.join()).not.toContain('"b"');
    client.close();
  });

  test('[PLAIN-1] [VIEW-4] begins with the state of its topic where that is asked for', async () => {
    const { timestamp } = await publish('metrics.consciousness', 'consciousness_update', PORTAL);
    const client = await connect();
    client.send({ type: 'subscribe', stream: 'consciousness', since: 'snapshot' });
    expect(await client.next('subscribed')).toMatchObject({ stream: 'consciousness', recovered: true });
    const snapshot = await client.next('snapshot');
    expect(snapshot).toMatchObject({ topic: 'metrics.consciousness', view: 'metrics', timestamp });
    expect(snapshot.state).toMatchObject({ sources: [{ source: 'portal-07', data: PORTAL }] });
    await publish('metrics.consciousness', 'consciousness_update', PORTAL);
    expect(await client.next()).toMatchObject({ type: 'consciousness_update', portal_id: 'portal-07' });
    client.close();
  });

  test('[PLAIN-1] may be a topic or a pattern, too', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', stream: 'task.*' });
    expect(await client.next('subscribed')).toEqual({ type: 'subscribed', stream: 'task.*' });
    const { timestamp } = await publish('task.a', 'began', { task_id: 'a' });
    expect(await client.next()).toEqual({ type: 'began', timestamp, task_id: 'a' });
    client.close();
  });

  test.each([
    [{ stream: 'not a topic' }, 'bad-topic', { stream: 'not a topic' }],
    [{ stream: 'user.somebody' }, 'forbidden', { stream: 'user.somebody' }],
    [{ stream: 'a', topic: 'b' }, 'bad-message', { path: '/stream' }],
    [{ stream: 'a', topics: ['b'] }, 'bad-message', { path: '/stream' }],
    [{ stream: 'a', filter: {}, filters: {} }, 'bad-message', { path: '/filters' }],
    [{ stream: 7 }, 'bad-message', { path: '/stream' }],
    [{ stream: 'a', filters: { colour: 'red' } }, 'bad-message', { path: '/filter/colour' }],
    [{}, 'bad-message', undefined],
  ])('[PLAIN-1] [MSG-5] subscribing to %o is refused with %s', async (wish, code, details) => {
    const client = await connect();
    client.send({ type: 'subscribe', id: 1, ...wish });
    const error = await client.next('error');
    expect(error).toMatchObject({ id: 1, code, retryable: false, timestamp: expect.any(String) });
    expect(error.details).toEqual(details);
    expect(Date.parse(String(error.timestamp))).not.toBeNaN();
    client.close();
  });

  test('[PLAIN-1] unsubscribing takes either a stream or a topic', async () => {
    const client = await connect();
    for (const wish of [{}, { stream: 'a', topic: 'a' }]) {
      client.send({ type: 'unsubscribe', id: 1, ...wish });
      expect(await client.next('error')).toMatchObject({ id: 1, code: 'bad-message' });
    }
    client.close();
  });

  test('[PLAIN-2] makes the whole session flat: what it had subscribed to, batches and direct sends', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'task.a', batch: { maxEvents: 1000, maxDelayMs: 10_000 } });
    client.send({ type: 'subscribe', topic: 'task.b' });
    await client.take('subscribed', 2);
    // The first event of a subscription comes alone.
    await publish('task.a', 'x', { n: 0 });
    expect(await client.next('event')).toMatchObject({ topic: 'task.a', data: { n: 0 } });
    await publish('task.a', 'waits', { n: 1 });
    await publish('task.b', 'x', { n: 2 });
    expect(await client.next('event')).toMatchObject({ topic: 'task.b', event: 'x' });
    client.send({ type: 'subscribe', stream: 'alerts' });
    // What was gathered goes out as it was asked for.
    expect(await client.next()).toMatchObject({ type: 'batch', events: [{ event: 'waits' }] });
    expect(await client.next()).toEqual({ type: 'subscribed', stream: 'alerts' });
    await publish('task.a', 'x', { n: 3 });
    await publish('task.b', 'x', { n: 4 });
    await publish('system.broadcast', 'x', { n: 5 });
    await publish('system.alerts', 'x', { n: 6 });
    const flat = [await client.next(), await client.next(), await client.next(), await client.next()];
    expect(flat.map(({ n }) => n)).toEqual([3, 4, 5, 6]);
    for (const event of flat) expect(Object.keys(event)).toEqual(['type', 'timestamp', 'n']);
    client.close();
  });

  test('[PLAIN-2] is compressed as the session was', async () => {
    const client = await connect('/ws', { perMessageDeflate: true });
    client.send({ type: 'subscribe', stream: 'alerts' });
    await client.next('subscribed');
    const message = 'again and again '.repeat(500);
    await publish('system.alerts', 'raised', { message });
    expect(await client.next()).toMatchObject({ type: 'raised', message });
    client.close();
  });

  test('[PLAIN-2] does not go with MessagePack', async () => {
    const packr = new Packr({ useRecords: false });
    const client = await connect('/ws', {
      subprotocols: [SUBPROTOCOLS.msgpack],
      decodeBinary: (data: Buffer) => packr.unpack(data) as object,
    });
    client.socket.send(packr.pack({ type: 'subscribe', id: 1, stream: 'alerts' }));
    expect(await client.next('error')).toMatchObject({ id: 1, code: 'not-supported' });
    client.close();
  });

  test('[PLAIN-2] [ACK-10] of the own inbox is confirmed by the transport', async () => {
    const as = { entity, sub: 'ann', roles: ['member'] } as const;
    await publish('user.ann', 'mail', { n: 1 });
    const client = await server.connect<Flat>('/ws', as);
    client.send({ type: 'subscribe', stream: 'user.ann' });
    expect(await client.next('mail')).toMatchObject({ n: 1 });
    const api = new ApiClient(server.origin, await server.token(as));
    const acked = async () => (await api.get<{ acked: number }>('/api/v1/users/ann/inbox')).body.acked;
    await until(async () => (await acked()) === 1, 'the message to be acknowledged');
    client.close();
  });

  test('[PLAIN-3] takes `filters`, as any subscription does', async () => {
    const client = await connect();
    client.send({
      type: 'subscribe',
      stream: 'money',
      filters: { types: ['paid'], sources: ['till'], minAmount: 100 },
    });
    client.send({ type: 'subscribe', topic: 'task.a', filters: { status: 'failed' } });
    await client.take('subscribed', 2);
    await publish('transactions.shop', 'paid', { n: 1, amount: 99 }, 'till');
    await publish('transactions.shop', 'paid', { n: 2, amount: 100 }, 'web');
    await publish('transactions.shop', 'synchronised', { n: 3, amount: 100 }, 'till');
    await publish('task.a', 'changed', { n: 4, status: 'running' });
    await publish('transactions.shop', 'paid', { n: 5, amount: 100 }, 'till');
    await publish('task.a', 'changed', { n: 6, status: 'failed' });
    expect([(await client.next()).n, (await client.next()).n]).toEqual([5, 6]);
    client.close();
  });
});

describe('an alias', () => {
  test.each([
    ['consciousness', 'metrics.consciousness'],
    ['workflows', 'workflows.execution'],
    ['alerts', 'system.alerts'],
    ['money', 'transactions.euro'],
  ])('[PLAIN-4] %s stands for %s, as a stream and as a path', async (alias, topic) => {
    const byPath = await connect(`/ws/${alias}`);
    const byStream = await connect('/ws');
    byStream.send({ type: 'subscribe', stream: alias });
    await Promise.all([byStream.next('subscribed'), ready(byPath)]);
    const { timestamp } = await publish(topic, 'x', { a: 1 });
    for (const client of [byPath, byStream]) {
      expect(await client.next('x')).toEqual({ type: 'x', timestamp, a: 1 });
      client.close();
    }
  });

  test('[PLAIN-4] does not shadow a topic of that name at `topic`', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'alerts' });
    expect(await client.next('subscribed')).toMatchObject({ topic: 'alerts' });
    await publish('system.alerts', 'x', 1);
    await publish('alerts', 'x', 2);
    expect(await client.next('event')).toMatchObject({ topic: 'alerts', data: 2 });
    client.close();
  });

  test('[PLAIN-4] that stands for itself is none', async () => {
    const client = await connect('/ws/agents');
    await ready(client);
    await publish('agents.status', 'x', { n: 1 });
    await publish('agents', 'x', { n: 2 });
    expect(await client.next('x')).toMatchObject({ n: 2 });
    client.close();
  });

  test('[PLAIN-4] permits what its topic permits', async () => {
    const as = { entity, roles: ['observer'], topics: { subscribe: ['alerts'] } } as const;
    const refused: unknown = await server.connect('/ws/alerts', as).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UpgradeRefused);
    expect(refused).toMatchObject({ status: 403 });
    const client = await server.connect<Flat>('/ws', as);
    client.send({ type: 'subscribe', stream: 'alerts' });
    expect(await client.next('error')).toMatchObject({ code: 'forbidden' });
    client.close();
  });
});

describe('a path of the configuration', () => {
  test('[PLAIN-5] subscribes a plain client at once, flat unless it says otherwise', async () => {
    const client = await connect('/legacy');
    await ready(client);
    await publish('task.z', 'x', { n: 1 });
    await publish('system.alerts', 'x', { n: 2 });
    expect([await client.next(), await client.next()]).toMatchObject([
      { type: 'x', n: 1 },
      { type: 'x', n: 2 },
    ]);
    expect(client.messages).toHaveLength(3);
    client.close();
  });

  test('[PLAIN-5] may be native, and tells what it subscribed to', async () => {
    const client = await connect('/quiet');
    expect(await client.next()).toMatchObject({ type: 'welcome' });
    expect(await client.next()).toMatchObject({ type: 'subscribed', topic: 'task.a' });
    await publish('task.a', 'x', 1);
    expect(await client.next()).toMatchObject({ type: 'event', topic: 'task.a', data: 1 });
    client.close();
  });

  test('[PLAIN-5] goes before a topic of that path, and may name aliases', async () => {
    const client = await connect('/ws/rooms');
    await ready(client);
    await publish('rooms', 'x', { n: 1 });
    await publish('transactions.a', 'x', { n: 2 });
    expect(await client.next('x')).toMatchObject({ n: 2 });
    client.close();
  });

  test('[PLAIN-5] is the native door to whoever offers our subprotocol', async () => {
    const client = await connect('/legacy', { subprotocols: [SUBPROTOCOLS.json] });
    expect(await client.next()).toMatchObject({ type: 'welcome' });
    await ready(client);
    await publish('task.z', 'x', 1);
    await ready(client);
    expect(client.messages.map(({ type }) => type)).toEqual(['welcome', 'pong', 'pong']);
    client.close();
  });

  test('[PLAIN-5] is refused to a token that does not permit all of its topics', async () => {
    const as = { entity, roles: ['observer'], topics: { subscribe: ['task.*'] } } as const;
    await expect(server.connect('/legacy', as)).rejects.toMatchObject({ status: 403 });
  });

  test('[PLAIN-5] takes the query of a bare path; several topics are resumed by a cursor', async () => {
    await publish('task.z', 'x', { n: 1 });
    const { epoch } = await publish('task.z', 'x', { n: 2 });
    const client = await connect('/legacy?last=1');
    expect(await client.next()).toMatchObject({ n: 2 });
    client.close();
    await expect(connect(`/legacy?since=${epoch}:1`)).rejects.toMatchObject({ status: 400 });
  });

  test('[PLAIN-5] serves only what is configured', async () => {
    await expect(connect('/elsewhere')).rejects.toMatchObject({ status: 404 });
  });
});

test.each(['/ws', '/ws/task/a', '/'])('[HB-5] a heartbeat is answered in kind at %s', async (path) => {
  const client = await connect(path);
  const timestamp = '1999-12-31T23:59:59.000Z';
  client.send({ type: 'connection.heartbeat', timestamp });
  const answer = await client.next('connection.heartbeat');
  expect(answer).toEqual({ type: 'connection.heartbeat', timestamp: expect.any(String) });
  expect(Date.now() - Date.parse(String(answer.timestamp))).toBeLessThan(60_000);
  client.send({ type: 'connection.heartbeat', id: 'h', timestamp });
  expect(await client.next('connection.heartbeat')).toMatchObject({ id: 'h' });
  client.close();
});

test('[BARE-3] `ack` and `publish` work on a bare path', async () => {
  const { offset } = await publish('task.a', 'x', { n: 1 });
  const first = await connect('/ws/task/a');
  first.send({ type: 'subscribe', topic: 'task.a', consumer: 'tool' });
  expect(await first.next('x')).toMatchObject({ n: 1 });
  first.send({ type: 'ack', id: 1, topic: 'task.a', offset, consumer: 'tool' });
  expect(await first.next('ok')).toMatchObject({ id: 1, result: { acked: offset } });
  first.send({ type: 'publish', id: 2, topic: 'task.a', event: 'y', data: { n: 2 } });
  expect(await first.next('ok')).toMatchObject({ id: 2, result: { offset: offset + 1 } });
  first.close();
  const second = await connect('/ws/task/a?consumer=tool');
  expect(await second.next()).toMatchObject({ type: 'y', n: 2 });
  second.close();
});
