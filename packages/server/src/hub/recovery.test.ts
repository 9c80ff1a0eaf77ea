import type { EventMessage, ServerMessage } from '@millrace/protocol';
import { ManualClock, type TestClient, TestServer, until } from '@millrace/testkit';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const packr = new Packr({ useRecords: false });
let server: TestServer;
let entity = '';
let tests = 0;
let ends = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `recovery-${++tests}`;
});

const connect = (at = server): Promise<TestClient> => at.connect('/ws', { entity });

async function publish(topic: string, data: unknown, at = server) {
  return at.server.publish(topic, 'x', data, { entity });
}

const dataOf = (events: readonly EventMessage[]): unknown[] => events.map(({ data }) => data);
const isEvent = (message: ServerMessage): message is EventMessage => message.type === 'event';

/** Subscribes on a connection of its own; everything that came up to an event published last. */
async function resume(topic: string, since: unknown, at = server) {
  const client = await connect(at);
  client.send({ type: 'subscribe', topic, since });
  const subscribed = await client.next('subscribed');
  const end = `end ${++ends}`;
  await publish(topic.replaceAll('*', 'end'), end, at);
  while ((await client.next('event')).data !== end);
  client.close();
  const events = client.messages.filter(isEvent).filter(({ data }) => !String(data).startsWith('end'));
  const dropped = client.messages.filter(({ type }) => type === 'dropped');
  return { subscribed, events, dropped };
}

