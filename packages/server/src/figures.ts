import { OwnFigures } from './alerts/own-figures.ts';
import type { Turns } from './clock.ts';
import type { Config } from './config.ts';
import type { MetricsExposition } from './doors/http/http-context.ts';
import type { Engine } from './engine/engine.ts';
import type { FigureSources } from './services/figure-sources.ts';
import { HostFigures } from './services/host-figures.ts';
import { LogCensus } from './services/log-census.ts';
import { Exposition, type Metric } from './services/prometheus.ts';
import { serverMetrics } from './services/server-metrics.ts';
import { Statistics } from './services/statistics.ts';

export interface Figures {
  readonly statistics: Statistics;
  /** `undefined` when the configuration wants no `/metrics`. */
  readonly exposition: MetricsExposition | undefined;
  /** For alert rules. */
  readonly own: OwnFigures;
  /** Shows what a service counts at `/metrics` too. */
  add(metrics: readonly Metric[]): void;
  close(): void;
}

/** Puts together what shows the server's figures. Nothing is measured before somebody asks. */
export function createFigures(
  { metrics }: Config,
  parts: Omit<FigureSources, 'census' | 'host'> & { engine: Engine; turns: Turns; version: string },
): Figures {
  const { engine, turns, version, ...counted } = parts;
  const { clock } = counted;
  const census = new LogCensus({ engine, clock, turns });
  const sources = { ...counted, census, host: new HostFigures(clock) };
  // Scrapes, and alerts, have a probe of their own, so that nobody else's look ends the time that they look back on.
  const scraped = { ...counted, census, host: new HostFigures(clock) };
  const watched = { ...counted, census, host: new HostFigures(clock) };
  const exposition = metrics.enabled
    ? new Exposition(serverMetrics(scraped, { version }), { isPublic: metrics.public })
    : undefined;
  return {
    statistics: new Statistics(sources),
    exposition,
    own: new OwnFigures(watched, serverMetrics(watched, { version })),
    add: (more) => exposition?.add(more),
    close() {
      for (const { host } of [sources, scraped, watched]) host.close();
    },
  };
}
