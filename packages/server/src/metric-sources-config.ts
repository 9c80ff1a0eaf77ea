import { hostname } from 'node:os';
import { encodeSegment } from '@millrace/protocol';
import { DEFAULT_ENTITY } from './auth/identity.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { PrometheusSourceConfig } from './config-schema.ts';
import { durationMs } from './duration.ts';
import type { Figures } from './figures.ts';
import { HostFigures } from './services/host-figures.ts';
import type { MetricSource } from './services/metric-source.ts';
import { MetricSources } from './services/metric-sources.ts';
import { processSource, serverSource } from './services/own-sources.ts';
import { counter, gauge } from './services/prometheus.ts';
import { prometheusSource } from './services/prometheus-source.ts';
import type { Publisher } from './session/publisher.ts';

/** Starts measuring what the configuration names, this server and its process among it. */
export function startMetricSources(
  { sources, host }: Config,
  parts: {
    clock: Clock;
    figures: Figures;
    publisher: Publisher;
    onError: (error: unknown, doing: string) => void;
  },
): { close(): void } {
  const { clock, figures, publisher, onError } = parts;
  const name = host.name ?? hostname();
  const processFigures = new HostFigures(clock);
  const own = (id: string, topic: string) => ({
    id,
    entity: DEFAULT_ENTITY,
    topic,
    intervalMs: durationMs(sources.interval),
  });
  const all: MetricSource[] = sources.prometheus.map((target) => targetOf(target, clock));
  if (sources.server)
    all.push(serverSource(figures.statistics.sources, own(`server:${name}`, 'metrics.server')));
  if (sources.process) all.push(processSource(processFigures, own(`process:${name}`, 'metrics.process')));
  const running = new MetricSources({
    sources: all,
    clock,
    publish: async (entity, { data, ...event }) => {
      await publisher.publishOneInternally(entity, { ...event, data: JSON.stringify(data) });
    },
    onError,
  });
  figures.add([
    counter(
      'millrace_sources_measurements_total',
      'Measurements of metric sources, by how they ended.',
      () => Object.entries(running.counters),
      'outcome',
    ),
    gauge(
      'millrace_sources_unreachable',
      'Metric sources that cannot be reached.',
      () => running.unreachable,
    ),
  ]);
  return {
    close() {
      running.close();
      processFigures.close();
    },
  };
}

function targetOf(target: PrometheusSourceConfig, clock: Clock): MetricSource {
  const { name, url, topic, entity, interval = '15s', timeout = '5s' } = target;
  const { headers = {}, maxBytes = 4 * 1024 * 1024, pick, labels } = target;
  return prometheusSource({
    id: name,
    entity: entity ?? DEFAULT_ENTITY,
    topic: topic ?? `metrics.${encodeSegment(name)}`,
    intervalMs: durationMs(interval),
    timeoutMs: durationMs(timeout),
    ...{ url, headers, maxBytes, pick, labels, clock },
  });
}
