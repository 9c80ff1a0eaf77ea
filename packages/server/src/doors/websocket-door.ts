import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MillraceError } from '@millrace/protocol';
import { type ServerOptions, WebSocketServer } from 'ws';
import type { Identity } from '../auth/identity.ts';
import type { Dialect } from '../hub/dialect.ts';
import { selectionOf } from '../hub/selection.ts';
import { Session } from '../session/session.ts';
import type { SessionOptions } from '../session/session-options.ts';
import { clientAddress } from './client-address.ts';
import { offeredSubprotocols } from './credentials.ts';
import { acceptDeflate, type DeflateAgreement } from './deflate-offer.ts';
import { bareDialect, decodeJson, decodeMsgpack, type FormatDialect, msgpackDialect } from './dialects.ts';
import { admit, CLOSE_TIMEOUT_MS, type Doorway } from './doorway.ts';
import { MessageInflater } from './message-inflater.ts';
import { problemOfAny } from './problem.ts';
import type { SubscriptionQuery } from './subscription-query.ts';
import { refuseUpgrade } from './upgrade-refusal.ts';
import { isWebSocketPath, readRequest, selectProtocol, type WebSocketRequest } from './websocket-request.ts';
import { listen, SessionWebSocket, WebSocketSocket } from './websocket-socket.ts';

/** How `ws` reads frames. */
export const RECEIVING = {
  /** Frames of one message; each may keep the 64 KB that it came in. */
  maxFragments: 128,
  /** Pieces in which one frame may come; more is a client that sends single bytes. */
  maxBufferedChunks: 1024,
  /** Checked where a bad message can be answered instead of ending the connection. */
  skipUTF8Validation: true,
} as const;

/** Who comes, and since when. */
interface Arrival {
  readonly identity: Identity | undefined;
  readonly address: string;
  /** When the connection was accepted, monotonic ms. */
  readonly acceptedMs: number;
  readonly deflate: DeflateAgreement | undefined;
}

/** The WebSocket doors: native at `/ws`, bare at `/ws/<topic as path>` and `/`, and what configuration names beside them. */
export class WebSocketDoor {
  readonly #doorway: Doorway;
  readonly #server: WebSocketServer;
  // Shared by all sessions.
  readonly #decodeJson: SessionOptions['decode'];
  readonly #decodeMsgpack: SessionOptions['decode'];

  constructor(doorway: Doorway) {
    this.#doorway = doorway;
    const { maxMessageBytes, maxJsonDepth } = doorway.sessions.limits;
    this.#decodeJson = (data, isBinary) => decodeJson(data, isBinary, maxJsonDepth);
    this.#decodeMsgpack = (data, isBinary) => decodeMsgpack(data, isBinary, maxJsonDepth);
    const options: ServerOptions<typeof SessionWebSocket> & NewerOptions = {
      noServer: true,
      WebSocket: SessionWebSocket,
      clientTracking: false,
      // Agreed on, deflated and inflated by ourselves.
      perMessageDeflate: false,
      maxPayload: maxMessageBytes,
      ...RECEIVING,
      // All frames are written in one place.
      autoPong: false,
      closeTimeout: CLOSE_TIMEOUT_MS,
      handleProtocols: selectProtocol,
    };
    this.#server = new WebSocketServer(options as ServerOptions);
    this.#server.on('headers', (headers, request) => {
      const deflate = this.#deflateOf(request);
      if (deflate !== undefined) headers.push(`Sec-WebSocket-Extensions: ${deflate.answer}`);
    });
  }

  /** Whether a path (without query) is one of this door's. */
  serves(path: string): boolean {
    return isWebSocketPath(path, this.#doorway.plain);
  }

  /** Takes an HTTP upgrade request over. Never throws: a refusal is answered on the socket. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, acceptedMs: number): Promise<void> {
    const onError = (): void => {
      socket.destroy();
    };
    socket.on('error', onError);
    try {
      const url = new URL(request.url ?? '/', 'http://millrace');
      const wanted = readRequest(url, offeredSubprotocols(request), this.#doorway.plain);
      const address = clientAddress(request, this.#doorway.trustedProxies);
      const identity = await admit(this.#doorway, request, { query: url.searchParams, address });
      for (const topic of wanted.topics) {
        if (identity?.permissions.maySubscribe(topic) !== false) continue;
        throw new MillraceError('forbidden', `the token does not permit subscribing to "${topic}"`);
      }
      if (socket.destroyed) return;
      socket.removeListener('error', onError);
      this.#server.handleUpgrade(request, socket, head, (ws) => {
        // The class that the options name.
        const arrival = { identity, address, acceptedMs, deflate: this.#deflateOf(request) };
        this.#open(ws as SessionWebSocket, socket as Socket, wanted, arrival);
      });
    } catch (error) {
      const { sessions } = this.#doorway;
      const problem = problemOfAny(error, (cause) => sessions.onError(cause, 'upgrading a connection'));
      sessions.counters.countError(problem.code);
      sessions.watch.refused(problem.code);
      refuseUpgrade(socket, problem);
    }
  }

  #deflateOf({ headers }: IncomingMessage): DeflateAgreement | undefined {
    if (!this.#doorway.compression.enabled) return undefined;
    return acceptDeflate(headers['sec-websocket-extensions']);
  }

  #open(
    ws: SessionWebSocket,
    tcp: Socket,
    { door, dialect, protocol, topics, query }: WebSocketRequest,
    { identity, address, acceptedMs, deflate }: Arrival,
  ): void {
    const { sessions, connections, compression } = this.#doorway;
    if (deflate !== undefined) ws.inflateBy(new MessageInflater(sessions.limits.maxMessageBytes));
    const socket = new WebSocketSocket(ws, tcp, address, this.#doorway);
    const compressed = (plain: FormatDialect): Dialect =>
      deflate === undefined ? plain : compression.dialect(plain, deflate.windowBits);
    const session = new Session(
      {
        id: connections.nextId(),
        door,
        dialect: compressed(dialect),
        flatDialect: dialect === msgpackDialect ? undefined : compressed(bareDialect),
        socket,
        decode: dialect === msgpackDialect ? this.#decodeMsgpack : this.#decodeJson,
        protocol,
        opened: query === undefined ? undefined : opening(topics, query, door === 'websocket'),
        acceptedMs,
      },
      sessions,
    );
    connections.add(session);
    listen(ws, session);
    if (identity !== undefined) void session.open(identity);
  }
}

/** Newer than the published types. */
interface NewerOptions {
  readonly closeTimeout: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
}

/** Subscribes to what the URL names; on a native path the client is told. */
function opening(
  topics: readonly string[],
  { start, options, consumer, asksForHistory }: SubscriptionQuery,
  announce: boolean,
): SessionOptions['opened'] {
  return async (subscriptions) => {
    for (const topic of topics) {
      await subscriptions.subscribe(selectionOf(topic), start, {
        ...options,
        announce,
        consumer,
        confirmed: !announce && !asksForHistory,
      });
    }
  };
}
