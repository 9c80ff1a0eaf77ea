/**
 * The one table of codes. A code has a stable name, which `error`, `unsubscribed`, `dropped` and `closing` messages
 * and HTTP problem answers carry, and, where it can end a connection, a WebSocket close number:
 * 4000–4499 ask the client to reconnect (with backoff), 4500–4999 tell it not to.
 */
export interface Code {
  /** WebSocket close number, where the code can end a connection. */
  readonly close?: number;
  /** HTTP status, where the code can answer a request. */
  readonly http?: number;
  /** Whether the same request, or a new connection, may succeed later without change. */
  readonly retryable: boolean;
  readonly meaning: string;
}

export const CODES = {
  // The connection ends; the client should come back.
  draining: {
    close: 4000,
    http: 503,
    retryable: true,
    meaning: 'The server is shutting down or being replaced.',
  },
  'heartbeat-timeout': {
    close: 4001,
    retryable: true,
    meaning: 'Nothing was heard from the client for too long.',
  },
  'session-expired': { close: 4002, retryable: true, meaning: 'The session reached its longest lifetime.' },
  'token-expired': {
    close: 4003,
    http: 401,
    retryable: true,
    meaning: 'The token expired; come back with a fresh one.',
  },
  'slow-consumer': {
    close: 4004,
    retryable: true,
    meaning: 'The client does not read as fast as its policy demands.',
  },
  overloaded: {
    close: 4005,
    http: 503,
    retryable: true,
    meaning: 'A limit of connections or work is reached.',
  },
  internal: { close: 4006, http: 500, retryable: true, meaning: 'The server failed; its log has the cause.' },
  'auth-timeout': { close: 4007, retryable: true, meaning: 'No valid token came in time.' },
  // The connection ends; coming back the same way is no use.
  'bad-protocol': {
    close: 4500,
    http: 400,
    retryable: false,
    meaning: 'The client does not speak this protocol.',
  },
  unauthorized: {
    close: 4501,
    http: 401,
    retryable: false,
    meaning: 'The token is missing, malformed, forged or revoked.',
  },
  forbidden: { close: 4502, http: 403, retryable: false, meaning: 'The token does not permit this.' },
  'bad-origin': {
    close: 4503,
    http: 403,
    retryable: false,
    meaning: 'The page’s origin is not on the allow-list.',
  },
  disconnected: { close: 4504, retryable: false, meaning: 'An administrator ended the connection.' },
  abuse: {
    close: 4505,
    http: 429,
    retryable: false,
    meaning: 'The client kept breaking limits after being told.',
  },
  // One request is refused; the connection lives on.
  'bad-json': {
    http: 400,
    retryable: false,
    meaning: 'The message is not one JSON object (or MessagePack map).',
  },
  'bad-utf8': { http: 400, retryable: false, meaning: 'The message is not valid UTF-8.' },
  'bad-message': {
    http: 400,
    retryable: false,
    meaning: 'A field is missing or of the wrong shape; the message says which.',
  },
  'bad-topic': { http: 400, retryable: false, meaning: 'The topic or pattern breaks the naming rules.' },
  'bad-position': { http: 400, retryable: false, meaning: 'The position or cursor cannot be read.' },
  'forbidden-key': { http: 400, retryable: false, meaning: 'An object has the key `__proto__`.' },
  'too-deep': { http: 400, retryable: false, meaning: 'The JSON is nested deeper than allowed.' },
  'too-large': { http: 413, retryable: false, meaning: 'The message or event is larger than allowed.' },
  'unknown-type': { http: 400, retryable: false, meaning: 'The server knows no message of this type.' },
  'unknown-method': { http: 404, retryable: false, meaning: 'The server knows no such method.' },
  'not-found': { http: 404, retryable: false, meaning: 'There is no such topic, connection or route.' },
  'method-not-allowed': {
    http: 405,
    retryable: false,
    meaning: 'The path takes other methods; `Allow` lists them.',
  },
  'not-supported': {
    http: 501,
    retryable: false,
    meaning: 'This server does not offer the option that was asked for.',
  },
  'not-subscribed': { http: 409, retryable: false, meaning: 'The session has no such subscription.' },
  'too-many-subscriptions': {
    http: 429,
    retryable: false,
    meaning: 'The session has as many subscriptions as it may have.',
  },
  'rate-limited': {
    http: 429,
    retryable: true,
    meaning: 'The client sends faster than allowed; `details.retryAfterMs` says how long to wait.',
  },
  conflict: {
    http: 409,
    retryable: false,
    meaning: 'The topic’s head is not what `expectOffset` names; `details.position` is the head.',
  },
  fenced: {
    http: 409,
    retryable: false,
    meaning: 'A newer holder of the lease has written; this holder must stop.',
  },
  sealed: { http: 409, retryable: false, meaning: 'The topic is sealed: it takes no more events.' },
  'ack-ahead': {
    http: 409,
    retryable: false,
    meaning: 'The acknowledged offset was not sent to this session.',
  },
  'storage-full': { http: 507, retryable: true, meaning: 'The disk is full: nothing was stored.' },
  unavailable: {
    http: 503,
    retryable: true,
    meaning: 'The log, or what checks tokens, cannot be reached: nothing was stored.',
  },
  unknown: {
    http: 503,
    retryable: true,
    meaning: 'The outcome is not known; repeat with the same idempotency key.',
  },
  // Why recovery was not possible (`reason`), or events were left out (`dropped`).
  expired: { http: 410, retryable: false, meaning: 'Retention has removed events after the position.' },
  epoch: {
    http: 409,
    retryable: false,
    meaning: 'The position belongs to another log than the topic has now.',
  },
  slow: {
    retryable: false,
    meaning: 'The client read too slowly, and its policy leaves out the oldest events.',
  },
  conflated: {
    retryable: false,
    meaning: 'A newer event of the same key took its place while the client read too slowly.',
  },
  'client-request': { retryable: false, meaning: 'The client asked for it.' },
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
