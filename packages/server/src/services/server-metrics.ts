import type { FigureSources } from './figure-sources.ts';
import { counter, gauge, type Metric, type Reading } from './prometheus.ts';
import { countQueues, countSessions } from './statistics.ts';

/*
 * Every metric of `/metrics`. Labels have few values, known beforehand: doors, codes, outcomes; never a user, an entity,
 * a topic or an event's name.
 */

/** Milliseconds in seconds, which Prometheus counts in. */
const MS = 1 / 1000;

export function serverMetrics(sources: FigureSources, { version }: { readonly version: string }): Metric[] {
  return [
    gauge('millrace_server_info', 'Always 1; the label is the version.', () => [[version, 1]], 'version'),
    counter(
      'millrace_server_failures_total',
      'Failures of the server itself, which its log has.',
      () => sources.counters.failures,
    ),
    ...connectionMetrics(sources),
    ...doorMetrics(sources),
    ...hubMetrics(sources),
    ...logMetrics(sources),
    ...limitMetrics(sources),
    ...viewMetrics(sources),
    ...llmMetrics(sources),
    ...processMetrics(sources),
    ...aliases(sources),
  ];
}

function connectionMetrics({ connections, counters, sessionLife }: FigureSources): Metric[] {
  const { counters: counted } = connections;
  return [
    gauge(
      'millrace_connections_active',
      'Authenticated sessions by door.',
      () => Object.entries(countSessions(connections.all()).by_door),
      'door',
    ),
    gauge(
      'millrace_connections_open',
      'Connections, those that are not authenticated yet included.',
      () => connections.size,
    ),
    gauge('millrace_connections_max', 'Connections that this node takes.', () => connections.max),
    gauge('millrace_connections_peak', 'The most connections at once since the start.', () => counted.peak),
    counter('millrace_connections_opened_total', 'Connections opened.', () => counted.created),
    counter(
      'millrace_connections_refused_total',
      'Connections turned away at a limit.',
      () => counted.refused,
    ),
    counter(
      'millrace_connections_closed_total',
      'Connections that ended, by close number; `other` are numbers of clients’ own.',
      () => [...counted.closedByCode].map(([code, count]) => [String(code), count] as const),
      'code',
    ),
    counter('millrace_sessions_opened_total', 'Sessions that were authenticated.', () => counters.opened),
    counter(
      'millrace_sessions_resumed_total',
      'Sessions that went on from a position or cursor.',
      () => counters.resumed,
    ),
    gauge(
      'millrace_sessions_reconnection_ratio',
      'Share (0-1) of the sessions opened in the last 5 minutes that resumed.',
      () => counters.reconnectionRate,
    ),
    counter(
      'millrace_sessions_messages_received_total',
      'Messages from sessions, whatever became of them.',
      () => counters.messagesReceived,
    ),
    counter(
      'millrace_sessions_life_dropped_events_total',
      'Events of sessions that came or went which were left out, because the log was too slow for them or refused them.',
      () => sessionLife.dropped,
    ),
  ];
}

function doorMetrics({ counters, traffic, compression, hub }: FigureSources): Metric[] {
  return [
    counter(
      'millrace_doors_errors_total',
      'Errors that somebody was answered with, at any door, by code.',
      () => counters.errors.entries(),
      'code',
    ),
    counter(
      'millrace_http_answers_total',
      'HTTP answers by status.',
      () => counters.httpAnswers.entries(),
      'status',
    ),
    counter(
      'millrace_traffic_sent_bytes_total',
      'Bytes written to sessions, as on the wire, without TLS.',
      () => traffic.bytesSent,
    ),
    counter(
      'millrace_traffic_received_bytes_total',
      'Bytes received from sessions, as on the wire, without TLS.',
      () => traffic.bytesReceived,
    ),
    counter(
      'millrace_compression_messages_total',
      'Messages that were compressed, each once.',
      () => compression.compressedMessages,
    ),
    counter(
      'millrace_compression_raw_bytes_total',
      'Bytes of these messages before.',
      () => compression.rawBytes,
    ),
    counter(
      'millrace_compression_compressed_bytes_total',
      'Bytes of these messages after.',
      () => compression.compressedBytes,
    ),
    counter(
      'millrace_compression_saved_bytes_total',
      'Bytes that were not sent because of compression, over all sessions.',
      () => hub.counters.savedBytes,
    ),
  ];
}

