import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import { countQueues, countSessions } from '../../services/statistics.ts';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';

const Count = (description: string) => Type.Integer({ minimum: 0, description });

const Rate = (description: string) => Type.Number({ minimum: 0, description });
/** Figures of the whole node, which only its operator is told. */
const Node = <Shape extends Type.TSchema>(shape: Shape) => Type.Optional(shape);

const Latency = Type.Object(
  {
    count: Count('Flushes that were observed.'),
    p50: Rate('Median.'),
    p95: Rate('95th percentile.'),
    p99: Rate('99th percentile.'),
    max: Rate('The slowest.'),
    unit: Type.Literal('ms'),
  },
  {
    description:
      'How long after it was stored an event had been written to every session, in the last one to two minutes; observed of one event a flush.',
  },
);

const Compression = Type.Object(
  {
    messages: Count('Messages that were compressed, each once, however many sessions got it.'),
    raw_bytes: Count('Their bytes before.'),
    compressed_bytes: Count('Their bytes after.'),
    saved_bytes: Count('Bytes that were not sent, over all sessions.'),
  },
  { description: 'What compression did.' },
);

const Metrics = Type.Object(
  {
    subscriptions: Count('Subscriptions now.'),
    avg_queue_depth: Rate('Events that slow sessions have yet to get, divided by all connections counted.'),
    event_history_size: Count('Events that the log keeps; counted at most every five seconds.'),
    messages_sent: Node(Count('Events written to sessions, live and replayed.')),
    messages_received: Node(Count('Messages from sessions.')),
    bytes_sent: Node(Count('Written to sessions: compressed, with frames, without TLS.')),
    bytes_received: Node(Count('The same of what sessions sent.')),
    error_count: Node(Count('Errors that somebody was answered with, at any door.')),
    errors_by_code: Node(Type.Record(Type.String(), Type.Integer(), { description: 'The same, by code.' })),
    dropped_events: Node(Count('Events that slow sessions were not given, by their policy.')),
    by_type: Node(
      Type.Record(Type.String(), Type.Integer(), {
        description: 'Events stored, by name: of 256 names, and `other`.',
      }),
    ),
    refused_by_type: Node(
      Type.Record(Type.String(), Type.Integer(), {
        description: 'Events refused because of the catalog (`bad-data`, `unknown-event`), in the same way.',
      }),
    ),
    latency: Node(Latency),
    published: Node(Count('Events stored.')),
    replayed: Node(Count('Events written to sessions from the log.')),
    lags: Node(Count('How often a session fell behind.')),
    recoveries: Node(Count('Subscriptions that asked for history and got all of it.')),
    recovered_events: Node(Count('Events that they were promised.')),
    failed_recoveries: Node(Count('Those that could not be given all.')),
    reconnection_rate: Node(
      Rate(
        'Share (0–1) of the sessions opened in the last 5 minutes that went on from a position or cursor.',
      ),
    ),
    disconnects_by_code: Node(
      Type.Record(Type.String(), Type.Integer(), {
        description: 'Ended connections by close number; `other` are numbers of clients’ own.',
      }),
    ),
    compression: Node(Compression),
  },
  { description: 'Counts are since the node’s start. Beyond the first three only the operator is told.' },
);

const StatsFields = {
  connections: Type.Object({
    active_connections: Count('Now: of the token’s entity, or of the whole node for the operator.'),
    max_connections: Count('How many this node takes.'),
    total_created: Node(Count('Since the start; only for the operator.')),
    peak_connections: Node(Count('The most at once since the start; only for the operator.')),
    refused: Node(Count('Turned away at a limit; only for the operator.')),
  }),
  metrics: Metrics,
  rate_limit_violations: Node(Count('Messages refused because they came too fast; only for the operator.')),
  backpressure_clients: Count('Connections, of those counted, that read slower than events come.'),
  timestamp: Type.String({ description: 'When this was counted, ISO 8601.' }),
};

const StatsShape = Type.Object(StatsFields, { description: 'The figures.' });
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
  response: { 200: StatsShape, ...guardedAnswers('unavailable') },
} as const;

const Percent = Type.Number({ minimum: 0 });