describe('recovery', () => {
  test('[REC-1] is never partial: everything after the position, or nothing and the reason', async () => {
    const retention = { maxEvents: 10 };
    const small = await TestServer.start({ namespaces: { few: { durability: 'live', retention } } });
    const positions: string[] = [];
    for (let i = 1; i <= 30; i++) {
      const { epoch, offset } = await publish('few.a', i, small);
      positions.push(`${epoch}:${offset}`);
    }
    const outcomes = [];
    for (const since of positions.slice(0, 29)) {
      const client = await connect(small);
      client.send({ type: 'subscribe', topic: 'few.a', since });
      const { recovered, reason, replayed } = await client.next('subscribed');
      if (recovered) {
        const events = await client.take('event', replayed);
        expect(dataOf(events)).toEqual(Array.from({ length: replayed }, (_, i) => 31 - replayed + i));
      } else {
        expect([reason, replayed]).toEqual(['expired', 0]);
        client.send({ type: 'ping', id: 1 });
        await client.next('pong');
        expect(client.messages.filter(isEvent)).toEqual([]);
      }
      outcomes.push(recovered);
      client.close();
    }
    expect(outcomes).toEqual([
      ...Array.from({ length: 19 }, () => false),
      ...Array.from({ length: 10 }, () => true),
    ]);
    await small.close();
  });

  test('[REC-2] `epoch`: another log, an offset beyond the head, another id at that offset', async () => {
    const first = await publish('e.a', 1);
    const second = await publish('e.a', 2);
    const cases: [unknown, object][] = [
      [`${first.epoch}:1`, { recovered: true, replayed: 1 }],
      [{ epoch: first.epoch, offset: 1, id: first.id }, { recovered: true }],
      [
        { epoch: first.epoch, offset: 1, id: second.id },
        { recovered: false, reason: 'epoch', replayed: 0 },
      ],
      [`${first.epoch}:99`, { recovered: false, reason: 'epoch', replayed: 0 }],
      ['another:1', { recovered: false, reason: 'epoch', replayed: 0 }],
      ['lother.5~dother.9', { recovered: false, reason: 'epoch', replayed: 0 }],
    ];
    for (const at of [server]) {
      for (const [since, expected] of cases) {
        const client = await connect(at);
        client.send({ type: 'subscribe', topic: 'e.a', since });
        expect(await client.next('subscribed')).toMatchObject(expected);
        client.close();
      }
    }
  });

  test('[REC-3] a cursor resumes a topic or a pattern; a position for a pattern is `bad-position`', async () => {
    const { subscribed } = await resume('c.*', undefined);
    const { epoch } = await publish('c.a', 1);
    await publish('c.b', 2);
    expect(dataOf((await resume('c.*', subscribed.cursor)).events)).toEqual([1, 2]);
    expect(dataOf((await resume('c.a', subscribed.cursor)).events)).toEqual([1]);
    const client = await connect();
    for (const since of [`${epoch}:1`, { epoch, offset: 1 }, { last: 10_001 }]) {
      client.send({ type: 'subscribe', id: 1, topic: 'c.*', since });
      expect(await client.next('error')).toMatchObject({ id: 1, code: 'bad-position' });
    }
    client.send({ type: 'unsubscribe', id: 2, topic: 'c.*' });
    expect(await client.next('error')).toMatchObject({ id: 2, code: 'not-subscribed' });
    client.close();
  });

  test('[REC-5] a position with offset 0 of a topic that did not exist recovers everything since', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'unborn.a' });
    const { position } = await client.next('subscribed');
    client.close();
    for (let i = 1; i <= 5; i++) await publish('unborn.a', i);
    const { subscribed, events } = await resume('unborn.a', position);
    expect(subscribed).toMatchObject({ recovered: true, replayed: 5 });
    expect(dataOf(events)).toEqual([1, 2, 3, 4, 5]);
  });

  test('[REC-6] a cursor for a pattern covers topics that were born while the client was away', async () => {
    await publish('born.first', 0);
    const { subscribed } = await resume('born.*', undefined);
    for (let i = 1; i <= 50; i++) await publish(`born.n${i}.deep`, i);
    const { subscribed: again, events } = await resume('born.*', subscribed.cursor);
    expect(again).toMatchObject({ recovered: true, replayed: 51 });
    expect(dataOf(events)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  test('[REC-7] `earliest` replays everything kept, `{last}` the newest, `{time}` from a time on', async () => {
    const clock = new ManualClock();
    const timed = await TestServer.start({ clock });
    const asked = { sub: 'u', clock };
    for (let i = 1; i <= 6; i++) {
      clock.advance(1000);
      await timed.server.publish('h.a', 'x', i);
    }
    const time = (secondsAgo: number) => ({ time: new Date(clock.now() - secondsAgo * 1000).toISOString() });
    const cases: [unknown, number[]][] = [
      ['earliest', [1, 2, 3, 4, 5, 6]],
      [{ last: 2 }, [5, 6]],
      [{ last: 100 }, [1, 2, 3, 4, 5, 6]],
      [time(2), [4, 5, 6]],
      [time(1.5), [5, 6]],
      [time(3600), [1, 2, 3, 4, 5, 6]],
      [time(-3600), []],
    ];
    for (const [since, expected] of cases) {
      const client = await timed.connect('/ws', asked);
      client.send({ type: 'subscribe', topic: 'h.a', since });
      expect(await client.next('subscribed')).toMatchObject({ recovered: true, replayed: expected.length });
      expect(dataOf(await client.take('event', expected.length))).toEqual(expected);
      client.close();
    }
    const client = await timed.connect('/ws', asked);
    client.send({ type: 'subscribe', topic: '*', since: 'earliest' });
    expect(await client.next('subscribed')).toMatchObject({ recovered: true, replayed: 6 });
    client.close();
    await timed.close();
  });

  test('[REC-7] {last} and {time} count over all topics of a pattern, durable and live alike', async () => {
    const clock = new ManualClock();
    const timed = await TestServer.start({ clock });
    const asked = { sub: 'u', clock };
    const topics = ['task.a', 'metrics.a', 'task.b', 'task.a', 'metrics.b', 'chat.a', 'task.a'];
    for (const [n, topic] of topics.entries()) {
      clock.advance(1000);
      await timed.server.publish(topic, 'x', n);
    }
    const ago = (seconds: number) => ({ time: new Date(clock.now() - seconds * 1000).toISOString() });
    const cases: [string, unknown, number[]][] = [
      ['task.*', { last: 2 }, [3, 6]],
      ['task.*', { last: 10_000 }, [0, 2, 3, 6]],
      ['task.a', { last: 1_000_000 }, [0, 3, 6]],
      ['task.*', ago(3), [3, 6]],
      ['*', { last: 4 }, [3, 5, 6, 4]],
      ['*', ago(2), [5, 6, 4]],
      ['*.a', { last: 3 }, [3, 5, 6]],
      ['chat.*', ago(-1), []],
    ];
    for (const [topic, since, expected] of cases) {
      const client = await timed.connect('/ws', asked);
      client.send({ type: 'subscribe', topic, since });
      expect(await client.next('subscribed')).toMatchObject({ recovered: true, replayed: expected.length });
      expect(dataOf(await client.take('event', expected.length))).toEqual(expected);
      client.close();
    }
    const client = await timed.connect('/ws', asked);
    client.send({ type: 'subscribe', topic: '*', since: { last: 1 } });
    expect(await client.next('event')).toMatchObject({ data: 6 });
    await timed.server.publish('metrics.a', 'x', 'live');
    expect(await client.next('event')).toMatchObject({ data: 'live' });
    client.close();
    await timed.close();
  });

  test('[REC-9] an unreadable `since` is `bad-position`, and nothing is subscribed', async () => {
    const client = await connect();
    const wrong = [
      '',
      'x',
      'a:b',
      'a:-1',
      'a:1.5',
      'a:99999999999999999',
      'é:1',
      'l~d',
      'lx.!',
      { epoch: 'a b', offset: 1 },
    ];
    for (const since of [...wrong, { time: 'yesterday' }]) {
      client.send({ type: 'subscribe', id: 1, topic: 'r.a', since });
      expect(await client.next('error')).toMatchObject({ id: 1, code: 'bad-position' });
      client.send({ type: 'unsubscribe', id: 2, topic: 'r.a' });
      expect(await client.next('error')).toMatchObject({ id: 2, code: 'not-subscribed' });
    }
    client.close();
  });

  test('[REC-9] a `since` that cannot be read does not end the subscription that there is', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'r.a' });
    await client.next('subscribed');
    client.send({ type: 'subscribe', topic: 'r.a', since: 'nonsense' });
    await client.next('error');
    client.send({ type: 'subscribe', topic: 'r.*' });
    await client.next('subscribed');
    client.send({ type: 'subscribe', topic: 'r.*', since: 'epoch:1' });
    await client.next('error');
    client.send({ type: 'unsubscribe', id: 1, topic: 'r.*' });
    expect(await client.next()).toMatchObject({ type: 'unsubscribed', id: 1 });
    await publish('r.a', 'still');
    expect(await client.next('event')).toMatchObject({ data: 'still' });
    client.close();
  });
});

