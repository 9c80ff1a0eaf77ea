import {
  type AckMessage,
  type AuthMessage,
  type ClientMessage,
  CODE_TABLE,
  DEFAULT_LIMITS,
  HEARTBEAT_MS,
  MillraceError,
  type PublishMessage,
  type PublishResult,
  type ServerMessage,
  type SubscribeMessage,
  selectsTopic,
} from '@millrace/protocol';
import { readProblem } from './http-problem.ts';
import type { Platform, Socket, SocketHandlers } from './platform.ts';
import type { ServerUrls } from './server-url.ts';
import { SseStream } from './sse-stream.ts';
import { userOf } from './token.ts';

/** What a request without an HTTP answer closes with, as a broken WebSocket does. */
const BROKEN = 1006;

/**
 * The native protocol over HTTP, for where WebSocket is blocked: behind the same interface as a WebSocket, so that
 * everything above knows no difference. Each subscription is one `GET /events`, each publication one
 * `POST /api/v1/events`, one after the other so that their order is kept, each acknowledgement one
 * `POST /api/v1/topics/{topic}/ack`. A browser that speaks HTTP/1.1 opens six
 * connections a server, and so five subscriptions at most; over HTTP/2 there is no such bound.
 */
export class SseSocket implements Socket {
  readonly #platform: Platform;
  readonly #urls: ServerUrls;
  readonly #handlers: SocketHandlers;
  readonly #streams = new Map<string, SseStream>();
  readonly #abort = new AbortController();
  #headers: Readonly<Record<string, string>> = {};
  #userId = '';
  #closed = false;
  /** How many acknowledgements are on their way. */
  #acknowledging = 0;
  /** Streams that end once there are none. */
  readonly #endings: SseStream[] = [];
  #publishing: Promise<void> = Promise.resolve();

  constructor(platform: Platform, urls: ServerUrls, handlers: SocketHandlers) {
    this.#platform = platform;
    this.#urls = urls;
    this.#handlers = handlers;
    void this.#open();
  }

  send(text: string): void {
    // Written by the SDK itself.
    const message = JSON.parse(text) as ClientMessage;
    if (message.type === 'auth') this.#authenticate(message);
    else if (message.type === 'subscribe') this.#subscribe(message);
    else if (message.type === 'unsubscribe') this.#unsubscribe(message.topic ?? '');
    else if (message.type === 'publish')
      this.#publishing = this.#publishing.then(() => this.#publish(message));
    else if (message.type === 'ack') void this.#acknowledge(message);
    else if (message.type === 'ping') void this.#ping(message.id);
  }

