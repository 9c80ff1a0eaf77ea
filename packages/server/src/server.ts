import { readFile } from 'node:fs/promises';
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type EventInput, MillraceError, type PublishResult } from '@millrace/protocol';
import { checkClientMessage } from '@millrace/protocol/client-message';
import { type Logger, pino } from 'pino';
import { revokedToken } from './auth/auth-error.ts';
import { type Authenticator, createAuthenticator } from './auth/authenticator.ts';
import type { AuthenticateFunction } from './auth/custom-provider.ts';
import { DEFAULT_ENTITY, isReservedEntity } from './auth/identity.ts';
import { createOriginCheck, type OriginCheck } from './auth/origin-check.ts';
import { RevocationList } from './auth/revocation-list.ts';
import { authOptionsOf } from './auth-config.ts';
import { type Clock, systemClock, systemTurns, type Turns } from './clock.ts';
import { type Config, type ConfigInput, namespacePolicies, resolveConfig } from './config.ts';
import { Compression } from './doors/compression.ts';
import type { Doorway } from './doors/doorway.ts';
import { Handshakes } from './doors/handshakes.ts';
import { createHttpApi } from './doors/http/http-api.ts';
import type { HttpApi } from './doors/http/http-context.ts';
import { problemOf } from './doors/problem.ts';
import { SseDoor } from './doors/sse-door.ts';
import { createTraffic } from './doors/traffic.ts';
import { refuseUpgrade } from './doors/upgrade-refusal.ts';
import { WebSocketDoor } from './doors/websocket-door.ts';
import { durationMs } from './duration.ts';
import type { Engine } from './engine/engine.ts';
import { createEnginePair } from './engine/engine-pair.ts';
import { createEventIds, randomBase36 } from './engine/event-id.ts';
import { createMemoryEngine } from './engine/memory-engine.ts';
import { createSqliteEngine } from './engine/sqlite-engine.ts';
import { createFigures } from './figures.ts';
import { startHostMetrics } from './host-metrics-config.ts';
import { Hub } from './hub/hub.ts';
import { InboxService } from './inbox/inbox-service.ts';
import { deliveryRules } from './inbox-config.ts';
import { createEnforcement } from './limits-config.ts';
import { Histogram } from './metrics/histogram.ts';
import { Policies } from './policy.ts';
import { Audit } from './services/audit.ts';
import { COMMIT_SIZE_BOUNDS } from './services/figure-sources.ts';
import { TokenRevocations } from './services/token-revocations.ts';
import { ClientCounters } from './session/client-counters.ts';
import type { Connections } from './session/connections.ts';
import { Publisher } from './session/publisher.ts';
import type { SessionHost } from './session/session-host.ts';
import { TimingWheel } from './session/timing-wheel.ts';

export interface ServerOptions extends ConfigInput {
  /** Where relative paths of the configuration start; the current directory when missing. */
  readonly cwd?: string;
  /** Replaces the live and durable engines; the caller closes it. */
  readonly engine?: Engine;
  readonly clock?: Clock;
  readonly turns?: Turns;
  readonly logger?: Logger;
  /** The application's own way to check tokens, asked after the keys of the configuration. */
  readonly authenticate?: AuthenticateFunction;
  /** Folder of the built dashboard, served at `/`. */
  readonly dashboardDirectory?: string;
}

