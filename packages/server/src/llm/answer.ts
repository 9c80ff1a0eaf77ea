import { tokensPerSecond } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { AnswerEnd, AnswerWriter } from './answer-writer.ts';
import type { AnswerTimes } from './attempt.ts';
import type { LlmFigures } from './llm-figures.ts';
import type { LlmEnding, LlmMessage, LlmProvider } from './llm-provider.ts';
import { patientAnswer } from './patient-answer.ts';
import { ProviderError } from './provider-error.ts';

export interface AnswerOptions {
  readonly streamId: string;
  readonly entity: string;
  readonly topic: string;
  readonly provider: LlmProvider;
  readonly messages: readonly LlmMessage[];
  readonly writer: AnswerWriter;
  readonly clock: Clock;
  readonly random: () => number;
  readonly times: AnswerTimes;
  readonly maxRetries: number;
  readonly figures: LlmFigures;
  readonly onFailed: (error: ProviderError) => void;
}

/** The reason of an answer that nobody wants any more. */
class Cancelled extends Error {
  override readonly name: string = 'Cancelled';
}

/** One answer of a provider on its way into its topic. Nobody need watch for it to go on. */
export class Answer {
  readonly streamId: string;
  readonly entity: string;
  readonly topic: string;
  readonly #options: AnswerOptions;
  readonly #abort = new AbortController();
  #startMs = 0;
  #firstTokenMs: number | undefined;

  constructor(options: AnswerOptions) {
    this.streamId = options.streamId;
    this.entity = options.entity;
    this.topic = options.topic;
    this.#options = options;
  }

  /** Ends the provider's request, and the answer with what has come of it. Harmless when it has ended. */
  cancel(): void {
    this.#abort.abort(new Cancelled('the answer was cancelled'));
  }

  /** The same because this server ends: whoever asked may ask again. */
  interrupt(): void {
    this.#abort.abort(new ProviderError('interrupted', 'the server that gave the answer ended'));
  }

  /** Resolves when the answer and its end are stored. Rejects with a `MillraceError` when the log will never take them. */
  async run(): Promise<void> {
    const { clock, times, writer } = this.#options;
    this.#startMs = clock.monotonic();
    const limit = clock.after(times.wholeMs, () => {
      this.#abort.abort(new ProviderError('timeout', `the answer took longer than ${times.wholeMs} ms`));
    });
    try {
      await writer.end(await this.#outcome());
    } finally {
      limit.cancel();
    }
  }

  async #outcome(): Promise<AnswerEnd> {
    try {
      return this.#ended(await this.#read());
    } catch (error) {
      if (error instanceof Cancelled) return this.#ended({ finishReason: 'cancelled' });
      return this.#failed(error instanceof ProviderError ? error : storageError(error));
    }
  }

  #read(): Promise<LlmEnding> {
    return patientAnswer({
      ...this.#options,
      signal: this.#abort.signal,
      onRetry: () => {
        this.#options.figures.retries++;
      },
      take: (token) => this.#take(token),
    });
  }

  #take(token: string): Promise<void> | undefined {
    const { writer, figures, clock } = this.#options;
    figures.tokens++;
    if (this.#firstTokenMs === undefined) {
      this.#firstTokenMs = clock.monotonic() - this.#startMs;
      figures.firstToken.observe(this.#firstTokenMs);
    }
    writer.write(token);
    return writer.room()?.catch((error: unknown) => {
      throw storageError(error);
    });
  }

  #ended({ finishReason, usage }: LlmEnding): AnswerEnd {
    const { figures, clock, streamId } = this.#options;
    if (finishReason === 'cancelled') figures.cancelled++;
    else figures.complete++;
    const durationMs = clock.monotonic() - this.#startMs;
    const firstTokenMs = this.#firstTokenMs;
    return {
      event: 'stream.end',
      data: (tokens) => ({
        stream_id: streamId,
        tokens,
        duration_ms: Math.round(durationMs),
        ...(firstTokenMs !== undefined && { first_token_ms: Math.round(firstTokenMs) }),
        tokens_per_second: tokensPerSecond(tokens, durationMs - (firstTokenMs ?? 0)),
        finish_reason: finishReason,
        ...(usage !== undefined && { usage }),
      }),
    };
  }

  #failed(error: ProviderError): AnswerEnd {
    const { code, message, retryable } = error;
    const { streamId, figures, onFailed } = this.#options;
    figures.errors[code]++;
    onFailed(error);
    return {
      event: 'stream.error',
      data: (tokens) => ({ stream_id: streamId, code, message, retryable, tokens }),
    };
  }
}

/** What the writer throws: the log would not take the text. */
function storageError(cause: unknown): ProviderError {
  return new ProviderError('storage', 'the log did not take the answer', { cause });
}
