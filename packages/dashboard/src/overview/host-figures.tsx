import { useTopic } from '@millrace/react';
import { type ReactNode, useMemo } from 'react';
import { useFeedToasts } from '../app/use-error-toasts.ts';
import { formatBytes, formatCount, formatCountOf, formatDuration, formatFigure } from '../ui/format.ts';
import { Notice } from '../ui/notice.tsx';
import { column, type Figure, type HostMetrics, type HostSample, hostSamples } from './host-metrics.ts';
import { StatTile } from './stat-tile.tsx';
import { type ChartSeries, TimeChart } from './time-chart.tsx';

const HISTORY_S = 600;
const SPARKLINE_S = 90;

const formatPercent = (value: number): string => `${formatFigure(value)} %`;
const formatMs = (value: number): string => `${formatFigure(value)} ms`;

export function HostFigures({ topic }: { topic: string }): ReactNode {
  const feed = useTopic(topic, { since: { last: HISTORY_S }, maxEvents: HISTORY_S });
  useFeedToasts(feed);
  const samples = useMemo(() => hostSamples(feed.events), [feed.events]);
  const now = samples.at(-1)?.metrics;
  if (now === undefined)
    return feed.phase === 'open' ? <Notice title="Waiting for figures …" role="status" /> : null;
  return (
    <>
      <StatTiles samples={samples.slice(-SPARKLINE_S)} now={now} />
      <Charts samples={samples} />
      <ServerFacts now={now} />
    </>
  );
}

function StatTiles({ samples, now }: { samples: readonly HostSample[]; now: HostMetrics }): ReactNode {
  const history = (figure: Figure): (number | null)[] => column(samples, figure);
  const { event_loop_delay_ms: delay } = now;
  return (
    <dl className="stat-tiles">
      <StatTile
        label="CPU"
        value={formatFigure(now.cpu_percent)}
        unit="%"
        detail={`${formatCountOf(now.cpu_count, 'core')} · load ${formatFigure(now.load_1m)}`}
        history={history((m) => m.cpu_percent)}
        max={100}
      />
      <StatTile
        label="Memory"
        value={formatFigure(now.memory_percent)}
        unit="%"
        detail={`${formatBytes(now.memory_used)} of ${formatBytes(now.memory_total)}`}
        history={history((m) => m.memory_percent)}
        max={100}
      />
      <StatTile
        label="Event-loop delay"
        value={formatFigure(delay.p99)}
        unit="ms p99"
        detail={`p50 ${formatFigure(delay.p50)} · max ${formatFigure(delay.max)}`}
        history={history((m) => m.event_loop_delay_ms.p99)}
      />
      <StatTile
        label="Connections"
        value={formatCount(now.connections)}
        detail={formatCountOf(now.subscriptions, 'subscription')}
        history={history((m) => m.connections)}
      />
      <StatTile
        label="Deliveries"
        value={formatFigure(now.deliveries_per_second)}
        unit="/s"
        detail={`peak ${formatFigure(peak(samples, (m) => m.deliveries_per_second))}/s`}
        history={history((m) => m.deliveries_per_second)}
      />
      <StatTile
        label="Publishes"
        value={formatFigure(now.publishes_per_second)}
        unit="/s"
        detail={`peak ${formatFigure(peak(samples, (m) => m.publishes_per_second))}/s`}
        history={history((m) => m.publishes_per_second)}
      />
    </dl>
  );
}

function peak(samples: readonly HostSample[], figure: Figure): number {
  return Math.max(0, ...column(samples, figure).map((value) => value ?? 0));
}

function Charts({ samples }: { samples: readonly HostSample[] }): ReactNode {
  const times = samples.map(({ time }) => time);
  const line = (label: string, color: string, figure: Figure): ChartSeries => ({
    label,
    color,
    values: column(samples, figure),
  });
  return (
    <div className="time-charts">
      <TimeChart
        title="CPU and memory"
        times={times}
        max={100}
        format={formatPercent}
        series={[
          line('CPU', '--series-1', (m) => m.cpu_percent),
          line('Memory', '--series-2', (m) => m.memory_percent),
        ]}
      />
      <TimeChart
        title="Event-loop delay"
        times={times}
        format={formatMs}
        series={[
          line('p99', '--series-1', (m) => m.event_loop_delay_ms.p99),
          line('Median', '--series-2', (m) => m.event_loop_delay_ms.p50),
        ]}
      />
      <TimeChart
        title="Throughput a second"
        times={times}
        format={formatFigure}
        series={[
          line('Deliveries', '--series-1', (m) => m.deliveries_per_second),
          line('Publishes', '--series-2', (m) => m.publishes_per_second),
        ]}
      />
      <TimeChart
        title="Connections"
        times={times}
        format={formatFigure}
        series={[
          line('Connections', '--series-1', (m) => m.connections),
          line('Subscriptions', '--series-2', (m) => m.subscriptions),
        ]}
      />
    </div>
  );
}

function ServerFacts({ now }: { now: HostMetrics }): ReactNode {
  const facts: readonly (readonly [string, string])[] = [
    ['Server up', formatDuration(now.process.uptime_s * 1000)],
    ['Server CPU', formatPercent(now.process.cpu_percent)],
    ['Resident memory', formatBytes(now.process.rss)],
    ['Heap', formatBytes(now.process.heap_used)],
    ['Load 1, 5, 15 min', [now.load_1m, now.load_5m, now.load_15m].map(formatFigure).join(' · ')],
  ];
  return (
    <dl className="facts card figures">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
