import { MillraceError } from '@millrace/protocol';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Analytics } from '../../analytics/analytics.ts';
import { administratorOf, type Guard } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Rate = (description: string) => Type.Number({ minimum: 0, description });
const Time = (description: string) => Type.String({ description: `${description}, ISO 8601.` });
/** Figures of the whole node, which only its operator is told. */
const Node = <Shape extends Type.TSchema>(shape: Shape) => Type.Optional(shape);
const Counts = (description: string) => Type.Record(Type.String(), Type.Integer(), { description });

const Stretches = (description: string) =>
  Type.Array(
    Type.Object({
      from: Time('When it began'),
      to: Type.Optional(Time('When it was over; missing while it goes on')),
      minutes: Count('How long it lasted.'),
      count: Count('What happened meanwhile.'),
      times_usual: Rate('How many times as much as in a usual minute, the median of those with any.'),
    }),
    { description: `${description} Of the last three hours, to the minute; the newest 20, oldest first.` },
  );

const Durations = (description: string) =>
  Type.Object(
    {
      count: Count('What was observed.'),
      p50: Rate('Median.'),
      p95: Rate('95th percentile.'),
      p99: Rate('99th percentile.'),
      max: Rate('The slowest.'),
      unit: Type.Literal('ms'),
      distribution: Type.Array(
        Type.Object({
          up_to_ms: Type.Optional(Rate('The bound, included; without it: everything slower.')),
          count: Count('How many were between the bound before and this one.'),
        }),
        { description: 'How many took how long.' },
      ),
    },
    { description },
  );

const ConnectionFigures = Type.Object(
  {
    total_connections: Count('Sessions that began.'),
    connection_duration_avg: Rate('How long those lasted that have ended, in seconds, on average.'),
    reconnection_rate: Rate(
      'Share (0–1) of the sessions of the last 24 hours that went on from a position or cursor.',
    ),
    message_throughput: Rate('Events stored a second, in the last five minutes.'),
    peak_concurrent_users: Count('The most users that were there at once.'),
    active_users: Count('Users now.'),
    active_sessions: Count('Sessions now.'),
    session_duration_distribution: Type.Object(
      {
        under_10s: Count('Sessions that lasted up to 10 seconds.'),
        under_1m: Count('Longer, up to a minute.'),
        under_5m: Count('Longer, up to 5 minutes.'),
        under_15m: Count('Longer, up to 15 minutes.'),
        under_1h: Count('Longer, up to an hour.'),
        under_4h: Count('Longer, up to 4 hours.'),
        longer: Count('All others.'),
        p50_seconds: Rate('Median.'),
        p95_seconds: Rate('95th percentile.'),
        p99_seconds: Rate('99th percentile.'),
        max_seconds: Rate('The longest.'),
      },
      { description: 'How long sessions lasted that have ended.' },
    ),
    interaction_frequency: Rate('Messages that a client sends in a minute of its session, on average.'),
    feature_usage: Type.Object(
      {
        doors: Counts('Sessions by the door they came through.'),
        events: Counts('Events stored, by name: the 20 most frequent.'),
        topics: Type.Array(
          Type.Object({
            topic: Type.String({ description: 'A topic, or a pattern that was subscribed to.' }),
            published: Count('Events stored in it.'),
            sessions: Count('Sessions that were subscribed to it at their end.'),
          }),
          {
            description:
              'What is published and read most, most first. Private namespaces are counted as one.',
          },
        ),
      },
      { description: 'What is used. Counts of what is rare may be too low.' },
    ),
    failed_connections: Node(
      Type.Object(
        {
          total: Count('All of them.'),
          by_code: Counts('By the code they were refused with, or the number they were closed with.'),
        },
        { description: 'Connections that did not become sessions; only for the operator.' },
      ),
    ),
    patterns: Type.Object(
      {
        peak_hours: Type.Array(
          Type.Object({
            hour: Type.Integer({ minimum: 0, maximum: 23, description: 'Of the day, UTC.' }),
            users: Rate('The most users at once in it.'),
            connections: Rate('Sessions that began in it.'),
          }),
          {
            description:
              'The three hours of the day with the most users, on average over the last seven days.',
          },
        ),
        flapping: Type.Array(
          Type.Object({
            user_id: Type.String({ description: 'Who; for the operator `<entity>/<user>`.' }),
            sessions: Count('Such sessions, since it began.'),
            last_at: Time('When the newest ended'),
          }),
          {
            description:
              'Users whose sessions ended within 30 seconds five times in five minutes; of the last 24 hours, the 20 worst.',
          },
        ),
      },
      { description: 'What stands out.' },
    ),
    since: Time('What is counted since'),
    timestamp: Time('When this was counted'),
  },
  { description: 'The figures.' },
);
type ConnectionFigures = Type.Static<typeof ConnectionFigures>;

