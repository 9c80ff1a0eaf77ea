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
import { MillraceError, type PublishResult } from '@millrace/protocol';
import { checkClientMessage } from '@millrace/protocol/client-message';
import type { Authenticator } from './auth/authenticator.ts';
import { DEFAULT_ENTITY, isReservedEntity } from './auth/identity.ts';
import type { Config } from './config.ts';
import type { Doorway } from './doors/doorway.ts';
import { Handshakes } from './doors/handshakes.ts';
import type { HttpApi } from './doors/http/http-context.ts';
import { problemOf } from './doors/problem.ts';
import { SseDoor } from './doors/sse-door.ts';
import { refuseUpgrade } from './doors/upgrade-refusal.ts';
import { WebSocketDoor } from './doors/websocket-door.ts';
import { durationMs } from './duration.ts';
import type { Listening, MillraceServer, PublishOptions } from './millrace-server.ts';
import type { Publisher } from './session/publisher.ts';
import type { TimingWheel } from './session/timing-wheel.ts';

/** How long clients and publications may take while the server closes, in ms. */
const DRAIN_MS = 5000;

/** How often connections that have become idle are looked for while the server closes, in ms. */
const IDLE_CHECK_MS = 20;

/** When clients should come back after a planned end, in ms. */
const RETRY_AFTER_MS = 1000;

const OWN_PATHS = [
  '/ws',
  '/events',
  '/api/v1',
  '/openapi.json',
  '/asyncapi.json',
  '/docs',
  '/livez',
  '/readyz',
  '/healthz',
];

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a server is made of, once its log is open. */
export interface ServerParts {
  readonly config: Config;
  readonly doorway: Mutable<Doorway>;
  readonly api: HttpApi;
  readonly publisher: Publisher;
  readonly wheel: TimingWheel;
  readonly authenticator: Authenticator;
  /** Says that the server goes away, to whoever wants to hear it; does not wait long. */
  readonly announcing: () => Promise<void>;
  readonly closing: () => Promise<void>;
}

/** Serves the doors and the HTTP API, on an HTTP server of its own or of the application. */
export class Server implements MillraceServer {
  readonly config: Config;
  readonly authenticator: Authenticator;
  readonly #parts: ServerParts;
  readonly #webSocketDoor: WebSocketDoor;
  readonly #sseDoor: SseDoor;
  readonly #handshakes: Handshakes;
  #own: HttpServer | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: ServerParts) {
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
    const ownUpgrades = [...ownPaths, ...this.#parts.doorway.plain.paths.keys()];
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
      if (takeOver(request, prefix, ownUpgrades)) this.#onUpgrade(request, socket, head);
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
    return this.#parts.publisher.publishOneInternally(entity, { ...rest, topic, event, data: json });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { doorway, api, announcing, closing } = this.#parts;
    doorway.draining = true;
    const own = this.#own;
    const ended = own && new Promise<void>((resolve) => own.close(() => resolve()));
    const deadline = new Promise<void>((resolve) => {
      doorway.sessions.clock.after(DRAIN_MS, resolve);
    });
    await announcing();
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
function handshakesOf({ config, doorway, wheel }: ServerParts): Handshakes {
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
