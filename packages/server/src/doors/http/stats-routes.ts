import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import type { Connections } from '../../session/connections.ts';
import type { DoorName, Session } from '../../session/session.ts';
import type { SessionHost } from '../../session/session-host.ts';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';

const Count = (description: string) => Type.Integer({ minimum: 0, description });

const NodeMetrics = Type.Object(
  {
    messages_sent: Count('Events written to sessions, live and replayed.'),
    published: Count('Events stored.'),
    error_count: Count('Publications that were refused or failed.'),
    replayed: Count('Events written to sessions from the log.'),
    subscriptions: Count('Subscriptions now.'),
    lags: Count('How often a session fell behind.'),
    recoveries: Count('Resumptions that brought everything.'),
    failed_recoveries: Count('Resumptions that could not.'),
    disconnects_by_code: Type.Record(Type.String(), Type.Integer(), {
      description: 'Ended connections by close number.',
    }),
  },
  { description: 'Of the whole node since its start; only for the operator.' },
);

const StatsShape = Type.Object(
  {
    connections: Type.Object({
      active_connections: Count('Now: of the token’s entity, or of the whole node for the operator.'),
      max_connections: Count('How many this node takes.'),
      total_created: Type.Optional(Count('Since the start; only for the operator.')),
      peak_connections: Type.Optional(Count('The most at once since the start; only for the operator.')),
      refused: Type.Optional(Count('Turned away at the limit; only for the operator.')),
    }),
    backpressure_clients: Count(
      'Connections, of those counted, that are served from the log because they read slowly.',
    ),
    metrics: Type.Optional(NodeMetrics),
    timestamp: Type.String({ description: 'When this was counted, ISO 8601.' }),
  },
  { description: 'The figures.' },
);
type Stats = Type.Static<typeof StatsShape>;

const StatsSchema = {
  ...SECURED,
  operationId: 'readStats',
  tags: ['Operations'],
  summary: 'Read live figures',
  description: [
    'Figures of this node. Everyone sees those of their own entity. The whole node’s, which sum over all entities, are',
    'for its operator: an `admin` of the entity `default`.',
  ].join('\n'),
  response: { 200: StatsShape, ...guardedAnswers() },
} as const;

const WsStatsShape = Type.Object(
  {
    active_connections: Count('Now; those that are not authenticated yet count for the operator alone.'),
    active_sessions: Count('Authenticated connections now.'),
    active_users: Count('Users with at least one session.'),
    by_door: Type.Record(Type.String(), Type.Integer(), {
      description: 'Sessions by the door they came through.',
    }),
    total_connections: Type.Optional(Count('Since the start; only for the operator.')),
    peak_concurrent: Type.Optional(Count('The most at once since the start; only for the operator.')),
    timestamp: Type.String({ description: 'When this was counted, ISO 8601.' }),
  },
  { description: 'The figures.' },
);
type WsStats = Type.Static<typeof WsStatsShape>;

const WsStatsSchema = {
  ...SECURED,
  operationId: 'readSessionStats',
  tags: ['Operations'],
  summary: 'Count sessions and users',
  description: 'Of this node: those of the token’s entity, or of all entities for the operator.',
  response: { 200: WsStatsShape, ...guardedAnswers() },
} as const;

export function addStatsRoutes(router: HttpRouter, guard: Guard, context: HttpContext): void {
  const { sessions, connections } = context.doorway;
  router.get('/api/v1/realtime/stats', { ...guard, schema: StatsSchema }, async (request): Promise<Stats> => {
    const identity = identityOf(request);
    return {
      ...(isOperator(identity, context)
        ? nodeStats(connections, sessions)
        : entityStats(connections, identity.entityId)),
      timestamp: new Date(sessions.clock.now()).toISOString(),
    };
  });

  router.get('/api/v1/ws/stats', { ...guard, schema: WsStatsSchema }, async (request): Promise<WsStats> => {
    const identity = identityOf(request);
    const timestamp = new Date(sessions.clock.now()).toISOString();
    if (!isOperator(identity, context)) {
      const own = connections.of(identity.entityId);
      return { active_connections: own.length, ...countSessions(own), timestamp };
    }
    return {
      active_connections: connections.size,
      ...countSessions(connections.all()),
      total_connections: connections.counters.created,
      peak_concurrent: connections.counters.peak,
      timestamp,
    };
  });
}

function isOperator({ entityId, permissions }: Identity, { operatorEntity }: HttpContext): boolean {
  return permissions.mayAdminister && entityId === operatorEntity;
}

function countSessions(
  sessions: readonly Session[],
): Pick<WsStats, 'active_sessions' | 'active_users' | 'by_door'> {
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

function entityStats(connections: Connections, entityId: string): Omit<Stats, 'timestamp'> {
  const own = connections.list(entityId);
  return {
    connections: { active_connections: own.length, max_connections: connections.max },
    backpressure_clients: own.filter(({ state }) => state === 'lagging').length,
  };
}

function nodeStats(connections: Connections, { hub, publisher }: SessionHost): Omit<Stats, 'timestamp'> {
  const { created, peak, refused, closedByCode } = connections.counters;
  const { deliveries, replayed, subscriptions, lags, recoveries, failedRecoveries } = hub.counters;
  return {
    connections: {
      active_connections: connections.size,
      max_connections: connections.max,
      total_created: created,
      peak_connections: peak,
      refused,
    },
    backpressure_clients: connections.all().filter(({ state }) => state === 'lagging').length,
    metrics: {
      messages_sent: deliveries + replayed,
      published: publisher.counters.published,
      error_count: publisher.counters.failed,
      replayed,
      subscriptions,
      lags,
      recoveries,
      failed_recoveries: failedRecoveries,
      disconnects_by_code: Object.fromEntries(closedByCode),
    },
  };
}
