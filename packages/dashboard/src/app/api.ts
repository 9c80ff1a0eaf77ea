import type { MillraceEvent } from '@millrace/protocol';

export interface TopicInfo {
  readonly topic: string;
  /** `epoch:offset` of the newest event. */
  readonly position: string;
  readonly firstOffset: number;
  readonly events: number;
  readonly bytes: number;
  readonly sealed: boolean;
  /** Of the newest event, ISO 8601. */
  readonly timestamp?: string;
  readonly durability: string;
}

export interface HistoryPage {
  readonly events: readonly MillraceEvent[];
  /** `epoch:offset` after the last of `events`. */
  readonly position: string;
  /** How many events follow. */
  readonly behind: number;
}

export interface TopicPage {
  /** Sorted by name. */
  readonly topics: readonly TopicInfo[];
  /** Present when there may be more. */
  readonly next?: string;
}

/** The newest ones, or those after a position; without one, from the oldest that is kept. */
export type HistoryQuery = { readonly last: number } | { readonly after?: string; readonly limit: number };

/** An answer that is not a success: `code` is a name of the protocol's table, or `unreachable`. */
export class ApiError extends Error {
  override readonly name: string = 'ApiError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface Api {
  topics(query: { pattern: string; limit: number }, signal?: AbortSignal): Promise<TopicPage>;
  history(topic: string, query: HistoryQuery, signal?: AbortSignal): Promise<HistoryPage>;
  /** Rejects where this token may not speak to what runs under the id. */
  process(id: string, signal?: AbortSignal): Promise<unknown>;
  cancelProcess(id: string): Promise<unknown>;
  typeInto(id: string, typed: { readonly data: string; readonly end?: true }): Promise<unknown>;
  resizeProcess(id: string, size: { readonly columns: number; readonly rows: number }): Promise<unknown>;
}

/** The part of the HTTP API that the dashboard uses. `base` is the address that the dashboard is served from. */
export function createApi(options: { base: URL; token: string }): Api {
  const call = async (url: URL, { body, ...init }: CallOptions): Promise<unknown> => {
    const headers = {
      accept: 'application/json',
      authorization: `Bearer ${options.token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const json = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(url, { ...init, headers, body: json }).catch((cause: unknown) => {
      if (init.signal?.aborted) throw cause;
      throw new ApiError('unreachable', 0, 'The server does not answer.');
    });
    if (!response.ok) throw await errorOf(response);
    return response.json();
  };
  const get = (path: string, query: Record<string, unknown>, signal?: AbortSignal): Promise<unknown> => {
    const url = new URL(`api/v1/${path}`, options.base);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, String(value));
    return call(url, { method: 'GET', signal: signal ?? null });
  };
  const processUrl = (id: string, verb = ''): URL =>
    new URL(`api/v1/processes/${encodeURIComponent(id)}${verb}`, options.base);
  // The server's answers follow its OpenAPI document; they are trusted here, beyond their status.
  return {
    topics: async (query, signal) => (await get('topics', query, signal)) as TopicPage,
    history: async (topic, query, signal) => {
      const answer = await get(`topics/${encodeURIComponent(topic)}/events`, { ...query }, signal);
      return answer as HistoryPage;
    },
    process: (id, signal) => call(processUrl(id), { method: 'GET', signal: signal ?? null }),
    cancelProcess: (id) => call(processUrl(id), { method: 'DELETE' }),
    typeInto: (id, typed) => call(processUrl(id, '/stdin'), { method: 'POST', body: typed }),
    resizeProcess: (id, size) => call(processUrl(id, '/resize'), { method: 'POST', body: size }),
  };
}

interface CallOptions {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: object;
  readonly signal?: AbortSignal | null;
}

/** Reads RFC 9457 problem details; a proxy's page in between has none. */
async function errorOf(response: Response): Promise<ApiError> {
  const fallback = `The server answered ${response.status}.`;
  try {
    const problem = (await response.json()) as { code?: unknown; detail?: unknown };
    const code = typeof problem.code === 'string' ? problem.code : 'internal';
    return new ApiError(
      code,
      response.status,
      typeof problem.detail === 'string' ? problem.detail : fallback,
    );
  } catch {
    return new ApiError('internal', response.status, fallback);
  }
}
