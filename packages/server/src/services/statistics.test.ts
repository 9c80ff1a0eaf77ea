import type { EventMessage } from '@millrace/protocol';
import { ApiClient, TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Stats {
  readonly connections: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>> & {
    readonly by_type: Readonly<Record<string, number>>;
    readonly latency: Readonly<Record<string, unknown>>;
  };
  readonly rate_limit_violations: number;
  readonly backpressure_clients: number;
}

interface Queues {
  readonly queue_depth: number;
  readonly avg_queue_depth: number;
  readonly slow_sessions: number;
}

let server: TestServer;
let operator: ApiClient;

beforeAll(async () => {
  server = await TestServer.start({
    compression: { level: 'none' },
    limits: { maxInFlightBytes: 65_536, messagesPerSecond: 1, messageBurst: 2 },
  });
  operator = new ApiClient(server.origin, await server.token());
});

afterAll(() => server.close());

const readStats = async (): Promise<Stats> => (await operator.get<Stats>('/api/v1/realtime/stats')).body;

describe('the figures of the node', () => {
  test('[STAT-1] have every name of the contract', async () => {
    const { body } = await operator.get('/api/v1/system/metrics');
    const count = expect.any(Number);
    expect(body).toMatchObject({
      connections: { active_connections: count, total_created: count, max_connections: 10_000 },
      metrics: {
        messages_sent: count,
        messages_received: count,
        bytes_sent: count,
        bytes_received: count,
        error_count: count,
        avg_queue_depth: count,
        event_history_size: count,
        dropped_events: count,
        by_type: expect.any(Object),
        latency: { count, p50: count, p95: count, p99: count, max: count, unit: 'ms' },
      },
      rate_limit_violations: count,
      backpressure_clients: count,
      timestamp: expect.stringMatching(/Z$/),
      host: { cpu_count: count, memory_total: count, load_1m: count },
      process: { rss: count, heap_used: count, uptime_s: count, event_loop_delay_ms: { p99: count } },
    });
  });

  test('[STAT-1] count what is received and refused', async () => {
    const before = await readStats();
    const member = await server.connect('/ws', { roles: ['member'] });
    await member.next('welcome');
    for (let id = 0; id < 5; id++) member.send({ type: 'ping', id });
    await member.take('pong', 2);
    await member.take('error', 3);
    const after = await readStats();
    expect(after.rate_limit_violations - before.rate_limit_violations).toBe(3);
    expect((after.metrics.error_count ?? 0) - (before.metrics.error_count ?? 0)).toBe(3);
    expect((after.metrics.messages_received ?? 0) - (before.metrics.messages_received ?? 0)).toBe(5);
    const sent = member.texts.reduce((sum, text) => sum + text.length, 0);
    expect((after.metrics.bytes_sent ?? 0) - (before.metrics.bytes_sent ?? 0)).toBeGreaterThanOrEqual(sent);
    member.close();
  });

  test('[STAT-5] count publications by name, and names beyond the bound together', async () => {
    const own = await TestServer.start();
    const events = Array.from({ length: 300 }, (_, n) => ({ topic: 'names.a', event: `name-${n}`, data: 1 }));
    const api = new ApiClient(own.origin, await own.token());
    await api.post('/api/v1/events', { events });
    await api.post('/api/v1/events', { topic: 'names.a', event: 'name-7', data: 1 });
    await api.post('/api/v1/events', { topic: 'names.*', event: 'name-7', data: 1 });
    const { metrics } = (await api.get<Stats>('/api/v1/realtime/stats')).body;
    expect(Object.keys(metrics.by_type)).toHaveLength(257);
    expect(metrics.by_type).toMatchObject({ 'name-7': 2, 'name-255': 1, other: 44 });
    expect(metrics.published).toBe(301);
    expect(metrics.event_history_size).toBe(301);
    await own.close();
  });
});

describe('what consumers have yet to acknowledge', () => {
  test('[STAT-1] is counted for their entity while they are read', async () => {
    const entity = 'acknowledging';
    const own = new ApiClient(server.origin, await server.token({ entity }));
    const pending = async (): Promise<number> =>
      (await own.get<{ inbox_pending: number }>('/api/v1/ws/message-queue/stats')).body.inbox_pending;
    const client = await server.connect('/ws', { entity, sub: 'anna' });
    client.send({ type: 'subscribe', topic: 'user.anna', consumer: 'phone' });
    await client.next('subscribed');
    for (let n = 0; n < 5; n++) await server.server.publish('user.anna', 'x', n, { entity });
    await client.take('event', 5);
    expect(await pending()).toBe(5);
    client.send({ type: 'ack', id: 1, topic: 'user.anna', offset: 3, consumer: 'phone' });
    await client.next('ok');
    expect(await pending()).toBe(2);
    const stranger = new ApiClient(server.origin, await server.token({ entity: 'somebody' }));
    expect((await stranger.get('/api/v1/ws/message-queue/stats')).body).toMatchObject({ inbox_pending: 0 });
    client.close();
    await client.closed;
    await until(async () => (await pending()) === 0, 'the consumer to be read no more');
  });
});

describe('what waits for slow sessions', () => {
  test.each([
    ['topic', 'waiting.1', 'waiting.1'],
    ['pattern', 'waiting.2', 'waiting.*'],
  ])(
    '[STAT-1] is seen by its entity until it is read, of a %s; events are counted once, when they are written',
    async (_, topic, name) => {
      const entity = `slow-${topic}`;
      const own = new ApiClient(server.origin, await server.token({ entity }));
      const queues = async (): Promise<Queues> =>
        (await own.get<Queues>('/api/v1/ws/message-queue/stats')).body;
      const before = (await readStats()).metrics.messages_sent ?? 0;
      const client = await server.connect('/ws', { entity });
      client.send({ type: 'subscribe', topic: name });
      await client.next('subscribed');
      expect(await queues()).toMatchObject({ queue_depth: 0, slow_sessions: 0 });
      client.socket.pause();
      const filler = 'x'.repeat(32_000);
      let published = 0;
      await until(
        async () => {
          published++;
          await server.server.publish(topic, 'x', filler, { entity });
          return (await queues()).slow_sessions === 1;
        },
        'the session to be slow',
        20_000,
      );
      for (let n = 0; n < 10; n++) await server.server.publish(topic, 'x', filler, { entity });
      published += 10;
      const { queue_depth, avg_queue_depth } = await queues();
      expect(queue_depth).toBeGreaterThan(0);
      if (name === topic) expect(queue_depth).toBeGreaterThanOrEqual(10);
      expect(avg_queue_depth).toBe(queue_depth);
      const stats = await own.get<Stats>('/api/v1/realtime/stats');
      expect(stats.body.backpressure_clients).toBe(1);
      const { body: others } = await operator.get<Queues>('/api/v1/ws/message-queue/stats');
      expect(others.queue_depth).toBeGreaterThanOrEqual(queue_depth);

      client.socket.resume();
      const isEvent = (message: { type: string }): message is EventMessage => message.type === 'event';
      await until(() => client.messages.filter(isEvent).length === published, 'all events', 20_000);
      await until(async () => (await queues()).slow_sessions === 0, 'the session to be live');
      expect(await queues()).toMatchObject({ queue_depth: 0, avg_queue_depth: 0 });
      expect(((await readStats()).metrics.messages_sent ?? 0) - before).toBe(published);
      client.close();
    },
    60_000,
  );
});
