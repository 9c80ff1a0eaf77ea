import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BEARER_SUBPROTOCOL_PREFIX, findTopicProblem, MillraceError, SUBPROTOCOLS } from '@millrace/protocol';
import { type ServerOptions, WebSocketServer } from 'ws';
import type { Identity } from '../auth/identity.ts';
import { selectionOf } from '../hub/selection.ts';
import { Session } from '../session/session.ts';
import type { SessionOptions } from '../session/session-options.ts';
import type { SessionSubscriptions } from '../session/session-subscriptions.ts';
import { clientAddress } from './client-address.ts';
import { offeredSubprotocols } from './credentials.ts';
import { acceptDeflate, type DeflateAgreement } from './deflate-offer.ts';
import {
  bareDialect,
  decodeJson,
  decodeMsgpack,
  type FormatDialect,
  jsonDialect,
  msgpackDialect,
} from './dialects.ts';
import { admit, CLOSE_TIMEOUT_MS, type Doorway } from './doorway.ts';
import { MessageInflater } from './message-inflater.ts';
import { problemOfAny } from './problem.ts';
import { readSubscriptionQuery, type SubscriptionQuery } from './subscription-query.ts';
import { refuseUpgrade } from './upgrade-refusal.ts';
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

/** What a path and its query ask for. */
export interface Request {
  readonly door: 'websocket' | 'bare';
  /** Of a bare path. */
  readonly topic: string | undefined;
  readonly dialect: FormatDialect;
  readonly protocol: string;
  readonly query: SubscriptionQuery | undefined;
}

/** Who comes, and since when. */
interface Arrival {
  readonly identity: Identity | undefined;
  readonly address: string;
  /** When the connection was accepted, monotonic ms. */
  readonly acceptedMs: number;
  readonly deflate: DeflateAgreement | undefined;
}

/** The WebSocket doors: native at `/ws`, bare at `/ws/<topic as path>` and `/`. */
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
    return path === '/ws' || path.startsWith('/ws/') || path === '/';
  }

  /** Takes an HTTP upgrade request over. Never throws: a refusal is answered on the socket. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, acceptedMs: number): Promise<void> {
    const onError = (): void => {
      socket.destroy();
    };
    socket.on('error', onError);
    try {
      const url = new URL(request.url ?? '/', 'http://millrace');
      const wanted = readRequest(url, offeredSubprotocols(request));
      const address = clientAddress(request, this.#doorway.trustedProxies);
      const identity = await admit(this.#doorway, request, { query: url.searchParams, address });
      if (wanted.topic !== undefined && identity?.permissions.maySubscribe(wanted.topic) === false) {
        throw new MillraceError('forbidden', `the token does not permit subscribing to "${wanted.topic}"`);
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
    { door, dialect, protocol, topic, query }: Request,
    { identity, address, acceptedMs, deflate }: Arrival,
  ): void {
    const { sessions, connections, compression } = this.#doorway;
    if (deflate !== undefined) ws.inflateBy(new MessageInflater(sessions.limits.maxMessageBytes));
    const socket = new WebSocketSocket(ws, tcp, address, this.#doorway);
    const opened =
      topic === undefined || query === undefined
        ? undefined
        : (subscriptions: SessionSubscriptions) =>
            subscriptions.subscribe(selectionOf(topic), query.start, {
              ...query.options,
              announce: false,
              consumer: query.consumer,
              confirmed: !query.asksForHistory,
            });
    const session = new Session(
      {
        id: connections.nextId(),
        door,
        dialect: deflate === undefined ? dialect : compression.dialect(dialect, deflate.windowBits),
        socket,
        decode: dialect === msgpackDialect ? this.#decodeMsgpack : this.#decodeJson,
        protocol,
        opened,
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

function selectProtocol(offered: Set<string>): string | false {
  for (const name of Object.values(SUBPROTOCOLS)) if (offered.has(name)) return name;
  return false;
}

/** Reads what the URL of an upgrade asks for. Throws a `MillraceError`. */
export function readRequest(url: URL, offered: readonly string[]): Request {
  const known = offered.filter((name) => !name.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  const protocol = selectProtocol(new Set(known)) || SUBPROTOCOLS.json;
  if (known.length > 0 && !known.includes(protocol)) {
    throw new MillraceError(
      'bad-protocol',
      `none of the subprotocols is known; use ${Object.values(SUBPROTOCOLS).join(' or ')}`,
    );
  }
  if (url.pathname === '/ws') {
    const dialect = protocol === SUBPROTOCOLS.msgpack ? msgpackDialect : jsonDialect;
    return { door: 'websocket', topic: undefined, dialect, protocol, query: undefined };
  }
  const bare = { door: 'bare', dialect: bareDialect, protocol } as const;
  if (url.pathname === '/') return { ...bare, topic: undefined, query: undefined };
  const topic = url.pathname.slice('/ws/'.length).split('/').map(decodeSegmentOfPath).join('.');
  const problem = findTopicProblem(topic);
  if (problem !== undefined)
    throw new MillraceError('bad-topic', `the path's topic ${JSON.stringify(topic)} ${problem}`);
  // What cannot be read refuses the upgrade, while it can still be answered.
  return { ...bare, topic, query: readSubscriptionQuery(url.searchParams) };
}

function decodeSegmentOfPath(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new MillraceError(
      'bad-topic',
      `the path's segment ${JSON.stringify(segment)} is not percent-encoded UTF-8`,
    );
  }
}
