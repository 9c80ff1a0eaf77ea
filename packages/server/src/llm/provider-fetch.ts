import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';

/** The bodies of good answers, which a `Response` would read through streams and promises for each piece. */
const bodies = new WeakMap<Response, IncomingMessage>();

const CONNECT_TIMEOUT_MS = 10_000;
/** How long a body may take to end after all that is wanted of it has come, so that its connection serves the next request. */
const LINGER_MS = 100;
const MAX_STATUS = 599;
const NOT_MODIFIED = 304;

/**
 * What the package `openai` is given for `fetch`: the body of a good answer is not in its response, but comes with {@link bodyOf}. A
 * token costs less then (`npm run soak:llm`). Redirects are not followed, nor is anything decompressed: it asks for no
 * compression. Rejects where nobody answers, or not as it was asked to.
 */
export async function providerFetch(
  input: string | URL | Request,
  { method = 'GET', headers, body, signal }: RequestInit = {},
): Promise<Response> {
  const url = new URL(input instanceof Request ? input.url : input);
  const begin = url.protocol === 'https:' ? requestHttps : requestHttp;
  const request = begin(url, {
    method,
    headers: { ...Object.fromEntries(new Headers(headers)), 'accept-encoding': 'identity' },
    ...(signal && { signal }),
  });
  // Whoever reads the body hears of what happens after the head.
  request.on('error', () => {});
  request.once('socket', (socket) => giveUpConnecting(socket, request));
  request.end(typeof body === 'string' ? body : undefined);
  const [incoming] = (await once(request, 'response')) as [IncomingMessage];
  const status = Math.min(incoming.statusCode ?? 0, MAX_STATUS);
  const init = { status, headers: headersOf(incoming) };
  if (status < 200 || status > 299) {
    const refusal = await refusalOf(incoming, signal);
    return new Response(status === NOT_MODIFIED ? null : refusal, init);
  }
  assertPlain(incoming);
  const response = new Response(null, init);
  bodies.set(response, incoming);
  return response;
}

function giveUpConnecting(socket: Socket, request: ClientRequest): void {
  if (!socket.connecting) return;
  const giveUp = (): void => {
    request.destroy(new Error(`no connection came about within ${CONNECT_TIMEOUT_MS} ms`));
  };
  socket.setTimeout(CONNECT_TIMEOUT_MS, giveUp);
  socket.once('connect', () => {
    socket.setTimeout(0);
    socket.off('timeout', giveUp);
  });
}

/** What a refusal says; where the connection breaks in the midst of it, its status says enough. */
async function refusalOf(incoming: IncomingMessage, signal: AbortSignal | null | undefined): Promise<string> {
  try {
    return await text(incoming);
  } catch (error) {
    if (signal?.aborted) throw error;
    return '';
  }
}

function assertPlain(incoming: IncomingMessage): void {
  const encoding = incoming.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return;
  incoming.destroy();
  throw new Error(`the provider compresses its answers (${encoding}), although it is asked not to`);
}

/** The body of an answer that {@link providerFetch} got. */
export function bodyOf(response: Response): ResponseBody {
  const incoming = bodies.get(response);
  if (incoming === undefined) throw new Error('the response is none of an answer of providerFetch');
  return new ResponseBody(incoming);
}

/** Reads a body as far as it has come, with a few listeners for all of it. */
export class ResponseBody {
  readonly #incoming: IncomingMessage;
  #failure: unknown;
  #isOver = false;
  #onChange: (() => void) | undefined;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
    const changed = (): void => this.#onChange?.();
    incoming.on('readable', changed);
    incoming.on('error', (error) => {
      this.#failure = error;
      changed();
    });
    incoming.on('close', () => {
      this.#isOver = true;
      changed();
    });
  }

  /** What has come since it was last asked, if need be when it comes; `undefined` at the end. Throws where the connection broke. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.#incoming.read() as Buffer | null;
      if (bytes !== null) return bytes;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#incoming.readableEnded) return undefined;
      if (this.#isOver) throw new Error('the connection was closed before the end');
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
    }
  }

  /** Lets go of what has not been read, and of the connection with it. Idempotent. */
  close(): void {
    this.#incoming.destroy();
  }

  /** The same where all that is wanted has come: the connection is kept, if the body ends soon. */
  finish(): void {
    const incoming = this.#incoming;
    incoming.removeAllListeners('readable');
    const lingering = setTimeout(() => incoming.destroy(), LINGER_MS);
    lingering.unref();
    incoming.once('close', () => clearTimeout(lingering));
    incoming.resume();
  }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  return headers;
}
