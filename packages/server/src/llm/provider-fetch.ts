import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';

/** The bodies of good answers, which a `Response` would read through streams and promises for each piece. */
const bodies = new WeakMap<Response, IncomingMessage>();

/**
 * What the package `openai` is given for `fetch`: the body of a good answer is not in its response, but comes with {@link bodyOf}. A
 * token costs half as much then (`npm run soak:llm`). Redirects are not followed.
 */
export async function providerFetch(
  input: string | URL | Request,
  { method = 'GET', headers, body, signal }: RequestInit = {},
): Promise<Response> {
  const url = new URL(input instanceof Request ? input.url : input);
  const begin = url.protocol === 'https:' ? requestHttps : requestHttp;
  const request = begin(url, {
    method,
    headers: Object.fromEntries(new Headers(headers)),
    ...(signal && { signal }),
  });
  // Whoever reads the body hears of what happens after the head.
  request.on('error', () => {});
  request.end(typeof body === 'string' ? body : undefined);
  const [incoming] = (await once(request, 'response')) as [IncomingMessage];
  const { statusCode: status = 0 } = incoming;
  const init = { status, headers: headersOf(incoming) };
  if (status < 200 || status > 299) return new Response(await text(incoming), init);
  const response = new Response(null, init);
  bodies.set(response, incoming);
  return response;
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
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  return headers;
}
