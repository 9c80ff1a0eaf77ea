import { builtInFamilies, createCatalog } from '@millrace/catalog';
import { ApiClient, ManualClock, TestServer, until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemTurns } from '../clock.ts';
import { resolveConfig } from '../config.ts';
import type { ConfigInput } from '../config-schema.ts';
import type { Engine, StoredEvent } from '../engine/engine.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import { readBridgeRules } from '../read-bridge-rules.ts';
import { EventChecks } from '../session/event-checks.ts';
import { Publisher } from '../session/publisher.ts';
import { Bridge } from './bridge.ts';

const NUMBERS: ConfigInput['bridge'] = {
  builtIn: false,
  rules: [{ name: 'copy', events: ['number'], topics: ['in.*'], topic: 'out.all', rename: 'copied' }],
};

let clock: ManualClock;
let engine: Engine;
let publisher: Publisher;
let errors: string[];
/** Appends to `out.all` fail while it says so. */
let failing: boolean;
/** Reading many topics fails while it says so. */
let unreadable: boolean;
/** How often that failed. */
let vainReads: number;
/** Followings that are not stopped. */
let followings: number;
const bridges: Bridge[] = [];

beforeEach(() => {
  clock = new ManualClock();
  errors = [];
  failing = false;
  unreadable = false;
  vainReads = 0;
  followings = 0;
  const memory = createMemoryEngine({ clock, turns: systemTurns, retention: () => ({}), onError: () => {} });
  engine = new Proxy(memory, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (name === 'readSince' && unreadable) {
        vainReads++;
        return () => Promise.reject(new Error('unreadable'));
      }
      if (name === 'follow') {
        return async (...args: Parameters<Engine['follow']>) => {
          const { cursor, stop } = await target.follow(...args);
          followings++;
          const stopped = (): void => {
            followings--;
            stop();
          };
          return { cursor, stop: stopped };
        };
      }
      if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value;
      return (requests: Parameters<Engine['append']>[0]) =>
        failing && requests.some(({ topic }) => topic === 'out.all')
          ? Promise.resolve(requests.map(() => ({ status: 'failed', code: 'unavailable', message: 'no' })))
          : target.append(requests);
    },
  });
  publisher = createPublisher();
});
afterEach(async () => {
  for (const bridge of bridges.splice(0)) await bridge.close();
});

function createPublisher(): Publisher {
  return new Publisher({
    engine,
    clock,
    maxEventBytes: 64_000,
    priorityOf: () => 'normal',
    checks: new EventChecks({
      catalog: createCatalog(builtInFamilies),
      unknownEventsOf: () => 'allow',
      onUnknown: () => {},
    }),
  });
}

async function start(config: ConfigInput['bridge'] = NUMBERS): Promise<Bridge> {
  const { bridge } = resolveConfig({ bridge: config ?? {} });
  const started = new Bridge({
    rules: readBridgeRules(bridge).rules,
    engine,
    publisher,
    clock,
    entity: bridge.entity ?? 'default',
    maxEntities: bridge.maxEntities,
    maxDepth: bridge.maxDepth,
    onError: (error, doing) => errors.push(`${doing}: ${(error as Error).message}`),
  });
  bridges.push(started);
  await started.start();
  return started;
}

const tell = async (n: number, { topic = 'in.a', entity = 'default' } = {}): Promise<void> => {
  await publisher.publishInternally(entity, [{ topic, event: 'number', data: String(n) }]);
};

async function log(topic: string, entity = 'default'): Promise<readonly StoredEvent[]> {
  const page = await engine.read(entity, topic, { earliest: true }, { maxEvents: 100_000 });
  return page.ok ? page.events : [];
}
const copied = async (entity?: string): Promise<number[]> =>
  (await log('out.all', entity)).map(({ data }) => Number(data));
