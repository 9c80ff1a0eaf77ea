import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type FakeStream, writeFakeStream } from './fake-stream.ts';

/** An answer before the first token: what a provider says when it is busy, broken or not to be used so. */
export interface FakeRefusal {
  readonly status: number;
  readonly message?: string;
  /** The `Retry-After` header: seconds, or a date. */
  readonly retryAfter?: string;
}

/** The connection ends without an answer. */
export interface FakeHangUp {
  readonly hangUp: true;
}

export type FakeAnswer = FakeStream | FakeRefusal | FakeHangUp;

/** The body of a request for a chat completion, as far as tests look at it. */
export interface ChatCompletionBody {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly [more: string]: unknown;
}

/** One request that a fake provider got. */
export interface FakeRequest {
  /** From 0, over all requests of the provider. */
  readonly index: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: ChatCompletionBody;
  /** When it came, by `performance.now()`. */
  readonly at: number;
  /** The tokens that were handed to the socket so far. */
  readonly sent: string[];
  /** Resolves when the socket is closed or the answer complete, with the moment by `performance.now()`. */
  readonly ended: Promise<{ readonly at: number; readonly complete: boolean }>;
}

export interface FakeProvider {
  /** What a client takes as the base URL. */
  readonly url: string;
  /** Every request for a completion, oldest first. */
  readonly requests: readonly FakeRequest[];
  /** Answers from now on so; a function is asked for each request. */
  answerWith(answer: FakeAnswer | ((request: FakeRequest) => FakeAnswer)): void;
  /** Ends every connection, and stops. Idempotent. */
  close(): Promise<void>;
}

export interface FakeProviderOptions {
  /** A free one when missing. */
  readonly port?: number;
  /** Requests with another key are refused as real providers do; any key is good when missing. */
  readonly apiKey?: string;
}

/**
 * A local HTTP server that speaks the wire format of streamed chat completions (`POST /v1/chat/completions`), with the errors and
 * accidents of real ones.
 *
 *     const provider = await startFakeProvider({ tokens: ['Hel', 'lo'] });
 *     provider.answerWith({ status: 429, retryAfter: '1' });
 */
export async function startFakeProvider(
  answer: FakeAnswer | ((request: FakeRequest) => FakeAnswer) = { tokens: ['Hello', ' world', '!'] },
  options: FakeProviderOptions = {},
): Promise<FakeProvider> {
  const provider = new LocalProvider(answer, options);
  await provider.listen(options.port ?? 0);
  return provider;
}

class LocalProvider implements FakeProvider {
  readonly requests: FakeRequest[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #apiKey: string | undefined;
  #answer: (request: FakeRequest) => FakeAnswer;

  constructor(answer: FakeAnswer | ((request: FakeRequest) => FakeAnswer), { apiKey }: FakeProviderOptions) {
    this.#apiKey = apiKey;
    this.#answer = asFunction(answer);
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch(() => response.destroy());
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket.setNoDelay(true));
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  answerWith(answer: FakeAnswer | ((request: FakeRequest) => FakeAnswer)): void {
    this.#answer = asFunction(answer);
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: '127.0.0.1', port, backlog: 1024 }, resolve);
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = performance.now();
    const ended = new Promise<{ at: number; complete: boolean }>((resolve) => {
      response.once('close', () => resolve({ at: performance.now(), complete: response.writableFinished }));
    });
    const { url, headers } = request;
    const body = JSON.parse(await text(request)) as ChatCompletionBody;
    const problem = this.#problemOf(url, headers, body);
    if (problem !== undefined) return refuse(response, problem);
    const taken: FakeRequest = { index: this.requests.length, headers, body, at, sent: [], ended };
    this.requests.push(taken);
    const answer = this.#answer(taken);
    if ('hangUp' in answer) request.socket.destroy();
    else if ('status' in answer) refuse(response, answer);
    else await writeFakeStream(response, answer, taken);
  }

  #problemOf(
    url: string | undefined,
    headers: IncomingHttpHeaders,
    { stream, messages }: Partial<ChatCompletionBody>,
  ): FakeRefusal | undefined {
    if (url !== '/v1/chat/completions') return { status: 404, message: `no route for ${url}` };
    if (this.#apiKey !== undefined && headers.authorization !== `Bearer ${this.#apiKey}`) {
      return { status: 401, message: 'Incorrect API key provided' };
    }
    if (stream !== true) return { status: 400, message: 'this provider only streams' };
    if (!Array.isArray(messages) || messages.length === 0) return { status: 400, message: 'no messages' };
    return undefined;
  }
}

function asFunction(
  answer: FakeAnswer | ((request: FakeRequest) => FakeAnswer),
): (request: FakeRequest) => FakeAnswer {
  return typeof answer === 'function' ? answer : () => answer;
}

function refuse(
  response: ServerResponse,
  { status, message = 'the provider refuses', retryAfter }: FakeRefusal,
): void {
  const kind =
    status === 429 ? 'rate_limit_exceeded' : status >= 500 ? 'server_error' : 'invalid_request_error';
  response
    .writeHead(status, {
      'content-type': 'application/json',
      ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
    })
    .end(JSON.stringify({ error: { message, type: kind, param: null, code: kind } }));
}