describe('the bytes of an event', () => {
  test('[EVT-2] are the same live and replayed, from memory and from the log, at every session of one encoding', async () => {
    const first = await TestServer.start();
    const texts = (client: TestClient, name: string) => client.texts.filter((text) => text.includes(name));
    const token = { entity };
    const open = async (at: TestServer, path: string, since?: string) => {
      const msgpack = path === 'msgpack';
      const client = await at.connect(
        msgpack ? '/ws' : path + (since !== undefined && path !== '/ws' ? `?since=${since}` : ''),
        token,
        msgpack
          ? { subprotocols: ['millrace.v1.msgpack'], decodeBinary: (data) => packr.unpack(data) as object }
          : {},
      );
      const subscribe = { type: 'subscribe', topic: 'same.a', since };
      if (msgpack) client.socket.send(packr.pack(JSON.parse(JSON.stringify(subscribe))));
      else if (path === '/ws') client.send(subscribe);
      else client.send({ type: 'ping', id: 1 });
      await client.next(path.startsWith('/ws/') ? 'pong' : 'subscribed');
      return client;
    };
    const eventsOf = (client: TestClient, msgpack: boolean): string[] =>
      msgpack
        ? client.payloads.filter((bytes) => bytes.includes('evt-2')).map((bytes) => bytes.toString('hex'))
        : texts(client, 'evt-2');
    const paths = ['/ws', '/ws/same/a', 'msgpack'];
    const live = await Promise.all(paths.map((path) => open(first, path)));
    const data = [
      { a: 'ж😀\u2028"\\', n: [1.5, -0, 1e21, null, true] },
      'text',
      7,
      [],
      { type: 't', timestamp: 1 },
    ];
    for (const [index, each] of data.entries()) {
      await first.server.publish('same.a', `evt-2.${index}`, each, {
        entity,
        source: 's "quoted"',
        key: 'k',
        priority: index % 2 === 0 ? 'high' : 'normal',
        seal: index === data.length - 1,
      });
    }
    const complete = (client: TestClient, msgpack: boolean) =>
      until(() => eventsOf(client, msgpack).length === data.length, 'all events');
    const expected: string[][] = [];
    for (const [index, path] of paths.entries()) {
      await complete(live[index]!, path === 'msgpack');
      expected.push(eventsOf(live[index]!, path === 'msgpack'));
    }
    for (const at of [first, undefined]) {
      if (at === undefined) await first.server.close();
      const from = at ?? (await TestServer.start({ directory: first.directory }));
      for (const [index, path] of paths.entries()) {
        const replayed = await open(from, path, 'earliest');
        await complete(replayed, path === 'msgpack');
        expect(eventsOf(replayed, path === 'msgpack')).toEqual(expected[index]);
        replayed.close();
      }
      if (at === undefined) await from.close();
    }
    await first.close();
  });
});

