import { pino } from 'pino';
import { createSessionHost } from './admission.ts';
import { type Authenticator, createAuthenticator } from './auth/authenticator.ts';
import { DEFAULT_ENTITY } from './auth/identity.ts';
import { createOriginCheck, type OriginCheck } from './auth/origin-check.ts';
import { RevocationList } from './auth/revocation-list.ts';
import { authOptionsOf } from './auth-config.ts';
import { systemClock, systemTurns } from './clock.ts';
import { type Config, resolveConfig } from './config.ts';
import { openCore } from './core.ts';
import { Compression } from './doors/compression.ts';
import type { Doorway } from './doors/doorway.ts';
import { createHttpApi } from './doors/http/http-api.ts';
import { createTraffic } from './doors/traffic.ts';
import { createEnforcement } from './limits-config.ts';
import { llmProvidersOf } from './llm-config.ts';
import type { MillraceServer, ServerOptions } from './millrace-server.ts';
import { plainClients } from './plain-config.ts';
import { startServices } from './service-set.ts';
import { announceShutdown } from './services/shutdown-notice.ts';
import { type Mutable, Server } from './serving.ts';
import { ClientCounters } from './session/client-counters.ts';
import type { Session } from './session/session.ts';
import { TimingWheel } from './session/timing-wheel.ts';

/** Largest HTTP request: a batch of events, each of which has its own bound. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** Of this package; `package.json` has the same, which a test checks. */
const VERSION = '0.1.0';

/** What may be revoked at a time: some 20 MB at most. */
const REVOCATION_BOUNDS = { perEntity: 10_000, inAll: 100_000 } as const;

/** Opens the log and makes a server that is ready to `listen` or `attach`. */
export async function createServer(options: ServerOptions = {}): Promise<MillraceServer> {
  const { cwd, engine: givenEngine, dashboardDirectory, authenticate, llmProviders = {}, ...rest } = options;
  const { clock = systemClock, turns = systemTurns, logger: givenLogger, ...input } = rest;
  const config = resolveConfig(input, cwd);
  const logger = givenLogger ?? pino({ level: config.log.level }, pino.destination(2));
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
  await using opened = new AsyncDisposableStack();
  const core = await openCore({ config, clock, turns, logger, onError, closing: opened }, givenEngine);
  const wheel = new TimingWheel(clock);
  opened.defer(() => wheel.close());
  const log = (fields: object, message: string): void => logger.warn(fields, message);
  const enforcement = createEnforcement(config, { clock, wheel, log });
  const { connections, bans, requestRates, arrivals } = enforcement;
  const traffic = createTraffic();
  const compression = new Compression(config.compression, clock);
  const services = await startServices(
    core,
    {
      enforcement,
      counters,
      revoked,
      providers,
      traffic,
      version: VERSION,
      compression: compression.counters,
      onRevoked: () => endRevoked(connections.all(), authenticator),
    },
    opened,
  );
  const plain = plainClients(config);
  const doorway: Mutable<Doorway> = {
    connections,
    authenticator,
    allowsOrigin,
    compression,
    plain,
    traffic,
    bans,
    requestRates,
    arrivals,
    sessions: createSessionHost(core, {
      counters,
      authenticator,
      wheel,
      enforcement,
      aliases: plain.aliases,
      inbox: services.inbox,
      watch: services.watch,
    }),
    maxBytesInFlight: config.limits.maxInFlightBytes,
    trustedProxies: config.server.trustProxy,
    onlyLocal: false,
    draining: false,
  };
  const api = await createHttpApi({
    doorway,
    dashboardDirectory,
    logger,
    version: VERSION,
    ...services,
    engine: core.engine,
    snapshots: core.views,
    families: core.catalog.families,
    maxBodyBytes: MAX_BODY_BYTES,
    requestBytes: { max: config.limits.maxRequestBytes, maxPerUser: config.limits.maxRequestBytesPerUser },
    operatorEntity: DEFAULT_ENTITY,
    publicUrl: config.server.publicUrl,
  });
  const closing = opened.move();
  return new Server({
    config,
    doorway,
    api,
    wheel,
    authenticator,
    publisher: core.publisher,
    announcing: () => announceShutdown({ ...core, connections }),
    closing: () => closing.disposeAsync(),
  });
}

function endRevoked(sessions: Iterable<Session>, authenticator: Authenticator): void {
  for (const session of sessions) {
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