function hubMetrics({ hub, connections }: FigureSources): Metric[] {
  const { counters, flusher } = hub;
  return [
    gauge('millrace_hub_subscriptions', 'Subscriptions now.', () => counters.subscriptions),
    counter('millrace_hub_deliveries_total', 'Live events written to sessions.', () => counters.deliveries),
    counter(
      'millrace_hub_replayed_events_total',
      'Events of the log written to sessions.',
      () => counters.replayed,
    ),
    counter(
      'millrace_hub_recoveries_total',
      'Subscriptions that asked for history, by whether they could be given all of it.',
      () => [
        ['recovered', counters.recoveries],
        ['failed', counters.failedRecoveries],
      ],
      'outcome',
    ),
    counter(
      'millrace_hub_recovered_events_total',
      'Events that were replayed because a subscription asked for history.',
      () => counters.recoveredEvents,
    ),
    counter('millrace_hub_lags_total', 'How often a session fell behind.', () => counters.lags),
    counter(
      'millrace_hub_dropped_events_total',
      'Events that slow sessions were not given, by their policy.',
      () => counters.dropped,
    ),
    counter(
      'millrace_hub_slow_disconnects_total',
      'Sessions ended because they read too slowly.',
      () => counters.slowEnded,
    ),
    gauge(
      'millrace_hub_slow_sessions',
      'Sessions that read slower than events come.',
      () => countQueues(connections.all()).slow_sessions,
    ),
    gauge(
      'millrace_hub_queue_depth',
      'Events that slow sessions have yet to get.',
      () => countQueues(connections.all()).queue_depth,
    ),
    gauge('millrace_hub_recent_bytes', 'Memory for recent events.', () => hub.recent.bytes),
    {
      type: 'histogram',
      name: 'millrace_hub_flush_sessions',
      help: 'Sessions a flush.',
      histogram: flusher.sizes,
    },
    {
      type: 'histogram',
      name: 'millrace_hub_message_latency_seconds',
      help: 'From storing an event to having written it to every session, of one event a flush.',
      histogram: flusher.latency.total,
      scale: MS,
    },
  ];
}

function logMetrics({ publisher, checks, inbox, census, commitSizes }: FigureSources): Metric[] {
  // A log that cannot be read must not keep the other figures from being seen.
  const held = async (name: 'topics' | 'events' | 'bytes'): Promise<Reading | undefined> => {
    try {
      return (await census.total())[name];
    } catch {
      return undefined;
    }
  };
  const { counters } = publisher;
  return [
    counter(
      'millrace_publisher_events_total',
      'Publications by outcome; stored ones include those of the server itself.',
      () => [
        ['stored', counters.published],
        ['duplicate', counters.duplicates],
        ['refused', counters.refused],
        ['failed', counters.failed],
        ['unknown', counters.unknown],
      ],
      'outcome',
    ),
    counter(
      'millrace_catalog_faults_total',
      'Events that the catalog found fault with: their data breaks its schema, their name is unknown and was let through with a warning, or was refused.',
      () => [
        ['bad_data', checks.counters.badData],
        ['unknown_warned', checks.counters.warned],
        ['unknown_refused', checks.counters.unknown],
      ],
      'fault',
    ),
    {
      type: 'histogram',
      name: 'millrace_publisher_append_seconds',
      help: 'How long the log takes to store, of one call in 16.',
      histogram: publisher.appendLatency,
      scale: MS,
    },
    gauge(
      'millrace_inbox_pending',
      'Events that the consumers read at this node have yet to acknowledge.',
      () => inbox.pending(),
    ),
    counter(
      'millrace_inbox_acknowledgements_total',
      'Acknowledgements, each of any number of events.',
      () => inbox.counters.acknowledged,
    ),
    gauge('millrace_engine_topics', 'Topics in the log.', () => held('topics')),
    gauge('millrace_engine_events', 'Events that are kept.', () => held('events')),
    gauge('millrace_engine_data_chars', 'Length of their data as JSON, in UTF-16 code units.', () =>
      held('bytes'),
    ),
    {
      type: 'histogram',
      name: 'millrace_engine_commit_events',
      help: 'Events of a commit of the durable engine.',
      histogram: commitSizes,
    },
  ];
}

