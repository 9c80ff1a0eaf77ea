import { STATUS_CODES } from 'node:http';
import { CODE_TABLE, type CodeName, MillraceError } from '@millrace/protocol';

/** An error answer over HTTP (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: CodeName;
  readonly retryable: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

export const PROBLEM_TYPE = 'application/problem+json';

export function problemOf(error: MillraceError): Problem {
  const { http: status = 500 } = CODE_TABLE[error.code];
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: error.message,
    code: error.code,
    retryable: error.retryable,
    ...(error.details !== undefined && { details: error.details }),
  };
}

/** When to come back, in whole seconds, where that is a matter of time. */
export function retryHeader({ status, retryable, details }: Problem): { 'Retry-After'?: string } {
  const waitMs = details?.retryAfterMs;
  if (typeof waitMs === 'number') return { 'Retry-After': String(Math.max(1, Math.ceil(waitMs / 1000))) };
  return retryable && (status === 503 || status === 429) ? { 'Retry-After': '1' } : {};
}

/** The answer to whatever was thrown: what is not a `MillraceError` is reported and shown as `internal`. */
export function problemOfAny(error: unknown, onError: (error: unknown) => void): Problem {
  if (error instanceof MillraceError) return problemOf(error);
  onError(error);
  return problemOf(new MillraceError('internal', 'the server failed; its log has the cause'));
}
