import { createHmac } from 'node:crypto';
import {
  ManualClock,
  TestClient,
  TestServer,
  type TokenOptions,
  UpgradeRefused,
  until,
} from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

const wsUrl = (path: string): string => server.origin.replace('http', 'ws') + path;

async function refusal(opening: Promise<unknown>): Promise<UpgradeRefused> {
  const outcome = await opening.then(
    () => 'opened',
    (error: unknown) => error,
  );
  if (!(outcome instanceof UpgradeRefused)) throw new Error(`not refused: ${String(outcome)}`);
  return outcome;
}

async function expiredToken(): Promise<string> {
  return server.token({ clock: new ManualClock(Date.now() - 3_600_000), ttlMs: 1000 });
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

describe('the ways of a token', () => {
  test('[AUTH-1] comes in the Authorization header, in a subprotocol, in the query, or in the first message', async () => {
    const ways: Record<string, (token: string) => Promise<TestClient>> = {
      header: (token) =>
        new TestClient(wsUrl('/ws'), { headers: { authorization: `Bearer ${token}` } }).opened(),
      subprotocol: (token) =>
        new TestClient(wsUrl('/ws'), { subprotocols: ['millrace.v1.json', `bearer.${token}`] }).opened(),
      query: (token) => new TestClient(wsUrl(`/ws?token=${token}`)).opened(),
      message: async (token) => {
        const client = await server.connectAnonymously();
        client.send({ type: 'auth', token });
        return client;
      },
    };
    for (const [way, open] of Object.entries(ways)) {
      const client = await open(await server.token({ sub: `by-${way}`, entity: 'e-1' }));
      expect(await client.next()).toMatchObject({ type: 'welcome', userId: `by-${way}`, entityId: 'e-1' });
      client.close();
    }
  });

  test('[AUTH-1] the first way found counts: header before subprotocol before query', async () => {
    const [header, subprotocol, query] = await Promise.all(
      ['header', 'subprotocol', 'query'].map((sub) => server.token({ sub })),
    );
    const both = new TestClient(wsUrl(`/ws?token=${query}`), {
      subprotocols: ['millrace.v1.json', `bearer.${subprotocol}`],
    });
    expect(await (await both.opened()).next('welcome')).toMatchObject({ userId: 'subprotocol' });
    both.close();
    const all = new TestClient(wsUrl(`/ws?token=${query}`), {
      subprotocols: ['millrace.v1.json', `bearer.${subprotocol}`],
      headers: { authorization: `Bearer ${header}` },
    });
    expect(await (await all.opened()).next('welcome')).toMatchObject({ userId: 'header' });
    all.close();
    // A bad token in the first place is not made good by the second.
    const refused = await refusal(
      new TestClient(wsUrl(`/ws?token=${query}`), { headers: { authorization: 'Basic abc' } }).opened(),
    );
    expect(refused.status).toBe(401);
  });

  test('[AUTH-1] a bearer subprotocol is never the one that is selected', async () => {
    const token = await server.token();
    const client = await new TestClient(wsUrl('/ws'), {
      subprotocols: [`bearer.${token}`, 'millrace.v1.json'],
    }).opened();
    expect(client.socket.protocol).toBe('millrace.v1.json');
    client.close();
  });
});

describe('tokens that are not valid', () => {
  const forgeries: Record<string, () => Promise<string> | string> = {
    empty: () => '',
    garbage: () => 'not-a-token',
    'three dots': () => 'a.b.c',
    'an endless one': () => 'x'.repeat(9000),
    'signed with another key': () => {
      const head = `${encode({ alg: 'HS256' })}.${encode({ sub: 'eve', exp: 4e9, roles: ['admin'] })}`;
      return `${head}.${createHmac('sha256', 'another secret').update(head).digest('base64url')}`;
    },
    'without a signature': () => `${encode({ alg: 'none' })}.${encode({ sub: 'eve', exp: 4e9 })}.`,
    'with a changed claim': async () => {
      const [head, , signature] = (await server.token({ sub: 'eve' })).split('.');
      return `${head}.${encode({ sub: 'admin', exp: 4e9, roles: ['admin'] })}.${signature}`;
    },
  };

  test.each(Object.keys(forgeries))(
    '[AUTH-2] %s: the upgrade is refused with 401 and `unauthorized`',
    async (name) => {
      const token = await forgeries[name]!();
      const refused = await refusal(new TestClient(wsUrl(`/ws?token=${encodeURIComponent(token)}`)).opened());
      expect(refused.status).toBe(401);
      expect(refused.problem).toMatchObject({ code: 'unauthorized', status: 401, retryable: false });
      expect(refused.headers['content-type']).toBe('application/problem+json');
      if (token.length > 0) expect(refused.body).not.toContain(token);
    },
  );

  test('[AUTH-2] an expired token refuses the upgrade with 401 and `token-expired`', async () => {
    const refused = await refusal(new TestClient(wsUrl(`/ws?token=${await expiredToken()}`)).opened());
    expect(refused.status).toBe(401);
    expect(refused.problem.code).toBe('token-expired');
  });

  test('[AUTH-2] an invalid first message closes with 4501, an expired one with 4003', async () => {
    const forged = await server.connectAnonymously();
    forged.send({ type: 'auth', token: 'forged' });
    expect(await forged.closed).toMatchObject({ code: 4501 });
    const late = await server.connectAnonymously();
    late.send({ type: 'auth', token: await expiredToken() });
    expect(await late.closed).toMatchObject({ code: 4003 });
  });

  test('[AUTH-3] other messages before `auth` are answered with `unauthorized` and not acted on', async () => {
    const client = await server.connectAnonymously();
    client.send({ type: 'subscribe', id: 's', topic: 'early.a' });
    client.send({ type: 'publish', id: 'p', topic: 'early.a', event: 'x', data: 1 });
    client.send({ type: 'ping', id: 'i' });
    const answers = await client.take('error', 3);
    expect(answers.map(({ id, code }) => [id, code])).toEqual([
      ['s', 'unauthorized'],
      ['p', 'unauthorized'],
      ['i', 'unauthorized'],
    ]);
    client.send({ type: 'auth', token: await server.token() });
    await client.next('welcome');
    client.send({ type: 'subscribe', id: 'again', topic: 'early.a', since: 'earliest' });
    expect(await client.next('subscribed')).toMatchObject({ id: 'again', replayed: 0 });
    client.close();
  });

  test('[AUTH-5] what a fresh token does not permit ends, and the rest goes on', async () => {
    const client = await server.connect('/ws', { entity: 'narrowed' });
    await client.next('welcome');
    for (const topic of ['kept.a', 'lost.*']) {
      client.send({ type: 'subscribe', topic });
      await client.next('subscribed');
    }
    const token = await server.token({ entity: 'narrowed', topics: { subscribe: ['kept.*'] } });
    client.send({ type: 'auth', token });
    expect(await client.next('unsubscribed')).toMatchObject({ topic: 'lost.*', code: 'forbidden' });
    await client.next('welcome');
    await server.server.publish('lost.a', 'x', 1, { entity: 'narrowed' });
    await server.server.publish('kept.a', 'x', 2, { entity: 'narrowed' });
    expect(await client.next('event')).toMatchObject({ topic: 'kept.a' });
    client.close();
  });

  test('[AUTH-3] messages that follow `auth` at once wait until the token was checked', async () => {
    const client = await server.connectAnonymously();
    client.send({ type: 'auth', token: await server.token() });
    client.send({ type: 'subscribe', id: 1, topic: 'waits.a' });
    client.send({ type: 'ping', id: 2 });
    expect((await client.next()).type).toBe('welcome');
    await Promise.all([
      client.next('pong'),
      until(() => client.texts.some((t) => t.includes('"subscribed"'))),
    ]);
    expect(client.texts.join()).not.toContain('unauthorized');
    client.close();
  });

  test('[CONN-4] messages sent as soon as the upgrade is done wait for the welcome', async () => {
    // A new entity each, which the hub has yet to begin to follow.
    for (let i = 0; i < 10; i++) {
      const client = await server.connect('/ws', { entity: `at-once-${i}` });
      client.send({ type: 'subscribe', id: 1, topic: 'a.b' });
      expect((await client.next()).type).toBe('welcome');
      expect(await client.next()).toMatchObject({ type: 'subscribed', id: 1 });
      client.close();
    }
  });
});

describe('a session that times out', () => {
  let clock: ManualClock;
  let timed: TestServer;

  beforeAll(async () => {
    clock = new ManualClock();
    timed = await TestServer.start({ clock });
  });

  afterAll(() => timed.close());

  test('[AUTH-3] it is closed with 4007 when no valid token came within 10 s', async () => {
    const client = await timed.connectAnonymously();
    clock.advance(9000);
    client.send({ type: 'ping', id: 1 });
    expect(await client.next('error')).toMatchObject({ code: 'unauthorized' });
    clock.advance(3000);
    expect(await client.closed).toMatchObject({ code: 4007 });
  });

  test('[AUTH-5] it is closed with 4003 when its token expires', async () => {
    const client = await timed.connect('/ws', { ttlMs: 60_000, clock });
    await client.next('welcome');
    clock.advance(55_000);
    client.send({ type: 'ping', id: 1 });
    await client.next('pong');
    clock.advance(7000);
    expect(await client.closed).toMatchObject({ code: 4003 });
  });

  test('[AUTH-5] a token that lives for less than a heartbeat ends in time, too', async () => {
    const client = await timed.connect('/ws', { ttlMs: 5000, clock });
    await client.next('welcome');
    clock.advance(7000);
    expect(await client.closed).toMatchObject({ code: 4003 });
  });

  test('[AUTH-5] a fresh token of the same user and entity prolongs it, and is answered with `welcome`', async () => {
    const client = await timed.connect('/ws', { sub: 'u', entity: 'e', ttlMs: 60_000, clock });
    await client.next('welcome');
    clock.advance(50_000);
    client.send({ type: 'auth', token: await timed.token({ sub: 'u', entity: 'e', ttlMs: 90_000, clock }) });
    expect(await client.next('welcome')).toMatchObject({ userId: 'u', entityId: 'e' });
    clock.advance(60_000);
    client.send({ type: 'ping', id: 1 });
    await client.next('pong');
    clock.advance(35_000);
    expect(await client.closed).toMatchObject({ code: 4003 });
  });

  test('[AUTH-5] another user’s or entity’s token, or a forged one, is refused and changes nothing', async () => {
    const client = await timed.connect('/ws', { sub: 'u', entity: 'e', ttlMs: 600_000, clock });
    await client.next('welcome');
    const others: [TokenOptions, string][] = [
      [{ sub: 'v', entity: 'e', ttlMs: 10_000, clock }, 'forbidden'],
      [{ sub: 'u', entity: 'f', ttlMs: 10_000, clock }, 'forbidden'],
    ];
    for (const [options, code] of others) {
      client.send({ type: 'auth', id: 7, token: await timed.token(options) });
      expect(await client.next('error')).toMatchObject({ id: 7, code });
    }
    client.send({ type: 'auth', id: 8, token: 'forged' });
    expect(await client.next('error')).toMatchObject({ id: 8, code: 'unauthorized' });
    clock.advance(20_000);
    client.send({ type: 'subscribe', id: 9, topic: 'still.e' });
    expect(await client.next('subscribed')).toMatchObject({ id: 9 });
    await timed.server.publish('still.e', 'x', 1, { entity: 'e' });
    expect(await client.next('event')).toMatchObject({ topic: 'still.e' });
    client.close();
  });

  test('[CLOSE-4] it is closed with 4002 at its longest lifetime, which a fresh token begins anew', async () => {
    const hour = 3_600_000;
    const long = { sub: 'u', entity: 'lifetime', ttlMs: 24 * hour, clock };
    const client = await timed.connect('/ws', long);
    await client.next('welcome');
    const passMinutes = async (minutes: number): Promise<void> => {
      for (let i = 0; i < minutes; i++) {
        clock.advance(60_000);
        client.send({ type: 'ping', id: i });
        await client.next('pong');
      }
    };
    await passMinutes(50);
    client.send({ type: 'auth', token: await timed.token(long) });
    await client.next('welcome');
    await passMinutes(59);
    clock.advance(62_000);
    expect(await client.closed).toMatchObject({ code: 4002 });
  });
});

describe('permissions', () => {
  test('[AUTH-6] what the token does not permit is answered with `forbidden`, and the connection lives on', async () => {
    const client = await server.connect('/ws', {
      roles: ['member'],
      topics: { subscribe: ['task.*'], publish: ['task.mine.*'] },
    });
    await client.next('welcome');
    const attempts: [object, string][] = [
      [{ type: 'subscribe', topic: 'other.a' }, 'forbidden'],
      [{ type: 'subscribe', topic: '*' }, 'forbidden'],
      [{ type: 'subscribe', topic: 'task' }, 'forbidden'],
      [{ type: 'subscribe', topic: '*.a' }, 'forbidden'],
      [{ type: 'publish', topic: 'task.yours.a', event: 'x', data: 1 }, 'forbidden'],
      [{ type: 'publish', topic: 'chat.a', event: 'x', data: 1 }, 'forbidden'],
    ];
    for (const [index, [message, code]] of attempts.entries()) {
      client.send({ ...message, id: index });
      expect(await client.next('error')).toMatchObject({ id: index, code, retryable: false });
    }
    client.send({ type: 'subscribe', id: 'ok', topic: 'task.*' });
    expect(await client.next('subscribed')).toMatchObject({ id: 'ok' });
    client.send({ type: 'publish', id: 'yes', topic: 'task.mine.a', event: 'x', data: 1 });
    expect(await client.next('ok')).toMatchObject({ id: 'yes' });
    client.close();
  });

  test('[AUTH-6] without the claim `topics`, roles say it: observers read and never publish, members chat', async () => {
    const observer = await server.connect('/ws', { roles: ['observer'], topics: { publish: ['*'] } });
    observer.send({ type: 'publish', id: 1, topic: 'chat.a', event: 'x', data: 1 });
    expect(await observer.next('error')).toMatchObject({ id: 1, code: 'forbidden' });
    const member = await server.connect('/ws', { roles: ['member'] });
    member.send({ type: 'publish', id: 1, topic: 'chat.a', event: 'x', data: 1 });
    expect(await member.next('ok')).toMatchObject({ id: 1 });
    member.send({ type: 'publish', id: 2, topic: 'task.a', event: 'x', data: 1 });
    expect(await member.next('error')).toMatchObject({ id: 2, code: 'forbidden' });
    const agent = await server.connect('/ws', { roles: ['agent'], sub: 'bot' });
    agent.send({ type: 'publish', id: 1, topic: 'agent.bot.log', event: 'x', data: 1 });
    expect(await agent.next('ok')).toMatchObject({ id: 1 });
    agent.send({ type: 'publish', id: 2, topic: 'agent.other', event: 'x', data: 1 });
    expect(await agent.next('error')).toMatchObject({ id: 2, code: 'forbidden' });
    for (const client of [observer, member, agent]) client.close();
  });
});