function limitMetrics({ violations, bans }: FigureSources): Metric[] {
  return [
    counter(
      'millrace_limits_violations_total',
      'Limits that were broken, by kind.',
      () => Object.entries(violations.counters),
      'kind',
    ),
    counter(
      'millrace_limits_bans_total',
      'Users and addresses that were banned.',
      () => bans.counters.banned,
    ),
    gauge('millrace_limits_banned', 'Users and addresses that are banned now.', () => bans.list().length),
  ];
}

function viewMetrics({ views }: FigureSources): Metric[] {
  const { counters } = views;
  return [
    counter(
      'millrace_views_snapshots_total',
      'Snapshots of topics that somebody was given.',
      () => counters.snapshots,
    ),
    counter('millrace_views_folded_events_total', 'Events that views folded.', () => counters.foldedEvents),
    counter(
      'millrace_views_stored_total',
      'States that were stored in the log.',
      () => counters.storedStates,
    ),
    counter(
      'millrace_views_failures_total',
      'Folds that a view ended: it threw, or gave no state that fits.',
      () => counters.failures,
    ),
    gauge('millrace_views_cached_topics', 'Topics whose state is in memory.', () => views.cachedTopics),
    gauge('millrace_views_cached_bytes', 'Memory that these take, roughly.', () => views.cacheBytes),
  ];
}

function llmMetrics({ llm }: FigureSources): Metric[] {
  return [
    gauge('millrace_llm_streams_open', 'Answers that are being given.', () => llm.open),
    counter('millrace_llm_streams_started_total', 'Answers that were begun.', () => llm.started),
    counter(
      'millrace_llm_streams_ended_total',
      'Answers that came to an end without a failure.',
      () => [
        ['complete', llm.complete],
        ['cancelled', llm.cancelled],
      ],
      'outcome',
    ),
    counter(
      'millrace_llm_errors_total',
      'Answers that failed, by kind.',
      () => Object.entries(llm.errors),
      'kind',
    ),
    counter('millrace_llm_refused_total', 'Requests turned away at a bound.', () => llm.refused),
    counter('millrace_llm_retries_total', 'Attempts after the first.', () => llm.retries),
    counter(
      'millrace_llm_sealed_total',
      'Answers of an earlier process that were brought to an end.',
      () => llm.sealed,
    ),
    counter('millrace_llm_tokens_total', 'Tokens that providers yielded.', () => llm.tokens),
    {
      type: 'histogram',
      name: 'millrace_llm_first_token_seconds',
      help: 'From asking a provider to its first token.',
      histogram: llm.firstToken,
      scale: MS,
    },
  ];
}

function processMetrics({ host }: FigureSources): Metric[] {
  const lag = (name: 'p50' | 'p99' | 'max') => () => host.read().reading.eventLoopDelayMs[name] * MS;
  return [
    counter(
      'millrace_process_cpu_seconds_total',
      'CPU time of all threads.',
      () => host.read().reading.processCpuMs * MS,
    ),
    gauge('millrace_process_resident_memory_bytes', 'Resident memory.', () => host.read().reading.rss),
    gauge('millrace_process_heap_used_bytes', 'JavaScript heap in use.', () => host.read().reading.heapUsed),
    gauge(
      'millrace_process_uptime_seconds',
      'Since the process started.',
      () => host.read().reading.uptimeSeconds,
    ),
    gauge(
      'millrace_process_event_loop_lag_p50_seconds',
      'How late timers fired since the last scrape, median.',
      lag('p50'),
    ),
    gauge('millrace_process_event_loop_lag_p99_seconds', 'The same, 99th percentile.', lag('p99')),
    gauge('millrace_process_event_loop_lag_max_seconds', 'The same, the worst.', lag('max')),
  ];
}

/** Names that dashboards elsewhere know. */
function aliases({ connections, counters, hub }: FigureSources): Metric[] {
  return [
    gauge('realtime_streaming_active_connections', 'Connections now.', () => connections.size),
    gauge(
      'realtime_streaming_reconnection_rate',
      'As millrace_sessions_reconnection_ratio.',
      () => counters.reconnectionRate,
    ),
    {
      type: 'histogram',
      name: 'realtime_streaming_message_latency_ms',
      help: 'As millrace_hub_message_latency_seconds, in ms.',
      histogram: hub.flusher.latency.total,
    },
  ];
}
