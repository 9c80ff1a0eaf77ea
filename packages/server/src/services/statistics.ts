import { quantileOf } from '../metrics/histogram.ts';
import type { Session } from '../session/session.ts';
import type { DoorName } from '../session/session-options.ts';
import type { FigureSources } from './figure-sources.ts';
import { round } from './host-figures.ts';

/** Names and units are those of the HTTP API. */

/** How long something took, of what was observed in the last one to two minutes. */
export interface LatencyFigures {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly unit: 'ms';
}

export interface SessionCount {
  readonly active_sessions: number;
  readonly active_users: number;
  readonly by_door: Record<DoorName, number>;
}

export interface QueueCount {
  /** Events that slow sessions have yet to get. */
  readonly queue_depth: number;
  /** The same, by session. */
  readonly avg_queue_depth: number;
  readonly slow_sessions: number;
}

/** The server's figures as clients see them: of one entity, or of the whole node, which only its operator may see. */
export class Statistics {
  readonly sources: FigureSources;

  constructor(sources: FigureSources) {
    this.sources = sources;
  }

  /** When figures are counted that are counted now, ISO 8601. */
  get timestamp(): string {
    return new Date(this.sources.clock.now()).toISOString();
  }

  /** The sessions of an entity, or all. */
  sessions(entityId?: string): readonly Session[] {
    const { connections } = this.sources;
    return entityId === undefined ? connections.all() : connections.of(entityId);
  }

  async ofEntity(entityId: string) {
    const { connections, census } = this.sources;
    const own = this.sessions(entityId);
    const { events } = await census.of(entityId);
    const { avg_queue_depth, slow_sessions } = countQueues(own);
    return {
      connections: { active_connections: own.length, max_connections: connections.max },
      metrics: {
        avg_queue_depth,
        event_history_size: events,
        subscriptions: own.reduce((sum, { subscriptions }) => sum + subscriptions.length, 0),
      },
      backpressure_clients: slow_sessions,
    };
  }

  async ofNode() {
    const { connections, violations } = this.sources;
    const { created, peak, refused } = connections.counters;
    const queues = countQueues(this.sessions());
    return {
      connections: {
        active_connections: connections.size,
        total_created: created,
        max_connections: connections.max,
        peak_connections: peak,
        refused,
      },
      metrics: { ...(await this.#nodeMetrics()), avg_queue_depth: queues.avg_queue_depth },
      rate_limit_violations: violations.counters['rate-limited'],
      backpressure_clients: queues.slow_sessions,
    };
  }

  async #nodeMetrics() {
    const { hub, publisher, checks, connections, counters, traffic, census } = this.sources;
    const { deliveries, replayed, dropped, subscriptions, lags } = hub.counters;
    const { recoveries, recoveredEvents, failedRecoveries } = hub.counters;
    const { events } = await census.total();
    return {
      messages_sent: deliveries + replayed,
      messages_received: counters.messagesReceived,
      bytes_sent: traffic.bytesSent,
      bytes_received: traffic.bytesReceived,
      error_count: counters.errors.total,
      event_history_size: events,
      dropped_events: dropped,
      by_type: Object.fromEntries(publisher.byName.entries()),
      refused_by_type: Object.fromEntries(checks.refusedByName.entries()),
      latency: this.#latency(),
      published: publisher.counters.published,
      replayed,
      subscriptions,
      lags,
      recoveries,
      recovered_events: recoveredEvents,
      failed_recoveries: failedRecoveries,
      reconnection_rate: round(counters.reconnectionRate),
      disconnects_by_code: Object.fromEntries(connections.counters.closedByCode),
      errors_by_code: Object.fromEntries(counters.errors.entries()),
      compression: this.#compression(),
    };
  }

  #latency(): LatencyFigures {
    const reading = this.sources.hub.flusher.latency.readRecent();
    const quantile = (share: number): number => round(quantileOf(reading, share));
    const { count, max } = reading;
    return {
      count,
      p50: quantile(0.5),
      p95: quantile(0.95),
      p99: quantile(0.99),
      max: round(max),
      unit: 'ms',
    };
  }

  #compression() {
    const { compression, hub } = this.sources;
    return {
      messages: compression.compressedMessages,
      raw_bytes: compression.rawBytes,
      compressed_bytes: compression.compressedBytes,
      saved_bytes: hub.counters.savedBytes,
    };
  }
}

export function countSessions(sessions: readonly Session[]): SessionCount {
  const users = new Map<string, Set<string>>();
  const by_door: Record<DoorName, number> = { websocket: 0, bare: 0, sse: 0 };
  let active_sessions = 0;
  for (const { identity, door } of sessions) {
    if (identity === undefined) continue;
    active_sessions++;
    by_door[door]++;
    const ofEntity = users.get(identity.entityId) ?? new Set();
    users.set(identity.entityId, ofEntity.add(identity.userId));
  }
  let active_users = 0;
  for (const { size } of users.values()) active_users += size;
  return { active_sessions, active_users, by_door };
}

export function countQueues(sessions: readonly Session[]): QueueCount {
  let queue_depth = 0;
  let slow_sessions = 0;
  for (const session of sessions) {
    if (session.state !== 'lagging') continue;
    slow_sessions++;
    queue_depth += session.behind;
  }
  const avg_queue_depth = sessions.length === 0 ? 0 : round(queue_depth / sessions.length);
  return { queue_depth, avg_queue_depth, slow_sessions };
}
