import { builtInFamilies, createCatalog, type MillraceEvents } from '@millrace/catalog';
import type { EventInput } from '@millrace/protocol';
import { expect, expectTypeOf, test } from 'vitest';
import { type HostMetrics, HostMetricsService, type ServerStats } from './host-metrics.ts';
import { createHostProbe, type HostReading } from './host-probe.ts';

const reading: HostReading = {
  cpuCount: 4,
  cpuIdleMs: 1000,
  cpuTotalMs: 2000,
  memoryTotal: 1000,
  memoryAvailable: 250,
  load: [0.5, 0.25, 0.125],
  eventLoopDelayMs: { p50: 0.1, p99: 2, max: 7 },
  rss: 100,
  heapUsed: 50,
  processCpuMs: 10,
  uptimeSeconds: 3.4,
};

function setUp(publish: (event: EventInput<HostMetrics>) => Promise<unknown> = async () => {}) {
  const state = {
    now: 0,
    reading,
    stats: { connections: 0, subscriptions: 0, deliveries: 0, publishes: 0 } as ServerStats,
    timer: undefined as { at: number; task: () => void } | undefined,
    probeClosed: false,
    errors: [] as unknown[],
    events: [] as EventInput<HostMetrics>[],
  };
  const service = new HostMetricsService({
    clock: {
      now: () => state.now,
      monotonic: () => state.now,
      after(delayMs, task) {
        const timer = { at: state.now + delayMs, task };
        state.timer = timer;
        return {
          cancel() {
            if (state.timer === timer) state.timer = undefined;
          },
        };
      },
    },
    intervalMs: 1000,
    name: 'build-7.example',
    probe: {
      read: () => state.reading,
      close() {
        state.probeClosed = true;
      },
    },
    stats: () => state.stats,
    publish(event) {
      state.events.push(event);
      return publish(event);
    },
    onError: (error) => state.errors.push(error),
  });
  /** Lets the pending timer fire, `lateMs` after it was due. */
  const tick = async (lateMs = 0): Promise<void> => {
    const { timer } = state;
    if (timer === undefined) throw new Error('no timer is pending');
    state.now = timer.at + lateMs;
    timer.task();
    await Promise.resolve();
  };
  return { state, service, tick };
}

test('publishes what happened in the last interval on host.<encoded name>', async () => {
  const { state, tick } = setUp();
  state.reading = { ...reading, cpuIdleMs: 4000, cpuTotalMs: 6000, processCpuMs: 510 };
  state.stats = { connections: 3, subscriptions: 5, deliveries: 1200, publishes: 10 };
  await tick();
  expect(state.events).toEqual([
    {
      topic: 'host.build-7_2eexample',
      event: 'host.metrics',
      data: {
        cpu_percent: 25,
        cpu_count: 4,
        memory_total: 1000,
        memory_used: 750,
        memory_percent: 75,
        load_1m: 0.5,
        load_5m: 0.25,
        load_15m: 0.13,
        event_loop_delay_ms: { p50: 0.1, p99: 2, max: 7 },
        process: { rss: 100, heap_used: 50, cpu_percent: 50, uptime_s: 3 },
        connections: 3,
        subscriptions: 5,
        deliveries_per_second: 1200,
        publishes_per_second: 10,
      },
    },
  ]);
});

test('[PUB-8] publishes what the catalog allows', async () => {
  const { state, tick } = setUp();
  await tick();
  const catalog = createCatalog(builtInFamilies);
  expect(catalog.check('host.metrics', state.events[0]?.data)).toBeUndefined();
  expectTypeOf<HostMetrics>().toExtend<MillraceEvents['host.metrics']>();
});

test('keeps to the beat when a timer fires late, and measures rates by the time that passed', async () => {
  const { state, tick } = setUp();
  state.stats = { ...state.stats, deliveries: 150 };
  await tick(500);
  expect(state.events[0]?.data.deliveries_per_second).toBe(100);
  expect(state.timer?.at).toBe(2000);
});

test('leaves missed beats out', async () => {
  const { state, tick } = setUp();
  await tick(10_000);
  await tick();
  expect(state.events).toHaveLength(2);
  expect(state.now).toBe(12_000);
});

test('does not pile up events while one is being stored', async () => {
  const stored = Promise.withResolvers<void>();
  const { state, tick } = setUp(() => stored.promise);
  await tick();
  await tick();
  expect(state.events).toHaveLength(1);
  stored.resolve();
  await stored.promise;
  await tick();
  expect(state.events).toHaveLength(2);
});

test('reports the first failure of a row and goes on', async () => {
  let fails = true;
  const { state, tick } = setUp(async () => {
    if (fails) throw new Error('full');
  });
  await tick();
  await tick();
  expect(state.errors).toHaveLength(1);
  fails = false;
  await tick();
  fails = true;
  await tick();
  expect(state.errors).toHaveLength(2);
});

test('publishes nothing after it was closed', () => {
  const { state, service } = setUp();
  service.close();
  service.close();
  expect(state.timer).toBeUndefined();
  expect(state.probeClosed).toBe(true);
});

test('reads plausible figures of the real host', () => {
  const probe = createHostProbe();
  const real = probe.read();
  probe.close();
  expect(real.cpuCount).toBeGreaterThan(0);
  expect(real.cpuTotalMs).toBeGreaterThan(real.cpuIdleMs);
  expect(real.memoryAvailable).toBeLessThan(real.memoryTotal);
  expect(real.rss).toBeGreaterThan(real.heapUsed);
  expect(real.eventLoopDelayMs.max).toBeGreaterThanOrEqual(0);
});
