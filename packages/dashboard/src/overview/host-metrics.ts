import type { MillraceEvent } from '@millrace/protocol';

/** The data of `host.metrics`, as the server publishes it once a second. Sizes in bytes. */
export interface HostMetrics {
  readonly cpu_percent: number;
  readonly cpu_count: number;
  readonly memory_total: number;
  readonly memory_used: number;
  readonly memory_percent: number;
  readonly load_1m: number;
  readonly load_5m: number;
  readonly load_15m: number;
  readonly event_loop_delay_ms: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly process: {
    readonly rss: number;
    readonly heap_used: number;
    readonly cpu_percent: number;
    readonly uptime_s: number;
  };
  readonly connections: number;
  readonly subscriptions: number;
  readonly deliveries_per_second: number;
  readonly publishes_per_second: number;
}

export interface HostSample {
  /** Seconds since the Unix epoch, as charts want it. */
  readonly time: number;
  /** Missing where figures are missing: the line breaks there. */
  readonly metrics: HostMetrics | undefined;
}

/** Figures come once a second; a silence longer than this is drawn as one. */
const SILENCE_S = 5;

/** The samples of the events that are host metrics, oldest first. */
export function hostSamples(events: readonly MillraceEvent[]): readonly HostSample[] {
  const samples: HostSample[] = [];
  for (const event of events) {
    if (event.event !== 'host.metrics') continue;
    const time = Date.parse(event.timestamp) / 1000;
    const before = samples.at(-1)?.time ?? time;
    if (time - before > SILENCE_S) samples.push({ time: (before + time) / 2, metrics: undefined });
    // The server's own event, by its catalog; the topic belongs to it.
    samples.push({ time, metrics: event.data as HostMetrics });
  }
  return samples;
}

export type Figure = (metrics: HostMetrics) => number;

/** One figure of each sample; `null` where there is none, as charts want it. */
export function column(samples: readonly HostSample[], figure: Figure): (number | null)[] {
  return samples.map(({ metrics }) => (metrics === undefined ? null : figure(metrics)));
}
