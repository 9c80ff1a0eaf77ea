import { SUBPROTOCOLS } from '@millrace/protocol';
import { CLIENT_MESSAGE_SCHEMAS } from '@millrace/protocol/client-message';
import { ApiClient, type TestClient, type TestClientOptions } from '@millrace/testkit';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Attack, disguised, HTTP_ROWS } from './fixtures/http-attacks.ts';
import {
  type Handles,
  INTRUDER,
  OURS,
  PRIVATE,
  ROLES,
  SECRET,
  THEIRS,
  TOPICS,
  TwoEntities,
} from './fixtures/two-entities.ts';
import { STREAMS, SUBSCRIPTIONS, VERB_ROWS } from './fixtures/verb-attacks.ts';

/*
 * Two entities with everything alike. Whatever a bearer of `theirs` asks at any door, in any role, is answered as it
 * would be if `ours` did not exist, and changes nothing there. Within `ours`, what is ann's is shown to nobody else.
 */

let both: TwoEntities;
/** The same server and the same `theirs`, without `ours`. */
let alone: TwoEntities;
let handles: Handles;
/** Of ours, at the beginning. */
let connections: unknown[];

beforeAll(async () => {
  [both, alone] = await Promise.all([TwoEntities.start(), TwoEntities.start()]);
  handles = await both.fillOurs();
  await Promise.all([both.populate(THEIRS, 'theirs'), alone.populate(THEIRS, 'theirs')]);
  ({ connections } = await both.oursAsItIs());
}, 60_000);

afterAll(() => Promise.all([both.close(), alone.close()]));

describe('the table', () => {
  test('[AUTH-7] has every route of the API: add a row to http-attacks.ts for a new one', async () => {
    const { paths } = (
      await new ApiClient(both.server.origin).get<{ paths: Record<string, object> }>('/openapi.json')
    ).body;
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(Object.keys(HTTP_ROWS).sort()).toEqual(routes.sort());
  });

  test('[AUTH-7] has every message of a client: add a row to verb-attacks.ts for a new one', () => {
    expect(Object.keys(VERB_ROWS).sort()).toEqual(Object.keys(CLIENT_MESSAGE_SCHEMAS).sort());
  });
});

/** Differs between two servers that were told the same. */
const VOLATILE = new Set(
  `id timestamp position cursor epoch connectionId connectedAt lastActivity until address checks
  interaction_frequency since message_throughput connection_time
  uptime_seconds event_history_size message_id expires_at started_at updated_at status attempts`.split(/\s+/),
);

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, VOLATILE.has(key) ? '…' : comparable(each)]),
  );
}

const attacksOf = (kind: 'reads' | 'writes'): Attack[] =>
  Object.entries(HTTP_ROWS).flatMap(([route, row]) => {
    if (kind === 'reads') return (row.reads?.(handles) ?? []).map((path) => disguised({ path }));
    const method = route.slice(0, route.indexOf(' '));
    return (row.writes?.(handles) ?? []).map((attack) => disguised({ method, ...attack }));
  });

/** Whether a path has a place of our log, which another server knows nothing of: its answer says nothing of ours. */
function isPlace(path: string): boolean {
  const { position, offsetZero, cursor, auditPosition } = handles;
  return [position, offsetZero, cursor, auditPosition].some((place) => path.includes(place));
}

describe('over HTTP', () => {
  test('[AUTH-7] the size of history counts the own entity', async () => {
    const sizes = [];
    for (const world of [both, alone]) {
      const api = await world.api({ entity: THEIRS, sub: 'ann', roles: ['admin'] });
      const { body } = await api.get<{ metrics: { event_history_size: number } }>('/api/v1/realtime/stats');
      sizes.push(body.metrics.event_history_size);
    }
    expect(sizes).toEqual([TOPICS.length, TOPICS.length]);
  });

  test.each(ROLES.flatMap((role) => (['reads', 'writes'] as const).map((kind) => [role, kind] as const)))(
    '[AUTH-7] as %s of another entity, what it %s is answered as if we did not exist',
    async (role, kind) => {
      const as = { entity: THEIRS, sub: 'ann', roles: [role] };
      const [here, there] = await Promise.all([both.api(as), alone.api(as)]);
      const before = await both.oursAsItIs();
      for (const { path, ...request } of attacksOf(kind)) {
        const [answer, expected] = [await here.call(path, request), await there.call(path, request)];
        const what = `${request.method ?? 'GET'} ${path}`;
        expect(answer.text, what).not.toContain(SECRET);
        expect([401, 429, 500], what).not.toContain(answer.status);
        if (isPlace(path)) continue;
        expect([answer.status, comparable(answer.body)], what).toEqual([
          expected.status,
          comparable(expected.body),
        ]);
      }
      expect(await both.oursAsItIs()).toEqual(before);
    },
    60_000,
  );

  test.each(ROLES)('[AUTH-8] as %s of our own entity, nobody reads what is for ann', async (role) => {
    const bob = await both.api({ entity: OURS, sub: 'bob', roles: [role] });
    let seen = '';
    for (const { path } of attacksOf('reads')) {
      const { text } = await bob.call(path);
      expect(text, path).not.toContain(PRIVATE);
      seen += text;
    }
    // What is for all is there.
    expect(seen).toContain(SECRET);
  });
});

