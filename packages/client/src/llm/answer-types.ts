import type { Platform } from '../platform.ts';

/**
 * An answer's text in the pieces that the model makes. What it returns, if that is a text, is told as the `finish_reason`.
 * The function is given a signal that is aborted when the answer is not wanted any more: hand it to the provider's request.
 */
export type AnswerTokens =
  | AsyncIterable<string, unknown>
  | ((signal: AbortSignal) => AsyncIterable<string, unknown>);

export interface PublishAnswerOptions {
  readonly conversationId: string;
  /** The answer's id, for those who are to read it before it is over. Default: one that nobody guesses. */
  readonly streamId?: string | undefined;
  /** The message that the answer will be. */
  readonly messageId?: string | undefined;
  /** Who runs the model, and which one, for the readers. */
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  /** How long tokens are collected for one event; the first one does not wait. Default 20. */
  readonly windowMs?: number | undefined;
  /** Aborting it cancels the answer, as readers may by `POST /api/v1/llm/{stream}/cancel`. */
  readonly signal?: AbortSignal | undefined;
  /** Clock and randomness. Default: the globals. */
  readonly platform?: Platform | undefined;
}

/** An answer that is published, its end included. */
export interface PublishedAnswer {
  readonly streamId: string;
  readonly topic: string;
  readonly tokens: number;
  readonly durationMs: number;
  /** `stop`, `cancelled`, or what the tokens' iterable returned. */
  readonly finishReason: string;
}

export interface ReadAnswerOptions {
  /** Aborting it ends the reading: the loop throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The answer ended before its time (`stream.error`); what came of it has been read. */
export class AnswerError extends Error {
  override readonly name: string = 'AnswerError';
  /** `refused`, `busy`, `failed`, `truncated`, `timeout`, `interrupted`, `storage`, or the publisher's own. */
  readonly code: string;
  /** Whether asking again may help. */
  readonly retryable: boolean;

  constructor({ code, message, retryable }: { code: string; message: string; retryable: boolean }) {
    super(message);
    this.code = code;
    this.retryable = retryable;
  }
}
