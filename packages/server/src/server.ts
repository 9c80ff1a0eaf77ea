import { pino } from 'pino';
import { startAlerts } from './alerts-config.ts';
import { type Observation, startObservation } from './analytics-config.ts';
import { revokedToken } from './auth/auth-error.ts';
import { type Authenticator, createAuthenticator } from './auth/authenticator.ts';
import { DEFAULT_ENTITY } from './auth/identity.ts';
import { createOriginCheck, type OriginCheck } from './auth/origin-check.ts';
import { RevocationList } from './auth/revocation-list.ts';
import { authOptionsOf } from './auth-config.ts';
import { startBridge } from './bridge-config.ts';
import { type Clock, systemClock, systemTurns, type Turns } from './clock.ts';
import { type Config, namespacePolicies, resolveConfig } from './config.ts';
import { Compression } from './doors/compression.ts';
import type { Doorway } from './doors/doorway.ts';
import { createHttpApi } from './doors/http/http-api.ts';
import { createTraffic } from './doors/traffic.ts';
import { durationMs } from './duration.ts';
import type { Engine, HoldOf, Retention } from './engine/engine.ts';
import { createEnginePair } from './engine/engine-pair.ts';
import { createEventIds, randomBase36 } from './engine/event-id.ts';
import { createMemoryEngine } from './engine/memory-engine.ts';
import { createSqliteEngine } from './engine/sqlite-engine.ts';
import { createEventChecks } from './event-checks-config.ts';
import { catalogOf } from './families-config.ts';
import { createFigures } from './figures.ts';
import { startHostMetrics } from './host-metrics-config.ts';
import { Hub } from './hub/hub.ts';
import { InboxService } from './inbox/inbox-service.ts';
import { deliveryRules } from './inbox-config.ts';
import { createEnforcement } from './limits-config.ts';
import { createLlmService, llmProvidersOf } from './llm-config.ts';
import { startMetricSources } from './metric-sources-config.ts';
import { Histogram } from './metrics/histogram.ts';
import type { MillraceServer, ServerOptions } from './millrace-server.ts';
import { plainClients } from './plain-config.ts';
import { Policies } from './policy.ts';
import { startProcesses } from './processes-config.ts';
import { Audit } from './services/audit.ts';
import { COMMIT_SIZE_BOUNDS } from './services/figure-sources.ts';
import { announceShutdown } from './services/shutdown-notice.ts';
import { StorageWatch } from './services/storage-watch.ts';
import { TokenRevocations } from './services/token-revocations.ts';
import { type Mutable, Server } from './serving.ts';
import { ClientCounters } from './session/client-counters.ts';
import type { Connections } from './session/connections.ts';
import { Publisher } from './session/publisher.ts';
import type { SessionHost } from './session/session-host.ts';
import { TimingWheel } from './session/timing-wheel.ts';
import { VIEWS_ENTITY } from './views/stored-states.ts';
import { Views } from './views/views.ts';

/** Largest HTTP request: a batch of events, each of which has its own bound. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** Of this package; `package.json` has the same, which a test checks. */
const VERSION = '0.1.0';

/** Memory for recent events: some ten thousand of usual size, which a storm of resuming clients reads. */
const RECENT_BYTES = 16 * 1024 * 1024;

/** Memory for the states of topics that somebody asked for. */
const VIEW_BYTES = 32 * 1024 * 1024;

/** What may be revoked at a time: some 20 MB at most. */
const REVOCATION_BOUNDS = { perEntity: 10_000, inAll: 100_000 } as const;

