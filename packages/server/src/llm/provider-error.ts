/**
 * Why an answer has no good end, as `stream.error` says it and `/metrics` counts it. `refused`: the provider takes no such request
 * (or no longer its key); `busy`: it has too many; `failed`: it broke; `truncated`: the answer stopped before its end; `timeout`: it
 * took too long; `interrupted`: this server ended; `storage`: the log would not take the answer.
 */
export const ANSWER_ERRORS = [
  'refused',
  'busy',
  'failed',
  'truncated',
  'timeout',
  'interrupted',
  'storage',
] as const;
export type AnswerErrorCode = (typeof ANSWER_ERRORS)[number];

/** Whether the same question may be answered later. */
const RETRYABLE: Readonly<Record<AnswerErrorCode, boolean>> = {
  refused: false,
  busy: true,
  failed: true,
  truncated: true,
  timeout: true,
  interrupted: true,
  storage: true,
};

/** An answer that failed. Its message is shown to viewers: nothing in it may be secret. */
export class ProviderError extends Error {
  override readonly name: string = 'ProviderError';
  readonly code: AnswerErrorCode;
  /** When the provider wants to be asked again, as it said itself. */
  readonly retryAfterMs: number | undefined;
  /** What else the operator should know, for the server's log alone; without the key. */
  readonly detail: string | undefined;

  constructor(
    code: AnswerErrorCode,
    message: string,
    options: { retryAfterMs?: number | undefined; detail?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.detail = options.detail;
  }

  get retryable(): boolean {
    return RETRYABLE[this.code];
  }
}