const SystemShape = Type.Object(
  {
    ...StatsFields,
    host: Node(
      Type.Object(
        {
          cpu_percent: Percent,
          cpu_count: Type.Integer(),
          memory_total: Type.Integer(),
          memory_used: Type.Integer(),
          memory_percent: Percent,
          load_1m: Type.Number(),
          load_5m: Type.Number(),
          load_15m: Type.Number(),
        },
        { description: 'The machine: bytes, and percent of all its cores. Only for the operator.' },
      ),
    ),
    process: Node(
      Type.Object(
        {
          rss: Type.Integer(),
          heap_used: Type.Integer(),
          cpu_percent: Type.Number(),
          uptime_s: Type.Integer(),
          event_loop_delay_ms: Type.Object({ p50: Type.Number(), p99: Type.Number(), max: Type.Number() }),
        },
        {
          description:
            'This process: bytes, and percent of one core. Rates are of the time since somebody last asked, at least a second. Only for the operator.',
        },
      ),
    ),
  },
  { description: 'The figures.' },
);
type System = Type.Static<typeof SystemShape>;

const SystemSchema = {
  ...SECURED,
  operationId: 'readSystemMetrics',
  tags: ['Operations'],
  summary: 'Read live figures, with those of the machine',
  description: 'As `/api/v1/realtime/stats`; the operator is told of process and machine as well.',
  response: { 200: SystemShape, ...guardedAnswers('unavailable') },
} as const;

const QueueShape = Type.Object(
  {
    queue_depth: Count('Events that slow sessions have yet to get, as far as is known.'),
    avg_queue_depth: Rate('The same, divided by all sessions.'),
    inbox_pending: Count(
      'Events that consumers have yet to acknowledge, of those that are read at this node.',
    ),
    slow_sessions: Count('Sessions that read slower than events come.'),
    lags: Node(Count('How often a session fell behind; only for the operator.')),
    dropped_events: Node(
      Count('Events that slow sessions were not given, by their policy; only for the operator.'),
    ),
    slow_disconnects: Node(Count('Sessions ended because they read too slowly; only for the operator.')),
    timestamp: Type.String({ description: 'When this was counted, ISO 8601.' }),
  },
  { description: 'The figures.' },
);
type QueueStats = Type.Static<typeof QueueShape>;

const QueueSchema = {
  ...SECURED,
  operationId: 'readQueueStats',
  tags: ['Operations'],
  summary: 'See what waits for slow sessions',
  description: 'Of this node: for sessions of the token’s entity, or of all entities for the operator.',
  response: { 200: QueueShape, ...guardedAnswers() },
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

export function addStatsRoutes(
  router: HttpRouter,
  guard: Guard,
  { operatorEntity, statistics }: HttpContext,
): void {
  /** Whose figures somebody may see: `undefined` are the whole node's. */
  const entityFor = ({ entityId, permissions }: Identity): string | undefined =>
    permissions.mayAdminister && entityId === operatorEntity ? undefined : entityId;

  const readStats = async (entity: string | undefined): Promise<Stats> => ({
    ...(entity === undefined ? await statistics.ofNode() : await statistics.ofEntity(entity)),
    timestamp: statistics.timestamp,
  });

  router.get('/api/v1/realtime/stats', { ...guard, schema: StatsSchema }, async (request) =>
    readStats(entityFor(identityOf(request))),
  );

  router.get(
    '/api/v1/system/metrics',
    { ...guard, schema: SystemSchema },
    async (request): Promise<System> => {
      const entity = entityFor(identityOf(request));
      const stats = await readStats(entity);
      if (entity !== undefined) return stats;
      const { machine, process, event_loop_delay_ms } = statistics.sources.host.read().measured;
      return { ...stats, host: machine, process: { ...process, event_loop_delay_ms } };
    },
  );

  router.get('/api/v1/ws/stats', { ...guard, schema: WsStatsSchema }, async (request): Promise<WsStats> => {
    const entity = entityFor(identityOf(request));
    const sessions = statistics.sessions(entity);
    const { created, peak } = statistics.sources.connections.counters;
    return {
      active_connections: sessions.length,
      ...countSessions(sessions),
      ...(entity === undefined && { total_connections: created, peak_concurrent: peak }),
      timestamp: statistics.timestamp,
    };
  });

  router.get(
    '/api/v1/ws/message-queue/stats',
    { ...guard, schema: QueueSchema },
    async (request): Promise<QueueStats> => {
      const entity = entityFor(identityOf(request));
      const { lags, dropped, slowEnded } = statistics.sources.hub.counters;
      return {
        ...countQueues(statistics.sessions(entity)),
        inbox_pending: statistics.sources.inbox.pending(entity),
        ...(entity === undefined && { lags, dropped_events: dropped, slow_disconnects: slowEnded }),
        timestamp: statistics.timestamp,
      };
    },
  );
}