/** Opens the log and makes a server that is ready to `listen` or `attach`. */
export async function createServer(options: ServerOptions = {}): Promise<MillraceServer> {
  const {
    cwd,
    engine: givenEngine,
    clock = systemClock,
    turns = systemTurns,
    dashboardDirectory,
    authenticate,
    llmProviders = {},
    ...input
  } = options;
  const { logger: givenLogger, ...configInput } = input;
  const config = resolveConfig(configInput, cwd);
  const logger = givenLogger ?? pino({ level: config.log.level }, pino.destination(2));
  const policies = new Policies(namespacePolicies(config), config.priorities);
  const counters = new ClientCounters(clock);
  const onError = (error: unknown, doing = 'serving'): void => {
    counters.failures++;
    logger.error({ err: error }, `failed while ${doing}`);
  };
  const revoked = new RevocationList(REVOCATION_BOUNDS);
  const authenticator = createAuthenticator({
    ...(await authOptionsOf(config, authenticate)),
    isRevoked: (identity) => revoked.covers(identity),
    onError,
    clock,
  });
  const allowsOrigin = originCheckOf(config);
  const providers = await llmProvidersOf(config, llmProviders, clock);
  // Last of what the configuration may make fail: an engine that was opened holds its data folder.
  const commitSizes = new Histogram(COMMIT_SIZE_BOUNDS);
  const onCommitSize = (events: number): void => commitSizes.observe(events);
  const engine =
    givenEngine ??
    (await openEngines(config, policies, {
      clock,
      turns,
      onError,
      onCommitSize,
      holdOf: (...topic) => views.holdOf(...topic),
    }));
  const { limits } = config;

  const catalog = catalogOf(config);
  const views: Views = new Views({
    engine,
    catalog,
    clock,
    turns,
    maxCacheBytes: VIEW_BYTES,
    feedOf: (entity) => hub.feed(entity),
    onError,
  });
  const hub: Hub = new Hub({
    engine,
    clock,
    turns,
    maxBytesInFlight: limits.maxInFlightBytes,
    maxRecentBytes: RECENT_BYTES,
    maxAgeMs: (topic) => policies.of(topic).retention.maxAgeMs,
    queueBounds: { maxEvents: limits.maxQueuedEvents, maxBytes: limits.maxQueuedBytes },
    deliveryOf: (topic) => policies.of(topic),
    snapshots: views,
    onError,
  });
  const checks = createEventChecks({ catalog, policies, logger });
  let observation: Observation | undefined;
  const publisher = new Publisher({
    engine,
    clock,
    checks,
    onStored: (entity, events) => observation?.analytics?.published(entity, events),
    onFailed: (input, error) => storage.failed(input, error),
    maxEventBytes: limits.maxMessageBytes,
    priorityOf: (topic, event) => policies.priorityOf(topic, event),
  });
  const storage = new StorageWatch({ clock, publisher });
  const inbox = new InboxService({
    engine,
    hub,
    clock,
    rules: deliveryRules(config),
    maxConsumers: config.inbox.maxConsumers,
    nodeId: randomBase36(8),
    onError,
  });
  const wheel = new TimingWheel(clock);
  const enforcement = createEnforcement(config, {
    clock,
    wheel,
    log: (fields, message) => logger.warn(fields, message),
  });
  const { connections, closing, bans, violations, rates, requestRates, arrivals } = enforcement;
  const revocations = new TokenRevocations({
    list: revoked,
    engine,
    publisher,
    clock,
    maxTokenLifetimeMs: durationMs(config.auth.maxTokenLifetime),
    onRevoked: () => endRevoked(connections, authenticator),
    onError,
  });
  const llm = createLlmService(config, {
    providers,
    engine,
    publisher,
    catalog,
    snapshots: views,
    clock,
    onError,
  });
  const traffic = createTraffic();
  const watched = { clock, turns, engine, publisher, hub, connections, traffic, onError };
  try {
    await revocations.start();
    await llm.start();
    observation = await startObservation(config, watched);
  } catch (error) {
    if (givenEngine === undefined) await engine.close();
    throw error;
  }
  const plain = plainClients(config);
  const { watch, analytics, close: closeObservation } = observation;
  const sessions: SessionHost = {
    hub,
    inbox,
    publisher,
    counters,
    authenticator,
    clock,
    wheel,
    limits: {
      maxMessageBytes: limits.maxMessageBytes,
      maxJsonDepth: limits.maxJsonDepth,
      maxSubscriptions: limits.maxSubscriptions,
      messagesPerSecond: limits.messagesPerSecond,
      messageBurst: limits.messageBurst,
    },
    aliases: plain.aliases,
    times: {
      authTimeoutMs: durationMs(limits.authTimeout),
      heartbeatMs: durationMs(limits.heartbeat),
      idleTimeoutMs: durationMs(limits.idleTimeout),
      lifetimeMs: durationMs(limits.sessionLifetime),
    },
    maxEarlyBytes: limits.maxEarlyBytes,
    rates,
    violations,
    watch,
    onIdentified: (identity) => {
      // It may have been since the token was checked.
      if (authenticator.isRevoked(identity)) throw revokedToken();
      const refusal = bans.refusalOfUser(identity.entityId, identity.userId);
      if (refusal !== undefined) throw refusal;
      connections.assertRoomFor(identity);
      connections.identified(identity);
    },
    onClosed: (session, code, identity) => {
      connections.remove(session, code, identity);
      closing.add(session, clock.monotonic());
    },
    onGone: (session) => closing.delete(session),
    onError,
  };
  const doorway: Mutable<Doorway> = {
    sessions,
    connections,
    authenticator,
    allowsOrigin,
    compression: new Compression(config.compression, clock),
    plain,
    traffic,
    maxBytesInFlight: limits.maxInFlightBytes,
    bans,
    requestRates,
    arrivals,
    trustedProxies: config.server.trustProxy,
    onlyLocal: false,
    draining: false,
  };
  const audit = new Audit({
    publisher,
    engine,
    log: (entityId, entry) => logger.info({ audit: entry, entityId }, 'audit'),
    onError,
  });
  const processes = await startProcesses(config, { engine, publisher, clock, connections, onError });
  const figures = createFigures(config, {
    clock,
    turns,
    engine,
    version: VERSION,
    hub,
    publisher,
    checks,
    connections,
    counters,
    violations,
    bans,
    inbox,
    views,
    llm: llm.figures,
    traffic: doorway.traffic,
    compression: doorway.compression.counters,
    commitSizes,
  });
  const closeOwnEngine = async (error: unknown): Promise<never> => {
    if (givenEngine === undefined) await engine.close();
    throw error;
  };
  const alerts = await startAlerts(config, { engine, publisher, clock, figures, onError }).catch(
    closeOwnEngine,
  );
  const bridge = await startBridge(config, { engine, publisher, clock, figures, onError }).catch(
    closeOwnEngine,
  );
  const api = await createHttpApi({
    doorway,
    engine,
    snapshots: views,
    audit,
    processes,
    revocations,
    alerts,
    llm,
    statistics: figures.statistics,
    analytics,
    exposition: figures.exposition,
    version: VERSION,
    families: catalog.families,
    maxBodyBytes: MAX_BODY_BYTES,
    requestBytes: { max: limits.maxRequestBytes, maxPerUser: limits.maxRequestBytesPerUser },
    operatorEntity: DEFAULT_ENTITY,
    publicUrl: config.server.publicUrl,
    dashboardDirectory,
    logger,
  });
  const hostMetrics = startHostMetrics(config, { clock, hub, publisher, connections, onError });
  const metricSources = startMetricSources(config, { clock, figures, publisher, onError });
  return new Server({
    config,
    doorway,
    api,
    publisher,
    wheel,
    authenticator,
    announcing: () => announceShutdown({ clock, turns, connections, publisher }),
    closing: async () => {
      storage.close();
      hostMetrics?.close();
      metricSources.close();
      await alerts?.close();
      await bridge?.close();
      revocations.close();
      await processes.close();
      await llm.close();
      views.close();
      await inbox.close();
      await closeObservation();
      figures.close();
      hub.close();
      wheel.close();
      if (givenEngine === undefined) await engine.close();
    },
  });
}

