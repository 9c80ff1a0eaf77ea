import { hostname } from 'node:os';
import { DEFAULT_ENTITY } from './auth/identity.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { durationMs } from './duration.ts';
import type { Hub } from './hub/hub.ts';
import { HostMetricsService } from './services/host-metrics.ts';
import { createHostProbe } from './services/host-probe.ts';
import type { Connections } from './session/connections.ts';
import type { Publisher } from './session/publisher.ts';

/** Starts publishing this host's and this server's figures, unless the configuration says no. */
export function startHostMetrics(
  { host }: Config,
  parts: {
    clock: Clock;
    hub: Hub;
    publisher: Publisher;
    connections: Connections;
    onError: (error: unknown, doing: string) => void;
  },
): HostMetricsService | undefined {
  if (!host.enabled) return undefined;
  const { clock, hub, publisher, connections, onError } = parts;
  return new HostMetricsService({
    clock,
    intervalMs: durationMs(host.interval),
    name: host.name ?? hostname(),
    probe: createHostProbe(),
    stats: () => ({
      connections: connections.size,
      subscriptions: hub.counters.subscriptions,
      deliveries: hub.counters.deliveries + hub.counters.replayed,
      publishes: publisher.counters.published,
    }),
    publish: async ({ data, ...event }) => {
      await publisher.publishOneInternally(DEFAULT_ENTITY, { ...event, data: JSON.stringify(data) });
    },
    onError: (error) => onError(error, 'publishing the figures of this host'),
  });
}