const packr = new Packr({ useRecords: false });

/** Sends as the client's subprotocol has it. */
function tell(client: TestClient, message: object): void {
  if (client.socket.protocol === SUBPROTOCOLS.msgpack) client.socket.send(packr.pack(message));
  else client.send(message);
}

/** Asks whether everything that was sent before has been answered. */
async function roundTrip(client: TestClient, id: string): Promise<void> {
  tell(client, { type: 'unsubscribe', id, topic: 'never.subscribed' });
  for (;;) {
    const message = (await client.next()) as { id?: unknown };
    if (message.id === id) return;
  }
}

/** Sends everything that the table knows of a message. */
async function tryEverything(client: TestClient): Promise<void> {
  for (const row of Object.values(VERB_ROWS)) {
    for (const message of row(handles)) tell(client, message);
  }
  await roundTrip(client, 'in place');
}

/** What has come to a client when the secrets have been told once more. */
async function hear(client: TestClient): Promise<string> {
  await both.tellSecrets(handles);
  await roundTrip(client, 'told');
  return client.payloads.map(String).join('\n');
}

const MSGPACK = { subprotocols: [SUBPROTOCOLS.msgpack], decodeBinary: (data: Buffer) => packr.unpack(data) };

/** Path and subprotocol of each. */
const DOORS: readonly (readonly [path: string, options: TestClientOptions])[] = [
  ['/ws', {}],
  ['/ws', MSGPACK],
  ['/ws/task/a', {}],
  ['/', {}],
  ['/plain', {}],
];
const OWN_INBOX = ['/ws/user/ann', {}] as const;

describe('over WebSockets', () => {
  test.each(ROLES.flatMap((role) => [...DOORS, OWN_INBOX].map((door) => [role, ...door] as const)))(
    '[AUTH-7] as %s of another entity, at %s %o, no verb brings anything of ours',
    async (role, path, options) => {
      const client = await both.connect({ entity: THEIRS, sub: 'ann', roles: [role] }, path, options);
      const before = await both.oursAsItIs();
      await tryEverything(client);
      expect(await both.oursAsItIs()).toEqual(before);
      const heard = await hear(client);
      expect(heard).not.toContain(SECRET);
      // It is not deaf: what is its own reaches it.
      expect(heard).toContain('theirs');
      client.close();
    },
    30_000,
  );

  test.each(ROLES.flatMap((role) => DOORS.map((door) => [role, ...door] as const)))(
    '[AUTH-8] as %s of our own entity, at %s %o, nobody hears what is for ann',
    async (role, path, options) => {
      const as = { entity: OURS, sub: 'bob', roles: [role] };
      const client: TestClient = await both.server.connect(path, as, options);
      for (const message of SUBSCRIPTIONS(handles)) tell(client, message);
      await roundTrip(client, 'in place');
      const heard = await hear(client);
      expect(heard).not.toContain(PRIVATE);
      expect(heard).toContain(SECRET);
      client.close();
    },
    30_000,
  );

  test.each(ROLES)(
    '[AUTH-7] [AUTH-8] as %s, a stream by any name brings no more than a topic',
    async (role) => {
      const theirs = await both.connect({ entity: THEIRS, sub: 'ann', roles: [role] });
      const ours: TestClient = await both.server.connect('/ws', { entity: OURS, sub: 'bob', roles: [role] });
      for (const client of [theirs, ours]) {
        for (const message of STREAMS(handles)) tell(client, message);
        await roundTrip(client, 'in place');
      }
      const [heardByTheirs, heardByOurs] = [await hear(theirs), await hear(ours)];
      expect(heardByTheirs).not.toContain(SECRET);
      expect(heardByTheirs).toContain('theirs');
      expect(heardByOurs).not.toContain(PRIVATE);
      expect(heardByOurs).toContain(SECRET);
      theirs.close();
      ours.close();
    },
  );

  test.each(['/ws/user/ann', '/ws/spy', '/ws/user/ann?since=earliest', '/ws/user/ann?since=snapshot'])(
    '[AUTH-8] %s opens for ann alone',
    async (path) => {
      for (const role of ROLES) {
        const opening = both.server.connect(path, { entity: OURS, sub: 'bob', roles: [role] });
        await expect(opening).rejects.toMatchObject({ status: 403 });
      }
    },
  );
});