const PerformanceFigures = Type.Object(
  {
    message_latency: Node(
      Durations(
        'How long after it was stored an event had been written to every session, in the last one to two minutes; only for the operator.',
      ),
    ),
    connection_time: Durations('From the connection to a valid token.'),
    message_throughput: Rate('Events stored a second, in the last five minutes.'),
    memory_usage: Node(
      Type.Object(
        {
          rss: Count('Of this process, bytes.'),
          heap_used: Count('Bytes.'),
          peak_rss: Count('The most of the last 24 hours, sampled once a minute.'),
          host_percent: Rate('Of the machine’s memory, how much is used.'),
        },
        { description: 'Only for the operator.' },
      ),
    ),
    cpu_usage: Node(
      Type.Object(
        {
          process_percent: Rate('Of one core.'),
          peak_process_percent: Rate('The most of the last 24 hours, in a minute.'),
          host_percent: Rate('Of all cores of the machine.'),
        },
        { description: 'Only for the operator.' },
      ),
    ),
    network_throughput: Node(
      Type.Object(
        {
          sent_per_second: Count('Bytes, to sessions.'),
          received_per_second: Count('Bytes, from sessions.'),
          peak_sent_per_second: Count('The most of the last 24 hours, in a minute.'),
          peak_received_per_second: Count('The same of what came.'),
        },
        { description: 'Only for the operator.' },
      ),
    ),
    patterns: Type.Object(
      {
        bursts: Stretches('Minutes with at least 60 events, and at least four times as many as usual.'),
        silences: Stretches('Two minutes and more without an event, after ten of which five had some.'),
        error_cascades: Stretches(
          'Minutes in which sessions were answered with at least ten errors, and at least four times as many as usual.',
        ),
      },
      { description: 'What stands out.' },
    ),
    since: Time('What is counted since'),
    timestamp: Time('When this was counted'),
  },
  { description: 'The figures.' },
);
type PerformanceFigures = Type.Static<typeof PerformanceFigures>;

const SCOPE = [
  'Of this node and the token’s entity; an `admin` of the entity `default`, who is the operator, is told of all entities together.',
  'Counts go on after a restart: a server that is stopped loses none, one that is killed what came in its last five minutes.',
  'Needs the role `admin`.',
].join('\n');

const ConnectionsSchema = {
  ...SECURED,
  operationId: 'readConnectionAnalytics',
  tags: ['Analytics'],
  summary: 'See how people connect and what they use',
  description: SCOPE,
  response: { 200: ConnectionFigures, ...guardedAnswers('forbidden', 'not-supported') },
} as const;

const PerformanceSchema = {
  ...SECURED,
  operationId: 'readPerformanceAnalytics',
  tags: ['Analytics'],
  summary: 'See how fast and how evenly it goes',
  description: SCOPE,
  response: { 200: PerformanceFigures, ...guardedAnswers('forbidden', 'not-supported') },
} as const;

export function addAnalyticsRoutes(
  router: HttpRouter,
  guard: Guard,
  { analytics, operatorEntity }: HttpContext,
): void {
  /** What an administrator may see: without an entity it is the whole node. */
  const sightOf = (request: FastifyRequest): { analytics: Analytics; entity: string | undefined } => {
    const { entityId } = administratorOf(request);
    if (analytics === undefined) {
      throw new MillraceError(
        'not-supported',
        'this server is configured without analytics (analytics.enabled)',
      );
    }
    return { analytics, entity: entityId === operatorEntity ? undefined : entityId };
  };

  router.get(
    '/api/v1/analytics/connections',
    { ...guard, schema: ConnectionsSchema },
    async (request): Promise<ConnectionFigures> => {
      const { analytics, entity } = sightOf(request);
      return { ...analytics.connections(entity), timestamp: analytics.timestamp };
    },
  );

  router.get(
    '/api/v1/analytics/performance',
    { ...guard, schema: PerformanceSchema },
    async (request): Promise<PerformanceFigures> => {
      const { analytics, entity } = sightOf(request);
      return { ...analytics.performance(entity), timestamp: analytics.timestamp };
    },
  );
}
