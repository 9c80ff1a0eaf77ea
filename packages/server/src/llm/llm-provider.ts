/** One turn of a conversation, as models take it. */
export interface LlmMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface LlmRequest {
  /** Oldest first; never empty. */
  readonly messages: readonly LlmMessage[];
  /** Aborted when the answer is not wanted any more, or took too long: the provider lets go of its request at once. */
  readonly signal: AbortSignal;
}

/** Tokens as the provider itself counts them, for whoever pays. */
export interface LlmUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

/** How an answer came to its end. */
export interface LlmEnding {
  /** `stop`, `length`, `content_filter`, …: as the provider says it. */
  readonly finishReason: string;
  readonly usage?: LlmUsage | undefined;
}

/**
 * Whatever answers. The generator yields the answer's text in the pieces that the model makes, and returns how it ended; it throws
 * a {@link ProviderError} when there is no answer, or not all of it. It is asked for the next piece only when the last one has been
 * taken.
 *
 *     const echo: LlmProvider = { model: 'echo', async *stream({ messages }) {
 *       yield messages.at(-1)?.content ?? '';
 *       return { finishReason: 'stop' };
 *     } };
 */
export interface LlmProvider {
  /** The model's name, for readers. */
  readonly model: string;
  stream(request: LlmRequest): AsyncGenerator<string, LlmEnding, void>;
}
