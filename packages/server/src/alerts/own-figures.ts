import type { Clock } from '../clock.ts';
import { Growth } from '../metrics/growth.ts';
import { quantileOf } from '../metrics/histogram.ts';
import type { FigureSources } from '../services/figure-sources.ts';
import type { CountedMetric, Metric, Reading } from '../services/prometheus.ts';
import type { FigureWatch } from './alert-rule.ts';

type Read = CountedMetric['read'];

/** Ends that are as they should be: by the client, by a shutdown, by an administrator. */
const WANTED_ENDS: ReadonlySet<number | string> = new Set([1000, 1001, 1005, 4000, 4504]);
/** With fewer connections, a few that are lost are no large share. */
const FEW_CONNECTIONS = 50;
const DROPS_SPAN_MS = 300_000;

/** What `/metrics` leaves to whoever asks it to work out. */
function namedFigures({ hub, connections, counters, clock }: FigureSources): Record<string, Read> {
  const latency = (share: number): number | undefined => {
    const recent = hub.flusher.latency.readRecent();
    return recent.count === 0 ? undefined : quantileOf(recent, share);
  };
  const drops = new Growth(DROPS_SPAN_MS);
  return {
    /** Of the last one to two minutes. */
    latency_p50_ms: () => latency(0.5),
    latency_p99_ms: () => latency(0.99),
    /** Connections lost within five minutes, as a share of those that are open. */
    connection_drop_percent: () => {
      let lost = 0;
      for (const [code, count] of connections.counters.closedByCode)
        if (!WANTED_ENDS.has(code)) lost += count;
      return (100 * drops.observe(lost, clock.monotonic())) / Math.max(connections.size, FEW_CONNECTIONS);
    },
    /** Subscriptions that sessions were refused because they have too many; it only grows. */
    refused_subscriptions: () => counters.errors.get('too-many-subscriptions'),
  };
}

/** Reads one figure of the server, for a rule. */
export type FigureReader = () => Promise<number | undefined>;

/** Millrace's own figures: those of `/metrics`, and some that are worked out from them. */
export class OwnFigures {
  readonly #clock: Clock;
  readonly #reads: Map<string, Read>;
  readonly #histograms: Set<string> = new Set();

  /** `metrics` are read by nobody else: some look back to when they were read last. */
  constructor(sources: FigureSources, metrics: readonly Metric[]) {
    this.#clock = sources.clock;
    this.#reads = new Map(Object.entries(namedFigures(sources)));
    for (const metric of metrics) {
      if (metric.type === 'histogram') this.#histograms.add(metric.name);
      else this.#reads.set(metric.name, metric.read);
    }
  }

  /** The reader of a rule's figure; a text says why there is none, as the end of a sentence. */
  readerOf({ figure, label, perMs }: FigureWatch): FigureReader | string {
    const read = this.#reads.get(figure);
    if (read === undefined) {
      return this.#histograms.has(figure)
        ? 'is a histogram, which has no single value; there are latency_p50_ms and latency_p99_ms'
        : 'is none of Millrace’s own figures: those of /metrics, latency_p50_ms, latency_p99_ms, connection_drop_percent, refused_subscriptions';
    }
    const growth = perMs === undefined ? undefined : new Growth(perMs);
    return async () => {
      const value = figureOf(await read(), label);
      if (value === undefined || growth === undefined) return value;
      return growth.observe(value, this.#clock.monotonic());
    };
  }
}

function figureOf(reading: Reading | undefined, label: string | undefined): number | undefined {
  if (reading === undefined || typeof reading === 'number') return reading;
  let sum = 0;
  for (const [name, value] of reading) if (label === undefined || name === label) sum += value;
  return sum;
}
