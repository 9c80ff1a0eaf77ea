import type { Turns } from './clock.ts';
import type { Config } from './config.ts';
import type { MetricsExposition } from './doors/http/http-context.ts';
import type { Engine } from './engine/engine.ts';
import type { FigureSources } from './services/figure-sources.ts';
import { HostFigures } from './services/host-figures.ts';
import { LogCensus } from './services/log-census.ts';
import { Exposition } from './services/prometheus.ts';
import { serverMetrics } from './services/server-metrics.ts';
import { Statistics } from './services/statistics.ts';

export interface Figures {
  readonly statistics: Statistics;
  /** `undefined` when the configuration wants no `/metrics`. */
  readonly exposition: MetricsExposition | undefined;
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
  // Scrapes have a probe of their own, so that nobody else's look ends the time that they look back on.
  const scraped = { ...counted, census, host: new HostFigures(clock) };
  return {
    statistics: new Statistics(sources),
    exposition: metrics.enabled
      ? new Exposition(serverMetrics(scraped, { version }), { isPublic: metrics.public })
      : undefined,
    close() {
      sources.host.close();
      scraped.host.close();
    },
  };
}