describe('at random', () => {
  interface Lane {
    readonly name: string;
    since: string | undefined;
    readonly seen: Map<string, number>;
  }

  /** One client that is cut and comes back, and keeps what the SDK keeps: a place for each subscription. */
  class Wanderer {
    client: TestClient | undefined;
    readonly problems: string[] = [];
    readonly #lanes: Lane[];
    #read = 0;

    constructor(names: readonly string[]) {
      this.#lanes = names.map((name) => ({ name, since: undefined, seen: new Map() }));
    }

    async connect(): Promise<void> {
      this.#read = 0;
      this.client = await connect();
      for (const { name, since } of this.#lanes) {
        this.client.send({ type: 'subscribe', topic: name, since: since ?? 'earliest' });
      }
    }

    cut(): void {
      this.take();
      this.client?.socket.terminate();
      this.client = undefined;
    }

    /** Reads what has come so far. */
    take(): void {
      const messages = this.client?.messages ?? [];
      for (; this.#read < messages.length; this.#read++) {
        const message = messages[this.#read]!;
        if (message.type === 'subscribed' && message.recovered === false)
          this.problems.push(JSON.stringify(message));
        if (message.type === 'dropped' || message.type === 'error')
          this.problems.push(JSON.stringify(message));
        if (message.type === 'event') this.#takeEvent(message);
        if (message.type === 'position' && message.cursor !== undefined) {
          for (const lane of this.#lanes)
            if (lane.name.includes('*') && lane.since) lane.since = message.cursor;
        }
        if (message.type === 'subscribed') {
          const lane = this.#lanes.find(({ name }) => name === message.topic);
          // Once everything that is replayed has come, the cursor is a place to go on from.
          if (lane !== undefined && message.replayed === 0) lane.since ??= message.position ?? message.cursor;
        }
      }
    }

    seen(topic: string): number {
      return this.#lanes.find(({ seen }) => seen.has(topic))?.seen.get(topic) ?? 0;
    }

    #takeEvent({ topic, offset, epoch }: EventMessage): void {
      const lane = this.#lanes.find(
        ({ name }) => name === topic || (name === 'w.*' && topic.startsWith('w.')),
      );
      if (lane === undefined) return;
      const last = lane.seen.get(topic) ?? 0;
      const known = lane.name.includes('*') && offset <= last;
      if (known) return;
      if (offset !== last + 1) this.problems.push(`${topic}: ${offset} after ${last}`);
      lane.seen.set(topic, offset);
      if (lane.name === topic) lane.since = `${epoch}:${offset}`;
    }
  }

  test('[REC-1] [SUB-3] [SUB-5] cuts, resumptions and bursts over topics and patterns: no gap, and no repeat', async () => {
    const topics = ['w.a', 'w.b', 'z.a', 'host.z', 'w.c.d'];
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('publish' as const),
          which: fc.nat(4),
          count: fc.integer({ min: 1, max: 40 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('cut' as const), which: fc.nat(2), count: fc.constant(0) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('breathe' as const),
          which: fc.nat(2),
          count: fc.constant(0),
        }),
      },
    );
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (script) => {
        entity = `random-${tests}-${++runs}`;
        const wanderers = [['w.*', 'z.a'], ['w.a', 'host.z'], ['w.*']].map((names) => new Wanderer(names));
        await Promise.all(wanderers.map((each) => each.connect()));
        const heads = new Map<string, number>();
        const publishing: Promise<unknown>[] = [];
        for (const { kind, which, count } of script) {
          const wanderer = wanderers[which % 3]!;
          if (kind === 'publish') {
            const topic = topics[which]!;
            heads.set(topic, (heads.get(topic) ?? 0) + count);
            for (let i = 0; i < count; i++) publishing.push(publish(topic, i));
          } else if (kind === 'cut') {
            wanderer.cut();
            await wanderer.connect();
          } else {
            wanderer.client?.send({ type: 'ping' });
            await wanderer.client?.next('pong');
          }
        }
        await Promise.all(publishing);
        const wanted: [Wanderer, string][] = [
          ...['w.a', 'w.b', 'w.c.d', 'z.a'].map((topic): [Wanderer, string] => [wanderers[0]!, topic]),
          ...['w.a', 'host.z'].map((topic): [Wanderer, string] => [wanderers[1]!, topic]),
          ...['w.a', 'w.b', 'w.c.d'].map((topic): [Wanderer, string] => [wanderers[2]!, topic]),
        ];
        await until(
          () => {
            for (const each of wanderers) each.take();
            return wanted.every(([wanderer, topic]) => wanderer.seen(topic) >= (heads.get(topic) ?? 0));
          },
          'every event everywhere',
          10_000,
        );
        for (const each of wanderers) each.cut();
        expect(wanderers.flatMap(({ problems }) => problems)).toEqual([]);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });
});
