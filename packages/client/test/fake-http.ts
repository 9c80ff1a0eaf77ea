import type { FakePlatform } from './fake-platform.ts';

/** One `GET /events` that a test writes to. */
export interface FakeStream {
  readonly url: URL;
  readonly authorization: string | null;
  write(text: string): void;
  end(): void;
  readonly aborted: boolean;
}

/** The HTTP side of a server, played by the test. */
export class FakeHttp {
  readonly streams: FakeStream[] = [];
  readonly published: Record<string, unknown>[] = [];
  alive = true;
  /** Answers a request instead of the defaults below. */
  answer: (url: URL, init: RequestInit) => Response | undefined = () => undefined;

  constructor(platform: FakePlatform) {
    platform.onFetch = (url, init) => this.#fetch(new URL(url), init);
  }

  get stream(): FakeStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error('no event stream was asked for');
    return stream;
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    if (!this.alive) throw new TypeError('fetch failed');
    const given = this.answer(url, init);
    if (given !== undefined) return given;
    if (url.pathname === '/livez') return new Response('ok');
    if (url.pathname === '/events') return this.#stream(url, init);
    if (url.pathname === '/api/v1/events') return this.#publish(init);
    return problem(404, 'not-found');
  }

  #publish(init: RequestInit): Response {
    const event = JSON.parse(String(init.body)) as Record<string, unknown>;
    this.published.push(event);
    const offset = this.published.length;
    return Response.json({ topic: event.topic, id: `i${offset}`, offset, epoch: 'e1', timestamp: '' });
  }

  #stream(url: URL, init: RequestInit): Response {
    const encoder = new TextEncoder();
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (given) => {
        controller = given;
      },
    });
    init.signal?.addEventListener('abort', () => controller.error(new Error('aborted')));
    this.streams.push({
      url,
      authorization: new Headers(init.headers).get('authorization'),
      write: (text) => controller.enqueue(encoder.encode(text)),
      end: () => controller.close(),
      get aborted() {
        return init.signal?.aborted ?? false;
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }
}

export function problem(status: number, code: string, retryable?: boolean, details: object = {}): Response {
  return Response.json(
    { type: 'about:blank', status, code, detail: `refused: ${code}`, details, retryable },
    { status },
  );
}

/** A block of the SSE door's `format=full`. */
export function fullEvent(cursor: string, topic: string, offset: number, data: unknown): string {
  const event = {
    type: 'event',
    topic,
    event: 'x',
    id: `${topic}-${offset}`,
    offset,
    epoch: 'e1',
    timestamp: '',
    data,
  };
  return `id: ${cursor}\nevent: x\ndata: ${JSON.stringify(event)}\n\n`;
}
