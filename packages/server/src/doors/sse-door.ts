import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { findPatternProblem, MillraceError } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import { type Selection, selectionOf } from '../hub/selection.ts';
import { Session } from '../session/session.ts';
import type { SessionSocket } from '../session/session-socket.ts';
import { clientAddress } from './client-address.ts';
import { sseDialect, sseFullDialect } from './dialects.ts';
import { admit, CLOSE_TIMEOUT_MS, type Doorway } from './doorway.ts';
import { PROBLEM_TYPE, problemOfAny, retryHeader } from './problem.ts';
import { readSubscriptionQuery } from './subscription-query.ts';
import type { Traffic } from './traffic.ts';

const NOTHING = Buffer.alloc(0);
const HEARTBEAT = Buffer.from(': heartbeat\n\n');

/**
 * A response that never ends. Its length is told by its end, so that frames need no chunk around them and the same
 * bytes serve every session.
 */
class SseSocket implements SessionSocket {
  readonly remoteAddress: string;
  readonly #tcp: Socket;
  readonly #traffic: Traffic;
  readonly #onHeard: () => void;

  constructor(tcp: Socket, remoteAddress: string, traffic: Traffic, onHeard: () => void) {
    this.#tcp = tcp;
    this.#traffic = traffic;
    this.#onHeard = onHeard;
    this.remoteAddress = remoteAddress;
  }

  /** An SSE client answers nothing: what the kernel has not taken is all that is known. */
  get bytesInFlight(): number {
    return this.#tcp.writableLength;
  }

  write(frames: Buffer): void {
    if (this.#tcp.destroyed) return;
    this.#traffic.bytesSent += frames.length;
    this.#tcp.write(frames);
  }

  /** The kernel's taking the comment is the sign of life; a peer that is gone ends in a TCP error. */
  ping(): void {
    if (this.#tcp.writableLength > 0) return;
    this.#traffic.bytesSent += HEARTBEAT.length;
    this.#tcp.write(HEARTBEAT, (error) => {
      if (!error) this.#onHeard();
    });
  }

  /** That the kernel took everything is all that can be known. */
  confirm(onConfirmed: () => void): void {
    if (this.#tcp.destroyed) return;
    this.#tcp.write(NOTHING, (error) => {
      if (!error) onConfirmed();
    });
  }

  // Nothing is read.
  readonly unfinishedBytes = undefined;

  pauseReading(): void {}

  resumeReading(): void {}

  /** A client that does not read what was written, or never closes its side, is not waited for. */
  close(): void {
    this.#tcp.setTimeout(CLOSE_TIMEOUT_MS, () => this.#tcp.destroy());
    this.#tcp.destroySoon();
  }

  drop(): void {
    this.close();
  }

  destroy(): void {
    this.#tcp.destroy();
  }
}

/** The SSE door: `GET /events`. */
export class SseDoor {
  readonly #doorway: Doorway;

  constructor(doorway: Doorway) {
    this.#doorway = doorway;
  }

  serves(path: string): boolean {
    return path === '/events';
  }