describe('over server-sent events', () => {
  const queries = [
    '',
    'topics=*',
    'topics=task.a',
    'topics=user.ann',
    'topics=task.a,host.*,user.ann',
    'topics=*.*',
    'topics=task.a&consumer=c',
    'topics=user.ann&consumer=inbox',
  ];

  test.each(ROLES)(
    '[AUTH-7] as %s of another entity, whatever is resumed, nothing of ours comes',
    async (role) => {
      const as = { entity: THEIRS, sub: 'ann', roles: [role] };
      const streams = [];
      for (const query of queries) {
        for (const place of [undefined, 'earliest', handles.cursor, handles.position, handles.offsetZero]) {
          const resume: Record<string, string> = place === undefined ? {} : { 'last-event-id': place };
          streams.push(await both.server.stream(`/events?format=full&${query}`, as, resume));
          if (place !== undefined)
            streams.push(await both.server.stream(`/events?${query}&since=${place}`, as));
        }
        streams.push(await both.server.stream(`/events?${query}&since=snapshot`, as));
      }
      await both.tellSecrets(handles);
      for (const topic of TOPICS) await both.publish(THEIRS, topic, `theirs-to-${role}`);
      for (const stream of streams) {
        if ((await stream.answered).status === 200) {
          await stream.until(({ text }) => text.includes(`theirs-to-${role}`), 'their own event');
        }
        expect(stream.text).not.toContain(SECRET);
        stream.close();
      }
    },
    60_000,
  );

  test.each(ROLES)(
    '[AUTH-8] as %s of our own entity, nobody is streamed what is for ann',
    async (role) => {
      const as = { entity: OURS, sub: 'bob', roles: [role] };
      for (const [query, since] of [
        ...['', 'topics=*', 'topics=*.*', 'topics=*.ann'].map((each) => [each, 'earliest']),
        // What a view makes of chat.ann has nothing of what is no message.
        ...['', 'topics=*', 'topics=*.*'].map((each) => [each, 'snapshot']),
      ]) {
        const stream = await both.server.stream(`/events?since=${since}&format=full&${query}`, as);
        await stream.until(({ text }) => text.includes(SECRET), 'what is for all');
        const mark = `${SECRET}-${role}-${query}-${since}`;
        await both.tellSecrets(handles);
        await both.publish(OURS, 'chat.ann', mark);
        await stream.until(({ text }) => text.includes(mark), 'the end');
        expect(stream.text).not.toContain(PRIVATE);
        stream.close();
      }
      for (const topics of [
        'user.ann',
        'user.*',
        `session.${handles.connectionId}`,
        'session.*',
        'task.a,user.ann',
        'user.ann&consumer=inbox',
      ]) {
        const stream = await both.server.stream(`/events?since=earliest&topics=${topics}`, as);
        expect((await stream.answered).status, topics).toBe(403);
        stream.close();
      }
    },
    60_000,
  );
});

test('[AUTH-7] in all that, nobody has acknowledged for ann', async () => {
  const ann = await both.connect({ entity: OURS, sub: 'ann' });
  ann.send({ type: 'subscribe', topic: 'task.a', consumer: 'c' });
  expect(await ann.next('event')).toMatchObject({ topic: 'task.a', offset: 1 });
  ann.close();
});

test('[AUTH-7] in all that, no session of ours has heard an intruder, and none has ended', async () => {
  expect(both.received()).toContain(SECRET);
  expect(both.received()).not.toContain(INTRUDER);
  expect(await both.oursAsItIs()).toMatchObject({ connections: expect.arrayContaining(connections) });
});
