/** What the HTTP API answered. `Body` is what the test expects; nothing checks it. */
export interface ApiAnswer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `text` as JSON; `undefined` when it is none. */
  readonly body: Body;
}

export interface ApiRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON; text and bytes as they are. */
  readonly body?: object | string | Uint8Array<ArrayBuffer>;
}

/** Calls an HTTP API as the bearer of a token. */
export class ApiClient {
  readonly #origin: string;
  readonly #token: string | undefined;

  constructor(origin: string, token?: string) {
    this.#origin = origin;
    this.#token = token;
  }

  async call<Body = Record<string, unknown>>(
    path: string,
    { method = 'GET', headers = {}, body }: ApiRequest = {},
  ): Promise<ApiAnswer<Body>> {
    const isObject = typeof body === 'object' && !(body instanceof Uint8Array);
    const response = await fetch(new URL(path, this.#origin), {
      method,
      headers: {
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: isObject ? JSON.stringify(body) : body }),
      redirect: 'manual',
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parse(text) as Body };
  }

  get<Body = Record<string, unknown>>(path: string): Promise<ApiAnswer<Body>> {
    return this.call<Body>(path);
  }

  post<Body = Record<string, unknown>>(
    path: string,
    body: ApiRequest['body'],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer<Body>> {
    return this.call<Body>(path, { method: 'POST', headers, ...(body !== undefined && { body }) });
  }

  delete<Body = Record<string, unknown>>(path: string): Promise<ApiAnswer<Body>> {
    return this.call<Body>(path, { method: 'DELETE' });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