  /** Never throws: a refusal is answered. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (request.method === 'OPTIONS') {
        this.#preflight(request, response);
        return;
      }
      if (request.method !== 'GET')
        throw new MillraceError('method-not-allowed', 'GET is the only method of /events');
      const { searchParams } = new URL(request.url ?? '/', 'http://millrace');
      const address = clientAddress(request, this.#doorway.trustedProxies);
      const identity = await admit(this.#doorway, request, { query: searchParams, address });
      if (identity === undefined) {
        throw new MillraceError(
          'unauthorized',
          'send a token: the header "Authorization: Bearer <token>", or ?token=',
        );
      }
      const selection = readSelection(searchParams, identity, this.#doorway.sessions.limits.maxSubscriptions);
      const { start, options, consumer, asksForHistory } = readSubscriptionQuery(searchParams, {
        others: ['topics', 'format'],
        lastEventId: lastEventIdOf(request),
      });
      if (start.kind === 'position' && selection.kind === 'patterns') {
        throw new MillraceError(
          'bad-position',
          'a position resumes one topic; several topics and patterns are resumed by a cursor',
        );
      }
      if (response.destroyed) return;
      const full = searchParams.get('format') === 'full';
      const { dialect, protocol } = full
        ? { dialect: sseFullDialect, protocol: 'sse.full' }
        : { dialect: sseDialect, protocol: 'sse' };
      const tcp = this.#begin(request, response);
      const socket = new SseSocket(tcp, address, this.#doorway.traffic, () => session.heard());
      const { connections, sessions } = this.#doorway;
      const session = new Session(
        {
          id: connections.nextId(),
          door: 'sse',
          dialect,
          socket,
          protocol,
          decode: () => {
            throw new MillraceError('bad-protocol', 'nothing is read from an SSE client');
          },
          opened: (subscriptions) =>
            subscriptions.subscribe(selection, start, {
              ...options,
              announce: true,
              consumer,
              // A client of whole events acknowledges by HTTP.
              confirmed: !full && !asksForHistory,
            }),
        },
        sessions,
      );
      connections.add(session);
      tcp.on('drain', () => session.relieved());
      response.on('close', () => session.socketClosed(1006));
      await session.open(identity);
    } catch (error) {
      this.#refuse(request, response, error);
    }
  }

  /** Writes the head, after which the socket is the session's. */
  #begin(request: IncomingMessage, response: ServerResponse): Socket {
    response.removeHeader('Transfer-Encoding');
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-transform',
      'X-Accel-Buffering': 'no',
      Connection: 'close',
      ...this.#corsHeaders(request),
    });
    response.flushHeaders();
    request.socket.setNoDelay(true);
    request.socket.setTimeout(0);
    return request.socket;
  }

  #preflight(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(204, {
      ...this.#corsHeaders(request),
      'Access-Control-Allow-Methods': 'GET',
      'Access-Control-Allow-Headers': 'authorization, last-event-id, cache-control',
      'Access-Control-Max-Age': '600',
    });
    response.end();
  }

  #corsHeaders({ headers: { origin, host } }: IncomingMessage): Record<string, string> {
    if (origin === undefined || !this.#doorway.allowsOrigin(origin, host)) return {};
    return {
      'Access-Control-Allow-Origin': origin,
      'Access-Control-Allow-Credentials': 'true',
      Vary: 'Origin',
    };
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const problem = problemOfAny(error, (cause) =>
      this.#doorway.sessions.onError(cause, 'opening an event stream'),
    );
    this.#doorway.sessions.counters.countError(problem.code);
    this.#doorway.sessions.watch.refused(problem.code);
    response.writeHead(problem.status, {
      'Content-Type': PROBLEM_TYPE,
      ...retryHeader(problem),
      ...(problem.code === 'method-not-allowed' && { Allow: 'GET, OPTIONS' }),
      ...this.#corsHeaders(request),
    });
    response.end(JSON.stringify(problem));
  }
}

/** One selection for all topics, so that one cursor says how far the client has read. */
function readSelection(query: URLSearchParams, identity: Identity, maxPatterns: number): Selection {
  const topics = query.get('topics');
  if (topics === null) return { kind: 'patterns', patterns: identity.permissions.readable() };
  const patterns = topics.split(',').map((name) => name.trim());
  if (patterns.length > maxPatterns) {
    throw new MillraceError(
      'too-many-subscriptions',
      `a session may have ${maxPatterns} topics and patterns`,
    );
  }
  for (const pattern of patterns) {
    const problem = findPatternProblem(pattern);
    if (problem !== undefined)
      throw new MillraceError('bad-topic', `topic ${JSON.stringify(pattern)} ${problem}`);
    if (!identity.permissions.maySubscribe(pattern)) {
      throw new MillraceError('forbidden', `the token does not permit subscribing to "${pattern}"`);
    }
  }
  const [only] = patterns;
  return patterns.length === 1 && only !== undefined ? selectionOf(only) : { kind: 'patterns', patterns };
}

function lastEventIdOf({ headers }: IncomingMessage): string {
  const id = headers['last-event-id'];
  return typeof id === 'string' ? id : '';
}