function endRevoked(connections: Connections, authenticator: Authenticator): void {
  for (const session of connections.all()) {
    if (session.identity !== undefined && authenticator.isRevoked(session.identity)) {
      session.end('unauthorized', 'the token was revoked');
    }
  }
}

function originCheckOf({ server: { host, publicUrl }, cors }: Config): OriginCheck {
  const loopback = ['127.0.0.1', 'localhost', '::1'].includes(host);
  const own = publicUrl === undefined ? [] : [new URL(publicUrl).origin];
  return createOriginCheck({ allow: [...cors.origins, ...own], loopback });
}

/** Of a topic's state only the last one that was stored is ever read. */
const NEWEST_ALONE: Retention = { maxEvents: 1 };

async function openEngines(
  config: Config,
  policies: Policies,
  shared: {
    clock: Clock;
    turns: Turns;
    onError: (error: unknown) => void;
    onCommitSize: (events: number) => void;
    holdOf: HoldOf;
  },
): Promise<Engine> {
  const retention = (topic: string, entity: string): Retention =>
    entity === VIEWS_ENTITY ? NEWEST_ALONE : policies.of(topic).retention;
  const newId = createEventIds();
  const durable = await createSqliteEngine({ ...shared, directory: config.data.directory, retention, newId });
  const live = createMemoryEngine({ ...shared, retention, newId });
  return createEnginePair({ live, durable, slotOf: (topic) => policies.of(topic).durability });
}
