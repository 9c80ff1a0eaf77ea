import { quantileOf } from '../metrics/histogram.ts';
import type { FigureSources } from './figure-sources.ts';
import { type HostFigures, round } from './host-figures.ts';
import type { MetricSource } from './metric-source.ts';
import { countQueues } from './statistics.ts';

type Place = Pick<MetricSource, 'id' | 'entity' | 'topic' | 'intervalMs'>;

/** What the server does: what only grows is told as how much a second. */
export function serverSource(sources: FigureSources, place: Place): MetricSource {
  const { clock, hub, connections, publisher, counters, traffic } = sources;
  const count = () => ({
    deliveries: hub.counters.deliveries,
    replayed: hub.counters.replayed,
    publishes: publisher.counters.published,
    messages_received: counters.messagesReceived,
    bytes_sent: traffic.bytesSent,
    bytes_received: traffic.bytesReceived,
    errors: counters.errors.total,
    dropped: hub.counters.dropped,
  });
  let last = { at: clock.monotonic(), counts: count() };
  return {
    ...place,
    measure: async () => {
      const now = { at: clock.monotonic(), counts: count() };
      const seconds = Math.max(0.001, (now.at - last.at) / 1000);
      const rates = Object.entries(now.counts).map(([name, counted]) => [
        `${name}_per_second`,
        round((counted - last.counts[name as keyof typeof last.counts]) / seconds),
      ]);
      last = now;
      const latency = hub.flusher.latency.readRecent();
      const { slow_sessions, queue_depth } = countQueues(connections.all());
      return {
        connections: connections.size,
        subscriptions: hub.counters.subscriptions,
        ...(Object.fromEntries(rates) as Record<string, number>),
        slow_sessions,
        queue_depth,
        reconnection_rate: round(counters.reconnectionRate),
        // Without events there is none.
        ...(latency.count > 0 && {
          latency_p50_ms: round(quantileOf(latency, 0.5)),
          latency_p99_ms: round(quantileOf(latency, 0.99)),
        }),
      };
    },
  };
}

/** How the Node.js process fares. `host` is read by nobody else: some of its figures look back to the last time. */
export function processSource(host: HostFigures, place: Place): MetricSource {
  return {
    ...place,
    measure: async () => {
      const { measured } = host.read();
      const { rss, heap_used, cpu_percent, uptime_s } = measured.process;
      const { p50, p99, max } = measured.event_loop_delay_ms;
      const { external, heapTotal } = process.memoryUsage();
      return {
        cpu_percent,
        rss_bytes: rss,
        heap_used_bytes: heap_used,
        heap_total_bytes: heapTotal,
        external_bytes: external,
        event_loop_delay_p50_ms: p50,
        event_loop_delay_p99_ms: p99,
        event_loop_delay_max_ms: max,
        uptime_seconds: uptime_s,
      };
    },
  };
}
