/**
 * The one table of codes. A code has a stable name, which `error`, `unsubscribed`, `dropped` and `closing` messages
 * and HTTP problem answers carry, and, where it can end a connection, a WebSocket close number:
 * 4000–4499 ask the client to reconnect (with backoff), 4500–4999 tell it not to. What each one means is told in
 * `code-meanings.ts`: clients act on codes and have no use for the words.
 */
export interface Code {
  /** WebSocket close number, where the code can end a connection. */
  readonly close?: number;
  /** HTTP status, where the code can answer a request. */
  readonly http?: number;
  /** Whether the same request, or a new connection, may succeed later without change. */
  readonly retryable: boolean;
}

export const CODES = {
  // The connection ends; the client should come back.
  draining: { close: 4000, http: 503, retryable: true },
  'heartbeat-timeout': { close: 4001, retryable: true },
  'session-expired': { close: 4002, retryable: true },
  'token-expired': { close: 4003, http: 401, retryable: true },
  'slow-consumer': { close: 4004, retryable: true },
  overloaded: { close: 4005, http: 503, retryable: true },
  internal: { close: 4006, http: 500, retryable: true },
  'auth-timeout': { close: 4007, retryable: true },
  // The connection ends; coming back the same way is no use.
  'bad-protocol': { close: 4500, http: 400, retryable: false },
  unauthorized: { close: 4501, http: 401, retryable: false },
  forbidden: { close: 4502, http: 403, retryable: false },
  'bad-origin': { close: 4503, http: 403, retryable: false },
  disconnected: { close: 4504, retryable: false },
  abuse: { close: 4505, http: 429, retryable: false },
  // One request is refused; the connection lives on.
  'bad-json': { http: 400, retryable: false },
  'bad-utf8': { http: 400, retryable: false },
  'bad-message': { http: 400, retryable: false },
  'bad-topic': { http: 400, retryable: false },
  'bad-position': { http: 400, retryable: false },
  'bad-data': { http: 422, retryable: false },
  'unknown-event': { http: 422, retryable: false },
  'forbidden-key': { http: 400, retryable: false },
  'too-deep': { http: 400, retryable: false },
  'too-large': { http: 413, retryable: false },
  'unknown-type': { http: 400, retryable: false },
  'unknown-method': { http: 404, retryable: false },
  'not-found': { http: 404, retryable: false },
  'method-not-allowed': { http: 405, retryable: false },
  'not-supported': { http: 501, retryable: false },
  'not-subscribed': { http: 409, retryable: false },
  'too-many-subscriptions': { http: 429, retryable: false },
  'rate-limited': { http: 429, retryable: true },
  conflict: { http: 409, retryable: false },
  fenced: { http: 409, retryable: false },
  sealed: { http: 409, retryable: false },
  'ack-ahead': { http: 409, retryable: false },
  'storage-full': { http: 507, retryable: true },
  unavailable: { http: 503, retryable: true },
  unknown: { http: 503, retryable: true },
  // Why recovery was not possible (`reason`), or events were left out (`dropped`).
  expired: { http: 410, retryable: false },
  epoch: { http: 409, retryable: false },
  slow: { retryable: false },
  conflated: { retryable: false },
  'client-request': { retryable: false },
} as const satisfies Record<string, Code>;

export type CodeName = keyof typeof CODES;

/** Why recovery was not possible. */
export type RecoveryFailure = 'expired' | 'epoch';

/** The codes as one uniform table, for looking up optional fields. */
export const CODE_TABLE: Readonly<Record<CodeName, Code>> = CODES;

/** WebSocket's own close numbers that Millrace uses as RFC 6455 §7.4.1 defines them. */
export const STANDARD_CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  invalidData: 1007,
  policyViolation: 1008,
  tooBig: 1009,
} as const;

/** The code of a close number, or `undefined` for a number that is not in the table. */
export function codeOfClose(close: number): CodeName | undefined {
  for (const [name, code] of Object.entries(CODE_TABLE)) {
    if (code.close === close) return name as CodeName;
  }
  return undefined;
}

/** Whether a client should reconnect after its connection was closed with this number. */
export function shouldReconnect(close: number): boolean {
  if (close >= 4500 && close <= 4999) return false;
  return ![
    STANDARD_CLOSE.protocolError,
    1003,
    STANDARD_CLOSE.invalidData,
    STANDARD_CLOSE.policyViolation,
    STANDARD_CLOSE.tooBig,
  ].includes(close);
}

/** An error that a peer may see. Its `message` says what happened, where, and what to do. */
export class MillraceError extends Error {
  override readonly name: string = 'MillraceError';
  readonly code: CodeName;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** Whether the same request, or a new connection, may succeed later without change. */
  readonly retryable: boolean;

  /** `retryable`: as the peer says, whose codes may be newer than this table. Default: as the table says. */
  constructor(
    code: CodeName,
    message: string,
    options: {
      details?: Record<string, unknown> | undefined;
      cause?: unknown;
      retryable?: boolean | undefined;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.retryable = options.retryable ?? CODE_TABLE[code]?.retryable ?? false;
  }
}