const count = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the bridge', () => {
  test('maps events in their order, each once, from its first start on', async () => {
    await tell(0);
    await start();
    for (const n of count(1, 1000)) await tell(n, { topic: `in.${n % 7}` });
    await until(async () => (await copied()).length === 1000, 'all');
    await settle();
    expect(await copied()).toEqual(count(1, 1000));
    expect(errors).toEqual([]);
  });

  test('goes on where it stopped, and reads what was stored meanwhile', async () => {
    const first = await start();
    for (const n of count(1, 10)) await tell(n);
    await until(async () => (await copied()).length === 10, 'the first');
    await first.close();
    for (const n of count(11, 1500)) await tell(n);
    await start();
    await tell(1501);
    await until(async () => (await copied()).length >= 1501, 'the rest');
    await settle();
    expect(await copied()).toEqual(count(1, 1501));
  });

  test('[BRIDGE-4] killed at any moment, it maps nothing twice and forgets nothing', async () => {
    const log = engine;
    let n = 0;
    for (let life = 0; life < 30; life++) {
      let dead = false;
      // From its death on nothing that it asks for happens, and nothing is answered.
      engine = new Proxy(log, {
        get: (target, name) => {
          const value = Reflect.get(target, name) as (...args: unknown[]) => unknown;
          return (...args: unknown[]) => (dead ? new Promise(() => {}) : value.apply(target, args));
        },
      });
      publisher = createPublisher();
      await start();
      for (let i = 0; i < 30; i++) await tell(++n);
      for (let turn = 0; turn < life; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (life % 3 === 1) clock.advance(1000);
      dead = true;
      bridges.length = 0;
    }
    engine = log;
    publisher = createPublisher();
    await start();
    await until(async () => (await copied()).length >= n, 'all');
    await settle();
    expect(await copied()).toEqual(count(1, n));
  });

  test('waits for a log that fails, and keeps the order', async () => {
    await start();
    failing = true;
    for (const n of count(1, 20)) {
      await tell(n);
      await settle();
    }
    clock.advance(500);
    await settle();
    expect(await copied()).toEqual([]);
    failing = false;
    await until(async () => {
      clock.advance(1000);
      await settle();
      return (await copied()).length === 20;
    }, 'all');
    expect(await copied()).toEqual(count(1, 20));
    expect(errors).toEqual(['publishing mapped events: no']);
  });

  test('leaves a log alone that cannot be read, and then reads on', async () => {
    await (await start()).close();
    for (const n of count(1, 3)) await tell(n);
    unreadable = true;
    await start();
    for (const n of count(4, 50)) {
      await tell(n);
      await settle();
    }
    expect(vainReads).toBe(1);
    unreadable = false;
    clock.advance(30_000);
    await until(async () => (await copied()).length === 50, 'all');
    expect(await copied()).toEqual(count(1, 50));
    expect(errors).toEqual(['mapping events: unreadable']);
  });

  test('takes a new entity once, also after it could not at first, and lets go of it when it closes', async () => {
    const bridge = await start({ ...NUMBERS, entity: '*' });
    await tell(1, { entity: 'new' });
    unreadable = true;
    clock.advance(5000);
    await until(() => errors.length === 1, 'the failure');
    expect(followings).toBe(0);
    unreadable = false;
    clock.advance(5000);
    await until(async () => (await copied('new')).length === 1, 'the copy');
    expect(followings).toBe(1);
    await bridge.close();
    expect(followings).toBe(0);
  });

  test('reads from the log what came while more waited than it keeps', async () => {
    const bridge = await start();
    failing = true;
    await tell(1);
    await settle();
    for (let from = 2; from <= 12_000; from += 1000) {
      await publisher.publishInternally(
        'default',
        count(from, Math.min(from + 999, 12_000)).map((n) => ({
          topic: 'in.a',
          event: 'number',
          data: String(n),
        })),
      );
    }
    await settle();
    failing = false;
    clock.advance(1000);
    await until(async () => (await copied()).length >= 12_000, 'all', 15_000);
    await settle();
    expect(await copied()).toEqual(count(1, 12_000));
    expect(bridge.counters).toMatchObject({ published: 12_000, lost: 0 });
  });

  test('says so when events are gone before it comes to them, and goes on', async () => {
    const first = await start();
    await tell(1);
    await until(async () => (await copied()).length === 1, 'the first');
    await first.close();
    await tell(2);
    await tell(3);
    await engine.trim('default', 'in.a', 2);
    const second = await start();
    await until(() => second.counters.lost === 1, 'the loss');
    await tell(4);
    await until(async () => (await copied()).includes(4), 'the next');
    expect(errors).toEqual([
      'mapping events: events of the entity are gone (expired) before they were mapped',
    ]);
  });

  test('leaves what the log refuses, and says so', async () => {
    const rules = [{ name: 'r', events: ['number'], topic: 'out.{data.nothing}' }];
    const bridge = await start({ builtIn: false, rules });
    await tell(1);
    await until(() => bridge.counters.refused === 1, 'the refusal');
    expect(errors[0]).toContain('publishing what the bridge rule "r" made: topic "out."');
  });

  test('[BRIDGE-5] does not map what it made, unless a rule asks for it, and then not for ever', async () => {
    const rules = [{ name: 'echo', events: ['number'], topic: 'in.echo', mapped: true }];
    const bridge = await start({ builtIn: false, rules, maxDepth: 3 });
    await tell(1);
    await until(() => bridge.counters.tooDeep === 1, 'the end');
    await settle();
    expect(await log('in.echo')).toHaveLength(3);
  });

  test('keeps to its entity, or takes each by itself, new ones from their beginning', async () => {
    await tell(1, { entity: 'one' });
    await start({ ...NUMBERS, entity: '*' });
    await tell(2, { entity: 'one' });
    await tell(3, { entity: 'two' });
    clock.advance(5000);
    await settle();
    await tell(4, { entity: 'two' });
    await until(async () => (await copied('two')).length === 2, 'the new one');
    expect([await copied(), await copied('one'), await copied('two')]).toEqual([[], [2], [3, 4]]);
  });
});

