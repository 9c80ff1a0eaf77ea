import { chatTopicOf, controlTopicOf, readControl, tokensPerSecond } from '@millrace/protocol';
import { globalPlatform, type Platform } from '../platform.ts';
import type { AnyCatalog, Client } from '../types.ts';
import type { AnswerTokens, PublishAnswerOptions, PublishedAnswer } from './answer-types.ts';
import { TokenPublisher } from './token-publisher.ts';

const DEFAULT_WINDOW_MS = 20;
const CANCELLED = 'cancelled';

/**
 * Publishes a model's answer in a conversation, token by token, while it comes. Lost connections and restarts of the server cost
 * nothing: what is not stored waits, and is published once. Readers may cancel the answer; then it ends with what has come of it.
 * Resolves when the end is stored. What the iterable throws is published as `stream.error`, and thrown on; what the server refuses
 * for good is thrown as a `MillraceError`, and ends the iterable.
 *
 * ```ts
 * await publishAnswer(client, { conversationId: 'support-17' }, async function* (signal) {
 *   const chunks = await openai.chat.completions.create({ model, messages, stream: true }, { signal });
 *   for await (const chunk of chunks) yield chunk.choices[0]?.delta.content ?? '';
 * });
 * ```
 */
export async function publishAnswer<Catalog extends object>(
  client: Client<Catalog>,
  options: PublishAnswerOptions,
  tokens: AnswerTokens,
): Promise<PublishedAnswer> {
  // Whatever catalog the application has, the events of answers are ours.
  return await new AnswerPublication(client as unknown as Client<AnyCatalog>, options).run(tokens);
}

class AnswerPublication {
  readonly #client: Client<AnyCatalog>;
  readonly #platform: Platform;
  readonly #options: PublishAnswerOptions;
  readonly #streamId: string;
  readonly #topic: string;
  readonly #publisher: TokenPublisher;
  readonly #abort = new AbortController();
  #startMs = 0;
  #firstTokenMs: number | undefined;

  constructor(client: Client<AnyCatalog>, options: PublishAnswerOptions) {
    const { platform = globalPlatform, windowMs = DEFAULT_WINDOW_MS } = options;
    this.#client = client;
    this.#platform = platform;
    this.#options = options;
    this.#streamId = options.streamId ?? platform.uniqueId();
    this.#topic = chatTopicOf(options.conversationId);
    this.#publisher = new TokenPublisher({
      client,
      platform,
      windowMs,
      topic: this.#topic,
      streamId: this.#streamId,
    });
  }

  async run(tokens: AnswerTokens): Promise<PublishedAnswer> {
    const unfollow = this.#followControl();
    this.#startMs = this.#platform.monotonic();
    this.#publisher.start(this.#startData());
    try {
      return await this.#end(await this.#read(tokens));
    } finally {
      unfollow();
    }
  }

  /** Why the answer ended. */
  async #read(tokens: AnswerTokens): Promise<string> {
    const { signal } = this.#abort;
    const source = typeof tokens === 'function' ? tokens(signal) : tokens;
    const iterator = source[Symbol.asyncIterator]();
    try {
      return await Promise.race([this.#publishAll(iterator), cancelled(signal)]);
    } catch (error) {
      // What a provider throws because its request was aborted is no failure.
      if (signal.aborted) return CANCELLED;
      await this.#fail(error);
      throw error;
    } finally {
      this.#abort.abort();
      // It may be waiting for what never comes; nothing that it does now is of interest.
      iterator.return?.().then(undefined, () => {});
    }
  }

  async #publishAll(iterator: AsyncIterator<string, unknown>): Promise<string> {
    const { signal } = this.#abort;
    for (;;) {
      const next = await iterator.next();
      if (signal.aborted) return CANCELLED;
      if (next.done === true) return typeof next.value === 'string' ? next.value : 'stop';
      this.#firstTokenMs ??= this.#platform.monotonic() - this.#startMs;
      this.#publisher.write(next.value);
      const room = this.#publisher.room();
      if (room !== undefined) await room;
      if (signal.aborted) return CANCELLED;
    }
  }

  async #end(finishReason: string): Promise<PublishedAnswer> {
    const durationMs = this.#platform.monotonic() - this.#startMs;
    const firstTokenMs = this.#firstTokenMs;
    await this.#publisher.end('stream.end', (tokens) => ({
      stream_id: this.#streamId,
      tokens,
      duration_ms: Math.round(durationMs),
      ...(firstTokenMs !== undefined && { first_token_ms: Math.round(firstTokenMs) }),
      tokens_per_second: tokensPerSecond(tokens, durationMs - (firstTokenMs ?? 0)),
      finish_reason: finishReason,
    }));
    const { tokens } = this.#publisher;
    return { streamId: this.#streamId, topic: this.#topic, tokens, durationMs, finishReason };
  }

  /** Where not even this can be published, the reason why is what the caller is thrown anyway. */
  async #fail(error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    const end = { stream_id: this.#streamId, code: 'failed', message, retryable: true };
    await this.#publisher.end('stream.error', (tokens) => ({ ...end, tokens })).catch(() => {});
  }

  #startData(): object {
    const { conversationId, messageId, provider, model } = this.#options;
    return {
      stream_id: this.#streamId,
      conversation_id: conversationId,
      ...(messageId !== undefined && { message_id: messageId }),
      ...(provider !== undefined && { provider }),
      ...(model !== undefined && { model }),
    };
  }

  /** Whoever may publish in the conversation only as a member cannot follow, and the answer cannot be cancelled by others. */
  #followControl(): () => void {
    const { signal } = this.#options;
    const cancel = (): void => this.#abort.abort();
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted === true) cancel();
    const control = this.#client.topic(controlTopicOf(this.#streamId), { since: 'earliest' });
    control.on('event', (event) => {
      const asked = readControl(event);
      if (asked?.event !== 'control.cancel') return;
      // It was checked who asks for that conversation, not for this one.
      if (asked.data.topic === undefined || asked.data.topic === this.#topic) cancel();
    });
    return () => {
      signal?.removeEventListener('abort', cancel);
      control.close();
    };
  }
}

/** One listener for the whole answer: one for each token would be most of what a token costs. */
function cancelled(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(CANCELLED);
    else signal.addEventListener('abort', () => resolve(CANCELLED), { once: true });
  });
}
