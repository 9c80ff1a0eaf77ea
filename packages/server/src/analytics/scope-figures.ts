import { type HistogramReading, quantileOf } from '../metrics/histogram.ts';
import { findPeaks, findSilences, type Minute, type Stretch } from './rhythm.ts';
import type { RhythmField, Scope } from './scope.ts';
import type { NamedCount } from './top-counts.ts';

/** What is open now, which nobody has to count. */
export interface OpenSessions {
  readonly count: number;
  /** Of all of them, until now. */
  readonly messages: number;
  readonly seconds: number;
}

/** Names and units are those of the HTTP API. */
export interface PeakHour {
  /** 0–23, UTC. */
  readonly hour: number;
  readonly users: number;
  readonly connections: number;
}

export interface TopicUsage {
  readonly topic: string;
  readonly published: number;
  readonly sessions: number;
}

/** How long something took, in ms. */
export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly unit: 'ms';
  /** How many took no longer than that, and longer than the one before; without a bound: longer than all. */
  readonly distribution: { readonly up_to_ms?: number; readonly count: number }[];
}

/** What is published, by name. */
export type Usage = Pick<Scope, 'topics' | 'events'>;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const THROUGHPUT_MS = 5 * MINUTE_MS;
const TOLD = 20;
const PEAK_HOURS = 3;

const BURST = { atLeast: 60, factor: 4 } as const;
const CASCADE = { atLeast: 10, factor: 4 } as const;

const round = (value: number, digits = 2): number => Math.round(value * 10 ** digits) / 10 ** digits;

export function quantilesOf(reading: HistogramReading): Quantiles {
  const quantile = (share: number): number => round(quantileOf(reading, share));
  const { bounds, counts } = reading;
  return {
    count: reading.count,
    p50: quantile(0.5),
    p95: quantile(0.95),
    p99: quantile(0.99),
    max: round(reading.max),
    unit: 'ms',
    distribution: counts.map((count, i) => ({
      ...(i < bounds.length && { up_to_ms: bounds[i] as number }),
      count,
    })),
  };
}

/** Events a second, of the last five minutes or since it began. */
export function throughputOf(scope: Scope, nowMs: number): number {
  const spanMs = Math.min(THROUGHPUT_MS, Math.max(MINUTE_MS, nowMs - scope.sinceMs));
  return round(scope.minutes.sum('published', nowMs, THROUGHPUT_MS) / (spanMs / 1000));
}

export function connectionFigures(scope: Scope, open: OpenSessions, usage: Usage, nowMs: number) {
  const { opened, messages, sessionSeconds, peakUsers } = scope.totals;
  const durations = scope.durations.read();
  const seconds = sessionSeconds + open.seconds;
  const openedToday = scope.hours.sum('opened', nowMs, DAY_MS);
  return {
    total_connections: opened,
    connection_duration_avg: durations.count === 0 ? 0 : round(durations.sum / durations.count),
    reconnection_rate:
      openedToday === 0 ? 0 : round(Math.min(1, scope.hours.sum('resumed', nowMs, DAY_MS) / openedToday), 4),
    message_throughput: throughputOf(scope, nowMs),
    peak_concurrent_users: peakUsers,
    active_users: scope.activeUsers,
    active_sessions: open.count,
    session_duration_distribution: distributionOf(durations),
    interaction_frequency: seconds === 0 ? 0 : round(((messages + open.messages) / seconds) * 60),
    feature_usage: {
      doors: Object.fromEntries(scope.doors.top()),
      events: Object.fromEntries(usage.events.top(TOLD)),
      topics: topicUsage(scope, usage),
    },
    failed_connections: {
      total: total(scope.failures.top()),
      by_code: Object.fromEntries(scope.failures.top()),
    },
    patterns: {
      peak_hours: peakHours(scope, nowMs),
      flapping: scope.flapping.read(nowMs),
    },
    since: new Date(scope.sinceMs).toISOString(),
  };
}

export function performanceFigures(scope: Scope, nowMs: number) {
  const minutesOf = (field: RhythmField): Minute[] =>
    scope.minutes.past(nowMs).map(({ atMs, values }) => ({ atMs, count: values[field] }));
  const published = minutesOf('published');
  return {
    connection_time: quantilesOf(scope.connecting.read()),
    message_throughput: throughputOf(scope, nowMs),
    patterns: {
      bursts: newest(findPeaks(published, BURST)),
      silences: newest(findSilences(published)),
      error_cascades: newest(findPeaks(minutesOf('errors'), CASCADE)),
    },
    since: new Date(scope.sinceMs).toISOString(),
  };
}

function distributionOf(durations: HistogramReading) {
  const [under_10s = 0, under_1m = 0, under_5m = 0, under_15m = 0, under_1h = 0, under_4h = 0, longer = 0] =
    durations.counts;
  const quantile = (share: number): number => round(quantileOf(durations, share));
  return {
    ...{ under_10s, under_1m, under_5m, under_15m, under_1h, under_4h, longer },
    ...{ p50_seconds: quantile(0.5), p95_seconds: quantile(0.95), p99_seconds: quantile(0.99) },
    max_seconds: round(durations.max),
  };
}

/** What is published most and what is subscribed to most, as one list. */
function topicUsage({ subscriptions }: Scope, { topics }: Usage): TopicUsage[] {
  const names = new Set([...topics.top(TOLD), ...subscriptions.top(TOLD)].map(([name]) => name));
  return [...names]
    .map((topic) => ({ topic, published: topics.get(topic), sessions: subscriptions.get(topic) }))
    .sort((a, b) => b.published + b.sessions - a.published - a.sessions);
}

/** The hours of the day with the most users at once, on average over the days that are known. */
function peakHours({ hours }: Scope, nowMs: number): PeakHour[] {
  const byHour = Array.from({ length: 24 }, () => ({ users: 0, connections: 0, days: 0 }));
  for (const { atMs, values } of hours.past(nowMs + HOUR_MS)) {
    const hour = byHour[new Date(atMs).getUTCHours()];
    if (hour === undefined) continue;
    hour.users += values.users;
    hour.connections += values.opened;
    hour.days++;
  }
  return byHour
    .map(({ users, connections, days }, hour) => ({
      hour,
      users: round(users / Math.max(1, days)),
      connections: round(connections / Math.max(1, days)),
    }))
    .filter(({ users }) => users > 0)
    .sort((a, b) => b.users - a.users || b.connections - a.connections)
    .slice(0, PEAK_HOURS);
}

function newest(stretches: readonly Stretch[]): Stretch[] {
  return stretches.slice(-TOLD);
}

function total(counts: readonly NamedCount[]): number {
  return counts.reduce((sum, [, count]) => sum + count, 0);
}