describe('in a server', () => {
  let server: TestServer;
  afterEach(() => server.close());

  test('is off unless it is configured', async () => {
    server = await TestServer.start();
    await server.server.publish('agents.a', 'agent.status.changed', {
      agent_id: 'a',
      old_status: 'x',
      new_status: 'active',
    });
    const api = new ApiClient(server.origin, await server.token());
    expect((await api.get('/api/v1/topics/observers.agents')).status).toBe(404);
    expect((await api.get('/metrics')).text).not.toContain('millrace_bridge');
  });

  test('[BRIDGE-6] shows observers what agents do; who may not read that topic is not shown it', async () => {
    server = await TestServer.start({ bridge: { enabled: true } });
    const observer = await server.connect('/ws', { roles: ['observer'] });
    observer.send({ type: 'subscribe', topic: 'observers.*' });
    await observer.next('subscribed');
    const narrow = await server.connect('/ws', { roles: ['observer'], topics: { subscribe: ['agents.*'] } });
    narrow.send({ type: 'subscribe', topic: 'observers.*' });
    expect(await narrow.next('error')).toMatchObject({ code: 'forbidden' });
    // What it may not read directly, it is shown where it may: that is what the rule says.
    const other = await server.connect('/ws', {
      roles: ['observer'],
      topics: { subscribe: ['observers.agents'] },
    });
    other.send({ type: 'subscribe', topic: 'observers.agents' });
    await other.next('subscribed');
    await server.server.publish('agents.a', 'agent.status.changed', {
      agent_id: 'a',
      old_status: 'x',
      new_status: 'active',
    });
    for (const client of [observer, other]) {
      const events = await client.take('event', 2);
      expect(events.map((event) => event.type === 'event' && event.event)).toEqual([
        'agent_update',
        'agent_status_change',
      ]);
      client.close();
    }
    narrow.close();
  });

  test('goes on after a restart, durable events exactly once', async () => {
    server = await TestServer.start({ bridge: NUMBERS });
    for (const n of count(1, 50)) await server.server.publish('in.a', 'number', n);
    const { directory } = server;
    await server.server.close();
    const off = await TestServer.start({ directory });
    for (const n of count(51, 100)) await off.server.publish('in.a', 'number', n);
    await off.close();
    const again = await TestServer.start({ directory, bridge: NUMBERS });
    const api = new ApiClient(again.origin, await again.token());
    const events = async () =>
      (await api.get<{ events?: { data: number }[] }>('/api/v1/topics/out.all/events?limit=1000')).body
        .events ?? [];
    await until(async () => (await events()).length >= 100, 'all');
    expect((await events()).map(({ data }) => data)).toEqual(count(1, 100));
    await again.close();
  });
});
