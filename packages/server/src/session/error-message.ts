import type { ErrorMessage, MessageId, MillraceError } from '@millrace/protocol';

/** An error as a client is told it ([MSG-5]). `details` are added to the error's own, which win. */
export function errorMessage(
  error: MillraceError,
  { id, atMs, details }: { id: MessageId | undefined; atMs: number; details?: Record<string, unknown> },
): ErrorMessage {
  const all = { ...details, ...error.details };
  return {
    type: 'error',
    ...(id !== undefined && { id }),
    code: error.code,
    message: error.message,
    retryable: error.retryable,
    timestamp: new Date(atMs).toISOString(),
    ...(Object.keys(all).length > 0 && { details: all }),
  };
}