  close(close: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#abort.abort();
    for (const topic of [...this.#streams.keys()]) this.#unsubscribe(topic);
    this.#handlers.closed(close, reason);
  }

  /** HTTP answers: that is all a connection is here. The token is proved by the first request that needs it. */
  async #open(): Promise<void> {
    try {
      const response = await this.#fetch(this.#urls.liveness, {});
      if (!response.ok) throw await readProblem(response);
      await response.arrayBuffer();
    } catch (error) {
      return this.close(BROKEN, String(error));
    }
    if (this.#closed) return;
    this.#handlers.opened();
    this.#message(this.#welcome());
  }

  #welcome(): ServerMessage {
    return {
      type: 'welcome',
      connectionId: '',
      userId: this.#userId,
      entityId: '',
      roles: [],
      serverTime: new Date(this.#platform.now()).toISOString(),
      heartbeatMs: HEARTBEAT_MS,
      limits: DEFAULT_LIMITS,
      protocol: 'sse',
    };
  }

  /** Requests from now on carry it; streams that are open keep the one they were opened with. */
  #authenticate({ token }: AuthMessage): void {
    this.#headers = { authorization: `Bearer ${token}` };
    this.#userId = userOf(token);
  }

  #subscribe(request: SubscribeMessage): void {
    const { topic } = request;
    if (topic === undefined) return;
    this.#streams.get(topic)?.close();
    const options = { platform: this.#platform, urls: this.#urls, headers: this.#headers };
    const stream = new SseStream(
      { ...options, request: { ...request, topic } },
      {
        message: (message) => {
          if (this.#streams.get(topic) === stream) this.#message(message);
        },
        // Another stream that reads the topic brings it in its order.
        unasked: (event) => {
          if (!selectsTopic([...this.#streams.keys()], event.topic)) this.#message(event);
        },
        lost: (error) => {
          if (this.#streams.get(topic) === stream) this.#streamLost(request, error);
        },
      },
    );
    this.#streams.set(topic, stream);
  }

  #streamLost({ id, topic }: SubscribeMessage, error: MillraceError): void {
    if (topic !== undefined) this.#streams.delete(topic);
    // An answer refuses this subscription; a break ends all, and all are resumed together.
    if (isAboutToken(error)) this.#refuse(error);
    else if (error.details?.status !== undefined && id !== undefined)
      this.#message(errorMessage(id, error, this.#now()));
    else this.close(BROKEN, error.message);
  }

  #unsubscribe(topic: string): void {
    const stream = this.#streams.get(topic);
    this.#streams.delete(topic);
    // Acknowledged is what a stream brought: it stays until that is said.
    if (this.#acknowledging === 0) stream?.close();
    else if (stream !== undefined) this.#endings.push(stream);
  }

  async #publish({ type: _, id, ...event }: PublishMessage): Promise<void> {
    if (this.#closed || id === undefined) return;
    const body = JSON.stringify(event);
    const headers = { ...this.#headers, 'content-type': 'application/json' };
    try {
      const response = await this.#fetch(this.#urls.publish, { method: 'POST', headers, body });
      if (!response.ok) throw await readProblem(response);
      // [PUB-1] gives the result of a publication this shape.
      this.#message({ type: 'ok', id, result: (await response.json()) as PublishResult });
    } catch (error) {
      if (!(error instanceof MillraceError)) return this.close(BROKEN, String(error));
      if (isAboutToken(error)) return this.#refuse(error);
      this.#message(errorMessage(id, error, this.#now()));
    }
  }

  async #acknowledge({ id, topic, offset, consumer }: AckMessage): Promise<void> {
    const body = JSON.stringify({ offset, consumer });
    const headers = { ...this.#headers, 'content-type': 'application/json' };
    this.#acknowledging += 1;
    try {
      // Not aborted by `close`, which it may come right before.
      const init = { method: 'POST', headers, body, keepalive: true };
      const response = await this.#platform.fetch(this.#urls.acknowledge(topic), init);
      if (!response.ok) throw await readProblem(response);
      await response.arrayBuffer();
    } catch (error) {
      if (!(error instanceof MillraceError)) return this.close(BROKEN, String(error));
      if (isAboutToken(error)) return this.#refuse(error);
      if (id !== undefined) this.#message(errorMessage(id, error, this.#now()));
    } finally {
      this.#acknowledging -= 1;
      if (this.#acknowledging === 0) for (const stream of this.#endings.splice(0)) stream.close();
    }
  }

  async #ping(id: ClientMessage['id']): Promise<void> {
    try {
      const response = await this.#fetch(this.#urls.liveness, {});
      await response.arrayBuffer();
      this.#message({ type: 'pong', timestamp: this.#now(), ...(id === undefined ? {} : { id }) });
    } catch (error) {
      this.close(BROKEN, String(error));
    }
  }

  #refuse(error: MillraceError): void {
    this.close(CODE_TABLE[error.code].close ?? BROKEN, error.message);
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    return this.#platform.fetch(url, { ...init, signal: this.#abort.signal, cache: 'no-store' });
  }

  #now(): string {
    return new Date(this.#platform.now()).toISOString();
  }

  #message(message: ServerMessage): void {
    if (!this.#closed) this.#handlers.message(JSON.stringify(message));
  }
}

/** A token that is not accepted ends the connection, as it does over WebSocket. */
function isAboutToken({ code }: MillraceError): boolean {
  return code === 'unauthorized' || code === 'token-expired';
}

function errorMessage(id: string | number, error: MillraceError, timestamp: string): ServerMessage {
  const { code, message, retryable, details } = error;
  return {
    type: 'error',
    id,
    code,
    message,
    retryable,
    timestamp,
    ...(details === undefined ? {} : { details }),
  };
}