/** Where a server that listens can be reached. */
export interface Listening {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

export type PublishOptions = Omit<EventInput, 'topic' | 'event' | 'data'> & { readonly entity?: string };

/** A running Millrace server. */
export interface MillraceServer {
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** Listens by itself, on `server.host` and `server.port`. Rejects when the port is taken. */
  listen(): Promise<Listening>;
  /**
   * Serves beside another application on its HTTP server: Millrace's own paths, or all below `prefix` (`/realtime`), are
   * taken, everything else goes where it went before. Call it after the application has added its request listener.
   * Throws a `TypeError` for a prefix that no path could begin with.
   */
  attach(server: HttpServer, options?: { prefix?: string }): void;
  /**
   * Publishes in-process, as the server itself. Rejects with a `MillraceError` when the event is not stored, or breaks a
   * rule that holds for every publisher: a name with a line break would be two lines of an event stream.
   */
  publish(topic: string, event: string, data: unknown, options?: PublishOptions): Promise<PublishResult>;
  /**
   * Says goodbye to every client, lets publications under way finish, and lets go of everything. Resolves when nothing
   * is left running. Idempotent.
   */
  close(): Promise<void>;
}

/** Largest HTTP request: a batch of events, each of which has its own bound. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** Of this package; `package.json` has the same, which a test checks. */
const VERSION = '0.1.0';

/** How long clients and publications may take while the server closes, in ms. */
const DRAIN_MS = 5000;
/** How often connections that have become idle are looked for while the server closes, in ms. */
const IDLE_CHECK_MS = 20;
/** When clients should come back after a planned end, in ms. */
const RETRY_AFTER_MS = 1000;
/** Memory for recent events: some ten thousand of usual size, which a storm of resuming clients reads. */
const RECENT_BYTES = 16 * 1024 * 1024;
/** What may be revoked at a time: some 20 MB at most. */
const REVOCATION_BOUNDS = { perEntity: 10_000, inAll: 100_000 } as const;
const OWN_PATHS = ['/ws', '/events', '/api/v1', '/openapi.json', '/docs', '/livez', '/readyz', '/healthz'];

/** Opens the log and makes a server that is ready to `listen` or `attach`. */
export async function createServer(options: ServerOptions = {}): Promise<MillraceServer> {
  const {
    cwd,
    engine: givenEngine,
    clock = systemClock,
    turns = systemTurns,
    dashboardDirectory,
    authenticate,
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
  // Last of what the configuration may make fail: an engine that was opened holds its data folder.
  const commitSizes = new Histogram(COMMIT_SIZE_BOUNDS);
  const onCommitSize = (events: number): void => commitSizes.observe(events);
  const engine =
    givenEngine ?? (await openEngines(config, policies, { clock, turns, onError, onCommitSize }));
  const { limits } = config;

  const hub = new Hub({
    engine,
    clock,
    turns,
    maxBytesInFlight: limits.maxInFlightBytes,
    maxRecentBytes: RECENT_BYTES,
    maxAgeMs: (topic) => policies.of(topic).retention.maxAgeMs,
    queueBounds: { maxEvents: limits.maxQueuedEvents, maxBytes: limits.maxQueuedBytes },
    deliveryOf: (topic) => policies.of(topic),
    onError,
  });
  const publisher = new Publisher({
    engine,
    clock,
    maxEventBytes: limits.maxMessageBytes,
    priorityOf: (topic, event) => policies.priorityOf(topic, event),
  });
  const inbox = new InboxService({
    engine,
    hub,
    clock,
    rules: deliveryRules(config),
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
  try {
    await revocations.start();
  } catch (error) {
    if (givenEngine === undefined) await engine.close();
    throw error;
  }
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
    times: {
      authTimeoutMs: durationMs(limits.authTimeout),
      heartbeatMs: durationMs(limits.heartbeat),
      idleTimeoutMs: durationMs(limits.idleTimeout),
      lifetimeMs: durationMs(limits.sessionLifetime),
    },
    maxEarlyBytes: limits.maxEarlyBytes,
    rates,
    violations,
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
    compression: new Compression(config.compression),
    traffic: createTraffic(),
    maxBytesInFlight: limits.maxInFlightBytes,
    maxMessageBytes: limits.maxMessageBytes,
    maxJsonDepth: limits.maxJsonDepth,
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
  const figures = createFigures(config, {
    clock,
    turns,
    engine,
    version: VERSION,
    hub,
    publisher,
    connections,
    counters,
    violations,
    bans,
    inbox,
    traffic: doorway.traffic,
    compression: doorway.compression.counters,
    commitSizes,
  });
  const api = await createHttpApi({
    doorway,
    engine,
    audit,
    revocations,
    statistics: figures.statistics,
    exposition: figures.exposition,
    version: VERSION,
    maxBodyBytes: MAX_BODY_BYTES,
    operatorEntity: DEFAULT_ENTITY,
    publicUrl: config.server.publicUrl,
    dashboardDirectory,
    logger,
  });
  const hostMetrics = startHostMetrics(config, { clock, hub, publisher, connections, onError });
  return new Server({
    config,
    doorway,
    api,
    hub,
    publisher,
    wheel,
    logger,
    authenticator,
    closing: async () => {
      hostMetrics?.close();
      revocations.close();
      await inbox.close();
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

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

async function openEngines(
  config: Config,
  policies: Policies,
  shared: {
    clock: Clock;
    turns: Turns;
    onError: (error: unknown) => void;
    onCommitSize: (events: number) => void;
  },
): Promise<Engine> {
  const retention = (topic: string) => policies.of(topic).retention;
  const newId = createEventIds();
  const durable = await createSqliteEngine({ ...shared, directory: config.data.directory, retention, newId });
  const live = createMemoryEngine({ ...shared, retention, newId });
  return createEnginePair({ live, durable, slotOf: (topic) => policies.of(topic).durability });
}

interface Parts {
  readonly config: Config;
  readonly doorway: Mutable<Doorway>;
  readonly api: HttpApi;
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly wheel: TimingWheel;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  readonly closing: () => Promise<void>;
}

class Server implements MillraceServer {
  readonly config: Config;
  readonly authenticator: Authenticator;
  readonly #parts: Parts;
  readonly #webSocketDoor: WebSocketDoor;
  readonly #sseDoor: SseDoor;
  readonly #handshakes: Handshakes;
  #own: HttpServer | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.config = parts.config;
    this.authenticator = parts.authenticator;
    this.#parts = parts;
    this.#webSocketDoor = new WebSocketDoor(parts.doorway);
    this.#sseDoor = new SseDoor(parts.doorway);
    this.#handshakes = handshakesOf(parts);
  }

  async listen(): Promise<Listening> {
    const { server: where, tls, limits } = this.config;
    const requestTimeout = durationMs(limits.requestTimeout);
    const timeouts = {
      // From the first byte of a request to its last header, and to its end, and how often that is looked at.
      headersTimeout: Math.min(durationMs(limits.authTimeout), requestTimeout),
      requestTimeout,
      connectionsCheckingInterval: 1000,
    };
    const server =
      tls.cert !== undefined && tls.key !== undefined
        ? createHttpsServer({
            ...timeouts,
            cert: await readFile(tls.cert),
            key: await readFile(tls.key),
            minVersion: 'TLSv1.3',
          })
        : createHttpServer(timeouts);
    // Whoever does not read an answer keeps it in memory.
    server.timeout = durationMs(limits.idleTimeout);
    server.on('connection', (tcp: Socket) => this.#handshakes.begin(tcp));
    server.on('request', this.#onRequest);
    server.on('upgrade', this.#onUpgrade);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: where.host, port: where.port, backlog: 4096 }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#own = server;
    const { address, port } = server.address() as AddressInfo;
    this.#parts.doorway.onlyLocal =
      ['127.0.0.1', '::1'].includes(address) && where.publicUrl === undefined && where.trustProxy === 0;
    const host = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(address) ? 'localhost' : address;
    const scheme = tls.cert === undefined ? 'http' : 'https';
    return {
      url: where.publicUrl ?? `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
      host: address,
      port,
    };
  }

  attach(server: HttpServer, { prefix = '' }: { prefix?: string } = {}): void {
    if (prefix !== '' && !/^(\/[^/?#]+)+$/.test(prefix)) {
      throw new TypeError(`the prefix ${JSON.stringify(prefix)} is no path such as "/realtime"`);
    }
    const ownPaths = this.config.metrics.enabled ? [...OWN_PATHS, '/metrics'] : OWN_PATHS;
    const others = server.listeners('request') as ((
      request: IncomingMessage,
      response: ServerResponse,
    ) => void)[];
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (prefix !== '' && pathOf(request) === prefix) redirectInto(prefix, request, response);
      else if (takeOver(request, prefix, ownPaths)) this.#onRequest(request, response);
      else for (const other of others) other.call(server, request, response);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (takeOver(request, prefix, ownPaths)) this.#onUpgrade(request, socket, head);
      else if (server.listenerCount('upgrade') === 1) socket.destroy();
    });
  }

  async publish(
    topic: string,
    event: string,
    data: unknown,
    options: PublishOptions = {},
  ): Promise<PublishResult> {
    const { entity = DEFAULT_ENTITY, ...rest } = options;
    if (isReservedEntity(entity)) throw new TypeError(`the entity "${entity}" is the server’s own`);
    checkClientMessage({ ...rest, type: 'publish', topic, event, data });
    const json = JSON.stringify(data) as string | undefined;
    if (json === undefined) throw new TypeError(`the data of "${event}" cannot be written as JSON`);
    const [outcome] = await this.#parts.publisher.publishInternally(entity, [
      { ...rest, topic, event, data: json },
    ]);
    if (outcome === undefined || outcome instanceof MillraceError) throw outcome ?? new Error('no outcome');
    return outcome;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { doorway, api, closing } = this.#parts;
    doorway.draining = true;
    const own = this.#own;
    const ended = own && new Promise<void>((resolve) => own.close(() => resolve()));
    const deadline = new Promise<void>((resolve) => {
      doorway.sessions.clock.after(DRAIN_MS, resolve);
    });
    const goodbyes = doorway.connections
      .all()
      .map((session) => session.drain('the server is shutting down', RETRY_AFTER_MS));
    await Promise.race([Promise.all(goodbyes), deadline]);
    await Promise.race([ended && this.#closeIdle(ended), deadline]);
    own?.closeAllConnections();
    await api.close();
    await closing();
  }

  /** Connections that are kept alive would keep the server: each is closed as soon as its answer is written. */
  async #closeIdle(ended: Promise<void>): Promise<void> {
    const { clock } = this.#parts.doorway.sessions;
    let over = false;
    void ended.then(() => {
      over = true;
    });
    while (!over) {
      this.#own?.closeIdleConnections();
      await Promise.race([ended, new Promise<void>((resolve) => clock.after(IDLE_CHECK_MS, resolve))]);
    }
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    this.#handshakes.end(request.socket);
    if (this.#sseDoor.serves(pathOf(request))) void this.#sseDoor.handle(request, response);
    else this.#parts.api.handle(request, response);
  };

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const acceptedMs = this.#handshakes.end(request.socket);
    if (this.#webSocketDoor.serves(pathOf(request))) {
      void this.#webSocketDoor.upgrade(request, socket, head, acceptedMs);
      return;
    }
    const path = JSON.stringify(pathOf(request));
    refuseUpgrade(socket, problemOf(new MillraceError('not-found', `there is no WebSocket at ${path}`)));
  };
}

/** Of a server that listens by itself; one that it shares has its own ways with connections that ask for nothing. */
function handshakesOf({ config, doorway, wheel }: Parts): Handshakes {
  const { clock, violations } = doorway.sessions;
  return new Handshakes({
    clock,
    wheel,
    maxMs: durationMs(config.limits.authTimeout),
    // Behind a proxy it is the proxy's connection.
    onStalled: (address) => {
      if (config.server.trustProxy === 0) violations.byAddress('stalled-handshake', address);
    },
  });
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

/** The dashboard's page names its files relative to itself, and so must stand in the folder that the prefix is. */
function redirectInto(prefix: string, request: IncomingMessage, response: ServerResponse): void {
  const query = (request.url ?? '').slice(prefix.length);
  response.writeHead(308, { Location: `${prefix}/${query}`, 'Content-Length': 0 }).end();
}

/** Whether a request to a shared server is ours; then its prefix is taken off. */
function takeOver(request: IncomingMessage, prefix: string, ownPaths: readonly string[]): boolean {
  const path = pathOf(request);
  if (prefix !== '') {
    if (path !== prefix && !path.startsWith(`${prefix}/`)) return false;
    request.url = (request.url ?? '/').slice(prefix.length);
    if (!request.url.startsWith('/')) request.url = `/${request.url}`;
    return true;
  }
  return ownPaths.some((own) => path === own || path.startsWith(`${own}/`));
}
